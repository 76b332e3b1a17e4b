"""The scanner for national identity numbers.

Belongs here: how Norwegian, Danish and Swedish numbers are built and written, and finding them in
a column (domain notes, section 5). Does not belong here: what happens to a row that holds one.

A column costs one regular expression; only texts with ten digits or more are looked at in Python.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

_GAP: Final = r"(?:[ \u00a0\u202f]?[.,/+\-\u2010-\u2015][ \u00a0\u202f]?|[ \u00a0\u202f])?"
_RUN: Final = rf"[0-9](?:{_GAP}[0-9]){{9,}}"
_RUN_PATTERN: Final = re.compile(_RUN)
_GROUP: Final = re.compile("[0-9]+")
_FLOAT_TAIL: Final = re.compile(r"(?<=[0-9]{10})[.,]0+$")
_SEPARATORS: Final = re.compile(r"[ .\-/\u00a0\u202f\u2010-\u2015]")

_K1: Final = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
_K2: Final = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
_TEN: Final = {(10,), (6, 4), (2, 2, 2, 4)}
_TWELVE: Final = {(12,), (8, 4), (4, 2, 2, 4)}


def find_identity(series: pl.Series) -> pl.Series:
    """Which cells hold an identity number, alone or inside longer text.

    Args:
        series: text, or a number column, which is read as text.

    Returns:
        One boolean per cell, never null: a null cell holds none.
    """
    texts = series.cast(pl.String)
    suspect = texts.str.contains(_RUN).fill_null(value=False)
    if not suspect.any():
        return suspect
    held = [text for text in texts.filter(suspect).unique() if holds_identity(text)]
    return texts.is_in(held).fill_null(value=False)


def holds_identity(text: str) -> bool:
    """Whether a text holds an identity number of Norway, Denmark or Sweden.

    Digits may stand in groups parted by a space, point, comma, dash or slash. Read as numbers:
    11 digits (Norwegian), 10 digits (a lost leading zero, Danish, Swedish), 12 digits (Swedish
    with century), and any 11 digits within a longer unbroken run (an id built of a number and a
    date). Danish numbers carry no sure check digit since 2007, so any ten digits that begin with a
    day and a month are taken for one: a false alarm is looked at, a miss is not.
    """
    for run in _RUN_PATTERN.finditer(text):
        groups = _GROUP.findall(run.group())
        if any(_within(group) for group in groups):
            return True
        for first in range(len(groups)):
            for last in range(first + 1, len(groups) + 1):
                if _is_identity(groups[first:last]):
                    return True
    return False


def is_national_id(text: str) -> bool:
    """Whether a text is a valid Norwegian identity number in any way of writing it."""
    return normalise_national(text) is not None


def normalise_national(text: str) -> str | None:
    """The 11 digits of a Norwegian identity number; None where the text is not a valid one.

    Spaces, points and dashes are taken out, the tail of a float ("1507650056.0") too, and a lost
    leading zero is given back, which the check digits prove.
    """
    digits = _SEPARATORS.sub("", _FLOAT_TAIL.sub("", text.strip()))
    if not re.fullmatch("[0-9]{10,11}", digits):
        return None
    digits = digits.zfill(11)
    return digits if _norwegian(digits) else None


def is_synthetic(digits: str) -> bool:
    """Whether 11 digits are a number made for tests: the month is raised by 80."""
    return digits[0] not in "89" and int(digits[2:4]) > 80


def _is_identity(groups: list[str]) -> bool:
    digits = "".join(groups)
    lengths = tuple(len(group) for group in groups)
    if len(digits) == 11:
        return _norwegian(digits)
    if len(digits) == 10:
        return _norwegian("0" + digits) or (
            lengths in _TEN and (_is_day(int(digits[:2]), int(digits[2:4])) or _swedish(digits))
        )
    return lengths in _TWELVE and digits[:2] in ("18", "19", "20") and _swedish(digits[2:])


def _within(group: str) -> bool:
    return len(group) > 11 and any(
        _norwegian(group[start : start + 11]) for start in range(len(group) - 10)
    )


def _norwegian(digits: str) -> bool:
    """Birth, D-, H-, synthetic and FH-number alike; k1 by the rule of today and of 2032."""
    if _weighted(digits, _K2) != 0 or _weighted(digits, _K1) > 3:
        return False
    if digits[0] in "89":
        return True
    day, month = int(digits[:2]), int(digits[2:4])
    return _is_day(day % 40 if day > 40 else day, month % 40)


def _swedish(digits: str) -> bool:
    """Personal and coordination number (day + 60): a date and the Luhn digit."""
    day = int(digits[4:6])
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(digits))
    luhn = sum(value // 10 + value % 10 for value in doubled) % 10
    return luhn == 0 and _is_day(day - 60 if day > 60 else day, int(digits[2:4]))


def _is_day(day: int, month: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= (29 if month == 2 else 30 + (month + month // 8) % 2)


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % 11
