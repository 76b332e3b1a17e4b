"""Publication: the file analysts open, written beside and put in place in one step.

Belongs here: making `published/analysis.duckdb` from the live tables.
Does not belong here: what may leave the house (see `disclosure`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl

from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import scalar
from registry_pipeline.warehouse.tables import comment, create_sql, insert, quoted
from schemas.catalog import TABLES, codebook_rows
from schemas.fields import describe
from schemas.meta import Erasure, Key, Publication

FORMAT_VERSION = 1
UNPUBLISHED = frozenset(describe(model).full_name for model in (Key, Erasure))
"""Tables of the live file that stay there."""


def published_tables() -> list[str]:
    """The tables of the published file."""
    return [name for name in TABLES if name not in UNPUBLISHED]


def publish(
    connection: duckdb.DuckDBPyConnection, home: Home, run_id: str, target: Path | None = None
) -> dict[str, int]:
    """Replaces a published file with the connection's tables as they stand.

    Readers of the old file keep it; new ones see the new one; none sees half of one.

    Args:
        connection: to the tables.
        home: whose published folder it is.
        run_id: who made it.
        target: the file, unless it is the one analysts open.

    Returns:
        Table to number of rows.
    """
    target = target or home.analysis
    partial = home.published / f"{target.name}.tmp"
    partial.unlink(missing_ok=True)
    connection.execute(f"ATTACH {quoted(str(partial.resolve()))} AS out")
    try:
        rows = _copy(connection, run_id)
        connection.execute("CHECKPOINT out")
    finally:
        connection.execute("DETACH out")
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)
    return rows


def _copy(connection: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, int]:
    connection.execute("BEGIN")
    made = {"meta.codebook": codebook_rows(), "meta.publication": _stamp(connection, run_id)}
    rows = {}
    for schema in sorted({TABLES[name].schema_name for name in published_tables()}):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS out.{schema}")
    for name in published_tables():
        connection.execute(create_sql(TABLES[name], "out."))
        if name in made:
            insert(connection, f"out.{name}", made[name])
        else:
            columns = ", ".join(f'"{column.name}"' for column in TABLES[name].columns)
            connection.execute(f"INSERT INTO out.{name} BY NAME SELECT {columns} FROM {name}")
        comment(connection, TABLES[name], "out.")
        rows[name] = scalar(connection, f"SELECT count(*) FROM out.{name}")
    connection.execute("COMMIT")
    return rows


def _stamp(connection: duckdb.DuckDBPyConnection, run_id: str) -> pl.DataFrame:
    as_of = scalar(connection, "SELECT max(quarter) FROM meta.delivery WHERE status = 'accepted'")
    return pl.DataFrame(
        [
            {
                "run_id": run_id,
                "as_of": as_of,
                "format_version": FORMAT_VERSION,
                "n_tables": len(published_tables()),
            }
        ],
        schema=describe(Publication).dtypes,
    )


_PROBE = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
rows = connection.execute(
    "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE comment IS NOT NULL"
).fetchall()
print("\\n".join(row[0] for row in rows))
"""


def opens_in_a_new_process(path: Path) -> str:
    """Opens the published file read-only in a child process, as an analyst would.

    A process of its own, because this one may still hold the file it replaced.

    Returns:
        What is wrong, in one sentence; empty when every published table is there, commented.
    """
    child = subprocess.run(  # noqa: S603 - our own interpreter, a constant script, one path
        [sys.executable, "-c", _PROBE, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if child.returncode:
        return f"{path.name} does not open read-only in another process"
    missing = sorted(set(published_tables()) - set(child.stdout.split()))
    return f"{path.name} lacks {', '.join(missing)}" if missing else ""
