"""Retention known only at the interviews: a life table beside the curve.

Belongs here: derived.retention_life_table from counts.
Does not belong here: the curve itself (see `retention_curves`), the formula (see `statistics`).

A drop-out that is noticed at an interview took place at some time since the interview before. The
curve puts it on the day it was noticed; the life table says the interval and no more.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import polars as pl

from registry_pipeline.derivations.retention_counts import Counted
from registry_pipeline.derivations.retention_curves import method, or_not_computable
from registry_pipeline.derivations.version import as_table
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import GROUP
from registry_pipeline.statistics.intervals import boundary_reason
from registry_pipeline.statistics.survival import life_table
from schemas.derived.hazards import RetentionLifeTable
from schemas.fields import describe
from schemas.protocol import Protocol, Waves

ESTIMATES: Final = (
    *("hazard", "hazard_std_error", "hazard_ci_low", "hazard_ci_high"),
    *("retained", "std_error", "ci_low", "ci_high"),
)


def life_table_beside(
    counted: Counted, read: pl.DataFrame, protocol: Protocol
) -> dict[str, pl.DataFrame]:
    """derived.retention_life_table of one cohort, beside the curves of `on_days`."""
    table = as_table(
        _life_tables(counted, read, protocol.waves),
        RetentionLifeTable,
        cohort=protocol.id,
        method=method("actuarial life table, log-log interval"),
    )
    return {describe(RetentionLifeTable).full_name: table}


def _life_tables(counted: Counted, read: pl.DataFrame, waves: Waves) -> pl.DataFrame:
    """The life table of every curve on the protocol's own clock, over the schedule's intervals.

    An interval goes from the day after one scheduled day to the next.

    Returns:
        The columns of derived.retention_life_table's numbers, with the curve on the same day.
    """
    intervals = _intervals(waves)
    main = counted.groups.filter("is_main").select(GROUP, "n")
    exits, entries = (
        frame.join(main, on=GROUP, how="semi") for frame in (counted.exits, counted.entries)
    )
    breaks = [0, *(day + 1 for day in waves.nominal_days[1:])]
    table = (
        life_table(exits, entries, [GROUP], breaks)
        .drop("reason")
        .rename({"n_effective": "effective_n"})
    )
    told = (
        pl.when(pl.col("hazard").is_null() & (pl.col("retained") > 0))
        .then(pl.lit(reasons.BEYOND_FOLLOW_UP))
        .when(pl.col("retained").is_null())
        .then(pl.lit(reasons.NOT_COMPUTABLE))
        .otherwise(boundary_reason(pl.col("retained")))
    )
    rows = (
        main.join(intervals, how="cross", maintain_order="left_right")
        .join(table, on=[GROUP, "interval_start"], how="left", maintain_order="left")
        .join(read.select(GROUP, "day", retained_curve="retained"), on=[GROUP, "day"], how="left")
        .with_columns(pl.col("^n_.*$").fill_null(0), reason=told)
        .with_columns(reason=or_not_computable("reason"))
    )
    known = pl.col("reason").ne_missing(reasons.BEYOND_FOLLOW_UP)
    shown = [pl.when(known).then(pl.col(name)).alias(name) for name in ESTIMATES]
    return counted.labelled(rows.with_columns(shown))


def _intervals(waves: Waves) -> pl.DataFrame:
    """Each interval's first day, the scheduled day before it, the one that ends it, its month."""
    ends = zip(pairwise(waves.nominal_days), waves.months[1:], strict=True)
    return pl.DataFrame(
        [(start + (start > 0), start, day, month) for (start, day), month in ends],
        schema={
            "interval_start": pl.Int64,
            "start_day": pl.Int64,
            "day": pl.Int64,
            "month": pl.Int32,
        },
        orient="row",
    )
