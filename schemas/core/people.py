"""Core tables of people: patient, unit, episode, event.

Belongs here: who is in the cohort, where they are treated and what happened to them.
Does not belong here: what they answered.
"""

from __future__ import annotations

import polars as pl

from schemas import codes, shared
from schemas.core.columns import day_from_origin, unit
from schemas.fields import RegistryModel, field, table


class Patient(RegistryModel):
    """One row per eligible person of a cohort, enrolled or not.

    Grain: person. Key: cohort, patient_id. Caveat: people who did not consent carry the
    invitation's own facts and nothing else; `enrolled` separates them.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    sex: pl.String = field("Sex", "Sex as registered.", nb="Kjønn", codes=codes.SEX, required=True)
    birth_year: pl.Int32 = field(
        "Birth year", "Year of birth.", nb="Fødselsår", low=1900, high=2100, null="not known"
    )
    age_group: pl.String = field(
        "Age group",
        "Age at the origin (year of origin less birth year), or at the invitation or the cut-off "
        "for people without an origin.",
        nb="Aldersgruppe",
        codes=codes.AGE_GROUP,
        required=True,
    )
    unit_id: pl.String = unit()
    municipality_code: pl.String = field(
        "Municipality", "Municipality number of residence.", nb="Kommune", null="not known"
    )
    consent: pl.String = field(
        "Consent", "Answer to the invitation.", nb="Samtykke", codes=codes.CONSENT, required=True
    )
    legal_basis: pl.String = field(
        "Legal basis",
        "Basis for holding the person's data.",
        nb="Rettslig grunnlag",
        codes=codes.LEGAL_BASIS,
        required=True,
    )
    enrolled: pl.Boolean = field(
        "Enrolled",
        "Consented, or in on an opt-out basis without having opted out.",
        nb="Med i registeret",
        required=True,
    )
    invited_date: pl.Date = field(
        "Invited", "Day of the invitation.", nb="Invitert", null="not known"
    )
    consent_date: pl.Date = field(
        "Consent date", "Day of the consent.", nb="Samtykkedato", null="not known or no consent"
    )
    baseline_date: pl.Date = field(
        "Baseline",
        "Day of the first completed or partial interview.",
        nb="Første intervju",
        null="no interview held",
    )
    origin_date: pl.Date = field(
        "Origin",
        "Day 0 of the wave clock: the protocol's choice, else the consent date.",
        nb="Dag null",
        null="not enrolled, or no day to count from",
    )
    retention_origin_date: pl.Date = field(
        "Retention origin",
        "Day 0 of the retention clock, as the protocol says.",
        nb="Dag null for retensjon",
        null="not enrolled, or no day to count from",
    )
    treatment_start_day: pl.Int32 = day_from_origin(
        "Treatment start",
        "First day in OAT; negative before the origin",
        "Behandlingsstart",
        "not known",
    )
    cutoff_date: pl.Date = field(
        "Cut-off",
        "extracted_on of the latest full delivery of the person's sender.",
        nb="Skjæringsdato",
        required=True,
    )
    step_cutoff_date: pl.Date = field(
        "Steps known until",
        "Cut-off of the sender's steps of the process: of its latest full delivery that holds "
        "them, which may lie before the person's.",
        nb="Trinn kjent til",
        null="no sender delivers steps",
    )
    cutoff_day: pl.Int32 = day_from_origin(
        "Cut-off day", "The cut-off", "Skjæringsdag", "no origin"
    )
    death_day: pl.Int32 = day_from_origin(
        "Death", "Day of death", "Død", "not dead, as far as delivered"
    )
    moved_day: pl.Int32 = day_from_origin(
        "Moved", "Day of moving out of the country", "Flyttet", "not moved"
    )
    withdrawn_day: pl.Int32 = day_from_origin(
        "Withdrawn", "Day from which no interviews are held", "Trukket", "not withdrawn"
    )
    co_occurring_disorder: pl.Boolean = field(
        "Co-occurring disorder",
        "A mental disorder beside the substance use disorder.",
        nb="Samtidig psykisk lidelse",
        null="not known",
    )
    baseline_pathway: pl.String = field(
        "Pathway at baseline",
        "The assigned pathway, else the stay that covers the origin, else one that was begun and "
        "left on that day.",
        nb="Forløp ved start",
        null="no stay covers the origin",
    )
    primary_substance: pl.String = field(
        "Primary substance",
        "The main problem, a code of the protocol.",
        nb="Hovedrusmiddel",
        null="not stated",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table("core.patient", ["cohort", "patient_id"], title="Patients", nb="Pasienter")


class Unit(RegistryModel):
    """One row per unit of a cohort's protocol.

    Grain: unit. Key: cohort, unit_id.
    """

    cohort: pl.String = shared.cohort()
    unit_id: pl.String = field("Unit", "The protocol's unit id.", nb="Enhet", required=True)
    name: pl.String = field("Name", "Name of the unit.", nb="Navn", required=True)
    orgnr: pl.String = field(
        "Organisation number",
        "Number in the unit register.",
        nb="Organisasjonsnummer",
        null="not stated",
    )
    hf: pl.String = field("Health trust", "The health trust.", nb="Helseforetak", null="not stated")
    rhf: pl.String = field(
        "Health region",
        "The regional health authority.",
        nb="Regionalt helseforetak",
        null="not stated",
    )
    municipality: pl.String = field(
        "Municipality", "Municipality number.", nb="Kommune", null="not stated"
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table("core.unit", ["cohort", "unit_id"], title="Units", nb="Enheter")


class Episode(RegistryModel):
    """One row per stay, as delivered and not held.

    Grain: person, pathway and start. Key: cohort, patient_id, pathway, start_date (for
    never_met planned_start_date). Caveat: overlapping stays of one pathway stand here as
    delivered and are merged in derived.retention_person.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    pathway: pl.String = field("Pathway", "Pathway code.", nb="Forløp", required=True)
    is_treatment: pl.Boolean = field(
        "Treatment", "The pathway counts as treatment (OAT).", nb="Behandling", required=True
    )
    is_index: pl.Boolean = field(
        "Index", "The pathway is the index pathway.", nb="Indeksforløp", required=True
    )
    level: pl.String = field(
        "Level", "Level of care.", nb="Nivå", codes=codes.LEVEL, null="not stated"
    )
    unit_id: pl.String = unit()
    start_date: pl.Date = field("Start", "First day.", nb="Start", null="never met")
    end_date: pl.Date = field("End", "Day of leaving.", nb="Slutt", null="still there")
    start_day: pl.Int32 = day_from_origin(
        "Start day", "First day", "Startdag", "never met or no origin"
    )
    end_day: pl.Int32 = day_from_origin(
        "End day", "Day of leaving", "Sluttdag", "still there or no origin"
    )
    planned_start_date: pl.Date = field(
        "Planned start", "Day it was to begin.", nb="Planlagt start", null="not planned"
    )
    referred_date: pl.Date = field("Referred", "Day of referral.", nb="Henvist", null="not stated")
    exit_type: pl.String = field(
        "Exit type",
        "How it ended.",
        nb="Avslutning",
        codes=codes.EXIT_TYPE,
        null="not ended, or censored at end_date",
    )
    planned: pl.Boolean = field("Planned", "Planned admission.", nb="Planlagt", null="not stated")
    disorder_treated: pl.String = field(
        "Disorder treated",
        "Which disorder.",
        nb="Behandlet lidelse",
        codes=codes.DISORDER_TREATED,
        null="not stated",
    )
    cover_days: pl.Int32 = field(
        "Cover",
        "Days covered after end_date.",
        nb="Dekning",
        unit="days",
        low=0,
        high=366,
        required=True,
    )
    last_seen_day: pl.Int32 = day_from_origin(
        "Last seen",
        "Cut-off of the last full delivery that carried the stay; an open stay is censored there",
        "Sist sett",
        "no origin",
    )
    cutoff_date: pl.Date = field(
        "Known until",
        "Cut-off of the sender's stays: of its latest full delivery that holds them, which may lie "
        "before the person's.",
        nb="Kjent til",
        required=True,
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.episode",
            ["cohort", "patient_id", "pathway", "start_date"],
            title="Episodes",
            nb="Behandlingsopphold",
            key_fallback={"start_date": "planned_start_date"},
        )


class Event(RegistryModel):
    """One row per event in a person's life.

    Grain: person, day, type. Key: cohort, patient_id, event_date, event_type.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    event_date: pl.Date = field("Event date", "Day of the event.", nb="Dato", required=True)
    event_type: pl.String = field(
        "Event type", "What happened.", nb="Hendelse", codes=codes.EVENT_TYPE, required=True
    )
    event_day: pl.Int32 = day_from_origin("Event day", "Day of the event", "Dag", "no origin")
    related: pl.String = field(
        "Related",
        "Has to do with the stay before it.",
        nb="Relatert",
        codes=codes.YES_NO,
        null="not stated",
    )
    unit_id: pl.String = unit()

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.event",
            ["cohort", "patient_id", "event_date", "event_type"],
            title="Events",
            nb="Hendelser",
        )
