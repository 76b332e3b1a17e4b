"""Scores of the instruments (domain notes, section 4): answers and what they add up to.

A dash is an item that was not answered.
"""

from typing import Any

import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.transform.scores import AUDIT_C, DUDIT, HSCL10, scores

HSCL_10 = """
# the mean of the answered items, of which there are at least 8
answers              score
1 1 1 1 1 1 1 1 1 1  1
4 4 4 4 4 4 4 4 4 4  4
1 2 3 4 1 2 3 4 1 2  23/10
1 2 3 4 1 2 3 4 1 -  21/9
1 2 3 4 1 2 3 4 - -  20/8
- - 4 1 2 3 4 1 2 1  18/8
1 2 3 4 1 2 3 - - -  -
- - - - - - - - - -  -
"""

AUDIT = """
# the sum, of all three
answers  score
0 0 0    0
4 4 4    12
1 2 3    6
1 2 -    -
- - -    -
"""

DRUGS = """
# the sum, of all eleven; the last two take 0, 2 or 4
answers                score
0 0 0 0 0 0 0 0 0 0 0  0
4 4 4 4 4 4 4 4 4 4 4  44
1 2 3 4 0 1 2 3 4 2 4  26
1 2 3 4 0 1 2 3 4 2 -  -
- - - - - - - - - - -  -
"""


def cells(table: str) -> list[list[str]]:
    """The lines of a table below its heading, without remarks: answers and score."""
    lines = [line for line in table.strip().splitlines() if not line.startswith("#")]
    return [line.rsplit(maxsplit=1) for line in lines[1:]]


def score(name: str, items: tuple[str, ...], answers: str) -> Any:
    given = dict(zip(items, answers.split(), strict=True))
    row = dict.fromkeys((*HSCL10, *AUDIT_C, *DUDIT))
    row |= {item: None if cell == "-" else int(cell) for item, cell in given.items()}
    frame = nw.from_native(pl.LazyFrame([row], schema=dict.fromkeys(row, pl.Int32)))
    return frame.select(*scores()).collect("polars").to_native()[name].item()


@pytest.mark.parametrize(("answers", "expected"), cells(HSCL_10))
def test_hscl_10(answers: str, expected: str) -> None:
    total, _, n = expected.partition("/")
    mean = None if expected == "-" else int(total) / int(n or 1)
    assert score("hscl10_score", HSCL10, answers) == mean


@pytest.mark.parametrize(("answers", "expected"), cells(AUDIT))
def test_audit_c(answers: str, expected: str) -> None:
    total = None if expected == "-" else int(expected)
    assert score("audit_c_score", AUDIT_C, answers) == total


@pytest.mark.parametrize(("answers", "expected"), cells(DRUGS))
def test_dudit(answers: str, expected: str) -> None:
    total = None if expected == "-" else int(expected)
    assert score("dudit_score", DUDIT, answers) == total
