"""Standardised risks: what a logistic model expects if everyone were in each group in turn.

Belongs here: g-computation from counts, with delta or bootstrap intervals of its contrasts.
Does not belong here: the model's terms, weighting (see `weighting`), and the fitting.

The model's risks are averaged over the same people for every group, so the groups are compared at
one mix of covariates. It is still an association: what is not in the model is not held equal.
Source: Robins 1986; Snowden, Rose and Mortimer 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from registry_pipeline.statistics.contrasts import Contrast, with_interval
from registry_pipeline.statistics.intervals import FloatArray
from registry_pipeline.statistics.regression import (
    CONVERGED,
    MAX_STEPS,
    Fit,
    People,
)

CHUNK = 20_000_000
"""Numbers held at once while a bootstrap is fitted."""


@dataclass(frozen=True)
class Standardised:
    """Risk of the reference and of each group, and their contrasts with the reference."""

    risks: FloatArray
    difference: Contrast
    ratio: Contrast


def standardise(cells: People, fit: Fit, groups: Sequence[int]) -> Standardised:
    """Standardised risks with delta intervals, the people taken as they are.

    Args:
        cells: the people of a logistic model, one row each.
        fit: the model, whole.
        groups: columns of the terms that mark a group; nobody is in two, the rest are in the
            reference.

    Returns:
        Risk differences with normal intervals and risk ratios with intervals on the logarithm.
    """
    share = cells.people / cells.people.sum()
    risks, slopes = np.empty(len(groups) + 1), np.empty((len(groups) + 1, len(fit.estimate)))
    for place, terms in enumerate(_as_if(cells.terms, groups)):
        risk = special.expit(terms @ fit.estimate)
        risks[place] = share @ risk
        slopes[place] = (share * risk * (1 - risk)) @ terms
    covariance = slopes @ fit.covariance @ slopes.T
    return Standardised(
        risks, _delta(risks, covariance, ratio=False), _delta(risks, covariance, ratio=True)
    )


def bootstrap(
    cells: People, fit: Fit, groups: Sequence[int], *, draws: int, seed: int
) -> Standardised:
    """The same with percentile intervals over draws of as many people, each refitted.

    Everyone with the same terms and answer is drawn at once, as a multinomial, and all draws are
    fitted together, from where the model of the people ended. A draw without a risk in the
    reference has no ratio and is left out of it. The p value is that of the percentile interval:
    twice the smaller share of draws beyond no difference (Davison and Hinkley 1997, section 4.4).
    """
    points = standardise(cells, fit, groups)
    drawn = _drawn_risks(cells, fit, groups, draws, seed)
    reference, others = drawn[:, :1], drawn[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(others / reference)
    return Standardised(
        points.risks,
        _percentiles(points.difference, others - reference, ratio=False),
        _percentiles(points.ratio, logs, ratio=True),
    )


def _as_if(terms: FloatArray, groups: Sequence[int]) -> list[FloatArray]:
    """The terms with everyone in the reference, then with everyone in each group."""
    nobody = terms.copy()
    nobody[:, list(groups)] = 0
    everyone = [nobody]
    for group in groups:
        everyone.append(nobody.copy())
        everyone[-1][:, group] = 1
    return everyone


def _delta(risks: FloatArray, covariance: FloatArray, *, ratio: bool) -> Contrast:
    scale = 1 / risks if ratio else np.ones_like(risks)
    spread = covariance * np.outer(scale, scale)
    variance = np.diag(spread)[1:] + spread[0, 0] - 2 * spread[0, 1:]
    value = np.log(risks[1:] / risks[0]) if ratio else risks[1:] - risks[0]
    return with_interval(value, variance, ratio=ratio)


def _percentiles(points: Contrast, drawn: FloatArray, *, ratio: bool) -> Contrast:
    """The interval of draws (rows) per group (columns); draws that are not finite are left out."""
    kept = np.where(np.isfinite(drawn), drawn, np.nan)
    bounds = np.nanpercentile(kept, [2.5, 97.5], axis=0)
    low, high = np.exp(bounds) if ratio else bounds
    n = np.isfinite(kept).sum(axis=0)
    beyond = np.minimum((kept <= 0).sum(axis=0), (kept >= 0).sum(axis=0))
    return Contrast(
        estimate=points.estimate,
        low=low,
        high=high,
        p_value=np.minimum(2 * (beyond + 1) / (n + 1), 1.0),
        value=points.value,
        variance=np.nanvar(kept, axis=0, ddof=1),
    )


def _drawn_risks(
    cells: People, fit: Fit, groups: Sequence[int], draws: int, seed: int
) -> FloatArray:
    """Risks (columns: reference, then groups) in each draw of people (rows)."""
    successes = cells.people * cells.total
    counts = np.rint(np.concatenate([successes, cells.people - successes]))
    n = int(counts.sum())
    source = np.random.default_rng(seed)
    at_once = max(1, CHUNK // (2 * len(counts) + cells.terms.shape[1] ** 2))
    parts = []
    for begun in range(0, draws, at_once):
        drawn = source.multinomial(n, counts / n, size=min(at_once, draws - begun))
        yes, no = np.hsplit(drawn.astype(np.float64), 2)
        beta = _refit(cells.terms, yes, yes + no, fit.estimate)
        share = (yes + no) / n
        parts.append(
            np.column_stack(
                [
                    (share * special.expit(beta @ terms.T)).sum(axis=1)
                    for terms in _as_if(cells.terms, groups)
                ]
            )
        )
    return np.vstack(parts)


def _refit(terms: FloatArray, yes: FloatArray, n: FloatArray, start: FloatArray) -> FloatArray:
    """Coefficients of each draw (rows) from its successes and people per cell, all at once.

    A draw without some level, or with no failure in it, has risks but no finite coefficient: the
    smallest step in its directions is taken, and its risks come out at the limit.
    """
    size = terms.shape[1]
    squares = (terms[:, :, None] * terms[:, None, :]).reshape(len(terms), size * size)
    beta = np.tile(start, (len(yes), 1))
    for _ in range(MAX_STEPS):
        risk = special.expit(beta @ terms.T)
        information = ((n * risk * (1 - risk)) @ squares).reshape(-1, size, size)
        score = (yes - n * risk) @ terms
        inverse = np.linalg.pinv(information, hermitian=True)
        step = np.clip(np.einsum("bij,bj->bi", inverse, score), -5, 5)
        beta = beta + step
        if np.abs(step).max() < CONVERGED:
            break
    return np.asarray(beta, dtype=np.float64)
