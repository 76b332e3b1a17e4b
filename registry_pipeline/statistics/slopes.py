"""Straight lines over the waves, from sums over people: estimating equations and a mixed model.

Belongs here: the slope of a score or of the log odds of an answer, with an interval that allows
for the repeated answers of a person. Does not belong here: models with terms that are the same in
every row of a person (see `regression`).

People who answered at the same waves share their design, so what the models need of their answers
are sums over these people: of x'y, of its products, and of squares. That is exact, not an
approximation: tests hold the results to statsmodels' GEE and MixedLM on the rows, which take
seconds where this takes milliseconds. All groups of people are fitted at once.

All three models are a weighted line: a person's score is L (x'y - x'x b) with a matrix L that
depends on the waves alone. The errors are cluster-robust and bias-reduced for few people (Mancl
and DeRouen 2001) in each of them, so a wrong working covariance costs width and not coverage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import Z95, FloatArray
from registry_pipeline.statistics.regression import ROUNDING, RUNAWAY
from registry_pipeline.statistics.reml import Deviance, minimum

MAX_STEPS: Final = 60
CONVERGED: Final = 1e-12
START: Final = np.array([1.0, 0.0, 0.5])
"""Where the search for the covariance of start and slope begins."""


@dataclass(frozen=True)
class Courses:
    """Groups of people by the waves they answered at; x is (1, time).

    Attributes:
        time: of each wave; the search for the mixed model wants it between 0 and 1.
        observed: sets of waves x waves.
        people: number of people, groups x sets of waves, as all that follow.
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
        """The x'x of each set of waves, or x'Wx of each group with its weight per wave."""
        products = _products(self.x)
        sums = self.observed @ (products if weight is None else weight[:, :, None] * products)
        return np.asarray(sums.reshape(*sums.shape[:-1], 2, 2), dtype=np.float64)

    def of(self, groups: NDArray[Any]) -> Courses:
        """Some of the groups: a flag for each, or their places."""
        parts = (self.people, self.total, self.products, self.squares)
        people, total, products, squares = (part[groups] for part in parts)
        return replace(self, people=people, total=total, products=products, squares=squares)


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


Lines = list[Line | str]
"""The line of each group, or the reason why there is none."""


def exchangeable(courses: Courses) -> Lines:
    """Linear estimating equations; any two answers of a person are equally correlated.

    `not_computable` where the waves answered do not carry a line, or the answers do not vary.
    Source: Liang and Zeger 1986.
    """
    return _where_carried(courses, _exchangeable)


def mixed(courses: Courses) -> Lines:
    """Linear mixed model: every person has a start and a slope, fitted by REML.

    A reason as for `exchangeable`, and `no_convergence` where the search for the covariance of
    start and slope does not come to rest, as where people hardly vary about their own lines.
    Source: Laird and Ware 1982.
    """
    return _where_carried(courses, _mixed)


def logistic(courses: Courses) -> Lines:
    """Logistic estimating equations with independence working correlation; answers are 0 or 1.

    A reason as for `exchangeable`, also where the answers are all alike or parted by time.
    """
    return _where_carried(courses, _logistic)


def _where_carried(courses: Courses, fit: Callable[[Courses], Lines]) -> Lines:
    there = _carries(courses)
    lines = iter(fit(courses.of(there)) if there.any() else ())
    return [next(lines) if is_there else reasons.NOT_COMPUTABLE for is_there in there]


def _exchangeable(courses: Courses) -> Lines:
    """L takes a share of a person's sum off each answer: L = I - share x'1 (1, 0)."""
    design, people = courses.design(), courses.people
    first = design[:, :, 0]
    even, total, sums = _products(first), courses.total.sum(axis=1), courses.total[..., 0]
    rows = courses.observed.sum(axis=1) * (people > 0)
    n = (people * rows).sum(axis=1)
    pairs = (people * rows * (rows - 1)).sum(axis=1) / 2
    correlation, beta = np.zeros_like(n), np.zeros((len(n), 2))
    for _ in range(MAX_STEPS):
        before = beta
        share = correlation[:, None] / (1 + (rows - 1) * correlation[:, None])
        information = people @ design.reshape(-1, 4) - (people * share) @ even
        score = total - (share * sums) @ first
        beta = np.linalg.solve(information.reshape(-1, 2, 2), score[..., None])[..., 0]
        moved = np.abs(beta - before).max(axis=1)
        at_rest = moved < CONVERGED * (1 + np.abs(beta).max(axis=1))
        if at_rest.all():
            break
        squared, expected = _squared(courses, beta), beta @ first.T
        crossed = courses.products[..., 0, 0] - 2 * sums * expected + people * expected**2
        scale, apart = squared / (n - 2), (crossed.sum(axis=1) - squared) / 2
        correlation = np.divide(apart / scale, pairs - 2, out=np.zeros_like(n), where=pairs > 2)
        correlation = np.clip(correlation, -1 / rows.max(axis=1), 1 - ROUNDING)
    within = np.zeros((*people.shape, 2, 2)) + np.eye(2)
    within[..., 0] -= share[..., None] * first
    lines = _lines(courses, beta, within, design, (design @ beta[:, None, :, None])[..., 0])
    return _unless(at_rest, lines, reasons.NO_CONVERGENCE)


def _mixed(courses: Courses) -> Lines:
    design = courses.design()
    sums = (courses.total, courses.products, courses.squares.sum(axis=1))
    roots = minimum(Deviance.of(courses.people, design, *sums), START)
    at_rest = np.asarray(np.isfinite(roots).all(axis=1))
    start, both, own = np.where(at_rest[:, None], roots, START).T
    psi = np.array([[start**2, start * both], [start * both, both**2 + own**2]])
    within, _ = _inverse(np.eye(2) + design @ psi.transpose(2, 0, 1)[:, None])
    score = (within @ courses.total[..., None]).sum(axis=1)
    beta = np.linalg.solve(_summed(courses, within @ design), score)[..., 0]
    lines = _lines(courses, beta, within, design, (design @ beta[:, None, :, None])[..., 0])
    return _unless(at_rest, lines, reasons.NO_CONVERGENCE)


def _logistic(courses: Courses) -> Lines:
    x, asked, total = courses.x, courses.people @ courses.observed, courses.total.sum(axis=1)
    beta = np.zeros((len(total), 2))
    for _ in range(MAX_STEPS):
        mean = special.expit(beta @ x.T)
        information = (asked * mean * (1 - mean)) @ _products(x)
        inverse = np.linalg.pinv(information.reshape(-1, 2, 2), hermitian=True)
        step = (inverse @ (total - (asked * mean) @ x)[:, :, None])[:, :, 0]
        step[np.abs(beta).max(axis=1) > RUNAWAY] = 0
        beta = beta + step
        if np.abs(step).max() < CONVERGED:
            break
    found = np.asarray(np.abs(beta).max(axis=1) <= RUNAWAY)
    mean = special.expit(np.where(found[:, None], beta, 0.0) @ x.T)
    expected = courses.observed @ (mean[:, :, None] * x)
    within = np.broadcast_to(np.eye(2), (*courses.people.shape, 2, 2))
    lines = _lines(courses, beta, within, courses.design(mean * (1 - mean)), expected)
    return _unless(found, lines, reasons.NOT_COMPUTABLE)


def _unless(found: NDArray[np.bool_], lines: Lines, reason: str) -> Lines:
    return [line if is_found else reason for is_found, line in zip(found, lines, strict=True)]


def _products(x: FloatArray) -> FloatArray:
    """The four products of the two columns of x."""
    return (x[..., :, None] * x[..., None, :]).reshape(*x.shape[:-1], 4)


def _carries(courses: Courses) -> NDArray[np.bool_]:
    """Whether there is a line through the waves answered at, and answers that vary about it."""
    total = _summed(courses, courses.design())
    there = np.asarray(np.linalg.matrix_rank(total, hermitian=True) == 2)
    total[~there] = np.eye(2)
    beta = np.linalg.solve(total, courses.total.sum(axis=1)[..., None])[..., 0]
    answers = courses.people @ courses.observed.sum(axis=1)
    return np.asarray(there & (_squared(courses, beta) > ROUNDING * answers))


def _summed(courses: Courses, matrices: FloatArray) -> FloatArray:
    """What each person has of a 2 x 2 matrix, over all people of each group."""
    flat = matrices.reshape(*matrices.shape[:-2], 4)
    return np.asarray((courses.people[:, None] @ flat).reshape(-1, 2, 2), dtype=np.float64)


def _squared(courses: Courses, beta: FloatArray) -> FloatArray:
    """Sum of the squared residuals from the line of each group."""
    design = _summed(courses, courses.design())
    expected = (design @ beta[..., None])[..., 0] - 2 * courses.total.sum(axis=1)
    return np.asarray(courses.squares.sum(axis=1) + (beta * expected).sum(axis=1))


def _inverse(matrices: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inverses and determinants of 2 x 2 matrices, much faster than one by one."""
    a, b, c, d = (matrices[..., i, j] for i in (0, 1) for j in (0, 1))
    determinant = a * d - b * c
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.stack([d, -b, -c, a], axis=-1) / determinant[..., None]
    return inverse.reshape(matrices.shape), determinant


def _lines(
    courses: Courses,
    beta: FloatArray,
    within: FloatArray,
    design: FloatArray,
    expected: FloatArray,
) -> Lines:
    """The lines with robust errors: each person's residuals divided by 1 less their leverage.

    `not_computable` where a person alone carries the line, or nobody is off it.
    """
    own, there = within @ design, courses.people > 0
    bread = np.linalg.inv(_summed(courses, own))
    kept, determinant = _inverse(np.eye(2) - own @ bread[:, None])
    alone = ((np.abs(determinant) < ROUNDING) & there).any(axis=1)
    # Of the people with the same waves: how the slope follows their x'r, and its square summed.
    follows = (bread[:, None, None, 1] @ np.where(there[..., None, None], kept, 0.0) @ within)[
        ..., 0, :
    ]
    given, told = (follows * courses.total).sum(axis=-1), (follows * expected).sum(axis=-1)
    squares = (_products(follows) * courses.products.reshape(*there.shape, 4)).sum(axis=-1)
    variance = (squares - 2 * given * told + courses.people * told**2).sum(axis=1)
    error, slope = np.sqrt(np.maximum(variance, 0.0)), beta[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2 * special.ndtr(-np.abs(slope / error))
    numbers = np.column_stack([beta, slope - Z95 * error, slope + Z95 * error, p_value])
    lines: Lines = [Line(*line) for line in numbers.tolist()]
    return _unless(~alone & (error > ROUNDING), lines, reasons.NOT_COMPUTABLE)
