"""A second opinion on courses: latent classes, where the protocol asks for them.

Belongs here: derived.trajectory_latent from counts of words.
Does not belong here: the fitting (see `statistics.latent`), the classes by rules, which come first.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from registry_pipeline.derivations.pathways_counts import TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import most_terms
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import Z95, FloatArray
from registry_pipeline.statistics.latent import MISSING, Mixture, mixture, standard_errors
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.version import as_table
from schemas.codes import STATE_LETTER, USED_STATES
from schemas.derived.trajectories import TrajectoryLatent
from schemas.fields import describe
from schemas.protocol import Protocol

MIN_PEOPLE: Final = 50
"""Fewer people than this carry no classes but the rules'."""

CODES: Final = {STATE_LETTER[state]: code for code, state in enumerate(USED_STATES)}


def trajectory_latent(courses: Frame, protocol: Protocol) -> pl.DataFrame:
    """derived.trajectory_latent: one class up to the protocol's number, for each substance.

    Over people whose course has enough data for a rule to judge it. Empty where the protocol asks
    for no latent classes.

    Args:
        courses: rows of `transform.trajectories.with_class`.
        protocol: its number of classes and of random starts.
    """
    most = protocol.trajectories.latent_classes
    cells = counts(courses, ["substance", "word", "trajectory_class"]) if most else None
    rows: list[dict[str, Any]] = []
    if cells is not None:
        for (substance,), part in cells.group_by("substance", maintain_order=True):
            enough = part.filter(pl.col("trajectory_class") != "insufficient_data")
            n, everyone = int(enough["n"].sum()), int(part["n"].sum())
            who = {"substance": substance, "n": n, "n_left_out": everyone - n}
            rows += [who | row for row in _classes(enough, n, protocol)]
    types = {
        name: dtype
        for name, dtype in describe(TrajectoryLatent).dtypes.items()
        if name not in ("cohort", "method", "rule_version", "as_of_delivery")
    }
    return as_table(
        pl.DataFrame(rows, schema=types),
        TrajectoryLatent,
        cohort=protocol.id,
        method="latent class analysis, EM; log odds interval, observed information",
    )


def _classes(words: pl.DataFrame, n: int, protocol: Protocol) -> list[dict[str, Any]]:
    """The rows of one substance: every number of classes, every class."""
    numbers = range(1, protocol.trajectories.latent_classes + 1)
    if n < MIN_PEOPLE:
        return [
            {"n_classes": k, "latent_class": c + 1, "reason": reasons.TOO_FEW}
            for k in numbers
            for c in range(k)
        ]
    people = words["n"].to_numpy().astype(np.float64)
    letters = [[CODES.get(letter, MISSING) for letter in word] for word in words["word"]]
    sequences = np.array(letters)
    # A wave that nobody answered at has no probabilities.
    sequences = sequences[:, (sequences != MISSING).any(axis=0)]
    fits = {
        k: mixture(
            sequences,
            people,
            n_states=len(CODES),
            n_classes=k,
            starts=protocol.trajectories.latent_starts,
        )
        for k in numbers
    }
    lowest = min(fits, key=lambda k: fits[k].bic)
    return [
        _row(fit, c, people) | interval | {"n_classes": k, "is_lowest_bic": k == lowest}
        for k, fit in fits.items()
        for c, interval in enumerate(_intervals(fit, sequences, people))
    ]


def _intervals(
    fit: Mixture, sequences: NDArray[np.int64], people: FloatArray
) -> list[dict[str, Any]]:
    """The intervals of each class's share and states, on log odds, or why there are none.

    With few people for each number the errors of large samples would promise too much.
    """
    of_share = reasons.NOT_DEFINED if len(fit.share) == 1 else None
    found = standard_errors(fit, sequences, people)
    if found is None:
        return [{"reason": of_share or reasons.NOT_COMPUTABLE} for _ in fit.share]
    if found.n_numbers > most_terms(int(people.sum()), None):
        return [{"reason": of_share or TOO_FEW_FOR_TERMS} for _ in fit.share]
    states = fit.probability.mean(axis=1)
    return [
        {
            **_bounds("", fit.share[place], found.share[place]),
            **{
                name: bound
                for code, state in enumerate(USED_STATES)
                for name, bound in _bounds(
                    f"{state}_", states[place, code], found.state[place, code]
                ).items()
            },
            "reason": of_share,
        }
        for place in range(len(fit.share))
    ]


def _bounds(name: str, value: float, error: float) -> dict[str, float]:
    """The interval of a share as columns; none where it is 0 or 1 as fitted."""
    if not error or not 0 < value < 1:
        return {}
    half = Z95 * error / (value * (1 - value))
    odds = special.logit(value)
    low, high = special.expit(odds - half), special.expit(odds + half)
    return {f"{name}ci_low": float(low), f"{name}ci_high": float(high)}


def _row(fit: Mixture, place: int, people: FloatArray) -> dict[str, Any]:
    states = fit.probability[place].mean(axis=0)
    return {
        "latent_class": place + 1,
        "n_class": int(people[fit.posterior.argmax(axis=1) == place].sum()),
        "share": float(fit.share[place]),
        **dict(zip(USED_STATES, (float(value) for value in states), strict=True)),
        "log_likelihood": fit.log_likelihood,
        "n_parameters": fit.n_parameters,
        "bic": fit.bic,
        "entropy": fit.entropy,
    }
