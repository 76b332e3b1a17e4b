"""Forms about the person and the course of treatment: patients, episodes, events, withdrawals.

Belongs here: the columns of those forms. Does not belong here: interviews, contacts of units.
"""

from __future__ import annotations

import polars as pl

from schemas import codes
from schemas.fields import RegistryModel, field, table
from schemas.forms.interview import PATIENT_ID


class Patients(RegistryModel):
    """One row per eligible person, whatever they answered to the invitation.

    Grain: person. Key: patient_id. Only people who consented, or who are in on an opt-out
    basis, may have rows in any other form.
    """

    patient_id: pl.String = field("Person", PATIENT_ID, required=True, open_text=True)
    sex: pl.String = field("Sex", "Sex as registered.", nb="Kjønn", codes=codes.SEX)
    birth_year: pl.Int32 = field(
        "Birth year",
        "Year of birth, at most the year of the cut-off.",
        nb="Fødselsår",
        low=1900,
        high=2100,
    )
    unit_id: pl.String = field(
        "Unit", "The unit responsible for the person.", nb="Enhet", open_text=True
    )
    municipality_code: pl.String = field(
        "Municipality", "Municipality number of residence.", nb="Kommune", open_text=True
    )
    invited_date: pl.Date = field("Invited", "Day of the invitation.", nb="Invitert")
    assigned_pathway: pl.String = field(
        "Assigned pathway",
        "Pathway at baseline where it was assigned, a randomised arm for instance.",
        nb="Tildelt forløp",
        open_text=True,
        null="not assigned; the baseline pathway is the stay at baseline",
    )
    primary_substance: pl.String = field(
        "Primary substance",
        "The substance that is the main problem, a code of the protocol.",
        nb="Hovedrusmiddel",
        open_text=True,
    )
    consent: pl.String = field(
        "Consent",
        "Answer to the invitation.",
        nb="Samtykke",
        codes=codes.CONSENT,
        required=True,
    )
    consent_date: pl.Date = field("Consent date", "Day of the consent.", nb="Samtykkedato")
    legal_basis: pl.String = field(
        "Legal basis",
        "Basis for holding the person's data.",
        nb="Rettslig grunnlag",
        codes=codes.LEGAL_BASIS,
        null="consent",
    )
    treatment_start_date: pl.Date = field(
        "Treatment start", "First day in OAT.", nb="Behandlingsstart"
    )
    co_occurring_disorder: pl.Boolean = field(
        "Co-occurring disorder",
        "A mental disorder beside the substance use disorder.",
        nb="Samtidig psykisk lidelse",
        null="not known",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table("intake.patients", ["patient_id"], title="Patients", nb="Pasienter")


class Episodes(RegistryModel):
    """One row per stay in a pathway.

    Grain: person, pathway and start. Key: patient_id, pathway, start_date; a stay that was
    never_met has no start, and planned_start_date stands in its place.
    A null end_date says still there at extraction; an end_date without exit_type is censored.
    """

    patient_id: pl.String = field("Person", PATIENT_ID, required=True, open_text=True)
    pathway: pl.String = field(
        "Pathway", "A pathway code of the protocol.", nb="Forløp", required=True, open_text=True
    )
    level: pl.String = field("Level", "Level of care.", nb="Nivå", codes=codes.LEVEL)
    unit_id: pl.String = field("Unit", "The unit of the stay.", nb="Enhet", open_text=True)
    start_date: pl.Date = field(
        "Start", "First day of the stay.", nb="Start", present=True, null="never met"
    )
    end_date: pl.Date = field(
        "End",
        "Day of leaving: the stay lasts end_date - start_date days; zero is allowed.",
        nb="Slutt",
        null="still there at extraction",
    )
    planned_start_date: pl.Date = field(
        "Planned start", "Day the stay was to begin.", nb="Planlagt start", null="not planned"
    )
    referred_date: pl.Date = field("Referred", "Day of the referral.", nb="Henvist")
    exit_type: pl.String = field(
        "Exit type",
        "How the stay ended.",
        nb="Avslutning",
        codes=codes.EXIT_TYPE,
        null="not ended, or censored at end_date",
    )
    planned: pl.Boolean = field("Planned", "A planned admission.", nb="Planlagt")
    disorder_treated: pl.String = field(
        "Disorder treated",
        "Which disorder the stay treats.",
        nb="Behandlet lidelse",
        codes=codes.DISORDER_TREATED,
    )
    cover_days: pl.Int32 = field(
        "Cover",
        "Days the last dose covers after end_date (28 for a monthly injection).",
        nb="Dekning",
        unit="days",
        low=0,
        high=366,
        null="no cover",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "intake.episodes",
            ["patient_id", "pathway", "start_date"],
            title="Episodes",
            nb="Behandlingsopphold",
            key_fallback={"start_date": "planned_start_date"},
        )


class Events(RegistryModel):
    """One row per event in a person's life that the registry counts.

    Grain: person, day and type. Key: patient_id, event_date, event_type.
    """

    patient_id: pl.String = field("Person", PATIENT_ID, required=True, open_text=True)
    event_date: pl.Date = field("Event date", "Day of the event.", nb="Dato", required=True)
    event_type: pl.String = field(
        "Event type", "What happened.", nb="Hendelse", codes=codes.EVENT_TYPE, required=True
    )
    related: pl.String = field(
        "Related to the stay before",
        "Whether the event has to do with the stay before it.",
        nb="Relatert til oppholdet før",
        codes=codes.YES_NO,
    )
    unit_id: pl.String = field("Unit", "The unit that reports.", nb="Enhet", open_text=True)

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "intake.events",
            ["patient_id", "event_date", "event_type"],
            title="Events",
            nb="Hendelser",
        )


class Withdrawals(RegistryModel):
    """One row per person who takes the consent back, whole or in part.

    Grain: person. Key: patient_id. `erase` leaves nothing of the person; `stop_interviews`
    ends the visits from that day, and nothing else: stays, events and steps are told on.
    """

    patient_id: pl.String = field("Person", PATIENT_ID, required=True, open_text=True)
    withdrawn_date: pl.Date = field(
        "Withdrawn", "Day of the withdrawal.", nb="Trukket", required=True
    )
    scope: pl.String = field(
        "Scope",
        "What the person withdraws from.",
        nb="Omfang",
        codes=codes.WITHDRAWAL_SCOPE,
        required=True,
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "intake.withdrawals", ["patient_id"], title="Withdrawals", nb="Tilbaketrekkinger"
        )
