"""Core tables of interviews: interview, visit, substance_use.

Belongs here: what was asked and answered, wave by wave.
Does not belong here: estimates over people (see `schemas.derived`).
"""

from __future__ import annotations

import polars as pl

from schemas import codes, shared
from schemas.core.columns import day_from_origin
from schemas.fields import RegistryModel, field, table
from schemas.forms import InterviewAnswers


class Interview(InterviewAnswers):
    """One row per planned or held interview of an enrolled person.

    Grain: person and day. Key: cohort, patient_id, interview_date. Substances stand in
    core.substance_use. Caveat: only the row with a wave counts for that wave.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    interview_date: pl.Date = field(
        "Interview date", "Day held, or planned.", nb="Intervjudato", required=True
    )
    interview_day: pl.Int32 = day_from_origin(
        "Interview day", "Day of the interview", "Intervjudag", "no origin"
    )
    wave: pl.Int32 = field(
        "Wave",
        "Number of the scheduled interview, baseline 0.",
        nb="Måling",
        low=0,
        null="another interview holds the wave, or none can be given: see wave_reason",
    )
    wave_reason: pl.String = field(
        "Why no wave",
        "Why the row holds no wave.",
        nb="Hvorfor ingen måling",
        null="the row holds a wave",
    )
    days_from_nominal: pl.Int32 = field(
        "Days from the nominal day",
        "interview_day less the wave's nominal day.",
        nb="Dager fra planlagt dag",
        unit="days",
        null="no wave",
    )
    visit_window: pl.String = field(
        "Window", "How near the nominal day.", nb="Vindu", codes=codes.VISIT_WINDOW, null="no wave"
    )
    hscl10_score: pl.Float64 = field(
        "HSCL-10",
        "Mean of the answered items, with at least 8 of 10 answered.",
        unit="points",
        low=1,
        high=4,
        null="fewer than 8 items answered",
        source="HSCL-10, Strand 2003",
    )
    audit_c_score: pl.Int32 = field(
        "AUDIT-C",
        "Sum of items 1 to 3.",
        unit="points",
        low=0,
        high=12,
        null="an item is missing",
        source="AUDIT-C",
    )
    dudit_score: pl.Int32 = field(
        "DUDIT",
        "Sum of items 1 to 11.",
        unit="points",
        low=0,
        high=44,
        null="an item is missing",
        source="DUDIT, Berman 2003",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.interview",
            ["cohort", "patient_id", "interview_date"],
            title="Interviews",
            nb="Intervjuer",
        )


class Visit(RegistryModel):
    """One row per enrolled person and wave of the protocol, held or not.

    Grain: person and wave. Key: cohort, patient_id, wave. Caveat: expected visits are those
    not dead, withdrawn, moved or not_due; people out of treatment stay expected.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    wave: pl.Int32 = shared.wave()
    due_day: pl.Int32 = field(
        "Due day", "The wave's nominal day.", nb="Planlagt dag", unit="days", required=True
    )
    is_due: pl.Boolean = field(
        "Due",
        "The window closed by the cut-off, or an interview holds the wave.",
        nb="Forfalt",
        required=True,
    )
    interview_date: pl.Date = field(
        "Interview date",
        "Day of the row that holds the wave.",
        nb="Intervjudato",
        null="no interview row",
    )
    days_from_nominal: pl.Int32 = field(
        "Days from the nominal day",
        "Days early (-) or late.",
        nb="Dager fra planlagt dag",
        unit="days",
        null="no interview row",
    )
    visit_window: pl.String = field(
        "Window",
        "How near the nominal day.",
        nb="Vindu",
        codes=codes.VISIT_WINDOW,
        null="no interview row",
    )
    status: pl.String = field(
        "Status",
        "What became of the visit; without an interview row the first that holds of dead, "
        "withdrawn, moved, not_due, out_of_treatment, missed.",
        nb="Status",
        codes=codes.VISIT_STATUS,
        required=True,
    )
    pathway: pl.String = field(
        "Pathway at the wave",
        "The stay that covers the visit's day (or the due day).",
        nb="Forløp ved målingen",
        null="no stay covers the day",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.visit", ["cohort", "patient_id", "wave"], title="Visits", nb="Målinger"
        )


class SubstanceUse(RegistryModel):
    """One row per enrolled person, wave and substance or group.

    Grain: person, wave, substance. Key: those with cohort. Caveat: days are of non-prescribed
    use; a group's days are the highest of its members, a lower bound.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    wave: pl.Int32 = shared.wave()
    substance: pl.String = field(
        "Substance", "A substance or group of the protocol.", nb="Rusmiddel", required=True
    )
    is_group: pl.Boolean = field(
        "Group", "The row is of a group of substances.", nb="Gruppe", required=True
    )
    days: pl.Int32 = field(
        "Days",
        "Days of use within the recall period.",
        nb="Dager",
        unit="days",
        low=0,
        high=90,
        null="see state",
    )
    recall_days: pl.Int32 = field(
        "Recall period",
        "Days looked back.",
        nb="Tilbakeblikk",
        unit="days",
        low=28,
        high=90,
        null="no interview held",
    )
    use_share: pl.Float64 = field(
        "Share of days", "days / recall_days.", nb="Andel dager", low=0, high=1, null="see state"
    )
    days_28: pl.Float64 = field(
        "Days of 28",
        "28 x use_share: comparable across recall periods.",
        nb="Dager av 28",
        unit="days of 28",
        low=0,
        high=28,
        null="see state",
    )
    state: pl.String = field(
        "State",
        "abstinent 0, episodic up to a quarter of the days, regular above; else why it is missing.",
        nb="Tilstand",
        codes=codes.USE_STATE,
        required=True,
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.substance_use",
            ["cohort", "patient_id", "wave", "substance"],
            title="Substance use",
            nb="Rusmiddelbruk",
        )
