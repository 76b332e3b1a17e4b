"""The catalogue: every table by name, which are published, and the codebook made of those.

Belongs here: the list of tables and `meta.codebook`.
Does not belong here: columns (see the models), intake (see `schemas.forms`), files.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from schemas.core import CORE
from schemas.derived import DERIVED
from schemas.fields import Column, Table, describe
from schemas.meta import META
from schemas.meta.store import Codebook, Erasure, Key
from schemas.quality import QUALITY

TABLES: Final[dict[str, Table]] = {
    table.full_name: table for table in map(describe, (*CORE, *DERIVED, *QUALITY, *META))
}
"""`schema.table` to table, for every table of the live file but intake's."""

UNPUBLISHED: Final = frozenset(describe(model).full_name for model in (Key, Erasure))
"""Tables of the live file that stay there."""

COHORT: Final = frozenset({"cohort", "protocol"})
"""The column that says whose a row is; a table without one is the same for every cohort."""

_TYPE_WORDS: Final[dict[type[pl.DataType], str]] = {
    pl.String: "text",
    pl.Int32: "integer",
    pl.Int64: "integer",
    pl.Float64: "number",
    pl.Boolean: "flag",
    pl.Date: "date",
    pl.Datetime: "timestamp",
}


def published_tables() -> list[str]:
    """The tables of the published file."""
    return [name for name in TABLES if name not in UNPUBLISHED]


def cohort_column(table: Table) -> str:
    """The column that says whose a row is; empty for a table that is the same for every cohort."""
    return next(iter(COHORT & table.dtypes.keys()), "")


def is_derived(table: str) -> bool:
    """Whether a table is made from core: the worklist is core by who may read it alone."""
    return table.startswith(("derived.", "quality.")) or table == "core.worklist"


def type_word(column: Column) -> str:
    """The type of a column in a word of `meta.codebook`; a closed text is a code."""
    return "code" if column.codes else _TYPE_WORDS[type(column.dtype)]


def codebook_rows() -> pl.DataFrame:
    """The rows of `meta.codebook`: one per column of every published table, in order."""
    rows = [
        {
            "schema_name": table.schema_name,
            "table_name": table.name,
            "column_name": column.name,
            "position": position,
            "is_key": column.name in table.key,
            "label": column.title,
            "label_nb": column.title_nb,
            "description": column.description,
            "unit": column.unit or None,
            "type": type_word(column),
            "allowed": column.allowed or None,
            "missing_meaning": column.missing_meaning,
            "source": column.source or None,
        }
        for table in map(TABLES.__getitem__, published_tables())
        for position, column in enumerate(table.columns, start=1)
    ]
    return pl.DataFrame(rows, schema=describe(Codebook).dtypes)
