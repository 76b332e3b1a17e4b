"""Frames in a given form: a model's columns, days from the origin, rows of constants.

Belongs here: what every core table goes through on its way out, and coded values.
Does not belong here: any rule about the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import narwhals as nw
import polars as pl

from registry_pipeline.transform.engine import Frame, with_epoch_days
from schemas.fields import Table

_DTYPES: Final[dict[type[pl.DataType], Any]] = {
    pl.String: nw.String,
    pl.Int32: nw.Int32,
    pl.Int64: nw.Int64,
    pl.Float64: nw.Float64,
    pl.Boolean: nw.Boolean,
    pl.Date: nw.Date,
}


def shaped(frame: Frame, table: Table, cohort: str) -> Frame:
    """Exactly the columns of a core table, in its order and types, with `cohort` added."""
    return frame.with_columns(cohort=nw.lit(cohort)).select(
        nw.col(column.name).cast(_DTYPES[type(column.dtype)]) for column in table.columns
    )


def with_days(frame: Frame, clock: Frame, days: Mapping[str, str]) -> Frame:
    """Adds days counted from the person's origin.

    Args:
        frame: rows with patient_id; one row in, one row out.
        clock: one row per person: patient_id, origin_epoch (null: no origin).
        days: date column to the day column made of it; null without date or origin.
    """
    origins = clock.select("patient_id", "origin_epoch")
    rows = frame.join(origins, on="patient_id", how="left")
    return days_from_origin(rows, days).drop("origin_epoch")


def days_from_origin(frame: Frame, days: Mapping[str, str]) -> Frame:
    """Adds the same days to rows that carry origin_epoch themselves."""
    return (
        with_epoch_days(frame, days)
        .with_columns(
            (nw.col(f"{date}_epoch") - nw.col("origin_epoch")).alias(day)
            for date, day in days.items()
        )
        .drop(f"{date}_epoch" for date in days)
    )


def by_value(key: nw.Expr, values: Mapping[Any, Any]) -> nw.Expr:
    """What goes with each value of `key`: an expression or a constant; null with any other."""
    expressions = {
        value: given if isinstance(given, nw.Expr) else nw.lit(given)
        for value, given in values.items()
    }
    (first, then), *others = expressions.items()
    chain = nw.when(key == first).then(then)
    for value, given in others:
        chain = chain.when(key == value).then(given)
    return chain


def constants(frame: Frame, rows: Iterable[Mapping[str, str | int | bool]]) -> Frame:
    """Rows of constants on the engine of `frame`, for a cross join with it.

    They are taken from its first row, which is how one call serves both engines; where `frame`
    is empty, so is the cross join.
    """
    first = frame.head(1)
    return nw.concat(
        [first.select(nw.lit(value).alias(name) for name, value in row.items()) for row in rows]
    )
