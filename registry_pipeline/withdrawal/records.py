"""Dagster's records of runs, rid of what should never have stood in them.

Belongs here: finding the runs and assets whose records hold a word, deleting those records through
Dagster's own interface, and the bytes they leave.
Does not belong here: the search that asks for it (`search`), and what may be logged at all.

No record holds a person: an event has counts alone. A message of a library, or a hand, might.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import dagster as dg

from registry_pipeline.home import Home
from registry_pipeline.operation.instance import prepare_instance


def forget(home: Home, words: Sequence[str]) -> None:
    """Deletes the records of every run and asset that hold one of the words.

    A run that lives keeps its own, and whoever searches again finds the word there.

    Args:
        home: whose Dagster instance.
        words: what no record may hold.
    """
    prepare_instance(home)
    files = sorted(home.instance.rglob("*.db"))
    runs: set[str] = set()
    assets: set[str] = set()
    for file in files:
        for row in _rows_with(file, words):
            runs |= {row.get("run_id") or row.get("last_run_id") or ""}
            assets |= {row.get("asset_key") or ""}
    with dg.DagsterInstance.get() as instance:
        for run_id in runs - {""}:
            if not home.is_alive(run_id):
                instance.delete_run(run_id)
        keys = [dg.AssetKey.from_db_string(text) for text in assets - {""}]
        instance.wipe_assets([key for key in keys if key])
    for file in files:
        _rewrite(file)


def _rows_with(file: Path, words: Sequence[str]) -> Iterator[dict[str, str | None]]:
    """Where a row of any table holds a word, the columns of it that are text."""
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            columns = connection.execute(f'SELECT name FROM pragma_table_info("{table}")')
            names = [name for (name,) in columns.fetchall()]
            held = " OR ".join(
                f'instr("{name}", ?{place}) > 0'
                for name in names
                for place in range(1, len(words) + 1)
            )
            told = ", ".join(f'CAST("{name}" AS TEXT)' for name in names)
            for row in connection.execute(f'SELECT {told} FROM "{table}" WHERE {held}', words):
                yield dict(zip(names, row, strict=True))


def _rewrite(file: Path) -> None:
    """The file without the bytes of what was deleted, and nothing of it in its log."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
