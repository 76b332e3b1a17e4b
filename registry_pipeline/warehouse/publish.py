"""Publication: the file analysts open, written beside and put in place in one step.

Belongs here: making `published/analysis.duckdb` from the live tables.
Does not belong here: what may leave the house (see `disclosure`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import scalar
from registry_pipeline.warehouse.in_use import key_id
from registry_pipeline.warehouse.tables import comment, create_sql, insert, quoted
from schemas.catalog import TABLES, codebook_rows, cohort_column, published_tables
from schemas.fields import Table, describe
from schemas.meta.store import Publication

FORMAT_VERSION = 1
SNAPSHOTS = 3
"""Published files before the present one that are kept."""
_UNPROVED = "SELECT count(*) FROM meta.erasure WHERE proved_at IS NULL"
_SAME = """
SELECT table_name, list(cohort), sum(n_rows) FROM meta.built
SEMI JOIN published_before.meta.built USING (table_name, cohort, fingerprint) GROUP BY ALL
"""


def publish(
    connection: duckdb.DuckDBPyConnection, home: Home, run_id: str, target: Path | None = None
) -> dict[str, int]:
    """Replaces a published file with the connection's tables as they stand.

    Readers of the old file keep it; new ones see the new one; none sees half of one. The newest
    `SNAPSHOTS` files before it stay beside it. Where most rows are those of the file before, the
    new one begins as a copy of it.

    Args:
        connection: to the tables.
        home: whose published folder it is.
        run_id: who made it.
        target: the file, unless it is the one analysts open.

    Returns:
        Table to number of rows.
    """
    target = target or home.analysis
    before = _before(connection, target)
    version = before.get("version", 0) + 1
    kept = _kept(connection, target) if target == home.analysis else {}
    partial = home.published / f"{target.name}.tmp"
    partial.unlink(missing_ok=True)
    if kept:
        shutil.copyfile(target, partial)
    connection.execute(f"ATTACH {quoted(str(partial.resolve()))} AS out")
    try:
        rows = _copy(connection, run_id, version, kept)
        connection.execute("CHECKPOINT out")
    except BaseException:
        for left in ("ROLLBACK", "DETACH out"):
            with suppress(duckdb.Error):  # what went wrong is told, not what it left behind
                connection.execute(left)
        for left_over in home.published.glob(f"{partial.name}*"):
            left_over.unlink()  # on a full disk it would take up the room for going on
        raise
    connection.execute("DETACH out")
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    if target == home.analysis:
        _keep(connection, home, before)
    partial.replace(target)
    return rows


def _before(connection: duckdb.DuckDBPyConnection, file: Path) -> dict[str, Any]:
    """What a published file says of itself; nothing where there is none, or none of ours."""
    if not file.exists():
        return {}
    try:
        connection.execute(f"ATTACH {quoted(str(file.resolve()))} AS published_before (READ_ONLY)")
        try:
            said = connection.sql("FROM published_before.meta.publication").pl().to_dicts()
        finally:
            connection.execute("DETACH published_before")
    except duckdb.Error:
        return {}
    return said[0] if said else {}


def _kept(connection: duckdb.DuckDBPyConnection, file: Path) -> dict[str, list[str]]:
    """Table to the cohorts whose rows a published file holds as they are; empty to begin anew.

    Anew where fewer than half of the rows are the same, and while a withdrawal waits for its proof:
    what is deleted from a file leaves its bytes there.
    """
    if not file.exists() or scalar(connection, _UNPROVED):
        return {}
    try:
        connection.execute(f"ATTACH {quoted(str(file.resolve()))} AS published_before (READ_ONLY)")
        try:
            same = connection.execute(_SAME).fetchall()
        finally:
            connection.execute("DETACH published_before")
    except duckdb.Error:  # an older version's file, or no file of ours
        return {}
    n_same = sum(n for _, _, n in same)
    if not same or 2 * n_same < scalar(connection, "SELECT sum(n_rows) FROM meta.built"):
        return {}
    return {table: cohorts for table, cohorts, _ in same}


def _keep(connection: duckdb.DuckDBPyConnection, home: Home, before: Mapping[str, Any]) -> None:
    """Keeps the file in place as a snapshot, and no more than the newest few of them.

    Not while a withdrawal waits for its proof: that file may hold people who were erased since. Nor
    after the key was rotated: its pseudonyms are the old ones.
    """
    same_key = before.get("key_id") == key_id(connection)
    if before and same_key and not scalar(connection, _UNPROVED):
        snapshot = home.snapshots / f"analysis-{before['version']:06}.duckdb"
        snapshot.unlink(missing_ok=True)
        snapshot.hardlink_to(home.analysis)
    for old in sorted(home.snapshots.glob("analysis-*.duckdb"))[:-SNAPSHOTS]:
        old.unlink()


def _copy(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    version: int,
    kept: Mapping[str, Sequence[str]],
) -> dict[str, int]:
    connection.execute("BEGIN")
    made = {
        "meta.codebook": codebook_rows(),
        "meta.publication": _stamp(connection, run_id, version),
    }
    rows = {}
    for schema in sorted({TABLES[name].schema_name for name in published_tables()}):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS out.{schema}")
    for name in published_tables():
        if name in made:
            connection.execute(create_sql(TABLES[name], "out."))
            insert(connection, f"out.{name}", made[name])
            comment(connection, TABLES[name], "out.")
        else:
            _copy_table(connection, TABLES[name], kept.get(name, ()))
        rows[name] = scalar(connection, f"SELECT count(*) FROM out.{name}")
    connection.execute("COMMIT")
    return rows


def _copy_table(connection: duckdb.DuckDBPyConnection, table: Table, kept: Sequence[str]) -> None:
    """Copies a table's rows, save those of the cohorts that are there."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    copied = f"INSERT INTO out.{table.full_name} BY NAME SELECT {columns} FROM {table.full_name}"
    whose = cohort_column(table)
    if whose and kept:
        others = f'WHERE NOT list_contains(?, "{whose}")'
        connection.execute(f"DELETE FROM out.{table.full_name} {others}", [kept])
        connection.execute(f"{copied} {others}", [kept])
    else:
        connection.execute(create_sql(table, "out."))
        connection.execute(copied)
        comment(connection, table, "out.")


def _stamp(connection: duckdb.DuckDBPyConnection, run_id: str, version: int) -> pl.DataFrame:
    as_of = scalar(connection, "SELECT max(quarter) FROM meta.delivery WHERE status = 'accepted'")
    return pl.DataFrame(
        [
            {
                "version": version,
                "run_id": run_id,
                "key_id": key_id(connection),
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
