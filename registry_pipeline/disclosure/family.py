"""One measure's counts over units and periods, and the sums that tie them to each other.

Belongs here: the shape the suppression and the attacker share.
Does not belong here: choosing what to hide (see `suppress`), recovering it (see `attack`).

A row is a unit in a period: so many are fulfilled, so many are not. What is known of a row is its
exposure: both counts, their sum alone, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
ALL_UNITS = "all"


class Exposure(IntEnum):
    """What a reader is told of a row; the higher, the less."""

    SHOWN = 0
    DENOMINATOR = 1
    NOTHING = 2


@dataclass(frozen=True)
class Relation:
    """Rows that add up to another row, in both counts, and in the words of the log."""

    total: int
    parts: tuple[int, ...]
    words: str

    @property
    def rows(self) -> tuple[int, ...]:
        """The total and its parts."""
        return (self.total, *self.parts)


@dataclass(frozen=True)
class Family:
    """The rows of one measure.

    Attributes:
        fulfilled: the numerator of each row.
        others: the denominator less the numerator.
        relations: which rows add up to which.
        nested: (period, parts of it) whose denominators do not add up but lie within: a person
            counts once in each part and once in the period.
        beside: rows that are hidden wherever a row is, because they are printed in one line.
        unprinted: rows that nobody prints: what is left of a total.
        decided: rows of a table made before, and what is shown of them there.
    """

    fulfilled: IntArray
    others: IntArray
    relations: tuple[Relation, ...]
    nested: tuple[Relation, ...] = ()
    beside: Mapping[int, frozenset[int]] = field(default_factory=dict)
    unprinted: frozenset[int] = frozenset()
    decided: Mapping[int, Exposure] = field(default_factory=dict)

    @cached_property
    def denominator(self) -> IntArray:
        """Both counts together."""
        return self.fulfilled + self.others


Period = tuple[date, date]
Cell = tuple[str, date, date]
"""A unit, and the first and last day of a period."""


def family(cells: Sequence[Cell], fulfilled: IntArray, denominator: IntArray) -> Family:
    """The family of the cells, with every sum that holds among them.

    Units add up to `all` in each period. Periods inside a longer one add up to it, or the last of
    them is it (a state at the end of the year), or they nest in it (a state counts once a quarter
    and once a year): whichever holds for every unit.
    """
    others = denominator - fulfilled
    by_period: dict[Period, dict[str, int]] = {}
    for row, (unit, first, last) in enumerate(cells):
        by_period.setdefault((first, last), {})[unit] = row
    relations = [
        Relation(units[ALL_UNITS], parts, "units add up to all units")
        for units in by_period.values()
        if ALL_UNITS in units
        and (parts := tuple(row for unit, row in units.items() if unit != ALL_UNITS))
    ]
    nested: list[Relation] = []
    for whole, units in by_period.items():
        inside = [period for period in sorted(by_period) if _lies_in(period, whole)]
        spans = [
            (total, tuple(by_period[part][unit] for part in inside if unit in by_period[part]))
            for unit, total in units.items()
        ]
        summed, within = _over_time([span for span in spans if span[1]], fulfilled, others)
        relations += summed
        nested += within
    return Family(fulfilled, others, tuple(relations), tuple(nested))


def _lies_in(period: Period, whole: Period) -> bool:
    return period != whole and whole[0] <= period[0] and period[1] <= whole[1]


def _over_time(
    spans: Sequence[tuple[int, tuple[int, ...]]], fulfilled: IntArray, others: IntArray
) -> tuple[list[Relation], list[Relation]]:
    """How a period's rows follow from those inside it: as sums, or nested, if for every unit."""
    summed = [Relation(total, parts, "quarters add up to the year") for total, parts in spans]
    if all(_adds_up(over, fulfilled, others) for over in summed):
        return summed, []
    last = [Relation(total, parts[-1:], "the year is its last quarter") for total, parts in spans]
    if all(_adds_up(over, fulfilled, others) for over in last):
        return last, []
    within = all(_nests(over, fulfilled + others) for over in summed)
    words = "quarters lie in the year"
    return [], [Relation(over.total, over.parts, words) for over in summed] if within else []


def _adds_up(over: Relation, *counts: IntArray) -> bool:
    parts = list(over.parts)
    return all(int(count[parts].sum()) == int(count[over.total]) for count in counts)


def _nests(over: Relation, denominator: IntArray) -> bool:
    parts = denominator[list(over.parts)]
    return int(parts.max()) <= int(denominator[over.total]) <= int(parts.sum())
