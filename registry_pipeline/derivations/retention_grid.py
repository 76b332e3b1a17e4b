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
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import GROUP
from registry_pipeline.statistics.intervals import boundary_reason
from registry_pipeline.statistics.life_table import life_table
from registry_pipeline.version import as_table
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

    An interval goes from the day after one scheduled day to the next; the first begins where the
    curve does, which with delayed entry is the first day with enough people at risk.

    Returns:
        The columns of derived.retention_life_table's numbers, with the curve on the same day.
    """
    intervals = _intervals(waves)
    main = counted.groups.filter("is_main").select(GROUP, "n")
    begins = counted.curve.group_by(GROUP).agg(begins=pl.col("start_day").first())
    curves = main.select(GROUP).join(begins.drop_nulls(), on=GROUP)
    table = pl.concat(
        _from_day(counted, curves.filter(begins=day), day, waves) for day in {0, *curves["begins"]}
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
        .join(table, on=[GROUP, "day"], how="left", maintain_order="left")
        .join(read.select(GROUP, "day", retained_curve="retained"), on=[GROUP, "day"], how="left")
        .with_columns(pl.col("^n_.*$").fill_null(0), reason=told)
        .with_columns(reason=or_not_computable("reason"))
    )
    known = pl.col("reason").ne_missing(reasons.BEYOND_FOLLOW_UP)
    shown = [pl.when(known).then(pl.col(name)).alias(name) for name in ESTIMATES]
    return counted.labelled(rows.with_columns(shown))


def _from_day(counted: Counted, curves: pl.DataFrame, begins: int, waves: Waves) -> pl.DataFrame:
    """The life tables of curves that begin on the day `begins`, by group_id and `day`.

    Whoever left before it is in neither; whoever is at risk on it is there from its start.
    """
    exits, entries = (
        frame.join(curves, on=GROUP, how="semi") for frame in (counted.exits, counted.entries)
    )
    early = pl.col("day") < begins
    came = entries.filter(early).select(GROUP, "n")
    gone = exits.filter(early).select(GROUP, n=-pl.col("n"))
    at_start = pl.concat([came, gone]).group_by(GROUP).agg(pl.col("n").sum())
    entries = pl.concat(
        [
            at_start.with_columns(day=pl.lit(begins - 1).cast(entries.schema["day"])),
            entries.filter(~early).select(GROUP, "n", "day"),
        ]
    )
    ends = [day for day in waves.nominal_days[1:] if day >= begins]
    starts = [begins, *(day + 1 for day in ends)]
    ended_by = dict(zip(starts, ends, strict=False))
    return (
        life_table(exits.filter(~early), entries, [GROUP], starts)
        .with_columns(
            day=pl.col("interval_start").replace_strict(
                ended_by, default=None, return_dtype=pl.Int64
            )
        )
        .drop("interval_start", "reason")
        .rename({"n_effective": "effective_n"})
    )


def _intervals(waves: Waves) -> pl.DataFrame:
    """The scheduled day before each interval, the one that ends it, and its month."""
    ends = zip(pairwise(waves.nominal_days), waves.months[1:], strict=True)
    return pl.DataFrame(
        [(start, day, month) for (start, day), month in ends],
        schema={"start_day": pl.Int64, "day": pl.Int64, "month": pl.Int32},
        orient="row",
    )
