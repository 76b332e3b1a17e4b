"""All core tables of one cohort: the same on both engines, and as their models say.

Sixty people drawn at random (a fixed seed) with the flaws that real deliveries have: rows of
unknown and declining people, corrections, retractions, deaths, rows before consent, after death
and after the cut-off.
"""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.building.layers import CORE_TABLES
from registry_pipeline.derivations.core import core_tables
from registry_pipeline.transform.engine import Frame
from schemas.catalog import TABLES
from schemas.forms import FORMS, form_table
from schemas.protocol import Protocol, load_shipped

Frames = dict[str, pl.DataFrame]
Rows = list[dict[str, Any]]

LAR_X = load_shipped("lar_x")
QUARTERS = ("2014-Q3", "2014-Q4", "2015-Q1", "2015-Q2")
START = date(2014, 5, 5)


def came_in(draw: Random) -> dict[str, Any]:
    quarter = draw.choice(QUARTERS)
    number = draw.choice([1, 1, 1, 2])
    delivery = quarter if number == 1 else f"{quarter}-2"
    return {"quarter": quarter, "number": number, "delivery": delivery}


def day(draw: Random, first: int, last: int) -> date:
    return START + timedelta(days=draw.randint(first, last))


def drawn_people(draw: Random) -> Rows:
    return [
        {
            "patient_id": f"person {number}",
            "sex": draw.choice(["female", "male", None]),
            "birth_year": draw.choice([None, 1960, 1985, 1999]),
            "consent": draw.choice(["consented"] * 8 + ["declined", "no_answer"]),
            "legal_basis": draw.choice([None, None, "opt_out"]),
            "consent_date": draw.choice([None, day(draw, -30, 10)]),
            "assigned_pathway": draw.choice([None, None, "other_oat"]),
            "co_occurring_disorder": draw.choice([None, True, False]),
        }
        | came_in(draw)
        for number in range(60)
        for _ in range(draw.choice([1, 1, 2]))
    ]


def drawn_rows(draw: Random, form: str, n: int) -> Rows:
    """Rows of a form: a date within its span, every coded column drawn, counts small."""
    rows = []
    for _ in range(n):
        row: dict[str, Any] = {"patient_id": f"person {draw.randint(0, 62)}"}
        for column in form_table(form, LAR_X).columns:
            if column.codes:
                row[column.name] = draw.choice(column.codes.codes)
            elif column.dtype == pl.Date:
                row[column.name] = day(draw, -40, 480)
            elif column.dtype == pl.Int32:
                low, high = int(column.low or 0), int(min(column.high or 9, 28))
                row[column.name] = draw.choice([None, low, draw.randint(low, high)])
        rows.append(row | came_in(draw) | {"is_retraction": draw.random() < 0.03})
    return rows


def stays_in_order(draw: Random, rows: Rows) -> Rows:
    pathways = [pathway.code for pathway in LAR_X.pathways]
    for row in rows:
        row["pathway"] = draw.choice(pathways)
        row["end_date"] = draw.choice([None, row["start_date"] + timedelta(draw.randint(0, 300))])
        row["exit_type"] = row["exit_type"] if row["end_date"] else None
    return rows


def drawn_cohort(cohort: Callable[..., Frames]) -> Frames:
    draw = Random(20140505)  # noqa: S311 - a cohort, not a secret
    forms = {form: drawn_rows(draw, form, 80) for form in FORMS if form != "patients"}
    forms["interviews"] += drawn_rows(draw, "interviews", 400)
    forms["episodes"] = stays_in_order(draw, forms["episodes"])
    forms["toxicology"] = [row | {"substance": "heroin"} for row in forms["toxicology"]]
    for form in ("appointments", "outreach", "involvement"):
        forms[form] = [row | {"unit_id": "lar_bergen"} for row in forms[form]]
    forms["outreach"] = [row | {"contact_id": str(n)} for n, row in enumerate(forms["outreach"])]
    forms["involvement"] = [
        {name: value for name, value in row.items() if name != "patient_id"}
        | {"response_id": str(n)}
        for n, row in enumerate(forms["involvement"])
    ]
    forms["goal_counts"] = [
        {name: value for name, value in row.items() if name != "patient_id"}
        | {"goal_id": "calls", "step": "made", "n": 3}
        for row in forms["goal_counts"]
    ]
    return cohort(patients=drawn_people(draw), **forms)


def tables_of(protocol: Protocol) -> Callable[..., dict[str, Frame | pl.DataFrame]]:
    def derive(lines: Frame, **intake: Frame) -> dict[str, Frame | pl.DataFrame]:
        return core_tables(intake, lines, protocol)

    return derive


@pytest.fixture(scope="module")
def lines(ledger: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    deliveries = [
        (quarter, number, "full" if number == 1 else "correction", date(2014, 10, 1))
        for quarter in QUARTERS
        for number in (1, 2)
    ]
    dated = [
        (quarter, number, kind, known + timedelta(days=91 * QUARTERS.index(quarter) + 20 * number))
        for quarter, number, kind, known in deliveries
    ]
    return ledger(*dated)


@pytest.fixture(scope="module")
def tables(both_engines: Any, cohort: Callable[..., Frames], lines: pl.DataFrame) -> Frames:
    """Every core table of the drawn cohort, proved the same on both engines."""
    intake = drawn_cohort(cohort)
    more = intake["interviews"].with_columns(opioid_days=pl.lit(3))
    return both_engines(tables_of(LAR_X), lines=lines, **(intake | {"interviews": more}))  # type: ignore[no-any-return]


def test_every_core_table_is_there(tables: Frames) -> None:
    assert sorted(tables) == sorted(CORE_TABLES)
    assert [name for name, rows in tables.items() if rows.is_empty()] == []


def test_tables_are_as_their_models_say(tables: Frames) -> None:
    for name, rows in tables.items():
        table = TABLES[name]
        assert rows.columns == [column.name for column in table.columns]
        table.schema.validate(rows, lazy=True)


def test_keys_are_keys(tables: Frames) -> None:
    for name, rows in tables.items():
        table = TABLES[name]
        keys = [
            pl.coalesce(key, table.key_fallback[key]) if key in table.key_fallback else pl.col(key)
            for key in table.key
        ]
        assert rows.select(keys).is_unique().all(), name


def test_every_rule_holds_something(tables: Frames) -> None:
    assert sorted(tables["meta.held"]["rule_id"].unique()) == [
        "after_cutoff",
        "after_death",
        "interview_before_consent",
        "not_consented",
        "unknown_person",
    ]


def test_one_visit_per_enrolled_person_and_wave(tables: Frames) -> None:
    people = tables["core.patient"].filter("enrolled")
    visits, uses = tables["core.visit"], tables["core.substance_use"]
    assert visits.height == people.height * len(LAR_X.waves.nominal_days)
    assert uses.height == visits.height * (len(LAR_X.substances) + len(LAR_X.groups))
    states = set(visits["status"])
    assert {"completed", "missed", "dead", "withdrawn", "not_due"} <= states


def test_a_visit_shows_the_interview_that_holds_its_wave(tables: Frames) -> None:
    shown = ["patient_id", "wave", "interview_date", "days_from_nominal", "visit_window", "status"]
    held = tables["core.interview"].filter(pl.col("wave").is_not_null()).select(shown)
    visits = tables["core.visit"].filter(pl.col("interview_date").is_not_null()).select(shown)
    assert held.sort(shown).equals(visits.sort(shown))


def test_use_is_known_only_where_the_interview_was_held(tables: Frames) -> None:
    uses = tables["core.substance_use"].join(tables["core.visit"], on=["patient_id", "wave"])
    held = uses.filter(pl.col("status").is_in(["completed", "partial"]))
    assert set(held["state"]) <= {"abstinent", "episodic", "regular", "not_asked"}
    rest = uses.filter(~pl.col("status").is_in(["completed", "partial"]))
    assert rest.filter(pl.col("state") != pl.col("status")).is_empty()
    assert rest["days"].is_null().all()


def test_nobody_not_enrolled_has_another_row(tables: Frames) -> None:
    enrolled = set(tables["core.patient"].filter("enrolled")["patient_id"])
    for name in ("interview", "visit", "episode", "event", "toxicology", "appointment"):
        assert set(tables[f"core.{name}"]["patient_id"]) <= enrolled


def test_a_protocol_may_ask_of_no_substance(
    cohort: Callable[..., Frames], lines: pl.DataFrame
) -> None:
    protocol = LAR_X.model_copy(
        update={"substances": (), "groups": (), "opioid_group": None, "illicit_group": None}
    )
    intake = {form: nw.from_native(rows.lazy()) for form, rows in drawn_cohort(cohort).items()}
    made = core_tables(intake, nw.from_native(lines.lazy()), protocol)
    uses = made["core.substance_use"]
    assert isinstance(uses, pl.DataFrame)
    assert (uses.height, uses.schema) == (0, TABLES["core.substance_use"].dtypes)


def test_a_cohort_that_delivered_nothing_but_people(
    both_engines: Any, cohort: Callable[..., Frames], lines: pl.DataFrame
) -> None:
    anna = {"patient_id": "anna", "consent": "consented", "consent_date": START}
    made = both_engines(tables_of(LAR_X), lines=lines, **cohort(patients=[anna]))
    filled = {name for name, rows in made.items() if not rows.is_empty()}
    assert filled == {"core.patient", "core.unit", "core.visit", "core.substance_use"}
    assert made["core.visit"]["status"].to_list() == ["missed"] * 5 + ["not_due"] * 4
