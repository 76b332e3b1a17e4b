"""The words of a page: cells, tables and notes in Markdown.

Belongs here: how a number, an interval and each kind of absence is written.
Does not belong here: what is hidden (see `disclosure`) and which numbers a page shows.

Four absences are told apart: `<5` a small count, `hidden` hidden to protect a count, `–` missing,
`n/a` not computable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from registry_pipeline.charts.svg import Spec
from schemas.codes import CodeList
from schemas.protocol import Disclosure

HIDDEN: Final = "hidden"
MISSING: Final = "–"
NOT_COMPUTABLE: Final = "n/a"
REFUSED: Final = "refused"
ABSENCES: Final = (HIDDEN, MISSING, NOT_COMPUTABLE, REFUSED)
TOGETHER: Final = "too few to show apart"
CAUTION: Final = "Association, not effect / sammenheng, ikke effekt"
ASSOCIATION: Final = (
    f"**{CAUTION}**: patients and clinicians choose the pathway, so a difference between pathways "
    "does not say that one works better."
)
_NUMBER: Final = re.compile(r"[<+−-]?\d[\d.,]*( |$)")  # a date and an age group are none
LEAST_P: Final = 0.001
"""A smaller p value is not told apart from others as small."""

LOW_COVERAGE: Final = "Pilot cohort, low coverage / pilotkohort, lav dekning"


@dataclass(frozen=True)
class Section:
    """What a page says of one cohort.

    Attributes:
        words: one paragraph, English: what is shown, its denominator and what is missing.
        norwegian: the same in one Norwegian sentence.
        table: the numbers, as a Markdown table.
        chart: makes the chart of the shown rows; null for a page of numbers only.
        shown: the rows the chart draws, hidden numbers taken out; without rows none is drawn.
        caution: a line that goes with the chart wherever it is shown.
        notes: what was left out, and why.
    """

    words: str
    norwegian: str
    table: str
    chart: Callable[[pl.DataFrame], Spec] | None = None
    shown: pl.DataFrame = field(default_factory=pl.DataFrame)
    caution: str = ""
    notes: Sequence[str] = ()


def english(codes: CodeList) -> dict[str, str]:
    """Code to English label."""
    return {code: label for code, (_, label) in codes.labels.items()}


def capital(label: str) -> str:
    """A label as a heading; capitals inside it stay."""
    return label[:1].upper() + label[1:]


def headings(codes: CodeList) -> dict[str, str]:
    """Code to the heading of a panel: English, and Norwegian on the next line."""
    return {code: f"{capital(en)}|{capital(nb)}" for code, (nb, en) in codes.labels.items()}


def count(value: int | None, rule: Disclosure) -> str:
    """A count; small ones, and those taken out of the frame, are hidden."""
    if value is None:
        return HIDDEN
    return f"<{rule.min_count}" if 0 < value < rule.min_count else str(value)


def number(value: float | None, absent: str = HIDDEN) -> str:
    """A number to one decimal."""
    return absent if value is None else f"{value:.1f}"


def percent(value: float | None, absent: str = HIDDEN, decimals: int = 0) -> str:
    """A share as a percentage."""
    return absent if value is None else f"{100 * value:.{decimals}f} %"


def point(value: float | None, absent: str = HIDDEN) -> str:
    """A share of a control chart: to a decimal, so that a signal is seen to lie outside."""
    return percent(value, absent, decimals=1)


def share(value: float | None, low: float | None, high: float | None, absent: str = HIDDEN) -> str:
    """A share and its interval in one cell; without an interval, the share alone."""
    if value is None or low is None or high is None:
        return percent(value, absent)
    return f"{percent(value)} ({100 * low:.0f}–{100 * high:.0f})"


def p_value(value: float | None, absent: str = MISSING) -> str:
    """A p value to three decimals; a smaller one says that it is."""
    if value is None:
        return absent
    return "<0.001" if value < LEAST_P else f"{value:.3f}"


def absent(denominator: int) -> str:
    """Why an estimate is not there: nothing to compute it of, or hidden."""
    return HIDDEN if denominator else NOT_COMPUTABLE


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: columns of numbers to the right, of words and the first to the left.

    Without rows there is none.
    """
    body = list(rows)
    if not body:
        return ""
    columns = list(zip(*body, strict=True))
    rule = ["---", *("--:" if _is_numbers(column) else "---" for column in columns[1:])]
    lines = [headers, rule, *body]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _is_numbers(column: Sequence[str]) -> bool:
    """Whether every cell is a number, maybe with words after it, or says why there is none."""
    told = (cell for cell in column if cell and not cell.startswith(ABSENCES))
    return all(map(_NUMBER.match, told))


def parts_note(rule: Disclosure) -> str:
    """The note on parts of a whole that are hidden or drawn together."""
    return (
        f"Parts of a whole with 1 to {rule.min_count - 1} people are hidden with the next "
        f"smallest, so that the total does not give them back; drawn, they are “{TOGETHER}”."
    )


def legend(rule: Disclosure) -> str:
    """The note that explains the absences."""
    return (
        f"`<{rule.min_count}` and `{HIDDEN}`: hidden, too few people, or it would give such a "
        f"number away; `{MISSING}`: missing; `{NOT_COMPUTABLE}`: not computable. No percentage is "
        f"given of fewer than {rule.min_percentage_denominator}."
    )
