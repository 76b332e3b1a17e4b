"""The current row of each key, whatever the order in which deliveries arrived."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from registry_pipeline.transform.current import current
from schemas.forms import form_table
from schemas.protocol import load_shipped

EVENTS = form_table("events", load_shipped("lar_x"))
EVENT = {"patient_id": "anna", "event_date": date(2014, 8, 1), "event_type": "overdose"}


def told(unit: str | None, quarter: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """One event, told again in another delivery with another unit."""
    delivery = quarter if number == 1 else f"{quarter}-{number}"
    came = {"quarter": quarter, "number": number, "delivery": delivery}
    return EVENT | came | {"unit_id": unit} | more


def taken_back(quarter: str, number: int = 1) -> dict[str, Any]:
    return told(None, quarter, number, is_retraction=True, row_number=0)


@pytest.mark.parametrize(
    ("rows", "unit"),
    [
        ([told("first", "2014-Q3")], "first"),
        ([told("first", "2014-Q3"), told("second", "2014-Q4")], "second"),
        ([told("second", "2014-Q4"), told("first", "2014-Q3")], "second"),
        ([told("corrected", "2014-Q3", 2), told("first", "2014-Q3")], "corrected"),
        ([told("corrected", "2014-Q3", 2), told("later", "2014-Q4")], "later"),
        ([told("tenth", "2014-Q3", 10), told("ninth", "2014-Q3", 9)], "tenth"),
        ([told("first", "2014-Q3"), taken_back("2014-Q4")], None),
        ([taken_back("2014-Q4"), told("first", "2014-Q3")], None),
        ([taken_back("2014-Q4"), told("again", "2015-Q1")], "again"),
        ([taken_back("2014-Q4"), told("same delivery", "2014-Q4")], "same delivery"),
        ([taken_back("2014-Q4")], None),
    ],
)
def test_latest_delivery_counts(
    both_engines: Any, cohort: Callable[..., Any], rows: list[dict[str, Any]], unit: str | None
) -> None:
    stands = both_engines(lambda rows: current(rows, EVENTS), rows=cohort(events=rows)["events"])
    assert stands["unit_id"].to_list() == ([] if unit is None else [unit])


def test_null_in_a_key_is_a_value(both_engines: Any, cohort: Callable[..., Any]) -> None:
    step = {"patient_id": "anna", "event_date": date(2014, 8, 1), "kind": "method_received"}
    rows = [
        step | {"outcome": "no method"},
        step | {"outcome": "no method, again", "quarter": "2014-Q4", "delivery": "2014-Q4"},
        step | {"outcome": "music", "method": "music_therapy"},
    ]
    table = form_table("process_events", load_shipped("lar_x"))
    stands = both_engines(
        lambda rows: current(rows, table), rows=cohort(process_events=rows)["process_events"]
    )
    assert sorted(stands["outcome"]) == ["music", "no method, again"]


def test_a_stay_never_begun_is_known_by_its_planned_start(
    both_engines: Any, cohort: Callable[..., Any]
) -> None:
    plan = {"patient_id": "anna", "pathway": "gp_alone", "exit_type": "never_met"}
    rows = [
        plan | {"planned_start_date": date(2014, 8, 1)},
        plan | {"planned_start_date": date(2014, 9, 1)},
        plan | {"planned_start_date": date(2014, 9, 1), "quarter": "2014-Q4", "delivery": "x"},
    ]
    table = form_table("episodes", load_shipped("lar_x"))
    stands = both_engines(lambda rows: current(rows, table), rows=cohort(episodes=rows)["episodes"])
    assert stands["planned_start_date"].to_list() == [date(2014, 8, 1), date(2014, 9, 1)]


def test_rows_keep_every_column(both_engines: Any, cohort: Callable[..., Any]) -> None:
    rows = cohort(events=[told("first", "2014-Q3")])["events"]
    stands = both_engines(lambda rows: current(rows, EVENTS), rows=rows)
    assert stands.columns == rows.columns
