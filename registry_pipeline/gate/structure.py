"""The proof that a CSV file is a rectangle of decodable text.

Belongs here: cutting a file into blocks of whole records; line ends, quotes, delimiter and the
width of every row, each proved before any value is looked at.
Does not belong here: letters (`encoding`), what the columns are called (`header`) and what the
cells say (`convert`).

Every delimiter and line end outside quotes is counted. Rows are counted as records: 1 is the first
row of data, 0 the header.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from registry_pipeline.gate.encoding import TextEncoding
from registry_pipeline.gate.errors import RefusedFileError, counted
from registry_pipeline.gate.manifest import Format

BLOCK_BYTES: Final = 8 << 20
"""A block of the file; what the gate holds in memory is a small multiple of it."""

_WINDOW_BYTES: Final = 1 << 20
"""What is counted at a time: small enough to stay in the processor's cache."""

_BOM: Final = b"\xef\xbb\xbf"
_QUOTE, _NEWLINE, _RETURN = ord('"'), ord("\n"), ord("\r")
_Flags = npt.NDArray[np.bool_]


class CsvFile:
    """A CSV file that is proved on its first walk, block by block as it is handed on.

    Attributes:
        header: column names as delivered.
        delimiter: comma or semicolon.
    """

    def __init__(
        self, path: Path, file: str, declared: Format, block_bytes: int = BLOCK_BYTES
    ) -> None:
        """Opens the file and reads its header.

        Args:
            path: the staged file.
            file: its own name, for the message.
            declared: what the manifest says of encoding and delimiter.
            block_bytes: how much of the file is held at a time; no row is longer.

        Raises:
            RefusedFileError: the file is empty or its header cannot be read.
        """
        self._path = path
        self._file = file
        self._block_bytes = block_bytes
        self._encoding = TextEncoding(file, declared.encoding)
        self._proved: list[tuple[int, int]] = []
        self._n_rows = 0
        self._is_proved = False
        self._refused: RefusedFileError | None = None
        with path.open("rb") as stream:
            first = stream.read(block_bytes)
        self._body_start = _first_record_end(first)
        raw = first[: self._body_start]
        self._refuse_odd_bytes(raw, 0)
        text = self._encoding.proved(raw.removeprefix(_BOM), 0).decode().rstrip("\r\n")
        if not text.strip():
            raise RefusedFileError(file, "empty_file", "the file is empty")
        self.delimiter = self._find_delimiter(text, declared.delimiter or ",;")
        try:
            names = next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except csv.Error:
            raise RefusedFileError(file, "quotes", "a quote is misplaced", rows=[0]) from None
        self.header = tuple(names)

    @property
    def n_rows(self) -> int:
        """Rows of data in the file, which is proved first where it was not yet."""
        if not self._is_proved:
            for _ in self.blocks():
                pass
        return self._n_rows

    def blocks(self) -> Iterator[bytes]:
        """The rows in order, in blocks of whole records, as UTF-8.

        Raises:
            RefusedFileError: on the first walk, before the block is handed on: NUL bytes, bare
                carriage returns, letters that do not decode, a quote out of place, or a row of
                another width than the header. A file that was refused is not walked again.
        """
        if self._refused:
            raise self._refused
        return self._walk() if self._is_proved else self._prove()

    def _walk(self) -> Iterator[bytes]:
        with self._path.open("rb") as stream:
            for start, end in self._proved:
                stream.seek(start)
                block = stream.read(end - start)
                if len(block) != end - start:
                    what = "it changed while it was read"
                    raise RefusedFileError(self._file, "unreadable_file", what)
                yield self._encoding.utf8(block)

    def _prove(self) -> Iterator[bytes]:
        try:
            yield from self._proved_blocks()
        except RefusedFileError as error:
            self._refused = error
            raise
        self._is_proved = True

    def _proved_blocks(self) -> Iterator[bytes]:
        self._proved, self._n_rows = [], 0
        start = self._body_start
        with self._path.open("rb") as stream:
            stream.seek(start)
            while block := stream.read(self._block_bytes):
                end = len(block) if len(block) < self._block_bytes else _last_record_end(block)
                if not end:
                    raise self._endless_row()
                block = block[:end]
                self._refuse_odd_bytes(block, self._n_rows + 1)
                utf8 = self._encoding.proved(block, self._n_rows + 1)
                self._count_rows(block)
                self._proved.append((start, start + end))
                start += end
                stream.seek(start)
                yield utf8

    def _endless_row(self) -> RefusedFileError:
        size = self._block_bytes
        most = f"{size >> 20} MiB" if size >> 20 else counted(size, "byte")
        what = (
            f"the row is longer than {most}: a quote is not closed, line ends are missing, "
            "or a cell is too long"
        )
        return RefusedFileError(self._file, "quotes", what, rows=[self._n_rows + 1])

    def _refuse_odd_bytes(self, block: bytes, first_row: int) -> None:
        if (at := block.find(b"\0")) >= 0:
            what = "NUL bytes: a binary file, or text in UTF-16"
            row = first_row + block.count(b"\n", 0, at)
            raise RefusedFileError(self._file, "nul_bytes", what, rows=[row])
        if b"\r" in block and (bare := re.search(rb"\r(?!\n)", block)):
            what = "a line ends in a bare carriage return; save with CRLF or LF line ends"
            row = first_row + block.count(b"\n", 0, bare.start())
            raise RefusedFileError(self._file, "line_ends", what, rows=[row])

    def _find_delimiter(self, header: str, allowed: str) -> str:
        unquoted = re.sub('"[^"]*"', "", header)
        found = [sign for sign in allowed if sign in unquoted]
        if len(found) == 1:
            return found[0]
        what = (
            "the header holds commas and semicolons; declare the delimiter in [format]"
            if found
            else "the header is one column; comma or semicolon, as declared, must separate columns"
        )
        raise RefusedFileError(self._file, "wrong_delimiter", what, rows=[0])

    def _count_rows(self, block: bytes) -> None:
        """Proves the width of every row of a block, and counts the rows."""
        if b'"' in block:
            self._count_window(np.frombuffer(block, np.uint8), is_quoted=True)
            return
        start = 0
        while start < len(block):
            stop = start + _WINDOW_BYTES
            end = block.rfind(b"\n", start, stop) + 1 or block.find(b"\n", stop) + 1 or len(block)
            self._count_window(np.frombuffer(block, np.uint8, end - start, start), is_quoted=False)
            start = end

    def _count_window(self, letters: npt.NDArray[np.uint8], *, is_quoted: bool) -> None:
        ends, delimiters = letters == _NEWLINE, letters == ord(self.delimiter)
        if is_quoted:
            outside = ~_inside_quotes(letters)
            ends &= outside
            delimiters &= outside
            self._refuse_stray_quotes(letters, outside, ends)
        starts = np.append([0], np.flatnonzero(ends[:-1]) + 1)
        self._refuse_ragged(delimiters.view(np.uint8), starts)
        self._n_rows += len(starts)

    def _refuse_stray_quotes(
        self, letters: npt.NDArray[np.uint8], outside: _Flags, ends: _Flags
    ) -> None:
        """A quote opens at the start of a field, closes at its end, and is doubled within."""
        quotes = np.flatnonzero(letters == _QUOTE)
        opens = ~outside[quotes]
        framed = np.concatenate(([_NEWLINE], letters, [_NEWLINE]))
        neighbour = np.where(opens, framed[quotes], framed[quotes + 2])
        wrong = ~np.isin(neighbour, [ord(self.delimiter), _NEWLINE, _RETURN, _QUOTE])
        if wrong.any() or not outside[-1]:
            at = quotes[wrong][0] if wrong.any() else quotes[-1]
            row = self._n_rows + 1 + int(np.count_nonzero(ends[:at]))
            what = "a quote is not closed, or stands within a field undoubled"
            raise RefusedFileError(self._file, "quotes", what, rows=[row])

    def _refuse_ragged(
        self, delimiters: npt.NDArray[np.uint8], starts: npt.NDArray[np.intp]
    ) -> None:
        """Every row has the header's width: counted in bytes, which is fast, and in total.

        A count that overflows a byte would show in the total, as long as the header fits one.
        """
        wanted = len(self.header) - 1
        counter = np.uint8 if wanted < 256 else np.uint32
        counts = np.add.reduceat(delimiters, starts, dtype=counter)
        if (counts == wanted).all() and np.count_nonzero(delimiters) == wanted * len(starts):
            return
        widths = 1 + np.add.reduceat(delimiters, starts, dtype=np.uint32)
        wrong = np.flatnonzero(widths != len(self.header))
        what = f"{counted(widths[wrong[0]], 'field')} where the header has {len(self.header)}"
        if self.delimiter == "," and widths[wrong[0]] > len(self.header):
            what += "; a decimal comma in a comma-separated file does this"
        rows = [self._n_rows + 1 + int(row) for row in wrong]
        raise RefusedFileError(self._file, "ragged_row", what, rows=rows)


def some_records(block: bytes, places: list[int]) -> bytes:
    """The records at the given places of a proved block; 0 is its first."""
    letters = np.frombuffer(block, np.uint8)
    ends = np.append(np.flatnonzero(_record_ends(block, letters)) + 1, len(block))
    starts = np.append(0, ends)
    return b"".join(block[starts[place] : ends[place]] for place in places)


def _first_record_end(block: bytes) -> int:
    end = block.find(b"\n")
    while end >= 0 and block.count(b'"', 0, end) % 2:
        end = block.find(b"\n", end + 1)
    return end + 1 if end >= 0 else len(block)


def _last_record_end(block: bytes) -> int:
    """Where the last whole record of a block ends; 0 where none does."""
    if b'"' not in block:
        return block.rfind(b"\n") + 1
    ends = np.flatnonzero(_record_ends(block, np.frombuffer(block, np.uint8)))
    return int(ends[-1]) + 1 if len(ends) else 0


def _record_ends(block: bytes, letters: npt.NDArray[np.uint8]) -> _Flags:
    ends: _Flags = letters == _NEWLINE
    if b'"' in block:
        ends &= ~_inside_quotes(letters)
    return ends


def _inside_quotes(letters: npt.NDArray[np.uint8]) -> _Flags:
    """For each byte, whether an odd number of quotes stands up to and including it."""
    return np.logical_xor.accumulate(letters == _QUOTE)
