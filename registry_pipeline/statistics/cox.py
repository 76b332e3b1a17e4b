"""Cox regression from counts of people alike: hazard ratios and the proportional-hazards check.

Belongs here: the partial likelihood, its maximum, and the score test of proportional hazards.
Does not belong here: which terms a model has, or whether the data carry them.

Everyone with the same terms, entry, exit and event is one cell, and what the likelihood needs of a
day are the people at risk and leaving per combination of terms: as many numbers for a million
people as for a thousand. Ties are Efron's (1977). Tests hold the results to R's coxph and cox.zph
and to statsmodels on the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from registry_pipeline.statistics.intervals import Z95, FloatArray
from registry_pipeline.statistics.regression import RUNAWAY, independent, pseudo_inverse

MAX_STEPS: Final = 50
HALVINGS: Final = 20
CONVERGED: Final = 1e-10


@dataclass(frozen=True)
class Stays:
    """Cells of people alike, one element per cell.

    Attributes:
        terms: design matrix without a constant, a row per combination of terms.
        which: the row of `terms` that holds for the cell.
        entry_day: the day observation starts; at risk on t when entry_day < t <= exit_day, and
            from day 0 on when it is 0.
        exit_day: the day of the event or of the censoring.
        is_event: whether the exit is the event; exits come before censorings of a day.
        people: number of people.
        competes: whether the exit is another than the event; null where nobody's is.
    """

    terms: FloatArray
    which: NDArray[np.int64]
    entry_day: NDArray[np.int64]
    exit_day: NDArray[np.int64]
    is_event: NDArray[np.bool_]
    people: NDArray[np.int64]
    competes: NDArray[np.bool_] | None = None

    @cached_property
    def days(self) -> Days:
        """The people at risk and leaving on every event day."""
        return _per_day(self)


@dataclass(frozen=True)
class Fit:
    """A fitted model, one element per term; NaN where a term has no finite estimate.

    Attributes:
        estimate: log hazard ratios; low and high are the bounds of their 95 % Wald intervals.
        log_likelihood: at the estimate, and at no association.
        trend: score of every term times the share that had left before the day, at the estimate,
            and its information, the estimate itself allowed for; null where it is not looked at.
    """

    estimate: FloatArray
    std_error: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    log_likelihood: tuple[float, float]
    trend: tuple[FloatArray, FloatArray] | None


@dataclass(frozen=True)
class Days:
    """People per event day and combination of terms, and what follows from them alone.

    Attributes:
        day: the event days, ascending.
        terms: of each combination, less their mean.
        at_risk: event days x combinations.
        leaving: event days x combinations.
        events: per event day.
        starts: the first event of each day, all events in a row.
        gone: per event, the share of its day's events that went before (Efron's d risk sets).
        until: per day from -1 on, the number of event days up to and on it.
    """

    day: NDArray[np.int64]
    terms: FloatArray
    at_risk: FloatArray
    leaving: FloatArray
    events: NDArray[np.int64]
    starts: NDArray[np.int64]
    gone: FloatArray
    until: NDArray[np.int64]

    def passed(self, day: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of event days up to and on each day, from -1 to the last exit or entry."""
        return self.until[day + 1]


@dataclass(frozen=True)
class _Likelihood:
    """The log partial likelihood at one value of the coefficients, and its derivatives.

    People count by their hazard, in shares of everyone at risk on the day.

    Attributes:
        value: of the log likelihood.
        score: event days x terms.
        at_risk: event days x combinations, people of hazard; leaving: the same.
        mean: the terms of those at risk, event days x terms; leaving_mean: of those leaving.
        whole: hazard at risk on the day; share: the part of it that leaves.
        once, twice: Efron's sums over a day's events of gone / left and of its square, where left
            is the share still at risk.
    """

    days: Days
    value: float
    score: FloatArray
    at_risk: FloatArray
    leaving: FloatArray
    mean: FloatArray
    leaving_mean: FloatArray
    whole: FloatArray
    share: FloatArray
    once: FloatArray
    twice: FloatArray

    def information(self, weight: FloatArray | float = 1.0) -> FloatArray:
        """The information of all event days, each with its weight: terms x terms."""
        terms, events, share = self.days.terms, self.days.events, self.share
        once, both, twice = (
            weight * each for each in (self.once, self.once + share * self.twice, self.twice)
        )
        first = weight * events + share * once
        people = (first / self.whole) @ self.at_risk - (once / self.whole) @ self.leaving
        crossed = self.mean.T @ (both[:, None] * self.leaving_mean)
        second = first + share * both
        return np.asarray(
            terms.T @ (people[:, None] * terms)
            - self.mean.T @ (second[:, None] * self.mean)
            + (crossed + crossed.T)
            - self.leaving_mean.T @ (twice[:, None] * self.leaving_mean)
        )


@dataclass(frozen=True)
class Maximum:
    """Where the partial likelihood is highest.

    Attributes:
        beta: the coefficients there.
        reached: the likelihood there.
        null: the log likelihood at no association.
        covariance: the inverse of the information.
    """

    beta: FloatArray
    reached: _Likelihood
    null: float
    covariance: FloatArray


def cox(stays: Stays) -> Fit | None:
    """The hazard ratios, or null where there is none to look for.

    That is: no event, or terms that depend on each other among the people there.
    """
    found = maximum(stays.days)
    return wald(found, found.covariance, _trend(found)) if found else None


def maximum(days: Days, near: FloatArray | None = None) -> Maximum | None:
    """The maximum of the partial likelihood by Newton's method, or null as for `cox`.

    Args:
        days: the event days.
        near: where the search begins, if not at no association.
    """
    if not len(days.at_risk) or not independent(_differences(days)):
        return None
    beta: FloatArray = np.zeros(days.terms.shape[1])
    reached = _likelihood(days, beta)
    null = reached.value
    if near is not None and np.isfinite(near).all():
        beta, reached = near, _likelihood(days, near)
    for _ in range(MAX_STEPS):
        step = pseudo_inverse(reached.information()) @ reached.score.sum(axis=0)
        beta, reached = _ascend(beta, reached, step)
        if np.abs(step).max() < CONVERGED or np.abs(beta).max() > 2 * RUNAWAY:
            break
    return Maximum(beta, reached, null, pseudo_inverse(reached.information()))


def wald(
    found: Maximum, covariance: FloatArray, trend: tuple[FloatArray, FloatArray] | None = None
) -> Fit:
    """The estimates with their Wald intervals, from the covariance of the coefficients."""
    beta, error = found.beta, np.sqrt(np.maximum(np.diag(covariance), 0))
    finite = (np.abs(beta) < RUNAWAY) & (error < RUNAWAY) & (error > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2 * special.ndtr(-np.abs(beta / error))
    shown = (beta, error, beta - Z95 * error, beta + Z95 * error, p_value)
    estimate, std_error, low, high, p_value = (np.where(finite, v, np.nan) for v in shown)
    log_likelihood = (found.reached.value, found.null)
    return Fit(estimate, std_error, low, high, p_value, log_likelihood, trend)


def proportional_hazards_test(fit: Fit, terms: list[int]) -> tuple[float, int, float] | None:
    """Whether the hazard ratios of some terms change with time: statistic, df and p value.

    The score test of an interaction with the Kaplan-Meier share that had left before the day
    (Grambsch and Therneau 1994, as R's cox.zph does it since survival 3.0). Null where it cannot
    be computed, as when all events fall on one day.
    """
    if fit.trend is None:
        return None
    score, information = fit.trend[0][terms], fit.trend[1][np.ix_(terms, terms)]
    scale = np.sqrt(np.maximum(np.diag(information), 0))
    if not np.isfinite(fit.estimate[terms]).all() or (scale < CONVERGED).any():
        return None
    standard = information / np.outer(scale, scale)
    if np.linalg.matrix_rank(standard, hermitian=True) < len(terms):
        return None
    statistic = float((score / scale) @ np.linalg.solve(standard, score / scale))
    return statistic, len(terms), float(special.chdtrc(len(terms), statistic))


def _per_day(stays: Stays) -> Days:
    event = stays.is_event & (stays.people > 0)
    span = int(max(stays.exit_day.max(initial=0), stays.entry_day.max(initial=0))) + 1
    exits = np.bincount(stays.exit_day[event], minlength=span)
    until: NDArray[np.int64] = np.cumsum(np.append(0, exits > 0), dtype=np.int64)
    n_days, size = int(until[-1]), len(stays.terms)
    first = np.where(stays.entry_day > 0, until[stays.entry_day + 1], 0)
    last = until[stays.exit_day + 1]

    def counted(day: NDArray[np.int64], these: NDArray[np.bool_] | slice) -> FloatArray:
        place = day[these] * size + stays.which[these]
        people = np.bincount(place, stays.people[these], minlength=(n_days + 1) * size)
        return np.asarray(people.reshape(n_days + 1, size), dtype=np.float64)

    change = counted(first, slice(None)) - counted(last, slice(None))
    leaving = counted(last, event)[1:]
    events = leaving.sum(axis=1).astype(np.int64)
    starts = np.cumsum(events) - events
    gone = (np.arange(events.sum()) - np.repeat(starts, events)) / np.repeat(events, events)
    terms = stays.terms - stays.terms.mean(axis=0)
    at_risk = np.cumsum(change, axis=0)[:-1]
    return Days(np.flatnonzero(exits), terms, at_risk, leaving, events, starts, gone, until)


def _differences(days: Days) -> FloatArray:
    """The terms of those ever at risk on an event day, less one of them: no constant is fitted."""
    there = days.terms[days.at_risk.sum(axis=0) > 0]
    return np.asarray(there - there[0], dtype=np.float64)


def _ascend(
    beta: FloatArray, before: _Likelihood, step: FloatArray
) -> tuple[FloatArray, _Likelihood]:
    """One Newton step, halved until the likelihood does not fall."""
    least = before.value - CONVERGED * (1 + abs(before.value))
    for _ in range(HALVINGS):
        reached = _likelihood(before.days, beta + step)
        if reached.value >= least:
            break
        step = step / 2
    return beta + step, reached


def _likelihood(days: Days, beta: FloatArray) -> _Likelihood:
    """The likelihood and what its derivatives are made of.

    With d events on a day, Efron's likelihood has d risk sets, from which 0/d, 1/d, ... of those
    leaving have gone. With 1 / left = 1 + share * gone / left, all its sums over the d sets follow
    from two.
    """
    terms, events = days.terms, days.events
    hazard = np.exp(terms @ beta)
    at_risk, leaving = days.at_risk * hazard, days.leaving * hazard
    whole = at_risk.sum(axis=1)
    share = leaving.sum(axis=1) / whole
    left = 1 - days.gone * np.repeat(share, events)
    part = days.gone / left
    once, twice = (np.add.reduceat(each, days.starts) for each in (part, part * part))
    mean, leaving_mean = (people @ terms / whole[:, None] for people in (at_risk, leaving))
    first = events + share * once
    score = days.leaving @ terms - first[:, None] * mean + once[:, None] * leaving_mean
    value = (days.leaving @ (terms @ beta)).sum() - events @ np.log(whole) - np.log(left).sum()
    return _Likelihood(
        days, float(value), score, at_risk, leaving, mean, leaving_mean, whole, share, once, twice
    )


def _trend(found: Maximum) -> tuple[FloatArray, FloatArray]:
    """Score and information of the terms times the share that had left before the day."""
    reached, days = found.reached, found.reached.days
    hazard = days.leaving.sum(axis=1) / days.at_risk.sum(axis=1)
    gone = 1 - np.concatenate([[1.0], np.cumprod(1 - hazard)[:-1]])
    mixed, own = reached.information(gone), reached.information(gone**2)
    return gone @ reached.score, own - mixed @ found.covariance @ mixed
