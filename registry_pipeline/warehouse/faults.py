"""What the disk does to the store, in one clear sentence.

Belongs here: telling a full disk and a damaged file from other errors, whoever noticed them.
Does not belong here: repairing. Nothing is ever deleted to make a damaged file open again.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from registry_pipeline.home import Home

_FULL: frozenset[int] = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_SAID = re.compile(r"no space left|file too large|quota exceeded|disk is full", re.IGNORECASE)
_CLOSED_SAID = re.compile(r"permission denied", re.IGNORECASE)
_LOG_SAID = re.compile(r"\bWAL\b|write-ahead", re.IGNORECASE)
_DAMAGE_SAID = re.compile(
    r"checksum|corrupt|not a valid DuckDB database|deseriali[sz]|could not read enough bytes"
    r"|read metadata|invalid bitpacked|unrecogni[sz]ed|\bWAL\b",
    re.IGNORECASE,
)


class StoreError(RuntimeError):
    """The store cannot go on; the sentence names the file and what to do."""


class DiskFullError(StoreError):
    """There is no room to write; everything acknowledged is intact."""


class DamagedStoreError(StoreError):
    """A file of the store is damaged or lost; nothing was changed."""


@contextmanager
def explained(home: Home, *, is_published: bool = False) -> Iterator[None]:
    """Turns what a full disk, a closed or a damaged file raises into the sentence for it.

    The library's own message is not passed on: it may echo data.

    Args:
        home: whose store.
        is_published: the published file is read, not the live one.

    Raises:
        DiskFullError: a write found no room.
        DamagedStoreError: the database or its write-ahead log does not read.
        StoreError: this account may not open the file.
    """
    try:
        yield
    except (duckdb.Error, OSError) as error:
        told = _told(error, home, is_published)
        if told is None:
            raise
        raise told from None


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room to write."""
    return getattr(error, "errno", None) in _FULL or bool(_FULL_SAID.search(str(error)))


def _told(error: BaseException, home: Home, is_published: bool) -> StoreError | None:
    said = str(error)
    if is_full(error):
        return DiskFullError(
            f"{home.path}: the disk is full; what was taken in is intact: make room and run again"
        )
    if not isinstance(error, duckdb.Error):
        return None
    if _CLOSED_SAID.search(said):
        file = str(home.analysis if is_published else home.database)
        return StoreError(f"{file}: this account may not open it: see its owner and mode")
    if is_published and _DAMAGE_SAID.search(said):
        return DamagedStoreError(
            f"{home.analysis}: damaged; the registry itself is not: move this file away and run "
            "again, which publishes anew"
        )
    if _DAMAGE_SAID.search(said):
        file = f"{home.database}.wal" if _LOG_SAID.search(said) else str(home.database)
        return DamagedStoreError(
            f"{file}: damaged; nothing was changed or deleted: restore the home from a backup"
        )
    return None
