"""Intervals for shares that a person counts in several times.

Belongs here: a pooled share and its interval from sums over people.
Does not belong here: shares in which each person counts once (see `intervals`).
"""

from __future__ import annotations

import polars as pl

from registry_pipeline.statistics.intervals import with_wilson


def with_clustered_share(
    frame: pl.DataFrame,
    *,
    estimate: str = "estimate",
    low: str = "ci_low",
    high: str = "ci_high",
) -> pl.DataFrame:
    """Adds a pooled share with an interval that knows of repeated rows of a person.

    With x of d per person, the share is sum(x) / sum(d); its variance is that of a ratio,
    m / (m - 1) x sum((x - share d)^2) / sum(d)^2 over m people. The interval is Wilson's with the
    effective number share x (1 - share) / variance, never above sum(d); where that cannot be
    said (one person, or no spread between people) each person counts once.
    Source: Cochran 1977, section 6.4; Dean and Pagano 2015 (modified Wilson interval).

    Args:
        frame: one row per share, with the integer sums over people `n` (x), `denominator` (d),
            `n_squares` (x^2), `products` (x d), `denominator_squares` (d^2), and `people` (with
            d > 0).
        estimate: name of the new share, null where the denominator is 0.
        low: name of the new lower bound.
        high: name of the new upper bound.

    Returns:
        The frame with three Float64 columns more.
    """
    x, d, people = (pl.col(name).cast(pl.Int128) for name in ("n", "denominator", "people"))
    residual = (
        pl.col("n_squares") * d**2
        - 2 * pl.col("products") * x * d
        + pl.col("denominator_squares") * x**2
    )
    share = pl.when(d > 0).then(pl.col("n") / pl.col("denominator"))
    variance = residual / d**2 / d**2 * people / (people - 1)
    spread = (people > 1) & (residual > 0)
    effective = (
        pl.when(spread)
        .then(pl.min_horizontal(share * (1 - share) / variance, pl.col("denominator")))
        .otherwise(pl.col("people"))
    )
    counted = frame.with_columns(part=share * effective, whole=effective)
    bounded = with_wilson(counted, "part", "whole", estimate=estimate, low=low, high=high)
    return bounded.with_columns(share.alias(estimate)).drop("part", "whole")
