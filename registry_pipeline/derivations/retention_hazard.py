"""The hazard of leaving by characteristic: cause-specific and of the subdistribution.

Belongs here: derived.retention_hazard from counts: which exits, factors and levels go into a
model, and what is refused. Does not belong here: the fitting (see `hazard_models`), hazard ratios
between pathways adjusted for severity (see `pathways_hazard`).

An association between who people are and how they leave, never an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from registry_pipeline.derivations.hazard_models import (
    CAUSE_SPECIFIC,
    CONCORDANCE,
    SUBDISTRIBUTION,
    fitted,
)
from registry_pipeline.derivations.hazard_people import Compared, Levels, compared
from registry_pipeline.derivations.pathways_counts import TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import (
    EVENTS_PER_TERM,
    Term,
    against,
    levels_of,
)
from registry_pipeline.derivations.retention_counts import Counted
from registry_pipeline.derivations.strata import STRATA
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.comparison import MIN_EXPECTED
from registry_pipeline.statistics.intervals import FloatArray
from schemas.codes import DROP_OUT
from schemas.protocol import Protocol

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
            people = compared(cells, factors)
            for exit_type, event in events.items():
                who = {"kind": kind, "origin": origin, "exit_type": exit_type}
                hazards = [CAUSE_SPECIFIC, *([SUBDISTRIBUTION] if exit_type == DROPOUT else [])]
                rows += [who | row for row in _model(people, event, hazards, protocol)]
    return pl.DataFrame(rows, schema=SCHEMA)


def _asked(cells: pl.DataFrame) -> list[list[str]]:
    """The factors of each model: every one that people differ in, then all of these together."""
    factors = [name for name, levels in levels_of(cells, STRATA).items() if len(levels) > 1]
    return [*([name] for name in factors), *([factors] if len(factors) > 1 else [])]


def _model(
    people: Compared, event: Sequence[str], hazards: Sequence[str], protocol: Protocol
) -> list[dict[str, Any]]:
    """The rows of one model: estimated where the exits carry the level, else refused."""
    everyone, exits = people.left.sum(axis=1), people.exits(event)
    of_level, left = people.by_level(everyone), people.by_level(exits)
    asked = [term for name, levels in of_level.items() for term in _terms(name, levels, protocol)]
    kept, carried = np.ones(len(exits), dtype=np.bool_), _dense(left)
    if _between(asked, carried):  # else there is no model
        kept, carried = _carried(people, exits, carried)
    told = _between(asked, carried)
    terms = [*told, *(_beside(asked, carried) if told else [])]
    is_adjusted = len(of_level) > 1
    n_events, model_events = int(exits.sum()), int(exits[kept].sum())
    too_many = is_adjusted and not 0 < len(terms) * EVENTS_PER_TERM <= model_events
    models = {}
    if terms and not too_many:
        models = fitted(people.stays(kept, event, terms), terms, hazards)
    rows = []
    for hazard in hazards:
        found = models.get(hazard, reasons.NOT_COMPUTABLE)
        is_fitted = not isinstance(found, str)
        n = int(everyone[kept].sum() if is_fitted else everyone.sum())
        shared = {
            "hazard": hazard,
            "model": MODELS[is_adjusted],
            "n": n,
            "n_events": model_events if is_fitted else n_events,
            "n_missing": people.everyone - n,
        }
        for term in asked:
            about = {
                "factor": term.factor,
                "level": term.level,
                "reference": term.reference,
                "n_level": of_level[term.factor][term.level],
                "n_level_events": left[term.factor][term.level],
            }
            if too_many:
                numbers: dict[str, Any] = {"reason": TOO_FEW_FOR_TERMS}
            elif term not in told:
                numbers = {"reason": reasons.SPARSE_CELLS}
            else:
                numbers = {"reason": found} if isinstance(found, str) else found[term]
            rows.append(shared | about | numbers)
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


def _beside(asked: Sequence[Term], levels: dict[str, set[str]]) -> list[Term]:
    """The terms that adjust and are not told: of a factor whose reference has too few exits.

    Its other levels are still there and differ, so that they are compared with the first of them.
    """
    without = {term.factor for term in asked if term.reference not in levels[term.factor]}
    return [
        Term(name, level, min(levels[name]))
        for name in sorted(without)
        for level in sorted(levels[name])[1:]
    ]


def _carried(
    people: Compared, exits: FloatArray, dense: dict[str, set[str]]
) -> tuple[NDArray[np.bool_], dict[str, set[str]]]:
    """The combinations of levels with enough exits, and these levels.

    Whom one factor takes out may leave too few exits in a level of another, so it goes on until
    every level there is carries its exits.
    """
    kept = np.ones(len(exits), dtype=np.bool_)
    there = {name: set(levels) for name, levels in people.by_level(exits).items()}
    while dense != there:
        kept = people.of_levels(dense)
        there, dense = dense, _dense(people.by_level(exits * kept))
    return kept, dense
