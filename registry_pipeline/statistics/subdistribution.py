"""The subdistribution hazard of Fine and Gray (1999), from counts of people alike.

Belongs here: the weighted partial likelihood and the errors of its maximum.
Does not belong here: the likelihood itself (see `cox`), incidences without a model (`competing`).

People who left in another way stay at risk, each counting as the probability of not having been
censored since: G(t-) / G(x-), with G the product-limit share not censored, x the day of leaving.
The ratio tells how the cumulative incidence differs, where the cause-specific one tells how those
still there leave. The errors are Fine and Gray's: they know that the weights are estimated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from registry_pipeline.statistics.cox import Days, Fit, Stays, maximum, wald
from registry_pipeline.statistics.intervals import FloatArray

Ties = Literal["efron", "breslow"]


@dataclass(frozen=True)
class _Weighted:
    """A model whose risk sets are weighted by the share not censored.

    Attributes:
        stays: the people.
        competes: of each cell, whether its exit is another one.
        days: the event days, those who left in another way being at risk too.
        uncensored: share not censored before each day from 0, G(t-).
        hazard: censored on the day, of those at risk of it.
        n_at_risk: of being censored on the day.
        exits_first: exits of a day are not at risk of its censorings.
    """

    stays: Stays
    competes: NDArray[np.bool_]
    days: Days
    uncensored: FloatArray
    hazard: FloatArray
    n_at_risk: FloatArray
    exits_first: bool


def fine_gray(stays: Stays, ties: Ties = "efron", *, near: FloatArray | None = None) -> Fit | None:
    """The subdistribution hazard ratios, or null as for `cox`.

    Args:
        stays: the people, all observed from day 0, those with another exit marked.
        ties: Efron's, with exits before the censorings of a day, as coxph makes of R's finegray;
            or Breslow's, with the day's exits at risk of its censorings, as R's crr.
        near: where the search begins, if not at no association.
    """
    model = _weighted(stays, ties)
    found = maximum(model.days, near)
    if found is None:
        return None
    baseline = _increments(model.days, found.beta)
    influence = _residuals(model, found.beta, *baseline)
    influence += _through_weights(model, found.beta, baseline[0])
    meat = influence.T @ (influence * stays.people[:, None])
    return wald(found, found.covariance @ meat @ found.covariance)


def _weighted(stays: Stays, ties: Ties) -> _Weighted:
    days, exits_first = stays.days, ties == "efron"
    nobody = np.zeros(len(stays.people), dtype=np.bool_)
    competes = nobody if stays.competes is None else stays.competes
    left = stays.is_event | competes
    span = int(stays.exit_day.max(initial=0)) + 1

    def on_day(these: NDArray[np.bool_]) -> FloatArray:
        people = np.bincount(stays.exit_day[these], stays.people[these], minlength=span)
        return np.asarray(people, dtype=np.float64)

    at_risk = np.cumsum(on_day(~nobody)[::-1])[::-1] - exits_first * on_day(left)
    censored = on_day(~left)
    hazard = np.divide(censored, at_risk, out=np.zeros(span), where=censored > 0)
    uncensored = _before(np.cumprod(1 - hazard), 1.0)[:-1]

    day = stays.exit_day[competes]
    place = days.passed(day) * len(days.terms) + stays.which[competes]
    size = (len(days.day) + 1) * len(days.terms)
    after = np.bincount(place, stays.people[competes] / uncensored[day], minlength=size)
    staying = np.cumsum(after.reshape(-1, len(days.terms)), axis=0)[:-1]
    days = replace(
        days,
        at_risk=days.at_risk + staying * uncensored[days.day][:, None],
        gone=days.gone if exits_first else np.zeros_like(days.gone),
    )
    return _Weighted(stays, competes, days, uncensored, hazard, at_risk, exits_first)


def _residuals(
    model: _Weighted, beta: FloatArray, here: FloatArray, leaving: FloatArray, mean: FloatArray
) -> FloatArray:
    """The score of one person of each cell: the exit less what was expected, cells x terms."""
    stays, days, competes = model.stays, model.days, model.competes
    terms, event = days.terms[stays.which], stays.is_event
    weight = np.exp(terms @ beta)
    last = days.passed(stays.exit_day)
    on_it = last[event] - 1
    expected = _at(terms, weight, _before(np.cumsum(here, axis=0), 0.0)[last])
    expected[event] -= _at(terms[event], weight[event], (here - leaving)[on_it])
    share = weight[competes] / model.uncensored[stays.exit_day[competes]]
    expected[competes] += _at(terms[competes], share, _ahead(model, here)[last[competes]])
    residual = -expected
    residual[event] += terms[event] - mean[on_it]
    return residual


def _through_weights(model: _Weighted, beta: FloatArray, here: FloatArray) -> FloatArray:
    """What one person of each cell does to the score by being censored, or at risk of it."""
    stays, days, competes = model.stays, model.days, model.competes
    terms, day = days.terms[stays.which][competes], stays.exit_day[competes]
    count = stays.people[competes] * np.exp(terms @ beta) / model.uncensored[day]
    span = len(model.hazard)
    columns = (count, *(count * term for term in terms.T))
    left = [np.bincount(day, column, minlength=span) for column in columns]
    staying: FloatArray = np.cumsum(np.column_stack(left), axis=0, dtype=np.float64)
    until = np.arange(span)
    if not model.exits_first:
        staying, until = _before(staying, 0.0)[:-1], until - 1
    ahead = _ahead(model, here)[days.passed(until)]
    change = staying[:, 1:] * ahead[:, :1] - staying[:, :1] * ahead[:, 1:]
    some = model.hazard > 0
    change[some] /= model.n_at_risk[some, None]
    change[~some] = 0.0
    drift = _before(np.cumsum(change * model.hazard[:, None], axis=0), 0.0)
    censored = ~(stays.is_event | competes)
    at_risk_of_it = censored if model.exits_first else np.ones_like(censored)
    own = np.where(censored[:, None], change[stays.exit_day], 0.0)
    return np.asarray(own - drift[stays.exit_day + at_risk_of_it], dtype=np.float64)


def _ahead(model: _Weighted, here: FloatArray) -> FloatArray:
    """The increments still to come, each times the share not censored; per event days passed."""
    weighted = here * model.uncensored[model.days.day][:, None]
    return np.asarray(weighted.sum(axis=0) - _before(np.cumsum(weighted, axis=0), 0.0))


def _increments(days: Days, beta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Per event day the increments of the baseline hazard, alone and times the mean of the terms.

    Returns:
        Of those who stay on the day, and of those who leave on it (Efron takes a part of these
        out of each risk set): event days x (1 + terms); and the mean of the terms at the events.
    """
    weight = np.exp(days.terms @ beta)
    at_risk, leaving = days.at_risk * weight, days.leaving * weight
    sums, out = (
        np.repeat(np.column_stack([w.sum(axis=1), w @ days.terms]), days.events, axis=0)
        for w in (at_risk, leaving)
    )
    left = sums - days.gone[:, None] * out
    mean = left[:, 1:] / left[:, :1]
    each = np.column_stack([np.ones(len(mean)), mean]) / left[:, :1]
    staying = np.add.reduceat(each, days.starts, axis=0)
    leaving_too = np.add.reduceat(each * (1 - days.gone[:, None]), days.starts, axis=0)
    means = np.add.reduceat(mean, days.starts, axis=0) / days.events[:, None]
    return staying, leaving_too, means


def _at(terms: FloatArray, weight: FloatArray, hazard: FloatArray) -> FloatArray:
    """Weight times (terms x hazard less the mean terms' hazard), a row per cell."""
    return np.asarray(weight[:, None] * (terms * hazard[:, :1] - hazard[:, 1:]), dtype=np.float64)


def _before(cumulated: FloatArray, first: float) -> FloatArray:
    """The cumulated values with `first` in front: what was reached before each place."""
    return np.concatenate([np.full((1, *cumulated.shape[1:]), first), cumulated])
