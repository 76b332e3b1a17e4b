"""What goes with coping, retention and use over the follow-up: factor by factor, and together.

Belongs here: the outcomes over the follow-up, the models of the factors and their rows.
Does not belong here: the factors themselves (see `pathways_factors`), the fitting.

Every row is an association, never an effect; many are looked at, so the adjusted p value is the
one to read. Where units order treatment by need, need and treatment cannot be told apart here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import narwhals as nw
import numpy as np
import polars as pl

from registry_pipeline.derivations.pathways_counts import TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_factors import (
    KINDS,
    Cells,
    Outcome,
    adjusters_of,
    carried,
    factor_terms,
    is_carried,
    terms_of,
)
from registry_pipeline.derivations.pathways_models import Term
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import Places, places
from registry_pipeline.statistics.intervals import FloatArray, floats
from registry_pipeline.statistics.regression import holm, regress
from registry_pipeline.transform.engine import Frame
from registry_pipeline.version import as_table
from schemas.derived.pathways import CopingAssociation
from schemas.protocol import Protocol

OUTCOMES: Final = {"coping_score": "coping", "retained": "retained", "any_use": "no_illicit"}
"""Outcome to the column of `transform.outcomes` it is summed from."""

ANSWERS: Final = ("rows", "total", "squares")
"""What is summed over the answers of a person."""

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
    "covariates": pl.String,
    "estimate": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "p_value": pl.Float64,
    "reason": pl.String,
}


def coping_association(rows: Frame, factors: Frame, protocol: Protocol) -> pl.DataFrame:
    """derived.coping_association: all waves after the baseline, people weighed by their answers.

    Generalised estimating equations with independence working correlation and bias-reduced
    robust errors. Univariable for every level with at least 10 people. Adjusted for all factors
    at once, over people with all of them known; where they do not carry so many terms, each factor
    beside as many of `ADJUSTERS` as they carry.

    Args:
        rows: the rows of `transform.outcomes.outcomes`.
        factors: the rows of `transform.baseline.baseline_factors`.
        protocol: the cohort's protocol.
    """
    cells = _followed_people(rows, factors)
    by_factor = {name: places(cells, [name]) for name in KINDS}
    found: list[dict[str, Any]] = []
    for name, column in OUTCOMES.items():
        outcome = _outcome(cells, by_factor, name, column)
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
    return cells


def _outcome(
    cells: pl.DataFrame, by_factor: Mapping[str, Places], name: str, column: str
) -> Outcome:
    n, rows, total, squares = (
        floats(cells, part) for part in ("n", *(f"{of}_{column}" for of in ANSWERS))
    )
    everyone = Cells(
        levels={factor: of.keys[factor].to_list() for factor, of in by_factor.items()},
        level={factor: of.of_row for factor, of in by_factor.items()},
        n=n,
        rows=rows,
        total=rows - total if name == "any_use" else total,
        squares=n * squares,
    )
    return Outcome(name, name == "coping_score", everyone.of(rows > 0, KINDS), int(n.sum()))


def _univariable(outcome: Outcome, protocol: Protocol) -> list[dict[str, Any]]:
    """Each factor in a model of its own."""
    found = []
    for factor in KINDS:
        terms, refused = factor_terms(outcome.people, factor, protocol)
        model = outcome.people.usable([factor])
        found += _rows(outcome, "univariable", model, terms, _fit(outcome, model, terms))
        for term, reason in refused.items():
            found += _rows(outcome, "univariable", model, [term], reason)
    return found


def _adjusted(outcome: Outcome, protocol: Protocol) -> list[dict[str, Any]]:
    """Every factor that people differ in: in one model, or each with what it is adjusted for.

    Where a factor follows from others, as where every unit has a pathway of its own, no model of
    all of them could tell it.
    """
    differing = [name for name in KINDS if factor_terms(outcome.people, name, protocol)[0]]
    model = outcome.people.usable(differing)
    terms = terms_of(model, differing, protocol)
    if is_carried(outcome, model, terms):
        return _rows(outcome, "adjusted", model, terms, _fit(outcome, model, terms))
    found = []
    for factor in differing:
        chosen = adjusters_of(outcome, factor, differing, protocol)
        model = outcome.people.usable([factor, *chosen])
        terms = terms_of(model, [factor, *chosen], protocol)
        fitted = _fit(outcome, model, terms) if chosen else TOO_FEW_FOR_TERMS
        rows = _rows(outcome, "adjusted", model, terms, fitted)
        found += [row for row in rows if row["factor"] == factor]
    return found


def _fit(outcome: Outcome, model: Cells, terms: Sequence[Term]) -> FloatArray | str:
    """Estimate, bounds and p value (rows) of each term (columns); NaN where there is none.

    Or the reason, where the people do not carry the terms.
    """
    if not terms:
        return np.empty((4, 0))
    if len(terms) > carried(outcome, model):
        return TOO_FEW_FOR_TERMS
    fit = regress(model.alike(terms), logistic=not outcome.is_score, clustered=True)
    shown = np.array([fit.estimate, fit.low, fit.high])[:, 1:]
    return np.vstack([shown if outcome.is_score else np.exp(shown), fit.p_value[1:]])


def _rows(
    outcome: Outcome,
    model: str,
    people: Cells,
    terms: Sequence[Term],
    fitted: FloatArray | str,
) -> list[dict[str, Any]]:
    """One row per term, with its values or the one reason why there are none."""
    n, n_observations = int(people.n.sum()), int(people.n @ people.rows)
    events = None if outcome.is_score else int(people.n @ people.total)
    factors = dict.fromkeys(term.factor for term in terms)
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
                "n_observations": n_observations,
                "n_events": events,
                "n_missing": outcome.everyone - n,
                "covariates": ",".join(name for name in factors if name != term.factor) or None,
                **values,
            }
        )
    return found
