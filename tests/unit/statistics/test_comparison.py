"""Comparisons of groups: by hand, by rule, and for odd input."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from statsmodels.duration.survfunc import survdiff
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from registry_pipeline.statistics.comparison import (
    chi_square_test,
    log_rank,
    standardised_difference,
    two_means,
    two_proportions,
)

QUICK = settings(max_examples=40, deadline=None)
BY = ["cohort"]
PEOPLE = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.booleans(),
        st.sampled_from(["x", "y", "z"]),
        st.sampled_from(["north", "south"]),
    ),
    min_size=2,
    max_size=60,
)


def counts(people):
    """Exits and entries from (exit day, has left, arm, site)."""
    schema = {"day": pl.Int64, "left": pl.Boolean, "arm": pl.String, "site": pl.String}
    frame = pl.DataFrame(people, schema=schema, orient="row").with_columns(cohort=pl.lit("c"))
    kind = pl.when("left").then(pl.lit("a"))
    return (
        frame.group_by("cohort", "arm", "site", "day", exit_type=kind).len("n"),
        frame.group_by("cohort", "arm", "site").len("n").with_columns(day=0),
    )


def test_log_rank_by_hand():
    """Two people each; the x leave on days 1 and 2, the y on day 3 and never."""
    people = [(1, True, "x", "-"), (2, True, "x", "-"), (3, True, "y", "-"), (4, False, "y", "-")]
    got = log_rank(*counts(people), BY, "arm").row(0, named=True)

    expected = 2 / 4 + 1 / 3
    variance = 2 / 4 * 2 / 4 + 1 / 3 * 2 / 3
    assert got["statistic"] == pytest.approx((2 - expected) ** 2 / variance)
    assert got["p_value"] == pytest.approx(math.erfc((2 - expected) / math.sqrt(2 * variance)))
    assert (got["test"], got["df"], got["n"], got["n_events"]) == ("log_rank", 1, 4, 3)


@QUICK
@given(PEOPLE)
def test_log_rank_agrees_with_statsmodels_on_the_rows(people):
    ours = log_rank(*counts(people), BY, "arm").row(0, named=True)
    stratified = log_rank(*counts(people), BY, "arm", ["site"]).row(0, named=True)
    day, left, arm, site = (np.array(part) for part in zip(*people, strict=True))
    for got, strata in ((ours, None), (stratified, site)):
        if got["df"] == len(set(arm)) - 1:
            peer = survdiff(day, left.astype(int), arm, strata=strata)
            assert (got["statistic"], got["p_value"]) == pytest.approx(peer, abs=1e-9)


@QUICK
@given(PEOPLE, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(people, random):
    exits, entries = counts(people)
    rows = list(range(len(exits)))
    random.shuffle(rows)
    assert_frame_equal(
        log_rank(exits, entries, BY, "arm", ["site"]),
        log_rank(exits[rows], entries.reverse(), BY, "arm", ["site"]),
        check_exact=True,
    )


@pytest.mark.parametrize(
    ("people", "reason"),
    [
        ([(2, True, "x", "-"), (3, False, "x", "-")], "one_group"),
        ([(2, False, "x", "-"), (3, False, "y", "-")], "no_events"),
        ([(2, True, "x", "-"), (1, False, "y", "-")], "one_group"),
        ([(2, True, "x", "-"), (2, True, "y", "-")], "not_computable"),
    ],
    ids=["one arm", "no exits", "arm never at risk", "all on one day"],
)
def test_log_rank_is_refused_with_a_reason(people, reason):
    got = log_rank(*counts(people), BY, "arm")
    assert got.select("statistic", "p_value", "reason").rows() == [(None, None, reason)]


def arms(x1, n1, x0, n0):
    return pl.DataFrame({"x1": [x1], "n1": [n1], "x0": [x0], "n0": [n0]})


def test_newcombes_example():
    """56 of 70 against 48 of 80: 0.2000 (0.0524 to 0.3339), Newcombe 1998, table II."""
    got = two_proportions(arms(56, 70, 48, 80)).filter(measure="risk_difference")
    values = got.select("estimate", "ci_low", "ci_high").row(0)
    assert [round(value, 4) for value in values] == [0.2, 0.0524, 0.3339]


def test_ratios_by_hand():
    got = two_proportions(arms(30, 70, 15, 70))
    assert got["estimate"].to_list() == pytest.approx([15 / 70, 2, 30 * 55 / (40 * 15)])
    error = math.sqrt(1 / 30 + 1 / 40 + 1 / 15 + 1 / 55)
    assert got["ci_high"][2] == pytest.approx(2.75 * math.exp(1.959963984540054 * error))


@pytest.mark.parametrize(
    "table", [(0, 50, 20, 50), (9, 9, 20, 50), (3, 6, 2, 6)], ids=["none", "all", "few"]
)
def test_sparse_cells_have_a_difference_but_no_ratio(table):
    got = two_proportions(arms(*table))
    assert got["reason"].to_list() == ["sparse_cells"] * 3
    assert got["estimate"].is_null().to_list() == [False, True, True]
    assert got["ci_low"].is_null().to_list() == [False, True, True]
    assert got["p_value"].null_count() == 3


def test_an_empty_arm_has_nothing():
    got = two_proportions(arms(0, 0, 20, 50))
    assert got["reason"].to_list() == ["not_computable"] * 3
    assert got.select("estimate", "ci_low", "ci_high", "p_value").null_count().row(0) == (3,) * 4


@QUICK
@given(st.integers(20, 500), st.integers(20, 500), st.floats(0.3, 0.7), st.floats(0.3, 0.7))
def test_two_proportions_agree_with_statsmodels(n1, n0, p1, p0):
    x1, x0 = round(n1 * p1), round(n0 * p0)
    got = two_proportions(arms(x1, n1, x0, n0))
    for row, (compare, method) in zip(
        got.iter_rows(named=True),
        [("diff", "newcomb"), ("ratio", "log"), ("odds-ratio", "logit")],
        strict=True,
    ):
        low, high = confint_proportions_2indep(x1, n1, x0, n0, compare=compare, method=method)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=1e-9)
        assert low <= row["estimate"] <= high


def moments(first, second):
    sums = {}
    for arm, values in (("1", first), ("0", second)):
        sums |= {f"n{arm}": len(values), f"total{arm}": sum(values)}
        sums |= {f"total_squares{arm}": sum(value**2 for value in values)}
    return pl.DataFrame([sums])


@QUICK
@given(*[st.lists(st.integers(-50, 50), min_size=2, max_size=30)] * 2)
def test_welch_agrees_with_statsmodels_on_the_rows(first, second):
    got = two_means(moments(first, second)).row(0, named=True)
    assert got["estimate"] == pytest.approx(np.mean(first) - np.mean(second))
    if len(set(first)) == len(set(second)) == 1:
        assert (got["std_error"], got["reason"]) == (None, "no_variation")
        return
    peer = CompareMeans(DescrStatsW(first), DescrStatsW(second))
    _, p_value, df = peer.ttest_ind(usevar="unequal")
    bounds = peer.tconfint_diff(usevar="unequal")
    assert (got["p_value"], got["df"]) == pytest.approx((p_value, df), abs=1e-9)
    assert (got["ci_low"], got["ci_high"]) == pytest.approx(bounds, abs=1e-9)


def test_welch_needs_two_values_in_each_arm():
    got = two_means(moments([3], [4, 5])).row(0, named=True)
    assert (got["estimate"], got["ci_low"], got["reason"]) == (None, None, "not_computable")


def test_standardised_difference_of_shares_and_of_constants():
    frame = pl.DataFrame({"p1": [0.5, 1.0], "p0": [0.3, 1.0]})
    p1, p0 = pl.col("p1"), pl.col("p0")
    got = frame.select(standardised_difference(p1, p1 * (1 - p1), p0, p0 * (1 - p0)))
    assert got.to_series().to_list() == [pytest.approx(0.2 / math.sqrt((0.25 + 0.21) / 2)), None]


def test_a_statistic_below_zero_by_rounding_is_no_difference() -> None:
    assert chi_square_test(np.array([1e-9]), np.array([[-1e-9]])) == (0.0, 1, 1.0, None)
