"""Retention curves: by hand, by rule, and for odd input."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from statsmodels.duration.survfunc import SurvfuncRight

from registry_pipeline.statistics.life_table import life_table
from registry_pipeline.statistics.survival import (
    at_days,
    kaplan_meier,
    summary,
    with_cumulative_hazard,
)

QUICK = settings(max_examples=40, deadline=None)
BY = ["stratum"]
STAY = st.tuples(st.integers(0, 6), st.integers(1, 12), st.sampled_from(["a", "b", None]))
PEOPLE = st.lists(
    STAY.map(lambda stay: (stay[0], stay[0] + stay[1], stay[2])), min_size=1, max_size=40
)


def counts(*people, stratum="all"):
    """Exits and entries from (exit day, exit type) or (entry day, exit day, exit type)."""
    rows = [person if len(person) == 3 else (0, *person) for person in people]
    frame = pl.DataFrame(
        rows, schema={"entry": pl.Int64, "day": pl.Int64, "exit_type": pl.String}, orient="row"
    ).with_columns(stratum=pl.lit(stratum, pl.String))
    return (
        frame.group_by("stratum", "day", "exit_type").len("n"),
        frame.group_by("stratum", day="entry").len("n"),
    )


def curve(*people, **options):
    return kaplan_meier(*counts(*people), BY, **options)


def column(frame, name):
    return frame[name].to_list()


def test_product_of_what_is_left_each_day():
    got = curve((2, "a"), (3, None), (5, "a"), (5, "b"), (7, None), (9, "a"))

    assert column(got, "day") == [2, 3, 5, 7, 9]
    assert column(got, "n_at_risk") == [6, 5, 4, 2, 1]
    assert column(got, "n_event") == [1, 0, 2, 0, 1]
    assert column(got, "retained") == pytest.approx([5 / 6, 5 / 6, 5 / 6 * 2 / 4, 5 / 12, 0])
    greenwood = 1 / (6 * 5) + 2 / (4 * 2)
    assert got["std_error"][2] == pytest.approx(5 / 12 * math.sqrt(greenwood))


def test_exit_goes_before_censoring_of_the_same_day():
    got = curve((4, "a"), (4, None), (4, None))
    assert column(got, "n_at_risk") == [3]
    assert column(got, "retained") == pytest.approx([2 / 3])


def test_zero_length_stay_counts_on_day_zero():
    got = curve((0, "never_met"), (0, None), (5, "a"), (8, None))
    assert column(got, "n_at_risk") == [4, 2, 1]
    assert column(got, "retained") == pytest.approx([3 / 4, 3 / 8, 3 / 8])


def test_late_entry_is_not_at_risk_on_its_own_day():
    got = curve((0, 5, "a"), (0, 9, None), (5, 8, "a"), (4, 9, None))
    assert column(got, "day") == [5, 8, 9]
    assert column(got, "n_at_risk") == [3, 3, 2]
    assert column(got, "retained") == pytest.approx([2 / 3, 4 / 9, 4 / 9])


def test_conditional_curve_starts_where_enough_are_at_risk():
    people = [(0, 3, "a"), (0, 9, "a"), (4, 8, None), (4, 12, "a")]
    got = curve(*people, min_at_risk=3)

    assert column(got, "start_day") == [5, 5, 5]
    assert column(got, "day") == [8, 9, 12]
    assert column(got, "retained") == pytest.approx([1, 1 / 2, 0])
    read = at_days(*counts(*people), BY, [3, 5, 9], min_at_risk=3)
    assert column(read, "retained") == [None, 1, 1 / 2]
    assert column(read, "reason") == ["not_computable", "estimate_is_1", None]
    assert column(read, "n_event_cum") == [0, 0, 1]


def test_never_enough_at_risk_is_one_row_with_a_reason():
    got = curve((3, "a"), (9, None), min_at_risk=10)
    assert column(got, "reason") == ["not_computable"]
    assert column(got, "retained") == [None]
    assert column(summary(got, BY, 5), "reason") == ["not_computable"]
    read = at_days(*counts((3, "a"), (9, None)), BY, [3], min_at_risk=10)
    assert column(read, "reason") == ["not_computable"]


@pytest.mark.parametrize(
    ("people", "retained", "reason"),
    [
        ([(5, "a")], [0], ["estimate_is_0"]),
        ([(5, None)], [1], ["estimate_is_1"]),
        ([(5, None), (7, None)], [1, 1], ["estimate_is_1"] * 2),
        ([(5, "a"), (5, "b"), (5, "a")], [0], ["estimate_is_0"]),
    ],
    ids=["one person, left", "one person, still there", "no exits", "all on one day"],
)
def test_intervals_are_null_with_a_reason_at_zero_and_one(people, retained, reason):
    got = curve(*people)
    assert column(got, "retained") == retained
    assert column(got, "reason") == reason
    assert got["ci_low"].null_count() == got["ci_high"].null_count() == len(got)


def test_read_at_days():
    people = [(2, "a"), (3, None), (5, "a"), (5, "b"), (7, None)]
    got = at_days(*counts(*people), BY, [0, 2, 4, 5, 8])

    assert column(got, "n") == [5] * 5
    assert column(got, "n_at_risk") == [5, 5, 3, 3, 0]
    assert column(got, "n_event_cum") == [0, 1, 1, 3, 3]
    assert column(got, "n_censored_cum") == [0, 0, 1, 1, 2]
    assert column(got, "retained")[:4] == pytest.approx([1, 4 / 5, 4 / 5, 4 / 15])
    assert column(got, "retained")[4] is None
    assert column(got, "reason") == ["estimate_is_1", None, None, None, "beyond_follow_up"]


def test_nobody_returns_after_all_have_left():
    got = at_days(*counts((2, "a"), (3, "a")), BY, [400])
    assert column(got, "retained") == [0]
    assert column(got, "reason") == ["estimate_is_0"]


def test_median_is_the_middle_of_a_piece_flat_at_one_half():
    flat = summary(curve((2, "a"), (4, "a"), (10, "a"), (12, None)), BY, 10)
    assert column(flat, "median_day") == [(4 + 10) / 2]
    steep = summary(curve((2, "a"), (4, "a"), (10, "a")), BY, 10)
    assert column(steep, "median_day") == [4]


def test_cumulative_hazard_by_hand():
    """Five people: one leaves on day 2, one is censored on day 3, two leave on day 4."""
    people = [(0, 2, "a"), (0, 3, None), (0, 4, "a"), (0, 4, "b"), (0, 9, None)]
    got = with_cumulative_hazard(curve(*people), BY)
    assert got["day"].to_list() == [2, 3, 4, 9]
    hazard, error = 1 / 5 + 2 / 3, math.sqrt(1 / 25 + 2 / 9)
    assert got["cumulative_hazard"].to_list() == pytest.approx([1 / 5, 1 / 5, hazard, hazard])
    assert got["cumulative_hazard_std_error"][2] == pytest.approx(error)
    ratio = math.exp(1.959963984540054 * error / hazard)
    bounds = got.select("cumulative_hazard_ci_low", "cumulative_hazard_ci_high").row(2)
    assert bounds == pytest.approx((hazard / ratio, hazard * ratio))


def test_cumulative_hazard_before_the_first_exit_has_no_interval():
    got = with_cumulative_hazard(curve((0, 3, None), (0, 5, "a")), BY)
    assert got["cumulative_hazard"].to_list() == [0, 1]
    assert got["cumulative_hazard_ci_low"].is_null().to_list() == [True, False]


@pytest.mark.parametrize(
    "people",
    [[(20, None)] * 5, [(8, "a"), (20, None)], [(4, "a")] * 5],
    ids=["all stay", "the first leaves at the horizon", "all leave at once"],
)
def test_a_restricted_mean_that_does_not_vary_has_no_interval(people):
    got = summary(curve(*people), BY, 8)
    assert column(got, "restricted_mean") == [min(people[0][0], 8)]
    assert column(got, "restricted_mean_ci_low") == column(got, "restricted_mean_ci_high") == [None]
    assert "no_variation" in column(got, "reason")[0]


def test_restricted_mean_is_the_area_under_the_curve():
    people = [(2, "a"), (6, "a"), (9, None), (9, None)]
    got = summary(curve(*people), BY, 8)

    area = 2 * 1 + (6 - 2) * 3 / 4 + (8 - 6) * 2 / 4
    later = (8 - 6) * 2 / 4
    variance = (area - 2) ** 2 / (4 * 3) + later**2 / (3 * 2)
    assert column(got, "restricted_mean") == pytest.approx([area])
    assert column(got, "restricted_mean_std_error") == pytest.approx([math.sqrt(variance)])


def test_summary_says_what_it_cannot_say():
    got = summary(curve((2, "a"), (6, None), (9, None)), BY, 10)
    assert column(got, "median_day") == [None]
    assert column(got, "restricted_mean") == [None]
    assert column(got, "reason") == ["median_not_reached, beyond_follow_up"]


def test_life_table_counts_the_censored_as_half():
    people = counts((1, "a"), (2, None), (11, "a"), (12, None), (13, "b"))
    got = life_table(*people, BY, [0, 10, 20])

    assert column(got, "n_entered") == [5, 3, 0]
    assert column(got, "n_effective") == [4.5, 2.5, 0]
    first = 1 - 1 / 4.5
    second = first * (1 - 2 / 2.5)
    assert column(got, "retained") == pytest.approx([first, second, second])
    assert column(got, "reason") == [None, None, "not_computable"]
    variance = (1 / 4.5) / (4.5 - 1)
    assert got["std_error"][0] == pytest.approx(first * math.sqrt(variance))
    assert got["std_error"][1] == pytest.approx(second * math.sqrt(variance + 0.8 / (2.5 - 2)))


def test_life_table_counts_late_entries_as_half_where_they_enter():
    people = counts((0, 15, "a"), (4, 25, None), (10, 12, "a"), (9, 30, None))
    got = life_table(*people, BY, [0, 10, 20])

    assert column(got, "n_late") == [1, 1, 0]
    assert column(got, "n_entered") == [1, 3, 2]
    assert column(got, "n_effective") == [1.5, 3.5, 1]
    assert column(got, "retained") == pytest.approx([1, 1 - 2 / 3.5, 1 - 2 / 3.5])


def test_life_table_tells_nothing_from_an_interval_that_more_left_than_half_of_the_late():
    got = life_table(*counts((2, 4, "a"), (5, 15, "a"), (9, 18, None)), BY, [0, 5, 10])

    assert column(got, "n_effective") == [0.5, 0.5, 1.5]
    assert column(got, "hazard") == [None, 0, pytest.approx(1 / 1.5)]
    for estimate in ("retained", "std_error", "ci_low", "ci_high"):
        assert column(got, estimate) == [None, None, None]
    assert column(got, "reason") == ["not_computable"] * 3


def test_life_table_of_a_day_each_is_the_curve():
    people = counts((1, "a"), (1, None), (3, "a"), (4, None), (4, "b"), (6, None))
    days = [0, 1, 2, 3, 4, 5, 6]
    got = life_table(*people, BY, [*days, 7])
    read = at_days(*people, BY, days)
    assert column(got, "retained")[:7] == pytest.approx(column(read, "retained"))
    assert column(got, "std_error")[:7] == pytest.approx(column(read, "std_error"))


@pytest.mark.parametrize(
    "person",
    [(-1, "a"), (5, 3, "a"), (5, 5, None)],
    ids=["negative day", "exit before entry", "exit on the day of a late entry"],
)
def test_impossible_times_are_an_error_that_names_no_value(person):
    exits, entries = counts(person)
    with pytest.raises(ValueError, match="entries and exits do not fit"):
        kaplan_meier(exits, entries, BY)


def test_entries_without_exits_are_an_error():
    exits, _ = counts((3, "a"))
    _, entries = counts((3, "a"), (4, "a"))
    with pytest.raises(ValueError, match="unequal numbers"):
        kaplan_meier(exits, entries, BY)


def test_nobody_gives_no_row():
    exits, entries = counts((3, "a"))
    assert kaplan_meier(exits.clear(), entries.clear(), BY).is_empty()


def test_a_null_stratum_is_a_group_of_its_own():
    exits, entries = counts((3, "a"), stratum=None)
    more_exits, more_entries = counts((4, "a"), (5, None))
    got = kaplan_meier(pl.concat([exits, more_exits]), pl.concat([entries, more_entries]), BY)
    assert column(got, "stratum") == [None, "all", "all"]
    assert column(got, "retained") == [0, 1 / 2, 1 / 2]


@QUICK
@given(PEOPLE)
def test_curve_falls_within_zero_and_one(people):
    got = curve(*people)
    assert got["retained"].is_between(0, 1).all()
    assert (got["retained"].diff().drop_nulls() <= 0).all()
    known = got.drop_nulls("ci_low")
    assert (known["ci_low"] <= known["retained"]).all()
    assert (known["retained"] <= known["ci_high"]).all()


@QUICK
@given(PEOPLE)
def test_at_risk_is_entry_before_the_day_and_exit_not_before_it(people):
    for day, n_at_risk in curve(*people).select("day", "n_at_risk").iter_rows():
        assert n_at_risk == sum(entry < day <= exit_day for entry, exit_day, _ in people)


@QUICK
@given(PEOPLE)
def test_entry_on_day_zero_is_the_plain_curve(people):
    alive, expected = len(people), 1.0
    got = curve(*[(day, kind) for _, day, kind in people])
    for day, retained in got.select("day", "retained").iter_rows():
        left = [kind for _, exit_day, kind in people if exit_day == day]
        expected *= 1 - sum(kind is not None for kind in left) / alive
        alive -= len(left)
        assert retained == pytest.approx(expected, abs=1e-12)


@QUICK
@given(PEOPLE, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(people, random):
    exits, entries = counts(*people)
    rows = list(range(len(exits)))
    random.shuffle(rows)
    again = kaplan_meier(exits[rows], entries.reverse(), BY)
    assert_frame_equal(curve(*people), again, check_exact=True)


@QUICK
@given(PEOPLE)
def test_any_group_is_estimated_as_if_alone(people):
    ours, others = counts(*people), counts((3, "a"), (4, None), stratum="other")
    both = kaplan_meier(*(pl.concat(pair) for pair in zip(ours, others, strict=True)), BY)
    assert_frame_equal(both.filter(stratum="all"), kaplan_meier(*ours, BY), check_exact=True)


@QUICK
@given(PEOPLE)
def test_reading_at_a_day_of_the_curve_gives_the_curve(people):
    exits, entries = counts(*people)
    whole = kaplan_meier(exits, entries, BY)
    shown = ("day", "n_at_risk", "retained", "ci_low", "reason")
    read = at_days(exits, entries, BY, whole["day"].to_list())
    assert_frame_equal(whole.select(shown), read.select(shown), check_exact=True)


@QUICK
@given(PEOPLE)
def test_curve_median_and_errors_are_those_of_statsmodels_on_the_rows(people):
    # statsmodels has people at risk on the very day of a late entry; R and we do not.
    entry = np.array([start + 0.5 if start else 0 for start, *_ in people])
    left = np.array([day for _, day, _ in people], dtype=float)
    status = np.array([exit_type is not None for *_, exit_type in people])
    theirs = SurvfuncRight(left, status, entry=entry)
    days = [int(day) for day in theirs.surv_times]
    ours = at_days(*counts(*people), BY, days).filter(pl.col("n_at_risk") > 0)
    assert column(ours, "n_at_risk") == theirs.n_risk.tolist()
    assert column(ours, "retained") == pytest.approx(theirs.surv_prob, abs=1e-12)
    known = theirs.surv_prob > 1e-12
    errors = np.array(column(ours, "std_error"), dtype=float)
    assert errors[known] == pytest.approx(theirs.surv_prob_se[known], abs=1e-12)
