"""Rates: by published example, by rule, and against statsmodels where a person may count twice."""

import math

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from registry_pipeline.statistics.intervals import Z95
from registry_pipeline.statistics.rates import with_clustered_rate, with_poisson_rate

SUMS = {
    "people": "n",
    "events_squared": "squared",
    "events_by_exposure": "crossed",
    "exposure_squared": "time2",
}


def estimates(frame):
    return frame.select("estimate", "ci_low", "ci_high").row(0)


def exact(events, time):
    frame = pl.DataFrame([(events, time)], schema={"x": pl.Int64, "n": pl.Int64}, orient="row")
    return estimates(with_poisson_rate(frame, "x", "n"))


def clustered(events, times):
    x, time = np.asarray(events, float), np.asarray(times, float)
    sums = {"x": x.sum(), "t": time.sum(), "n": len(x), "squared": (x * x).sum()}
    frame = pl.DataFrame([sums | {"crossed": (x * time).sum(), "time2": (time * time).sum()}])
    return estimates(with_clustered_rate(frame, "x", "t", **SUMS))


@pytest.mark.parametrize("pair", [(0, 0), (3, None), (None, 3)])
@pytest.mark.hazard("empty denominators", "no number, and the reason")
def test_no_time_no_rate(pair):
    assert exact(*pair) == (None, None, None)


def test_poisson_rate_of_no_events_has_the_rule_of_three():
    rate, low, high = exact(0, 200)
    assert (rate, low) == (0, 0)
    assert high == pytest.approx(-math.log(0.025) / 200)


def test_poisson_rate_is_garwoods():
    """10 events: 4.795 to 18.390 (Garwood 1936)."""
    _, low, high = exact(10, 1)
    assert (low, high) == pytest.approx((4.795389, 18.390356), abs=1e-6)


def test_a_clustered_rate_is_that_of_a_poisson_model_with_people_as_clusters():
    """statsmodels' sandwich has no small-sample factor; n / (n - 1) is ours."""
    draw = np.random.default_rng(7)
    times = draw.uniform(0.1, 2, size=60)
    events = draw.poisson(draw.gamma(0.7, 1.5, size=60) * times)
    assert events.max() > 1
    model = sm.GEE(
        events,
        np.ones_like(times),
        groups=np.arange(60),
        family=sm.families.Poisson(),
        offset=np.log(times),
    ).fit()
    centre, half = float(model.params[0]), Z95 * float(model.bse[0]) * math.sqrt(60 / 59)
    expected = [math.exp(centre + sign * half) for sign in (0, -1, 1)]
    assert clustered(events, times) == pytest.approx(expected, rel=1e-6)


def test_one_person_s_many_events_widen_the_interval():
    """Ten events of ten people, and ten of one among ten."""
    _, low, high = clustered([1] * 9 + [2], [1] * 10)
    _, low_of_one, high_of_one = clustered([10] + [0] * 9, [1] * 10)
    assert low_of_one < low < high < high_of_one


@pytest.mark.parametrize("people", [([2], [1.0]), ([2, 2], [1.0, 1.0]), ([0, 0], [1.0, 2.0])])
def test_without_spread_between_people_there_is_a_rate_and_no_interval(people):
    rate, low, high = clustered(*people)
    assert rate == sum(people[0]) / sum(people[1])
    assert (low, high) == (None, None)
