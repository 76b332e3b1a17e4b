"""Tables made from their models: types, comments, contents, keys.

Belongs here: DDL from a `Table`, inserting rows, replacing a table's contents in one transaction.
Does not belong here: the proof before the commit (`proof`), which rows to write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import duckdb
import narwhals as nw
import polars as pl

from registry_pipeline.transform.engine import Frame, in_memory, is_duckdb
from registry_pipeline.warehouse.built import note
from registry_pipeline.warehouse.database import transaction
from registry_pipeline.warehouse.proof import prove
from schemas.catalog import cohort_column
from schemas.fields import Table

ROW_GROUP = 122_880
"""Rows that DuckDB stores together."""
GROUPS = 2
"""Row groups that are inserted at once."""

_TYPES: dict[type[pl.DataType], str] = {
    pl.String: "VARCHAR",
    pl.Int32: "INTEGER",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Boolean: "BOOLEAN",
    pl.Date: "DATE",
    pl.Datetime: "TIMESTAMP",
}


Constants = Mapping[str, str | int | bool]
"""Columns with one value in every row, by name."""


@dataclass(frozen=True)
class Part:
    """Part of a table's contents: a lazy frame of this database, or a Polars frame."""

    frame: Frame | pl.DataFrame
    constants: Constants = field(default_factory=dict)


def sql_type(dtype: pl.DataType) -> str:
    """The DuckDB type of a model's column."""
    return _TYPES[type(dtype)]


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def create_sql(table: Table, catalog: str = "") -> str:
    """`CREATE OR REPLACE TABLE` with the model's names, types and nullability."""
    columns = ",\n  ".join(
        f'"{column.name}" {sql_type(column.dtype)}{"" if column.nullable else " NOT NULL"}'
        for column in table.columns
    )
    return f"CREATE OR REPLACE TABLE {catalog}{table.full_name} (\n  {columns}\n)"


def comment(connection: duckdb.DuckDBPyConnection, table: Table, catalog: str = "") -> None:
    """Writes the model's docstring and fields into the database as COMMENTs."""
    name = f"{catalog}{table.full_name}"
    connection.execute(f"COMMENT ON TABLE {name} IS {quoted(table.description)}")
    for column in table.columns:
        text = ". ".join(
            part.rstrip(".")
            for part in (
                column.title,
                column.description,
                f"Unit: {column.unit}" if column.unit else "",
                f"Allowed: {column.allowed}" if column.allowed else "",
                f"Null: {column.missing_meaning}",
            )
            if part
        )
        connection.execute(f'COMMENT ON COLUMN {name}."{column.name}" IS {quoted(text)}')


def ensure(connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    """Creates the tables that are missing, and adds columns a protocol brought since.

    Not inside a transaction: those that are missing are created in one of its own.
    """
    present: dict[str, set[str]] = {}
    for schema, name, column in connection.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal"
    ).fetchall():
        present.setdefault(f"{schema}.{name}", set()).add(column)
    wanted = list(tables)
    if missing := [table for table in wanted if table.full_name not in present]:
        with transaction(connection):  # a table that a killed run left would stay uncommented
            for table in missing:
                connection.execute(create_sql(table))
                comment(connection, table)
    for table in wanted:
        for column in table.columns if table.full_name in present else ():
            if column.name not in present[table.full_name]:
                connection.execute(
                    f"ALTER TABLE {table.full_name} "
                    f'ADD COLUMN "{column.name}" {sql_type(column.dtype)}'
                )


def insert(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    frame: pl.DataFrame,
    constants: Constants = MappingProxyType({}),
) -> None:
    """Inserts a Polars frame by column name, with the same constants in every row."""
    if frame.height:
        with registered(connection, frame) as rows:
            connection.execute(_insertion(name, constants) + rows, list(constants.values()))


def _insertion(name: str, constants: Constants) -> str:
    """An insert by name up to the name of what is inserted; the constants are its parameters."""
    added = "".join(f', ? AS "{column}"' for column in constants)
    return f"INSERT INTO {name} BY NAME SELECT *{added} FROM "


class Inserter:
    """Inserts frames by column name, whole row groups at a time and two of them at once.

    An insert that ends inside a row group makes the checkpoint write all of the table once more,
    so what does not fill the groups waits for the next frame, or for `close`. Each group is one
    piece of memory: the many small pieces of a parsed block are not of the size that DuckDB
    appends. On a connection that stores in any order each piece has a core of its own.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, name: str, constants: Constants
    ) -> None:
        self._insert = partial(insert, connection, name, constants=constants)
        self._waiting: list[pl.DataFrame] = []
        self._groups: list[pl.DataFrame] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Takes rows, and stores the row groups they fill."""
        self._waiting.append(frame)
        if sum(waiting.height for waiting in self._waiting) < ROW_GROUP:
            return
        rows = pl.concat(self._waiting, rechunk=True)
        whole = rows.height - rows.height % ROW_GROUP
        self._groups += rows[:whole].iter_slices(ROW_GROUP)
        self._waiting = [rows[whole:]]
        if len(self._groups) >= GROUPS:
            self._store()

    def close(self) -> None:
        """Stores what still waits."""
        if self._waiting:
            self._groups.append(pl.concat(self._waiting, rechunk=True))
            self._store()

    def _store(self) -> None:
        self._insert(pl.concat(self._groups, rechunk=False))
        self._groups = []


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> Iterator[str]:
    """A Polars frame under a name that SQL can use for a while; its texts are not copied."""
    connection.register("given_rows", frame.to_arrow(compat_level=pl.CompatLevel.newest()))
    try:
        yield "given_rows"
    finally:
        connection.unregister("given_rows")


def replace(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    parts: Iterable[Part],
    prints: Mapping[str, str] | None = None,
    kept: Collection[str] = (),
) -> int:
    """Replaces a table's contents in one transaction, proved against model and key.

    Args:
        connection: to the live database.
        table: the table.
        parts: the new rows, of every cohort that is not kept.
        prints: what they were made from, by cohort (see `built`); None where nobody keeps account.
        kept: cohorts whose stored rows stay as they are.

    Returns:
        The number of rows it holds.

    Raises:
        InvalidTableError: the new contents break the model or the key; the old ones stay.
    """
    with transaction(connection):
        if kept and (whose := cohort_column(table)):
            connection.execute(
                f'DELETE FROM {table.full_name} WHERE NOT list_contains(?, "{whose}")', [[*kept]]
            )
        else:
            connection.execute(create_sql(table))
        for part in parts:
            _append(connection, table, part)
        n_rows = prove(connection, table)
        comment(connection, table)
        if prints is not None:
            note(connection, table, prints, kept)
        return n_rows


def _append(connection: duckdb.DuckDBPyConnection, table: Table, part: Part) -> None:
    if not isinstance(part.frame, pl.DataFrame) and is_duckdb(part.frame):
        query = nw.to_native(part.frame).sql_query()
        sql = f"{_insertion(table.full_name, part.constants)}({query})"
        connection.execute(sql, list(part.constants.values()))
    else:
        insert(connection, table.full_name, in_memory(part.frame), part.constants)
