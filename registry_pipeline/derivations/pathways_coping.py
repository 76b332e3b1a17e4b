"""What goes with coping, retention and use over the follow-up: factor by factor, and together.

Belongs here: the factors of patients and structures, the models and their refusals.
Does not belong here: what is known at the start (see `transform.baseline`), the fitting.

Every row is an association, never an effect; many are looked at, so the adjusted p value is the
one to read. Where units order treatment by need, need and treatment cannot be told apart here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import narwhals as nw
import numpy as np
import polars as pl

from registry_pipeline.derivations.pathways_counts import NOT_ASKED, TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import (
    PER_UNIT,
    Term,
    against,
    design,
    levels_of,
    most_terms,
)
from registry_pipeline.derivations.version import as_table
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import FloatArray, floats
from registry_pipeline.statistics.regression import People, holm, regress
from registry_pipeline.transform.engine import Frame
from schemas.derived.pathways import CopingAssociation
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
    "gp_contact": "structure",
    "coordination_meeting": "structure",
    "oat_medicine": "structure",
}
"""Factor to its kind, in display order; all are known before the outcomes."""

NUMBERS: Final = ("baseline_use_days", "baseline_hscl10")
OUTCOMES: Final = {"coping_score": "coping", "retained": "retained", "any_use": "no_illicit"}
"""Outcome to the column of `transform.outcomes` it is summed from."""

SCHEMA: Final = {
    "outcome": pl.String,
    "factor": pl.String,
    "level": pl.String,
    "reference": pl.String,
    "kind": pl.String,
    "model": pl.String,
    "measure": pl.String,
    "n": pl.Int64,
    "n_observations": pl.Int64,
    "n_events": pl.Int64,
    "n_missing": pl.Int64,
    "estimate": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "p_value": pl.Float64,
    "reason": pl.String,
}


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


def coping_association(rows: Frame, factors: Frame, protocol: Protocol) -> pl.DataFrame:
    """derived.coping_association: all waves after the baseline, people weighed by their answers.

    Generalised estimating equations with independence working correlation and bias-reduced
    robust errors. Univariable for every level with at least 10 people; adjusted for all factors
    at once over people with all of them known, where the data carry the terms.

    Args:
        rows: the rows of `transform.outcomes.outcomes`.
        factors: the rows of `transform.baseline.baseline_factors`.
        protocol: the cohort's protocol.
    """
    cells = _followed_people(rows, factors)
    found: list[dict[str, Any]] = []
    for name, column in OUTCOMES.items():
        outcome = _outcome(cells, name, column)
        for model in (_univariable(outcome, protocol), _adjusted(outcome, protocol)):
            adjusted = holm(np.array([row.get("p_value", np.nan) for row in model]))
            found.extend(
                row | {"p_value_adjusted": None if np.isnan(p) else float(p)}
                for row, p in zip(model, adjusted, strict=True)
            )
    table = pl.DataFrame(found, schema=SCHEMA | {"p_value_adjusted": pl.Float64})
    method = "GEE, independence, bias-reduced robust errors; Holm"
    return as_table(table, CopingAssociation, cohort=protocol.id, method=method)


def _followed_people(rows: Frame, factors: Frame) -> pl.DataFrame:
    """People (n) per combination of factors and, per outcome, answered waves and sums."""
    columns = OUTCOMES.values()
    answers: dict[str, nw.Expr] = {f"total_{name}": nw.col(name) for name in columns}
    answers |= {f"squares_{name}": nw.col(name) * nw.col(name) for name in columns}
    answers |= {f"rows_{name}": nw.when(~nw.col(name).is_null()).then(1) for name in columns}
    sums = (
        rows.filter(nw.col("wave") > 0)
        .group_by("patient_id")
        .agg(**{name: part.sum() for name, part in answers.items()})
    )
    people = factors.join(sums, on="patient_id", how="left").with_columns(
        nw.col(name).fill_null(0).cast(nw.Int64) for name in answers
    )
    grouped = people.group_by(*KINDS, *answers).agg(n=nw.len().cast(nw.Int64))
    cells: pl.DataFrame = grouped.collect("polars").to_native()
    return cells.sort(cells.columns, nulls_last=True)


def _outcome(cells: pl.DataFrame, name: str, column: str) -> Outcome:
    rows, total = pl.col(f"rows_{column}"), pl.col(f"total_{column}")
    people = cells.select(
        *KINDS,
        "n",
        rows=rows,
        total=rows - total if name == "any_use" else total,
        squares=pl.col("n") * pl.col(f"squares_{column}"),
    )
    answered = people.filter(pl.col("rows") > 0)
    return Outcome(name, name == "coping_score", answered, int(cells["n"].sum()))


def _univariable(outcome: Outcome, protocol: Protocol) -> list[dict[str, Any]]:
    """Each factor in a model of its own."""
    found = []
    for factor in KINDS:
        terms, refused = _terms(outcome.people, factor, protocol)
        model = _with_usable_levels(outcome.people, factor)
        found += _rows(outcome, "univariable", model, terms, _fit(outcome, model, terms))
        for term, reason in refused.items():
            found += _rows(outcome, "univariable", model, [term], reason)
    return found


def _adjusted(outcome: Outcome, protocol: Protocol) -> list[dict[str, Any]]:
    """Every factor that people differ in, in one model of the people with all of them known."""
    differing = [name for name in KINDS if _terms(outcome.people, name, protocol)[0]]
    model = outcome.people
    for factor in differing:
        model = _with_usable_levels(model, factor)
    terms = [term for factor in differing for term in _terms(model, factor, protocol)[0]]
    n, rows = int(model["n"].sum()), int((model["n"] * model["rows"]).sum())
    most = most_terms(n, None)
    if not outcome.is_score:
        most = min(most, most_terms(rows, int((model["n"] * model["total"]).sum())))
    fitted = TOO_FEW_FOR_TERMS if len(terms) > most else _fit(outcome, model, terms)
    return _rows(outcome, "adjusted", model, terms, fitted)


def _terms(
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


def _with_usable_levels(people: pl.DataFrame, factor: str) -> pl.DataFrame:
    """The people in whom the factor is known and, unless it is a number, not in a small level."""
    if factor in NUMBERS:
        return people.drop_nulls(factor)
    usable = [level for level, n in levels_of(people, factor).items() if n >= MIN_LEVEL]
    return people.filter(pl.col(factor).is_in(usable))


def _fit(outcome: Outcome, model: pl.DataFrame, terms: Sequence[Term]) -> FloatArray:
    """Estimate, bounds and p value (rows) of each term (columns); NaN where there is none."""
    if not terms:
        return np.empty((4, 0))
    factors = list(dict.fromkeys(term.factor for term in terms))
    cells = model.group_by(*factors, "rows", "total", maintain_order=True).agg(
        pl.col("n", "squares").sum()
    )
    fit = regress(
        People(
            terms=design(cells, terms),
            people=floats(cells, "n"),
            rows=floats(cells, "rows"),
            total=floats(cells, "total"),
            squares=floats(cells, "squares"),
        ),
        logistic=not outcome.is_score,
        clustered=True,
    )
    shown = np.array([fit.estimate, fit.low, fit.high])[:, 1:]
    return np.vstack([shown if outcome.is_score else np.exp(shown), fit.p_value[1:]])


def _rows(
    outcome: Outcome,
    model: str,
    people: pl.DataFrame,
    terms: Sequence[Term],
    fitted: FloatArray | str,
) -> list[dict[str, Any]]:
    """One row per term, with its values or the one reason why there are none."""
    n = int(people["n"].sum())
    events = None if outcome.is_score else int((people["n"] * people["total"]).sum())
    why_null = reasons.NO_VARIATION if outcome.is_score else reasons.SPARSE_CELLS
    found = []
    for place, term in enumerate(terms):
        values: dict[str, Any] = {"reason": fitted if isinstance(fitted, str) else why_null}
        if not isinstance(fitted, str) and np.isfinite(fitted[0, place]):
            names = ("estimate", "ci_low", "ci_high", "p_value")
            values = dict(zip(names, fitted[:, place].tolist(), strict=True))
        found.append(
            {
                "outcome": outcome.name,
                "factor": term.factor,
                "level": term.level,
                "reference": term.reference,
                "kind": KINDS[term.factor],
                "model": model,
                "measure": "mean_difference" if outcome.is_score else "odds_ratio",
                "n": n,
                "n_observations": int((people["n"] * people["rows"]).sum()),
                "n_events": events,
                "n_missing": outcome.everyone - n,
                **values,
            }
        )
    return found
