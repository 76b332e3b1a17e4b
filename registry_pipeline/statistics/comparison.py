"""Comparisons of groups from counts: log-rank, two shares, two means, standardised difference.

Belongs here: unadjusted tests and contrasts; each speaks of association, never of effect.
Does not belong here: adjusted models, or exits by type (`competing.gray_test`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import one_key
from registry_pipeline.statistics.intervals import (
    Z95,
    FloatArray,
    floats,
    sample_variance,
    with_values,
    with_wilson,
)
from registry_pipeline.statistics.survival import risk_table

MIN_EXPECTED = 5


@one_key
def log_rank(
    exits: pl.DataFrame,
    entries: pl.DataFrame,
    by: Sequence[str],
    group: str,
    strata: Sequence[str] = (),
) -> pl.DataFrame:
    """Log-rank test of equal retention in two or more groups, stratified where strata are given.

    The frames are those of `survival`, with the columns `*by`, `group` and `*strata`. Delayed
    entry is allowed. A group never at risk on a day with an exit takes no degree of freedom, as
    in R's `survdiff`.

    Returns:
        One row per `by`: `*by`, `test` (log_rank, stratified_log_rank), `statistic`, `df`,
        `p_value`, `n`, `n_events`, `reason`.
    """
    parts = panel(exits, entries, by, group, strata).partition_by(*by, as_dict=True)
    tests = [(*key, *_log_rank_test(part, group)) for key, part in parts.items()]
    n = pl.col("n").cast(pl.Int64)
    return (
        exits.group_by(*by)
        .agg(n.sum(), n_events=n.filter(pl.col("exit_type").is_not_null()).sum())
        .join(answers(tests, exits, by), on=list(by), how="left", nulls_equal=True)
        .with_columns(
            test=pl.lit("stratified_log_rank" if strata else "log_rank"),
            reason=pl.when(pl.col("n_events") == 0)
            .then(pl.lit(reasons.NO_EVENTS))
            .otherwise("reason"),
        )
        .select(*by, "test", "statistic", "df", "p_value", "n", "n_events", "reason")
        .sort(*by)
    )


def panel(
    exits: pl.DataFrame,
    entries: pl.DataFrame,
    by: Sequence[str],
    group: str,
    strata: Sequence[str] = (),
) -> pl.DataFrame:
    """People at risk and exits in every group on every day with an exit in any of the groups.

    Returns:
        `*by`, `*strata`, `day`, `group`, `n_at_risk`, `n_event`, sorted: for each `by` a full
        grid of days and groups. A `by` without any exit has no row.
    """
    keys = [*by, *strata, "day", group]
    happened = exits.filter(pl.col("exit_type").is_not_null()).select(*by, *strata, "day").unique()
    grid = (
        happened.join(exits.select(*by, group).unique(), on=list(by), nulls_equal=True)
        .select(*keys)
        .with_columns(pl.col("day").cast(pl.Int64))
    )
    return (
        risk_table(exits, entries, [*by, *strata, group], grid)
        .join(grid, on=keys, how="semi", nulls_equal=True)
        .select(*keys, "n_at_risk", "n_event")
        .sort(*keys)
    )


def matrix(part: pl.DataFrame, group: str, column: str) -> FloatArray:
    """One column of one `by` of a panel as days x groups."""
    return part[column].to_numpy().reshape(-1, part[group].n_unique()).astype(np.float64)


def chi_square_test(
    score: FloatArray, covariance: FloatArray
) -> tuple[float | None, int | None, float | None, str | None]:
    """Statistic, degrees of freedom, p-value and reason of a score with its covariance."""
    df = len(score)
    if df < 1:
        return None, None, None, reasons.ONE_GROUP
    if np.linalg.matrix_rank(covariance, hermitian=True) < df:
        return None, None, None, reasons.NOT_COMPUTABLE
    # Never below zero but by rounding, where nothing differs; its tail would then be no number.
    statistic = max(float(score @ np.linalg.solve(covariance, score)), 0.0)
    return statistic, df, float(special.chdtrc(df, statistic)), None


def answers(
    tests: Sequence[tuple[Any, ...]], exits: pl.DataFrame, keys: Sequence[str]
) -> pl.DataFrame:
    """The keys and what `chi_square_test` said, as a frame."""
    number, count, text = pl.Float64(), pl.Int64(), pl.String()
    schema = pl.Schema({key: exits.schema[key] for key in keys})
    schema |= {"statistic": number, "df": count, "p_value": number, "reason": text}
    return pl.DataFrame(list(tests), schema=schema, orient="row")


def two_proportions(frame: pl.DataFrame) -> pl.DataFrame:
    """Risk difference, risk ratio and odds ratio of two groups, three rows out per row in.

    The difference has Newcombe's hybrid score interval (1998, method 10) and Pearson's chi-square
    p-value; the ratios have Wald intervals and p-values on the log scale. Where a cell is empty or
    an expected cell is below 5 (Cochran 1954) the ratios and the p-value of the difference are
    refused: nothing is added to a cell to make them exist.

    Args:
        frame: `x1` of `n1` people in the group, `x0` of `n0` in the reference; other columns
            are kept.

    Returns:
        The other columns, the four counts, `measure` (risk_difference, risk_ratio, odds_ratio),
        `estimate`, `ci_low`, `ci_high`, `p_value`, `reason` (not_computable, sparse_cells).
    """
    arms = with_wilson(frame, "x1", "n1", estimate="p1", low="l1", high="u1")
    arms = with_wilson(arms, "x0", "n0", estimate="p0", low="l0", high="u0")
    x1, n1, x0, n0, p1, l1, u1, p0, l0, u0 = (
        floats(arms, name) for name in ("x1", "n1", "x0", "n0", "p1", "l1", "u1", "p0", "l0", "u0")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (x1 + x0) / (n1 + n0)
        expected = np.minimum(n1, n0) * np.minimum(pooled, 1 - pooled)
        empty = np.minimum(np.minimum(x1, n1 - x1), np.minimum(x0, n0 - x0)) == 0
        dense = ~empty & (expected >= MIN_EXPECTED)
        difference = p1 - p0
        pearson = difference / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
        risk_error = np.sqrt(1 / x1 - 1 / n1 + 1 / x0 - 1 / n0)
        odds_error = np.sqrt(1 / x1 + 1 / (n1 - x1) + 1 / x0 + 1 / (n0 - x0))
        measures = {
            "risk_difference": (
                difference,
                difference - np.hypot(p1 - l1, u0 - p0),
                difference + np.hypot(u1 - p1, p0 - l0),
                np.where(dense, _two_sided(pearson), np.nan),
            ),
            "risk_ratio": _wald_ratio(p1 / p0, risk_error, dense),
            "odds_ratio": _wald_ratio(p1 / (1 - p1) / (p0 / (1 - p0)), odds_error, dense),
        }
    reason = (
        pl.when(pl.Series(np.isnan(difference)))
        .then(pl.lit(reasons.NOT_COMPUTABLE))
        .when(pl.Series(~dense))
        .then(pl.lit(reasons.SPARSE_CELLS))
    )
    names = ("estimate", "ci_low", "ci_high", "p_value")
    return pl.concat(
        with_values(
            frame.with_columns(measure=pl.lit(measure)), dict(zip(names, values, strict=True))
        ).with_columns(reason=reason)
        for measure, values in measures.items()
    )


def two_means(frame: pl.DataFrame) -> pl.DataFrame:
    """Difference of two means with Welch's t interval (1947), one row in, one row out.

    Args:
        frame: per arm the number of values, their sum and the sum of their squares: `n1`,
            `total1`, `total_squares1`, `n0`, `total0`, `total_squares0`; other columns are kept.

    Returns:
        The frame with `measure` (mean_difference), `estimate`, `std_error`, `df`, `ci_low`,
        `ci_high`, `p_value`, `reason`; all null below two values in a group, the error and what
        follows from it also where neither group varies.
    """
    n1, n0 = floats(frame, "n1"), floats(frame, "n0")
    with np.errstate(divide="ignore", invalid="ignore"):
        part1 = sample_variance(frame, "n1", "total1", "total_squares1") / n1
        part0 = sample_variance(frame, "n0", "total0", "total_squares0") / n0
        difference = floats(frame, "total1") / n1 - floats(frame, "total0") / n0
        difference = np.where(np.isnan(part1 + part0), np.nan, difference)
        error = np.sqrt(part1 + part0)
        error[error == 0] = np.nan
        df = (part1 + part0) ** 2 / (part1**2 / (n1 - 1) + part0**2 / (n0 - 1))
        half = special.stdtrit(df, 0.975) * error
        p_value = 2 * special.stdtr(df, -np.abs(difference / error))
    return with_values(
        frame.with_columns(measure=pl.lit("mean_difference")),
        {
            "estimate": difference,
            "std_error": error,
            "df": df,
            "ci_low": difference - half,
            "ci_high": difference + half,
            "p_value": p_value,
        },
    ).with_columns(
        reason=pl.when(pl.col("estimate").is_null())
        .then(pl.lit(reasons.NOT_COMPUTABLE))
        .when(pl.col("std_error").is_null())
        .then(pl.lit(reasons.NO_VARIATION))
    )


def standardised_difference(
    mean1: pl.Expr, variance1: pl.Expr, mean0: pl.Expr, variance0: pl.Expr
) -> pl.Expr:
    """Difference over the root of the mean of both sample variances (Austin 2009).

    Null where neither group varies. For a share p of n pass p and p (1 - p) n / (n - 1), which
    is the sample variance of its zeros and ones.
    """
    spread = ((variance1 + variance0) / 2).sqrt()
    return pl.when(spread > 0).then((mean1 - mean0) / spread)


def _log_rank_test(
    part: pl.DataFrame, group: str
) -> tuple[float | None, int | None, float | None, str | None]:
    """Observed less expected exits with their hypergeometric covariance (Mantel 1966)."""
    at_risk, events = matrix(part, group, "n_at_risk"), matrix(part, group, "n_event")
    n, d = at_risk.sum(axis=1, keepdims=True), events.sum(axis=1, keepdims=True)
    share = at_risk / n
    weight = share * d * (n - d) / np.maximum(n - 1, 1)
    covariance = np.diag(weight.sum(axis=0)) - weight.T @ share
    seen = np.flatnonzero((d * share).sum(axis=0) > 0)[:-1]
    return chi_square_test((events - d * share).sum(axis=0)[seen], covariance[np.ix_(seen, seen)])


def _wald_ratio(
    ratio: FloatArray, error: FloatArray, usable: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    log = np.where(usable, np.log(ratio), np.nan)
    bounds = (np.exp(log - Z95 * error), np.exp(log + Z95 * error))
    return np.exp(log), *bounds, _two_sided(log / error)


def _two_sided(z: FloatArray) -> FloatArray:
    return np.asarray(2 * special.ndtr(-np.abs(z)), dtype=np.float64)
