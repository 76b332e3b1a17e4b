"""The model of Fine and Gray from counts: what it comes down to in special cases, and odd input.

R's answers are in `tests/backtest/test_survival.py`.
"""

import numpy as np
import pytest

from registry_pipeline.statistics.cox import Stays, cox, proportional_hazards_test
from registry_pipeline.statistics.subdistribution import fine_gray


def stays(terms, exit_day, exit_type, people=None):
    """One cell per person, or of so many: exit type 1 is the event, 2 another one, 0 censored."""
    n, exit_type = len(exit_day), np.asarray(exit_type)
    return Stays(
        terms=np.asarray(terms, dtype=float).reshape(n, -1),
        which=np.arange(n),
        entry_day=np.zeros(n, dtype=int),
        exit_day=np.asarray(exit_day),
        is_event=exit_type == 1,
        people=np.ones(n, dtype=int) if people is None else np.asarray(people),
        competes=exit_type == 2,
    )


def random_people(n=250, kinds=3, seed=3):
    draw = np.random.default_rng(seed)
    terms = np.column_stack([draw.integers(0, 2, n), draw.integers(0, 3, n) == 1]).astype(float)
    day = draw.exponential(12 / np.exp(terms @ [0.6, -0.3]), n).astype(int)
    return terms, day, draw.integers(0, kinds, n)


def test_without_another_exit_it_is_the_cox_model():
    terms, day, exit_type = random_people(kinds=2)
    model, plain = fine_gray(stays(terms, day, exit_type)), cox(stays(terms, day, exit_type))
    assert model.estimate == pytest.approx(plain.estimate, abs=1e-9)
    assert model.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-9)


def test_its_errors_are_then_the_robust_ones_of_the_rows():
    """Lin and Wei 1989, person by person, with Breslow's ties."""
    terms, day, exit_type = random_people(120, kinds=2)
    model = fine_gray(stays(terms, day, exit_type), ties="breslow")
    weight = np.exp(terms @ model.estimate)
    residual, information = np.zeros_like(terms), np.zeros((2, 2))
    for person in np.flatnonzero(exit_type == 1):
        there = day >= day[person]
        mean = weight[there] @ terms[there] / weight[there].sum()
        off = terms - mean
        residual[person] += off[person]
        part = (weight * there)[:, None] * off / weight[there].sum()
        residual -= part
        information += off.T @ part
    inverse = np.linalg.inv(information)
    robust = np.sqrt(np.diag(inverse @ residual.T @ residual @ inverse))
    assert model.std_error == pytest.approx(robust, abs=1e-9)


def test_without_censoring_those_who_left_otherwise_stay_at_risk_for_ever():
    terms, day, exit_type = random_people()
    exit_type[exit_type == 0] = 2
    model = fine_gray(stays(terms, day, exit_type))
    kept = np.where(exit_type == 2, 10_000, day)
    for_ever = cox(stays(terms, kept, np.where(exit_type == 1, 1, 0)))
    assert model.estimate == pytest.approx(for_ever.estimate, abs=1e-9)
    assert model.log_likelihood == pytest.approx(for_ever.log_likelihood, abs=1e-9)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_people_alike_stand_in_one_cell(ties):
    terms, day, exit_type = random_people(60)
    each = fine_gray(stays(np.vstack([terms] * 3), np.tile(day, 3), np.tile(exit_type, 3)), ties)
    cells = fine_gray(stays(terms, day, exit_type, np.full(60, 3)), ties)
    assert cells.estimate == pytest.approx(each.estimate, abs=1e-10)
    assert cells.std_error == pytest.approx(each.std_error, abs=1e-10)


def test_the_errors_cover():
    """Under no association, 95 of 100 intervals hold it, more or less."""
    held = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        day, exit_type = draw.integers(1, 60, 150), draw.choice([0, 1, 2], 150, p=[0.3, 0.3, 0.4])
        fit = fine_gray(stays(draw.integers(0, 2, 150), day, exit_type))
        held += fit.low[0] < 0 < fit.high[0]
    assert 181 <= held <= 198


@pytest.mark.parametrize(
    ("terms", "exit_type"),
    [([0, 1, 0, 1], [0, 2, 2, 0]), ([1, 1, 1, 1], [1, 2, 1, 0])],
    ids=["no events", "one group"],
)
def test_nothing_to_estimate(terms, exit_type):
    assert fine_gray(stays(terms, [1, 2, 3, 4], exit_type)) is None


def test_all_on_one_day():
    fit = fine_gray(stays([0, 0, 0, 1, 1, 1], [5] * 6, [1, 2, 0, 1, 1, 0]))
    assert np.isfinite(fit.estimate).all()
    assert np.isfinite(fit.std_error).all()


def test_no_check_of_proportional_hazards_is_made():
    assert proportional_hazards_test(fine_gray(stays(*random_people())), [0]) is None
