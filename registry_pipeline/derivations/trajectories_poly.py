"""Use of several substances by wave: shares and the mean number, both missing rules.

Belongs here: derived.poly_use from counts.
Does not belong here: what each person answered (see `transform.poly_use`), one substance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from registry_pipeline.derivations.strata import STRATA, roll_up
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import why_no_mean, with_mean, with_wilson
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.transform.poly_use import ANSWERS, poly_use_rows
from registry_pipeline.version import as_table
from schemas.derived.poly_use import PolyUse
from schemas.protocol import Protocol

NUMBER: Final = "number"
SUMS: Final = ("n_expected", "n_observed", "numerator", "total_squares")
N: Final = pl.col("n")


def poly_use(core: Mapping[str, Frame], people: Frame, protocol: Protocol) -> pl.DataFrame:
    """derived.poly_use: every measure at every wave, for each stratum.

    Two or more is known as soon as two are, and not two as soon as the unanswered could not make
    it two. The mean number needs every substance answered.

    Args:
        core: core.patient, core.visit, core.interview and core.substance_use of one cohort.
        people: patient_id and the columns of `STRATA`.
        protocol: the cohort's protocol.
    """
    rows = poly_use_rows(core, protocol).join(people, on="patient_id", how="inner")
    cells = counts(rows, [*STRATA, "wave", "is_expected", *ANSWERS])
    table = _summed(cells, _measures(protocol))
    shares = _shares(table.filter(pl.col("measure") != NUMBER))
    mean = with_mean(
        table.filter(measure=NUMBER), "n_observed", "numerator", "total_squares"
    ).with_columns(reason=why_no_mean("n_observed").fill_null(reasons.NOT_DEFINED))
    return as_table(
        pl.concat([shares, mean], how="diagonal").sort("measure", "stratum_by", "stratum", "wave"),
        PolyUse,
        cohort=protocol.id,
        method=pl.when(pl.col("measure") == NUMBER)
        .then(pl.lit("mean; Student t"))
        .otherwise(pl.lit("share; Wilson")),
    )


def _measures(protocol: Protocol) -> dict[str, tuple[pl.Expr, pl.Expr]]:
    """Measure to whether a person's answer is known, and its value."""
    used, unanswered = pl.col("n_used"), pl.col("n_unanswered")
    at_least = {
        name: ((used >= least) | (used + unanswered < least), used >= least)
        for name, least in (("two_or_more", 2), ("three_or_more", 3))
    }
    answered = {"injection": "injection", "primary_substance": "primary"}
    if protocol.illicit_group:
        answered["any_illicit"] = "illicit"
    yes_no = {
        name: (pl.col(column).is_not_null(), pl.col(column) == 1)
        for name, column in answered.items()
    }
    return {**at_least, **yes_no, NUMBER: (unanswered == 0, used)}


def _summed(cells: pl.DataFrame, measures: Mapping[str, tuple[pl.Expr, pl.Expr]]) -> pl.DataFrame:
    """Those expected and answering per measure and wave, and sums of their values and squares."""
    expected = pl.col("is_expected")
    terms: dict[str, pl.Expr] = {}
    for measure, (known, value) in measures.items():
        counted, number = expected & known.fill_null(value=False), value.cast(pl.Int64)
        sums = (
            N * expected,
            N * counted,
            pl.when(counted).then(N * number).otherwise(0),
            pl.when(counted).then(N * number**2).otherwise(0),
        )
        terms |= {f"{measure}_{name}": term for name, term in zip(SUMS, sums, strict=True)}
    rolled = roll_up(cells.select(*STRATA, "wave", **terms), ["wave"], list(terms))
    return pl.concat(
        rolled.select(
            *("wave", "stratum_by", "stratum"),
            *(pl.col(f"{measure}_{name}").alias(name) for name in SUMS),
            measure=pl.lit(measure),
        )
        for measure in measures
    ).with_columns(n_missing=pl.col("n_expected") - pl.col("n_observed"))


def _shares(table: pl.DataFrame) -> pl.DataFrame:
    """Adds the share of the observed, and that of everyone expected with the missing as use."""
    shares = with_wilson(table, "numerator", "n_observed")
    filled = shares.with_columns(users_or_missing=pl.col("numerator") + pl.col("n_missing"))
    name = "missing_is_use"
    both = with_wilson(
        filled, "users_or_missing", "n_expected",
        estimate=name, low=f"{name}_ci_low", high=f"{name}_ci_high",
    )  # fmt: skip
    nobody = pl.when(pl.col("estimate").is_null())
    return both.with_columns(reason=nobody.then(pl.lit(reasons.NOT_COMPUTABLE)))
