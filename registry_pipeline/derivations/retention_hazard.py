"""The hazard of leaving by characteristic: cause-specific and of the subdistribution.

Belongs here: derived.retention_hazard from counts: which exits, factors and levels go into a
model, and what is refused. Does not belong here: the fitting (see `hazard_models`), hazard ratios
between pathways adjusted for severity (see `pathways_hazard`).

An association between who people are and how they leave, never an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from registry_pipeline.derivations.hazard_models import (
    CAUSE_SPECIFIC,
    CONCORDANCE,
    SUBDISTRIBUTION,
    fitted,
)
from registry_pipeline.derivations.pathways_counts import TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import (
    EVENTS_PER_TERM,
    Term,
    against,
    levels_of,
)
from registry_pipeline.derivations.retention_counts import DAYS, Counted
from registry_pipeline.derivations.strata import STRATA
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.comparison import MIN_EXPECTED
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
    "hazard": pl.String,
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
    **dict.fromkeys(CONCORDANCE, pl.Float64),
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
    that occurs; of drop-out also of the subdistribution. A level with fewer than 5 such exits,
    or a reference with fewer, is refused as sparse, and its people are left out of the model; the
    model of all factors is refused with more terms than one per 10 exits.

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
                hazards = [CAUSE_SPECIFIC, *([SUBDISTRIBUTION] if exit_type == DROPOUT else [])]
                rows += [who | row for row in _model(people, event, hazards, protocol)]
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


def _model(
    people: Compared, event: Sequence[str], hazards: Sequence[str], protocol: Protocol
) -> list[dict[str, Any]]:
    """The rows of one model: estimated where the exits carry the level, else refused."""
    left = people.left_by(event)
    asked = [term for name, of in people.levels.items() for term in _terms(name, of, protocol)]
    cells, carried = people.cells, _dense(left)
    if _between(asked, carried):
        is_event = pl.col("exit_type").is_in(event).fill_null(value=False)
        competes = pl.col("exit_type").is_not_null() & ~is_event
        there = {name: set(levels) for name, levels in people.levels.items()}
        marked = cells.with_columns(is_event=is_event, competes=competes)
        cells, carried = _carried(marked, carried, there)
    terms = _between(asked, carried)
    is_adjusted = len(people.levels) > 1
    n_events = sum(next(iter(left.values())).values())
    model_events = _people(cells.filter("is_event")) if cells is not people.cells else n_events
    too_many = is_adjusted and not 0 < len(terms) * EVENTS_PER_TERM <= model_events
    models = fitted(cells, terms, hazards) if terms and not too_many else {}
    rows = []
    for hazard in hazards:
        found = models.get(hazard, reasons.NOT_COMPUTABLE)
        is_fitted = not isinstance(found, str)
        n = _people(cells if is_fitted else people.cells)
        shared = {
            "hazard": hazard,
            "model": MODELS[is_adjusted],
            "n": n,
            "n_events": model_events if is_fitted else n_events,
            "n_missing": people.everyone - n,
        }
        for term in asked:
            of_level = {
                "factor": term.factor,
                "level": term.level,
                "reference": term.reference,
                "n_level": people.levels[term.factor][term.level],
                "n_level_events": left[term.factor][term.level],
            }
            if too_many:
                numbers: dict[str, Any] = {"reason": TOO_FEW_FOR_TERMS}
            elif term not in terms:
                numbers = {"reason": reasons.SPARSE_CELLS}
            else:
                numbers = {"reason": found} if isinstance(found, str) else found[term]
            rows.append(shared | of_level | numbers)
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


def _people(cells: pl.DataFrame) -> int:
    return int(cells["n"].sum())
