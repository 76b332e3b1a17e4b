"""Control charts and funnel plots from counts: limits, signals, over-dispersion.

Belongs here: p and XmR charts, run signals, funnel limits.
Does not belong here: which measure is charted, or how a chart looks (`registry_pipeline.charts`).

A missing period is a row with null counts: it stays, breaks the moving range, and has no value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import special

from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import BOUNDARY, FloatArray, floats, with_values

MIN_UNIT = 10
SIGMAS = 3
XMR_FACTOR = 2.66
RANGE_FACTOR = 3.267


def p_chart(
    frame: pl.DataFrame,
    by: Sequence[str],
    order: str,
    numerator: str = "numerator",
    denominator: str = "denominator",
) -> pl.DataFrame:
    """Shares over time with three-sigma limits around the overall share (Montgomery 2013).

    Returns:
        One row per row of `frame`, sorted by `by` and `order`, with `value`, `centre`, `lower`,
        `upper` (within 0 and 1), `signal` (above, below; null within the limits), the columns of
        `with_run_signals`, and `reason` where the denominator is 0 or missing.
    """
    count, whole, centre = pl.col(numerator), pl.col(denominator), pl.col("centre")
    known = count.is_not_null() & (whole > 0)
    x, n = pl.when(known).then(count), pl.when(known).then(whole)
    margin = SIGMAS * (centre * (1 - centre) / n).sqrt()
    chart = (
        frame.sort(*by, order)
        .with_columns(value=x / n, centre=x.sum().over(by) / n.sum().over(by))
        .with_columns(
            lower=(centre - margin).clip(lower_bound=0), upper=(centre + margin).clip(upper_bound=1)
        )
    )
    return with_run_signals(_with_point_signal(chart), by)


def xmr_chart(
    frame: pl.DataFrame, by: Sequence[str], order: str, column: str = "value"
) -> pl.DataFrame:
    """Single values over time, limits at 2.66 mean moving ranges (NHS Making Data Count).

    Returns:
        One row per row of `frame`, sorted by `by` and `order`, with `value`, `centre`,
        `moving_range` (null after a missing period), `moving_range_upper` (3.267 mean ranges),
        `lower`, `upper`, `signal`, the columns of `with_run_signals`, and `reason`. Without two
        neighbouring values there are no limits.
    """
    value, centre = pl.col("value"), pl.col("centre")
    mean_range = pl.col("moving_range").mean().over(by)
    chart = (
        frame.sort(*by, order)
        .with_columns(value=pl.col(column).cast(pl.Float64))
        .with_columns(centre=value.mean().over(by), moving_range=value.diff().abs().over(by))
        .with_columns(
            lower=centre - XMR_FACTOR * mean_range,
            upper=centre + XMR_FACTOR * mean_range,
            moving_range_upper=RANGE_FACTOR * mean_range,
        )
    )
    return with_run_signals(_with_point_signal(chart), by)


def with_run_signals(chart: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Anhøj's rules on `value` against `centre` (Anhøj and Olesen 2014), for rows in order.

    Values on the centre and missing values do not count. A shift shows as a longest run above
    log2(n) + 3 (rounded) or as fewer crossings than the 5 % point of a fair coin.

    Returns:
        The chart with `n_useful`, `longest_run`, `longest_run_max`, `crossings`, `crossings_min`
        and `runs_signal`, the same on every row of a series; null without two useful values.
    """
    apart = pl.col("value") - pl.col("centre")
    side = pl.when(apart.abs() > BOUNDARY).then(apart.sign())
    runs = (
        chart.select(*by, side=side)
        .filter(pl.col("side").fill_null(0) != 0)
        .with_columns(run=pl.col("side").rle_id().over(by))
        .group_by(*by, "run")
        .len("length")
        .group_by(*by)
        .agg(
            n_useful=pl.col("length").sum().cast(pl.Int64),
            longest_run=pl.col("length").max().cast(pl.Int64),
            crossings=pl.len().cast(pl.Int64) - 1,
        )
        .filter(pl.col("n_useful") > 1)
        .with_columns(longest_run_max=(pl.col("n_useful").log(2).round() + 3).cast(pl.Int64))
    )
    coins = floats(runs, "n_useful") - 1
    runs = runs.with_columns(
        crossings_min=pl.Series(_binomial_quantile(0.05, coins, 0.5), dtype=pl.Int64)
    ).with_columns(
        runs_signal=(pl.col("longest_run") > pl.col("longest_run_max"))
        | (pl.col("crossings") < pl.col("crossings_min"))
    )
    return chart.join(runs, on=list(by), how="left", nulls_equal=True, maintain_order="left")


def run_chart(
    frame: pl.DataFrame, by: Sequence[str], order: str, column: str = "value"
) -> pl.DataFrame:
    """Single values over time around their median, with the columns of `with_run_signals`.

    There are no limits and no point signals (`not_defined`), and where a period has no value
    nothing (`not_computable`).
    """
    chart = (
        frame.sort(*by, order)
        .with_columns(value=pl.col(column).cast(pl.Float64))
        .with_columns(
            centre=pl.col("value").median().over(by),
            lower=pl.lit(None, pl.Float64),
            upper=pl.lit(None, pl.Float64),
            signal=pl.lit(None, pl.String),
            reason=pl.when(pl.col("value").is_null())
            .then(pl.lit(reasons.NOT_COMPUTABLE))
            .otherwise(pl.lit(reasons.NOT_DEFINED)),
        )
    )
    return with_run_signals(chart, by)


def funnel_limits(
    frame: pl.DataFrame,
    by: Sequence[str],
    numerator: str = "numerator",
    denominator: str = "denominator",
) -> pl.DataFrame:
    """Units against the overall share, with exact binomial limits (Spiegelhalter 2005).

    A limit is the count at the 2.5 and 97.5 (0.1 and 99.9) % point of the binomial distribution
    over the unit's denominator, so a unit on a limit is within it.

    Returns:
        One row per row of `frame` (a unit): `value`, `centre`, `std_error`, `z` (normal
        score), `lower_95`, `upper_95`, `lower_998`, `upper_998`, `signal` (above_95, below_95,
        above_998, below_998), `reason`. A unit with fewer than 10 people has limits but no signal
        (too_few); one with none has nothing (not_computable).
    """
    count, n = pl.col(numerator), pl.col(denominator)
    value, centre = pl.col("value"), pl.col("centre")
    error = pl.when(n > 0).then((centre * (1 - centre) / n).sqrt())
    funnel = (
        frame.with_columns(
            value=pl.when(n > 0).then(count / n),
            centre=pl.when(n.sum().over(by) > 0).then(count.sum().over(by) / n.sum().over(by)),
        )
        .with_columns(std_error=error)
        .with_columns(
            z=pl.when(pl.col("std_error") > 0).then((value - centre) / pl.col("std_error"))
        )
    )
    size = floats(funnel.with_columns(pl.when(n > 0).then(n).alias(denominator)), denominator)
    target = floats(funnel, "centre")
    levels = {"lower_95": 0.025, "upper_95": 0.975, "lower_998": 0.001, "upper_998": 0.999}
    limits = {name: _binomial_quantile(q, size, target) / size for name, q in levels.items()}
    signal = (
        pl.when(value < pl.col("lower_998"))
        .then(pl.lit("below_998"))
        .when(value > pl.col("upper_998"))
        .then(pl.lit("above_998"))
        .when(value < pl.col("lower_95"))
        .then(pl.lit("below_95"))
        .when(value > pl.col("upper_95"))
        .then(pl.lit("above_95"))
    )
    return with_values(funnel, limits).with_columns(
        signal=pl.when(n >= MIN_UNIT).then(signal),
        reason=pl.when(value.is_null())
        .then(pl.lit(reasons.NOT_COMPUTABLE))
        .when(n < MIN_UNIT)
        .then(pl.lit(reasons.TOO_FEW)),
    )


def over_dispersion(funnel: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Whether the units of `funnel_limits` differ more than chance allows (Spiegelhalter 2005).

    Returns:
        One row per group: `*by`, `n_units`, `statistic` (sum of z squared), `df`, `p_value`,
        `phi` (statistic per unit), `phi_winsorised` (z pulled in to its 10 % and 90 % points),
        `tau_squared` (variance between units, DerSimonian and Laird 1986), `reason` below two
        units.
    """
    z, weight = pl.col("z"), pl.col("std_error") ** -2
    pulled = z.clip(z.quantile(0.1, "linear"), z.quantile(0.9, "linear"))
    units = (
        funnel.filter(z.is_not_null())
        .group_by(*by)
        .agg(
            n_units=pl.len().cast(pl.Int64),
            statistic=(z**2).sum(),
            phi=(z**2).mean(),
            phi_winsorised=(pulled**2).mean(),
            scale=weight.sum() - (weight**2).sum() / weight.sum(),
        )
    )
    df, statistic = pl.col("n_units") - 1, pl.col("statistic")
    excess = ((statistic - df) / pl.col("scale")).clip(lower_bound=0)
    several = pl.col("n_units") > 1
    p_value = special.chdtrc(floats(units, "n_units") - 1, floats(units, "statistic"))
    shown = ("statistic", "df", "p_value", "phi", "phi_winsorised", "tau_squared")
    return (
        with_values(units, {"p_value": p_value})
        .with_columns(df=df, tau_squared=excess)
        .select(
            *by,
            "n_units",
            *(pl.when(several).then(pl.col(name)).alias(name) for name in shown),
            reason=pl.when(~several).then(pl.lit(reasons.NOT_COMPUTABLE)),
        )
        .sort(*by)
    )


def _with_point_signal(chart: pl.DataFrame) -> pl.DataFrame:
    value, lower, upper = pl.col("value"), pl.col("lower"), pl.col("upper")
    above = pl.when(value > upper + BOUNDARY).then(pl.lit("above"))
    below = pl.when(value < lower - BOUNDARY).then(pl.lit("below"))
    return chart.with_columns(
        signal=pl.coalesce(above, below),
        reason=pl.when(value.is_null() | lower.is_null()).then(pl.lit(reasons.NOT_COMPUTABLE)),
    )


def _binomial_quantile(q: float, n: FloatArray, p: FloatArray | float) -> FloatArray:
    """Smallest count whose cumulative probability is at least q, as R's `qbinom`."""
    count = np.ceil(special.bdtrik(q, n, p))
    below = np.maximum(count - 1, 0)
    count = np.where(special.betaincc(below + 1, n - below, p) >= q, below, count)
    return np.asarray(np.where(np.equal(p, 0), 0 * n, np.where(np.equal(p, 1), n, count)))
