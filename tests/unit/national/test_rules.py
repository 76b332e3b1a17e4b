"""Each rule of the national platform on a delivery that breaks it, and on one that does not."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from registry_pipeline.national.rules import COLUMNS, METADATA, NOTHING, RULES, Delivery, problems

ROW = {
    "context": "caregiver", "year": 2024, "orgnr": "310000019", "ind_id": "plan",
    "var": 12.0, "denominator": 20.0,
}  # fmt: skip
PLAN = {
    "id": "plan", "title": "Plan", "type": "andel", "min_denominator": 5, "level_green": 0.8,
    "level_yellow": 0.6, "level_direction": 1, "dg_id": "coverage",
}  # fmt: skip
DAYS = {**PLAN, "id": "days", "type": "median", "level_green": 14.0, "level_yellow": 21.0,
        "level_direction": 0}  # fmt: skip


def delivery(
    *rows: dict[str, Any], indicators: tuple[dict[str, Any], ...] = (PLAN, DAYS)
) -> Delivery:
    return Delivery(
        pl.DataFrame([{**ROW, **row} for row in rows], schema_overrides={"var": pl.Float64}),
        pl.DataFrame(list(indicators), schema=list(METADATA)),
        {"310000019", "310000027"},
        2024,
    )


def test_a_good_delivery_breaks_none() -> None:
    good = delivery(
        {}, {"orgnr": "310000027", "var": 0}, {"ind_id": "days", "var": 3.5, "denominator": 1}
    )
    assert problems(good) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"var": None}, "a cell is empty"),
        ({"context": "hospital"}, "the context is not caregiver or resident"),
        ({"year": 2023}, "the year is not the one asked for"),
        ({"orgnr": "3100000"}, "the organisation number is not nine digits"),
        ({"orgnr": "310000035"}, "the organisation number belongs to no unit"),
        ({"ind_id": "tea"}, "the indicator is not described"),
        ({"var": 2.5}, "a fraction needs a natural number"),
        ({"var": -1}, "a fraction needs a natural number"),
        ({"denominator": 0, "var": 0}, "a fraction needs a natural number"),
        ({"denominator": 12.5}, "a fraction needs a natural number"),
        ({"var": 21}, "a fraction is of more than its denominator"),
        ({"ind_id": "days", "var": float("nan")}, "the value is no number"),
        ({"ind_id": "days", "denominator": 0}, "the value is no number"),
        ({}, "stand more than once"),
    ],
)
def test_each_rule_on_rows(row: dict[str, Any], words: str) -> None:
    """The second row breaks it; in the last case it repeats the first."""
    other = {"orgnr": "310000027"} if row else {}
    found = problems(delivery({}, {**other, **row}))
    assert any(words in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("indicator", "words"),
    [
        ({**PLAN, "level_green": 0.5}, "the green level of an indicator is not its better one"),
        ({**PLAN, "level_direction": 0}, "the green level of an indicator is not its better one"),
        ({**PLAN, "type": "fraction"}, "the type of an indicator is unknown"),
    ],
)
def test_each_rule_on_indicators(indicator: dict[str, Any], words: str) -> None:
    assert any(words in found for found in problems(delivery({}, indicators=(indicator,))))


def test_every_rule_has_a_case_of_its_own_sentence() -> None:
    sentences = [words for words, _ in RULES]
    assert len(set(sentences)) == len(sentences) == 12


def test_other_columns_are_refused_before_anything_else() -> None:
    good = delivery({})
    reordered = good.rows.select(sorted(COLUMNS))
    wrong = Delivery(reordered, good.indicators, good.known_orgnr, 2024)
    assert problems(wrong) == [f"the columns are not {', '.join(COLUMNS)}, in that order"]


def test_nothing_is_no_delivery() -> None:
    good = delivery({})
    empty = Delivery(good.rows.head(0), good.indicators, good.known_orgnr, 2024)
    assert problems(empty) == [NOTHING]
