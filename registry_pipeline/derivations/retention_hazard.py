"""The hazard of leaving by characteristic: cause-specific Cox regression with its check.

Belongs here: derived.retention_hazard from counts: which exits, factors and levels go into a
model, and what is refused. Does not belong here: the fitting (see `statistics.cox`), hazard ratios
between pathways adjusted for severity (see `pathways_hazard`).

Another way of leaving censors: the hazard is that of those still there. An association between
who people are and how soon they leave, never an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from registry_pipeline.derivations.pathways_counts import TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import (
    EVENTS_PER_TERM,
    Term,
    against,
    design,
    levels_of,
)
from registry_pipeline.derivations.retention_counts import DAYS, Counted
from registry_pipeline.derivations.strata import STRATA
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.comparison import MIN_EXPECTED
from registry_pipeline.statistics.cox import Fit, Stays, cox, proportional_hazards_test
from schemas.codes import DROP_OUT
from schemas.protocol import Protocol

Levels = dict[str, dict[str, int]]
"""Factor to its levels to people."""

N: Final = pl.col("n")
ANY, DROPOUT = "any", "dropout"
MODELS: Final = ("univariable", "adjusted")
SCHEMA: Final = {
    "kind": pl.String,
    "origin": pl.String,
    "exit_type": pl.String,
    "model": pl.String,
    "factor": pl.String,
    "level": pl.String,
    "reference": pl.String,
    "n": pl.Int64,
    "n_events": pl.Int64,
    "n_missing": pl.Int64,
    "n_level": pl.Int64,
    "n_level_events": pl.Int64,
    "estimate": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "p_value": pl.Float64,
    "ph_statistic": pl.Float64,
    "ph_df": pl.Int64,
    "ph_p_value": pl.Float64,
    "reason": pl.String,
}


@dataclass(frozen=True)
class Compared:
    """People compared in the models of some factors, whichever exit is the event.

    Attributes:
        cells: those with every factor known: the factors, `DAYS`, n.
        levels: factor to its levels to people.
        left: factor to level and exit type to people.
        everyone: people, those with a factor unknown among them.
    """

    cells: pl.DataFrame
    levels: Levels
    left: dict[str, dict[tuple[str, str], int]]
    everyone: int

    def left_by(self, event: Sequence[str]) -> Levels:
        """Factor to its levels to people who left in one of the ways of `event`."""
        return {
            name: {
                level: sum(self.left[name].get((level, how), 0) for how in event)
                for level in levels
            }
            for name, levels in self.levels.items()
        }


def hazards(counted: Counted, protocol: Protocol) -> pl.DataFrame:
    """Hazard ratios of each factor of `STRATA`, alone and all in one model.

    On the protocol's own clock, for every kind: of any exit, of drop-out, and of each exit type
    that occurs. A level with fewer than 5 such exits, or a reference with fewer, is refused as
    sparse, and its people are left out of the model; the model of all factors is refused with
    more terms than one per 10 exits.

    Returns:
        The columns of derived.retention_hazard's numbers: a row per known level but the
        reference, which is the largest level (of the pathways, the protocol's reference).
    """
    clocks = counted.groups.filter("is_main").select("kind", "origin").unique()
    rows: list[dict[str, Any]] = []
    for kind, origin in clocks.sort("kind", "origin").iter_rows():
        cells = counted.cells.filter(kind=kind, origin=origin).with_columns(
            pl.col(*STRATA).replace("unknown", None)
        )
        types = sorted(cells["exit_type"].drop_nulls().unique())
        events = {ANY: types, DROPOUT: sorted(DROP_OUT), **{name: [name] for name in types}}
        for factors in _asked(cells):
            people = _compared(factors, cells)
            for exit_type, event in events.items():
                who = {"kind": kind, "origin": origin, "exit_type": exit_type}
                rows += [who | row for row in _model(people, event, protocol)]
    return pl.DataFrame(rows, schema=SCHEMA)


def _asked(cells: pl.DataFrame) -> list[list[str]]:
    """The factors of each model: every one that people differ in, then all of these together."""
    factors = [name for name in STRATA if len(levels_of(cells, name)) > 1]
    return [*([name] for name in factors), *([factors] if len(factors) > 1 else [])]


def _compared(factors: list[str], cells: pl.DataFrame) -> Compared:
    people = cells.group_by(*factors, *DAYS).agg(N.sum())
    complete = people.drop_nulls(factors)
    gone = complete.drop_nulls("exit_type")
    left = {
        name: {(level, how): n for level, how, n in counted.iter_rows()}
        for name in factors
        for counted in [gone.group_by(name, "exit_type").agg(N.sum())]
    }
    levels = {name: levels_of(complete, name) for name in factors}
    return Compared(complete, levels, left, _people(people))


def _model(people: Compared, event: Sequence[str], protocol: Protocol) -> list[dict[str, Any]]:
    """One model's rows: estimated where the exits carry the level, else refused with a reason."""
    left = people.left_by(event)
    asked = [term for name, of in people.levels.items() for term in _terms(name, of, protocol)]
    cells, carried = people.cells, _dense(left)
    if _between(asked, carried):
        is_event = pl.col("exit_type").is_in(event).fill_null(value=False)
        there = {name: set(levels) for name, levels in people.levels.items()}
        cells, carried = _carried(cells.with_columns(is_event=is_event), carried, there)
    terms = _between(asked, carried)
    is_adjusted = len(people.levels) > 1
    n, n_events = _people(people.cells), sum(next(iter(left.values())).values())
    model_events = _people(cells.filter("is_event")) if cells is not people.cells else n_events
    too_many = is_adjusted and not 0 < len(terms) * EVENTS_PER_TERM <= model_events
    fit = cox(stays_of(cells, terms)) if terms and not too_many else None
    if fit:
        n, n_events = _people(cells), model_events
    shared = {
        "model": MODELS[is_adjusted],
        "n": n,
        "n_events": n_events,
        "n_missing": people.everyone - n,
    }
    rows = []
    for term in asked:
        if too_many:
            found: dict[str, Any] = {"reason": TOO_FEW_FOR_TERMS}
        elif term not in terms:
            found = {"reason": reasons.SPARSE_CELLS}
        elif fit is None:
            found = {"reason": reasons.NOT_COMPUTABLE}
        else:
            found = _estimate(fit, terms, term)
        of_level = {
            "factor": term.factor,
            "level": term.level,
            "reference": term.reference,
            "n_level": people.levels[term.factor][term.level],
            "n_level_events": left[term.factor][term.level],
        }
        rows.append(shared | of_level | found)
    return rows


def _terms(name: str, levels: dict[str, int], protocol: Protocol) -> list[Term]:
    return against(name, levels, [protocol.reference_pathway] if name == "pathway" else [])


def _dense(left: Levels) -> dict[str, set[str]]:
    """The levels with enough exits."""
    return {
        name: {of for of, n in levels.items() if n >= MIN_EXPECTED} for name, levels in left.items()
    }


def _between(asked: Sequence[Term], levels: dict[str, set[str]]) -> list[Term]:
    """The terms of which both level and reference are there."""
    return [term for term in asked if {term.level, term.reference} <= levels[term.factor]]


def _carried(
    cells: pl.DataFrame, dense: dict[str, set[str]], there: dict[str, set[str]]
) -> tuple[pl.DataFrame, dict[str, set[str]]]:
    """The cells of levels with enough exits, the others taken out, and these levels.

    Whom one factor takes out may leave too few exits in a level of another, so it goes on until
    every level there is carries its exits.
    """
    if dense == there:
        return cells, dense
    kept = cells.filter(pl.all_horizontal(pl.col(f).is_in(of) for f, of in dense.items()))
    left = {name: levels_of(kept.filter("is_event"), name) for name in dense}
    return _carried(kept, _dense(left), dense)


def stays_of(people: pl.DataFrame, terms: Sequence[Term]) -> Stays:
    """The cells put together that are alike in the model's factors.

    Args:
        people: factors, entry_day, exit_day, is_event and n people.
        terms: of the model.
    """
    factors = list(dict.fromkeys(term.factor for term in terms))
    combinations = people.select(factors).unique().sort(factors).with_row_index("which")
    days = ["entry_day", "exit_day", "is_event"]
    cells = people.join(combinations, on=factors).group_by("which", *days).agg(pl.col("n").sum())
    columns = cells.select(pl.exclude("is_event").cast(pl.Int64), "is_event")
    return Stays(
        terms=design(combinations, terms)[:, 1:],
        which=columns["which"].to_numpy(),
        entry_day=columns["entry_day"].to_numpy(),
        exit_day=columns["exit_day"].to_numpy(),
        is_event=columns["is_event"].to_numpy(),
        people=columns["n"].to_numpy(),
    )


def _estimate(fit: Fit, terms: Sequence[Term], term: Term) -> dict[str, Any]:
    """The hazard ratio of a term, and the check of its factor."""
    place = terms.index(term)
    if np.isnan(fit.estimate[place]):
        return {"reason": reasons.NOT_COMPUTABLE}
    of_factor = [i for i, other in enumerate(terms) if other.factor == term.factor]
    check = proportional_hazards_test(fit, of_factor)
    estimate, low, high = (
        float(np.exp(values[place])) for values in (fit.estimate, fit.low, fit.high)
    )
    return {
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
        "p_value": float(fit.p_value[place]),
        **dict(zip(("ph_statistic", "ph_df", "ph_p_value"), check or (None,) * 3, strict=True)),
        "reason": None if check else reasons.NO_CHECK,
    }


def _people(cells: pl.DataFrame) -> int:
    return int(cells["n"].sum())
