"""XLSX files, read as text by a child process under limits.

Belongs here: what a workbook may cost before and while it is parsed, and the rows that come back.
Does not belong here: the parsing (`xlsx_child`), the judgement of the cells (`convert`).

A workbook is small or it is refused, so its rows are held whole: the size table of the zip is
looked at first, and the parser runs with bounded memory, processor time and wall time. A killed
parser is a refused file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

import polars as pl

from registry_pipeline.gate.errors import RefusedFileError

MAX_UNPACKED_BYTES: Final = 512 << 20
MAX_MEMBERS: Final = 1000
WALL_SECONDS: Final = 180.0
_CHILD: Final = Path(__file__).with_name("xlsx_child.py")
_BATCH_ROWS: Final = 50_000
_UNREADABLE: Final = "not a readable workbook"


def read_xlsx(path: Path, form: str, file: str) -> tuple[tuple[str, ...], list[pl.DataFrame]]:
    """Header and rows of a workbook's sheet, every cell as text, empty cells as null.

    The sheet is the one named like the form, in any case, or else the only one that holds
    anything. Hidden rows are rows. Empty rows at the end are not.

    Raises:
        RefusedFileError: not a workbook, too large unpacked, several sheets, a cell that would
            read as empty though it is not, or a parser that failed or went over its limits.
    """
    _look_at_size(path, file)
    command = [sys.executable, "-I", str(_CHILD), str(path), form]
    child = subprocess.Popen(  # noqa: S603 -- our own script, no shell
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    watch = threading.Timer(WALL_SECONDS, child.kill)
    watch.start()
    try:
        with child:
            rows = _rows(cast("IO[bytes]", child.stdout), file)
            header = tuple(name or "" for name in next(rows, ()))
            frames = list(_frames(rows, len(header)))
    except json.JSONDecodeError:
        raise RefusedFileError(file, "unreadable_file", _UNREADABLE) from None
    finally:
        watch.cancel()
    if child.returncode != 0:
        raise RefusedFileError(file, "unreadable_file", _UNREADABLE)
    if not header:
        raise RefusedFileError(file, "empty_file", "the workbook is empty")
    return header, frames


def _look_at_size(path: Path, file: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise RefusedFileError(file, "unreadable_file", _UNREADABLE) from None
    if len(members) > MAX_MEMBERS or sum(one.file_size for one in members) > MAX_UNPACKED_BYTES:
        what = f"the workbook unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB"
        raise RefusedFileError(file, "too_large", what)


def _rows(output: IO[bytes], file: str) -> Iterator[list[str | None]]:
    """The rows the child writes; nothing where it dies before the first line."""
    state, row = json.loads(output.readline() or b'["rows", "0"]')
    if state == "sheets":
        what = "several sheets hold something and none is named like the form"
        raise RefusedFileError(file, "several_sheets", what)
    if state == "hollow":
        what = "an Excel error, or a formula without a calculated value"
        raise RefusedFileError(file, "hollow_cell", what, rows=[int(row) - 1])
    for line in output:
        yield json.loads(line)


def _frames(rows: Iterator[list[str | None]], width: int) -> Iterator[pl.DataFrame]:
    """Frames of text columns named by place; empty rows at the end are left out."""
    batch: list[list[str | None]] = []
    empty = 0
    for row in rows:
        if not any(row):
            empty += 1
            continue
        batch += [[None] * width] * empty
        batch.append(row)
        empty = 0
        if len(batch) >= _BATCH_ROWS:
            yield _frame(batch, width)
            batch = []
    if batch:
        yield _frame(batch, width)


def _frame(rows: list[list[str | None]], width: int) -> pl.DataFrame:
    schema = {str(place): pl.String() for place in range(width)}
    return pl.DataFrame(rows, schema=schema, orient="row")
