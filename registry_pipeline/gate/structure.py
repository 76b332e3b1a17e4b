"""The proof that a CSV file is a rectangle of decodable text.

Belongs here: cutting a file into blocks of whole records, encoding, line ends, quotes, delimiter
and the width of every row, each proved before any value is looked at.
Does not belong here: what the columns are called (`header`) and what the cells say (`convert`).

A file is walked once, in blocks. A block without quotes is proved by what is left of it when all
but delimiters and line ends are taken out; a block with quotes by the positions of both outside
quotes. Rows are counted as records: 1 is the first row of data, 0 the header.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from registry_pipeline.gate.errors import RefusedFileError, counted
from registry_pipeline.gate.manifest import Format

BLOCK_BYTES: Final = 32 << 20
"""A block of the file; what the gate holds in memory is a small multiple of it."""

_BOM: Final = b"\xef\xbb\xbf"
_QUOTE, _NEWLINE, _RETURN = ord('"'), ord("\n"), ord("\r")

_MARKS: Final = bytes(range(0x80, 0xC0)).decode("windows-1252", errors="ignore")
_GARBLED: Final = re.compile(f"[\ufffd\u0080-\u009f]|[\u00c2\u00c3][\u0080-\u00bf{_MARKS}]")
"""Signs of text decoded wrongly once: U+FFFD, a C1 control, or two letters that are one letter's
UTF-8 bytes."""

_GARBLED_LEADS: Final = (b"\xef\xbf\xbd", b"\xc2", b"\xc3\x82", b"\xc3\x83")


@dataclass(frozen=True)
class CsvShape:
    """A proved CSV file.

    Attributes:
        header: column names as delivered, trimmed and NFC.
        delimiter: comma or semicolon.
        encoding: utf-8 or windows-1252.
        blocks: first and last byte (not included) of each block; all end where a record ends.
        n_rows: rows of data.
    """

    header: tuple[str, ...]
    delimiter: str
    encoding: str
    blocks: tuple[tuple[int, int], ...]
    n_rows: int


def prove_csv(path: Path, file: str, declared: Format, block_bytes: int = BLOCK_BYTES) -> CsvShape:
    """The shape of a CSV file, every row of it proved.

    Args:
        path: the staged file.
        file: its own name, for the message.
        declared: what the manifest says of encoding and delimiter.
        block_bytes: how much of the file is held at a time.

    Raises:
        RefusedFileError: the file is empty, holds NUL bytes or odd line ends, cannot be decoded
            without a guess, has no known delimiter, or has a row of another width.
    """
    proof = _Proof(file, declared)
    blocks: list[tuple[int, int]] = []
    with path.open("rb") as stream:
        while chunk := stream.read(block_bytes):
            start = stream.tell() - len(chunk)
            is_last = len(chunk) < block_bytes
            end = len(chunk) if is_last else _last_record_end(chunk)
            if not end:
                what = "the row does not end: a quote is not closed, or line ends are missing"
                raise RefusedFileError(file, "quotes", what, rows=[proof.n_rows + 1])
            head = 0 if proof.header else _first_record_end(chunk)
            if head:
                proof.take_header(chunk[:head])
            proof.take(chunk[head:end])
            blocks.append((start + head, start + end))
            stream.seek(start + end)
    if not proof.header:
        raise RefusedFileError(file, "empty_file", "the file is empty")
    return CsvShape(proof.header, proof.delimiter, proof.encoding, tuple(blocks), proof.n_rows)


def read_blocks(path: Path, shape: CsvShape) -> Iterator[bytes]:
    """The rows of a proved file, block by block, as UTF-8."""
    with path.open("rb") as stream:
        for start, end in shape.blocks:
            stream.seek(start)
            block = stream.read(end - start)
            yield block if shape.encoding == "utf-8" else block.decode(shape.encoding).encode()


def _first_record_end(block: bytes) -> int:
    end = block.find(b"\n")
    while end >= 0 and block.count(b'"', 0, end) % 2:
        end = block.find(b"\n", end + 1)
    return end + 1 if end >= 0 else len(block)


def _last_record_end(buffer: bytes) -> int:
    """Where the last whole record of a buffer ends; 0 where none does."""
    if b'"' not in buffer:
        return buffer.rfind(b"\n") + 1
    letters = np.frombuffer(buffer, np.uint8)
    ends = np.flatnonzero((letters == _NEWLINE) & ~_inside_quotes(letters))
    return int(ends[-1]) + 1 if len(ends) else 0


def _inside_quotes(letters: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """For each byte, whether an odd number of quotes stands up to and including it."""
    return np.logical_xor.accumulate(letters == _QUOTE)


class _Proof:
    """What is known of a file so far."""

    def __init__(self, file: str, declared: Format) -> None:
        self.file = file
        self.declared = declared
        self.header: tuple[str, ...] = ()
        self.delimiter = ""
        self.multibyte: str | None = None
        self.n_rows = 0

    @property
    def encoding(self) -> str:
        return self.multibyte or "utf-8"

    def take_header(self, raw: bytes) -> None:
        self._plain_bytes(raw, 0)
        text = self._decoded(raw.removeprefix(_BOM), 0).rstrip("\r\n")
        if not text.strip():
            raise RefusedFileError(self.file, "empty_file", "the file has no header")
        self.delimiter = self._find_delimiter(text)
        try:
            names = next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except csv.Error:
            raise RefusedFileError(self.file, "quotes", "a quote is misplaced", rows=[0]) from None
        self.header = tuple(names)

    def take(self, block: bytes) -> None:
        """Proves the rows of one block, and counts them."""
        if not block:
            return
        self._plain_bytes(block, self.n_rows + 1)
        if not block.isascii():
            self._decoded(block, self.n_rows + 1)
        if b'"' in block:
            self.n_rows += self._quoted_rows(block)
        else:
            self.n_rows += self._plain_rows(block)

    def _plain_bytes(self, block: bytes, first_row: int) -> None:
        if (at := block.find(b"\0")) >= 0:
            raise RefusedFileError(
                self.file,
                "nul_bytes",
                "NUL bytes: a binary file, or text in UTF-16",
                rows=[first_row + block.count(b"\n", 0, at)],
            )
        if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
            at = re.search(rb"\r(?!\n)", block).start()  # type: ignore[union-attr]
            raise RefusedFileError(
                self.file,
                "line_ends",
                "a line ends in a bare carriage return; save with CRLF or LF line ends",
                rows=[first_row + block.count(b"\n", 0, at)],
            )

    def _decoded(self, block: bytes, first_row: int) -> str:
        """The text of a block in the file's one encoding: strict UTF-8, else Windows-1252."""
        text = None
        if self.multibyte != "windows-1252":
            try:
                text = block.decode("utf-8")
                if not block.isascii():
                    self.multibyte = "utf-8"
            except UnicodeDecodeError as error:
                if self.multibyte == "utf-8" or self.declared.encoding == "utf-8":
                    self._undecodable(block, error.start, first_row, "a byte that is not UTF-8")
        if text is None:
            text = self._legacy(block, first_row)
            self.multibyte = "windows-1252"
        encoded = block if self.multibyte == "utf-8" else text.encode()
        if any(lead in encoded for lead in _GARBLED_LEADS) and (found := _GARBLED.search(text)):
            row = first_row + text.count("\n", 0, found.start())
            raise RefusedFileError(
                self.file, "garbled_text", "letters decoded wrongly before delivery", rows=[row]
            )
        return text

    def _legacy(self, block: bytes, first_row: int) -> str:
        """Windows-1252; undeclared only where every byte means the same in ISO-8859-1."""
        if self.declared.encoding is None and (found := re.search(rb"[\x80-\x9f]", block)):
            what = "not UTF-8, and another encoding must be declared in [format]"
            self._undecodable(block, found.start(), first_row, what)
        try:
            return block.decode("windows-1252")
        except UnicodeDecodeError as error:
            what = "a byte that Windows-1252 does not know"
            self._undecodable(block, error.start, first_row, what)

    def _undecodable(self, block: bytes, at: int, first_row: int, what: str) -> NoReturn:
        row = first_row + block.count(b"\n", 0, at)
        raise RefusedFileError(self.file, "encoding", what, rows=[row])

    def _find_delimiter(self, header: str) -> str:
        unquoted = re.sub('"[^"]*"', "", header)
        found = [sign for sign in (self.declared.delimiter or ",;") if sign in unquoted]
        if len(found) == 1:
            return found[0]
        what = (
            "the header holds commas and semicolons; declare the delimiter in [format]"
            if found
            else "the header is one column; comma or semicolon, as declared, must separate columns"
        )
        raise RefusedFileError(self.file, "wrong_delimiter", what, rows=[0])

    def _plain_rows(self, block: bytes) -> int:
        """Rows of a block without quotes: nothing but delimiters and line ends is left of it."""
        delimiter = self.delimiter.encode()
        others = bytes(set(range(256)) - {_NEWLINE, delimiter[0]})
        left = block.translate(None, others) + (b"" if block.endswith(b"\n") else b"\n")
        n_rows = left.count(b"\n")
        if left != (delimiter * (len(self.header) - 1) + b"\n") * n_rows:
            widths = [part.count(delimiter) + 1 for part in left.split(b"\n")[:-1]]
            self._ragged(np.array(widths))
        return n_rows

    def _quoted_rows(self, block: bytes) -> int:
        """Rows of a block with quotes: delimiters and line ends count outside quotes only."""
        letters = np.frombuffer(block, np.uint8)
        outside = ~_inside_quotes(letters)
        ends = np.flatnonzero((letters == _NEWLINE) & outside)
        self._quotes_in_place(letters, outside, ends)
        if not block.endswith(b"\n"):
            ends = np.append(ends, len(letters))
        delimiters = np.flatnonzero((letters == ord(self.delimiter)) & outside)
        widths = np.diff(np.searchsorted(delimiters, ends), prepend=0) + 1
        if (widths != len(self.header)).any():
            self._ragged(widths)
        return len(ends)

    def _quotes_in_place(
        self,
        letters: npt.NDArray[np.uint8],
        outside: npt.NDArray[np.bool_],
        ends: npt.NDArray[np.intp],
    ) -> None:
        """A quote opens at the start of a field, closes at its end, and is doubled within."""
        quotes = np.flatnonzero(letters == _QUOTE)
        opens = ~outside[quotes]
        framed = np.concatenate(([_NEWLINE], letters, [_NEWLINE]))
        neighbour = np.where(opens, framed[quotes], framed[quotes + 2])
        wrong = ~np.isin(neighbour, [ord(self.delimiter), _NEWLINE, _RETURN, _QUOTE])
        if wrong.any() or not outside[-1]:
            at = quotes[wrong][0] if wrong.any() else quotes[-1]
            row = self.n_rows + 1 + int(np.searchsorted(ends, at))
            what = "a quote is not closed, or stands within a field undoubled"
            raise RefusedFileError(self.file, "quotes", what, rows=[row])

    def _ragged(self, widths: npt.NDArray[np.intp]) -> NoReturn:
        wrong = np.flatnonzero(widths != len(self.header))
        what = f"{counted(widths[wrong[0]], 'field')} where the header has {len(self.header)}"
        if self.delimiter == "," and widths[wrong[0]] > len(self.header):
            what += "; a decimal comma in a comma-separated file does this"
        rows = [self.n_rows + 1 + int(row) for row in wrong]
        raise RefusedFileError(self.file, "ragged_row", what, rows=rows)
