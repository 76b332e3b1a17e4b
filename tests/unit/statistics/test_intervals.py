"""Intervals of one share, rate or mean: by published example, by rule, and for odd input."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from registry_pipeline.statistics.intervals import (
    why_no_mean,
    with_curve_interval,
    with_mean,
    with_wilson,
)

QUICK = settings(max_examples=40, deadline=None)
SHARES = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def shares(*pairs):
    return pl.DataFrame(pairs, schema={"x": pl.Int64, "n": pl.Int64}, orient="row")


def estimates(frame):
    return frame.select("estimate", "ci_low", "ci_high").row(0)


def test_published_consent_share():
    """70 of 328 consented: 21.3 % (17.3-26.1)."""
    got = estimates(with_wilson(shares((70, 328)), "x", "n"))
    assert [round(100 * value, 1) for value in got] == [21.3, 17.3, 26.1]


def test_bounds_are_exact_at_nobody_and_everybody():
    got = with_wilson(shares((0, 9), (9, 9)), "x", "n")
    assert got["ci_low"][0] == got["estimate"][0] == 0
    assert got["ci_high"][1] == got["estimate"][1] == 1


@pytest.mark.parametrize("pair", [(0, 0), (3, None), (None, 3)])
@pytest.mark.hazard("empty denominators", "no number, and the reason")
def test_no_denominator_no_number(pair):
    assert estimates(with_wilson(shares(pair), "x", "n")) == (None, None, None)


@pytest.mark.parametrize("pair", [(4, 3), (-1, 3)])
def test_impossible_share_is_an_error(pair):
    with pytest.raises(ValueError, match="column x is negative or above column n"):
        with_wilson(shares(pair), "x", "n")


@QUICK
@given(SHARES, st.sampled_from([0.9, 0.95, 0.99]))
def test_share_intervals_hold_the_share_and_agree_with_statsmodels(pair, confidence):
    share, low, high = estimates(with_wilson(shares(pair), "x", "n", confidence=confidence))
    assert 0 <= low <= share <= high <= 1
    peer = proportion_confint(*pair, alpha=1 - confidence, method="wilson")
    assert (low, high) == pytest.approx(peer, abs=1e-9)


def sums(*values):
    row = (len(values), sum(values), sum(value**2 for value in values))
    return pl.DataFrame([row], schema=["n", "total", "total_squares"], orient="row")


def test_mean_with_t_interval():
    got = with_mean(sums(2, 4, 6), "n", "total", "total_squares")
    half = 4.302652729911275 * 2 / math.sqrt(3)
    assert estimates(got) == pytest.approx((4, 4 - half, 4 + half))


def test_mean_of_one_value_has_no_interval_and_of_none_no_mean():
    one = with_mean(sums(7), "n", "total", "total_squares")
    assert estimates(one) == (7, None, None)
    assert estimates(with_mean(sums(), "n", "total", "total_squares")) == (None, None, None)


def test_a_mean_of_values_all_alike_has_no_interval():
    alike = with_mean(sums(6, 6), "n", "total", "total_squares")
    assert estimates(alike) == (6, None, None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [((), "not_computable"), ((7,), "not_computable"), ((7, 7), "no_variation"), ((7, 8), None)],
)
def test_why_a_mean_has_no_interval(values, reason):
    made = with_mean(sums(*values), "n", "total", "total_squares")
    assert made.select(why_no_mean("n")).item() == reason


@QUICK
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=50, unique=True))
def test_mean_lies_within_its_interval(values):
    mean, low, high = estimates(with_mean(sums(*values), "n", "total", "total_squares"))
    assert low < mean < high


def test_the_scales_of_a_curve_by_hand():
    """A share of 0.8 with error 0.1, and of 0.95, whose plain bounds pass 1."""
    curve = pl.DataFrame({"retained": [0.8, 0.95], "std_error": [0.1, 0.1]})
    half = 1.959963984540054 * 0.1
    width = math.exp(half / (0.8 * -math.log(0.8)))
    mirrored = math.exp(half / (0.2 * -math.log(0.2)))
    wanted = {
        "log_log": (0.8**width, 0.8 ** (1 / width)),
        "complementary_log_log": (1 - 0.2 ** (1 / mirrored), 1 - 0.2**mirrored),
        "log": (0.8 * math.exp(-half / 0.8), 1.0),
        "plain": (0.8 - half, 0.8 + half),
    }
    for scale, bounds in wanted.items():
        got = with_curve_interval(curve, "retained", scale)
        assert got.select("ci_low", "ci_high").row(0) == pytest.approx(bounds)
    assert with_curve_interval(curve, "retained", "plain")["ci_high"][1] == 1


@pytest.mark.parametrize("scale", ["log_log", "complementary_log_log", "log", "plain"])
def test_a_curve_at_0_or_1_has_no_interval(scale):
    curve = pl.DataFrame({"retained": [0.0, 1.0], "std_error": [None, 0.0]})
    got = with_curve_interval(curve, "retained", scale)
    assert got.select("ci_low", "ci_high").rows() == [(None, None)] * 2
