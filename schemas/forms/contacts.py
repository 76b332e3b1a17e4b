"""Forms of contacts and services.

Belongs here: toxicology, appointments, process events, outreach, involvement and goal counts.
Does not belong here: the indicators made of them.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from schemas import codes
from schemas.fields import RegistryModel, field, table
from schemas.forms.interview import PATIENT_ID


class Toxicology(RegistryModel):
    """One row per substance tested in a sample.

    Grain: person, day and substance. Key: patient_id, sample_date, substance.
    """

    patient_id: pl.String = field("Person", PATIENT_ID, required=True, open_text=True)
    sample_date: pl.Date = field("Sample date", "Day of the sample.", nb="Prøvedato", required=True)
    substance: pl.String = field(
        "Substance", "The substance tested for.", nb="Rusmiddel", required=True, open_text=True
    )
    result: pl.String = field(
        "Result",
        "Result; prescribed is a positive that a prescription explains.",
        nb="Svar",
        codes=codes.TOXICOLOGY_RESULT,
        required=True,
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "intake.toxicology",
            ["patient_id", "sample_date", "substance"],
            title="Toxicology",
            nb="Rusmiddelprøver",
        )


class Appointments(RegistryModel):
    """One row per scheduled appointment.

    Grain: person, day, unit and type. Key: those four, the type may be null.
    """

    patient_id: pl.String = field("Person", PATIENT_ID, required=True, open_text=True)
    unit_id: pl.String = field(
        "Unit", "The unit of the appointment.", nb="Enhet", required=True, open_text=True
    )
    scheduled_date: pl.Date = field(
        "Scheduled", "Day of the appointment.", nb="Avtalt dato", required=True
    )
    status: pl.String = field(
        "Status",
        "What became of it.",
        nb="Status",
        codes=codes.APPOINTMENT_STATUS,
        required=True,
    )
    appointment_type: pl.String = field(
        "Type", "Kind of appointment.", nb="Type", open_text=True, null="not stated"
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "intake.appointments",
            ["patient_id", "scheduled_date", "unit_id", "appointment_type"],
            title="Appointments",
            nb="Timeavtaler",
        )


class ProcessEvents(RegistryModel):
    """One row per step of the treatment process.

    Grain: person, day, kind and method. Key: those four, the method may be null.
    """

    patient_id: pl.String = field("Person", PATIENT_ID, required=True, open_text=True)
    event_date: pl.Date = field("Event date", "Day of the step.", nb="Dato", required=True)
    unit_id: pl.String = field("Unit", "The unit.", nb="Enhet", open_text=True)
    kind: pl.String = field(
        "Kind", "What was done.", nb="Type", codes=codes.PROCESS_KIND, required=True
    )
    method: pl.String = field(
        "Method", "Method offered or received.", nb="Metode", codes=codes.METHOD, null="no method"
    )
    score: pl.Float64 = field(
        "Score",
        "A score of the step, a risk level for instance.",
        nb="Skår",
        null="no score",
        open_text=True,
    )
    outcome: pl.String = field(
        "Outcome",
        "Result of the step, in a word.",
        nb="Resultat",
        open_text=True,
        null="not stated",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "intake.process_events",
            ["patient_id", "event_date", "kind", "method"],
            title="Process events",
            nb="Prosesshendelser",
        )


class Outreach(RegistryModel):
    """One row per person identified by the outreach worker of a hospital.

    Grain: contact. Key: contact_id.
    """

    contact_id: pl.String = field(
        "Contact", "The contact's own id.", nb="Kontakt", required=True, open_text=True
    )
    patient_id: pl.String = field("Person", PATIENT_ID, open_text=True, null="not registered")
    unit_id: pl.String = field(
        "Unit", "The hospital unit.", nb="Enhet", required=True, open_text=True
    )
    municipality_code: pl.String = field(
        "Municipality", "Municipality of the centre.", nb="Kommune", open_text=True
    )
    identified_date: pl.Date = field(
        "Identified", "Day harmful use was identified.", nb="Identifisert", required=True
    )
    outcome: pl.String = field(
        "Outcome",
        "What the offer led to.",
        nb="Utfall",
        codes=codes.OUTREACH_OUTCOME,
        required=True,
    )
    conversation_date: pl.Date = field(
        "Conversation", "Day of the conversation.", nb="Samtale", null="no conversation"
    )
    referred_date: pl.Date = field(
        "Referred", "Day of the referral.", nb="Henvist", null="not referred"
    )
    centre_contact_date: pl.Date = field(
        "Contact with the centre",
        "First contact with the municipal treatment centre.",
        nb="Kontakt med senteret",
        null="no contact seen",
    )
    centre_observed_until: pl.Date = field(
        "Observed until",
        "Last day on which contact with the centre would have been seen.",
        nb="Observert til",
        null="not followed",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "intake.outreach", ["contact_id"], title="Outreach", nb="Oppsøkende kontakt"
        )


def _level(number: int) -> Any:
    return field(
        f"Item {number}",
        f"Item {number}: 1 not at all, 2 to a lesser, 3 some, 4 high, 5 very high degree.",
        nb=f"Spørsmål {number}",
        low=1,
        high=5,
    )


class Involvement(RegistryModel):
    """One row per answer sheet on patient involvement; no free text is taken in.

    Grain: answer sheet. Key: response_id.
    """

    response_id: pl.String = field(
        "Answer sheet", "The sheet's own id.", nb="Svarark", required=True, open_text=True
    )
    unit_id: pl.String = field(
        "Unit", "The unit asked about.", nb="Enhet", required=True, open_text=True
    )
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
            "intake.involvement", ["response_id"], title="Involvement", nb="Medvirkning"
        )


class GoalCounts(RegistryModel):
    """One row per goal, unit, period and step: what was planned and what was reached.

    Grain: goal, unit, period and step. Key: goal_id, unit_id, period_start, step.
    """

    goal_id: pl.String = field("Goal", "The goal's id.", nb="Mål", required=True, open_text=True)
    unit_id: pl.String = field("Unit", "The unit.", nb="Enhet", open_text=True, null="all units")
    period_start: pl.Date = field("From", "First day counted.", nb="Fra", required=True)
    period_end: pl.Date = field("To", "Last day counted.", nb="Til", required=True)
    step: pl.String = field("Step", "What was counted.", nb="Trinn", required=True, open_text=True)
    n: pl.Int32 = field("Count", "Number reached.", nb="Antall", required=True, low=0)
    n_planned: pl.Int32 = field(
        "Planned", "Number planned.", nb="Planlagt", low=0, null="not planned"
    )
    source_type: pl.String = field(
        "Data source", "How the number was found.", nb="Datakilde", codes=codes.GOAL_SOURCE
    )
    responsible: pl.String = field(
        "Responsible", "The role that answers for the goal.", nb="Ansvarlig", open_text=True
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "intake.goal_counts",
            ["goal_id", "unit_id", "period_start", "step"],
            title="Goal counts",
            nb="Måltall",
        )
