"""Lines over the waves from sums over people: statsmodels on the rows, and odd input."""

import warnings

import numpy as np
import pytest

from registry_pipeline.statistics.reml import Deviance, minimum
from registry_pipeline.statistics.slopes import START, Courses, exchangeable, logistic, mixed

TIME = np.linspace(0, 1, 5)


def courses(answers):
    """The sums of one group: a row per person, a column per wave, NaN where not answered."""
    observed = ~np.isnan(answers)
    sets, which = np.unique(observed, axis=0, return_inverse=True)
    x = np.column_stack([np.ones(5), TIME])
    scores = np.nan_to_num(answers) @ x
    of = [scores[which.reshape(-1) == number] for number in range(len(sets))]
    rows = [np.nan_to_num(answers)[which.reshape(-1) == number] for number in range(len(sets))]
    return Courses(
        time=TIME,
        observed=sets,
        people=np.array([[len(part) for part in of]], dtype=float),
        total=np.array([[part.sum(axis=0) for part in of]]),
        products=np.array([[part.T @ part for part in of]]),
        squares=np.array([[(part**2).sum() for part in rows]]),
    )


def line_of(fit, answers):
    (line,) = fit(courses(answers))
    return line


def together(*groups):
    """Several groups as one: the sets of waves of all, people only in their own group's."""
    size, place = sum(len(group.observed) for group in groups), 0
    parts = {name: [] for name in ("people", "total", "products", "squares")}
    for group in groups:
        for name, found in parts.items():
            own = getattr(group, name)
            found.append(np.zeros((size, *own.shape[2:])))
            found[-1][place : place + len(group.observed)] = own[0]
        place += len(group.observed)
    observed = np.vstack([group.observed for group in groups])
    return Courses(TIME, observed, *(np.array(found) for found in parts.values()))


def people(n, *, binary, seed=3):
    draw = np.random.default_rng(seed)
    own = draw.normal(0, 2, (n, 1)) + draw.normal(0, 3, (n, 1)) * TIME
    level = 6 - 2 * TIME + own + draw.normal(0, 2, (n, 5))
    answers = (level > 5).astype(float) if binary else level
    gone = draw.random((n, 5)) < 0.25
    gone[:, 0] = False
    answers[gone] = np.nan
    return answers


def rows(answers):
    person, wave = np.nonzero(~np.isnan(answers))
    return person, np.column_stack([np.ones(len(wave)), TIME[wave]]), answers[person, wave]


def gee(answers, family, structure):
    import statsmodels.api as sm

    person, x, y = rows(answers)
    model = sm.GEE(y, x, groups=person, family=family, cov_struct=structure)
    return model.fit(cov_type="bias_reduced", maxiter=200, ctol=1e-9)


def agrees(line, params, error):
    assert (line.start, line.slope) == pytest.approx(params, abs=1e-6)
    half = 1.959963984540054 * error
    assert (line.low, line.high) == pytest.approx((params[1] - half, params[1] + half), abs=1e-6)


@pytest.mark.parametrize("n", [20, 90])
def test_exchangeable_is_the_gee_of_statsmodels(n):
    import statsmodels.api as sm

    answers = people(n, binary=False)
    theirs = gee(answers, sm.families.Gaussian(), sm.cov_struct.Exchangeable())
    agrees(line_of(exchangeable, answers), theirs.params, theirs.bse[1])


@pytest.mark.parametrize("n", [20, 90])
def test_logistic_is_the_gee_of_statsmodels(n):
    import statsmodels.api as sm

    answers = people(n, binary=True)
    theirs = gee(answers, sm.families.Binomial(), sm.cov_struct.Independence())
    agrees(line_of(logistic, answers), theirs.params, theirs.bse[1])


def test_mixed_is_the_mixed_model_of_statsmodels():
    """The line is theirs; the error is the bias-reduced one, over the people one by one."""
    import statsmodels.api as sm

    answers = people(90, binary=False)
    person, x, y = rows(answers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sm.MixedLM(y, x, groups=person, exog_re=x).fit(reml=True, gtol=1e-9)
    of_person = [person == number for number in range(90)]
    inverse = [
        np.linalg.inv(theirs.scale * np.eye(rows.sum()) + x[rows] @ theirs.cov_re @ x[rows].T)
        for rows in of_person
    ]
    bread = np.linalg.inv(sum(x[r].T @ v @ x[r] for r, v in zip(of_person, inverse, strict=True)))
    meat = np.zeros((2, 2))
    for r, v in zip(of_person, inverse, strict=True):
        leverage = x[r] @ bread @ x[r].T @ v
        residual = np.linalg.solve(np.eye(r.sum()) - leverage, y[r] - x[r] @ theirs.fe_params)
        score = x[r].T @ v @ residual
        meat += np.outer(score, score)
    line = line_of(mixed, answers)
    agrees(line, theirs.fe_params, np.sqrt((bread @ meat @ bread)[1, 1]))


def test_mixed_finds_the_least_deviance_where_a_start_or_a_slope_does_not_vary():
    """Covariances at the edge, where searches stop early: no other search goes lower."""
    from scipy import optimize

    draw = np.random.default_rng(11)
    for start, slope in ((0, 0), (2, 0), (0, 2)):
        own = draw.normal(0, 1, (25, 1)) * start + draw.normal(0, 1, (25, 1)) * slope * TIME
        of = courses(4 - TIME + own + draw.normal(0, 1.5, (25, 5)))
        sums = (of.total, of.products, of.squares.sum(axis=1))
        deviance = Deviance.of(of.people, of.design(), *sums)
        least = deviance(minimum(deviance, START)[None])[0].item()
        for other in ([1.0, 0.0, 0.5], [0.2, 0.5, 2.0], [2.0, -1.0, 0.2]):
            options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 5000}
            found = optimize.minimize(
                lambda root, of: of(root[None, None])[0].item(),
                other,
                deviance,
                "Nelder-Mead",
                options=options,
            )
            assert least <= found.fun + 1e-8


def test_mixed_is_the_same_for_a_thousand_times_as_many_people_alike():
    """The deviance of half a million answers ends in noise, which must not end the search."""
    few = courses(people(300, binary=False))
    many = Courses(
        few.time, few.observed, *(1000 * part for part in (few.people, few.total)),
        1000 * few.products, 1000 * few.squares,
    )  # fmt: skip
    (one,), (thousand,) = mixed(few), mixed(many)
    assert thousand.slope == pytest.approx(one.slope, abs=1e-3)
    assert (one.high - one.low) / (thousand.high - thousand.low) == pytest.approx(
        1000**0.5, rel=0.02
    )


@pytest.mark.parametrize("fit", [exchangeable, mixed, logistic])
def test_one_wave_carries_no_line(fit):
    answers = np.full((20, 5), np.nan)
    answers[:, 0] = [0, 1] * 10
    assert line_of(fit, answers) == "not_computable"


@pytest.mark.parametrize("fit", [exchangeable, mixed, logistic])
def test_answers_all_alike_have_no_slope(fit):
    assert line_of(fit, np.zeros((20, 5))) == "not_computable"


def test_use_parted_by_time_has_no_odds_ratio():
    answers = np.tile([1.0, 1.0, 1.0, 0.0, 0.0], (20, 1))
    assert line_of(logistic, answers) == "not_computable"


def test_a_slope_that_is_the_same_in_everyone():
    answers = people(30, binary=False)
    answers[:] = np.arange(30)[:, None] + 3 * TIME + np.where(np.isnan(answers), np.nan, 0)
    for fit in (exchangeable, mixed):
        line = line_of(fit, answers)
        assert line in ("not_computable", "no_convergence") or line.slope == pytest.approx(3)


@pytest.mark.parametrize("fit", [exchangeable, mixed, logistic])
def test_groups_fitted_at_once_are_those_fitted_alone(fit):
    """Also beside groups that have no line, and with sets of waves that are not their own."""
    binary = fit is logistic
    one_wave = np.full((20, 5), np.nan)
    one_wave[:, 0] = [0, 1] * 10
    answers = [
        people(20, binary=binary), np.zeros((20, 5)), people(300, binary=binary, seed=8),
        one_wave, np.tile([1.0, 1.0, 1.0, 0.0, 0.0], (20, 1)), people(60, binary=binary, seed=9),
    ]  # fmt: skip
    alone = [line_of(fit, own) for own in answers]
    lines = fit(together(*map(courses, answers)))
    for line, own in zip(lines, alone, strict=True):
        if isinstance(own, str):
            assert line == own
        else:
            assert np.array([*vars(line).values()]) == pytest.approx([*vars(own).values()], 1e-9)
