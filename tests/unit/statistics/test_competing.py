"""Cumulative incidence and Gray's test: by hand, by rule, and for odd input."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from statsmodels.duration.survfunc import CumIncidenceRight

from registry_pipeline.statistics.competing import cumulative_incidence, gray_test
from registry_pipeline.statistics.intervals import with_curve_interval
from registry_pipeline.statistics.survival import kaplan_meier

QUICK = settings(max_examples=40, deadline=None)
BY = ["stratum"]
STAY = st.tuples(st.integers(0, 6), st.integers(1, 12), st.sampled_from(["a", "b", None]))
PEOPLE = st.lists(
    STAY.map(lambda stay: (stay[0], stay[0] + stay[1], stay[2])), min_size=1, max_size=40
)


def counts(*people):
    """Exits and entries from (entry day, exit day, exit type[, arm])."""
    rows = [person if len(person) == 4 else (*person, "one") for person in people]
    schema = {"entry": pl.Int64, "day": pl.Int64, "exit_type": pl.String, "arm": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(stratum=pl.lit("all"))
    return (
        frame.group_by("stratum", "arm", "day", "exit_type").len("n"),
        frame.group_by("stratum", "arm", day="entry").len("n"),
    )


def incidence(people, exit_type):
    return cumulative_incidence(*counts(*people), BY).filter(exit_type=exit_type)


def test_each_type_takes_its_share_of_those_still_there():
    people = [(0, 2, "a"), (0, 3, "b"), (0, 3, None), (0, 5, "a")]
    a, b = incidence(people, "a"), incidence(people, "b")

    assert a["day"].to_list() == b["day"].to_list() == [2, 3, 5]
    assert a["n_event"].to_list() == [1, 0, 1]
    assert a["incidence"].to_list() == pytest.approx([1 / 4, 1 / 4, 1 / 4 + 3 / 4 * 2 / 3])
    assert b["incidence"].to_list() == pytest.approx([0, 3 / 4 / 3, 3 / 4 / 3])
    assert b["reason"].to_list() == ["estimate_is_0", None, None]


def test_error_of_the_first_day_is_binomial():
    people = [(0, 2, "a"), (0, 2, "b"), (0, 2, "b"), (0, 4, None), (0, 4, None)]
    first = incidence(people, "b").row(0, named=True)
    assert first["std_error"] == pytest.approx(math.sqrt(2 / 5 * 3 / 5 / 5))


def test_one_type_alone_is_one_minus_the_curve():
    people = [(0, 2, "a"), (0, 3, "a"), (0, 3, None), (0, 5, "a"), (0, 9, None)]
    exits, entries = counts(*people)
    curve = kaplan_meier(exits, entries, BY)
    got = cumulative_incidence(exits, entries, BY)
    got = with_curve_interval(got, "incidence", "complementary_log_log")
    for name, mirrored in (("incidence", "retained"), ("ci_low", "ci_high"), ("ci_high", "ci_low")):
        assert got[name].to_list() == pytest.approx((1 - curve[mirrored]).to_list())
    assert got["std_error"].to_list() == pytest.approx(curve["std_error"].to_list())


@pytest.mark.parametrize("n", [5, 7, 19, 57])
def test_everyone_leaving_in_one_way_is_a_share_of_one(n):
    people = [(0, day + 1, "a") for day in range(n)]
    assert incidence(people, "a")["incidence"][-1] == 1


def test_without_exits_there_is_no_row_and_without_people_at_risk_no_number():
    assert cumulative_incidence(*counts((0, 5, None)), BY).is_empty()
    got = cumulative_incidence(*counts((0, 5, "a")), BY, min_at_risk=10)
    assert got.select("exit_type", "incidence", "reason").rows() == [("a", None, "not_computable")]


@QUICK
@given(PEOPLE)
def test_incidences_and_curve_add_up_to_one(people):
    exits, entries = counts(*people)
    total = (
        cumulative_incidence(exits, entries, BY)
        .group_by("day")
        .agg(pl.col("incidence").sum())
        .join(kaplan_meier(exits, entries, BY), on="day")
    )
    assert (total["incidence"] + total["retained"]).to_list() == pytest.approx([1] * len(total))


@QUICK
@given(PEOPLE, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(people, random):
    exits, entries = counts(*people)
    rows = list(range(len(exits)))
    random.shuffle(rows)
    assert_frame_equal(
        cumulative_incidence(exits, entries, BY),
        cumulative_incidence(exits[rows], entries.reverse(), BY),
        check_exact=True,
    )


@QUICK
@given(PEOPLE)
def test_agrees_with_statsmodels_on_the_rows(people):
    codes = {None: 0, "a": 1, "b": 2}
    days, status = ([person[i] for person in people] for i in (1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):  # its standard error at the last day
        peer = CumIncidenceRight(np.array(days), np.array([codes[kind] for kind in status]))
    ours = cumulative_incidence(*counts(*[(0, *person[1:]) for person in people]), BY)
    for kind in {kind for kind in status if kind}:
        mine = ours.filter(exit_type=kind)["incidence"].to_list()
        assert mine == pytest.approx(list(peer.cinc[codes[kind] - 1]))


ARMS = [(0, 2, "a", "x"), (0, 3, "b", "x"), (0, 6, None, "x"), (0, 7, "a", "x")] * 5 + [
    (0, 1, "a", "y"), (0, 2, "b", "y"), (0, 4, "a", "y"), (0, 7, None, "y"),
] * 5  # fmt: skip


def test_gray_does_not_depend_on_the_names_of_the_arms():
    swapped = [(*person[:3], {"x": "y", "y": "x"}[person[3]]) for person in ARMS]
    one, two = (gray_test(*counts(*people), BY, "arm") for people in (ARMS, swapped))
    assert one["exit_type"].to_list() == ["a", "b"]
    assert one["df"].to_list() == [1, 1]
    assert one["statistic"].to_list() == pytest.approx(two["statistic"].to_list())
    assert one["n"].to_list() == [40, 40]
    assert one["n_events"].to_list() == [20, 10]


def test_gray_of_equal_arms_is_zero():
    equal = [(*person[:3], arm) for person in ARMS for arm in ("x", "y")]
    got = gray_test(*counts(*equal), BY, "arm")
    assert got["statistic"].to_list() == pytest.approx([0, 0], abs=1e-12)
    assert got["p_value"].to_list() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("people", "reason"),
    [
        ([(0, 2, "a", "x"), (0, 3, None, "x")], "one_group"),
        ([(0, 2, "a", "x"), (1, 3, None, "y")], "delayed_entry"),
        ([(0, 2, "a", "x"), (0, 1, None, "y")], "not_computable"),
    ],
    ids=["one arm", "late entry", "arm never at risk"],
)
def test_gray_is_refused_with_a_reason(people, reason):
    got = gray_test(*counts(*people), BY, "arm")
    assert got.select("statistic", "p_value", "reason").rows() == [(None, None, reason)]
