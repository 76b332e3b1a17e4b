"""What narwhals cannot say: one small function per engine, alike in effect.

Belongs here: day numbers from dates, rows from a range, and keeping an intermediate result.
Does not belong here: any derivation; nothing outside this file asks which engine it runs on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

import narwhals as nw
import polars as pl

Frame = nw.LazyFrame[Any]
"""A lazy frame of rows on either engine."""

STEP: Final = "step_"
"""What the names of kept intermediate results begin with."""


def is_duckdb(frame: Frame) -> bool:
    """Whether the frame is a relation in DuckDB."""
    return bool(frame.implementation.is_duckdb())


def with_epoch_days(frame: Frame, columns: Iterable[str]) -> Frame:
    """Adds `<column>_epoch`, days since 1970-01-01, for each date column; null stays null.

    Day arithmetic is integer arithmetic on these: engines differ in date differences.
    """
    names = list(columns)
    if not names:
        return frame
    if is_duckdb(frame):
        added = ", ".join(
            f'("{name}" - DATE \'1970-01-01\')::INTEGER AS "{name}_epoch"' for name in names
        )
        rows: Frame = nw.from_native(frame.to_native().select(f"*, {added}"))
        return rows
    native: pl.LazyFrame = frame.to_native()
    return nw.from_native(
        native.with_columns(pl.col(name).cast(pl.Int32).alias(f"{name}_epoch") for name in names)
    )


def with_date(frame: Frame, epoch: str, name: str) -> Frame:
    """Adds the date `name` of the day number `epoch`, days since 1970-01-01; null stays null."""
    if is_duckdb(frame):
        added = f'(DATE \'1970-01-01\' + "{epoch}"::INTEGER)::DATE AS "{name}"'
        rows: Frame = nw.from_native(frame.to_native().select(f"*, {added}"))
        return rows
    native: pl.LazyFrame = frame.to_native()
    return nw.from_native(
        native.with_columns(pl.col(epoch).cast(pl.Int32).cast(pl.Date).alias(name))
    )


def each_number(frame: Frame, name: str, first: str, last: str) -> Frame:
    """A row for each whole number `name` from the column `first` to `last`, both included.

    A row whose `last` lies below its `first`, or where either is null, has none.
    """
    some = frame.filter(nw.col(first) <= nw.col(last))
    if is_duckdb(some):
        numbers = f'unnest(range("{first}"::BIGINT, "{last}"::BIGINT + 1)) AS "{name}"'
        rows: Frame = nw.from_native(some.to_native().select(f"*, {numbers}"))
        return rows
    native: pl.LazyFrame = some.to_native()
    listed = native.with_columns(pl.int_ranges(first, pl.col(last) + 1).alias(name))
    return nw.from_native(listed.explode(name))


def materialise(frame: Frame) -> Frame:
    """The frame computed once: a temporary table in DuckDB, a collected frame in Polars.

    A lazy frame that is used twice is computed twice; call this between steps.
    """
    native: Any = frame.to_native()
    if is_duckdb(frame):
        # The relation's own connection has no public name. `native.query()` would do without, but
        # it makes a view and drops it, after which every relation in hand is bound anew.
        connection = native._con  # noqa: SLF001
        name = f"{STEP}{uuid4().hex}"
        connection.execute(f"CREATE TEMP TABLE {name} AS {native.sql_query()}")
        kept: Frame = nw.from_native(connection.sql(f"SELECT * FROM {name}"))
    else:
        kept = nw.from_native(native.collect().lazy())
    return kept


def forget_steps(connection: Any) -> None:
    """Drops what `materialise` kept on a connection of DuckDB: what is stored reads it no more."""
    steps = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE temporary AND starts_with(table_name, ?)",
        [STEP],
    ).fetchall()
    for (name,) in steps:
        connection.execute(f"DROP TABLE {name}")


def in_memory(frame: Frame | pl.DataFrame) -> pl.DataFrame:
    """The rows of a frame, computed."""
    if isinstance(frame, pl.DataFrame):
        return frame
    rows: pl.DataFrame = frame.collect("polars").to_native()
    return rows


def is_empty(frame: Frame) -> bool:
    """Whether a frame has no rows: asked before much is built on it for nothing."""
    one: pl.DataFrame = frame.select(nw.lit(1).alias("one")).head(1).collect("polars").to_native()
    return one.is_empty()


def counts(
    frame: Frame, by: Iterable[str], of: str | None = None, *, in_order: bool = True
) -> pl.DataFrame:
    """Rows per combination of `by`, as columns `by` and `n`: small, so it leaves the engine.

    Args:
        frame: rows; where they are counts themselves, the column `of` says how many they are.
        by: grouping columns.
        of: the column of counts.
        in_order: sorted, as whoever sums fractions needs it; whole numbers add up in any order.
    """
    keys = list(by)
    n = nw.col(of).sum() if of else nw.len()
    grouped = frame.group_by(keys).agg(n=n.cast(nw.Int64))
    result: pl.DataFrame = grouped.collect("polars").to_native()
    return result.sort(keys, nulls_last=True) if in_order else result
