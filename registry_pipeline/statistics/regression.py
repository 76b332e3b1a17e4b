"""Linear and logistic regression from counts of people with the same answers.

Belongs here: models whose terms are the same in every row of a person, so that a person is known
by the number of rows and the sum of the outcome. Does not belong here: which terms, or whether
the data carry them.

With terms constant within a person, the generalised estimating equations with independence
working correlation and their robust errors need no rows of people: everyone with the same terms,
number of rows and sum counts as one cell. Tests hold the results to statsmodels' GLM and GEE,
which take minutes where this takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from registry_pipeline.statistics.intervals import Z95, FloatArray

MAX_STEPS: Final = 50
CONVERGED: Final = 1e-10
ROUNDING: Final = 1e-9
"""An error below this is rounding: the outcome is the same in everyone alike."""

EXPLAINED: Final = 1e-12
"""A residual below this share of the sum of squares is rounding too."""

SMALLEST: Final = 1e-15
"""A direction with less than this share of the information has none."""

RUNAWAY: Final = 15.0
"""A coefficient (log odds) or its error beyond this has no finite estimate: the outcome does not
vary where the term holds."""


@dataclass(frozen=True)
class People:
    """Cells of people alike in the model, one element (a row of `terms`) per cell.

    Attributes:
        terms: design matrix, the constant included.
        people: number of people.
        rows: rows of each person with an answer.
        total: sum of each person's answers (for a logistic model, of successes).
        squares: sum of squares over all people of the cell; used by the linear model alone.
    """

    terms: FloatArray
    people: FloatArray
    rows: FloatArray
    total: FloatArray
    squares: FloatArray


@dataclass(frozen=True)
class Fit:
    """Coefficients with 95 % interval and two-sided p value; NaN where there is no estimate.

    Attributes:
        estimate: the coefficients.
        low: their lower bounds.
        high: their upper bounds.
        p_value: of no association.
        covariance: of the coefficients, NaN throughout where one of them has no estimate.
        df: degrees of freedom of the intervals; infinite where they are normal.
    """

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    covariance: FloatArray
    df: float

    @property
    def is_whole(self) -> bool:
        """Whether every coefficient has an estimate."""
        return bool(np.isfinite(self.covariance).all())


def regress(cells: People, *, logistic: bool, clustered: bool) -> Fit:
    """Coefficients of a linear or logistic model, the latter in log odds.

    Args:
        cells: the people.
        logistic: a binary outcome with logit link; else a score with identity link.
        clustered: people have several rows: robust errors, bias-reduced for small samples
            (Mancl and DeRouen 2001), with normal intervals. Else the model's own errors, with
            Student t intervals for the linear model.

    Returns:
        One element per column of the terms; all NaN where the columns depend on each other.
    """
    if not independent(cells.terms):
        return _nothing(cells.terms.shape[1])
    n = cells.people * cells.rows
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        beta, inverse, mean, weight = _solve(cells, n, logistic=logistic)
        df = np.inf
        if clustered:
            covariance = inverse @ _meat(cells, inverse, mean, weight) @ inverse
        elif logistic:
            covariance = inverse
        else:
            df = n.sum() - len(beta)
            squares = cells.squares.sum()
            residual = squares - (cells.people * cells.total) @ mean
            covariance = inverse * np.where(residual > EXPLAINED * squares, residual, 0.0) / df
        error = np.sqrt(np.diag(covariance))
        finite = np.isfinite(error) & (error > ROUNDING)
        if logistic:
            finite &= (np.abs(beta) < RUNAWAY) & (error < RUNAWAY)
        half = (Z95 if np.isinf(df) else special.stdtrit(df, 0.975)) * error
        score = -np.abs(beta / error)
        p_value = 2 * (special.ndtr(score) if np.isinf(df) else special.stdtr(df, score))
    return Fit(
        estimate=np.where(finite, beta, np.nan),
        low=np.where(finite, beta - half, np.nan),
        high=np.where(finite, beta + half, np.nan),
        p_value=np.where(finite, p_value, np.nan),
        covariance=np.where(finite.all(), covariance, np.nan),
        df=float(df),
    )


def independent(terms: FloatArray) -> bool:
    """Whether no column of a design matrix follows from the others."""
    return bool(np.linalg.matrix_rank(terms.T @ terms, hermitian=True) == terms.shape[1])


def pseudo_inverse(information: FloatArray) -> FloatArray:
    """The inverse of a symmetric matrix; a direction that it tells nothing of stays out."""
    size, turn = np.linalg.eigh(information)
    told = np.abs(size) > SMALLEST * np.abs(size).max()
    inverse = (turn * np.divide(1, size, out=np.zeros_like(size), where=told)) @ turn.T
    return np.asarray(inverse, dtype=np.float64)


def holm(p_values: FloatArray) -> FloatArray:
    """Holm's step-down adjustment (1979) over the p values that are not NaN."""
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: int(np.isfinite(p_values).sum())]
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def _solve(
    cells: People, n: FloatArray, *, logistic: bool
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Coefficients, inverse information, fitted mean and variance weight, by reweighted squares."""
    terms, total = cells.terms, cells.people * cells.total
    beta: FloatArray = np.zeros(terms.shape[1])
    scaled = np.empty(terms.shape)  # times itself: half the products of two matrices
    for _ in range(MAX_STEPS):
        mean: FloatArray = special.expit(terms @ beta) if logistic else terms @ beta
        weight: FloatArray = mean * (1 - mean) if logistic else np.ones_like(mean)
        np.multiply(terms, np.sqrt(n * weight)[:, None], out=scaled)
        inverse = pseudo_inverse(scaled.T @ scaled)
        step = inverse @ (terms.T @ (total - n * mean))
        if np.abs(step).max() < CONVERGED:
            break
        beta = beta + step
    return beta, inverse, mean, weight


def _meat(cells: People, inverse: FloatArray, mean: FloatArray, weight: FloatArray) -> FloatArray:
    """Sum over people of their squared score, residuals divided by 1 less their leverage."""
    leverage = cells.rows * weight * ((cells.terms @ inverse) * cells.terms).sum(axis=1)
    residual = (cells.total - cells.rows * mean) / (1 - leverage)
    score = cells.terms * (np.sqrt(cells.people) * residual)[:, None]
    return np.asarray(score.T @ score, dtype=np.float64)


def _nothing(size: int) -> Fit:
    nothing = np.full(size, np.nan)
    return Fit(nothing, nothing, nothing, nothing, np.full((size, size), np.nan), np.nan)
