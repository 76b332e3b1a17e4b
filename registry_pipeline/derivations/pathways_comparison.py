"""Pathways compared: each with the reference, plain and adjusted, and how alike they began.

Belongs here: the tables of contrasts and of balance; plain contrasts of two groups.
Does not belong here: models (see `pathways_adjusted`, `pathways_hazard`), weights (see
`pathways_weighted`), imputed answers (see `pathways_imputed`).

The pathway at baseline only: the one at the wave, or a share of time, looks ahead. Every contrast
is an association, never an effect: patients and clinicians choose the pathway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.pathways_adjusted import CONTRAST, adjusted_contrasts
from registry_pipeline.derivations.pathways_counts import (
    MEANS,
    NOT_ASKED,
    by_outcome,
    cells,
    under_each_rule,
)
from registry_pipeline.derivations.pathways_imputed import imputed_contrasts
from registry_pipeline.derivations.pathways_models import (
    COVARIATES,
    compared_waves,
    others,
    reference_of,
)
from registry_pipeline.derivations.pathways_weighted import (
    Pair,
    weighted_comparison,
    weighted_shares,
)
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.comparison import (
    standardised_difference,
    two_means,
    two_proportions,
)
from registry_pipeline.transform.engine import Frame
from registry_pipeline.version import as_table
from schemas.derived.comparisons import CovariateBalance, OutcomeComparison
from schemas.fields import describe
from schemas.protocol import Protocol

SUMMED: Final = ["n_expected", "n", "total", "squares"]
ESTIMATES: Final = ["estimate", "ci_low", "ci_high", "p_value"]


def outcome_comparison(
    rows: Frame,
    factors: Frame,
    hazards: pl.DataFrame,
    weighed: Sequence[Pair],
    protocol: Protocol,
) -> pl.DataFrame:
    """derived.outcome_comparison.

    Unadjusted under each missing rule, from counts. Adjusted and weighted over observed answers,
    for people with all covariates known; and, where the protocol asks for it, over imputed ones.

    Args:
        rows: the rows of `transform.outcomes.outcomes`.
        factors: the rows of `transform.baseline.baseline_factors`.
        hazards: the rows of `pathways_hazard.hazard_ratios`.
        weighed: the pairs of `pathways_weighted.pairs`.
        protocol: the cohort's protocol.
    """
    at_waves = rows.filter(nw.col("wave").is_in(compared_waves(protocol))).join(
        factors.select("patient_id", "pathway", *COVARIATES), on="patient_id", how="inner"
    )
    by = ["pathway", *COVARIATES, "wave"]
    counted = under_each_rule(by_outcome(cells(at_waves, by), by))
    observed = counted.filter(pl.col("missing_rule") == "observed")
    contrasts = [
        _unadjusted(counted, protocol),
        adjusted_contrasts(observed, protocol),
        weighted_comparison(observed, weighed),
        imputed_contrasts(at_waves, protocol),
        hazards,
    ]
    table = pl.concat(contrasts, how="diagonal_relaxed").with_columns(
        reference=pl.lit(reference_of(protocol)),
        effective_n=pl.coalesce("effective_n", pl.col("n").cast(pl.Float64)),
    )
    made = as_table(table, OutcomeComparison, cohort=protocol.id, method=pl.col("method"))
    return made.sort(describe(OutcomeComparison).key)


def covariate_balance(
    people: pl.DataFrame, weighed: Sequence[Pair], protocol: Protocol
) -> pl.DataFrame:
    """derived.covariate_balance.

    Before weighting, shares are of the people in whom the covariate is known; after it, of those
    weighed, in whom all are. Both differences are over the same spread, that before weighting, so
    that what changes is the shares alone (Stuart 2010).

    Args:
        people: people (n) per pathway and covariates.
        weighed: the pairs of `pathways_weighted.pairs`.
        protocol: the cohort's protocol.
    """
    parts = [_level_shares(people, covariate, protocol) for covariate in COVARIATES]
    refusals = {pair.pathway: pair.reason for pair in weighed}
    p1, p0, w1, w0 = (pl.col(name) for name in ("p1", "p0", "w1", "w0"))
    spread = (p1 * (1 - p1), p0 * (1 - p0))
    table = (
        pl.concat(parts)
        .join(weighted_shares(weighed), on=["pathway", "covariate", "level"], how="left")
        .with_columns(
            reference=pl.lit(reference_of(protocol)),
            difference_before=standardised_difference(p1, spread[0], p0, spread[1]),
            difference_after=standardised_difference(w1, spread[0], w0, spread[1]),
        )
        .with_columns(
            reason=pl.when(pl.col("difference_before").is_null())
            .then(pl.lit(reasons.NOT_COMPUTABLE))
            .otherwise(pl.col("pathway").replace_strict(refusals, return_dtype=pl.String))
        )
    )
    method = "standardised difference of shares"
    made = as_table(table, CovariateBalance, cohort=protocol.id, method=method)
    return made.sort(describe(CovariateBalance).key)


def _level_shares(people: pl.DataFrame, covariate: str, protocol: Protocol) -> pl.DataFrame:
    """Pathway, covariate, level, people of both pathways, and the level's share in each."""
    levels = people.select(level=pl.col(covariate).drop_nulls().unique().sort())
    sizes = people.group_by("pathway").agg(
        n=pl.col("n").sum(), known=pl.col("n").filter(pl.col(covariate).is_not_null()).sum()
    )
    held = people.group_by("pathway", pl.col(covariate).alias("level")).agg(x=pl.col("n").sum())
    codes = [*others(protocol), reference_of(protocol)]
    grid = pl.DataFrame({"pathway": codes}, schema={"pathway": pl.String}).join(levels, how="cross")
    shares = (
        grid.join(sizes, on="pathway", how="left")
        .join(held, on=["pathway", "level"], how="left")
        .with_columns(pl.col("n", "known", "x").fill_null(0))
        .with_columns(p=pl.when(pl.col("known") > 0).then(pl.col("x") / pl.col("known")))
    )
    reference = shares.filter(pl.col("pathway") == reference_of(protocol))
    return (
        shares.filter(pl.col("pathway").is_in(others(protocol)))
        .join(reference, on="level", suffix="_reference", maintain_order="left")
        .select(
            "pathway",
            "level",
            "n",
            "n_reference",
            n_level=pl.col("x"),
            n_level_reference=pl.col("x_reference"),
            covariate=pl.lit(covariate),
            n_missing=pl.col("n") + pl.col("n_reference")
            - pl.col("known") - pl.col("known_reference"),
            p1=pl.col("p"),
            p0=pl.col("p_reference"),
        )
    )  # fmt: skip


def _unadjusted(counted: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Two groups at a time, from counts."""
    arms = counted.group_by([*CONTRAST, "pathway"]).agg(pl.col(SUMMED).sum())
    asked = counted.select([*CONTRAST, "is_asked"]).unique()
    reference = arms.filter(pl.col("pathway") == reference_of(protocol)).drop("pathway")
    other = pl.DataFrame({"pathway": others(protocol)}, schema={"pathway": pl.String})
    pairs = (
        asked.join(other, how="cross")
        .join(arms, on=[*CONTRAST, "pathway"], how="left")
        .join(reference, on=CONTRAST, how="left", suffix="_reference")
        .with_columns(pl.col([*SUMMED, *(f"{name}_reference" for name in SUMMED)]).fill_null(0))
    )
    sizes = {"n1": "n", "n0": "n_reference"}
    successes = {"x1": "total", "x0": "total_reference"}
    is_mean = pl.col("outcome").is_in(MEANS)
    shares = two_proportions(_renamed(pairs.filter(~is_mean), sizes | successes)).with_columns(
        n_events=pl.col("x1") + pl.col("x0"), method=pl.lit("two groups; Newcombe, Wald on logs")
    )
    totals = {"total1": "total", "total_squares1": "squares"}
    totals |= {"total0": "total_reference", "total_squares0": "squares_reference"}
    means = two_means(_renamed(pairs.filter(is_mean), sizes | totals)).with_columns(
        n_events=pl.lit(None, pl.Int64), method=pl.lit("two groups; Welch t")
    )
    used = pl.col("n") + pl.col("n_reference")
    return pl.concat([shares, means], how="diagonal").select(
        *CONTRAST,
        "pathway",
        "measure",
        "n_events",
        *ESTIMATES,
        "method",
        n=used,
        n_missing=pl.col("n_expected") + pl.col("n_expected_reference") - used,
        adjusted=pl.lit(value=False),
        covariates=pl.lit(None, pl.String),
        reason=pl.when(pl.col("is_asked")).then("reason").otherwise(pl.lit(NOT_ASKED)),
    )


def _renamed(frame: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    return frame.with_columns(pl.col(old).alias(new) for new, old in names.items())
