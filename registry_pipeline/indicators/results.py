"""quality.indicator: periods, intervals, levels and reasons for hiding, from counts.

Belongs here: what a count per unit and quarter becomes in the table.
Does not belong here: counting (see `engine`), what may be shown outside (see `disclosure`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from registry_pipeline.indicators.definition import Indicator, definition_table
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import with_wilson
from registry_pipeline.statistics.periods import refused_over_two_periods
from registry_pipeline.version import as_table
from schemas.protocol import Protocol
from schemas.quality.indicators import Indicator as IndicatorTable

NOT_APPLICABLE: Final = "not_applicable"
COUNTS: Final = ("numerator", "denominator", "n_missing")
UNSEEN: Final = "n_unseen"
"""Counted as not fulfilled, and not followed until their time was up."""

SUMMED: Final = (*COUNTS, UNSEEN)
PERIOD: Final = ["period_type", "period_start", "period_end"]
CELL: Final = ["indicator_id", "unit_id", *PERIOD]
_LENGTH: Final = {"quarter": "1q", "year": "1y"}


def results(
    indicators: Sequence[Indicator],
    applied: Sequence[Indicator],
    cells: pl.DataFrame,
    protocol: Protocol,
    *,
    span: tuple[date, date],
    ends: pl.DataFrame,
    low_coverage: bool,
) -> pl.DataFrame:
    """quality.indicator of one cohort, without as_of_delivery.

    For each indicator and each quarter and year in which anyone was counted: a row for every
    unit and one for `all`. A unit nobody of which was counted has a zero denominator and
    not_computable. An indicator that counted nobody has one row for `all` over the cohort's whole
    period: not_applicable where a question it needs was never answered, else not_computable.

    Args:
        indicators: every indicator.
        applied: those whose questions were asked.
        cells: `engine.cells`.
        protocol: units, targets and deadlines.
        span: the cohort's first day and its cut-off.
        ends: `coverage.unit_ends`; a unit without people ends with the cohort.
        low_coverage: coverage is known and below the protocol's threshold.
    """
    first, last = span
    asked = [indicator.id for indicator in applied]
    due = {indicator.id: indicator.due_days(protocol) for indicator in indicators}
    by_steps = [indicator.id for indicator in indicators if indicator.is_answered_by_steps]
    counted = (
        definition_table(indicators)
        .select("indicator_id", "direction", "target_green", "target_yellow", "min_denominator")
        .with_columns(due=pl.col("indicator_id").replace_strict(due, return_dtype=pl.Int64))
        .join(_targets(protocol), on="indicator_id", how="left")
        .join(_with_everyone(_periods(cells), protocol), on="indicator_id", how="left")
    )
    known = counted.with_columns(
        protocol=pl.lit(protocol.id),
        unit_id=pl.col("unit_id").fill_null("all"),
        period_type=pl.col("period_type").fill_null("whole"),
        period_start=pl.col("period_start").fill_null(first),
        period_end=pl.col("period_end").fill_null(last),
        reason=pl.when(~pl.col("indicator_id").is_in(asked))
        .then(pl.lit(NOT_APPLICABLE))
        .when(pl.col("denominator").fill_null(0) == 0)
        .then(pl.lit(reasons.NOT_COMPUTABLE)),
        **{name: pl.col(name).fill_null(0) for name in SUMMED},
        target_green=pl.coalesce("green", "target_green"),
        target_yellow=pl.coalesce("yellow", "target_yellow"),
    )
    end = pl.when(pl.col("indicator_id").is_in(by_steps)).then("steps_end").otherwise("ends")
    known = known.join(ends, on="unit_id", how="left").with_columns(ends=end.fill_null(last))
    shares = _shares(known).with_columns(
        level=level(), hidden_reason=hidden(low_coverage=low_coverage)
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
    """Why a result is not shown outside; the first that holds.

    Provisional: on the unit's last day of data somebody of the period was not due yet. It goes
    before low coverage of the cohort and few observations, which are true of closed periods too:
    the national delivery and the latest closed year are told apart by it.
    """
    few = pl.col("denominator") < pl.col("min_denominator")
    open_until = pl.col("period_end") + pl.duration(days=pl.col("due"))
    return (
        pl.when(pl.col("denominator") > 0, open_until > pl.col("ends"))
        .then(pl.lit("provisional"))
        .when(pl.lit(low_coverage))
        .then(pl.lit("low_coverage"))
        .when(few)
        .then(pl.lit("small_denominator"))
    )


def _periods(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells by period: quarters as they are, the quarters' parts of a year added up."""
    parts = [
        cells.filter(pl.col("period_type") == kind).with_columns(
            period_start=pl.col("quarter").dt.truncate(length),
            period_end=pl.col("quarter").dt.truncate(length).dt.offset_by(length)
            - pl.duration(days=1),
        )
        for kind, length in _LENGTH.items()
    ]
    return pl.concat(parts).group_by(CELL).agg(pl.col(SUMMED).sum())


def _with_everyone(cells: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """The cells, `all` units together, and the protocol's units without anyone in a period."""
    period = ["indicator_id", *PERIOD]
    together = cells.group_by(period).agg(pl.col(SUMMED).sum())
    units = sorted({"all", *(unit.id for unit in protocol.units), *cells["unit_id"]})
    grid = together.select(period).join(pl.DataFrame({"unit_id": units}), how="cross")
    everyone = together.with_columns(unit_id=pl.lit("all"))
    stacked = pl.concat(part.select(*CELL, *SUMMED) for part in (cells, everyone))
    return grid.join(stacked, on=CELL, how="left")


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
    """Adds value with its interval, and value_known of the denominator whose answer is known.

    None where somebody counted was not followed until the time was up: periods_differ.
    """
    known = counted.with_columns(denominator_known=pl.col("denominator") - pl.col("n_missing"))
    shares = with_wilson(known, "numerator", "denominator", estimate="value")
    whole = pl.when(pl.col("denominator_known") > 0).then("denominator_known")
    known = shares.with_columns(value_known=pl.col("numerator") / whole)
    return refused_over_two_periods(
        known, pl.col(UNSEEN), ["value", "ci_low", "ci_high", "value_known"]
    )
