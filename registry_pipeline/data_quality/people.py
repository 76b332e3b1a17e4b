"""Rules on people, their visits and their stays.

Belongs here: rules whose rows are people, visits or stays.
Does not belong here: answers (see `interviews`), contacts and services (see `services`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import narwhals as nw

from registry_pipeline.data_quality import checks
from registry_pipeline.data_quality.rule import Pass, Rule, complete, known, of_rows, unit_known
from registry_pipeline.indicators.coverage import eligible
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame, materialise, with_epoch_days
from registry_pipeline.transform.people import HELD
from schemas.codes import NOT_EXPECTED
from schemas.core.people import Episode, Patient
from schemas.protocol import Protocol

PATIENT: Final = "core.patient"
VISIT: Final = "core.visit"
EPISODE: Final = "core.episode"
WHO: Final = ("sex", "birth_year", "unit_id")
"""Without these a person is in no stratum and no unit's result."""

CLINICAL: Final = (
    "municipality_code",
    "treatment_start_day",
    "co_occurring_disorder",
    "baseline_pathway",
    "primary_substance",
)
SAME_PERSON: Final = (
    "sex",
    "birth_year",
    "municipality_code",
    "consent_date",
    "treatment_start_day",
)
AGES: Final = (16, 90)
ENDED: Final = ~nw.col("end_date").is_null()
IS_ENROLLED: Final = nw.col("enrolled")


def _patients(protocol: Protocol) -> Sequence[Rule]:
    age = nw.col("origin_date").dt.year() - nw.col("birth_year")
    substances = [item.code for item in (*protocol.substances, *protocol.groups)]
    pathways = [pathway.code for pathway in protocol.pathways]
    return [
        *complete(Patient, WHO, IS_ENROLLED, threshold=0.05),
        *complete(Patient, CLINICAL, IS_ENROLLED),
        unit_known(PATIENT, protocol),
        known(checks.SUBSTANCE_KNOWN, PATIENT, "primary_substance", substances),
        known(checks.PATHWAY_KNOWN, PATIENT, "baseline_pathway", pathways),
        of_rows(
            checks.PLAUSIBLE_AGE,
            PATIENT,
            "birth_year",
            IS_ENROLLED & ~age.is_null(),
            (age < AGES[0]) | (age > AGES[1]),
        ),
    ]


def _alike(core: Core, _: Protocol) -> Frame:
    """How many enrolled people share what tells people apart: one row per combination."""
    stated = [~nw.col(name).is_null() for name in SAME_PERSON]
    people = core[PATIENT].filter(IS_ENROLLED, *stated)
    return people.group_by(list(SAME_PERSON)).agg(n=nw.len())


def _alike_rules(_: Protocol) -> Sequence[Rule]:
    n = nw.col("n")
    repeated = (n > 1).cast(nw.Int64) * n
    return [Rule(checks.POSSIBLE_DUPLICATE, PATIENT, None, n, repeated)]


def _coverage(protocol: Protocol) -> Sequence[Rule]:
    n_eligible = nw.col("n_eligible")
    threshold = 1 - protocol.disclosure.low_coverage
    return [
        Rule(
            checks.COVERAGE,
            PATIENT,
            "enrolled",
            n_eligible,
            n_eligible - nw.col("n_enrolled"),
            threshold=threshold,
        )
    ]


def _units(core: Core, _: Protocol) -> Frame:
    """How many people each unit of the protocol has delivered: one row per unit."""
    people = core[PATIENT].group_by("unit_id").agg(n=nw.len().cast(nw.Int64))
    return core["core.unit"].select("unit_id").join(people, on="unit_id", how="left")


def _unit_rules(_: Protocol) -> Sequence[Rule]:
    unit = nw.col("unit_id")
    delivered = nw.col("n")
    return [
        of_rows(
            checks.UNIT_DELIVERED,
            "core.unit",
            "unit_id",
            ~unit.is_null(),
            delivered.is_null() | (delivered == 0),
        )
    ]


def _ends(_: Protocol) -> Sequence[Rule]:
    exit_type, start = nw.col("exit_type"), nw.col("start_date")
    referred = nw.col("referred_date")
    return [
        of_rows(
            checks.OUTCOME_HAS_START,
            EPISODE,
            "start_date",
            ~exit_type.is_null() & (exit_type != "never_met"),
            start.is_null(),
        ),
        of_rows(
            checks.REFERRED_BEFORE_START,
            EPISODE,
            "referred_date",
            ~referred.is_null() & ~start.is_null(),
            start < referred,
        ),
    ]


def _visits(_: Protocol) -> Sequence[Rule]:
    status = nw.col("status")
    expected = ~status.is_in(NOT_EXPECTED)
    return [of_rows(checks.WAVE_COMPLETE, VISIT, "status", expected, ~status.is_in(HELD))]


def _stays(core: Core, _: Protocol) -> Frame:
    """Stays with the day of death and the end of the person's stay before it in the pathway.

    One row per stay that began; open ends are null, ended_before is null for a first stay and
    for one after a stay that never ended (`open_before`).
    """
    deaths = core[PATIENT].select("patient_id", "death_day")
    begun = core[EPISODE].filter(~nw.col("start_date").is_null())
    dated = materialise(
        with_epoch_days(begun, ["start_date", "end_date"]).select(
            "patient_id",
            "pathway",
            "unit_id",
            "level",
            "planned",
            "exit_type",
            "end_date",
            "end_day",
            "start_date_epoch",
            "end_date_epoch",
        )
    )
    order = {"order_by": ["start_date_epoch", "end_date_epoch"]}
    person_pathway = ["patient_id", "pathway"]
    return dated.with_columns(
        ended_before=nw.col("end_date_epoch").shift(1).over(*person_pathway, **order),
        began_before=nw.col("start_date_epoch").shift(1).over(*person_pathway, **order),
    ).join(deaths, on="patient_id", how="left")


def _episodes(protocol: Protocol) -> Sequence[Rule]:
    before, start = nw.col("ended_before"), nw.col("start_date_epoch")
    death, end = nw.col("death_day"), nw.col("end_day")
    return [
        *complete(Episode, ("unit_id", "level", "planned"), ~nw.col("start_date_epoch").is_null()),
        *complete(Episode, ("exit_type",), ENDED),
        unit_known(EPISODE, protocol),
        known(
            checks.PATHWAY_KNOWN,
            EPISODE,
            "pathway",
            (pathway.code for pathway in protocol.pathways),
        ),
        of_rows(
            checks.NO_OVERLAP,
            EPISODE,
            "start_date",
            ~nw.col("began_before").is_null(),
            before.is_null() | (start < before),
        ),
        of_rows(
            checks.ENDS_BY_DEATH,
            EPISODE,
            "end_date",
            ~death.is_null(),
            end.is_null() | (end > death),
        ),
    ]


PEOPLE: Final = (
    Pass(lambda core, _: core[PATIENT], _patients),
    Pass(_alike, _alike_rules),
    Pass(eligible, _coverage),
    Pass(lambda core, _: core[VISIT], _visits),
    Pass(_stays, _episodes),
    Pass(lambda core, _: core[EPISODE], _ends),
    Pass(_units, _unit_rules),
)
