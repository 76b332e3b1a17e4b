"""The identity scanner over what a home holds beside its databases: pages and Dagster's records.

Belongs here: which files and records are read, and as what text.
Does not belong here: what a number looks like (`gate.identity`), tables (`warehouse`).

Of Dagster's records the words are read, not its own numbers: times, durations and the ids of runs
are full of digits. Of its event log the current run is read, since every run reads its own.
"""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from registry_pipeline.gate.identity import RUN, folded, run_holds_identity
from registry_pipeline.home import Home

_PAGES: Final = ("*.html", "*.csv", "*.json", "*.md", "*.svg", "*.txt", "*.log")
_ALONE: Final = re.compile(rf"(?<![\w\-.]){RUN.pattern}(?![\w\-])")
"""Digits that no letter stands beside, as they do in a hash or an id."""

_DECIMAL: Final = re.compile(r"(?<![0-9.,])[0-9]{1,5}[.,][0-9]{7,}(?![0-9.,])")
"""A measured number; an identity number that is parted is parted otherwise."""

_LATEST: Final = 5_000
"""Records read of a table that does not say whose run they are, the newest ones."""


def identity_files(home: Home, run_id: str) -> list[str]:
    """Files of the home, beside its databases, whose words hold an identity number.

    Args:
        home: the home folder.
        run_id: the run whose events are read.

    Returns:
        Paths below the home, never a value; empty where there is none.
    """
    return [
        str(path.relative_to(home.path))
        for path, texts in _readable(home, run_id)
        if any(_suspect(text) for text in set(texts))  # records repeat the same few words
    ]


def _readable(home: Home, run_id: str) -> Iterator[tuple[Path, Iterator[str]]]:
    for pattern in _PAGES:
        for path in sorted(home.published.rglob(pattern)):
            yield path, iter([path.read_text(encoding="utf-8", errors="replace")])
    for path in sorted(home.instance.rglob("*.db")):
        yield path, _records(path, run_id)


def _records(path: Path, run_id: str) -> Iterator[str]:
    """The words of a SQLite file of Dagster's."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            columns = connection.execute(f'SELECT name, type FROM pragma_table_info("{table}")')
            kinds = dict(columns.fetchall())
            texts = [f'"{name}"' for name, kind in kinds.items() if kind in {"TEXT", "VARCHAR"}]
            if not texts:
                continue
            query = f'SELECT {", ".join(texts)} FROM "{table}"'
            if "run_id" in kinds:
                rows = connection.execute(f"{query} WHERE run_id = ?", [run_id])
            else:
                rows = connection.execute(f"{query} ORDER BY rowid DESC LIMIT ?", [_LATEST])
            for row in rows:
                yield from (word for cell in row if cell for word in _words(str(cell)))


def _words(cell: str) -> Iterator[str]:
    """The texts of a cell, itself or, where it is JSON, those in it."""
    if cell[0] not in "{[":
        yield cell
        return
    try:
        waiting: list[Any] = [json.loads(cell)]
    except ValueError:
        yield cell
        return
    while waiting:
        told = waiting.pop()
        if isinstance(told, str):
            yield told
        elif isinstance(told, dict):
            waiting += [*told.keys(), *told.values()]
        elif isinstance(told, list):
            waiting += told


def _suspect(text: str) -> bool:
    words = _DECIMAL.sub("x", folded(html.unescape(text)))
    return any(run_holds_identity(run.group()) for run in _ALONE.finditer(words))
