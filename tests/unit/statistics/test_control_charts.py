"""Control charts and funnels: by hand, by rule, and for odd input."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.statistics.control_charts import (
    funnel_limits,
    over_dispersion,
    p_chart,
    run_chart,
    xmr_chart,
)

QUICK = settings(max_examples=40, deadline=None)
BY = ["unit"]


def series(*values):
    return pl.DataFrame(
        {"unit": ["u"] * len(values), "period": range(len(values)), "value": values}
    )


def periods(*pairs):
    return pl.DataFrame(
        [("u", period, *pair) for period, pair in enumerate(pairs)],
        schema={
            "unit": pl.String,
            "period": pl.Int64,
            "numerator": pl.Int64,
            "denominator": pl.Int64,
        },
        orient="row",
    )


def test_p_chart_limits_follow_each_denominator():
    got = p_chart(periods((5, 10), (15, 40), (10, 50)), BY, "period")
    assert got["centre"].to_list() == pytest.approx([0.3] * 3)
    margin = [3 * math.sqrt(0.3 * 0.7 / n) for n in (10, 40, 50)]
    assert got["lower"].to_list() == pytest.approx([max(0, 0.3 - part) for part in margin])
    assert got["upper"].to_list() == pytest.approx([0.3 + part for part in margin])


def test_p_chart_marks_the_point_outside():
    got = p_chart(periods(*[(50, 100)] * 9, (90, 100)), BY, "period")
    assert got["signal"].to_list() == [None] * 9 + ["above"]


@pytest.mark.parametrize("missing", [(None, None), (0, 0), (None, 10)])
def test_a_missing_period_stays_missing(missing):
    got = p_chart(periods((5, 10), missing, (6, 10)), BY, "period")
    middle = got.row(1, named=True)
    assert (middle["value"], middle["lower"], middle["reason"]) == (None, None, "not_computable")
    assert got["centre"][0] == 11 / 20


def test_xmr_by_hand_and_across_a_gap():
    got = xmr_chart(series(4.0, 6.0, None, 9.0, 8.0), BY, "period")
    assert got["moving_range"].to_list() == [None, 2, None, None, 1]
    assert got["centre"][0] == 27 / 4
    assert got["upper"][0] == pytest.approx(27 / 4 + 2.66 * 1.5)
    assert got["reason"].to_list() == [None, None, "not_computable", None, None]


def test_values_that_are_all_alike_are_on_the_centre():
    """The mean of ten times 0.1 is not 0.1 in floats, nor are the limits."""
    got = xmr_chart(series(*[0.1] * 10), BY, "period")
    assert got["centre"][0] != got["value"][0]
    assert got["signal"].to_list() == [None] * 10
    assert got["runs_signal"].to_list() == [None] * 10


def test_a_single_value_has_no_limits():
    got = xmr_chart(series(4.0), BY, "period").row(0, named=True)
    assert (got["value"], got["lower"], got["reason"]) == (4, None, "not_computable")
    assert got["runs_signal"] is None


def test_a_shift_is_a_long_run_with_few_crossings():
    got = run_chart(series(*[1.0] * 10, *[3.0] * 10), BY, "period").row(0, named=True)
    assert (got["centre"], got["n_useful"]) == (2, 20)
    assert (got["longest_run"], got["longest_run_max"]) == (10, round(math.log2(20)) + 3)
    assert (got["crossings"], got["crossings_min"]) == (1, 6)
    assert got["runs_signal"] is True


def test_values_on_the_centre_do_not_count():
    got = run_chart(series(1.0, 2.0, 2.0, 3.0), BY, "period").row(0, named=True)
    assert (got["n_useful"], got["longest_run"], got["crossings"]) == (2, 1, 1)


def units(*pairs):
    return pl.DataFrame(
        [("all", *pair) for pair in pairs],
        schema=["unit", "numerator", "denominator"],
        orient="row",
    )


@pytest.mark.hazard("empty denominators", "no number, and the reason")
def test_small_units_carry_no_signal_and_empty_ones_no_number():
    got = funnel_limits(units((0, 9), (0, 40), (60, 80), (0, 0)), BY)
    assert got["signal"].to_list() == [None, "below_998", "above_998", None]
    assert got["reason"].to_list() == ["too_few", None, None, "not_computable"]
    assert got["upper_95"].to_list()[3] is None


def test_unit_on_the_limit_is_within_it():
    """Of Binomial(10, 1/2), 2.5 % lies at or below 2 and 97.5 % at or below 8."""
    got = funnel_limits(units((2, 10), (8, 10), (50, 100)), BY)
    assert got["lower_95"].to_list()[:2] == [0.2, 0.2]
    assert got["upper_95"].to_list()[:2] == [0.8, 0.8]
    assert got["signal"].to_list() == [None] * 3


@QUICK
@given(st.lists(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))))
def test_funnel_limits_are_nested_around_the_centre(pairs):
    got = funnel_limits(units(*pairs), BY) if pairs else units()
    for row in got.iter_rows(named=True):
        bounds = [row[name] for name in ("lower_998", "lower_95", "upper_95", "upper_998")]
        assert bounds == sorted(bounds)
        assert 0 <= bounds[0] <= bounds[-1] <= 1


def test_over_dispersion_by_hand():
    got = over_dispersion(funnel_limits(units((10, 40), (30, 40)), BY), BY).row(0, named=True)
    z = 0.25 / math.sqrt(0.5 * 0.5 / 40)
    assert got["statistic"] == pytest.approx(2 * z**2)
    assert got["phi"] == pytest.approx(z**2)
    assert got["p_value"] == pytest.approx(math.erfc(math.sqrt(2 * z**2 / 2)))
    weight = 40 / 0.25
    assert got["tau_squared"] == pytest.approx((2 * z**2 - 1) / weight)


def test_one_unit_cannot_be_over_dispersed():
    got = over_dispersion(funnel_limits(units((10, 40)), BY), BY).row(0, named=True)
    assert (got["phi"], got["p_value"], got["reason"]) == (None, None, "not_computable")


@pytest.mark.hazard("empty denominators", "no number, and the reason")
def test_units_without_anybody_have_no_centre():
    units = pl.DataFrame({"measure": ["x", "x"], "numerator": [0, 0], "denominator": [0, 0]})
    funnel = funnel_limits(units, ["measure"])
    assert funnel["centre"].to_list() == [None, None]
    assert funnel["reason"].to_list() == ["not_computable", "not_computable"]
