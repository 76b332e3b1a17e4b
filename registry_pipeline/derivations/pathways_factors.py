"""The factors that may go with coping: their terms, their usable levels, and what a model carries.

Belongs here: which factors there are, people by them, from a factor to its terms, how many terms
people carry, and what a factor is adjusted for. Does not belong here: the models and their rows
(see `pathways_coping`), what is known at the start (see `transform.baseline`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from registry_pipeline.derivations.pathways_counts import NOT_ASKED
from registry_pipeline.derivations.pathways_models import (
    EVENTS_PER_TERM,
    PER_UNIT,
    Term,
    against,
    most_terms,
)
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import compact
from registry_pipeline.statistics.intervals import FloatArray
from registry_pipeline.statistics.regression import People, independent
from schemas.protocol import Protocol

MIN_LEVEL: Final = 10
"""Fewer people than this in a level carry no estimate."""

KINDS: Final = {
    "sex": "patient",
    "age_group": "patient",
    "co_occurring_disorder": "patient",
    "stable_housing": "patient",
    "work_or_activity": "patient",
    "drug_free_network": "patient",
    "baseline_use_days": "patient",
    "baseline_hscl10": "patient",
    "pathway": "structure",
    "unit_id": "structure",
    "treatment_plan": "structure",
    "crisis_plan": "structure",
    "gp_contact": "structure",
    "coordination_meeting": "structure",
    "oat_medicine": "structure",
}
"""Factor to its kind, in display order; all are known before the outcomes."""

NUMBERS: Final = ("baseline_use_days", "baseline_hscl10")
ADJUSTERS: Final = (
    "age_group",
    "sex",
    "baseline_use_days",
    "baseline_hscl10",
    "co_occurring_disorder",
)
"""What a factor is adjusted for where all factors together are more than the people carry: as many
as they do carry, in this order (domain notes, section 3)."""


@dataclass(frozen=True)
class Cells:
    """Cells of people alike, one element per cell.

    Attributes:
        levels: factor to its levels, in order; null, the last, where someone's is unknown.
        level: factor to the place among them.
        n: number of people.
        rows: answered waves of each person.
        total: sum of each person's answers.
        squares: sum of squares over all people of the cell.
    """

    levels: Mapping[str, Sequence[Any]]
    level: Mapping[str, NDArray[np.int64]]
    n: FloatArray
    rows: FloatArray
    total: FloatArray
    squares: FloatArray

    def of(self, kept: NDArray[np.bool_], factors: Iterable[str]) -> Cells:
        """Some of the cells, with some of their factors."""
        level = {name: self.level[name][kept] for name in factors}
        numbers = (self.n, self.rows, self.total, self.squares)
        return Cells(self.levels, level, *(part[kept] for part in numbers))

    def people(self, factor: str) -> dict[Any, int]:
        """Level to people, of those in whom the factor is known."""
        return self._people(factor, self.n)

    def usable(self, factors: Sequence[str]) -> Cells:
        """The people in whom the factors are known and, unless numbers, not a small level."""
        kept = np.ones(len(self.n), dtype=np.bool_)
        for factor in factors:
            least = 1 if factor in NUMBERS else MIN_LEVEL
            people = self._people(factor, self.n * kept)
            usable = [people.get(level, 0) >= least for level in self.levels[factor]]
            kept &= np.array(usable, dtype=np.bool_)[self.level[factor]]
        return self.of(kept, factors)

    def alike(self, terms: Sequence[Term]) -> People:
        """Those alike in the factors of the terms and in their answers, as a model takes them."""
        factors = list(dict.fromkeys(term.factor for term in terms))
        answers = [part.astype(np.int64) for part in (self.rows, self.total)]
        sizes = [len(self.levels[name]) for name in factors]
        sizes += [int(part.max(initial=0)) + 1 for part in answers]
        columns = (*(self.level[name] for name in factors), *answers)
        found, of_row = compact(np.ravel_multi_index(columns, sizes))
        *places, rows, total = np.unravel_index(found, sizes)
        level = dict(zip(factors, places, strict=True))
        matrix = np.ones((len(found), 1 + len(terms)))
        for column, term in enumerate(terms, start=1):
            levels = self.levels[term.factor]
            values = levels if term.reference is None else [name == term.level for name in levels]
            matrix[:, column] = np.array(values, dtype=np.float64)[level[term.factor]]
        n, squares = (
            np.asarray(np.bincount(of_row, part, len(found)), dtype=np.float64)
            for part in (self.n, self.squares)
        )
        return People(matrix, n, rows.astype(np.float64), total.astype(np.float64), squares)

    def _people(self, factor: str, n: FloatArray) -> dict[Any, int]:
        levels = self.levels[factor]
        people = np.bincount(self.level[factor], n, len(levels)).astype(np.int64).tolist()
        found = zip(levels, people, strict=True)
        return {level: n for level, n in found if level is not None and n > 0}


@dataclass(frozen=True)
class Outcome:
    """One outcome over the follow-up.

    Attributes:
        name: its code.
        is_score: a score with mean differences; else yes or no with odds ratios.
        people: those with an answer, by all factors.
        everyone: number of people, also those without a single answer.
    """

    name: str
    is_score: bool
    people: Cells
    everyone: int


def factor_terms(
    people: Cells, factor: str, protocol: Protocol
) -> tuple[list[Term], dict[Term, str]]:
    """The terms of a factor that can be estimated, and those that cannot, with the reason."""
    levels = people.people(factor)
    if factor in NUMBERS:
        term, n = Term(factor, PER_UNIT, None), sum(levels.values())
        if len(levels) > 1 and n >= MIN_LEVEL:
            return [term], {}
        reason = reasons.TOO_FEW if len(levels) > 1 else reasons.ONE_GROUP
        return [], {term: reason if levels else NOT_ASKED}
    usable = {level: n for level, n in levels.items() if n >= MIN_LEVEL}
    terms = against(factor, usable, [protocol.reference_pathway, "no"])
    reference = terms[0].reference if terms else next(iter(usable), None)
    refused = {
        Term(factor, level, reference): reasons.TOO_FEW for level in levels if level not in usable
    }
    if not terms and not refused:
        alone = Term(factor, next(iter(levels), "unknown"), None)
        refused[alone] = reasons.ONE_GROUP if levels else NOT_ASKED
    return terms, refused


def adjusters_of(
    outcome: Outcome, factor: str, differing: Sequence[str], protocol: Protocol
) -> list[str]:
    """The adjusters that fit into a model with the factor, and do not follow from it."""
    chosen: list[str] = []
    for name in ADJUSTERS:
        if name in differing and name != factor:
            wider = [factor, *chosen, name]
            model = outcome.people.usable(wider)
            if is_carried(outcome, model, terms_of(model, wider, protocol)):
                chosen.append(name)
    return chosen


def is_carried(outcome: Outcome, people: Cells, terms: Sequence[Term]) -> bool:
    """Whether the people are enough for the terms, and tell each of them from the others."""
    return len(terms) <= carried(outcome, people) and independent(people.alike(terms).terms)


def carried(outcome: Outcome, people: Cells) -> int:
    """How many terms the people carry; the fewer of those who ever, and who ever not, count.

    Rows of one person say much the same: events are counted in people.
    """
    most = most_terms(int(people.n.sum()), None)
    if outcome.is_score:
        return most
    ever, ever_not = people.n @ (people.total > 0), people.n @ (people.total < people.rows)
    return min(most, int(min(ever, ever_not)) // EVENTS_PER_TERM)


def terms_of(people: Cells, factors: Sequence[str], protocol: Protocol) -> list[Term]:
    """The terms that can be estimated of several factors, in their order."""
    return [term for factor in factors for term in factor_terms(people, factor, protocol)[0]]
