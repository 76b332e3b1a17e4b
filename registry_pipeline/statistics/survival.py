"""Retention curves from counts per day: Kaplan-Meier, its median and restricted mean.

Belongs here: everything that treats every exit as one kind of event, on the day it is known of.
Does not belong here: exits known only to an interval (`life_table`), exits by type (`competing`),
tests between groups (`comparison`).

The functions take the same two frames, any number of groups at once:

- `exits`: `*by`, `day` (exit day), `exit_type` (null = censored), `n` people;
- `entries`: `*by`, `day` (entry day, on which observation starts), `n` people.

A person is at risk on day t when entry day < t <= exit day, and from day 0 on when the entry day
is 0. Exits come before censorings of the same day.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import one_key, places, sums
from registry_pipeline.statistics.intervals import (
    Z95,
    boundary_reason,
    with_curve_interval,
)

COUNTS = ("n_at_risk", "n_event", "n_censored")
ESTIMATES = ("retained", "std_error", "ci_low", "ci_high")
HALF_TOLERANCE = float(np.finfo(float).eps) ** 0.5

LEFT = pl.col("n_event") + pl.col("n_censored")
GREENWOOD = pl.col("n_event") / (pl.col("n_at_risk") * (pl.col("n_at_risk") - pl.col("n_event")))


def risk_table(
    exits: pl.DataFrame,
    entries: pl.DataFrame,
    by: Sequence[str],
    days: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """People at risk and leaving, per group and day on which anyone enters or leaves.

    Args:
        exits: people per exit day and type.
        entries: people per entry day.
        by: grouping columns, at least one; null is a group of its own.
        days: `*by`, `day`: more days that get a row.

    Returns:
        `*by`, `day`, `n_at_risk`, `n_event`, `n_censored`, sorted.

    Raises:
        ValueError: where a day is negative, entries and exits do not add up, or more people leave
            than are at risk. People whose exit day is on or before a positive entry day were
            never observed: leave them out before counting.
    """
    day, n = pl.col("day").cast(pl.Int64), pl.col("n").cast(pl.Int64)
    censored = pl.col("exit_type").is_null()
    moves = [
        entries.select(*by, day + (day > 0), n_entered=n, n_event=0 * n, n_censored=0 * n),
        exits.select(*by, day, n_entered=0 * n, n_event=n * ~censored, n_censored=n * censored),
    ]
    if days is not None:
        none = 0 * day
        moves.append(days.select(*by, day, n_entered=none, n_event=none, n_censored=none))
    at_risk = pl.col("n_entered").cum_sum() - LEFT.cum_sum() + LEFT
    moved = pl.concat(moves)
    of = places(moved, [*by, "day"])
    _, summed = sums(of.of_row, moved.select("n_entered", "n_event", "n_censored"))
    table = pl.concat([of.keys, summed], how="horizontal").with_columns(
        n_at_risk=at_risk.over(by), n_unaccounted=(pl.col("n_entered") - LEFT).sum().over(by)
    )
    wrong = (pl.col("day") < 0) | (pl.col("n_at_risk") < LEFT) | (pl.col("n_unaccounted") != 0)
    if table.select(wrong.any()).item():
        message = (
            "entries and exits do not fit: a negative day, an exit on or before a positive entry "
            "day, or unequal numbers of entries and exits"
        )
        raise ValueError(message)
    return table.select(*by, "day", *COUNTS)


@one_key
def kaplan_meier(
    exits: pl.DataFrame, entries: pl.DataFrame, by: Sequence[str], *, min_at_risk: int = 0
) -> pl.DataFrame:
    """The share still there after each day, per group (Kaplan and Meier 1958).

    With `min_at_risk` the curve is conditional: it starts on the first day with at least that many
    people at risk and says nothing of the time before.

    Returns:
        One row per group and day with an exit or a censoring: `*by`, `start_day` (first day the
        curve speaks of), `day`, `n_at_risk`, `n_event`, `n_censored`, `retained` (share with exit
        day > `day`), `std_error` (Greenwood; null at 0), `ci_low`, `ci_high` (95 %, log-log),
        `reason`. A group that never has enough people at risk gets one row of nulls.
    """
    curve = _steps(risk_table(exits, entries, by), by, min_at_risk)
    silent = curve.filter(pl.col("start_day").is_null()).select(*by).unique()
    return (
        pl.concat(
            [
                curve.filter((LEFT > 0) & (pl.col("day") >= pl.col("start_day"))),
                silent.with_columns(reason=pl.lit(reasons.NOT_COMPUTABLE)),
            ],
            how="diagonal",
        )
        .select(*by, "start_day", "day", *COUNTS, *ESTIMATES, "reason")
        .sort(*by, "day")
    )


def with_cumulative_hazard(curve: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Adds the cumulative hazard to a curve of `kaplan_meier` (Nelson 1972; Aalen 1978).

    Returns:
        The curve, sorted by group and day, with `cumulative_hazard` (exits over people at risk,
        added up since the curve starts), its `cumulative_hazard_std_error` (Aalen's, as R's
        survfit), and the bounds `cumulative_hazard_ci_low` and `_ci_high` on the logarithm, null
        before the first exit.
    """
    n, day = pl.col("n_at_risk"), pl.col("n_event") / pl.col("n_at_risk")
    hazard, error = pl.col("cumulative_hazard"), pl.col("cumulative_hazard_std_error")
    ratio = pl.when(hazard > 0).then((Z95 * error / hazard).exp())
    return (
        curve.sort(*by, "day")
        .with_columns(
            cumulative_hazard=day.cum_sum().over(by),
            cumulative_hazard_std_error=(day / n).cum_sum().over(by).sqrt(),
        )
        .with_columns(
            cumulative_hazard_ci_low=hazard / ratio, cumulative_hazard_ci_high=hazard * ratio
        )
    )


@one_key
def at_days(
    exits: pl.DataFrame,
    entries: pl.DataFrame,
    by: Sequence[str],
    days: Sequence[int],
    *,
    min_at_risk: int = 0,
) -> pl.DataFrame:
    """The curve of `kaplan_meier` read on given days, as R's `summary(survfit, times)` does.

    Returns:
        One row per group and day: `*by`, `day`, `n` (people of the group), `n_at_risk` (entry day
        < `day` <= exit day), `n_event_cum`, `n_censored_cum` (up to and on `day`, since the start
        of the curve), `retained` (share with exit day > `day`), `std_error`, `ci_low`, `ci_high`,
        `reason`. The estimates are null before a conditional curve starts, and after the last day
        anyone was observed unless all had left by then.
    """
    asked = pl.DataFrame({"day": list(days)}, schema={"day": pl.Int64})
    table = risk_table(exits, entries, by, exits.select(*by).unique().join(asked, how="cross"))
    day, start, speaks = pl.col("day"), pl.col("start_day"), pl.col("day") >= pl.col("start_day")
    beyond = (day > day.filter(LEFT > 0).max().over(by)) & (pl.col("retained") > 0)
    refused = (
        pl.when(start.is_null() | (day < start))
        .then(pl.lit(reasons.NOT_COMPUTABLE))
        .when(beyond)
        .then(pl.lit(reasons.BEYOND_FOLLOW_UP))
    )
    return (
        _steps(table, by, min_at_risk)
        .with_columns(
            refused=refused,
            n=LEFT.sum().over(by),
            n_event_cum=(pl.col("n_event") * speaks).fill_null(0).cum_sum().over(by),
            n_censored_cum=(pl.col("n_censored") * speaks).fill_null(0).cum_sum().over(by),
        )
        .with_columns(
            *(pl.when(pl.col("refused").is_null()).then(pl.col(name)) for name in ESTIMATES),
            reason=pl.coalesce("refused", "reason"),
        )
        .join(asked, on="day", how="semi")
        .select(*by, "day", "n", "n_at_risk", "n_event_cum", "n_censored_cum", *ESTIMATES, "reason")
        .sort(*by, "day")
    )


def summary(curve: pl.DataFrame, by: Sequence[str], horizon: int) -> pl.DataFrame:
    """Median and restricted mean of each curve of `kaplan_meier`.

    The median is the first day with at most half still there, its interval where the bounds cross
    one half (Brookmeyer and Crowley 1982); on a piece flat at exactly one half, the middle of the
    piece, as R does. The restricted mean is the area under the curve from its start to `horizon`,
    in days, with the error of R's `print(survfit, rmean)`; where that is 0, since all are there
    alike until the horizon, there is no interval.

    Returns:
        One row per group: `*by`, `start_day`, `n`, `n_event`, `n_censored`, `median_day`,
        `median_ci_low`, `median_ci_high`, `restricted_mean`, `restricted_mean_std_error`,
        `restricted_mean_ci_low`, `restricted_mean_ci_high` (normal), `horizon`, `reason` (all
        that apply, with a comma between).
    """
    day, retained, start = pl.col("day"), pl.col("retained"), pl.col("start_day").first()
    until = day.shift(-1).over(by).fill_null(horizon).clip(upper_bound=horizon)
    observed = (start <= horizon) & ((day.max() >= horizon) | (retained.min() == 0))
    mean = day.min().clip(upper_bound=horizon) - start + pl.col("area").sum()
    weight = pl.when((day <= horizon) & (retained > 0)).then(GREENWOOD)
    error = pl.col("restricted_mean_std_error")
    half = pl.when(error > 0).then(Z95 * error)
    return (
        curve.sort(*by, "day")
        .with_columns(area=retained * (until - day).clip(lower_bound=0))
        .with_columns(tail=pl.col("area").cum_sum(reverse=True).over(by))
        .group_by(*by)
        .agg(
            start_day=start,
            n=LEFT.sum(),
            n_event=pl.col("n_event").sum(),
            n_censored=pl.col("n_censored").sum(),
            median_day=_half_day("retained"),
            median_ci_low=_half_day("ci_low"),
            median_ci_high=_half_day("ci_high"),
            restricted_mean=pl.when(observed).then(mean),
            restricted_mean_std_error=pl.when(observed).then(
                (pl.col("tail") ** 2 * weight).sum().sqrt()
            ),
        )
        .with_columns(
            restricted_mean_ci_low=pl.col("restricted_mean") - half,
            restricted_mean_ci_high=pl.col("restricted_mean") + half,
            horizon=pl.lit(horizon, pl.Int64),
            reason=_summary_reason(),
        )
        .sort(*by)
    )


def _steps(table: pl.DataFrame, by: Sequence[str], min_at_risk: int) -> pl.DataFrame:
    """A risk table with the curve on every row; `start_day` is null where it never starts."""
    day, n_at_risk, n_event = pl.col("day"), pl.col("n_at_risk"), pl.col("n_event")
    counted = (n_event > 0) & (day >= pl.col("start_day"))
    hazard = pl.when(counted).then(n_event / n_at_risk).otherwise(0.0)
    greenwood = pl.when(counted).then(GREENWOOD).otherwise(0.0)
    curve = (
        table.with_columns(start_day=day.filter(n_at_risk >= max(min_at_risk, 1)).min().over(by))
        .with_columns(
            retained=(1 - hazard).cum_prod().over(by),
            greenwood=greenwood.cum_sum().over(by),
        )
        .with_columns(
            std_error=pl.when(pl.col("retained") > 0).then(
                pl.col("retained") * pl.col("greenwood").sqrt()
            )
        )
        .with_columns(reason=boundary_reason(pl.col("retained")))
    )
    return with_curve_interval(curve, "retained")


def _half_day(column: str) -> pl.Expr:
    """First day the column is at most one half; the middle of a piece flat at one half."""
    day, value = pl.col("day"), pl.col(column)
    first = day.filter(value < 0.5 + HALF_TOLERANCE).min()
    below = day.filter(value < 0.5 - HALF_TOLERANCE).min()
    return (first + pl.coalesce(below, first)) / 2


def _summary_reason() -> pl.Expr:
    median, bound = pl.col("median_day").is_null(), pl.col("median_ci_high").is_null()
    said = pl.concat_str(
        pl.when(median).then(pl.lit(reasons.MEDIAN_NOT_REACHED)),
        pl.when(bound & ~median).then(pl.lit(reasons.MEDIAN_INTERVAL_OPEN)),
        pl.when(pl.col("restricted_mean").is_null()).then(pl.lit(reasons.BEYOND_FOLLOW_UP)),
        pl.when(pl.col("restricted_mean_std_error") == 0).then(pl.lit(reasons.NO_VARIATION)),
        separator=", ",
        ignore_nulls=True,
    )
    return (
        pl.when(pl.col("start_day").is_null())
        .then(pl.lit(reasons.NOT_COMPUTABLE))
        .when(said != "")
        .then(said)
    )
