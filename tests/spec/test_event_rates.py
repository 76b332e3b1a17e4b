"""Events per person-year (derived.event_rate), case by case: whose time, and in which setting.

Days count from the person's origin; people are followed from day 0 to day 730 unless they die or
move out of the country. Every case is run on DuckDB and on Polars.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest
from scipy import stats

from registry_pipeline.derivations.retention import retention_tables
from schemas.core import Episode, Event, Patient, Visit
from schemas.fields import describe
from schemas.protocol import load_shipped

LAR_X = load_shipped("lar_x")
MODELS = {
    "core.patient": Patient,
    "core.episode": Episode,
    "core.event": Event,
    "core.visit": Visit,
}
MAY_1, CUT_OFF = date(2014, 5, 1), 730
LEFT = ((-50, 100, "patient_absent"),)
STILL = ((-50, None, None),)


@dataclass(frozen=True)
class Person:
    """Stays in treatment (from, to, how they ended), events by day, fields of core.patient."""

    stays: Sequence[tuple[int, int | None, str | None]] = STILL
    events: Sequence[tuple[int, str]] = ()
    last_seen: int = CUT_OFF
    fields: dict[str, Any] = field(default_factory=dict)


def core_rows(people: Sequence[Person]) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in MODELS}
    for number, person in enumerate(people):
        known = {"cohort": "lar_x", "patient_id": f"p{number}"}
        origin = {"origin_date": MAY_1, "retention_origin_date": MAY_1, "cutoff_day": CUT_OFF}
        rows["core.patient"].append(
            known | origin | {"sex": "male", "enrolled": True} | person.fields
        )
        rows["core.episode"] += [
            known
            | {"is_treatment": True, "is_index": True, "cover_days": 0, "start_day": start}
            | {"end_day": end, "exit_type": how, "last_seen_day": person.last_seen}
            for start, end, how in person.stays
        ]
        rows["core.event"] += [
            known
            | {"event_day": day, "event_type": kind, "event_date": MAY_1 + timedelta(days=day)}
            for day, kind in person.events
        ]
    return rows


Rates = Callable[..., dict[tuple[str, str], dict[str, Any]]]


@pytest.fixture(params=["polars", "duckdb"])
def rates(request: pytest.FixtureRequest) -> Rates:
    """Setting and event to the row of everyone."""

    def table(*people: Person) -> dict[tuple[str, str], dict[str, Any]]:
        connection, core = duckdb.connect(), {}
        for name, rows in core_rows(people).items():
            frame = pl.DataFrame(rows, schema=describe(MODELS[name]).dtypes)
            arrow = connection.from_arrow(frame.to_arrow())
            core[name] = nw.from_native(arrow if request.param == "duckdb" else frame.lazy())
        made = retention_tables(core, LAR_X)["derived.event_rate"]
        assert isinstance(made, pl.DataFrame)
        rows = made.filter(stratum_by="all").to_dicts()
        return {(row["setting"], row["event"]): row for row in rows}

    return table


DIED = {"death_day": 300}
CASES = [
    # who, then days and overdoses in treatment and out of it; None: the setting is not known
    ("in treatment throughout", Person(), (730, 0), (0, 0)),
    ("left on day 100", Person(LEFT), (100, 0), (630, 0)),
    ("an overdose in treatment", Person(events=[(40, "overdose")]), (730, 1), (0, 0)),
    ("an overdose on the day of leaving", Person(LEFT, [(100, "overdose")]), (100, 1), (630, 0)),
    ("an overdose on the day after", Person(LEFT, [(101, "overdose")]), (100, 0), (630, 1)),
    ("an overdose on day 0", Person(events=[(0, "overdose")]), (730, 1), (0, 0)),
    ("an overdose before", Person(events=[(-1, "overdose")]), (730, 0), (0, 0)),
    (
        "a gap of 10 days is treatment",
        Person([(-50, 100, "patient_absent"), (110, None, None)], [(105, "overdose")]),
        (730, 1),
        (0, 0),
    ),
    (
        "back after 200 days",
        Person([(-50, 100, "patient_absent"), (300, None, None)], [(200, "overdose")]),
        (530, 0),
        (200, 1),
    ),
    ("died in treatment", Person(fields=DIED), (300, 0), (0, 0)),
    ("died out of it", Person(LEFT, fields=DIED), (100, 0), (200, 0)),
    ("moved out of the country", Person(LEFT, fields={"moved_day": 130}), (100, 0), (30, 0)),
    (
        "an overdose after moving",
        Person(LEFT, [(131, "overdose")], fields={"moved_day": 130}),
        (100, 0),
        (30, 0),
    ),
    ("stopped the interviews", Person(fields={"withdrawn_day": 20}), (730, 0), (0, 0)),
    (
        "left before the first day",
        Person([(-50, -10, "patient_absent")], [(0, "overdose")]),
        (0, 0),
        (730, 1),
    ),
    (
        "left before, and back on day 100",
        Person([(-50, -20, "patient_absent"), (100, None, None)], [(99, "overdose")]),
        (630, 0),
        (100, 1),
    ),
    (
        "left twice before",
        Person([(-90, -80, None), (-50, -20, "planned_mutual")], [(730, "overdose")]),
        (0, 0),
        (730, 1),
    ),
    (
        "last seen before the first day, and not how it ended",
        Person([(-90, -80, "patient_absent"), (-50, -20, None)], [(40, "overdose")]),
        None,
        None,
    ),
    ("no stay is known", Person((), [(40, "overdose")]), None, None),
]  # fmt: skip


@pytest.mark.parametrize(("who", "person", "inside", "outside"), CASES, ids=[c[0] for c in CASES])
def test_whose_time_and_where_it_is_spent(
    rates: Rates,
    who: str,
    person: Person,
    inside: tuple[int, int] | None,
    outside: tuple[int, int] | None,
) -> None:
    made = rates(person)
    for setting, expected in (("in_treatment", inside), ("out_of_treatment", outside)):
        row = made[setting, "overdose"]
        days, events = expected or (0, 0)
        assert row["person_years"] == pytest.approx(days / 365.25, abs=1e-12), who
        assert row["n_event"] == events, who
        assert (row["n"], row["n_missing"]) == ((1, 0) if expected else (0, 1)), who
    if inside and outside:
        parts = [made[setting, "overdose"] for setting in ("in_treatment", "out_of_treatment")]
        whole = made["all", "overdose"]
        assert whole["n_event"] == sum(part["n_event"] for part in parts)
        assert whole["person_years"] == pytest.approx(sum(part["person_years"] for part in parts))
    else:
        assert made["all", "overdose"]["n_event"] == 1


def test_a_death_counts_once_in_the_setting_of_its_day(rates: Rates) -> None:
    people = [
        Person(fields=DIED, events=[(300, "death_overdose")]),
        Person(LEFT, fields=DIED, events=[(300, "death_other")]),
        Person(((-50, 300, "death_overdose"),), fields=DIED),  # the stay alone tells of it
        Person(),
    ]
    made = rates(*people)
    counted = {
        (setting, event): made[setting, event]["n_event"]
        for setting in ("all", "in_treatment", "out_of_treatment")
        for event in ("death", "death_overdose")
    }
    assert counted == {
        ("all", "death"): 3, ("in_treatment", "death"): 2, ("out_of_treatment", "death"): 1,
        ("all", "death_overdose"): 2, ("in_treatment", "death_overdose"): 2,
        ("out_of_treatment", "death_overdose"): 0,
    }  # fmt: skip


def test_the_interval_is_exact_and_robust_where_someone_has_the_event_again(rates: Rates) -> None:
    made = rates(
        Person(events=[(10, "overdose"), (400, "hospital_admission")]),
        Person(events=[(day, "hospital_admission") for day in (20, 30, 40)]),
        Person(),
    )
    once, again = made["all", "overdose"], made["all", "hospital_admission"]
    hundred_years = 3 * 730 / 36525
    low, high = stats.chi2.ppf(0.025, 2) / 2, stats.chi2.ppf(0.975, 4) / 2
    assert "exact" in once["method"]
    assert (once["rate"], once["ci_low"], once["ci_high"]) == pytest.approx(
        (1 / hundred_years, low / hundred_years, high / hundred_years), rel=1e-9
    )
    assert "robust" in again["method"]
    assert (again["n_event"], again["n_people"]) == (4, 2)
    assert again["rate"] == pytest.approx(4 / hundred_years)
    assert again["ci_low"] < again["rate"] < again["ci_high"]


SILENT = [
    (
        "no longer carried",
        Person(STILL, [(200, "overdose"), (201, "overdose")], last_seen=200),
        200,
        1,
    ),
    ("an end without an exit", Person([(-50, 100, None)], [(101, "overdose")]), 100, 0),
    (
        "seen again later",
        Person([(-50, 100, None), (300, None, None)], [(200, "overdose"), (300, "overdose")]),
        530,
        1,
    ),
    ("died unseen", Person(STILL, fields=DIED, last_seen=200), 200, 0),
    (
        "last seen before the first day, and again on day 100",
        Person([(-50, -20, None), (100, None, None)], [(0, "overdose"), (99, "overdose")]),
        630,
        0,
    ),
]


@pytest.mark.parametrize(("who", "person", "days", "n"), SILENT, ids=[c[0] for c in SILENT])
def test_nobody_is_out_of_treatment_because_the_stay_was_last_seen_without_an_exit(
    rates: Rates, who: str, person: Person, days: int, n: int
) -> None:
    made = rates(person)
    inside, outside = made["in_treatment", "overdose"], made["out_of_treatment", "overdose"]
    assert inside["person_years"] == pytest.approx(days / 365.25), who
    assert (inside["n_event"], outside["n_event"], outside["person_years"]) == (n, 0, 0), who
    assert made["all", "overdose"]["n_event"] == len(person.events), who


def test_nobody_out_of_treatment_is_no_rate_and_says_why(rates: Rates) -> None:
    row = rates(Person())["out_of_treatment", "death"]
    assert (row["rate"], row["ci_low"], row["reason"]) == (None, None, "not_computable")
