"""Core tables of services: toxicology, appointments, process, outreach, involvement, goals.

Belongs here: contacts and counts that units deliver beside the interviews.
Does not belong here: the indicators made of them (see `schemas.quality`).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from schemas import codes, shared
from schemas.core.columns import day_from_origin, unit
from schemas.fields import RegistryModel, field, table


class Toxicology(RegistryModel):
    """One row per substance tested in a sample.

    Grain: person, day, substance. Key: cohort, patient_id, sample_date, substance.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    sample_date: pl.Date = field("Sample date", "Day of the sample.", nb="Prøvedato", required=True)
    substance: pl.String = field("Substance", "Tested for.", nb="Rusmiddel", required=True)
    sample_day: pl.Int32 = day_from_origin("Sample day", "The sample", "Prøvedag", "no origin")
    result: pl.String = field(
        "Result", "Result.", nb="Svar", codes=codes.TOXICOLOGY_RESULT, required=True
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.toxicology",
            ["cohort", "patient_id", "sample_date", "substance"],
            title="Toxicology",
            nb="Rusmiddelprøver",
        )


class Appointment(RegistryModel):
    """One row per scheduled appointment.

    Grain: person, day, unit, type. Key: those with cohort; the type may be null.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    scheduled_date: pl.Date = field("Scheduled", "Day agreed.", nb="Avtalt dato", required=True)
    unit_id: pl.String = field("Unit", "The unit.", nb="Enhet", required=True)
    appointment_type: pl.String = field("Type", "Kind.", nb="Type", null="not stated")
    scheduled_day: pl.Int32 = day_from_origin("Scheduled day", "The day", "Avtalt dag", "no origin")
    status: pl.String = field(
        "Status", "What became of it.", nb="Status", codes=codes.APPOINTMENT_STATUS, required=True
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.appointment",
            ["cohort", "patient_id", "scheduled_date", "unit_id", "appointment_type"],
            title="Appointments",
            nb="Timeavtaler",
        )


class ProcessEvent(RegistryModel):
    """One row per step of the treatment process.

    Grain: person, day, kind, method. Key: those with cohort; the method may be null.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    event_date: pl.Date = field("Event date", "Day of the step.", nb="Dato", required=True)
    kind: pl.String = field(
        "Kind", "What was done.", nb="Type", codes=codes.PROCESS_KIND, required=True
    )
    method: pl.String = field(
        "Method", "Method.", nb="Metode", codes=codes.METHOD, null="no method"
    )
    event_day: pl.Int32 = day_from_origin("Event day", "Day of the step", "Dag", "no origin")
    unit_id: pl.String = unit()
    score: pl.Float64 = field("Score", "Score of the step.", nb="Skår", null="no score")
    outcome: pl.String = field("Outcome", "Result, in a word.", nb="Resultat", null="not stated")

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.process_event",
            ["cohort", "patient_id", "event_date", "kind", "method"],
            title="Process events",
            nb="Prosesshendelser",
        )


class OutreachContact(RegistryModel):
    """One row per person identified by an outreach worker.

    Grain: contact. Key: cohort, contact_id. The person need not be registered.
    """

    cohort: pl.String = shared.cohort()
    contact_id: pl.String = field("Contact", "The contact's id.", nb="Kontakt", required=True)
    patient_id: pl.String = field("Person", "Keyed pseudonym.", nb="Person", null="not registered")
    unit_id: pl.String = field("Unit", "The hospital unit.", nb="Enhet", required=True)
    municipality_code: pl.String = field(
        "Municipality", "Municipality of the centre.", nb="Kommune", null="not stated"
    )
    identified_date: pl.Date = field(
        "Identified", "Day of identification.", nb="Identifisert", required=True
    )
    outcome: pl.String = field(
        "Outcome", "What it led to.", nb="Utfall", codes=codes.OUTREACH_OUTCOME, required=True
    )
    conversation_date: pl.Date = field(
        "Conversation", "Day of the conversation.", nb="Samtale", null="no conversation"
    )
    referred_date: pl.Date = field(
        "Referred", "Day of referral.", nb="Henvist", null="not referred"
    )
    centre_contact_date: pl.Date = field(
        "Contact with the centre",
        "First contact.",
        nb="Kontakt med senteret",
        null="no contact seen",
    )
    centre_observed_until: pl.Date = field(
        "Observed until", "Last day observed.", nb="Observert til", null="not followed"
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.outreach_contact",
            ["cohort", "contact_id"],
            title="Outreach contacts",
            nb="Oppsøkende kontakter",
        )


def _level(number: int) -> Any:
    return field(
        f"Item {number}",
        "1 not at all to 5 very high degree.",
        nb=f"Spørsmål {number}",
        low=1,
        high=5,
    )


class InvolvementResponse(RegistryModel):
    """One row per answer sheet on patient involvement.

    Grain: answer sheet. Key: cohort, response_id.
    """

    cohort: pl.String = shared.cohort()
    response_id: pl.String = field("Answer sheet", "Its id.", nb="Svarark", required=True)
    unit_id: pl.String = field("Unit", "The unit asked about.", nb="Enhet", required=True)
    answered_on: pl.Date = field("Answered", "Day of the answer.", nb="Besvart", required=True)
    item_1: pl.Int32 = _level(1)
    item_2: pl.Int32 = _level(2)
    item_3: pl.Int32 = _level(3)
    item_4: pl.Int32 = _level(4)
    item_5: pl.Int32 = _level(5)
    item_6: pl.Int32 = _level(6)

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.involvement_response",
            ["cohort", "response_id"],
            title="Involvement",
            nb="Medvirkning",
        )


class GoalCount(RegistryModel):
    """One row per goal, unit, period and step.

    Grain: goal, unit, period, step. Key: those with cohort; the unit may be null.
    """

    cohort: pl.String = shared.cohort()
    goal_id: pl.String = field("Goal", "The goal's id.", nb="Mål", required=True)
    unit_id: pl.String = unit("all units")
    period_start: pl.Date = field("From", "First day counted.", nb="Fra", required=True)
    step: pl.String = field("Step", "What was counted.", nb="Trinn", required=True)
    period_end: pl.Date = field("To", "Last day counted.", nb="Til", required=True)
    n: pl.Int32 = field("Count", "Number reached.", nb="Antall", required=True, low=0)
    n_planned: pl.Int32 = field(
        "Planned", "Number planned.", nb="Planlagt", low=0, null="not planned"
    )
    source_type: pl.String = field(
        "Data source",
        "How the number was found.",
        nb="Datakilde",
        codes=codes.GOAL_SOURCE,
        null="not stated",
    )
    responsible: pl.String = field(
        "Responsible", "The role that answers for it.", nb="Ansvarlig", null="not stated"
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.goal_count",
            ["cohort", "goal_id", "unit_id", "period_start", "step"],
            title="Goal counts",
            nb="Måltall",
        )
