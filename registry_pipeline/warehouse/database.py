"""Connections to the live database: hardened, opened late, closed always.

Belongs here: how a connection is made and kept safe. Does not belong here: any table.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from registry_pipeline.home import Home
from registry_pipeline.warehouse.faults import explained

SCHEMAS = ("intake", "core", "derived", "quality", "meta")

MEMORY = "800MB"
"""What the database holds in memory; larger steps spill into the home."""

_OFFLINE: dict[str, str | bool] = {
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}


_HOLDER = re.compile(r"\(PID (\d+)\)")


class DatabaseBusyError(RuntimeError):
    """The live file is held by another process."""


@contextmanager
def connect(
    home: Home,
    *,
    read_only: bool = False,
    wait_seconds: float = 20,
    path: Path | None = None,
    in_any_order: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the live file, able to reach nothing outside the home.

    Args:
        home: whose live file.
        read_only: opens without writing; fails while a writer has the file.
        wait_seconds: how long to wait for a file that another process holds.
        path: another database file of the home, in the place of the live one.
        in_any_order: what one insert stores may come to lie in any order, so all cores store it.

    Raises:
        DatabaseBusyError: the file is still held after `wait_seconds`.
        StoreError: the disk is full, or a file of the store is damaged or closed to this account.
    """
    opened = path or home.database
    with explained(home), closing(_open(home, opened, read_only, wait_seconds)) as connection:
        folder = str(home.path.resolve()).replace("'", "''")
        connection.execute(f"SET allowed_directories = ['{folder}']")
        connection.execute("SET enable_external_access = false")
        connection.execute(f"SET preserve_insertion_order = {not in_any_order}")
        connection.execute("SET lock_configuration = true")
        if not read_only:
            for schema in SCHEMAS:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        yield connection


@contextmanager
def connect_published(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the published file, to read it.

    Raises:
        StoreError: the file is damaged, or this account may not open it.
    """
    with (
        explained(home, is_published=True),
        closing(duckdb.connect(home.analysis, read_only=True)) as connection,
    ):
        yield connection


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of it or nothing: commits at the end, rolls back on any exception."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # a fatal error has ended the transaction already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def scalar(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    values: list[Any] | dict[str, Any] | None = None,
) -> Any:
    """The first cell of a query's answer, None where it has no row.

    Fetches all of it: a result read in part keeps the connection in use.
    """
    rows = connection.execute(sql, values).fetchall()
    return rows[0][0] if rows else None


def _open(
    home: Home,
    path: Path,
    read_only: bool,
    wait_seconds: float,
) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_seconds
    pause = 0.05
    while True:
        try:
            return duckdb.connect(
                path,
                read_only=read_only,
                config={**_OFFLINE, "memory_limit": MEMORY, "temp_directory": str(home.spill)},
            )
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise
            if time.monotonic() >= deadline:
                number = _HOLDER.search(str(error))
                holder = f"process {number[1]}" if number else "another process"
                raise DatabaseBusyError(
                    f"{path.name}: {holder} holds the live database; "
                    "wait for it to end and try again"
                ) from error
        time.sleep(pause)
        pause = min(pause * 2, 1.0)
