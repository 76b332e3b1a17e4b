"""From marks to results: the rows behind every indicator, and what they add up to.

Belongs here: periods, counts per unit and period, intervals, levels and reasons for hiding.
Does not belong here: who counts in which indicator (see the programmes' modules).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.version import as_table
from registry_pipeline.indicators.coverage import is_low, whole_period
from registry_pipeline.indicators.definition import Core, Indicator, definition_table
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import with_wilson
from registry_pipeline.transform.engine import Frame, materialise
from registry_pipeline.transform.people import HELD
from schemas.protocol import Protocol
from schemas.quality.indicators import Indicator as IndicatorTable

NOT_APPLICABLE: Final = "not_applicable"
PERIOD: Final = ["period_start", "period_end"]
CELL: Final = ["indicator_id", "unit_id", *PERIOD]
COUNTS: Final = ("numerator", "denominator", "n_missing")


def indicator_tables(
    indicators: Sequence[Indicator], core: Core, protocol: Protocol
) -> dict[str, Frame | pl.DataFrame]:
    """quality.indicator_definition, indicator_person and indicator of one cohort.

    Args:
        indicators: which indicators.
        core: core.patient, core.interview and meta.delivery of the cohort.
        protocol: units, targets and thresholds.

    Returns:
        Table name to frame, without as_of_delivery; the rows stay in the engine, computed once.
    """
    read = {**core, "core.interview": materialise(_interviews(indicators, core))}
    asked = _asked(indicators, read["core.interview"])
    rows = materialise(person_rows(indicators, asked, read, protocol))
    return {
        "quality.indicator_definition": definition_table(indicators),
        "quality.indicator_person": rows,
        "quality.indicator": results(indicators, asked, rows, core, protocol),
    }


def person_rows(
    indicators: Sequence[Indicator], asked: frozenset[str], core: Core, protocol: Protocol
) -> Frame:
    """The marks of the indicators whose questions were asked, each in its calendar year.

    One row per mark. in_denominator and is_missing are never null; in_numerator is null where
    the row is outside the denominator and never null inside it.
    """
    no = nw.lit(value=False)
    counted = nw.col("in_denominator").fill_null(no)
    start = nw.col("marked_on").dt.truncate("1y")
    parts = [
        indicator.mark(core).select(
            nw.lit(indicator.definition.indicator_id).alias("indicator_id"),
            nw.lit(protocol.id).alias("protocol"),
            "patient_id",
            nw.col("unit_id").fill_null("unknown"),
            start.cast(nw.Date).alias("period_start"),
            start.dt.offset_by("1y").dt.offset_by("-1d").cast(nw.Date).alias("period_end"),
            "item_no",
            counted.alias("in_denominator"),
            nw.when(counted).then(nw.col("in_numerator").fill_null(no)).alias("in_numerator"),
            nw.col("is_missing").fill_null(no),
        )
        for indicator in indicators
    ]
    return nw.concat(parts).filter(nw.col("indicator_id").is_in(sorted(asked)))


def results(
    indicators: Sequence[Indicator],
    asked: frozenset[str],
    rows: Frame,
    core: Core,
    protocol: Protocol,
) -> pl.DataFrame:
    """quality.indicator of one cohort, without as_of_delivery.

    For each indicator and each year in which anyone was counted: a row for every unit and one
    for `all`. A unit nobody of which was counted has a zero denominator and not_computable. An
    indicator that counted nobody in any year has one row for `all` over the cohort's whole
    period: not_applicable where a question it needs was never answered, else not_computable.
    """
    counted = (
        definition_table(indicators)
        .select("indicator_id", "direction", "target_green", "target_yellow", "min_denominator")
        .join(_targets(protocol), on="indicator_id", how="left")
        .join(_with_everyone(_cells(rows), protocol), on="indicator_id", how="left")
    )
    first, last = whole_period(core)
    known = counted.with_columns(
        protocol=pl.lit(protocol.id),
        unit_id=pl.col("unit_id").fill_null("all"),
        period_start=pl.col("period_start").fill_null(first),
        period_end=pl.col("period_end").fill_null(last),
        reason=pl.when(~pl.col("indicator_id").is_in(sorted(asked)))
        .then(pl.lit(NOT_APPLICABLE))
        .when(pl.col("denominator").fill_null(0) == 0)
        .then(pl.lit(reasons.NOT_COMPUTABLE)),
        **{name: pl.col(name).fill_null(0) for name in COUNTS},
        target_green=pl.coalesce("green", "target_green"),
        target_yellow=pl.coalesce("yellow", "target_yellow"),
    )
    shares = _shares(known).with_columns(
        level=level(), hidden_reason=hidden(low_coverage=is_low(core, protocol))
    )
    table = as_table(shares, IndicatorTable, cohort=protocol.id, method="share; Wilson")
    return table.sort("indicator_id", *PERIOD, "unit_id")


def level() -> pl.Expr:
    """H, M or L of `value` against the targets; without a yellow target the green one counts.

    Source: national publishing platform (SKDE), level_direction 1 and its mirror 0.
    """
    value, green = pl.col("value"), pl.col("target_green")
    yellow = pl.coalesce("target_yellow", "target_green")
    higher = pl.col("direction") == "higher"
    reached = pl.when(higher).then(value >= green).otherwise(value <= green)
    below = pl.when(higher).then(value < yellow).otherwise(value > yellow)
    known = value.is_not_null() & green.is_not_null()
    graded = pl.when(reached).then(pl.lit("H")).when(below).then(pl.lit("L"))
    return pl.when(known).then(graded.otherwise(pl.lit("M")))


def hidden(*, low_coverage: bool) -> pl.Expr:
    """Why a result is not shown outside: the cohort's coverage first, then few observations."""
    few = pl.col("denominator") < pl.col("min_denominator")
    return (
        pl.when(pl.lit(low_coverage))
        .then(pl.lit("low_coverage"))
        .when(few)
        .then(pl.lit("small_denominator"))
    )


def _cells(rows: Frame) -> pl.DataFrame:
    """Counts per indicator, unit and period, where anyone is in the denominator."""
    inside = nw.col("in_denominator")
    sums = {
        "numerator": inside & nw.col("in_numerator"),
        "denominator": inside,
        "n_missing": inside & nw.col("is_missing"),
    }
    grouped = rows.group_by(CELL).agg(
        flag.cast(nw.Int64).sum().cast(nw.Int64).alias(name) for name, flag in sums.items()
    )
    cells: pl.DataFrame = grouped.filter(nw.col("denominator") > 0).collect("polars").to_native()
    return cells


def _with_everyone(cells: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """The cells, `all` units together, and the protocol's units without anyone in a period."""
    period = ["indicator_id", *PERIOD]
    together = cells.group_by(period).agg(pl.col(COUNTS).sum())
    units = sorted({"all", *(unit.id for unit in protocol.units), *cells["unit_id"]})
    grid = together.select(period).join(pl.DataFrame({"unit_id": units}), how="cross")
    everyone = together.with_columns(unit_id=pl.lit("all"))
    stacked = pl.concat(part.select(*CELL, *COUNTS) for part in (cells, everyone))
    return grid.join(stacked, on=CELL, how="left")


def _interviews(indicators: Sequence[Indicator], core: Core) -> Frame:
    """Interviews held, with what indicators read of them: the wide table is read once for all."""
    asks = {column for indicator in indicators for column in indicator.asks}
    held = core["core.interview"].filter(nw.col("status").is_in(HELD))
    return held.select("patient_id", "interview_date", "unit_id", *sorted(asks))


def _asked(indicators: Sequence[Indicator], held: Frame) -> frozenset[str]:
    """Ids of the indicators each of whose questions some interview held has an answer to."""
    row: pl.DataFrame = held.select(nw.all().count()).collect("polars").to_native()
    n = row.row(0, named=True)
    return frozenset(
        indicator.definition.indicator_id
        for indicator in indicators
        if all(n[column] for column in indicator.asks)
    )


def _targets(protocol: Protocol) -> pl.DataFrame:
    """The protocol's own targets, which go before the definition's."""
    return pl.DataFrame(
        [
            {"indicator_id": code, "green": target.green, "yellow": target.yellow}
            for code, target in protocol.targets.items()
        ],
        schema={"indicator_id": pl.String, "green": pl.Float64, "yellow": pl.Float64},
    )


def _shares(counted: pl.DataFrame) -> pl.DataFrame:
    """Adds value with its interval, and value_known of the denominator whose answer is known."""
    known = counted.with_columns(denominator_known=pl.col("denominator") - pl.col("n_missing"))
    shares = with_wilson(known, "numerator", "denominator", estimate="value")
    whole = pl.when(pl.col("denominator_known") > 0).then("denominator_known")
    return shares.with_columns(value_known=pl.col("numerator") / whole)
