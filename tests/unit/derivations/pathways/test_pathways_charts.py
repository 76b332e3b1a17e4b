"""Control charts and funnels, counted by hand."""

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest

Tables = dict[str, pl.DataFrame]
Make = Callable[..., Tables]

# Everyone begins on 1 May 2014: 2014-Q2 ends on day 60, Q3 on day 152, Q4 on day 244, 2015-Q1 on
# day 334. The cut-off, 30 June 2015, leaves 2015-Q2 whole.
QUARTERS = ["2014-Q2", "2014-Q3", "2014-Q4", "2015-Q1", "2015-Q2"]


def series(tables: Tables, measure: str, *columns: str, unit_id: str = "all") -> list[Any]:
    rows = tables["derived.control_chart"].filter(pl.col("chart") != "run")
    chart = rows.filter(measure=measure, unit_id=unit_id)
    return chart.sort("period").select(columns).rows()


def test_dropout_of_the_stays_in_treatment(pathways: Make) -> None:
    people = [
        {"n": 6, "treatment": (0, 425, None)},
        {"n": 2, "treatment": (0, 60, "patient_absent")},  # the last day of 2014-Q2
        {"n": 1, "treatment": (0, 61, "patient_absent")},
        {"n": 1, "treatment": (0, 200, "unknown")},
        {"n": 1, "treatment": (0, 200, "planned_mutual")},
    ]
    made = pathways(people)
    assert series(made, "dropout", "period", "numerator", "denominator", "n_missing") == [
        ("2014-Q2", 2, 11, 0),
        ("2014-Q3", 1, 9, 0),
        ("2014-Q4", 0, 8, 1),
        ("2015-Q1", 0, 6, 0),
        ("2015-Q2", 0, 6, 0),
    ]
    assert series(made, "dropout", "value")[0] == (2 / 11,)
    centre = 3 / (11 + 9 + 8 + 6 + 6)
    assert series(made, "dropout", "centre") == [(pytest.approx(centre),)] * 5


def test_follow_ups_that_were_not_held(pathways: Make) -> None:
    """Wave 1 is due on day 182 (2014-Q4), wave 2 on day 365 (2015-Q2); two quarters lie empty."""
    people = [
        {"n": 3, "waves": {0: {}, 1: {}, 2: "refused"}},
        {"n": 1, "waves": {0: {}, 1: "missed", 2: "dead"}},
    ]
    made = pathways(people)
    assert series(made, "missed_interview", "period", "numerator", "denominator", "value") == [
        ("2014-Q4", 1, 4, 1 / 4),
        ("2015-Q1", 0, 0, None),
        ("2015-Q2", 3, 3, 1.0),
    ]
    reasons = series(made, "missed_interview", "reason")
    assert reasons == [(None,), ("not_computable",), (None,)]


def test_mean_coping_needs_five_answers(pathways: Make) -> None:
    people = [
        {"n": 4, "waves": {0: {"coping_score": 4}, 1: {"coping_score": 6}, 2: {"coping_score": 9}}},
        {"n": 1, "waves": {0: {"coping_score": 10}, 1: {}, 2: "missed"}},
        {"n": 2, "waves": {0: {}, 2: "missed"}},
    ]
    made = pathways([*people, {"waves": {0: {"coping_score": 4}, 1: {"coping_score": 6}}}])
    found = series(made, "coping", "period", "value", "numerator", "denominator", "n_missing")
    assert found == [
        ("2014-Q2", pytest.approx((5 * 4 + 10) / 6), None, 6, 2),
        ("2014-Q3", None, None, 0, 0),
        ("2014-Q4", pytest.approx(6), None, 5, 1),
        ("2015-Q1", None, None, 0, 0),
        ("2015-Q2", None, None, 4, 0),
    ]
    assert series(made, "coping", "reason")[-1] == ("too_few",)


def test_coping_that_nobody_was_asked_has_no_chart_to_read(pathways: Make) -> None:
    made = pathways([{"n": 9, "waves": {0: {}, 1: {}}}])
    assert set(series(made, "coping", "value", "reason")) == {(None, "not_asked")}


def test_a_series_ends_with_its_last_event(pathways: Make) -> None:
    made = pathways([{"n": 9, "treatment": (0, 100, "patient_absent")}])
    assert [period for (period,) in series(made, "dropout", "period")] == QUARTERS[:2]


def test_a_quarter_that_the_cut_off_breaks_is_left_out(pathways: Make) -> None:
    made = pathways([{"n": 9, "treatment": (0, 300, None), "cutoff_date": date(2015, 3, 30)}])
    assert [period for (period,) in series(made, "dropout", "period")] == QUARTERS[:3]


def test_a_person_counts_in_the_quarters_that_the_own_sender_covers(pathways: Make) -> None:
    """South's sender delivered to 15 February: its first quarter of 2015 is half a quarter."""
    asked = {"waves": {0: {"coping_score": 5}, 1: {"coping_score": 5}}}
    people = [
        {"n": 6, "unit_id": "north", "treatment": (0, 425, None), **asked},
        {
            "n": 6,
            "unit_id": "south",
            "treatment": (0, 290, None),
            "cutoff_date": date(2015, 2, 15),
            "waves": asked["waves"] | {2: {"coping_score": 5}},
        },
    ]
    made = pathways(people)
    found = series(made, "dropout", "period", "denominator", unit_id="south")
    assert [n for _, n in found] == [6, 6, 6, 0, 0]
    assert [n for (n,) in series(made, "dropout", "denominator")] == [12, 12, 12, 6, 6]
    for measure in ("missed_interview", "coping"):  # wave 2 lies after what the sender covers
        held = series(made, measure, "period", "denominator", unit_id="south")
        assert dict(held)["2014-Q4"] == 6
        assert dict(held)["2015-Q2"] == 0


def test_several_units_have_their_own_series(pathways: Make) -> None:
    people = [
        {"n": 4, "unit_id": "north", "treatment": (0, 425, None)},
        {"n": 2, "unit_id": "south", "treatment": (0, 30, "patient_absent")},
        {"n": 1, "unit_id": None, "treatment": (0, 425, None)},
    ]
    made = pathways(people)
    first = {
        unit: series(made, "dropout", "numerator", "denominator", unit_id=unit)[0]
        for unit in ("all", "north", "south", "unknown")
    }
    assert first == {"all": (2, 7), "north": (0, 4), "south": (2, 2), "unknown": (0, 1)}
    assert series(made, "dropout", "denominator", "value", unit_id="south")[1] == (0, None)


def funnel(tables: Tables, measure: str) -> dict[str, dict[str, Any]]:
    return {
        row["unit_id"]: row
        for row in tables["derived.funnel"].to_dicts()
        if row["measure"] == measure
    }


def test_units_around_all_units(pathways: Make) -> None:
    """12 months: north keeps 95 of 100, south 70 of 100; east has 9, too few to signal."""
    left = (0, 100, "patient_absent")
    stayed = (0, 425, None)
    people = [
        {"n": 95, "unit_id": "north", "treatment": stayed},
        {"n": 5, "unit_id": "north", "treatment": left},
        {"n": 70, "unit_id": "south", "treatment": stayed},
        {"n": 28, "unit_id": "south", "treatment": left},
        {"n": 2, "unit_id": "south", "treatment": (0, 100, "unknown")},
        {"n": 9, "unit_id": "east", "treatment": left},
        {"n": 3, "unit_id": "east"},
    ]
    made = pathways(people)
    retained, dropout = funnel(made, "retained"), funnel(made, "dropout")
    centre = (95 + 70) / (100 + 100 + 9)
    assert {unit: row["signal"] for unit, row in retained.items()} == {
        "north": "above_998", "south": "below_95", "east": None,
    }  # fmt: skip
    assert retained["east"]["reason"] == "too_few"
    assert retained["north"]["centre"] == pytest.approx(centre)
    assert (dropout["south"]["n"], dropout["south"]["n_missing"]) == (98, 2)
    assert dropout["south"]["value"] == 28 / 98
    assert dropout["north"]["over_dispersion"] > 1


def test_a_unit_where_nobody_can_be_followed_up_says_so(pathways: Make) -> None:
    """All of west are dead at 12 months: a row without a value, not a unit that is not there."""
    stayed = {"n": 20, "treatment": (0, 425, None)}
    dead = dict.fromkeys(range(9), "dead")
    people = [
        *(stayed | {"unit_id": unit} for unit in ("north", "south")),
        {"n": 3, "unit_id": "west", "treatment": (0, 100, "death_other"), "waves": dead},
    ]
    west = funnel(pathways(people), "retained")["west"]
    assert (west["n"], west["n_missing"], west["value"], west["reason"]) == (
        0, 0, None, "not_computable",
    )  # fmt: skip


def test_one_unit_has_nothing_to_lie_beside(pathways: Make) -> None:
    (row,) = (
        pathways([{"n": 20, "treatment": (0, 425, None)}])["derived.funnel"]
        .filter(measure="retained")
        .to_dicts()
    )
    assert (row["over_dispersion"], row["reason"]) == (None, "one_group")


def test_units_that_all_keep_everyone_have_no_over_dispersion(pathways: Make) -> None:
    stayed = {"n": 20, "treatment": (0, 425, None)}
    made = funnel(pathways([stayed | {"unit_id": unit} for unit in ("north", "south")]), "retained")
    assert {(row["over_dispersion"], row["reason"]) for row in made.values()} == {
        (None, "no_variation")
    }
