"""Standardised risks: by hand, by numerical slopes, and by draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special
from scipy.optimize import approx_fprime

from registry_pipeline.statistics.intervals import FloatArray
from registry_pipeline.statistics.regression import People, regress
from registry_pipeline.statistics.standardisation import bootstrap, standardise

# Constant, two groups, old. People and successes per cell.
TERMS = np.array(
    [[1, 0, 0, 0], [1, 0, 0, 1], [1, 1, 0, 0], [1, 1, 0, 1], [1, 0, 1, 0], [1, 0, 1, 1]], float
)
N = np.array([40.0, 20, 15, 45, 30, 30])
YES = np.array([10.0, 9, 6, 27, 12, 20])
GROUPS = [1, 2]


def cells(yes: FloatArray = YES) -> People:
    return People(TERMS, N, np.ones(6), yes / N, yes)


@pytest.fixture
def model() -> Any:
    return regress(cells(), logistic=True, clustered=False)


def risks_of(beta: FloatArray) -> FloatArray:
    """Risk of the reference and of each group, everyone in it in turn; written out."""
    old = TERMS[:, 3]
    by_group = [special.expit(beta[0] + shift + beta[3] * old) for shift in (0.0, beta[1], beta[2])]
    return np.array([np.average(risk, weights=N) for risk in by_group])


def test_risks_are_averages_over_everyone(model: Any) -> None:
    found = standardise(cells(), model, GROUPS)
    risks = risks_of(model.estimate)
    assert found.risks == pytest.approx(risks)
    assert found.difference.estimate == pytest.approx(risks[1:] - risks[0])
    assert found.ratio.estimate == pytest.approx(risks[1:] / risks[0])


def test_without_covariates_the_risks_are_the_shares() -> None:
    """Two groups of 100: 30 and 45 successes. The errors are those of two shares."""
    terms = np.array([[1.0, 0], [1, 1]])
    n, yes = np.array([100.0, 100]), np.array([30.0, 45])
    people = People(terms, n, np.ones(2), yes / n, yes)
    found = standardise(people, regress(people, logistic=True, clustered=False), [1])
    variance = 0.3 * 0.7 / 100 + 0.45 * 0.55 / 100
    assert found.risks == pytest.approx([0.3, 0.45])
    assert found.difference.variance == pytest.approx([variance])
    assert found.difference.low == pytest.approx([0.15 - 1.959964 * variance**0.5], abs=1e-6)
    assert found.ratio.variance == pytest.approx([0.7 / 30 + 0.55 / 45])


def test_delta_errors_follow_the_slopes_of_the_risks(model: Any) -> None:
    found = standardise(cells(), model, GROUPS)
    for place in (1, 2):
        for contrast, function in (
            (found.difference, lambda b, at=place: risks_of(b)[at] - risks_of(b)[0]),
            (found.ratio, lambda b, at=place: np.log(risks_of(b)[at] / risks_of(b)[0])),
        ):
            slope = approx_fprime(model.estimate, function, 1e-7)
            variance = slope @ model.covariance @ slope
            assert contrast.variance[place - 1] == pytest.approx(variance, rel=1e-4)


def test_draws_give_the_interval_of_refitted_models(model: Any) -> None:
    """The same draws, one by one through statsmodels."""
    found = bootstrap(cells(), model, GROUPS, draws=200, seed=5)
    counts = np.concatenate([YES, N - YES])
    drawn = np.random.default_rng(5).multinomial(int(N.sum()), counts / N.sum(), size=200)
    differences = []
    for one in drawn:
        yes, no = one[:6], one[6:]
        answers = np.column_stack([yes, no])
        there = answers.sum(axis=1) > 0
        fit = sm.GLM(answers[there], TERMS[there], family=sm.families.Binomial()).fit()
        share = (yes + no) / N.sum()
        old = TERMS[:, 3]
        at = [
            share @ special.expit(fit.params[0] + shift + fit.params[3] * old)
            for shift in (0.0, fit.params[1])
        ]
        differences.append(at[1] - at[0])
    low, high = np.percentile(differences, [2.5, 97.5])
    assert [found.difference.low[0], found.difference.high[0]] == pytest.approx([low, high])


def test_the_seed_repeats_the_draws(model: Any) -> None:
    first, again, other = (
        bootstrap(cells(), model, GROUPS, draws=200, seed=seed).difference.low for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).all()


def test_draws_are_the_same_however_many_fit_in_memory(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = bootstrap(cells(), model, GROUPS, draws=200, seed=1)
    monkeypatch.setattr("registry_pipeline.statistics.standardisation.CHUNK", 200)
    in_parts = bootstrap(cells(), model, GROUPS, draws=200, seed=1)
    assert in_parts.ratio.high == pytest.approx(at_once.ratio.high)


def test_a_draw_without_failures_still_has_risks() -> None:
    """Two failures in a group: some draws have none, and no finite coefficient."""
    yes = np.array([10.0, 9, 14, 44, 12, 20])
    people = cells(yes)
    fit = regress(people, logistic=True, clustered=False)
    found = bootstrap(people, fit, GROUPS, draws=300, seed=3)
    assert np.isfinite(found.difference.high).all()
    assert (found.difference.high <= 1).all()
    assert found.difference.low[0] < found.difference.estimate[0] < found.difference.high[0]
