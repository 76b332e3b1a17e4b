"""Inverse-probability weights: by hand, and errors against statsmodels' treatment effects."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.treatment.treatment_effects import TreatmentEffect

from registry_pipeline.statistics.intervals import FloatArray
from registry_pipeline.statistics.weighting import (
    effective_size,
    weigh,
    weighted_contrasts,
)

ONE = np.ones(4)


def test_weights_by_hand() -> None:
    """Old: 30 of 40 in the group; young: 10 of 40. Each counts as one over that share."""
    old = np.array([1.0, 1, 0, 0])
    in_group = np.array([1.0, 0, 1, 0])
    people = np.array([30.0, 10, 10, 30])
    found = weigh(np.column_stack([ONE, old]), in_group, people)
    assert found.weight == pytest.approx([4 / 3, 4, 4, 4 / 3])
    assert people[in_group == 1] @ found.weight[in_group == 1] == pytest.approx(80)
    size = effective_size(people[:1], found.weight[:1])
    assert size == pytest.approx(30)  # alike in weight: as many as they are
    both = effective_size(people[[0, 2]], found.weight[[0, 2]])
    assert both == pytest.approx(80**2 / (30 * 16 / 9 + 10 * 16))


def test_nobody_has_no_effective_size() -> None:
    assert effective_size(np.zeros(2), ONE[:2]) == 0


def test_a_level_in_one_group_alone_has_no_weights() -> None:
    terms = np.column_stack([ONE, [1.0, 0, 0, 0]])
    found = weigh(terms, np.array([1.0, 1, 0, 0]), np.array([20.0, 20, 20, 20]))
    assert not found.fit.is_whole
    assert np.isnan(found.weight).all()


def rows(n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Covariates, group and outcome of people; the covariates drive both."""
    draw = np.random.default_rng(11)
    terms = np.column_stack([np.ones(n), draw.integers(0, 2, n), draw.integers(0, 3, n)])
    group = (draw.random(n) < 1 / (1 + np.exp(0.3 - 0.8 * terms[:, 1]))).astype(float)
    outcome = np.round(2 + terms @ [0, 2.0, 1.0] + group + draw.normal(0, 1, n))
    return terms, group, outcome


def test_errors_know_that_the_weights_are_estimated() -> None:
    terms, group, outcome = rows(400)
    one = np.ones(400)
    chance = sm.Logit(group, terms).fit(disp=0)
    known = TreatmentEffect(sm.OLS(outcome, terms), group, results_select=chance).ipw()
    found = weigh(terms, group, one)
    means, difference, _ = weighted_contrasts(found, one, outcome, outcome**2)
    assert means[1] == pytest.approx(known.results_gmm.params[1])
    assert difference.estimate == pytest.approx([known.results_gmm.params[0]])
    error = known.results_gmm.bse[0]
    assert np.sqrt(difference.variance) == pytest.approx([error], rel=1e-6)
    naive = sm.WLS(outcome, sm.add_constant(group), weights=found.weight).fit(cov_type="HC0")
    assert naive.bse[1] > np.sqrt(difference.variance[0])


def test_people_alike_can_stand_in_one_cell() -> None:
    terms, group, outcome = rows(400)
    yes = (outcome > 5).astype(float)
    one = np.ones(400)
    apart = weighted_contrasts(weigh(terms, group, one), one, yes, yes)
    keys, place = np.unique(np.column_stack([terms, group]), axis=0, return_inverse=True)
    n, total = np.bincount(place).astype(float), np.bincount(place, yes)
    cells = weigh(keys[:, :3], keys[:, 3], n)
    together = weighted_contrasts(cells, n, total, total)
    for first, second in zip(apart[1:], together[1:], strict=True):
        assert first.estimate == pytest.approx(second.estimate)
        assert first.variance == pytest.approx(second.variance)


def test_those_without_an_answer_weigh_in_the_model_alone() -> None:
    """The mean is of the answers; the error still knows who shaped the weights."""
    terms, group, outcome = rows(400)
    one, answered = np.ones(400), (np.arange(400) % 5 > 0).astype(float)
    found = weigh(terms, group, one)
    means, difference, _ = weighted_contrasts(
        found, answered, answered * outcome, answered * outcome**2
    )
    own = group * answered * found.weight
    assert means[0] == pytest.approx(own @ outcome / own.sum())
    everyone = weighted_contrasts(found, one, outcome, outcome**2)[1]
    assert difference.variance[0] > everyone.variance[0]


def test_no_success_has_no_ratio() -> None:
    found = weigh(np.ones((2, 1)), np.array([1.0, 0]), np.array([10.0, 10]))
    answered, total = np.array([10.0, 10]), np.array([0.0, 5])
    _, difference, ratio = weighted_contrasts(found, answered, total, total)
    assert difference.estimate == pytest.approx([-0.5])
    assert np.isnan(ratio.estimate).all()
