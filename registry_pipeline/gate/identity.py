"""The scanner for national identity numbers.

Belongs here: how Norwegian, Danish and Swedish numbers are built and written, and finding them in
a column (domain notes, section 5). Does not belong here: what happens to a row that holds one.

A column costs the length of its cells and one regular expression; only texts with ten digits or
more, near each other, are looked at in Python. Which ways of writing count is ADR 0055.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import polars as pl

SUSPECT: Final = r"[0-9](?:[^0-9A-Za-z]{0,4}[0-9]){9}|[^\P{N}0-9]|\p{Cf}"
"""All that the scanner takes and more, for engines of regular expressions that know Unicode.

Ten digits with few signs between; Python looks at digits of other scripts and invisible signs.
"""

_LEAST_BYTES: Final = 10
_GAP: Final = r"[\W_]{1,4}"
RUN: Final = re.compile(rf"[0-9](?:(?:{_GAP})?[0-9]){{9,}}")
"""Ten digits or more of a folded text, in groups that up to four signs part; no letters."""

_GROUP: Final = re.compile("[0-9]+")
_GAPS: Final = re.compile(_GAP)
_SIGNS: Final = re.compile(r"[\W_]")
_LISTING: Final = re.compile(r"[,;:|\t\r\n]")
_FLOAT_TAIL: Final = re.compile(r"(?<=[0-9]{10})[.,]0+$")
_POWER: Final = re.compile(r"([0-9])[.,]([0-9]{9,10})[eE]\+?(?:0?9|10)(?![0-9])")

_MOST_BEFORE_POINT: Final = 5
"""A longer row of digits may be the decimals of a measured number that is not large."""

_K1: Final = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
_K2: Final = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)

_ELEVEN: Final = {(6, 5), (6, 3, 2), (2, 2, 2, 5), (2, 2, 2, 3, 2)}
_LOST_ZERO: Final = {(5, 5), (5, 3, 2), (1, 2, 2, 5), (1, 2, 2, 3, 2)}
_THOUSANDS: Final = {(2, 3, 3, 3), (1, 3, 3, 3)}
_TEN: Final = {(6, 4), (2, 2, 2, 4)}
_TWELVE: Final = {(8, 4), (4, 2, 2, 4)}
"""Lengths of the groups that a number is written in."""


def find_identity(series: pl.Series) -> pl.Series:
    """Which cells hold an identity number, alone or inside longer text.

    Args:
        series: text, or a number column, which is read as text.

    Returns:
        One boolean per cell, never null: a null cell holds none.
    """
    texts = series.cast(pl.String)
    long = texts.filter(texts.str.len_bytes() >= _LEAST_BYTES)
    suspects = long.filter(long.str.contains(SUSPECT)).unique()
    held = pl.Series([text for text in suspects if holds_identity(text)], dtype=pl.String)
    return texts.is_in(held.implode()).fill_null(value=False)


def holds_identity(text: str) -> bool:
    """Whether a text holds an identity number of Norway, Denmark or Sweden.

    The digits may be of any script, and in groups parted by up to four signs that are neither
    letters nor digits; invisible signs count for nothing. Read as numbers: 11 digits (Norwegian),
    10 digits (a lost leading zero, Danish, Swedish), 12 digits (Swedish with century), and any 11
    digits within a longer unbroken run (an id built of a number and a date). Danish numbers carry
    no sure check digit since 2007, so any ten digits that begin with a day and a month are taken
    for one: a false alarm is looked at, a miss is not.
    """
    return any(run_holds_identity(run.group()) for run in RUN.finditer(folded(text)))


def folded(text: str) -> str:
    """A text with every script's digits as 0 to 9, without invisible signs and powers of ten."""
    return _POWER.sub(_written_out, text if text.isascii() else text.translate(_FOLDED))


def run_holds_identity(run: str) -> bool:
    """Whether a run of groups of digits, folded, holds an identity number."""
    groups, gaps = _GROUP.findall(run), _GAPS.findall(run)
    if any(map(_within, groups)):
        return gaps not in (["."], [","]) or len(groups[0]) > _MOST_BEFORE_POINT
    for first in range(len(groups)):
        n_digits = 0
        for last in range(first, len(groups)):
            n_digits += len(groups[last])
            if n_digits > 12:
                break
            if n_digits >= 10 and _is_identity(
                groups[first : last + 1],
                gaps[first:last],
                is_alone=last - first + 1 == len(groups),
            ):
                return True
    return False


class _Folding(dict[int, str]):
    """What each sign is folded to, learnt as signs are met."""

    def __missing__(self, point: int) -> str:
        sign = chr(point)
        kind = unicodedata.category(sign)
        if kind == "Cf":
            sign = ""
        elif kind[0] == "N":
            plain = unicodedata.normalize("NFKC", sign)
            sign = "".join(str(int(one)) if one.isdecimal() else one for one in plain)
        self[point] = sign
        return sign


_FOLDED: Final = _Folding()


def _written_out(power: re.Match[str]) -> str:
    """1.5076500565e10 as the whole number that it is."""
    exponent = int(re.split("[eE]", power.group())[1])
    return (power[1] + power[2]).ljust(exponent + 1, "0")


def is_national_id(text: str) -> bool:
    """Whether a text is a valid Norwegian identity number in any way of writing it."""
    return normalise_national(text) is not None


def normalise_national(text: str) -> str | None:
    """The 11 digits of a Norwegian identity number; None where the text is not a valid one.

    Whatever is neither letter nor digit is taken out, the tail of a float ("1507650056.0") too, and
    a lost leading zero is given back, which the check digits prove.
    """
    digits = _SIGNS.sub("", _FLOAT_TAIL.sub("", folded(text).strip()))
    if not re.fullmatch("[0-9]{10,11}", digits):
        return None
    digits = digits.zfill(11)
    return digits if _norwegian(digits) else None


def is_synthetic(digits: str) -> bool:
    """Whether 11 digits are a number made for tests: the month is raised by 80."""
    return digits[0] not in "89" and int(digits[2:4]) > 80


def _is_identity(groups: list[str], gaps: list[str], *, is_alone: bool) -> bool:
    digits = "".join(groups)
    shape = tuple(len(group) for group in groups)
    is_whole = len(groups) == 1
    if len(digits) == 11:
        return (is_whole or _is_parted(shape, gaps, is_alone=is_alone)) and _norwegian(digits)
    if len(digits) == 12:
        is_written = is_whole or (shape in _TWELVE and is_alone and _is_dated(gaps))
        return is_written and digits[:2] in ("18", "19", "20") and _swedish(digits[2:])
    is_norwegian = is_whole or (shape in _LOST_ZERO and is_alone) or _is_thousands(shape, gaps)
    is_neighbour = is_whole or (
        shape in _TEN and _is_dated(gaps) and (is_alone or not _LISTING.search(gaps[-1]))
    )
    return (is_norwegian and _norwegian("0" + digits)) or (
        is_neighbour and (_is_day(int(digits[:2]), int(digits[2:4])) or _swedish(digits))
    )


def _is_parted(shape: tuple[int, ...], gaps: list[str], *, is_alone: bool) -> bool:
    """Whether groups of eleven digits are those of a number: as a rule, or since they stand alone.

    Alone, any groups will do that are parted alike, or digits one by one, but neither a list's
    items nor a decimal number. Among other numbers a list's sign may only follow the birth date.
    """
    if _is_thousands(shape, gaps):
        return True
    if shape in _ELEVEN:
        n_date = 0 if shape[0] == 6 else 2
        return is_alone or (
            _is_dated(gaps[: n_date + 1]) and not any(map(_LISTING.search, gaps[n_date + 1 :]))
        )
    is_even = len(shape) == 11 or (len({*gaps}) == 1 and gaps != ["."])
    return is_alone and is_even and not any(map(_LISTING.search, gaps))


def _is_dated(gaps: list[str]) -> bool:
    """Whether all gaps but the last, which follows the date, part a date: alike, and no list."""
    return len({*gaps[:-1]}) <= 1 and not any(map(_LISTING.search, gaps[:-1]))


def _is_thousands(shape: tuple[int, ...], gaps: list[str]) -> bool:
    return shape in _THOUSANDS and len({*gaps}) == 1 and len(gaps[0]) == 1


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
