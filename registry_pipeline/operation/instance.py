"""The Dagster instance of a home folder.

Belongs here: where it lies and how it is set up. Does not belong here: running anything in it (see
`commands.operate`), deleting what it holds (see `withdrawal.records`).
"""

from __future__ import annotations

import os
import sqlite3
from importlib import resources
from pathlib import Path
from typing import Final

import dagster as dg
from filelock import FileLock

from registry_pipeline.home import Home

_DAMAGED: Final = (
    "are damaged; the registry itself is not: move this folder away and run again, which begins "
    "new ones"
)
_FULL: Final = (
    "cannot be written, most often since the disk is full; what was taken in is intact: make room "
    "and run again"
)
_CLOSED: Final = "cannot be opened or written: see who owns its files, and their modes"
_RECORDS: Final = {
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_READONLY": _CLOSED,
    "SQLITE_CANTOPEN": _CLOSED,
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR": _FULL,
}
"""What the beginning of SQLite's code says of the instance's files."""


def prepare_instance(home: Home) -> None:
    """Makes the home's instance where it is missing, and points this process at it.

    From here on what this process and its children write is readable by the owner alone.
    """
    os.umask(0o077)
    home.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home.instance.resolve())
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "1000"  # what a run plans is several hundred events
    with FileLock(home.instance / "making.lock", mode=0o600):
        _write_settings(home.instance / "dagster.yaml")
        _make_files(home.instance / "made")


def _write_settings(file: Path) -> None:
    """Other processes may be reading them: whole, and only where they are not there as they are."""
    text = (resources.files("registry_pipeline") / "dagster.yaml").read_text(encoding="utf-8")
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        partial = file.with_suffix(".tmp")
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)


def _make_files(made: Path) -> None:
    """Makes the instance's files, once and by one process.

    Dagster's own making of them takes seconds, and two at it (the webserver and the daemon of a new
    home) leave files that no process can open again.
    """
    if not made.exists():
        with dg.DagsterInstance.get():
            made.touch()


def fault_of_records(error: Exception) -> str:
    """The sentence for what SQLite, or SQLAlchemy around it, says of the instance's files.

    Args:
        error: whatever was raised.

    Returns:
        Empty for every other error. SQLite's own words are not passed on: its code says enough.
    """
    said = getattr(error, "orig", error)
    if not isinstance(said, sqlite3.DatabaseError):
        return ""
    code = said.sqlite_errorname
    what = next((words for start, words in _RECORDS.items() if code.startswith(start)), "")
    return what and f"{os.environ.get('DAGSTER_HOME')}: the records of the runs {what} ({code})"
