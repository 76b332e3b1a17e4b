"""Outcomes by pathway: the share who achieved each, or its mean, for every pathway and stratum.

Belongs here: the three ways of giving a person a pathway, the grid of rows, the estimates.
Does not belong here: the counts and missing rules (see `pathways_counts`), comparisons.

A difference between pathways is an association, never an effect: patients and clinicians choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.pathways_counts import (
    DESCRIPTIVE,
    MEANS,
    NOT_ASKED,
    SUMS,
    WEIGHTS,
    by_outcome,
    cells,
    under_each_rule,
)
from registry_pipeline.derivations.strata import STRATA, roll_up
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import why_no_mean, with_mean, with_wilson
from registry_pipeline.transform.engine import Frame, materialise
from registry_pipeline.transform.pathway_days import WHOLE, pathway_weights
from registry_pipeline.version import as_table
from schemas.derived.pathways import OutcomeByPathway
from schemas.fields import describe
from schemas.protocol import Protocol

ALL: Final = "all"
UNKNOWN: Final = "unknown"
CHOICE: Final = ["pathway_rule", "chosen", "wave"]
KEYS: Final = [*CHOICE, "stratum_by", "stratum"]


def outcome_counts(
    rows: Frame, people: Frame, core: Mapping[str, Frame], protocol: Protocol
) -> pl.DataFrame:
    """Counts per pathway rule, pathway, stratum, wave and outcome, under each missing rule.

    The strata are within the pathway. With `baseline` and `at_wave` a person is in one pathway
    or in `unknown`; with `time_share` in each one they spent a day in, by a weight that sums to
    one. Every pathway of the protocol has its rows, taken or not.

    Args:
        rows: the rows of `transform.outcomes.outcomes`.
        people: patient_id and the columns of `STRATA`.
        core: core.visit and core.episode.
        protocol: the cohort's protocol.

    Returns:
        `KEYS` and the columns of `under_each_rule`.
    """
    rows = materialise(rows.join(people, on="patient_id", how="inner"))
    weighed = rows.filter(nw.col("wave") > 0).join(
        pathway_weights(core).with_columns(chosen=nw.col("pathway")).drop("pathway"),
        on=["patient_id", "wave"],
        how="left",
    )
    weighed = weighed.with_columns(
        chosen=nw.col("chosen").fill_null(UNKNOWN), weight=nw.col("weight").fill_null(WHOLE)
    )
    counted = cells(rows, [*STRATA, "pathway_at_wave", "wave"])
    shared = cells(weighed, [*STRATA, "chosen", "wave"], weight="weight")
    at_wave = pl.col("pathway_at_wave").fill_null(UNKNOWN)
    parts = [
        _chosen(counted, "baseline", pl.col("pathway")),
        _chosen(counted, "baseline", pl.lit(ALL)),
        _chosen(counted, "at_wave", at_wave),
        _chosen(counted, "at_wave", pl.lit(ALL)),
        shared.select(
            *STRATA, "chosen", "wave", *SUMS, *WEIGHTS, pathway_rule=pl.lit("time_share")
        ),
        _chosen(counted.filter(pl.col("wave") > 0), "time_share", pl.lit(ALL)),
    ]
    rolled = roll_up(pl.concat(parts, how="diagonal"), CHOICE, [*SUMS, *WEIGHTS])
    rolled = rolled.filter(pl.col("stratum_by") != "pathway")
    full = pl.concat([rolled, _nobody(rolled, protocol)], how="diagonal").with_columns(
        pl.col([*SUMS, *WEIGHTS]).fill_null(0)
    )
    return under_each_rule(by_outcome(full, KEYS))


def outcome_by_pathway(counts: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """derived.outcome_by_pathway from the counts: Wilson for shares, Student t for means.

    By share of time the people are those with a day in the pathway and the estimate is weighted;
    it looks ahead and people stand in several rows, so it has no interval.
    """
    is_mean = pl.col("outcome").is_in(MEANS)
    descriptive = (pl.col("pathway_rule") == "time_share") & (pl.col("chosen") != ALL)
    single = pl.concat(
        [
            with_wilson(counts.filter(~is_mean & ~descriptive), "total", "n"),
            with_mean(counts.filter(is_mean & ~descriptive), "n", "total", "squares"),
        ]
    )
    nothing = pl.lit(None, pl.Float64)
    shared = counts.filter(descriptive).with_columns(
        estimate=pl.when(pl.col("weight") > 0).then(pl.col("weighted_total") / pl.col("weight")),
        ci_low=nothing,
        ci_high=nothing,
    )
    estimates = pl.concat([single, shared]).with_columns(
        pathway=pl.col("chosen"),
        n_success=pl.when(~is_mean).then("total"),
        sum_score=pl.when(is_mean).then("total"),
        reason=pl.when(~pl.col("is_asked"))
        .then(pl.lit(NOT_ASKED))
        .when(pl.col("estimate").is_null())
        .then(pl.lit(reasons.NOT_COMPUTABLE))
        .when(descriptive)
        .then(pl.lit(DESCRIPTIVE))
        .when(pl.col("ci_low").is_null())
        .then(why_no_mean("n")),
    )
    method = (
        pl.when(descriptive)
        .then(pl.lit("weighted by share of time"))
        .when(is_mean)
        .then(pl.lit("counts; Student t"))
        .otherwise(pl.lit("counts; Wilson"))
    )
    table = as_table(estimates, OutcomeByPathway, cohort=protocol.id, method=method)
    return table.sort(describe(OutcomeByPathway).key)


def _chosen(counted: pl.DataFrame, rule: str, pathway: pl.Expr) -> pl.DataFrame:
    """Cells with their pathway by one rule; without weights each person counts as one."""
    weights = [pl.col(name.removeprefix("weight_")).alias(name) for name in WEIGHTS]
    return counted.select(
        *STRATA, pathway.alias("chosen"), "wave", *SUMS, *weights, pathway_rule=pl.lit(rule)
    )


def _nobody(rolled: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """The keys, for the whole cohort, of waves and pathways of the protocol that nobody is in."""
    codes = [pathway.code for pathway in protocol.pathways]
    taken = pl.DataFrame({"chosen": [ALL, *codes]}, schema={"chosen": pl.String})
    waves = rolled.select("pathway_rule", "wave").unique()
    grid = waves.join(taken, how="cross").with_columns(stratum_by=pl.lit(ALL), stratum=pl.lit(ALL))
    return grid.join(rolled, on=KEYS, how="anti")
