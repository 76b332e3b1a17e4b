"""Identity numbers (domain notes, section 5): what is one, in every way of writing it.

Norwegian: DDMMYY, three digits, k1 and k2. With weights 3 7 6 1 8 9 4 5 2 1 over the first ten
digits the sum leaves 0 by 11, and from 2032 also 1, 2 or 3; with 5 4 3 2 7 6 5 4 3 2 1 over all
eleven it leaves 0. Every number here is made by this arithmetic; none is anybody's.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from registry_pipeline.gate.identity import (
    find_identity,
    holds_identity,
    is_national_id,
    normalise_national,
)

K1 = (3, 7, 6, 1, 8, 9, 4, 5, 2)
K2 = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def rest(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11


def norwegian(nine: str, k1_rest: int = 0) -> str | None:
    """Nine digits with their check digits; None where a check digit would be 10."""
    k1 = (k1_rest - rest(nine, K1)) % 11
    k2 = -rest(nine + str(k1), K2) % 11 if k1 < 10 else 10
    return None if 10 in (k1, k2) else f"{nine}{k1}{k2}"


def swedish(nine: str) -> str:
    """Nine digits with their Luhn digit."""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(nine)]
    return nine + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def first(stem: str, k1_rest: int = 0) -> str:
    """The first number that begins with six digits and has whole check digits."""
    made = (norwegian(f"{stem}{number:03}", k1_rest) for number in range(1000))
    return next(number for number in made if number)


BORN = "150765"
KINDS = {
    "birth number": first(BORN),
    "D-number, day + 40": first("550765"),
    "H-number, month + 40": first("154765"),
    "synthetic, month + 80": first("158765"),
    "synthetic D-number": first("558765"),
    "FH-number, begins with 8": first("812345"),
    "FH-number, begins with 9": first("998877"),
    "a leap day": first("290200"),
    "from 2032, k1 leaves 1": first(BORN, 1),
    "from 2032, k1 leaves 2": first(BORN, 2),
    "from 2032, k1 leaves 3": first(BORN, 3),
}
NUMBER = first(BORN)
EARLY = first("050765")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_norwegian_number(kind: str) -> None:
    number = KINDS[kind]
    assert is_national_id(number)
    assert holds_identity(number)


DAY, REST = NUMBER[:6], NUMBER[6:]
PAIRS = (NUMBER[:2], NUMBER[2:4], NUMBER[4:6])
WRITTEN = {
    "plain": NUMBER,
    "spaced": f"{DAY} {REST}",
    "in pairs": f"{' '.join(PAIRS)} {NUMBER[6:9]} {NUMBER[9:]}",
    "dotted": f"{'.'.join(PAIRS)}.{REST}",
    "dotted throughout": f"{'.'.join(PAIRS)}.{NUMBER[6:9]}.{NUMBER[9:]}",
    "dotted date, dash": f"{'.'.join(PAIRS)}-{REST}",
    "slashed date, space": f"{'/'.join(PAIRS)} {REST}",
    "dashed": f"{DAY}-{REST}",
    "spaced dash": f"{DAY} - {REST}",
    "two dashes": f"{DAY} -- {REST}",
    "two spaces": f"{DAY}  {REST}",
    "in brackets": f"{DAY}({REST})",
    "control digits apart": f"{DAY} {NUMBER[6:9]} {NUMBER[9:]}",
    "digit by digit": " ".join(NUMBER),
    "digit by digit, with a dash": f"{' '.join(DAY)} - {' '.join(REST)}",
    "parted where no rule does": f"{NUMBER[:4]} {NUMBER[4:]}",
    "thousands": f"{NUMBER[:2]},{NUMBER[2:5]},{NUMBER[5:8]},{NUMBER[8:]}",
    "float": f"{NUMBER}.0",
    "power of ten": f"{NUMBER[0]}.{NUMBER[1:]}e10",
    "padded": f"  {NUMBER} ",
    "full-width digits": "".join(chr(0xFF10 + int(digit)) for digit in NUMBER),
    "Arabic-Indic digits": "".join(chr(0x0660 + int(digit)) for digit in NUMBER),
    "raised digits": f"{DAY}{REST.translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}",
    "invisible between all": "\u200b".join(NUMBER),
    **{
        f"{name} between": f"{DAY}{sign}{REST}"
        for name, sign in {
            "tab": "\t",
            "line end": "\n",
            "Windows line end": "\r\n",
            "non-breaking space": "\u00a0",
            "thin space": "\u2009",
            "figure space": "\u2007",
            "zero-width space": "\u200b",
            "word joiner": "\u2060",
            "soft hyphen": "\u00ad",
            "minus": "\u2212",
            "en dash": "\u2013",
        }.items()
    },
    **{f"{sign} between": f"{DAY}{sign}{REST}" for sign in "_:|;=*&\\',./+#"},
}


@pytest.mark.parametrize("way", WRITTEN)
def test_every_way_of_writing_is_one_number(way: str) -> None:
    assert normalise_national(WRITTEN[way]) == NUMBER
    assert holds_identity(WRITTEN[way])


def test_a_lost_leading_zero_is_given_back() -> None:
    assert EARLY[0] == "0"
    apart = f"{EARLY[1:6]} {EARLY[6:]}"
    for text in (EARLY[1:], f"{EARLY[1:]}.0", f"{EARLY[1:]},0", apart):
        assert normalise_national(text) == EARLY
        assert holds_identity(text)


ELSEWHERE = {
    "Danish, dashed": "150765-4321",
    "Danish, plain": "1507654321",
    "Danish, two spaces": "150765  4321",
    "Danish, line end": "150765\n4321",
    "Danish, dotted": "15.07.65-4321",
    "Danish, as a float": "1507654321.0",
    "Swedish, plain": swedish("650715123"),
    "Swedish, dashed": f"{swedish('650715123')[:6]}-{swedish('650715123')[6:]}",
    "Swedish, over a hundred": f"{swedish('150715123')[:6]}+{swedish('150715123')[6:]}",
    "Swedish, with century": "19" + swedish("650715123"),
    "Swedish, with century and dash": f"19{swedish('650715123')[:6]}-{swedish('650715123')[6:]}",
    "Swedish coordination number, day + 60": swedish("650775124"),
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_numbers_of_the_neighbours_are_found_and_are_no_national_id(kind: str) -> None:
    assert holds_identity(ELSEWHERE[kind])
    assert not is_national_id(ELSEWHERE[kind])


INSIDE = [
    f"ring {NUMBER} etter kl 12",
    f"fnr:{NUMBER}",
    f"tlf 98765432 {DAY} {REST}",
    f"98765432, 2014-05-01; {DAY};{REST}, 12",
    f"1) {WRITTEN['in pairs']} 2) 98765432",
    f"{NUMBER}-2014",
    f"20140501{NUMBER}",
    f"{NUMBER}0001",
    f"a{NUMBER}b",
]


@pytest.mark.parametrize("text", INSIDE)
def test_a_number_inside_longer_text(text: str) -> None:
    assert holds_identity(text)


NONE = [
    "",
    "P1",
    "15076",
    "98765432",
    "+47 98 76 54 32",
    "4798765432",
    "974557746",
    "2014-05-01",
    "01.05.2014",
    "2014-05-01 12:30:45",
    "0.12345678",
    "12345678901",
    "00000000000",
    "11111111111",
    "abcdefghijklmnopabcdefghijklmnop",
    NUMBER[:-1] + str((int(NUMBER[-1]) + 1) % 10),
    norwegian("320765123") or "32076512300",
    norwegian("151365123") or "15136512300",
]


@pytest.mark.parametrize("text", NONE)
def test_texts_that_hold_none(text: str) -> None:
    assert not holds_identity(text)
    assert not is_national_id(text)


DAYS = [date(2010, 1, 1) + timedelta(days=day) for day in range(2000)]
LISTS = {
    "digits": [", ".join(NUMBER)],
    "numbers, of which some could be one": [
        f"7{sign}{sign.join(PAIRS)}{sign}{REST}" for sign in (",", ", ", ";", "\t", "\n", " | ")
    ],
    "small numbers": [
        " ".join(str((start + 7 * at) % 100) for at in range(40)) for start in range(50)
    ],
    "a decimal number": [f"{NUMBER[:4]}.{NUMBER[4:]}", f"0.{NUMBER}99", f"-3.{NUMBER}1"],
    "decimal numbers": [
        " ".join(f"{(start + at) / 7:.3f}" for at in range(200)) for start in range(50)
    ],
    "dates": [f"{one} {other}" for one, other in pairwise(DAYS)],
    "dates, dotted": [f"{one:%d.%m.%Y} {other:%d.%m.%Y}" for one, other in pairwise(DAYS)],
    "dates, short": [f"{one:%d.%m.%y} {other:%d.%m.%y}" for one, other in pairwise(DAYS)],
    "times": [f"{one} 10:05:45.{place:03}" for place, one in enumerate(DAYS[:1000])],
    "times with a zone": [f"{one}T{place % 24:02}:05:45+0200" for place, one in enumerate(DAYS)],
    "a date and a pressure": [
        f"{one:%d.%m.%Y} {place % 90 + 90}/80" for place, one in enumerate(DAYS)
    ],
    "telephone numbers": [
        f"+47 {99 - at % 90} {at % 100:02} 12 34, 22 0{at % 10} 56 78" for at in range(500)
    ],
    "lines of a file": [
        f"{at},{one},{at % 40},{at % 28},,{at % 7},{(at * 37) % 1000}.5"
        for at, one in enumerate(DAYS)
    ],
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_ordinary_numbers_hold_none(kind: str) -> None:
    assert [text for text in LISTS[kind] if holds_identity(text)] == []


@given(
    gaps=st.lists(
        st.text(st.sampled_from(" .-/\u00a0\u2009\u2212\u200b_"), max_size=3), min_size=2
    ),
    digits=st.sampled_from(["0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩"]),
    around=st.text(st.characters(codec="utf-8"), max_size=5),
)
def test_what_python_finds_no_engine_passes_over(gaps: list[str], digits: str, around: str) -> None:
    text = f"{gaps[0].join(PAIRS)}{gaps[1]}{REST}".translate(str.maketrans("0123456789", digits))
    text = f"{around}a {text}"
    assert holds_identity(text)
    assert find_identity(pl.Series([text])).to_list() == [True]


def test_a_column_is_scanned_cell_by_cell() -> None:
    cells = ["ward 4", None, NUMBER, "", f"se {WRITTEN['spaced']}", "P1"]
    assert find_identity(pl.Series(cells)).to_list() == [False, False, True, False, True, False]
    assert find_identity(pl.Series([None, None], dtype=pl.String)).to_list() == [False, False]
    assert find_identity(pl.Series([], dtype=pl.String)).to_list() == []


def test_a_column_of_numbers_is_scanned_too() -> None:
    assert find_identity(pl.Series([7, int(EARLY), None])).to_list() == [False, True, False]
    assert find_identity(pl.Series([7.5, float(NUMBER)])).to_list() == [False, True]


nine_digits = st.tuples(
    st.integers(1, 28), st.integers(1, 12), st.integers(0, 99), st.integers(0, 999)
).map(lambda parts: "{:02}{:02}{:02}{:03}".format(*parts))


@given(nine=nine_digits, k1_rest=st.integers(0, 3))
def test_numbers_made_by_the_rule_are_found(nine: str, k1_rest: int) -> None:
    number = norwegian(nine, k1_rest)
    assume(number is not None)
    assert number
    assert normalise_national(number) == number


@given(nine=nine_digits, k1_rest=st.integers(4, 10))
def test_no_other_rest_of_k1_will_do(nine: str, k1_rest: int) -> None:
    number = norwegian(nine, k1_rest)
    assume(number is not None)
    assert number
    assert not is_national_id(number)


@given(nine=nine_digits, place=st.integers(0, 10), by=st.integers(1, 9))
def test_one_wrong_digit_is_always_seen_by_k2(nine: str, place: int, by: int) -> None:
    number = norwegian(nine)
    assume(number is not None)
    assert number
    wrong = str((int(number[place]) + by) % 10)
    assert not is_national_id(number[:place] + wrong + number[place + 1 :])


@given(nine=nine_digits, place=st.integers(0, 8), by=st.integers(1, 9))
def test_one_wrong_digit_is_always_seen_by_luhn(nine: str, place: int, by: int) -> None:
    number = swedish(nine[4:6] + nine[2:4] + nine[:2] + nine[6:])
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    assert holds_identity(number[:6] + "+" + number[6:])
    assert swedish(wrong[:9]) != wrong
