"""The identity scanner over stored tables, before they are published.

Belongs here: which columns can hold a number, and which do.
Does not belong here: what a number looks like (`gate.identity`), files (`file_scan`).

Every different text of a column is looked at once. A closed code, a pattern and a count that never
reaches ten digits cannot hold a number; hashes and run ids are noise of digits and nobody's words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import duckdb

from registry_pipeline.gate.identity import SUSPECT, holds_identity
from schemas.catalog import TABLES
from schemas.shared import ORIGIN

_TEN_DIGITS: Final = 1_000_000_000
_NOISE: Final = frozenset({"run_id", "file_sha256", "sha256", "content"})
_OURS: Final = frozenset({*ORIGIN, "cohort", "stratum_by", "rule_id"})
"""Columns that the registry itself words, alike in many large tables."""

_NUMBERS: Final = ("INTEGER", "BIGINT", "DOUBLE")


def identity_columns(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The columns of any table of the database that hold an identity number, with how many texts.

    Returns:
        `schema.table.column: n`, never a value; empty where there is none.
    """
    queries: dict[str, list[str]] = {}
    for table, column, kind in connection.execute(
        "SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal ORDER BY ALL"
    ).fetchall():
        if _can_hold(table, column, kind):
            queries.setdefault(table, []).append(_cells(table, column, kind))
    found: Counter[str] = Counter()
    with ThreadPoolExecutor(2) as threads:  # of a small table most is planning, on one core
        read = threads.map(partial(_read, connection), queries.values())
        for table, cells in zip(queries, read, strict=True):
            found.update(f"{table}.{column}" for column, cell in cells if holds_identity(cell))
    return [f"{place}: {n}" for place, n in sorted(found.items())]


def _read(connection: duckdb.DuckDBPyConnection, parts: Sequence[str]) -> list[tuple[str, str]]:
    """What several queries of one table give, on a connection of their own."""
    with connection.cursor() as own:
        return own.execute(" UNION ALL ".join(parts)).fetchall()


def _can_hold(table: str, column: str, kind: str) -> bool:
    """Pseudonyms are read where they come in, and in the one table all others take them from."""
    if column in _NOISE | _OURS or kind not in {*_NUMBERS, "VARCHAR"}:
        return False
    if column == "patient_id":
        return table.startswith("intake.") or table == "core.patient"
    if table not in TABLES:
        return True
    known = {told.name: told for told in TABLES[table].columns}.get(column)
    return known is None or not (known.codes or known.pattern or known.high is not None)


def _cells(table: str, column: str, kind: str) -> str:
    if kind == "VARCHAR":
        return (
            f"SELECT '{column}', cell FROM (SELECT DISTINCT \"{column}\" AS cell FROM {table}) "
            f"WHERE regexp_matches(cell, '{SUSPECT}')"
        )
    return (
        f"SELECT DISTINCT '{column}', \"{column}\"::VARCHAR FROM {table} "
        f'WHERE "{column}" >= {_TEN_DIGITS}'
    )
