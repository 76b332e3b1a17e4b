"""What comparisons and associations share: who is compared, the terms of a model, its size.

Belongs here: pathways, waves and covariates compared; from factors to a design matrix; what the
data can carry. Does not belong here: the fitting (see `statistics.regression`) and the tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.statistics.intervals import FloatArray
from registry_pipeline.statistics.regression import independent
from schemas.protocol import Protocol

COVARIATES: Final = [
    "age_group",
    "sex",
    "baseline_use",
    "time_in_treatment",
    "co_occurring_disorder",
]
"""What the adjusted comparisons hold equal (domain notes, section 3); baseline severity is the
state of the illicit group at the baseline."""

MONTH_12: Final = 12
YEAR: Final = 365
EVENTS_PER_TERM: Final = 10
PEOPLE_PER_TERM: Final = 15
PER_UNIT: Final = "per_unit"


def compared_waves(protocol: Protocol) -> list[int]:
    """The wave at month 12, where the schedule has one, and the last wave.

    Of several in that month, as weekly ones are, the nearest to a year.
    """
    days = protocol.waves.nominal_days
    in_month = [wave for wave, month in enumerate(protocol.waves.months) if month == MONTH_12]
    nearest = sorted(in_month, key=lambda wave: abs(days[wave] - YEAR))[:1]
    return sorted({*nearest, len(days) - 1})


def reference_of(protocol: Protocol) -> str:
    """The reference pathway; empty where the protocol has none, and then nobody is in it."""
    return protocol.reference_pathway or ""


def others(protocol: Protocol) -> list[str]:
    """The pathways compared with the reference; none where the protocol has no reference."""
    reference = reference_of(protocol)
    return [p.code for p in protocol.pathways if reference and p.code != reference]


@dataclass(frozen=True)
class Term:
    """One column of a model: a level against the reference, or a number per unit."""

    factor: str
    level: str
    reference: str | None


def known_covariates(people: pl.DataFrame) -> list[str]:
    """The covariates that people differ in; one that nobody answered cannot be adjusted for."""
    return [name for name, levels in levels_of(people, COVARIATES).items() if len(levels) > 1]


def pathway_model(people: pl.DataFrame, covariates: Sequence[str], reference: str) -> list[Term]:
    """The terms of an adjusted comparison: every pathway against the reference, then covariates."""
    pathways = against("pathway", levels_of(people, ["pathway"])["pathway"], [reference])
    return pathways + covariate_terms(people, covariates)


def covariate_terms(people: pl.DataFrame, covariates: Sequence[str]) -> list[Term]:
    """The terms that hold the covariates equal; one that follows from those before it is not there.

    It would say nothing that they do not, and with it no term could be told from the others.
    """
    known = people.drop_nulls(covariates)
    levels = levels_of(people, covariates).items()
    asked = [term for name, found in levels for term in against(name, found, [])]
    matrix, kept = design(known, asked), [0]
    for column in range(1, len(asked) + 1):
        if independent(matrix[:, [*kept, column]]):
            kept.append(column)
    return [asked[column - 1] for column in kept[1:]]


def tells_apart(people: pl.DataFrame, terms: Sequence[Term]) -> bool:
    """Whether no term follows from the others among people with all of them known."""
    known = people.drop_nulls(list(dict.fromkeys(term.factor for term in terms)))
    return independent(design(known, terms))


def levels_of(frame: pl.DataFrame, factors: Sequence[str]) -> dict[str, dict[str, int]]:
    """Factor to its levels, by name, to people (n), of the rows in which the factor is known."""
    found: dict[str, dict[str, int]] = {name: {} for name in factors}
    long = frame.unpivot(on=factors, index="n").drop_nulls("value")
    people = long.group_by("variable", "value").agg(pl.col("n").sum()).filter(pl.col("n") > 0)
    for factor, level, n in sorted(people.iter_rows()):
        found[factor][level] = n
    return found


def against(factor: str, levels: dict[str, int], preferred: Sequence[str | None]) -> list[Term]:
    """A term per level but the reference: the first preferred one that is there, or the largest."""
    if not levels:
        return []
    largest = max(levels, key=lambda level: levels[level])
    reference = next((str(level) for level in preferred if level in levels), largest)
    return [Term(factor, level, reference) for level in levels if level != reference]


def design(frame: pl.DataFrame, terms: Sequence[Term]) -> FloatArray:
    """Constant and terms as columns, one row per row of the frame."""
    columns = [
        pl.col(term.factor) if term.reference is None else pl.col(term.factor) == term.level
        for term in terms
    ]
    numbers = [
        column.cast(pl.Float64).alias(str(position)) for position, column in enumerate(columns)
    ]
    constant = np.ones((frame.height, 1))
    return np.hstack([constant, frame.select(numbers).to_numpy()]) if numbers else constant


def most_terms(n: int, n_events: int | None) -> int:
    """How many terms a model of n people carries, with so many events among them.

    One per 10 of the fewer of events and non-events, or per 15 people for a mean.
    Source: domain notes, section 3 (Peduzzi 1996; Harrell 2015).
    """
    if n_events is None:
        return n // PEOPLE_PER_TERM
    return min(n_events, n - n_events) // EVENTS_PER_TERM
