"""Intervals of contrasts and Rubin's rules at their edges."""

import math

import numpy as np
import pytest
from scipy import stats

from registry_pipeline.statistics.contrasts import pool, with_interval


def test_normal_and_t_intervals() -> None:
    value, variance = np.array([0.5, 0.5]), np.array([0.04, 0.04])
    found = with_interval(value, variance, ratio=False, df=np.array([np.inf, 10.0]))
    for place, law in enumerate((stats.norm(), stats.t(10))):
        assert found.low[place] == pytest.approx(0.5 - 0.2 * law.ppf(0.975))
        assert found.p_value[place] == pytest.approx(2 * law.cdf(-2.5))


def test_a_ratio_comes_as_a_logarithm() -> None:
    found = with_interval(np.array([math.log(2)]), np.array([0.25]), ratio=True)
    assert found.estimate == pytest.approx([2])
    assert found.low == pytest.approx([2 / math.exp(1.959964 * 0.5)], abs=1e-6)
    assert found.value == pytest.approx([math.log(2)])


def test_no_variance_has_no_p_value_of_no_difference() -> None:
    found = with_interval(np.array([0.0]), np.array([0.0]), ratio=False)
    assert np.isnan(found.p_value).all()


def test_estimates_that_agree_lose_nothing() -> None:
    """Nothing missing: the variance is the mean one, the degrees of freedom those observed."""
    pooled = pool(np.full((5, 1), 2.0), np.full((5, 1), 0.3), 50)
    assert pooled.variance == pytest.approx([0.3])
    assert pooled.increase == pytest.approx([0])
    assert pooled.df == pytest.approx([51 / 53 * 50])
    assert np.isinf(pool(np.full((5, 1), 2.0), np.full((5, 1), 0.3)).df).all()


def test_one_data_set_without_an_estimate_leaves_none() -> None:
    pooled = pool(np.array([[1.0, 1.0], [np.nan, 2.0]]), np.ones((2, 2)))
    assert np.isnan(pooled.estimate[0])
    assert pooled.estimate[1] == pytest.approx(1.5)
