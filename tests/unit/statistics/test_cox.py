"""Cox regression from counts: R's printed answers, statsmodels on the rows, and odd input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.statistics.cox import Stays, cox, proportional_hazards_test

OVARIAN = """
59 1 72.3315 1, 115 1 74.4932 1, 156 1 66.4658 2, 421 0 53.3644 1, 431 1 50.3397 1,
448 0 56.4301 2, 464 1 56.9370 2, 475 1 59.8548 2, 477 0 64.1753 1, 563 1 55.1781 2,
638 1 56.7562 2, 744 0 50.1096 1, 769 0 59.6301 2, 770 0 57.0521 1, 803 0 39.2712 1,
855 0 43.1233 2, 1040 0 38.8932 2, 1106 0 44.6000 1, 1129 0 53.9068 1, 1206 0 44.2055 1,
1227 0 59.5890 2, 268 1 74.5041 2, 329 1 43.1370 1, 353 1 63.2192 2, 365 1 64.4247 1,
377 0 58.3096 1
"""
"""survival::ovarian (Edmunson 1979): days, died, age, performance status."""


def stays(terms, exit_day, is_event, entry_day=None, people=None):
    """One cell per person, or of so many people each."""
    n = len(exit_day)
    return Stays(
        terms=np.asarray(terms, dtype=float).reshape(n, -1),
        which=np.arange(n),
        entry_day=np.zeros(n, dtype=int) if entry_day is None else np.asarray(entry_day),
        exit_day=np.asarray(exit_day),
        is_event=np.asarray(is_event, dtype=bool),
        people=np.ones(n, dtype=int) if people is None else np.asarray(people),
    )


def test_ovarian_is_as_r_prints_it():
    """coxph and cox.zph of survival 3: help page of cox.zph, age + ecog.ps."""
    rows = np.array([line.split() for line in OVARIAN.replace("\n", " ").split(",")], dtype=float)
    fit = cox(stays(rows[:, 2:], rows[:, 0].astype(int), rows[:, 1]))

    assert fit.log_likelihood[1] == pytest.approx(-34.98494, abs=1e-5)
    tests = [proportional_hazards_test(fit, terms) for terms in ([0], [1], [0, 1])]
    assert [round(test[0], 3) for test in tests] == [0.698, 2.371, 3.633]
    assert [test[1] for test in tests] == [1, 1, 2]
    assert [round(test[2], 2) for test in tests] == [0.40, 0.12, 0.16]


def random_people(n=300):
    draw = np.random.default_rng(8)
    terms = np.column_stack([draw.integers(0, 2, n), draw.integers(0, 3, n) == 1]).astype(float)
    entry = np.where(draw.random(n) < 0.4, draw.integers(1, 15, n), 0)
    stayed = draw.exponential(20 / np.exp(terms @ [0.7, -0.4]), n).astype(int) + 1
    return terms, entry + stayed, draw.random(n) < 0.6, entry


def test_is_statsmodels_on_the_rows_with_ties_and_late_entry():
    from statsmodels.duration.hazard_regression import PHReg

    terms, left, event, entry = random_people()
    # statsmodels has people at risk on the very day of a late entry; R and we do not.
    late = np.where(entry > 0, entry + 1.5, 0)
    theirs = PHReg(left + 1, terms, event, entry=late, ties="efron").fit(disp=0)
    ours = cox(stays(terms, left, event, entry))
    assert ours.estimate == pytest.approx(theirs.params, abs=1e-7)
    assert ours.std_error == pytest.approx(theirs.bse, abs=1e-7)
    assert ours.p_value == pytest.approx(theirs.pvalues, abs=1e-7)
    assert ours.log_likelihood[0] == pytest.approx(theirs.llf, abs=1e-7)


def test_people_alike_stand_in_one_cell():
    terms, left, event, entry = random_people(60)
    three = (np.tile(values, 3) for values in (left, event, entry))
    each = cox(stays(np.vstack([terms] * 3), *three))
    cells = cox(stays(terms, left, event, entry, people=np.full(60, 3)))
    assert cells.estimate == pytest.approx(each.estimate, abs=1e-12)
    assert cells.std_error == pytest.approx(each.std_error, abs=1e-12)
    assert proportional_hazards_test(cells, [0, 1]) == pytest.approx(
        proportional_hazards_test(each, [0, 1])
    )


def test_a_level_without_events_has_no_estimate_and_leaves_the_others_alone():
    terms = [[1, 0], [1, 0], [1, 0], [0, 0], [0, 0], [0, 0], [0, 1], [0, 1]]
    left, event = [2, 5, 6, 3, 7, 9, 4, 8], [1, 1, 1, 1, 1, 1, 0, 0]
    fit = cox(stays(terms, left, event))
    assert np.isnan(fit.estimate).tolist() == [False, True]
    assert np.isnan(fit.p_value[1])
    alone = cox(stays([row[:1] for row in terms[:6]], left[:6], event[:6]))
    assert fit.estimate[0] == pytest.approx(alone.estimate[0], abs=1e-4)
    assert proportional_hazards_test(fit, [1]) is None


@pytest.mark.parametrize(
    ("terms", "event"),
    [([0, 1, 0], [0, 0, 0]), ([1, 1, 1], [1, 1, 0]), ([0, 1, 0], [1, 0, 0])],
    ids=["no events", "one group", "the one event before anyone is compared"],
)
def test_nothing_to_estimate(terms, event):
    fit = cox(stays(terms, [3, 2, 4] if event[0] else [3, 4, 5], event))
    assert fit is None or np.isnan(fit.estimate).all()


def test_all_events_on_one_day_show_no_trend():
    fit = cox(stays([0, 0, 0, 1, 1, 1], [5] * 6, [1, 0, 0, 1, 1, 0]))
    assert np.isfinite(fit.estimate).all()
    assert proportional_hazards_test(fit, [0]) is None


def test_an_exit_on_day_0_counts():
    fit = cox(stays([0, 1, 0, 1, 1, 0], [0, 0, 5, 7, 9, 9], [1, 1, 1, 1, 1, 1]))
    late = cox(stays([0, 1, 0, 1, 1, 0], [1, 1, 6, 8, 10, 10], [1, 1, 1, 1, 1, 1]))
    assert fit.estimate == pytest.approx(late.estimate)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 5), st.integers(1, 9), st.booleans()),
        min_size=4,
        max_size=40,
    )
)
def test_turning_the_groups_around_turns_the_sign(people):
    group, entry, stayed, event = (np.array(column) for column in zip(*people, strict=True))
    one = cox(stays(group, entry + stayed, event, entry))
    other = cox(stays(~group, entry + stayed, event, entry))
    assert (one is None) == (other is None)
    if one is not None and np.isfinite(one.estimate).all():
        assert one.estimate == pytest.approx(-other.estimate, abs=1e-7)
        assert one.p_value == pytest.approx(other.p_value, abs=1e-7)
