"""Drop-out of planned stays, and the charts of the drop-out project.

Belongs here: quality.dropout and quality.programme_chart.
Does not belong here: the project's tools (see `quality_tools`), retention (see `retention`).

Source: the national drop-out indicator, share of planned inpatient stays from the age of 18 that
end by interruption (domain notes, section 2): 10.2 % of 4,506 stays with 63.4 % of ends unknown,
27.9 % without them. So both denominators are given, and the unknown share beside them.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.quality_groups import (
    AGE,
    DISORDER,
    GROUP,
    UNIT_QUARTER,
    by_group,
    tally,
)
from registry_pipeline.derivations.quality_programmes import (
    PERIOD,
    Setting,
    in_quarters,
    measure,
    programme,
    rolled,
    shares,
)
from registry_pipeline.derivations.quality_stays import (
    CUTOFF,
    END,
    IS_DROPOUT,
    IS_ENDED,
    PLANNED_START,
    START,
)
from registry_pipeline.statistics.control_charts import p_chart
from registry_pipeline.transform.engine import Frame, is_empty
from registry_pipeline.version import as_table
from schemas.protocol import Protocol
from schemas.protocol_programmes import NO_INTERVENTION
from schemas.quality.care import Dropout, ProgrammeChart

CELL: Final = [*UNIT_QUARTER, AGE, DISORDER, "level"]
SERIES: Final = ["measure", "unit_id", "intervention", "segment"]
CHARTED: Final = ("no_show", "dropout")
LIMITS: Final = ["centre", "lower", "upper", "signal", "runs_signal"]


def dropout(stays: Frame, where: Setting) -> pl.DataFrame:
    """quality.dropout by unit, quarter, age, co-occurring disorder and level.

    Args:
        stays: `quality_stays.stay_rows`.
        where: the cohort; its protocol says which levels and ages count.
    """
    parameters = where.protocol.programmes
    old_enough = nw.col(AGE).is_null() | (nw.col(AGE) >= parameters.min_age)
    levels = nw.col("level").is_in(parameters.planned_levels)
    planned = stays.filter(nw.col("is_planned"), levels, old_enough)
    if is_empty(planned):
        return programme(Dropout, [], where)
    early = (_early(planned, day, where) for day in where.protocol.retention.early_days)
    parts = [*_ended(planned, where), *_planned(planned, where), *early]
    return programme(Dropout, [shares(part) for part in parts], where)


def _rolled(cells: pl.DataFrame, sums: list[str], where: Setting) -> pl.DataFrame:
    return rolled(by_group(cells, where, DISORDER, "level"), GROUP, sums, where)


def _ended(planned: Frame, where: Setting) -> list[pl.DataFrame]:
    """Of the stays that ended, by the quarter of their end."""
    sums = {"n": IS_ENDED, "dropout": IS_DROPOUT, "unknown": nw.col("is_unknown_end")}
    ended = in_quarters(planned.filter(IS_ENDED), "end_date", where)
    rows = _rolled(tally(ended, CELL, sums), list(sums), where)
    n, left, unknown = pl.col("n"), pl.col("dropout"), pl.col("unknown")
    return [
        measure(rows, "dropout", left, n, n=n, n_missing=unknown),
        measure(rows, "dropout_known", left, n - unknown, n=n, n_missing=unknown),
        measure(rows, "unknown_end", unknown, n, n=n),
    ]


def _planned(planned: Frame, where: Setting) -> list[pl.DataFrame]:
    """Of the stays that were to have begun, by the quarter of the planned start."""
    day = nw.coalesce("planned_start_date", "start_date")
    due = planned.filter(~(PLANNED_START > CUTOFF).fill_null(value=False)).with_columns(day=day)
    sums = {
        "n": nw.lit(value=True),
        "never": nw.col("is_never_met"),
        "left": IS_DROPOUT,
        "unknown": nw.col("is_unknown_end"),
    }
    rows = _rolled(tally(in_quarters(due, "day", where), CELL, sums), list(sums), where)
    n = pl.col("n")
    return [
        measure(rows, "never_met", pl.col("never"), n, n=n),
        measure(rows, "dropped_out_later", pl.col("left"), n, n=n, n_missing=pl.col("unknown")),
    ]


def _early(planned: Frame, day: int, where: Setting) -> pl.DataFrame:
    """Of the stays begun so many days before the cut-off: drop-out by that day of the stay."""
    followed = planned.filter(nw.col("is_begun"), START + day <= CUTOFF)
    soon = day >= END - START
    sums = {
        "n": nw.lit(value=True),
        "left": IS_DROPOUT & soon,
        "unknown": nw.col("is_unknown_end") & soon,
    }
    cells = tally(in_quarters(followed, "start_date", where), CELL, sums)
    whole = cells.with_columns(group_by=pl.lit("by_day"), group=pl.lit(str(day)))
    rows = rolled(whole, GROUP, list(sums), where)
    n = pl.col("n")
    return measure(rows, "early_dropout", pl.col("left"), n, n=n, n_missing=pl.col("unknown"))


def programme_chart(no_shows: pl.DataFrame, dropouts: pl.DataFrame, where: Setting) -> pl.DataFrame:
    """quality.programme_chart: p charts by quarter of both tables, whole and by intervention.

    Args:
        no_shows: quality.no_show.
        dropouts: quality.dropout.
        where: the cohort; its protocol lists the interventions.
    """
    counted = pl.concat(
        table.filter(pl.col("measure").is_in(CHARTED), group_by="all").select(
            "measure", "unit_id", *PERIOD, "numerator", "denominator", "n_missing"
        )
        for table in (no_shows, dropouts)
    )
    quarters = _every_quarter(counted, where)
    parts = [_segmented(quarters, where.protocol)]
    parts.append(
        quarters.with_columns(intervention=pl.lit(NO_INTERVENTION), segment=pl.lit("whole"))
    )
    chart = p_chart(pl.concat(parts, how="diagonal"), SERIES, "period_start")
    during = pl.col("segment") == "during"
    silent = chart.with_columns(pl.when(~during).then(pl.col(LIMITS)))
    stamped = silent.with_columns(protocol=pl.lit(where.protocol.id))
    table = as_table(stamped, ProgrammeChart, cohort=where.protocol.id, method="p chart, 3 sigma")
    return table.sort("measure", "unit_id", "intervention", "period_start")


def _every_quarter(counted: pl.DataFrame, where: Setting) -> pl.DataFrame:
    """The whole quarters of each series, from its first to its last; an empty one is 0 of 0."""
    start = pl.col("period_start")
    is_quarter = start.dt.truncate("1q") == start
    ends = start.dt.offset_by("1q").dt.offset_by("-1d") == pl.col("period_end")
    known = counted.filter(is_quarter & ends, pl.col("period_end") <= where.last)
    series = ["measure", "unit_id"]
    grid = (
        known.group_by(series, maintain_order=True)
        .agg(period_start=pl.date_ranges(start.min(), start.max(), "1q").first())
        .explode("period_start")
        .with_columns(period_end=start.dt.offset_by("1q").dt.offset_by("-1d"))
    )
    counts = ["numerator", "denominator", "n_missing"]
    return grid.join(known, on=[*series, *PERIOD], how="left").with_columns(
        pl.col(counts).fill_null(0)
    )


def _segmented(quarters: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """The quarters of each intervention's unit and measures, before it began and after."""
    empty = quarters.clear().with_columns(intervention=pl.lit(""), segment=pl.lit(""))
    parts = [empty]
    for one in protocol.programmes.interventions:
        after = pl.col("period_start") >= one.start
        before = pl.col("period_end") < one.start
        chosen = quarters.filter(pl.col("measure").is_in(one.measures), unit_id=one.unit_id)
        segment = pl.when(after).then(pl.lit("after")).when(before).then(pl.lit("before"))
        parts.append(
            chosen.with_columns(
                intervention=pl.lit(one.code), segment=segment.otherwise(pl.lit("during"))
            )
        )
    return pl.concat(parts)
