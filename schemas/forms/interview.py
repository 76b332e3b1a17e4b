"""The interview form: one row per planned or held interview.

Belongs here: what is asked in an interview, whatever the protocol; `InterviewAnswers` are the
answers that `core.interview` carries on unchanged.
Does not belong here: the substances, which the protocol chooses (see `form_table`).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from schemas import codes
from schemas.fields import RegistryModel, field, table

PATIENT_ID = "Local id or national identity number; a keyed pseudonym from the gate on."


def _item(instrument: str, number: int, low: int, high: int, source: str) -> Any:
    return field(
        f"{instrument} item {number}",
        f"Answer to item {number} of {instrument}.",
        nb=f"{instrument}, ledd {number}",
        low=low,
        high=high,
        source=source,
    )


def _hscl(number: int) -> Any:
    return _item("HSCL-10", number, 1, 4, "HSCL-10, Strand 2003")


def _audit(number: int) -> Any:
    return _item("AUDIT-C", number, 0, 4, "AUDIT, items 1-3")


def _dudit(number: int) -> Any:
    return _item("DUDIT", number, 0, 4, "DUDIT, Berman 2003; items 10-11 take 0, 2 or 4")


class InterviewAnswers(RegistryModel):
    """The answers of one interview, apart from substances."""

    status: pl.String = field(
        "Status",
        "Whether the planned interview was held.",
        nb="Status",
        codes=codes.INTERVIEW_STATUS,
        required=True,
    )
    treatment_status: pl.String = field(
        "Treatment status",
        "Where the person stands in treatment on the day of the interview.",
        nb="Behandlingsstatus",
        codes=codes.TREATMENT_STATUS,
        source="KVARUS status codes 1-7",
    )
    mode: pl.String = field(
        "Mode", "How the interview was held.", nb="Intervjuform", codes=codes.MODE
    )
    unit_id: pl.String = field(
        "Unit", "The unit that interviews.", nb="Enhet", open_text=True, null="not stated"
    )
    recall_days: pl.Int32 = field(
        "Recall period",
        "Days that the questions on use look back: 28, 30 or 90.",
        nb="Tilbakeblikk",
        unit="days",
        low=28,
        high=90,
        null="the protocol's recall period",
    )
    planned_wave: pl.Int32 = field(
        "Planned wave",
        "The wave the interviewer meant, baseline 0.",
        nb="Planlagt måling",
        low=0,
        high=100,
        null="not stated",
    )
    injection_days: pl.Int32 = field(
        "Injection days",
        "Days with injection within the recall period.",
        nb="Dager med injisering",
        unit="days",
        low=0,
        high=90,
    )
    overdose_count: pl.Int32 = field(
        "Overdoses",
        "Non-fatal overdoses since the last interview.",
        nb="Overdoser",
        unit="overdoses",
        low=0,
        high=999,
        soft_high=20,
    )
    oat_medicine: pl.String = field(
        "OAT medicine",
        "The prescribed OAT medicine.",
        nb="LAR-legemiddel",
        codes=codes.OAT_MEDICINE,
    )
    prescribed_benzodiazepine: pl.Boolean = field(
        "Prescribed benzodiazepine",
        "A benzodiazepine is prescribed; prescribed medicine is never counted as use.",
        nb="Forskrevet benzodiazepin",
    )
    housing: pl.String = field(
        "Housing", "Where the person lives.", nb="Bolig", codes=codes.HOUSING
    )
    employment: pl.String = field(
        "Employment", "Main occupation.", nb="Arbeid", codes=codes.EMPLOYMENT
    )
    crime_days: pl.Int32 = field(
        "Crime days",
        "Days with crime within the recall period.",
        nb="Dager med kriminalitet",
        unit="days",
        low=0,
        high=90,
    )
    drug_free_network: pl.String = field(
        "Drug-free network",
        "How much of the social network is free of drugs.",
        nb="Rusfritt nettverk",
        codes=codes.NETWORK,
    )
    coping_score: pl.Int32 = field(
        "Coping", "Coping, 0 to 10, higher is better.", nb="Mestring", unit="points", low=0, high=10
    )
    life_satisfaction: pl.Int32 = field(
        "Life satisfaction",
        "Satisfaction with life, 0 to 10, higher is better.",
        nb="Tilfredshet med livet",
        unit="points",
        low=0,
        high=10,
    )
    hscl10_1: pl.Int32 = _hscl(1)
    hscl10_2: pl.Int32 = _hscl(2)
    hscl10_3: pl.Int32 = _hscl(3)
    hscl10_4: pl.Int32 = _hscl(4)
    hscl10_5: pl.Int32 = _hscl(5)
    hscl10_6: pl.Int32 = _hscl(6)
    hscl10_7: pl.Int32 = _hscl(7)
    hscl10_8: pl.Int32 = _hscl(8)
    hscl10_9: pl.Int32 = _hscl(9)
    hscl10_10: pl.Int32 = _hscl(10)
    audit_c_1: pl.Int32 = _audit(1)
    audit_c_2: pl.Int32 = _audit(2)
    audit_c_3: pl.Int32 = _audit(3)
    dudit_1: pl.Int32 = _dudit(1)
    dudit_2: pl.Int32 = _dudit(2)
    dudit_3: pl.Int32 = _dudit(3)
    dudit_4: pl.Int32 = _dudit(4)
    dudit_5: pl.Int32 = _dudit(5)
    dudit_6: pl.Int32 = _dudit(6)
    dudit_7: pl.Int32 = _dudit(7)
    dudit_8: pl.Int32 = _dudit(8)
    dudit_9: pl.Int32 = _dudit(9)
    dudit_10: pl.Int32 = _dudit(10)
    dudit_11: pl.Int32 = _dudit(11)
    ors_total: pl.Float64 = field(
        "ORS total",
        "Outcome Rating Scale, total; licensed, so the total alone is stored.",
        unit="points",
        low=0,
        high=40,
        source="ORS",
    )
    srs_total: pl.Float64 = field(
        "SRS total",
        "Session Rating Scale, total; licensed, so the total alone is stored.",
        unit="points",
        low=0,
        high=40,
        source="SRS",
    )
    treatment_benefit: pl.Int32 = field(
        "Benefit of treatment",
        "Perceived benefit, 1 to 5; 4 and 5 are large benefit.",
        nb="Utbytte av behandlingen",
        unit="points",
        low=1,
        high=5,
        source="KVARUS",
    )
    treatment_plan: pl.String = field(
        "Treatment plan",
        "Has a treatment plan.",
        nb="Behandlingsplan",
        codes=codes.YES_NO,
        source="KVARUS",
    )
    crisis_plan: pl.String = field(
        "Crisis plan", "Has a crisis plan.", nb="Kriseplan", codes=codes.YES_NO, source="KVARUS"
    )
    took_part_in_choice: pl.String = field(
        "Took part in the choice",
        "Took part in the choice of treatment.",
        nb="Medvirket i valget",
        codes=codes.YES_NO,
    )
    network_involved: pl.String = field(
        "Network involved",
        "Family or network is involved in the treatment.",
        nb="Nettverk involvert",
        codes=codes.YES_NO,
    )


class Interviews(InterviewAnswers):
    """One row per planned or held interview.

    Grain: person and day of the interview. Key: patient_id, interview_date.
    The protocol adds one `<substance>_days` column per substance: days of non-prescribed use
    within the recall period.
    """

    patient_id: pl.String = field("Person", PATIENT_ID, nb="Person", required=True, open_text=True)
    interview_date: pl.Date = field(
        "Interview date",
        "The day the interview was held, or was planned when it was missed or refused.",
        nb="Intervjudato",
        required=True,
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "intake.interviews",
            ["patient_id", "interview_date"],
            title="Interviews",
            nb="Intervjuer",
        )
