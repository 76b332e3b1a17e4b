"""From marks to counts and rows: one pass over each basis for all the indicators that mark it.

Belongs here: which indicators apply, counts per unit and quarter, the rows behind them.
Does not belong here: who counts in which indicator (see the programmes' modules), periods,
intervals, levels and reasons for hiding (see `results`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.indicators.coverage import is_low, unit_ends, whole_period
from registry_pipeline.indicators.definition import (
    Ask,
    Basis,
    Core,
    Indicator,
    Mark,
    definition_table,
)
from registry_pipeline.indicators.results import SUMMED, UNSEEN, results
from registry_pipeline.transform.engine import Frame, materialise
from registry_pipeline.transform.shape import by_value, constants
from schemas.fields import describe
from schemas.protocol import Protocol
from schemas.quality.indicators import IndicatorPerson

PERSON: Final = describe(IndicatorPerson)
UNKNOWN_UNIT: Final = "unknown"
_UNSAID: Final = {
    "looked_at": True,
    "in_denominator": False,
    "in_numerator": False,
    "is_missing": False,
    "in_year": True,
}
"""What a boolean is for every row where a mark says nothing of it."""


@dataclass(frozen=True)
class IndicatorTables:
    """The three tables of one cohort, without as_of_delivery."""

    definitions: pl.DataFrame
    persons: Frame | pl.DataFrame
    results: pl.DataFrame

    @property
    def by_name(self) -> dict[str, Frame | pl.DataFrame]:
        """Table name to frame."""
        return {
            "quality.indicator_definition": self.definitions,
            "quality.indicator_person": self.persons,
            "quality.indicator": self.results,
        }


def indicator_tables(
    indicators: Sequence[Indicator], core: Core, protocol: Protocol
) -> IndicatorTables:
    """quality.indicator_definition, indicator_person and indicator of one cohort.

    Args:
        indicators: which indicators.
        core: the core tables and meta.delivery of the cohort.
        protocol: units, targets, deadlines and thresholds.

    Returns:
        The tables; the rows of persons stay in the engine.
    """
    applied = applicable(indicators, core)
    counted = results(
        indicators,
        applied,
        cells(applied, core, protocol),
        protocol,
        span=whole_period(core),
        ends=unit_ends(core),
        low_coverage=is_low(core, protocol),
    )
    return IndicatorTables(
        definition_table(indicators), person_rows(applied, core, protocol), counted
    )


def applicable(indicators: Sequence[Indicator], core: Core) -> list[Indicator]:
    """The indicators whose questions were asked: each of them has an answer somewhere."""
    asks = {ask for indicator in indicators for ask in indicator.asks}
    present = {
        ask
        for table in sorted({ask.table for ask in asks})
        for ask in _present(core[table], [ask for ask in asks if ask.table == table])
    }
    return [indicator for indicator in indicators if present.issuperset(indicator.asks)]


def cells(indicators: Iterable[Indicator], core: Core, protocol: Protocol) -> pl.DataFrame:
    """Counts per indicator, unit and quarter, for the quarter and for its part of the year.

    Returns:
        indicator_id, period_type, unit_id, quarter (its first day) and `SUMMED`; the year's
        counts of a quarter are of the rows that stand for the year. One query per basis.
    """
    parts = [
        _counted(basis, marks, core, protocol)
        for basis, marks in _by_basis(indicators, protocol).items()
    ]
    schema = {
        "indicator_id": pl.String,
        "period_type": pl.String,
        "unit_id": pl.String,
        "quarter": pl.Date,
        **dict.fromkeys(SUMMED, pl.Int64),
    }
    return pl.concat([pl.DataFrame(schema=schema), *parts])


def person_rows(
    indicators: Iterable[Indicator], core: Core, protocol: Protocol
) -> Frame | pl.DataFrame:
    """quality.indicator_person: the rows each indicator looks at, in their calendar quarter.

    in_denominator, in_year and is_missing are never null; in_numerator is null where the row is
    outside the denominator and never null inside it.
    """
    parts = [
        _rows(basis, marks, core, protocol)
        for basis, marks in _by_basis(indicators, protocol).items()
    ]
    return materialise(nw.concat(parts)) if parts else pl.DataFrame(schema=PERSON.dtypes)


def _present(rows: Frame, asks: Sequence[Ask]) -> list[Ask]:
    """The asks that some row answers: one query per table."""
    flags = {
        f"ask_{number}": nw.col(ask.column).is_in(ask.values)
        if ask.values
        else ~nw.col(ask.column).is_null()
        for number, ask in enumerate(asks)
    }
    found: pl.DataFrame = (
        rows.select(flag.cast(nw.Int64).sum().alias(name) for name, flag in flags.items())
        .collect("polars")
        .to_native()
    )
    return [ask for ask, n in zip(asks, found.row(0), strict=True) if n]


def _by_basis(indicators: Iterable[Indicator], protocol: Protocol) -> dict[Basis, dict[str, Mark]]:
    """The marks of the indicators, by the frame they are made on."""
    grouped: dict[Basis, dict[str, Mark]] = {}
    for indicator in indicators:
        mark = indicator.mark(protocol)
        if mark.due_days is None and indicator.deadline:
            mark = replace(mark, due_days=nw.lit(indicator.due_days(protocol)))
        grouped.setdefault(indicator.basis, {})[indicator.id] = mark
    return grouped


def _counted(
    basis: Basis, marks: Mapping[str, Mark], core: Core, protocol: Protocol
) -> pl.DataFrame:
    """The cells of one basis: every boolean of every indicator summed beside the others."""
    sums = {
        (name, period, count): flag
        for name, mark in marks.items()
        for period, count, flag in _sums(mark, basis.followed)
    }
    labels = {f"sum_{number}": key for number, key in enumerate(sums)}
    summed = (
        basis.rows(core, protocol)
        .with_columns(
            quarter=nw.col("marked_on").dt.truncate("1q").cast(nw.Date),
            unit_id=nw.col("unit_id").fill_null(UNKNOWN_UNIT),
        )
        .group_by("unit_id", "quarter")
        .agg(
            sums[key].cast(nw.Int64).sum().cast(nw.Int64).alias(label)
            for label, key in labels.items()
        )
    )
    wide: pl.DataFrame = summed.filter(~nw.col("quarter").is_null()).collect("polars").to_native()
    keys = pl.DataFrame(
        [(label, *key) for label, key in labels.items()],
        schema=["label", "indicator_id", "period_type", "count"],
        orient="row",
    )
    long = wide.unpivot(index=["unit_id", "quarter"], variable_name="label", value_name="n")
    counts = long.join(keys, on="label").with_columns(pl.col("n").fill_null(0))
    cell = ["indicator_id", "period_type", "unit_id", "quarter"]
    by_cell = counts.group_by(cell).agg(
        pl.col("n").filter(pl.col("count") == name).sum().alias(name) for name in SUMMED
    )
    years = set(counts.filter(pl.col("period_type") == "year")["indicator_id"])
    alike = by_cell.filter(~pl.col("indicator_id").is_in(list(years)))
    both = pl.concat([by_cell, alike.with_columns(period_type=pl.lit("year"))])
    return both.filter(pl.col("denominator") > 0)


def _sums(mark: Mark, followed: str | None) -> Iterator[tuple[str, str, nw.Expr]]:
    """What is summed of a mark: period, count and boolean; the year only where it differs."""
    inside = mark.in_denominator
    if mark.looked_at is not None:
        inside = mark.looked_at & inside
    spans = {"quarter": inside}
    if mark.in_year is not None:
        spans["year"] = inside & mark.in_year
    for period, counted in spans.items():
        yield period, "denominator", counted
        yield period, "numerator", counted & mark.in_numerator
        if mark.is_missing is not None:
            yield period, "n_missing", counted & mark.is_missing
        if followed and mark.due_days is not None:
            unfulfilled = ~mark.in_numerator.fill_null(nw.lit(value=False))
            yield period, UNSEEN, counted & unfulfilled & (nw.col(followed) < mark.due_days)


def _rows(basis: Basis, marks: Mapping[str, Mark], core: Core, protocol: Protocol) -> Frame:
    """The rows of one basis, once per indicator that looks at them."""
    names = constants(core["core.patient"], [{"indicator_id": name} for name in marks])
    which = nw.col("indicator_id")
    booleans = {
        flag: by_value(
            which,
            {name: _given(getattr(mark, flag), unsaid) for name, mark in marks.items()},
        )
        for flag, unsaid in _UNSAID.items()
    }
    start = nw.col("marked_on").dt.truncate("1q")
    rows = basis.rows(core, protocol).filter(~nw.col("marked_on").is_null())
    no = nw.lit(value=False)
    long = (
        rows.join(names, how="cross")
        .with_columns(flag.fill_null(no).alias(f"mark_{name}") for name, flag in booleans.items())
        .filter(nw.col("mark_looked_at"))
        .with_columns(
            unit_id=nw.col("unit_id").fill_null(UNKNOWN_UNIT),
            period_start=start.cast(nw.Date),
            period_end=start.dt.offset_by("1q").dt.offset_by("-1d").cast(nw.Date),
        )
    )
    key = ["indicator_id", "patient_id", "unit_id", "period_start", "period_end"]
    number = nw.lit(1, nw.Int32)
    if basis.order:
        one = long.with_columns(one=nw.lit(1, nw.Int32))
        number = nw.col("one").cum_sum().over(*key, order_by=basis.order).cast(nw.Int32)
        long = one
    return long.select(
        *key,
        number.alias("item_no"),
        nw.lit(protocol.id).alias("protocol"),
        nw.col("mark_in_denominator").alias("in_denominator"),
        nw.when(nw.col("mark_in_denominator"))
        .then(nw.col("mark_in_numerator"))
        .alias("in_numerator"),
        nw.col("mark_is_missing").alias("is_missing"),
        nw.col("mark_in_year").alias("in_year"),
    )


def _given(flag: nw.Expr | None, unsaid: bool) -> nw.Expr:
    return nw.lit(value=unsaid) if flag is None else flag
