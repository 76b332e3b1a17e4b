"""What each stored table was made from, so that what has not changed need not be made again.

Belongs here: the fingerprint of everything a cohort's tables depend on, and `meta.built`.
Does not belong here: which table stands on which, and making them (`building.build`).

Whatever changes a row of intake writes the ledger in the same transaction, and each run proves that
both agree. So the ledger's lines of a cohort, its protocol, the pseudonym key and the code say all
that its tables can depend on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Final

import duckdb

from schemas.catalog import cohort_column
from schemas.fields import Table

_LIBRARIES: Final = ("duckdb", "narwhals", "numpy", "polars", "scipy", "statsmodels")
"""Libraries that a number passes through."""

_NOTED: Final = """
INSERT INTO meta.built BY NAME
SELECT $table AS table_name, cohort, fingerprint, coalesce(n, 0) AS n_rows
FROM (SELECT unnest($cohorts) AS cohort, unnest($prints) AS fingerprint)
LEFT JOIN ({rows}) USING (cohort)
"""


def code_version() -> str:
    """A hash of every source file of the registry and of the versions of what computes for it."""
    hashed = sha256(python_version().encode())
    for library in _LIBRARIES:
        hashed.update(f"{library} {version(library)}\n".encode())
    for package in ("registry_pipeline", "schemas"):
        root = Path(str(resources.files(package)))
        for path in sorted(root.rglob("*")):
            if path.suffix in {".py", ".toml"}:
                hashed.update(f"{path.relative_to(root.parent).as_posix()}\n".encode())
                hashed.update(path.read_bytes())
    return hashed.hexdigest()


CODE_VERSION: Final = code_version()
"""That of the code this process runs: taken at its start, for files may be replaced meanwhile."""


def fingerprint(connection: duckdb.DuckDBPyConnection, cohort: str) -> str:
    """A hash of everything that a cohort's tables depend on; of the clock nothing is in it."""
    key = connection.execute("SELECT * FROM meta.key").fetchall()
    protocol = connection.execute("FROM meta.protocol WHERE protocol = ?", [cohort]).fetchall()
    lines = connection.execute(
        "SELECT * EXCLUDE received_at FROM meta.delivery WHERE protocol = ? ORDER BY ALL", [cohort]
    ).fetchall()
    return sha256(repr((CODE_VERSION, key, protocol, lines)).encode()).hexdigest()


def current(
    connection: duckdb.DuckDBPyConnection, tables: Collection[str], prints: Mapping[str, str]
) -> frozenset[str]:
    """The cohorts of which every one of the tables was made from what `prints` says.

    Args:
        connection: to the live database.
        tables: names of tables.
        prints: cohort to fingerprint.
    """
    rows = connection.execute(
        "SELECT cohort, fingerprint, count(*) FROM meta.built "
        "WHERE list_contains($tables, table_name) GROUP BY ALL",
        {"tables": [*tables]},
    ).fetchall()
    return frozenset(
        cohort
        for cohort, made_from, n in rows
        if (n, made_from) == (len(tables), prints.get(cohort))
    )


def note(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    prints: Mapping[str, str],
    kept: Collection[str],
) -> None:
    """Notes what a table's rows were made from, in the transaction that stored them.

    Args:
        connection: to the live database.
        table: the table.
        prints: cohort to fingerprint, of those whose rows are new; a cohort that is neither here
            nor kept is made anew by whoever comes next.
        kept: cohorts whose rows stayed as they were.
    """
    connection.execute(
        "DELETE FROM meta.built WHERE table_name = $table AND NOT list_contains($kept, cohort)",
        {"table": table.full_name, "kept": [*kept]},
    )
    if prints:
        connection.execute(
            _NOTED.format(rows=_rows_by_cohort(table)),
            {
                "table": table.full_name,
                "cohorts": [*prints.keys()],
                "prints": [*prints.values()],
            },
        )


def _rows_by_cohort(table: Table) -> str:
    """SQL for the rows of each cohort in a table; all of them where it has no cohorts."""
    if whose := cohort_column(table):
        return f'SELECT "{whose}" AS cohort, count(*) AS n FROM {table.full_name} GROUP BY ALL'
    every = f"SELECT count(*) FROM {table.full_name}"
    return f"SELECT unnest($cohorts) AS cohort, ({every}) AS n"
