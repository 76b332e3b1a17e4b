"""Who is in: answers to the invitation, and response at each wave.

Belongs here: derived.enrolment and derived.response_by_wave of one cohort.
Does not belong here: what the interviews said, retention, and what became of a single visit
(see `registry_pipeline.transform.visits`).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.strata import STRATA, roll_up, strata_columns
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import with_wilson
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.transform.people import HELD
from registry_pipeline.version import as_table
from schemas.codes import NOT_EXPECTED
from schemas.derived.participation import Enrolment, ResponseByWave
from schemas.protocol import Protocol

ANSWERS: Final = ("eligible", "consented", "declined", "no_answer")
"""The groups that are always shown; `opt_out` is shown where anyone did."""

NOT_HELD: Final = ("missed", "refused", "out_of_treatment", *NOT_EXPECTED)
WILSON: Final = "share, Wilson interval"
N: Final = pl.col("n")


def enrolment_tables(core: Mapping[str, Frame], protocol: Protocol) -> dict[str, pl.DataFrame]:
    """derived.enrolment and derived.response_by_wave of one cohort, without `as_of_delivery`.

    Args:
        core: core.patient and core.visit of the cohort.
        protocol: the cohort's protocol.
    """
    patients, visits = core["core.patient"], core["core.visit"]
    enrolment, response = _enrolment(patients, protocol.eligible), _response(patients, visits)
    return {
        "derived.enrolment": as_table(enrolment, Enrolment, cohort=protocol.id, method=WILSON),
        "derived.response_by_wave": as_table(
            response, ResponseByWave, cohort=protocol.id, method=WILSON
        ),
    }


def _enrolment(patients: Frame, eligible: int | None) -> pl.DataFrame:
    """Answers by sex and age group with their margins, as shares of everyone eligible."""
    keys = ["sex", "age_group"]
    cells = counts(patients, ["consent", *keys])
    answers = _with_margins(cells)
    groups = pl.DataFrame({"group": sorted({*ANSWERS, *cells["consent"]})})
    n = answers.group_by(*keys, group="consent").agg(N.sum())
    answered = answers.group_by(keys).agg(
        n_answered=N.filter(pl.col("consent") != "no_answer").sum()
    )
    rows = (
        _denominators(answers, eligible)
        .join(answered, on=keys)
        .with_columns(n_missing=pl.col("denominator") - pl.col("n_answered"))
        .join(groups, how="cross")
        .join(n, on=[*keys, "group"], how="left")
        .with_columns(
            n=pl.when(pl.col("group") == "eligible").then("denominator").otherwise(N.fill_null(0))
        )
    )
    nobody = pl.when(pl.col("denominator") == 0).then(pl.lit(reasons.NOT_COMPUTABLE))
    shares = with_wilson(rows, "n", "denominator", estimate="share")
    return shares.with_columns(reason=pl.coalesce(nobody, "reason")).sort("group", *keys)


def _with_margins(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells and their margins, named `all`; everyone is there also when nobody is."""
    every = pl.lit("all")
    margins = [
        cells.with_columns(sex=sex, age_group=age_group)
        for sex, age_group in product((pl.col("sex"), every), (pl.col("age_group"), every))
    ]
    nobody = {"consent": "no_answer", "sex": "all", "age_group": "all", "n": 0}
    return pl.concat([*margins, pl.DataFrame([nobody], schema=cells.schema)])


def _denominators(answers: pl.DataFrame, eligible: int | None) -> pl.DataFrame:
    """Eligible people by sex and age group: those of core.patient.

    Among everyone they are at least as many as the protocol says, so that a patients form
    without the people who declined does not read as full enrolment; where the two numbers
    differ, the rows of everyone say so.
    """
    told = pl.lit(eligible, pl.Int64)
    everyone = (pl.col("sex") == "all") & (pl.col("age_group") == "all")
    return (
        answers.group_by("sex", "age_group")
        .agg(delivered=N.sum())
        .select(
            "sex",
            "age_group",
            denominator=pl.max_horizontal("delivered", pl.when(everyone).then(told)),
            reason=pl.when(everyone & (pl.col("delivered") != told)).then(
                pl.format("protocol_eligible={}, delivered={}", told, "delivered")
            ),
        )
    )


def _response(patients: Frame, visits: Frame) -> pl.DataFrame:
    """One row per stratum and wave: what became of the visit of every enrolled person."""
    people = patients.filter("enrolled").select("patient_id", *strata_columns())
    off = (nw.col("visit_window") == "off_window").fill_null(value=False)
    rows = visits.select("patient_id", "wave", "status", off_window=off)
    cells = counts(rows.join(people, on="patient_id"), [*STRATA, "wave", "status", "off_window"])
    status = pl.col("status")
    held = status.is_in(HELD)
    fates = {
        "n_enrolled": pl.lit(value=True),
        "n_expected": ~status.is_in(NOT_EXPECTED),
        "n_completed": held,
        "n_partial": status == "partial",
        "n_off_window": held & pl.col("off_window"),
        **{f"n_{code}": status == code for code in NOT_HELD},
    }
    summed = (
        roll_up(cells, ["wave", "status", "off_window"])
        .group_by("stratum_by", "stratum", "wave")
        .agg(N.filter(fate).sum().alias(name) for name, fate in fates.items())
        .sort("stratum_by", "stratum", "wave")
    )
    shares = with_wilson(summed, "n_completed", "n_expected", estimate="response")
    nobody = pl.when(pl.col("n_expected") == 0).then(pl.lit(reasons.NOT_COMPUTABLE))
    missing = pl.col("n_expected") - pl.col("n_completed")
    return shares.with_columns(n_missing=missing, reason=nobody)
