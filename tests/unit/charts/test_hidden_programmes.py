"""The programmes' pages do not depend on the numbers they hide.

As `test_hidden_numbers`: every table is filled twice, with what is shown alike and what is hidden
different, and the two pages must be the same text, pictures included.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from registry_pipeline.charts import pages
from registry_pipeline.charts.programmes import PROGRAMMES

Rows = list[dict[str, Any]]
Store = Any
"""The store of `conftest`, which a test cannot import."""

WHOLE = {"period_start": date(2014, 5, 1), "period_end": date(2016, 9, 30)}


def share(
    measure: str, n: int, of: int, by: str = "all", group: str = "all", **cells: Any
) -> dict[str, Any]:
    return {
        "measure": measure, "unit_id": "all", "group_by": by, "group": group, "n": of,
        "n_missing": 0, "numerator": n, "denominator": of, "value": n / of, "ci_low": n / of / 2,
        "ci_high": (1 + n / of) / 2, "method": "share; Wilson", **WHOLE, **cells,
    }  # fmt: skip


def part(measure: str, n: int, of: int, by: str, which: str) -> dict[str, Any]:
    """A part of everyone: a unit's, or a group's."""
    row = share(measure, n, of)
    return {**row, "unit_id": which} if by == "unit" else {**row, "group_by": by, "group": which}


def put_programme(table: str) -> Callable[[Store, int], None]:
    """Of the first measure drawn `small` of 40 are in one part; the last one may be shown."""
    drawn = next(one for one in PROGRAMMES if one.table == table).drawn
    first, last = next(iter(drawn)), list(drawn)[-1]

    def split(measure: str) -> str:
        return next((by for by in drawn[measure] if by not in ("all", "age")), "unit")

    def put(store: Store, small: int) -> None:
        rows = [
            share(first, 40, 100),
            part(first, small, 45, split(first), "false"),
            part(first, 40 - small, 55, split(first), "true"),
            part(last, 20, 60, split(last), "unknown"),
            share(last, 20, 60),
        ]
        store.put(table, [row for at, row in enumerate(rows) if at < 3 or first != last])
        if first == last:
            unit = [share(first, 20, 50, unit_id=name) for name in ("north", "south")]
            store.put(table, unit)

    return put


def put_bridge(store: Store, small: int) -> None:
    """60 identified: 50 conversations, 10 declined or unable, `small` of them unable."""
    counts = {"identified": 60, "conversation": 50, "declined": 10 - small, "unable": small}
    rows = [share(step, n, 60) for step, n in counts.items()]
    rows.append(share("referred", 30, 50))
    rows.append(share("centre_contact", 50 - small, 50))
    store.put("quality.bridging_funnel", rows)


def put_involvement(store: Store, small: int) -> None:
    """Item 1 has 30 sheets that may be shown; item 2 has levels of `small` and 5 - `small`."""
    levels = {1: (0, 5, 5, 10, 10), 2: (small, 5 - small, 5, 10, 10)}
    rows = [
        share("level", n, 30, "level", str(level), item=item)
        for item, counts in levels.items()
        for level, n in enumerate(counts, start=1)
    ]
    for item, counts in levels.items():
        total = sum(level * n for level, n in enumerate(counts, start=1))
        rows.append(share("top_two", 20, 30, item=item))
        rows.append({**share("mean", total, 30, item=item), "method": "mean; Student t"})
    store.put("quality.involvement", rows)


def put_charts(store: Store, small: int) -> None:
    """Six quarters of 60 appointments; `small` and 5 - `small` missed in two of them."""
    events = [8, 12, small, 10, 5 - small, 9]
    rows = [
        {"measure": "no_show", "unit_id": "all", "intervention": "none", "segment": "whole",
         "period_start": date(2015 + place // 4, 1 + 3 * (place % 4), 1),
         "period_end": date(2015 + place // 4, 3 + 3 * (place % 4), 30),
         "numerator": n, "denominator": 60, "value": n / 60, "centre": sum(events) / 360,
         "lower": 0.0, "upper": 0.27}
        for place, n in enumerate(events)
    ]  # fmt: skip
    store.put("quality.programme_chart", rows)


PAGES = {
    **{subject.table: put_programme(subject.table) for subject in PROGRAMMES},
    "quality.bridging_funnel": put_bridge,
    "quality.involvement": put_involvement,
    "quality.programme_chart": put_charts,
}


@pytest.mark.parametrize("table", PAGES)
def test_the_page_does_not_depend_on_what_it_hides(
    table: str, two_pages: Callable[..., tuple[str, str]]
) -> None:
    one, other = two_pages(table, PAGES[table], shown=False)
    assert one == other
    assert "hidden" in one.split("| --- |", 1)[1]


@pytest.mark.parametrize("table", PAGES)
def test_without_thresholds_the_same_numbers_would_tell(
    table: str, two_pages: Callable[..., tuple[str, str]]
) -> None:
    one, other = two_pages(table, PAGES[table], shown=True)
    assert one != other


@pytest.mark.parametrize("table", PAGES)
def test_what_may_be_shown_is_drawn(
    table: str, store: Store, drawings: Callable[[str], list[str]]
) -> None:
    PAGES[table](store, 2)
    (drawn,) = drawings(store.page(table))
    assert drawn.startswith("<svg")
    assert "NaN" not in drawn
    assert "null" not in drawn


def test_an_age_is_hidden_where_the_years_between_it_and_the_next_are_few(
    store: Store, cells: Callable[[str], list[list[str]]]
) -> None:
    """11 under 23 and 13 under 30 dropped out: 2 between them."""
    rows = [
        share("dropout", 40, 100),
        share("dropout", 11, 30, "age", "under_23"),
        share("dropout", 13, 50, "age", "under_30"),
    ]
    store.put("quality.dropout", rows)
    shown = {row[1]: row[2] for row in cells(store.page("quality.dropout"))}
    assert shown["everyone"].startswith("40 %")
    assert (shown["under 23"], shown["under 30"]) == ("hidden", "26 % (13–63)")


def test_nine_answer_sheets_are_hidden_on_the_page(
    store: Store, drawings: Callable[[str], list[str]]
) -> None:
    counts = (0, 1, 1, 3, 4)
    rows = [
        share("level", n, 9, "level", str(level), item=1, hidden_reason="small_denominator")
        for level, n in enumerate(counts, start=1)
    ]
    rows.append(share("top_two", 7, 9, item=1, hidden_reason="small_denominator"))
    rows.append({**share("mean", 37, 9, item=1), "method": "mean", "hidden_reason": "small_count"})
    store.put("quality.involvement", rows)
    page = store.page("quality.involvement")
    assert drawings(page) == []
    assert "| Item 1 | hidden | hidden | hidden |" in page
    assert pages.NOTHING_DRAWN in page


def test_a_table_of_goals_says_what_does_not_add_up(store: Store) -> None:
    goal = {"goal_id": "bridging", "period_start": date(2017, 1, 9), "unit_id": "all",
            "period_end": date(2018, 4, 27), "group_by": "all", "group": "all"}  # fmt: skip
    rows = [
        {**goal, "step": "declined", "measure": "reached", "n": 38, "numerator": 38},
        {**goal, "step": "used", "measure": "reached", "n": 3, "numerator": 3, "denominator": 10},
        {**goal, "step": "identified", "measure": "adds_up", "n": 275, "numerator": 273,
         "denominator": 275, "value": -2.0},
    ]  # fmt: skip
    store.put("quality.goal_result", rows)
    page = store.page("quality.goal_result")
    assert "| bridging | declined | 2017-01-09 to 2018-04-27 | 38 | – |" in page
    assert "| bridging | used | 2017-01-09 to 2018-04-27 | hidden | 10 |" in page
    assert "bridging: the parts do not add up to the total." in page


def test_a_refused_rate_is_explained(store: Store) -> None:
    refused = {"value": None, "ci_low": None, "ci_high": None, "reason": "periods_differ"}
    rows = [share("conversation", 228, 275), {**share("centre_contact", 86, 228), **refused}]
    rows.append(share("centre_contact_followed", 86, 170))
    store.put("quality.bridging_funnel", rows)
    page = store.page("quality.bridging_funnel")
    assert "refused" in page
    assert "51 %" in page
    assert "38 %" not in page


def test_what_was_not_delivered_is_said(store: Store) -> None:
    row = {**share("dropout", 0, 1), "numerator": 0, "denominator": 0, "reason": "not_applicable"}
    store.put("quality.dropout", [{**row, "value": None, "n": 0}])
    assert "Not applicable" in store.page("quality.dropout")


def test_few_missing_are_not_given_back_by_the_other_parts(
    store: Store, cells: Callable[[str], list[list[str]]]
) -> None:
    """18 ends are unknown, 4 of them in detox: 18 less the 14 of the others."""
    rows = [
        {**share("dropout", 34, 98), "n_missing": 18},
        {**share("dropout", 14, 37, "level", "detox"), "n_missing": 4},
        {**share("dropout", 20, 61, "level", "inpatient"), "n_missing": 14},
        {**share("dropout", 13, 46, "age", "under_30"), "n_missing": 15},
    ]
    store.put("quality.dropout", rows)
    missing = {row[1]: row[5] for row in cells(store.page("quality.dropout"))}
    assert missing["everyone"] == "18"
    assert {missing["detox"], missing["inpatient"], missing["under 30"]} == {"hidden"}
