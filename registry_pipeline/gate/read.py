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
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.header import tidy
from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.gate.structure import BLOCK_BYTES, CsvFile, some_records
from registry_pipeline.gate.xlsx import read_xlsx

BATCH_ROWS: Final = 100_000
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

    def text_of(self, places: list[int]) -> pl.DataFrame:
        """The rows at the given places, as text; 0 is the block's first."""


class Source(Protocol):
    """An opened file.

    Attributes:
        header: column names, trimmed and NFC; not yet known to differ from each other.
        decimal: the file's decimal sign where its kind or the manifest settles it.
        dtypes: the types of a Parquet file; None where cells are text.
    """

    header: tuple[str, ...]
    decimal: str | None
    dtypes: dict[str, pl.DataType] | None

    @property
    def n_rows(self) -> int:
        """Rows of data in the file."""

    def blocks(self) -> Iterator[Block]:
        """The rows from the start, each time it is called; the first walk may refuse the file."""


def open_source(
    path: Path, file: str, manifest: Manifest, block_bytes: int = BLOCK_BYTES
) -> Source:
    """Opens a staged file by the ending of its own name.

    Raises:
        RefusedFileError: not a regular file, an unknown ending, or a file that its reader cannot
            open.
    """
    _regular(path, file)
    ending = Path(file).suffix.lower()
    if ending == ".csv":
        return _CsvSource(CsvFile(path, file, manifest.format, block_bytes), file, manifest)
    if ending == ".xlsx":
        return _XlsxSource(path, file)
    if ending == ".parquet":
        return _ParquetSource(path, file)
    raise RefusedFileError(file, "unknown_format", "only .csv, .xlsx and .parquet are read")


def _regular(path: Path, file: str) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        raise RefusedFileError(file, "unreadable_file", "the file is not there") from None
    if not stat.S_ISREG(mode):
        raise RefusedFileError(file, "unreadable_file", "not a regular file")


class _CsvSource:
    def __init__(self, csv: CsvFile, file: str, manifest: Manifest) -> None:
        self._csv = csv
        self._file = file
        self.header = tuple(tidy(name) for name in csv.header)
        own = "." if csv.delimiter == "," else None
        self.decimal: str | None = manifest.format.decimal or own
        self.dtypes: dict[str, pl.DataType] | None = None

    @property
    def n_rows(self) -> int:
        return self._csv.n_rows

    def blocks(self) -> Iterator[Block]:
        for data in self._csv.blocks():
            yield _CsvBlock(data, self.header, self._csv.delimiter, self._file)


@dataclass(frozen=True)
class _CsvBlock:
    data: bytes
    header: tuple[str, ...]
    delimiter: str
    file: str

    def text(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        try:
            return self._read((), columns)
        except pl.exceptions.PolarsError:
            raise RefusedFileError(
                self.file, "unreadable_file", "the rows are unreadable"
            ) from None

    def text_of(self, places: list[int]) -> pl.DataFrame:
        return replace(self, data=some_records(self.data, places)).text()

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
            schema={n: pl.Int32() if n in integers else pl.String() for n in self.header},
            has_header=False,
            separator=self.delimiter,
        )
        frame = (rows if columns is None else rows.select(columns)).collect()
        # One sign is sought many times faster than two.
        may_be_blank = b'"' in self.data and b'""' in self.data
        return _blank_to_null(frame) if may_be_blank else frame

    def _starts_loosely(self) -> bool:
        """Whether a field may start with what Polars skips before a number and no pattern does."""
        befores = (self.delimiter.encode(), b"\n", b'"')
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

    def text_of(self, places: list[int]) -> pl.DataFrame:
        return _FrameBlock(self.frame[places], is_typed=False).text()

    def typed(self, integers: Collection[str]) -> pl.DataFrame | None:
        if not self.is_typed:
            return None
        whole = (name for name, dtype in self.frame.schema.items() if dtype.is_integer())
        types = [pl.col(name).cast(pl.Int32 if name in integers else pl.String) for name in whole]
        try:
            return _blank_to_null(self.frame.with_columns(types))
        except pl.exceptions.PolarsError:  # a number beyond any column's: a fault of its row
            return None


class _XlsxSource:
    def __init__(self, path: Path, file: str) -> None:
        header, self._frames = read_xlsx(path, Path(file).stem, file)
        self.header = tuple(tidy(name) for name in header)
        self.decimal: str | None = "."
        self.dtypes: dict[str, pl.DataType] | None = None

    @property
    def n_rows(self) -> int:
        return sum(frame.height for frame in self._frames)

    def blocks(self) -> Iterator[Block]:
        for frame in self._frames:
            names = dict(zip(frame.columns, self.header, strict=True))
            yield _FrameBlock(frame.rename(names), is_typed=False)


class _ParquetSource:
    def __init__(self, path: Path, file: str) -> None:
        self._file = file
        with self._whole():
            self._rows = pl.scan_parquet(path, glob=False)
            stored = self._rows.collect_schema()
            self._n_rows: int = self._rows.select(pl.len()).collect().item()
        self._names = {name: tidy(name) for name in stored}
        self.header = tuple(self._names.values())
        self.decimal: str | None = "."
        self.dtypes: dict[str, pl.DataType] | None = {
            tidy(name): dtype for name, dtype in stored.items()
        }

    @property
    def n_rows(self) -> int:
        return self._n_rows

    def blocks(self) -> Iterator[Block]:
        for start in range(0, self._n_rows, BATCH_ROWS):
            with self._whole():
                frame = self._rows.slice(start, BATCH_ROWS).collect()
            yield _FrameBlock(frame.rename(self._names), is_typed=True)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except _PARQUET_ERRORS:
            what = "not a whole Parquet file"
            raise RefusedFileError(self._file, "unreadable_file", what) from None


def _blank_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))
