"""The live database written anew into another file, which then takes its place.

Belongs here: copying every table through a query of its own, and the exchange of the files.
Does not belong here: which rows are left out or changed (`erasure`, `rekey`).

Deleted bytes stay in a DuckDB file, also after VACUUM and CHECKPOINT; only a file that never held
them is free of them. The exchange is one rename: a process killed before it leaves the old file as
it was, and one killed after it is done.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import connect, transaction
from registry_pipeline.warehouse.tables import quoted

CATALOG = "fresh"


class RewriteError(RuntimeError):
    """The database cannot be exchanged safely."""


@dataclass(frozen=True)
class Stored:
    """A table of the live file.

    Attributes:
        name: `schema.table`.
        columns: its columns, in order.
    """

    name: str
    columns: tuple[str, ...]

    @property
    def has_person(self) -> bool:
        """Whether its rows say whose they are."""
        return "patient_id" in self.columns


Plan = Callable[[duckdb.DuckDBPyConnection, Mapping[str, Stored]], Mapping[str, str]]
"""From the stored tables to the SELECT of each that is not copied as it is."""


def stored_tables(connection: duckdb.DuckDBPyConnection, catalog: str = "") -> dict[str, Stored]:
    """The tables of a database, by name; of the connection's own one by default."""
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name, list(column_name ORDER BY column_index) "
        "FROM duckdb_columns() JOIN duckdb_tables() USING (database_name, schema_name, table_name) "
        "WHERE database_name = coalesce(nullif(?, ''), current_database()) "
        "AND NOT duckdb_tables.temporary GROUP BY ALL ORDER BY ALL",
        [catalog],
    ).fetchall()
    return {name: Stored(name, tuple(columns)) for name, columns in rows}


def rewrite(home: Home, plan: Plan) -> None:
    """Writes the live database anew through `plan`, and puts the new file in its place.

    The connection of the caller must be closed; the home's lock must be held. What fails, on a full
    disk most often, leaves nothing that takes up room.

    Raises:
        RewriteError: a log of uncommitted work stays beside the old file, whose rows would be
            played into the new one.
    """
    _remove(home.rewritten)
    try:
        _write_anew(home, plan)
    except BaseException:
        _remove(home.rewritten)
        raise
    home.rewritten.replace(home.database)
    _to_disk(home.path)


def _write_anew(home: Home, plan: Plan) -> None:
    with connect(home) as connection:
        tables = stored_tables(connection)
        chosen = plan(connection, tables)
        connection.execute(f"ATTACH {quoted(str(home.rewritten.resolve()))} AS {CATALOG}")
        try:
            _copy(connection, tables, chosen)
        finally:
            connection.execute(f"DETACH {CATALOG}")
        connection.execute("CHECKPOINT")
    log = home.database.with_name(f"{home.database.name}.wal")
    if log.exists():
        raise RewriteError(f"{log.name}: not empty; run registry run once and try again")
    _to_disk(home.rewritten)


def _copy(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Stored],
    chosen: Mapping[str, str],
) -> None:
    own = connection.execute("SELECT current_database()").fetchall()[0][0]
    connection.execute(f'COPY FROM DATABASE "{own}" TO {CATALOG} (SCHEMA)')
    with transaction(connection):
        for name in tables:
            query = chosen.get(name, f"SELECT * FROM {name}")
            connection.execute(f"INSERT INTO {CATALOG}.{name} BY NAME {query}")
    connection.execute(f"CHECKPOINT {CATALOG}")


def _remove(path: Path) -> None:
    for leftover in path.parent.glob(f"{path.name}*"):
        leftover.unlink()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
