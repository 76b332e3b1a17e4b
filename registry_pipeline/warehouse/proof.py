"""The proof of a stored table before the commit: its model and its key.

Belongs here: judging what stands in a table. Does not belong here: writing it (`tables`), whose
DDL is the model's own, so that DuckDB itself keeps names, types and whether a cell may be null.

Both proofs take a cheap step first. Of a large table Pandera judges the extremes: smallest and
largest number, every distinct code. Checks of models are ranges, closed
sets and patterns, each cell by itself, so a column whose extremes pass has no bad cell. Of a key,
hashes are counted (see `_maybe_twice`). Only what fails is judged row by row, to say how much is
wrong.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import duckdb
import pandera.errors
import pandera.polars as pa
import polars as pl

from registry_pipeline.warehouse.database import scalar
from schemas.fields import Column, Table

BATCH_ROWS = 250_000
FEW_ROWS = 10_000
"""So many rows are judged, and their keys counted, as soon as that is prepared."""

_BITS = 50
"""So many values of a key's last column, roughly counted, are told apart as bits."""


class InvalidTableError(ValueError):
    """A table that breaks its model or its key; the message names rules and counts, no value."""


def prove(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Every stored row against model and key.

    Returns:
        The number of rows.

    Raises:
        InvalidTableError: rows break a rule or a key stands twice.
    """
    n_rows = int(scalar(connection, f"SELECT count(*) FROM {table.full_name}"))
    if n_rows:
        _prove_model(connection, table, n_rows)
        _prove_key(connection, table, n_rows)
    return n_rows


def _prove_model(connection: duckdb.DuckDBPyConnection, table: Table, n_rows: int) -> None:
    """Every stored row against the checks of the Pandera model."""
    if not _checks(table).columns:
        return
    if n_rows > FEW_ROWS and not _broken(table, _extremes(connection, table)):
        return
    names = ", ".join(f'"{name}"' for name in _checks(table).columns)
    rows = connection.sql(f"SELECT {names} FROM {table.full_name}")
    broken: Counter[str] = Counter()
    for batch in rows.to_arrow_reader(BATCH_ROWS):
        broken += _broken(table, pl.DataFrame(batch))
    if broken:
        rules = "; ".join(f"{rule}: {n} rows" for rule, n in sorted(broken.items()))
        raise InvalidTableError(f"{table.full_name} breaks its model: {rules}")


@cache
def _checks(table: Table) -> pa.DataFrameSchema:
    """The columns of the model that have checks."""
    columns = table.schema.columns.items()
    return pa.DataFrameSchema({name: column for name, column in columns if column.checks})


def _broken(table: Table, frame: pl.DataFrame) -> Counter[str]:
    """Column and rule to the number of rows that break it."""
    try:
        _checks(table).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases.group_by("column", "check").len()
        return Counter(
            {f"{column} {str(check).split('(')[0]}": n for column, check, n in cases.iter_rows()}
        )
    return Counter()


def _extremes(connection: duckdb.DuckDBPyConnection, table: Table) -> pl.DataFrame:
    """The values of each column that decide for all; shorter columns repeat their last one."""
    judged = [table.column(name) for name in _checks(table).columns]
    told = ", ".join(f'{_deciding(column)} AS "{column.name}"' for column in judged)
    some = f"FROM {table.full_name} HAVING count(*) > 0"
    lists = pl.DataFrame(connection.sql(f"SELECT {told} {some}"))
    columns = [column.explode() for column in lists.iter_columns()]
    height = max(column.len() for column in columns)
    return pl.DataFrame(
        column.extend_constant(column[-1], height - column.len()) if height else column
        for column in columns
    )


def _deciding(column: Column) -> str:
    """SQL for the list of a column's deciding values; checks pass over nulls."""
    name = f'"{column.name}"'
    return (
        f"list(DISTINCT {name})"
        if column.codes or column.pattern
        else f"[min({name}), max({name})]"
    )


def _prove_key(connection: duckdb.DuckDBPyConnection, table: Table, n_rows: int) -> None:
    """No key stands twice; null in a key counts as a value."""
    keys = ", ".join(key_expressions(table))
    if n_rows > FEW_ROWS and not _maybe_twice(connection, table):
        return
    twice = scalar(
        connection,
        f"SELECT count(*) FROM (SELECT 1 FROM {table.full_name} GROUP BY {keys} "
        "HAVING count(*) > 1)",
    )
    if twice:
        raise InvalidTableError(
            f"{table.full_name} holds {twice} keys more than once ({', '.join(table.key)})"
        )


def _maybe_twice(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """False only where no key stands twice; cheap, and right about large tables.

    Rows are grouped by a hash of the key without its last column. Where that column has few
    values, each is a bit of a number, and a group of n rows has n keys when n bits are set.
    """
    *first, last = key_expressions(table)
    few = f"SELECT approx_count_distinct({last}) FROM {table.full_name}"
    if not first or scalar(connection, few) > _BITS:
        hashed = f"SELECT 1 FROM {table.full_name} GROUP BY hash({', '.join([*first, last])})"
        return bool(scalar(connection, f"SELECT 1 FROM ({hashed} HAVING count(*) > 1) LIMIT 1"))
    known = scalar(connection, f"SELECT list(DISTINCT {last}) FROM {table.full_name}") or []
    bits = " ".join(f"WHEN ? THEN {1 << place}" for place in range(1, len(known) + 1))
    bit = f"CASE {last} {bits} ELSE 1 END" if known else "1"
    grouped = (
        f"SELECT 1 FROM {table.full_name} GROUP BY hash({', '.join(first)}) "
        f"HAVING count(*) > bit_count(bit_or({bit}))"
    )
    return bool(scalar(connection, f"SELECT 1 FROM ({grouped}) LIMIT 1", known))


def key_expressions(table: Table) -> list[str]:
    """SQL for each key column, with its fallback where it may be null."""
    return [
        f'coalesce("{name}", "{table.key_fallback[name]}")'
        if name in table.key_fallback
        else f'"{name}"'
        for name in table.key
    ]
