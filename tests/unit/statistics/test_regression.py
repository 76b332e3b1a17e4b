"""Regression from counts against statsmodels on the rows, and what is refused."""

import warnings
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.genmod.cov_struct import Independence

from registry_pipeline.statistics.intervals import FloatArray
from registry_pipeline.statistics.regression import Fit, People, holm, regress

N = 60


def cohort() -> dict[str, Any]:
    """Sixty people with one to five answers each, that lie closer within a person."""
    draw = np.random.default_rng(20140501)
    group = draw.integers(0, 3, N)
    terms = np.column_stack([np.ones(N), group == 1, group == 2, draw.integers(0, 4, N) / 2])
    rows = draw.integers(1, 6, N)
    person = np.repeat(np.arange(N), rows)
    level = (terms @ [0.2, 0.5, -0.4, 0.3] + draw.normal(0, 1, N))[person]
    yes = (draw.random(len(person)) < 1 / (1 + np.exp(-level))).astype(float)
    score = np.round(5 + 2 * level + draw.normal(0, 1, len(person)))
    return {"terms": terms, "rows": rows, "person": person, "yes": yes, "score": score}


def in_cells(data: dict[str, Any], answer: FloatArray) -> People:
    return People(
        terms=data["terms"],
        people=np.ones(N),
        rows=data["rows"].astype(float),
        total=np.bincount(data["person"], answer, N),
        squares=np.bincount(data["person"], answer**2, N),
    )


def interval(fit: Fit) -> FloatArray:
    return np.column_stack([fit.low, fit.high])


@pytest.mark.parametrize("outcome", ["yes", "score"])
def test_clustered_is_the_gee_of_statsmodels_with_bias_reduced_errors(outcome: str) -> None:
    data = cohort()
    family = sm.families.Binomial() if outcome == "yes" else sm.families.Gaussian()
    known = sm.GEE(
        data[outcome],
        data["terms"][data["person"]],
        groups=data["person"],
        family=family,
        cov_struct=Independence(),
    ).fit(cov_type="bias_reduced")
    fit = regress(in_cells(data, data[outcome]), logistic=outcome == "yes", clustered=True)
    assert fit.estimate == pytest.approx(known.params, abs=1e-8)
    assert interval(fit) == pytest.approx(known.conf_int(), abs=1e-8)
    assert fit.p_value == pytest.approx(known.pvalues, abs=1e-8)


@pytest.mark.parametrize("outcome", ["yes", "score"])
def test_unclustered_is_the_glm_and_ols_of_statsmodels(outcome: str) -> None:
    data = cohort()
    terms = data["terms"][data["person"]]
    if outcome == "yes":
        known = sm.GLM(data["yes"], terms, family=sm.families.Binomial()).fit()
    else:
        known = sm.OLS(data["score"], terms).fit()
    fit = regress(in_cells(data, data[outcome]), logistic=outcome == "yes", clustered=False)
    assert fit.estimate == pytest.approx(known.params, abs=1e-7)
    assert interval(fit) == pytest.approx(known.conf_int(), abs=1e-7)
    assert fit.p_value == pytest.approx(known.pvalues, abs=1e-7)


@pytest.mark.parametrize("clustered", [True, False])
def test_people_alike_can_stand_in_one_cell(clustered: bool) -> None:
    data = cohort()
    apart = in_cells(data, data["yes"])
    together = People(
        terms=apart.terms,
        people=3 * apart.people,
        rows=apart.rows,
        total=apart.total,
        squares=3 * apart.squares,
    )
    stacked = People(
        terms=np.tile(apart.terms, (3, 1)),
        **{
            name: np.tile(getattr(apart, name), 3)
            for name in ("people", "rows", "total", "squares")
        },
    )
    for logistic in (True, False):
        one, other = (
            regress(cells, logistic=logistic, clustered=clustered) for cells in (together, stacked)
        )
        assert one.low == pytest.approx(other.low, abs=1e-9)


def cells(terms: list[list[float]], people: list[float], total: list[float]) -> People:
    """One row per person."""
    n = np.array(people)
    sums = np.array(total)
    return People(np.array(terms), n, np.ones(len(n)), sums, n * sums**2)


def test_a_level_in_which_everyone_achieves_it_has_no_odds_ratio() -> None:
    """Nor does it disturb the level beside it."""
    terms = [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = regress(
            cells(terms, [10, 20, 15, 12, 8], [1, 0, 1, 1, 0]), logistic=True, clustered=False
        )
    assert np.isnan(fit.estimate[1])
    assert fit.estimate[2] == pytest.approx(np.log((12 / 8) / (10 / 20)))


def test_terms_that_depend_on_each_other_have_no_estimate() -> None:
    fit = regress(
        cells([[1, 0, 0], [1, 1, 1]] * 2, [5, 5, 5, 5], [0, 1, 1, 0]),
        logistic=False,
        clustered=False,
    )
    assert np.isnan(fit.estimate).all()


def test_a_score_that_never_varies_has_no_error_and_no_estimate() -> None:
    fit = regress(cells([[1, 0], [1, 1]], [20, 20], [5, 5]), logistic=False, clustered=True)
    assert np.isnan(fit.estimate[1])


def test_holm_by_hand() -> None:
    p_values = np.array([0.04, np.nan, 0.01, 0.03, 0.9])
    expected = [3 * 0.03, np.nan, 4 * 0.01, 3 * 0.03, 0.9]  # 2 x 0.04 is below 3 x 0.03
    assert holm(p_values) == pytest.approx(expected, nan_ok=True)
    assert holm(np.array([0.6, 0.7])) == pytest.approx([1, 1])
    assert len(holm(np.array([]))) == 0
