"""The counts of the programmes' tables: each once, with the sums that tie them.

Belongs here: which numbers a row tells, and which of them are one number told twice.
Does not belong here: what adds up to what (see `ties`), what is hidden (see `programmes`).

A share is three counts: numerator, complement and denominator; the missing are a fourth.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from registry_pipeline.disclosure.family import Exposure, Family, Relation
from registry_pipeline.disclosure.printed import GOALS, INVOLVEMENT

Row = Mapping[str, Any]
NUMERATOR, COMPLEMENT, DENOMINATOR, MISSING = "numerator", "complement", "denominator", "missing"


@dataclass
class Cells:
    """Counts that may be printed or worked out, each once, and the sums among them.

    Attributes:
        counts: the counts.
        of_row: (number of a row, name of a count) to the count.
        lines: a count to the shares' counts printed in one line with it: hidden with it.
        decided: a count of the public indicators to what is shown of it there.
    """

    counts: list[int] = field(default_factory=list)
    of_row: dict[tuple[int, str], int] = field(default_factory=dict)
    lines: dict[int, set[int]] = field(default_factory=dict)
    decided: dict[int, Exposure] = field(default_factory=dict)
    _named: dict[Hashable, int] = field(default_factory=dict)
    _relations: dict[tuple[int, tuple[int, ...]], str] = field(default_factory=dict)

    def add(self, name: Hashable, count: int) -> int:
        """The number of a count, which is new unless the name is known."""
        if name not in self._named:
            self._named[name] = len(self.counts)
            self.counts.append(count)
        return self._named[name]

    def tie(self, total: int, parts: Sequence[int], words: str) -> None:
        """The parts and what is left of the total add up to it; more than the total do not."""
        left = self.counts[total] - sum(self.counts[part] for part in parts)
        if not parts or left < 0 or total in parts:
            return
        rest = [self.add((words, total, *parts), left)] if left else []
        self._relations[total, tuple(sorted((*parts, *rest)))] = words

    @property
    def relations(self) -> list[Relation]:
        """The sums, each once."""
        return [Relation(total, parts, words) for (total, parts), words in self._relations.items()]

    def families(self) -> Iterator[tuple[list[int], Family]]:
        """The counts in groups that no sum ties to each other, with their numbers here."""
        leader = list(range(len(self.counts)))

        def lead(cell: int) -> int:
            while leader[cell] != cell:
                leader[cell] = leader[leader[cell]]
                cell = leader[cell]
            return cell

        relations, printed = self.relations, set(self.of_row.values())
        for relation in relations:
            for part in relation.parts:
                leader[lead(part)] = lead(relation.total)
        members: dict[int, list[int]] = {}
        for cell in range(len(self.counts)):
            members.setdefault(lead(cell), []).append(cell)
        tied: dict[int, list[Relation]] = {}
        for relation in relations:
            tied.setdefault(lead(relation.total), []).append(relation)
        for one, cells in members.items():
            place = {cell: at for at, cell in enumerate(cells)}
            sums = tuple(
                Relation(place[r.total], tuple(place[part] for part in r.parts), r.words)
                for r in tied.get(one, [])
            )
            counts = np.array([self.counts[cell] for cell in cells], dtype=np.int64)
            lines = {
                place[cell]: frozenset(place[other] for other in with_it if other in place)
                for cell in cells
                if (with_it := self.lines.get(cell))
            }
            decided = {place[cell]: self.decided[cell] for cell in cells if cell in self.decided}
            none = np.zeros_like(counts)
            unprinted = frozenset(place[cell] for cell in cells if cell not in printed)
            yield cells, Family(counts, none, sums, (), lines, unprinted, decided)


def counted(row: Row) -> dict[str, int]:
    """The counts of people or events in a row; a mean's sum and a plan are none."""
    numbers = {DENOMINATOR: row["denominator"], MISSING: row["n_missing"]}
    if row["table_name"] == GOALS:
        numbers = {NUMERATOR: row["numerator"]}
    elif row["is_share"]:
        numbers[NUMERATOR] = row["numerator"]
        numbers[COMPLEMENT] = row["denominator"] - row["numerator"]
    return {name: count for name, count in numbers.items() if count is not None}


def measure_of(row: Row) -> str:
    """The measure; each level of an answer, and each step of a goal, is one."""
    if row["group_by"] == "level" and row["table_name"] == INVOLVEMENT:
        return f"{row['measure']}_{row['group']}"
    return str(row["subject"] if row["table_name"] == GOALS else row["measure"])


def place_of(row: Row) -> Hashable:
    """Unit, period and group; the levels of an answer are no groups of people."""
    group = (row["group_by"], row["group"])
    if row["table_name"] == INVOLVEMENT:
        group = ("all", "all")
    return (row["unit_id"], row["period_start"], row["period_end"], *group)


def told_twice(rows: Iterable[Row]) -> dict[Hashable, tuple[Hashable, ...]]:
    """Counts of a table that are equal wherever they stand: the first of them is all of them."""
    found: dict[tuple[str, str, Any, str], dict[Hashable, int]] = {}
    for row in rows:
        for count, value in counted(row).items():
            named = (row["table_name"], measure_of(row), row["subject"], count)
            found.setdefault(named, {})[place_of(row)] = value
    first: dict[Hashable, tuple[Hashable, ...]] = {}
    same: dict[Hashable, tuple[Hashable, ...]] = {}
    for named, values in found.items():
        if any(values.values()) and named[0] != GOALS:
            same[named] = first.setdefault((named[0], named[2], frozenset(values.items())), named)
    return same
