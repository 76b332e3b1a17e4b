"""The public view: what is null in it, what the log says, and how two publications differ."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from registry_pipeline.disclosure.checks import moved_by_few
from registry_pipeline.disclosure.release import KEY, public_tables, recovered
from schemas.catalog import TABLES
from schemas.protocol import Disclosure

RULE = Disclosure()
INDICATOR = TABLES["quality.indicator"]
YEAR = {"period_start": date(2024, 1, 1), "period_end": date(2024, 12, 31), "period_type": "year"}
USUAL = {
    "indicator_id": "plan", "protocol": "trial", "n_missing": 0, "level": "H", "method": "share",
    "rule_version": "1.0", "as_of_delivery": "2024-Q4", **YEAR,
}  # fmt: skip


def results(**units: tuple[int, int]) -> pl.DataFrame:
    """quality.indicator of one year: (numerator, denominator) by unit, with `all`."""
    whole = {**units, "all": (sum(a for a, _ in units.values()), sum(d for _, d in units.values()))}
    rows = [
        {**USUAL, "unit_id": unit, "numerator": a, "denominator": d, "denominator_known": d,
         "value": a / d if d else None, "value_known": a / d if d else None}
        for unit, (a, d) in whole.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=INDICATOR.dtypes)


def made(indicator: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    tables = public_tables(indicator, RULE)
    return tables["quality.public_result"], tables["quality.disclosure_log"]


def row(public: pl.DataFrame, unit: str) -> dict[str, Any]:
    return public.row(by_predicate=pl.col("unit_id") == unit, named=True)


INDICATOR_ROWS = results(north=(20, 40), south=(3, 30), east=(18, 25), west=(3, 4), tiny=(0, 0))


def test_both_tables_obey_their_models() -> None:
    public, log = made(INDICATOR_ROWS)
    stamped = public.with_columns(as_of_delivery=pl.lit("2024-Q4"))
    TABLES["quality.public_result"].schema.validate(stamped.select(
        TABLES["quality.public_result"].schema.columns.keys()
    ))  # fmt: skip
    TABLES["quality.disclosure_log"].schema.validate(log)
    for frame, name in ((public, "quality.public_result"), (log, "quality.disclosure_log")):
        assert not frame.select(TABLES[name].key).is_duplicated().any()


def test_small_numbers_and_their_company_are_null_under_one_word() -> None:
    public, log = made(INDICATOR_ROWS)
    assert set(public.filter(pl.col("numerator").is_null())["hidden_reason"]) == {"protected"}
    south, west = row(public, "south"), row(public, "west")
    assert (south["numerator"], south["denominator"], south["value"]) == (None, 30, None)
    assert (west["numerator"], west["denominator"], west["level"]) == (None, None, None)
    reasons = dict(log.filter(cell="numerator").select("unit_id", "reason").iter_rows())
    assert (reasons["south"], reasons["west"]) == ("small_count", "small_denominator")
    assert "secondary" in reasons.values()


def test_nobody_is_shown_as_nobody() -> None:
    tiny = row(made(INDICATOR_ROWS)[0], "tiny")
    assert (tiny["numerator"], tiny["denominator"], tiny["hidden_reason"]) == (0, 0, None)


def test_no_percentage_of_fewer_than_ten_though_the_counts_are_shown() -> None:
    public, _ = made(results(north=(0, 8), south=(20, 40)))
    north = row(public, "north")
    assert (north["numerator"], north["denominator"], north["value"]) == (0, 8, None)
    assert north["hidden_reason"] == "small_denominator"


@pytest.mark.parametrize("reason", ["low_coverage", "provisional"])
def test_a_result_that_is_not_to_be_shown_is_null_and_says_why(reason: str) -> None:
    public, log = made(results(north=(20, 40)).with_columns(hidden_reason=pl.lit(reason)))
    assert set(public["hidden_reason"]) == {reason}
    assert public.select("numerator", "denominator", "value").null_count().row(0) == (2, 2, 2)
    assert set(log["reason"]) == {reason}


def test_nothing_is_worked_out_of_a_cohort_that_shows_no_more_than_where_nobody_is() -> None:
    indicator = results(north=(0, 1), tiny=(0, 0)).with_columns(
        hidden_reason=pl.lit("low_coverage")
    )
    public, log = made(indicator)
    assert public.filter(pl.col("numerator").is_not_null())["unit_id"].to_list() == ["tiny"]
    assert recovered(indicator, public, log, RULE) == 0


def test_missing_answers_are_counts_too() -> None:
    indicator = results(north=(20, 40), south=(20, 40), east=(20, 40)).with_columns(
        n_missing=pl.when(unit_id="north").then(3).when(unit_id="all").then(23).otherwise(10)
    )
    public, log = made(indicator)
    assert row(public, "north")["n_missing"] is None
    assert row(public, "north")["numerator"] == 20
    assert public["n_missing"].null_count() == 2  # north, and one more, or 23 - 10 - 10 = 3
    assert set(log["cell"]) == {"missing"}


def test_the_missing_do_not_tell_the_few_who_answered_no() -> None:
    indicator = results(north=(30, 40), south=(20, 40), east=(20, 40)).with_columns(
        n_missing=pl.when(unit_id="north").then(8).when(unit_id="all").then(28).otherwise(10)
    )
    public, log = made(indicator)
    north = row(public, "north")  # of 40 30 are fulfilled and 8 unknown: two have said no
    assert (north["numerator"], north["n_missing"], north["value_known"]) == (30, None, None)
    assert public["n_missing"].null_count() == 2  # or 28 - 10 - 10 = 8
    assert dict(log.select("unit_id", "reason").iter_rows())["north"] == "small_count"
    assert recovered(indicator, public, log, RULE) == 0
    given_back = public.with_columns(
        n_missing=pl.when(unit_id="north").then(8).otherwise("n_missing")
    )
    assert recovered(indicator, given_back, log, RULE) > 0


def test_the_attacker_finds_nothing_in_it_and_what_is_put_back() -> None:
    public, log = made(INDICATOR_ROWS)
    assert recovered(INDICATOR_ROWS, public, log, RULE) == 0
    true = dict(INDICATOR_ROWS.select("unit_id", "numerator").iter_rows())
    leaking = public.with_columns(
        numerator=pl.when(unit_id="south").then(true["south"]).otherwise("numerator")
    )
    assert recovered(INDICATOR_ROWS, leaking, log, RULE) > 0
    company = next(
        unit
        for unit, reason in log.filter(cell="numerator").select("unit_id", "reason").iter_rows()
        if reason == "secondary"
    )
    given_back = public.with_columns(
        numerator=pl.when(unit_id=company).then(true[company]).otherwise("numerator")
    )
    assert recovered(INDICATOR_ROWS, given_back, log, RULE) > 0


def test_a_missing_answer_more_is_news_of_a_person_too() -> None:
    first = results(north=(20, 40), south=(20, 40))
    assert moved_by_few(first, first, RULE, KEY) == 0
    later = first.with_columns(n_missing=pl.when(unit_id="north").then(1).otherwise(0))
    assert moved_by_few(first, later, RULE, KEY) == 1


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ((20, 40), (20, 40), 0),
        ((20, 40), (19, 39), 2),  # one erased person: the unit and all units
        ((20, 40), (20, 39), 2),
        ((20, 40), (25, 45), 0),
        ((20, 40), (24, 50), 2),  # four more fulfilled
        ((20, 40), (3, 40), 0),  # hidden now
    ],
)
def test_publications_a_few_people_apart(
    before: tuple[int, int], after: tuple[int, int], moved: int
) -> None:
    old, new = (made(results(north=pair))[0] for pair in (before, after))
    assert moved_by_few(old, new, RULE, KEY) == moved
