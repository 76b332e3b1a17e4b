"""Stays in core: when a stay was last seen, and which stay covers a day."""

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest

from registry_pipeline.transform.deliveries import files
from registry_pipeline.transform.episodes import covering, covers, episode_rows, last_seen
from schemas.forms import form_table
from schemas.protocol import load_shipped

LAR_X = load_shipped("lar_x")
TABLE = form_table("episodes", LAR_X)
OCTOBER, JANUARY, APRIL = date(2014, 10, 1), date(2015, 1, 5), date(2015, 4, 1)

DELIVERIES = [
    ("2014-Q3", 1, "full", OCTOBER),
    ("2014-Q3", 2, "correction", date(2014, 11, 15)),
    ("2014-Q4", 1, "full", JANUARY),
    ("2015-Q1", 1, "full", APRIL),
]


def carried(delivery: str, **more: Any) -> dict[str, Any]:
    """Anna's open stay, as one delivery carried it."""
    quarter, number = delivery[:7], 2 if delivery.endswith("-2") else 1
    stay = {"patient_id": "anna", "pathway": "gp_alone", "start_date": date(2014, 5, 1)}
    return stay | {"delivery": delivery, "quarter": quarter, "number": number} | more


@pytest.mark.parametrize(
    ("versions", "seen"),
    [
        ([carried("2014-Q3"), carried("2014-Q4"), carried("2015-Q1")], APRIL),
        ([carried("2014-Q4"), carried("2014-Q3")], JANUARY),
        ([carried("2014-Q3"), carried("2014-Q3-2")], OCTOBER),
        ([carried("2014-Q3"), carried("2015-Q1", is_retraction=True, row_number=0)], OCTOBER),
        ([carried("2014-Q3-2")], None),
    ],
)
def test_last_full_delivery_that_carried_the_stay(
    both_engines: Any,
    cohort: Callable[..., Any],
    ledger: Callable[..., Any],
    versions: list[dict[str, Any]],
    seen: date | None,
) -> None:
    rows = both_engines(
        lambda versions, lines: last_seen(versions, files(lines), TABLE),
        versions=cohort(episodes=versions)["episodes"],
        lines=ledger(*DELIVERIES, forms=("episodes",)),
    )
    assert rows["last_seen_date"].to_list() == ([] if seen is None else [seen])


def stay(**more: Any) -> dict[str, Any]:
    """A stay as `episode_rows` gives it, begun on day 100 of 1970, still there."""
    return {
        "patient_id": "anna",
        "pathway": "gp_alone",
        "is_treatment": True,
        "is_index": True,
        "start_date": day(100),
        "end_date": None,
        "cover_days": 0,
        "last_seen_date": day(900),
        "cutoff_date": day(900),
    } | more


def day(number: int) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + number)


def pathway_on(both: Any, on: int, *stays: dict[str, Any]) -> tuple[str, int] | None:
    """Pathway and in_treatment of Anna's day."""
    dtypes = {
        "patient_id": pl.String, "pathway": pl.String, "is_treatment": pl.Boolean,
        "is_index": pl.Boolean, "start_date": pl.Date, "end_date": pl.Date,
        "cover_days": pl.Int32, "last_seen_date": pl.Date, "cutoff_date": pl.Date,
    }  # fmt: skip
    rows = both(
        lambda stays, people, points: covering(
            points, covers(stays, people, LAR_X), ["person"], LAR_X
        ),
        stays=pl.DataFrame(list(stays), schema=dtypes),
        people=pl.DataFrame({"patient_id": ["anna"], "person": [0]}),
        points=pl.DataFrame(
            {"person": [0], "on_epoch": [on]}, schema_overrides={"on_epoch": pl.Int32}
        ),
    )
    assert rows.height <= 1
    return next(((row["pathway"], row["in_treatment"]) for row in rows.to_dicts()), None)


@pytest.mark.parametrize(
    ("what", "on", "there"),
    [
        ({}, 99, False),
        ({}, 100, True),
        ({}, 5000, True),
        ({"end_date": day(200)}, 199, True),
        ({"end_date": day(200)}, 200, False),
        ({"end_date": day(200), "cover_days": 28}, 227, True),
        ({"end_date": day(200), "cover_days": 28}, 228, False),
        ({"end_date": day(100)}, 100, False),
        ({"start_date": None}, 100, False),
        # a later full delivery no longer carried it
        ({"last_seen_date": day(300)}, 300, True),
        ({"last_seen_date": day(300)}, 301, False),
    ],
)
def test_days_a_stay_covers(both_engines: Any, what: dict[str, Any], on: int, there: bool) -> None:
    found = pathway_on(both_engines, on, stay(**what))
    assert found == (("gp_alone", 1) if there else None)


def test_an_index_pathway_comes_first(both_engines: Any) -> None:
    other = stay(pathway="other_oat", is_index=False, start_date=day(150))
    assert pathway_on(both_engines, 160, stay(), other) == ("gp_alone", 1)


def test_then_the_latest_begun(both_engines: Any) -> None:
    later = stay(pathway="gp_and_municipality", start_date=day(150))
    assert pathway_on(both_engines, 160, later, stay()) == ("gp_and_municipality", 1)
    assert pathway_on(both_engines, 149, later, stay()) == ("gp_alone", 1)


def test_then_the_last_by_code(both_engines: Any) -> None:
    same_day = stay(pathway="gp_and_municipality")
    assert pathway_on(both_engines, 160, same_day, stay()) == ("gp_and_municipality", 1)


def test_any_treatment_is_treatment(both_engines: Any) -> None:
    out = stay(pathway="out_of_oat", is_index=False, is_treatment=False, start_date=day(150))
    other = stay(pathway="other_oat", is_index=False)
    assert pathway_on(both_engines, 160, out) == ("out_of_oat", 0)
    assert pathway_on(both_engines, 160, out, other) == ("out_of_oat", 1)


def test_what_the_protocol_says_of_a_stay(both_engines: Any, cohort: Callable[..., Any]) -> None:
    rows = cohort(
        episodes=[
            carried("2014-Q3", cover_days=28),
            carried("2014-Q3", pathway="out_of_oat"),
            carried("2014-Q3", pathway="other_oat", start_date=date(2014, 6, 1)),
        ]
    )["episodes"].with_columns(cutoff_date=pl.lit(JANUARY))
    seen = pl.DataFrame(
        {
            "key_patient_id": ["anna"],
            "key_pathway": ["gp_alone"],
            "key_start_date": [date(2014, 5, 1)],
            "last_seen_date": [OCTOBER],
        }
    )
    stays = both_engines(
        lambda rows, seen: episode_rows(rows, seen, TABLE, LAR_X), rows=rows, seen=seen
    )
    columns = ["pathway", "is_treatment", "is_index", "cover_days", "last_seen_date"]
    assert sorted(stays.select(columns).rows()) == [
        ("gp_alone", True, True, 28, OCTOBER),
        ("other_oat", True, False, 0, JANUARY),
        ("out_of_oat", False, False, 0, JANUARY),
    ]
