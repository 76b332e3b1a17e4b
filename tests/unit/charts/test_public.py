"""The pages on public results, the guideline and data quality: cells and drawings."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

from registry_pipeline.charts.public import ABREAST

Cells = Callable[[str], list[list[str]]]
Drawings = Callable[[str], list[str]]
Store = Any
YEAR = {"period_start": date(2015, 1, 1), "period_end": date(2015, 12, 31), "period_type": "year"}
QUARTER = {
    "period_start": date(2015, 1, 1), "period_end": date(2015, 3, 31), "period_type": "quarter",
}  # fmt: skip


def result(
    indicator_id: str, unit: str, numerator: int, denominator: int, **more: Any
) -> dict[str, Any]:
    value = numerator / denominator if denominator else None
    return {
        "indicator_id": indicator_id, "unit_id": unit, "numerator": numerator,
        "denominator": denominator, "value": value, "ci_low": 0.1, "ci_high": 0.9, **YEAR, **more,
    }  # fmt: skip


def test_units_by_level_and_all_units_by_quarter(
    store: Store, cells: Cells, drawings: Drawings
) -> None:
    store.indicators(
        [
            result("plan", "lar_bergen", 45, 60, level="M"),
            result("plan", "all", 45, 60, level="M"),
            result("plan", "lar_bergen", 12, 20, level="M", **QUARTER),
            result("plan", "all", 12, 20, level="M", **QUARTER),
            result("few", "lar_bergen", 2, 60, **QUARTER),
            result("few", "all", 2, 60, **QUARTER),
        ]
    )
    page = store.page("quality.public_result")
    assert cells(page) == [["Indicator", "2015-Q1"], ["plan", "60 % of 20, M"]]
    assert "Of 6 results 2 are hidden." in page
    (drawing,) = drawings(page)
    assert "75 %" in drawing
    assert "few" not in drawing


def test_more_units_than_fit_a_page_go_below_each_other(store: Store, drawings: Drawings) -> None:
    few, many = (
        [result("plan", unit, 45, 60) for unit in ["all", *(f"unit_{n:02}" for n in range(units))]]
        for units in (ABREAST - 1, 3 * ABREAST)
    )
    size = []
    for results in (few, many):
        store.indicators(results)
        (drawing,) = drawings(store.page("quality.public_result"))
        size.append([int(side) for side in re.findall(r'viewBox="0 0 (\d+) (\d+)"', drawing)[0]])
    assert size[1][0] == size[0][0]
    assert size[1][1] > 2 * size[0][1]


def test_a_quarter_in_which_nobody_was_counted_is_not_called_hidden(
    store: Store, cells: Cells
) -> None:
    second = {**QUARTER, "period_start": date(2015, 4, 1), "period_end": date(2015, 6, 30)}
    store.indicators(
        [
            result("early", "all", 12, 20, **QUARTER),
            result("late", "all", 12, 20, **second),
            result("some", "all", 2, 60, **QUARTER),
            result("some", "all", 30, 60, **second),
        ]
    )
    assert cells(store.page("quality.public_result")) == [
        ["Indicator", "2015-Q1", "2015-Q2"],
        ["early", "60 % of 20", "n/a"],
        ["late", "n/a", "60 % of 20"],
        ["some", "hidden", "50 % of 60"],
    ]


def test_an_indicator_is_called_by_its_titles(
    store: Store, cells: Cells, drawings: Drawings
) -> None:
    titles = {"title": "Early plan", "title_nb": "Plan tidlig", "direction": "higher"}
    store.put("quality.indicator_definition", [{"indicator_id": "plan", **titles}])
    results = [result("plan", "all", 45, 60, **period) for period in (YEAR, QUARTER)]
    store.indicators(results)
    page = store.page("quality.public_result")
    assert cells(page)[1][0] == "Early plan / Plan tidlig"
    (drawing,) = drawings(page)
    assert {"Early plan", "Plan tidlig"} <= set(re.findall(r">([^<>]+)<", drawing))
    measured = {"recommendation": "2.4", "chapter": 2, "status": "measured", **YEAR}
    store.put("quality.guideline_coverage", [{**measured, "indicator_id": "plan"}])
    assert cells(store.page("quality.guideline_coverage"))[1][3] == "Early plan / Plan tidlig"


def test_every_recommendation_has_a_row_with_what_may_be_shown(store: Store, cells: Cells) -> None:
    store.indicators([result("plan", "all", 45, 60, level="M"), result("few", "all", 2, 60)])
    rows = [
        {"recommendation": "2.4", "indicator_id": "plan", "status": "measured", "grade": "bør",
         "text": "An early plan.", "text_nb": "Plan tidlig.", "value": 0.75, "level": "M", **YEAR},
        {"recommendation": "10.2", "indicator_id": "few", "status": "measured", "value": 2 / 60,
         **YEAR},
        {"recommendation": "2.10", "indicator_id": "waves", "status": "not_applicable"},
        {"recommendation": "4.1", "status": "not_measured", "text": "Anchored.",
         "text_nb": "Nedfelt.", "not_measured": "no form describes it"},
        {"recommendation": "7.1", "status": "by_number", "not_measured": "number alone"},
    ]  # fmt: skip
    store.put("quality.guideline_coverage", [{"chapter": 2, **row} for row in rows])
    page = store.page("quality.guideline_coverage")
    found = {row[0]: row[2:] for row in cells(page)[1:]}
    assert list(found) == ["2.4", "2.10", "4.1", "7.1", "10.2"]
    assert "Anchored. / Nedfelt." in page
    assert found == {
        "2.4": ["bør", "plan", "75 % (10–90)", "moderate"],
        "2.10": ["–", "waves", "not delivered by the cohort", "–"],
        "4.1": ["–", "no form describes it", "not measurable in this registry", "–"],
        "7.1": ["–", "number alone", "known by its number alone", "–"],
        "10.2": ["–", "few", "hidden", "–"],
    }
    assert "Of 5 recommendations 2 are measured here, 1 could be" in page


def test_rules_that_failed_with_small_numbers_hidden(
    store: Store, cells: Cells, drawings: Drawings
) -> None:
    same = {"dimension": "completeness", "kahn_category": "completeness", "severity": "warn",
            "table_name": "core.interview", "threshold": 0.2, "note": "Stated."}  # fmt: skip
    rules = [
        ("many", "failed", 60, 30),
        ("few", "failed", 60, 2),
        ("nearly_all", "failed", 60, 58),
        ("fine", "passed", 60, 0),
    ]
    store.put(
        "quality.data_quality",
        [
            {**same, "rule_id": rule, "status": status, "n_checked": n, "n_failed": failed}
            for rule, status, n, failed in rules
        ],
    )
    page = store.page("quality.data_quality")
    assert {row[0]: row[2:5] for row in cells(page)[1:]} == {
        "many": ["60", "30", "20 %"],
        "few": ["60", "<5", "20 %"],
        "nearly_all": ["60", "hidden", "20 %"],
    }
    assert "failed" in drawings(page)[0]
