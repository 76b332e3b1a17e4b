"""The life table: retention where an exit is known only to the interval between two interviews.

Belongs here: the actuarial estimate from counts per day.
Does not belong here: curves by the day (see `survival`, whose two frames it takes).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import one_key
from registry_pipeline.statistics.intervals import with_curve_interval, with_wilson
from registry_pipeline.statistics.survival import LEFT


@one_key
def life_table(
    exits: pl.DataFrame, entries: pl.DataFrame, by: Sequence[str], breaks: Sequence[int]
) -> pl.DataFrame:
    """The actuarial table for exits known only to the interval between two interviews.

    People who enter late in an interval, or are censored in it, count as half in it; one censored
    on its last day was there all the time. An interval that more people left than half of them
    make up (of one who came late and left within it) tells nothing, and no share after it stands.
    The error is Greenwood's (1926) with the effective number, the interval log-log.

    Args:
        exits: people per exit day and type.
        entries: people per entry day.
        by: grouping columns, at least one.
        breaks: first day of each interval, ascending from 0; the last one is open.

    Returns:
        One row per group and interval: `*by`, `interval_start`, `n_entered` (there from its first
        day), `n_late`, `n_event`, `n_censored`, `n_effective`, `hazard` (null with a reason where
        nobody is left or the interval tells nothing) with its binomial `hazard_std_error`,
        `hazard_ci_low` and `hazard_ci_high` (Wilson, of the effective number), `retained` (at the
        end of the interval), `std_error` (null at 0), `ci_low`, `ci_high`, `reason`.
    """
    numbers = pl.col("n_entered", "n_late", "n_event", "n_censored", "n_half")
    starts = pl.DataFrame({"interval_start": breaks}, schema={"interval_start": pl.Int64})
    moves = (
        _moves(exits, entries, by, breaks)
        .sort("day")
        .join_asof(starts, left_on="day", right_on="interval_start", check_sortedness=False)
        .group_by(*by, "interval_start")
        .agg(numbers.sum())
    )
    grid = exits.select(*by).unique().join(starts, how="cross")
    there = (pl.col("n_entered") + pl.col("n_late") - LEFT).cum_sum().over(by)
    effective = pl.col("n_entered") + (pl.col("n_late") - pl.col("n_half")) / 2
    fits = pl.col("n_event") <= pl.col("n_effective")
    hazard = pl.when(pl.col("n_effective") > 0).then(pl.col("n_told") / pl.col("n_effective"))
    gone = pl.col("hazard") / (pl.col("n_effective") * (1 - pl.col("hazard")))
    binomial = pl.col("hazard") * (1 - pl.col("hazard")) / pl.col("n_effective")
    table = (
        grid.join(moves, on=[*by, "interval_start"], how="left", nulls_equal=True)
        .with_columns(numbers.fill_null(0))
        .sort(*by, "interval_start")
        .with_columns(n_entered=there - pl.col("n_late") + LEFT)
        .with_columns(n_effective=effective)
        .with_columns(n_told=pl.when(fits).then("n_event"), stands=fits.cum_min().over(by))
        .with_columns(hazard=hazard)
        .with_columns(
            retained=pl.when("stands").then(
                (1 - pl.col("hazard").fill_null(0)).cum_prod().over(by)
            ),
            greenwood=pl.when(pl.col("n_event") > 0).then(gone).otherwise(0.0).cum_sum().over(by),
            hazard_std_error=binomial.sqrt(),
            reason=pl.when(pl.col("hazard").is_null() | ~pl.col("stands")).then(
                pl.lit(reasons.NOT_COMPUTABLE)
            ),
        )
        .with_columns(
            std_error=pl.when(pl.col("retained") > 0).then(
                pl.col("retained") * pl.col("greenwood").sqrt()
            )
        )
        .drop("n_half", "greenwood", "stands")
    )
    return with_wilson(
        with_curve_interval(table, "retained"),
        "n_told",
        "n_effective",
        estimate="hazard",
        low="hazard_ci_low",
        high="hazard_ci_high",
    ).drop("n_told")


def _moves(
    exits: pl.DataFrame, entries: pl.DataFrame, by: Sequence[str], breaks: Sequence[int]
) -> pl.DataFrame:
    """Who enters at the start of an interval or late, and who leaves, per group and day."""
    day, n = pl.col("day").cast(pl.Int64), pl.col("n").cast(pl.Int64)
    censored, last = pl.col("exit_type").is_null(), (day + 1).is_in(list(breaks))
    none, from_day = 0 * n, day + (day > 0)
    prompt = from_day.is_in(list(breaks))
    return pl.concat(
        [
            exits.select(
                *by, day, n_entered=none, n_late=none, n_event=n * ~censored,
                n_censored=n * censored, n_half=n * (censored & ~last),
            ),
            entries.select(
                *by, from_day.alias("day"), n_entered=n * prompt, n_late=n * ~prompt,
                n_event=none, n_censored=none, n_half=none,
            ),
        ]
    )  # fmt: skip
