"""Events per unit of exposure, with an interval.

Belongs here: one rate per row, from sums in the same row.
Does not belong here: shares and means (see `intervals`), whose time it is.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import special

from registry_pipeline.statistics.intervals import Z95, positive, with_values


def with_poisson_rate(
    frame: pl.DataFrame,
    events: str,
    exposure: str,
    *,
    estimate: str = "estimate",
    low: str = "ci_low",
    high: str = "ci_high",
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Adds events per unit of exposure with the exact Poisson interval (Garwood 1936).

    One row in, one row out. The three new columns are null where the exposure is 0 or null; the
    unit is one over the unit of the exposure.
    """
    x, time = positive(frame, events, exposure)
    tail = (1 - confidence) / 2
    lower = np.where(x == 0, 0.0, special.gammaincinv(x, tail)) / time
    upper = special.gammaincinv(x + 1, 1 - tail) / time
    return with_values(frame, {estimate: x / time, low: lower, high: upper})


def with_clustered_rate(
    frame: pl.DataFrame,
    events: str,
    exposure: str,
    *,
    people: str,
    events_squared: str,
    events_by_exposure: str,
    exposure_squared: str,
) -> pl.DataFrame:
    """Adds events per unit of exposure with an interval that bears several events of a person.

    The interval is on the logarithm of the rate, with the sandwich variance of a Poisson model
    whose clusters are people, times n / (n - 1) (Liang and Zeger 1986). What it needs of people
    are sums over them, so one row in is one row out.

    Args:
        frame: one row per rate, with the sums.
        events: column of events, summed over people.
        exposure: column of exposure, summed over people.
        people: column of people.
        events_squared: column of each person's events, squared and summed.
        events_by_exposure: column of each person's events times exposure, summed.
        exposure_squared: column of each person's exposure, squared and summed.

    Returns:
        The frame with estimate, ci_low and ci_high; the bounds are null without events, below two
        people, and where everyone has the same rate.
    """
    x, time = positive(frame, events, exposure)
    squared, crossed, time2, n = (
        frame[name].cast(pl.Float64).to_numpy()
        for name in (events_squared, events_by_exposure, exposure_squared, people)
    )
    rate = x / time
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = squared - 2 * rate * crossed + rate**2 * time2
        variance = spread / x**2 * n / (n - 1)
        width = np.exp(Z95 * np.sqrt(np.where(variance > 0, variance, np.nan)))
    return with_values(frame, {"estimate": rate, "ci_low": rate / width, "ci_high": rate * width})
