"""The guideline's catalogue and the coverage view."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from registry_pipeline.indicators import INDICATORS
from registry_pipeline.indicators.engine import indicator_tables
from registry_pipeline.indicators.guideline import ALSO, catalogue, guideline_coverage
from schemas.catalog import TABLES
from schemas.codes import METHOD, PROCESS_KIND
from schemas.forms import FORMS
from schemas.guideline import (
    BY_NUMBER,
    CHAPTERS,
    GRADE,
    NO_CODE,
    NO_TEXT,
    RECOMMENDATIONS,
    with_grade,
)

PER_CHAPTER = {1: 4, 2: 10, 3: 3, 4: 13, 5: 4, 6: 5, 7: 4, 8: 2, 9: 3, 10: 2}
_NAMED = """
1.1 1.2 1.3 1.4 2.1 2.3 2.4 2.5 2.7 2.8 2.9 2.10 3.1 3.2 3.3 4.2 4.3 4.5 4.6 4.7 4.10 5.1 5.3 5.4
6.1 6.2 6.3 6.4 6.5 7.4 8.1 8.2 9.1 9.3 10.2
"""
NAMED = frozenset(_NAMED.split())
"""Those that a quarterly registry can turn into process indicators."""


def test_every_recommendation_from_1_1_to_10_2_is_listed_in_order() -> None:
    numbers = [item.number for item in RECOMMENDATIONS]
    assert numbers == [
        f"{chapter}.{number}" for chapter, n in PER_CHAPTER.items() for number in range(1, n + 1)
    ]
    assert set(CHAPTERS) == set(PER_CHAPTER)


@pytest.mark.parametrize("item", RECOMMENDATIONS, ids=lambda item: item.number)
def test_a_recommendation_is_measured_or_says_why_not(item) -> None:
    measured = {one.definition.guideline for one in INDICATORS} | set(ALSO)
    assert (item.number in measured) == (item.not_measured is None)
    assert (item.nb is None) == (item.en is None)
    assert item.grade is None or item.grade in GRADE.codes
    if item.number in NAMED:
        assert item.nb
        assert item.not_measured is None


def test_what_is_said_to_be_lacking_is_in_no_form() -> None:
    methods = {one.definition.indicator_id: one.definition.guideline for one in INDICATORS}
    assert {methods[code] for code in METHOD.codes if code != "other"} == {
        "4.2", "4.3", "4.5", "4.6", "4.7",
    }  # fmt: skip
    by_reason = {item.number for item in RECOMMENDATIONS if item.not_measured == NO_CODE}
    assert by_reason == {"4.4", "4.8", "4.9", "4.11", "4.12", "4.13"}
    words = [
        *PROCESS_KIND.codes,
        *(name for form in FORMS.values() for name in form.to_schema().columns),
    ]
    assert not [word for word in words if "orientation" in word]
    assert BY_NUMBER["9.2"].grade == "bør"


def test_what_is_known_by_number_alone_has_neither_words_nor_grade() -> None:
    unread = [item for item in RECOMMENDATIONS if item.not_measured in {NO_TEXT, NO_CODE}]
    assert all(item.nb is item.grade is None for item in unread)
    assert [item.number for item in unread if item.not_measured == NO_TEXT] == [
        "2.2", "2.6", "5.2", "7.1", "7.2", "7.3", "10.1",
    ]  # fmt: skip


def test_an_indicator_tells_its_recommendation_and_grade() -> None:
    assert with_grade("1.1") == "1.1, skal"
    assert with_grade("2.4") == "2.4"
    assert with_grade(None) is None
    assert {one.definition.guideline for one in INDICATORS} - {None} <= set(BY_NUMBER)


def test_the_catalogue_has_a_row_per_indicator_and_one_for_each_without() -> None:
    rows = catalogue(INDICATORS)
    assert set(rows["recommendation"]) == set(BY_NUMBER)
    assert rows.filter(recommendation="8.1")["indicator_id"].to_list() == [
        "suicide_screen_start",
        "suicide_screen_yearly",
    ]
    assert rows.filter(recommendation="2.2")["indicator_id"].to_list() == [None]
    assert not rows.select("recommendation", "indicator_id").is_duplicated().any()


def test_the_view_shows_the_latest_closed_year_or_why_there_is_none(store, protocol) -> None:
    frames = store(
        {
            "core.patient": [{"patient_id": "a", "unit_id": "north"}],
            "core.interview": [
                {"patient_id": "a", "interview_date": date(2014, 5, 1), "housing": "own"},
                {"patient_id": "a", "interview_date": date(2013, 5, 1), "housing": "homeless"},
            ],
        }
    )
    results = indicator_tables(INDICATORS, frames, protocol).results
    table = guideline_coverage(INDICATORS, results, protocol)
    stored = TABLES["quality.guideline_coverage"]
    stored.schema.validate(table.with_columns(as_of_delivery=pl.lit("2014-Q4")).select(
        stored.schema.columns.keys()
    ))  # fmt: skip
    rows = {
        row["recommendation"]: (row["status"], row["period_end"], row["value"])
        for row in table.iter_rows(named=True)
    }
    assert rows["6.2"] == ("measured", date(2014, 12, 31), 1.0)
    assert rows["2.7"] == ("not_applicable", None, None)
    assert rows["4.1"] == rows["9.2"] == rows["4.4"] == ("not_measured", None, None)
    assert rows["2.2"] == ("by_number", None, None)
    open_year = results.with_columns(
        hidden_reason=pl.when(pl.col("period_end") == date(2014, 12, 31)).then(
            pl.lit("provisional")
        )
    )
    closed = guideline_coverage(INDICATORS, open_year, protocol).filter(recommendation="6.2")
    assert closed["period_end"].to_list() == [date(2013, 12, 31)]
