"""Opening a delivered file: whatever its kind, a header and blocks of rows.

Belongs here: which reader a file gets, and each reader's promise: text exactly as delivered, or
types where that is as strict as the patterns.
Does not belong here: proof of a CSV's structure (`structure`), conversion of text (`convert`).

Every block can give its rows as text. A block gives them typed too where nothing is lost by it: a
Parquet block always, a CSV block when Polars' own parsing of whole numbers admits no more than the
pattern does, that is when no field starts with a space, a tab or a plus.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.header import tidy
from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.gate.structure import BLOCK_BYTES, CsvShape, prove_csv, read_blocks
from registry_pipeline.gate.xlsx import read_xlsx

BATCH_ROWS: Final = 150_000
_LOOSE_STARTS: Final = (b" ", b"\t", b"+")
_PARQUET_ERRORS: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


class Block(Protocol):
    """Some consecutive rows of a file, columns named as in its header."""

    def text(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows as text, empty cells null; all columns or those named."""

    def typed(self, integers: Collection[str]) -> pl.DataFrame | None:
        """The rows with `integers` as Int32, the rest as text or as the file types them.

        None where that could admit what the patterns refuse, or a value does not fit.
        """


@dataclass(frozen=True)
class Source:
    """An opened file.

    Attributes:
        header: column names, trimmed and NFC; not yet known to differ from each other.
        n_rows: rows of data in the file.
        decimal: the file's decimal sign where its kind or the manifest settles it.
        dtypes: the types of a Parquet file; None where cells are text.
        blocks: walks the rows from the start, each time it is called.
    """

    header: tuple[str, ...]
    n_rows: int
    decimal: str | None
    dtypes: dict[str, pl.DataType] | None
    blocks: Callable[[], Iterator[Block]]


def open_source(
    path: Path, file: str, manifest: Manifest, block_bytes: int = BLOCK_BYTES
) -> Source:
    """Opens a staged file by the ending of its own name.

    Raises:
        RefusedFileError: not a regular file, an unknown ending, or a file that its reader cannot
            read whole.
    """
    _regular(path, file)
    ending = Path(file).suffix.lower()
    if ending == ".csv":
        return _csv(path, file, manifest, block_bytes)
    if ending == ".xlsx":
        return _xlsx(path, file)
    if ending == ".parquet":
        return _parquet(path, file)
    raise RefusedFileError(file, "unknown_format", "only .csv, .xlsx and .parquet are read")


def _regular(path: Path, file: str) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        raise RefusedFileError(file, "unreadable_file", "the file is not there") from None
    if not stat.S_ISREG(mode):
        raise RefusedFileError(file, "unreadable_file", "not a regular file")


@dataclass(frozen=True)
class _CsvBlock:
    data: bytes
    file: str
    shape: CsvShape

    def text(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        try:
            return self._read((), columns)
        except pl.exceptions.PolarsError:
            raise RefusedFileError(
                self.file, "unreadable_file", "the rows are unreadable"
            ) from None

    def typed(self, integers: Collection[str]) -> pl.DataFrame | None:
        if self._starts_loosely():
            return None
        try:
            return self._read(integers, None)
        except pl.exceptions.PolarsError:
            return None

    def _read(self, integers: Collection[str], columns: Sequence[str] | None) -> pl.DataFrame:
        rows = pl.scan_csv(
            self.data,
            schema={n: pl.Int32() if n in integers else pl.String() for n in self.shape.header},
            has_header=False,
            separator=self.shape.delimiter,
        )
        frame = (rows if columns is None else rows.select(columns)).collect()
        return _blank_to_null(frame) if b'""' in self.data else frame

    def _starts_loosely(self) -> bool:
        """Whether a field may start with what Polars skips before a number and no pattern does."""
        befores = (self.shape.delimiter.encode(), b"\n", b'"')
        return any(
            self.data.startswith(sign) or any(before + sign in self.data for before in befores)
            for sign in _LOOSE_STARTS
            if sign in self.data
        )


@dataclass(frozen=True)
class _FrameBlock:
    frame: pl.DataFrame
    is_typed: bool

    def text(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        frame = self.frame if columns is None else self.frame.select(columns)
        return _blank_to_null(frame.cast(pl.String))

    def typed(self, integers: Collection[str]) -> pl.DataFrame | None:
        del integers
        return _blank_to_null(self.frame) if self.is_typed else None


def _csv(path: Path, file: str, manifest: Manifest, block_bytes: int) -> Source:
    shape = prove_csv(path, file, manifest.format, block_bytes)
    shape = replace(shape, header=tuple(tidy(name) for name in shape.header))

    def blocks() -> Iterator[Block]:
        for data in read_blocks(path, shape):
            yield _CsvBlock(data, file, shape)

    decimal = "." if shape.delimiter == "," else manifest.format.decimal
    return Source(shape.header, shape.n_rows, decimal, None, blocks)


def _xlsx(path: Path, file: str) -> Source:
    header, frames = read_xlsx(path, Path(file).stem, file)
    header = tuple(tidy(name) for name in header)
    n_rows = sum(frame.height for frame in frames)

    def blocks() -> Iterator[Block]:
        for frame in frames:
            yield _FrameBlock(frame.rename(dict(zip(frame.columns, header, strict=True))), False)

    return Source(header, n_rows, ".", None, blocks)


def _parquet(path: Path, file: str) -> Source:
    try:
        rows = pl.scan_parquet(path, glob=False)
        dtypes = dict(rows.collect_schema())
        n_rows = rows.select(pl.len()).collect().item()
    except _PARQUET_ERRORS:
        raise RefusedFileError(file, "unreadable_file", "not a whole Parquet file") from None
    names = {name: tidy(name) for name in dtypes}

    def blocks() -> Iterator[Block]:
        for start in range(0, n_rows, BATCH_ROWS):
            try:
                frame = rows.slice(start, BATCH_ROWS).collect()
            except _PARQUET_ERRORS:
                raise RefusedFileError(
                    file, "unreadable_file", "not a whole Parquet file"
                ) from None
            yield _FrameBlock(frame.rename(names), True)

    header = tuple(names.values())
    return Source(header, n_rows, ".", {names[n]: dtypes[n] for n in names}, blocks)


def _blank_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))
