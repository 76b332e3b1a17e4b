"""The factors that may go with coping: their terms, their usable levels, and what a model carries.

Belongs here: which factors there are, from a factor to its terms, how many terms people carry, and
what a factor is adjusted for. Does not belong here: the models and their rows (see
`pathways_coping`), what is known at the start (see `transform.baseline`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from registry_pipeline.derivations.pathways_counts import NOT_ASKED
from registry_pipeline.derivations.pathways_models import (
    EVENTS_PER_TERM,
    PER_UNIT,
    Term,
    against,
    levels_of,
    most_terms,
)
from registry_pipeline.statistics import reasons
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
class Outcome:
    """One outcome over the follow-up.

    Attributes:
        name: its code.
        is_score: a score with mean differences; else yes or no with odds ratios.
        people: cells of people: the factors, n, rows (answered waves), total, squares.
        everyone: number of people, also those without a single answer.
    """

    name: str
    is_score: bool
    people: pl.DataFrame
    everyone: int


def factor_terms(
    people: pl.DataFrame, factor: str, protocol: Protocol
) -> tuple[list[Term], dict[Term, str]]:
    """The terms of a factor that can be estimated, and those that cannot, with the reason."""
    levels = levels_of(people, factor)
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


def with_usable_levels(people: pl.DataFrame, factors: Sequence[str]) -> pl.DataFrame:
    """The people in whom the factors are known and, unless they are numbers, not a small level."""
    for factor in factors:
        if factor in NUMBERS:
            people = people.drop_nulls(factor)
        else:
            usable = [level for level, n in levels_of(people, factor).items() if n >= MIN_LEVEL]
            people = people.filter(pl.col(factor).is_in(usable))
    return people


def adjusters_of(
    outcome: Outcome, factor: str, differing: Sequence[str], protocol: Protocol
) -> list[str]:
    """The adjusters that fit into a model with the factor."""
    chosen: list[str] = []
    for name in ADJUSTERS:
        if name in differing and name != factor:
            wider = [factor, *chosen, name]
            model = with_usable_levels(outcome.people, wider)
            if len(terms_of(model, wider, protocol)) <= carried(outcome, model):
                chosen.append(name)
    return chosen


def carried(outcome: Outcome, people: pl.DataFrame) -> int:
    """How many terms the people carry; the fewer of those who ever, and who ever not, count.

    Rows of one person say much the same: events are counted in people.
    """
    n = pl.col("n")
    sums = people.select(
        n=n.sum(),
        ever=n.filter(pl.col("total") > 0).sum(),
        ever_not=n.filter(pl.col("total") < pl.col("rows")).sum(),
    ).row(0, named=True)
    most = most_terms(int(sums["n"]), None)
    if outcome.is_score:
        return most
    return min(most, int(min(sums["ever"], sums["ever_not"])) // EVENTS_PER_TERM)


def terms_of(people: pl.DataFrame, factors: Sequence[str], protocol: Protocol) -> list[Term]:
    """The terms that can be estimated of several factors, in their order."""
    return [term for factor in factors for term in factor_terms(people, factor, protocol)[0]]
