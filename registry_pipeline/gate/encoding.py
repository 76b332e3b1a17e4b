"""The one encoding of a delivered text file.

Belongs here: telling UTF-8 from Windows-1252 without a guess, and the signs of text that was
decoded wrongly before it was delivered. Does not belong here: rows and columns (`structure`).
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from registry_pipeline.gate.errors import RefusedFileError

_MARKS: Final = bytes(range(0x80, 0xC0)).decode("windows-1252", errors="ignore")
_GARBLED: Final = re.compile(f"[\ufffd\u0080-\u009f]|[\u00c2\u00c3][\u0080-\u00bf{_MARKS}]")
"""U+FFFD, a C1 control, or two letters that are the UTF-8 bytes of one."""

_GARBLED_LEADS: Final = (b"\xef\xbf\xbd", b"\xc2", b"\xc3\x82", b"\xc3\x83")
"""How each of these begins in UTF-8: texts without them are spared the slower search."""


class TextEncoding:
    """UTF-8 or Windows-1252, learned from the first bytes that tell and kept for the file.

    Strict UTF-8 is tried first, whatever is declared. What is not UTF-8 is Windows-1252 where that
    is declared; undeclared only where every byte means the same in ISO-8859-1, since 0x80-0x9F are
    letters in the older Nordic code pages.
    """

    def __init__(self, file: str, declared: str | None) -> None:
        self._file = file
        self._declared = declared
        self._name: str | None = None

    def proved(self, block: bytes, first_row: int) -> bytes:
        """A block as UTF-8, proved to decode and to hold no garbled text.

        Args:
            block: whole records.
            first_row: the number of the block's first row, for the message.

        Raises:
            RefusedFileError: a byte does not decode, or text was decoded wrongly before.
        """
        if block.isascii():
            return block
        if self._name is None:
            self._name = "utf-8" if self._is_utf8(block, first_row) else "windows-1252"
        text = self._text(block, first_row)
        utf8 = block if self._name == "utf-8" else text.encode()
        if any(lead in utf8 for lead in _GARBLED_LEADS) and (found := _GARBLED.search(text)):
            row = first_row + text.count("\n", 0, found.start())
            what = "letters decoded wrongly before delivery"
            raise RefusedFileError(self._file, "garbled_text", what, rows=[row])
        return utf8

    def utf8(self, block: bytes) -> bytes:
        """A block that was proved before, as UTF-8."""
        return block.decode(self._name).encode() if self._name == "windows-1252" else block

    def _is_utf8(self, block: bytes, first_row: int) -> bool:
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            if self._declared == "utf-8":
                self._refuse(block, error.start, first_row, "a byte that is not UTF-8")
            return False
        return True

    def _text(self, block: bytes, first_row: int) -> str:
        undeclared = self._name == "windows-1252" and self._declared is None
        if undeclared and (found := re.search(rb"[\x80-\x9f]", block)):
            what = "not UTF-8, and another encoding must be declared in [format]"
            self._refuse(block, found.start(), first_row, what)
        try:
            return block.decode(self._name or "utf-8")
        except UnicodeDecodeError as error:
            known = "UTF-8" if self._name == "utf-8" else "Windows-1252"
            self._refuse(block, error.start, first_row, f"a byte that is not {known}")

    def _refuse(self, block: bytes, at: int, first_row: int, what: str) -> NoReturn:
        row = first_row + block.count(b"\n", 0, at)
        raise RefusedFileError(self._file, "encoding", what, rows=[row])
