"""What every page has: two titles, a section per cohort, the low-coverage mark, the same text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from registry_pipeline.charts.pages import MAX_COHORTS, PAGES, Pages
from schemas.catalog import TABLES
from schemas.protocol import shipped_protocols

Store = Any
LAR_X = shipped_protocols()["lar_x"]


def put_trend(store: Store, cohort: str = "lar_x") -> None:
    row = {"substance": "alcohol", "n_expected": 60, "n_observed": 50, "n_missing": 10,
           "n_abstinent": 30, "n_episodic": 10, "n_regular": 10, "any_use": 0.4,
           "any_use_ci_low": 0.3, "any_use_ci_high": 0.5}  # fmt: skip
    store.put("derived.substance_trend", [row], cohort)


def put_enrolled(store: Store, n: int, cohort: str = "lar_x") -> None:
    store.put("derived.response_by_wave", [{"wave": 0, "n_enrolled": n}], cohort)


def test_tables_of_persons_have_no_page(store: Store) -> None:
    assert not [name for name in PAGES if "patient_id" in TABLES[name].dtypes]
    assert Pages(store.connection, ["core.patient"]).arrived("core.patient") == {}


@pytest.mark.parametrize("table", PAGES)
def test_an_empty_table_says_why_there_is_nothing(table: str, store: Store) -> None:
    assert "no accepted delivery holds what it is made from" in store.page(table)


def test_a_page_waits_for_every_table_it_reads(store: Store) -> None:
    put_trend(store)
    awaited = ["derived.enrolment", "derived.response_by_wave", "derived.substance_trend"]
    pages = Pages(store.connection, awaited)
    assert pages.arrived("derived.substance_trend") == {}
    put_enrolled(store, 70)
    store.put("derived.enrolment", [{"group": "eligible", "n": 328}])
    assert pages.arrived("derived.response_by_wave") == {}
    made = pages.arrived("derived.enrolment")
    assert made.keys() == {*awaited}
    assert "low coverage" in made["derived.substance_trend"].markdown()


def test_a_table_that_broke_its_model_has_no_page_and_holds_up_none(store: Store) -> None:
    put_trend(store)
    pages = Pages(store.connection, ["derived.enrolment", "derived.substance_trend"])
    assert pages.arrived("derived.enrolment", is_new=False) == {}
    assert pages.arrived("derived.substance_trend").keys() == {"derived.substance_trend"}


def test_a_page_does_without_the_tables_beside_its_own(store: Store) -> None:
    put_trend(store)
    for table in ("derived.enrolment", "quality.indicator_definition"):
        store.connection.execute(f"DROP TABLE {table}")
    quarter = {"period_start": date(2015, 1, 1), "period_end": date(2015, 3, 31)}
    row = {"indicator_id": "plan", "unit_id": "all", "numerator": 30, "denominator": 60}
    store.indicators([{**row, **quarter, "value": 0.5}])
    assert "low coverage" not in store.page("derived.substance_trend")
    assert "| plan | 2015-01-01 to 2015-03-31 | 50 % |" in store.page("quality.indicator")


def test_where_nothing_may_be_drawn_the_page_says_so(
    store: Store, drawings: Callable[[str], list[str]]
) -> None:
    row = {"substance": "alcohol", "n_expected": 4, "n_observed": 4, "n_abstinent": 4}
    store.put("derived.substance_trend", [row])
    markdown = store.page("derived.substance_trend")
    assert "No chart: none of its numbers may be shown." in markdown
    assert drawings(markdown) == []


def test_titles_are_english_and_norwegian(
    store: Store, drawings: Callable[[str], list[str]]
) -> None:
    put_trend(store)
    markdown = store.page("derived.substance_trend")
    assert markdown.startswith("## Substance use by wave / Rusmiddelbruk per måling\n")
    (drawn,) = drawings(markdown)
    for words in ("Substance use by wave: LAR X, Helse Bergen", "Rusmiddelbruk per måling"):
        assert words in drawn


def test_the_same_rows_give_the_same_text(new_store: Callable[[], Store]) -> None:
    stores = [new_store(), new_store()]
    for store in stores:
        put_trend(store)
    first, second = (store.page("derived.substance_trend") for store in stores)
    assert first == second == stores[0].page("derived.substance_trend")


@pytest.mark.parametrize(
    ("enrolled", "marked"),
    [(70, True), (196, True), (197, False)],  # 60 % of 328 eligible is 196.8
)
def test_low_coverage_is_marked_in_text_and_picture(
    enrolled: int,
    marked: bool,
    store: Store,
    drawings: Callable[[str], list[str]],
) -> None:
    put_trend(store)
    put_enrolled(store, enrolled)
    markdown = store.page("derived.substance_trend")
    (drawn,) = drawings(markdown)
    for words in ("ilot cohort, low coverage", "pilotkohort, lav dekning"):
        assert (words in markdown) is marked
        assert (words in drawn) is marked


@pytest.mark.parametrize(("eligible", "marked"), [(None, False), (100, False), (200, True)])
def test_coverage_without_a_number_in_the_protocol_is_of_those_delivered(
    eligible: int | None, marked: bool, store: Store
) -> None:
    store.protocol("ctn0027", shipped_protocols()["ctn0027"])
    put_trend(store, "ctn0027")
    put_enrolled(store, 100, "ctn0027")
    if eligible:
        row = {"group": "eligible", "sex": "all", "age_group": "all", "n": eligible}
        store.put("derived.enrolment", [row], "ctn0027")
    assert ("low coverage" in store.page("derived.substance_trend")) is marked


@pytest.mark.parametrize(("delivered", "marked"), [(328, False), (400, True)])
def test_more_delivered_than_the_protocol_says_are_eligible_too(
    delivered: int, marked: bool, store: Store
) -> None:
    put_trend(store)
    put_enrolled(store, 200)  # 61 % of 328, half of 400
    row = {"group": "eligible", "sex": "all", "age_group": "all", "n": delivered}
    store.put("derived.enrolment", [row])
    assert ("low coverage" in store.page("derived.substance_trend")) is marked


def test_each_cohort_has_its_section_and_only_its_rows(
    store: Store, drawings: Callable[[str], list[str]]
) -> None:
    store.protocol("ctn0027", shipped_protocols()["ctn0027"])
    for cohort in ("lar_x", "ctn0027"):
        put_trend(store, cohort)
    markdown = store.page("derived.substance_trend")
    sections = [line for line in markdown.splitlines() if line.startswith("### ")]
    assert sections == [
        "### CTN-0027 (START): methadone or buprenorphine",
        "### LAR X, Helse Bergen",
    ]
    assert len(drawings(markdown)) == 2
    assert markdown.count("| Alcohol | missing | 10 |") == 2


def test_more_cohorts_than_a_page_holds_are_named(store: Store) -> None:
    names = [f"cohort_{place}" for place in range(MAX_COHORTS + 1)]
    for name in names:
        text = LAR_X.replace('id = "lar_x"', f'id = "{name}"')
        store.protocol(name, text.replace("LAR X, Helse Bergen", name))
        put_trend(store, name)
    markdown = store.page("derived.substance_trend")
    assert markdown.count("### ") == MAX_COHORTS
    assert f"Not shown, to keep the page readable: {names[-1]}." in markdown


def test_a_page_says_which_delivery_it_speaks_of(store: Store) -> None:
    put_trend(store)
    assert "- As of delivery 2016-Q3." in store.page("derived.substance_trend")


def test_the_thresholds_of_the_protocol_rule_the_page(new_store: Callable[[], Store]) -> None:
    store = new_store()
    store.connection.execute(
        "UPDATE meta.protocol SET content = ?", [LAR_X + "\n[disclosure]\nmin_count = 20\n"]
    )
    put_trend(store)
    markdown = store.page("derived.substance_trend")
    assert "| Alcohol | missing | hidden |" in markdown
    assert "`<20`" in markdown
