"""Looking for a text everywhere in a home folder: every cell, every byte, every file name.

Belongs here: the search and the list of what was searched.
Does not belong here: what is looked for, and what follows from a hit (see `proof`).

Databases are searched twice. DuckDB compresses text, so a search of the bytes alone would miss
what a query finds; a query sees no deleted bytes, which a search of the file does.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import connect, scalar
from registry_pipeline.warehouse.rewrite import stored_tables

DATABASES = "*.duckdb"

_LOOKS = 5
"""Searches before it is a fault that a file goes in the midst. Where a daemon serves the home,
SQLite's logs come and go, and what stood in one stands in a file that was searched before it.
"""


@dataclass(frozen=True)
class Place:
    """One place that was searched.

    Attributes:
        file: path below the home.
        table: the table, where cells were searched; empty where bytes were.
        size: rows of a table, bytes of a file.
        found: texts, rows or places that hold one of the words.
    """

    file: str
    table: str
    size: int
    found: int

    @property
    def name(self) -> str:
        """The place in a word."""
        return f"{self.file} {self.table}".strip()


def search(home: Home, words: Sequence[str], besides: Sequence[Path] = ()) -> list[Place]:
    """Every table and every file of a home, and how often each holds one of the words.

    A word is found where neither a letter nor a digit stands beside it. No connection to a
    database of the home may be open in this process.

    Args:
        home: the home folder.
        words: what is looked for.
        besides: files that are left out.
    """
    for _ in range(_LOOKS - 1):
        with suppress(FileNotFoundError):
            return _search(home, words, besides)
    return _search(home, words, besides)


def _search(home: Home, words: Sequence[str], besides: Sequence[Path]) -> list[Place]:
    files = [path for path in _files(home) if path not in besides]
    databases = [path for path in files if path.match(DATABASES)]
    tables = [place for path in databases for place in search_tables(home, path, words)]
    return [*tables, *(search_file(home, path, words) for path in files)]


def search_tables(home: Home, path: Path, words: Sequence[str]) -> Iterator[Place]:
    """Every table of a database file."""
    name = str(path.relative_to(home.path))
    with connect(home, read_only=True, path=path) as connection:
        texts = dict(
            connection.execute(
                "SELECT schema_name || '.' || table_name, list(column_name) FROM duckdb_columns() "
                "WHERE database_name = current_database() AND data_type = 'VARCHAR' GROUP BY ALL"
            ).fetchall()
        )
        for table in stored_tables(connection):
            size, suspect = _size(connection, table, texts.get(table, ()), words)
            found = (
                sum(_hits(connection, table, column, words) for column in texts[table])
                if suspect
                else 0
            )
            yield Place(name, table, size, found)


def _size(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], words: Sequence[str]
) -> tuple[int, int]:
    """Rows of a table, and how many hold a word anywhere, in all columns at one pass.

    Whether something stands beside the word is not asked here: every hit is among these rows.
    """
    size = int(scalar(connection, f"SELECT count(*) FROM {table}"))
    if not size or not columns:
        return size, 0
    given = {f"word{place}": word for place, word in enumerate(words)}
    held = " OR ".join(_holds(column, place) for column in columns for place in range(len(words)))
    return size, int(scalar(connection, f"SELECT count(*) FROM {table} WHERE {held}", given))


def _holds(column: str, place: int) -> str:
    """SQL for a cell that holds a word; a person's code is the word or it is not."""
    if column == "patient_id":
        return f'"{column}" = $word{place}'
    return f'contains("{column}", $word{place})'


def _hits(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, words: Sequence[str]
) -> int:
    """How many rows of a column hold a word with nothing beside it."""
    given = {f"word{place}": word for place, word in enumerate(words)}
    patterns = {f"pattern{place}": _pattern(word) for place, word in enumerate(words)}
    hit = " OR ".join(
        f'({_holds(column, place)} AND regexp_matches("{column}", $pattern{place}))'
        for place in range(len(words))
    )
    query = f"SELECT count(*) FROM {table} WHERE {hit}"
    return int(scalar(connection, query, {**given, **patterns}))


def _files(home: Home) -> list[Path]:
    return sorted(path for path in home.path.rglob("*") if path.is_file())


def search_file(home: Home, path: Path, words: Sequence[str]) -> Place:
    """The name and the bytes of a file."""
    name = str(path.relative_to(home.path))
    needles = [word.encode() for word in words]
    found = sum(_count(name.encode(), needle) for needle in needles)
    size = path.stat().st_size
    if size:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as seen:
            found += sum(_count(seen, needle) for needle in needles)
    return Place(name, "", size, found)


def _count(content: bytes | mmap.mmap, needle: bytes) -> int:
    n = 0
    place = content.find(needle)
    while place >= 0:
        after = place + len(needle)
        beside = content[max(place - 1, 0) : place] + content[after : after + 1]
        n += not any(byte.isalnum() for byte in (beside[:1], beside[1:]))
        place = content.find(needle, after)
    return n


def _pattern(word: str) -> str:
    escaped = "".join(letter if letter.isalnum() else f"\\{letter}" for letter in word)
    return f"(?:^|[^0-9A-Za-z]){escaped}(?:$|[^0-9A-Za-z])"
