"""Inverse-probability weights of two groups, and what they make of an outcome.

Belongs here: weights from a logistic model of being in the group, their effective sample size,
weighted means and their difference with errors that know the weights are estimated.
Does not belong here: which covariates, and when weighting is refused.

Each person counts as one over the probability of the group they are in, given the covariates: the
weighted groups are then alike in these, and both like the two together.
Source: Robins, Hernán and Brumback 2000; Lunceford and Davidian 2004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from registry_pipeline.statistics.contrasts import Contrast, with_interval
from registry_pipeline.statistics.intervals import FloatArray
from registry_pipeline.statistics.regression import Fit, People, regress


@dataclass(frozen=True)
class Weighing:
    """Cells of people with the same covariates and group, and their weights.

    Attributes:
        terms: covariates as columns, the constant included, one row per cell.
        in_group: 1 in the group, 0 in the reference.
        people: number of people.
        fit: the logistic model of being in the group.
        weight: of each person in the cell; NaN where the model is not whole.
    """

    terms: FloatArray
    in_group: FloatArray
    people: FloatArray
    fit: Fit
    weight: FloatArray


def weigh(terms: FloatArray, in_group: FloatArray, people: FloatArray) -> Weighing:
    """Weights of everyone in the cells, from one logistic regression of the group."""
    cells = People(terms, people, np.ones(len(people)), in_group, people * in_group)
    fit = regress(cells, logistic=True, clustered=False)
    share = special.expit(terms @ fit.estimate) if fit.is_whole else np.full(len(people), np.nan)
    weight = 1 / np.where(in_group == 1, share, 1 - share)
    return Weighing(terms, in_group, people, fit, weight)


def effective_size(people: FloatArray, weight: FloatArray) -> float:
    """(sum of weights) squared over the sum of squared weights (Kish 1965); 0 of nobody."""
    squares = float(people @ weight**2)
    return float(people @ weight) ** 2 / squares if squares else 0.0


def weighted_contrasts(
    cells: Weighing, answered: FloatArray, total: FloatArray, squares: FloatArray
) -> tuple[FloatArray, Contrast, Contrast]:
    """Weighted means of the group and the reference, their difference and their ratio.

    The errors are those of the stacked estimating equations of model and means: a covariate that
    goes with the outcome narrows them, which weights taken as given would miss.

    Args:
        cells: the people weighed, also those without an answer.
        answered: per cell, people with an answer; some in either group.
        total: per cell, the sum of answers (for a share, of successes).
        squares: per cell, the sum of squared answers.

    Returns:
        Both means, the difference, and the ratio with its interval on the logarithm (NaN where a
        mean is not above 0).
    """
    chance = special.expit(cells.terms @ cells.fit.estimate)
    residual = cells.in_group - chance
    means, slopes, shifts, models = [], [], [], []
    for arm, against in ((cells.in_group, 1 - chance), (1 - cells.in_group, -chance)):
        weight = arm * cells.weight
        whole = weight @ answered
        mean = (weight @ total) / whole
        pull = cells.terms.T @ (weight * against * (total - answered * mean))
        means.append(mean)
        slopes.append(weight / whole)
        shifts.append(-weight * mean / whole)
        models.append(-(cells.terms @ (cells.fit.covariance @ pull)) * residual / whole)

    def variance(scales: tuple[float, float]) -> float:
        """Sum over people of (slope x answer + shift + model) squared; the answer where given."""
        a, b, c = (
            scales[0] * parts[0] + scales[1] * parts[1] for parts in (slopes, shifts, models)
        )
        per_cell = a**2 * squares + (2 * a * b + 2 * a * c) * total + (b**2 + 2 * b * c) * answered
        return float((per_cell + c**2 * cells.people).sum())

    first, second = float(means[0]), float(means[1])
    positive = first > 0 and second > 0
    logs, spread = np.nan, np.nan
    if positive:
        logs, spread = float(np.log(first / second)), variance((1 / first, -1 / second))
    return (
        np.array([first, second]),
        with_interval(np.array([first - second]), np.array([variance((1.0, -1.0))]), ratio=False),
        with_interval(np.array([logs]), np.array([spread]), ratio=True),
    )
