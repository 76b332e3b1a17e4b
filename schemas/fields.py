"""The field and table vocabulary that every model is written in, and the way back out of it.

Belongs here: `field`, `table` and `describe`: how a model states type, label, unit, allowed
values, the meaning of null and its source, and how gate, DuckDB, codebook and UI read it.
Does not belong here: any particular form or table.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandera.polars as pa
import polars as pl

from schemas.codes import CodeList


class RegistryModel(pa.DataFrameModel):
    """Base of every form and table: strict columns, no coercion (1.5 never becomes 1)."""

    class Config:
        """Pandera settings shared by all models."""

        strict = True
        coerce = False


def field(
    title: str,
    description: str,
    *,
    nb: str = "",
    unit: str = "",
    codes: CodeList | None = None,
    low: float | None = None,
    high: float | None = None,
    soft_low: float | None = None,
    soft_high: float | None = None,
    pattern: str | None = None,
    required: bool = False,
    present: bool = False,
    null: str = "not answered",
    source: str = "",
    open_text: bool = False,
) -> Any:
    """One column of a model.

    Args:
        title: English label, short enough for a heading.
        description: what the value says, in one or two sentences.
        nb: Norwegian label; empty where the title serves both.
        unit: unit of measurement, empty for codes and text.
        codes: the closed set of values; anything else breaks the rule.
        low: smallest allowed value (hard).
        high: largest allowed value (hard).
        soft_low: below this a form's value is accepted, warned of and counted.
        soft_high: above this a form's value is accepted, warned of and counted.
        pattern: regular expression a text value matches.
        required: the column must be there and never be null.
        present: the column must be in a delivered file, though a cell may be empty.
        null: what a null means here; ignored when required.
        source: form, instrument or publication the value comes from.
        open_text: text outside any closed set: the identity scanner reads it.

    Returns:
        A Pandera field whose metadata carries what Pandera has no place for.
    """
    return pa.Field(
        nullable=not required,
        isin=list(codes.codes) if codes else None,
        ge=low,
        le=high,
        str_matches=pattern,
        title=title,
        description=description,
        metadata={
            "nb": nb or title,
            "unit": unit,
            "codes": codes,
            "low": low,
            "high": high,
            "soft_low": soft_low,
            "soft_high": soft_high,
            "pattern": pattern,
            "present": present or required,
            "missing_meaning": "never null" if required else null,
            "source": source,
            "open_text": open_text,
        },
    )


def table(
    name: str,
    key: list[str],
    *,
    title: str,
    nb: str,
    key_fallback: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The `Config.metadata` of a model: `schema.table`, its key and its two titles.

    `key_fallback` names, for a key column that may be null, the column that stands in its place.
    """
    return {
        "table": name,
        "key": key,
        "title": title,
        "nb": nb,
        "key_fallback": key_fallback or {},
    }


@dataclass(frozen=True)
class Column:
    """One column as the gate, the database, the codebook and the UI see it."""

    name: str
    dtype: pl.DataType
    nullable: bool
    title: str
    title_nb: str
    description: str
    unit: str
    codes: CodeList | None
    low: float | None
    high: float | None
    soft_low: float | None
    soft_high: float | None
    pattern: str | None
    present: bool
    missing_meaning: str
    source: str
    open_text: bool

    @property
    def allowed(self) -> str:
        """The allowed values in words: codes, a range, a pattern, or empty."""
        if self.codes:
            return ", ".join(self.codes.codes)
        if self.low is not None or self.high is not None:
            return f"{_number(self.low)}..{_number(self.high)}"
        return self.pattern or ""


@dataclass(frozen=True, eq=False)
class Table:
    """One form or table: its names, its key and its columns, the key columns first."""

    schema_name: str
    name: str
    key: tuple[str, ...]
    key_fallback: dict[str, str]
    title: str
    title_nb: str
    description: str
    columns: tuple[Column, ...]
    schema: pa.DataFrameSchema

    @property
    def full_name(self) -> str:
        """`schema.table`, as SQL and the asset key say it."""
        return f"{self.schema_name}.{self.name}"

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """Column name to Polars type."""
        return {column.name: column.dtype for column in self.columns}

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def describe_schema(schema: pa.DataFrameSchema, metadata: dict[str, Any], doc: str) -> Table:
    """The table behind a Pandera schema, its `Config.metadata` and its docstring."""
    schema_name, name = metadata["table"].split(".")
    key = tuple(metadata["key"])
    names = [*key, *(column for column in schema.columns if column not in key)]
    return Table(
        schema_name=schema_name,
        name=name,
        key=key,
        key_fallback=metadata["key_fallback"],
        title=metadata["title"],
        title_nb=metadata["nb"],
        description=doc,
        columns=tuple(_column(column, schema.columns[column]) for column in names),
        schema=schema,
    )


@cache
def describe(model: type[RegistryModel]) -> Table:
    """The table a model describes: the one way from model to everything made of it."""
    schema = model.to_schema()
    metadata = getattr(model.Config, "metadata", None)
    if not metadata:
        message = f"{model.__name__} has no Config.metadata = table(...)"
        raise TypeError(message)
    return describe_schema(schema, metadata, inspect.cleandoc(model.__doc__ or ""))


def _column(name: str, column: Any) -> Column:
    meta = column.metadata or {}
    dtype = column.dtype.type
    return Column(
        name=name,
        dtype=dtype() if isinstance(dtype, type) else dtype,
        nullable=column.nullable,
        title=column.title or name,
        title_nb=meta.get("nb", name),
        description=column.description or "",
        unit=meta.get("unit", ""),
        codes=meta.get("codes"),
        low=meta.get("low"),
        high=meta.get("high"),
        soft_low=meta.get("soft_low"),
        soft_high=meta.get("soft_high"),
        pattern=meta.get("pattern"),
        present=meta.get("present", False),
        missing_meaning=meta.get("missing_meaning", ""),
        source=meta.get("source", ""),
        open_text=meta.get("open_text", False),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
