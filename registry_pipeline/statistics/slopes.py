"""Straight lines over the waves, from sums over people: estimating equations and a mixed model.

Belongs here: the slope of a score or of the log odds of an answer, with an interval that allows
for the repeated answers of a person. Does not belong here: models with terms that are the same in
every row of a person (see `regression`).

People who answered at the same waves share their design, so what the models need of their answers
are sums over these people: of x'y, of its products, and of squares. That is exact, not an
approximation: tests hold the results to statsmodels' GEE and MixedLM on the rows, which take
seconds where this takes milliseconds.

All three models are a weighted line: a person's score is L (x'y - x'x b) with a matrix L that
depends on the waves alone. The errors are cluster-robust and bias-reduced for few people (Mancl
and DeRouen 2001) in each of them, so a wrong working covariance costs width and not coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import Z95, FloatArray
from registry_pipeline.statistics.regression import ROUNDING, RUNAWAY
from registry_pipeline.statistics.reml import Deviance, minimum

MAX_STEPS: Final = 60
CONVERGED: Final = 1e-12
ONE: Final = np.array([1.0, 0.0])


@dataclass(frozen=True)
class Courses:
    """People by the waves they answered at, one element per set of waves; x is (1, time).

    Attributes:
        time: of each wave; the search for the mixed model wants it between 0 and 1.
        observed: sets of waves x waves.
        people: number of people.
        total: sum over people of x'y, with y the answers of a person.
        products: sum over people of (x'y)(x'y)'.
        squares: sum over people of y'y.
    """

    time: FloatArray
    observed: NDArray[np.bool_]
    people: FloatArray
    total: FloatArray
    products: FloatArray
    squares: FloatArray

    @property
    def x(self) -> FloatArray:
        """The design of all waves: 1 and the time."""
        return np.column_stack([np.ones_like(self.time), self.time])

    def design(self, weight: FloatArray | None = None) -> FloatArray:
        """The x'x of each set of waves, or x'Wx with a weight per wave."""
        x = self.x
        weighted = self.observed * (1.0 if weight is None else weight)
        return np.asarray(np.einsum("pt,ti,tj->pij", weighted, x, x), dtype=np.float64)


@dataclass(frozen=True)
class Line:
    """The fitted line: its height at time 0, and its slope with a 95 % interval.

    Of a logistic line both are log odds.
    """

    start: float
    slope: float
    low: float
    high: float
    p_value: float


def exchangeable(courses: Courses) -> Line | str:
    """Linear estimating equations; any two answers of a person are equally correlated.

    `not_computable` where the waves answered do not carry a line, or the answers do not vary.
    Source: Liang and Zeger 1986.
    """
    design, rows = courses.design(), courses.observed.sum(axis=1)
    n = float(courses.people @ rows)
    pairs = float(courses.people @ (rows * (rows - 1) / 2))
    if not _carries(courses, design):
        return reasons.NOT_COMPUTABLE
    correlation, beta = 0.0, np.zeros(2)
    for _ in range(MAX_STEPS):
        before = beta
        within = _evened(design, rows, correlation)
        bread = np.linalg.inv(np.einsum("p,pij->ij", courses.people, within @ design))
        beta = bread @ np.einsum("pij,pj->i", within, courses.total)
        if np.abs(beta - before).max() < CONVERGED * (1 + np.abs(beta).max()):
            break
        second, squared = _residuals(courses, design, beta)
        scale = squared.sum() / (n - 2)
        crossed = (second[:, 0, 0] - squared).sum() / 2
        correlation = crossed / scale / (pairs - 2) if pairs > 2 else 0.0
        correlation = min(max(correlation, -1 / rows.max()), 1 - ROUNDING)
    else:
        return reasons.NO_CONVERGENCE
    second, _ = _residuals(courses, design, beta)
    return _line(beta, bread, within, design, second)


def mixed(courses: Courses) -> Line | str:
    """Linear mixed model: every person has a start and a slope, fitted by REML.

    A reason as for `exchangeable`, and `no_convergence` where the search for the covariance of
    start and slope does not come to rest, as where people hardly vary about their own lines.
    Source: Laird and Ware 1982.
    """
    design = courses.design()
    if not _carries(courses, design):
        return reasons.NOT_COMPUTABLE
    sums = (courses.total, courses.products, float(courses.squares.sum()))
    root = minimum(Deviance.of(courses.people, design, *sums), np.array([1.0, 0.0, 0.5]))
    if root is None:
        return reasons.NO_CONVERGENCE
    start, both, own = root
    psi = np.array([[start**2, start * both], [start * both, both**2 + own**2]])
    within, _ = _inverse(np.eye(2) + design @ psi)
    bread = np.linalg.inv(np.einsum("p,pij->ij", courses.people, within @ design))
    beta = bread @ np.einsum("pij,pj->i", within, courses.total)
    second, _ = _residuals(courses, design, beta)
    return _line(beta, bread, within, design, second)


def logistic(courses: Courses) -> Line | str:
    """Logistic estimating equations with independence working correlation; answers are 0 or 1.

    A reason as for `exchangeable`, also where the answers are all alike or parted by time.
    """
    if not _carries(courses, courses.design()):
        return reasons.NOT_COMPUTABLE
    x, asked, total = courses.x, courses.people @ courses.observed, courses.total.sum(axis=0)
    beta = np.zeros(2)
    for _ in range(MAX_STEPS):
        mean = special.expit(x @ beta)
        weight = mean * (1 - mean)
        information = (x * (asked * weight)[:, None]).T @ x
        step = np.linalg.pinv(information, hermitian=True) @ (total - x.T @ (asked * mean))
        beta = beta + step
        if np.abs(step).max() < CONVERGED or np.abs(beta).max() > RUNAWAY:
            break
    if np.abs(beta).max() > RUNAWAY:
        return reasons.NOT_COMPUTABLE
    mean = special.expit(x @ beta)
    expected = courses.observed @ (x * mean[:, None])
    design = courses.design(mean * (1 - mean))
    bread = np.linalg.inv(np.einsum("p,pij->ij", courses.people, design))
    within = np.broadcast_to(np.eye(2), design.shape)
    return _line(beta, bread, within, design, _second(courses, expected))


def _carries(courses: Courses, design: FloatArray) -> bool:
    """Whether there is a line through the waves answered at, and answers that vary about it."""
    total = np.einsum("p,pij->ij", courses.people, design)
    if np.linalg.matrix_rank(total, hermitian=True) < 2:
        return False
    _, squared = _residuals(courses, design, np.linalg.solve(total, courses.total.sum(axis=0)))
    return bool(squared.sum() > ROUNDING * (courses.people @ courses.observed.sum(axis=1)))


def _evened(design: FloatArray, rows: NDArray[np.int64], correlation: float) -> FloatArray:
    """L of equally correlated answers: takes a share of a person's sum off each of them."""
    share = correlation / (1 + (rows - 1) * correlation)
    outer = np.einsum("p,pi,j->pij", share, design[:, :, 0], ONE)
    return np.asarray(np.eye(2) - outer, dtype=np.float64)


def _second(courses: Courses, expected: FloatArray) -> FloatArray:
    """Sum over people of (x'r)(x'r)', with x'r the x'y of a person less the expected."""
    crossed = courses.total[:, :, None] * expected[:, None, :]
    squared = courses.people[:, None, None] * expected[:, :, None] * expected[:, None, :]
    return np.asarray(
        courses.products - crossed - crossed.transpose(0, 2, 1) + squared, dtype=np.float64
    )


def _residuals(
    courses: Courses, design: FloatArray, beta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sums over people of (x'r)(x'r)' and of r'r, with residuals r from the line."""
    expected = design @ beta
    squared = courses.squares - 2 * courses.total @ beta + courses.people * (expected @ beta)
    return _second(courses, expected), squared


def _inverse(matrices: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inverses and determinants of 2 x 2 matrices, much faster than one by one."""
    a, b, c, d = (matrices[:, i, j] for i in (0, 1) for j in (0, 1))
    determinant = a * d - b * c
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.array([[d, -b], [-c, a]]).transpose(2, 0, 1) / determinant[:, None, None]
    return np.asarray(inverse, dtype=np.float64), determinant


def _line(
    beta: FloatArray,
    bread: FloatArray,
    within: FloatArray,
    design: FloatArray,
    second: FloatArray,
) -> Line | str:
    """The line with its robust error: each person's residuals divided by 1 less their leverage."""
    kept, determinant = _inverse(np.eye(2) - within @ design @ bread)
    if (np.abs(determinant) < ROUNDING).any():
        return reasons.NOT_COMPUTABLE
    weight = kept @ within
    meat = (weight @ second @ weight.transpose(0, 2, 1)).sum(axis=0)
    error = float(np.sqrt(max((bread @ meat @ bread)[1, 1], 0.0)))
    if error <= ROUNDING:
        return reasons.NOT_COMPUTABLE
    start, slope = (float(value) for value in beta)
    p_value = float(2 * special.ndtr(-abs(slope / error)))
    return Line(start, slope, slope - Z95 * error, slope + Z95 * error, p_value)
