"""Retention (domain notes, section 3), case by case: three retentions, two clocks, the numbers.

Days count from the person's origin; the schedule is LAR X's: waves due on day 0, 91, 183, 274,
365, 457, 548, 639 and 731. Each case is one person; every case is run on DuckDB and on Polars.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.derivations.retention import retention_tables
from schemas.core import Episode, Event, Patient, Visit
from schemas.fields import describe
from schemas.protocol import load_shipped

LAR_X = load_shipped("lar_x")
DUE = LAR_X.waves.nominal_days
MODELS = {
    "core.patient": Patient,
    "core.episode": Episode,
    "core.event": Event,
    "core.visit": Visit,
}
CUT_OFF, CENSORED, OPEN = 800, None, None
MAY_1 = date(2014, 5, 1)
STATUS = {
    "C": "completed", "P": "partial", "m": "missed", "r": "refused", "o": "out_of_treatment",
    "d": "dead", "w": "withdrawn", "v": "moved", "_": "not_due",
}  # fmt: skip

Tables = Mapping[str, pl.DataFrame]
Derive = Callable[[Sequence["Person"]], Tables]


@dataclass(frozen=True)
class Person:
    """A person: stays in the index pathway, a letter per wave, and fields of core.patient."""

    name: str
    stays: Sequence[tuple[int, int | None, str | None]] = ((-50, OPEN, None),)
    waves: str = "CCCCCCCCC"
    fields: dict[str, Any] = field(default_factory=dict)


def core_rows(people: Sequence[Person]) -> dict[str, list[dict[str, Any]]]:
    """The people as rows of the core tables."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in MODELS}
    for person in people:
        known = {"cohort": "lar_x", "patient_id": person.name}
        rows["core.patient"].append(
            known
            | {"sex": "male", "age_group": "age_30_39", "consent": "consented", "enrolled": True}
            | {"origin_date": MAY_1, "retention_origin_date": MAY_1, "cutoff_day": CUT_OFF}
            | person.fields
        )
        rows["core.visit"] += [
            known
            | {"wave": wave, "due_day": DUE[wave], "days_from_nominal": 0, "status": STATUS[letter]}
            for wave, letter in enumerate(person.waves)
        ]
        rows["core.episode"] += [
            known
            | {"is_treatment": True, "is_index": True, "cover_days": 0, "start_day": start}
            | {"end_day": end, "exit_type": exit_type, "last_seen_day": CUT_OFF}
            for start, end, exit_type in person.stays
        ]
        if "death_day" in person.fields:
            rows["core.event"].append(known | {"event_type": "death_overdose"})
    return rows


@pytest.fixture(scope="module", params=["polars", "duckdb"])
def derive(request: pytest.FixtureRequest) -> Derive:
    """The derived tables of a few people, from either engine."""

    def tables(people: Sequence[Person]) -> Tables:
        connection = duckdb.connect()
        core = {}
        for name, rows in core_rows(people).items():
            frame = pl.DataFrame(rows, schema=describe(MODELS[name]).dtypes)
            arrow = connection.from_arrow(frame.to_arrow())
            core[name] = nw.from_native(arrow if request.param == "duckdb" else frame.lazy())
        return {
            name: table.collect("polars").to_native() if isinstance(table, nw.LazyFrame) else table
            for name, table in retention_tables(core, LAR_X).items()
        }

    return tables


# Study: until the first scheduled interview of those after which none was held

STUDY = [
    ("every interview held", "CCCCCCCCC", {}, (731, CENSORED)),
    ("partial interviews count", "PPPPPPPPP", {}, (731, CENSORED)),
    ("missed in between does not end it", "CCmmCCCCC", {}, (731, CENSORED)),
    ("the last two missed", "CCCCCCCmm", {}, (DUE[7], "patient_absent")),
    ("refused, then missed", "CCCCCrmmm", {}, (DUE[5], "patient_notified")),
    ("missed, then refused", "CCCCCmrrr", {}, (DUE[5], "patient_absent")),
    ("never interviewed", "mmmmmmmmm", {}, (0, "patient_absent")),
    ("out of treatment, no more interviews", "CCCCooooo", {}, (DUE[4], "patient_absent")),
    ("died between two waves", "CCCdddddd", {"death_day": 300}, (300, "death_overdose")),
    ("died on the interview day", "CCCdddddd", {"death_day": 183}, (183, "death_overdose")),
    ("missed, then died", "CCmdddddd", {"death_day": 250}, (DUE[2], "patient_absent")),
    ("withdrew", "CCCwwwwww", {"withdrawn_day": 280}, (280, "withdrawn")),
    ("moved", "CCCvvvvvv", {"moved_day": 290}, (290, "moved")),
    ("moved, but interviewed afterwards", "CCCvvvvvv", {"moved_day": 100}, (DUE[2], "moved")),
    ("the next wave is not due yet", "CCC______", {"cutoff_day": 290}, (DUE[3] - 1, CENSORED)),
    ("cut off before the next wave", "CCC______", {"cutoff_day": 200}, (200, CENSORED)),
    (
        "last seen missed, the rest not due",
        "CCm______",
        {"cutoff_day": 230},
        (183, "patient_absent"),
    ),
]


def test_study_retention_counts_interviews(derive: Derive) -> None:
    people = [Person(name, waves=waves, fields=fields) for name, waves, fields, _ in STUDY]
    rows = derive(people)["derived.retention_person"].filter(kind="study")
    known = {row["patient_id"]: (row["exit_day"], row["exit_type"]) for row in rows.to_dicts()}
    assert known == {name: expected for name, *_, expected in STUDY}
    assert rows["entry_day"].to_list() == [0] * len(STUDY)


def test_a_cohort_without_interviews_has_no_study(derive: Derive) -> None:
    people = [
        Person("in treatment", waves="_________", stays=[(0, OPEN, None)]),
        Person("died", waves="d________", stays=[(0, 20, "death_other")], fields={"death_day": 20}),
    ]
    tables = derive(people)
    assert set(tables["derived.retention_person"]["kind"]) == {"treatment", "pathway"}
    study = tables["derived.retention_summary"].filter(kind="study", stratum_by="all")
    assert study.select("n", "n_left_out", "reason").rows() == [
        (0, 2, "not_computable, left_out=2"),
    ]


def test_the_three_retentions_are_never_mixed(derive: Derive) -> None:
    people = [
        Person("silent but treated", waves="Cmmmmmmmm", stays=[(-50, OPEN, None)]),
        Person("left but interviewed", waves="CCCCCCCCC", stays=[(-50, 100, "patient_absent")]),
    ]
    rows = derive(people)["derived.retention_person"].filter(origin="baseline")
    left = {
        (row["patient_id"], row["kind"]): (row["exit_day"], row["is_dropout"])
        for row in rows.to_dicts()
    }
    assert left == {
        ("silent but treated", "treatment"): (CUT_OFF, False),
        ("silent but treated", "pathway"): (CUT_OFF, False),
        ("silent but treated", "study"): (DUE[1], True),
        ("left but interviewed", "treatment"): (100, True),
        ("left but interviewed", "pathway"): (100, True),
        ("left but interviewed", "study"): (731, False),
    }


# Clocks: the retention clock has its own day 0, and from treatment start people enter late

CLOCKS = [
    # origin of the retention clock, treatment start, then (entry, exit) on each clock
    ("baseline is day 0", 0, -400, (0, 100), (400, 500)),
    ("retention counts from 30 days before", -30, -400, (0, 130), (370, 500)),
    ("treatment start is the baseline", 0, 0, (0, 100), (0, 100)),
    ("treatment start not known", 0, None, (0, 100), None),
]


def test_each_clock_has_its_own_day_zero(derive: Derive) -> None:
    people = [
        Person(
            name,
            stays=[(-50, 100, "patient_absent")],
            fields={
                "retention_origin_date": MAY_1 + timedelta(days=shift),
                "treatment_start_day": start,
            },
        )
        for name, shift, start, *_ in CLOCKS
    ]
    rows = derive(people)["derived.retention_person"].filter(kind="treatment")
    known = {
        (row["patient_id"], row["origin"]): (row["entry_day"], row["exit_day"])
        for row in rows.to_dicts()
    }
    for name, _, _, baseline, start in CLOCKS:
        assert known.get((name, "baseline")) == baseline
        assert known.get((name, "treatment_start")) == start


def test_who_left_on_the_day_of_a_late_entry_was_never_at_risk(
    derive: Derive,
) -> None:
    tables = derive(
        [Person("one", stays=[(-50, 0, "patient_absent")], fields={"treatment_start_day": -9})]
    )
    row = tables["derived.retention_person"].filter(kind="treatment", origin="treatment_start")
    assert row.select("entry_day", "exit_day", "reason").row(0) == (9, 9, "never_at_risk")
    short = tables["derived.retention_summary"].filter(
        kind="treatment", origin="treatment_start", stratum_by="all"
    )
    assert short.select("n", "n_left_out", "reason").row(0) == (0, 1, "not_computable, left_out=1")


# Numbers: four people, one leaves on day 100, one is censored on day 200, one dies on day 300

FOUR = [
    Person("a", stays=[(-50, 100, "patient_absent")]),
    Person("b", stays=[(-50, 200, None)]),
    Person("c", stays=[(-50, OPEN, None)], fields={"death_day": 300}),
    Person("d", stays=[(-50, OPEN, None)]),
    Person("not in treatment", stays=[]),
]


@pytest.fixture(scope="module")
def four(derive: Derive) -> Tables:
    """The derived tables of `FOUR`."""
    return derive(FOUR)


def of_everyone(tables: Tables, name: str, kind: str = "treatment") -> pl.DataFrame:
    """The rows of one table for the whole cohort on the main clock."""
    return tables[f"derived.{name}"].filter(kind=kind, origin="baseline", stratum_by="all")


def test_the_curve_in_arithmetic(four: Tables) -> None:
    curve = of_everyone(four, "retention_curve")
    assert curve.select("day", "n_at_risk", "n_event", "n_censored").rows() == [
        (100, 4, 1, 0),
        (200, 3, 0, 1),
        (300, 2, 1, 0),
        (CUT_OFF, 1, 0, 1),
    ]
    retained = [3 / 4, 3 / 4, 3 / 4 * 1 / 2, 3 / 4 * 1 / 2]
    assert curve["retained"].to_list() == pytest.approx(retained, abs=1e-12)
    assert curve["reason"].to_list() == ["left_out=1"] * 4


def test_retention_at_the_scheduled_days(four: Tables) -> None:
    at = of_everyone(four, "retention_at")
    assert at["month"].to_list() == [0, 3, 6, 9, 12, 15, 18, 21, 24]
    assert at["day"].to_list() == list(DUE)
    assert at["n_at_risk"].to_list() == [4, 4, 3, 2, 1, 1, 1, 1, 1]
    assert at["n_event_cum"].to_list() == [0, 0, 1, 1, 2, 2, 2, 2, 2]
    assert at["n_censored_cum"].to_list() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert at["retained"].to_list() == pytest.approx([1, 1, *[3 / 4] * 2, *[3 / 8] * 5], abs=1e-12)
    assert at["ci_low"].null_count() == 2  # no log-log interval where retained is 1


def test_the_curve_in_short(four: Tables) -> None:
    [short] = of_everyone(four, "retention_summary").to_dicts()
    counts = ("n", "n_left_out", "n_event", "n_dropout", "n_unknown_exit", "n_censored")
    assert [short[name] for name in counts] == [4, 1, 2, 1, 0, 2]
    assert (short["from_day"], short["median_day"], short["horizon_day"]) == (0, 300, 731)
    area = 100 + 200 * 3 / 4 + 431 * 3 / 8
    assert short["restricted_mean_days"] == pytest.approx(area, abs=1e-9)


def test_exits_compete_and_add_up(four: Tables) -> None:
    by_type = of_everyone(four, "cumulative_incidence")
    assert by_type.select("exit_type", "day", "n_event").rows() == [
        ("death_overdose", 300, 1),
        ("patient_absent", 100, 1),
    ]
    assert by_type["incidence"].to_list() == pytest.approx([3 / 4 * 1 / 2, 1 / 4], abs=1e-12)
    retained = of_everyone(four, "retention_curve")["retained"].to_list()[-1]
    assert by_type["incidence"].sum() + retained == pytest.approx(1, abs=1e-12)


def test_early_dropout_counts_those_whose_fate_is_known(
    derive: Derive,
) -> None:
    people = [
        Person("dropped", stays=[(-50, 90, "patient_absent")]),
        Person("unknown", stays=[(-50, 20, "unknown")]),
        Person("transferred", stays=[(-50, 60, "transfer_unit")]),
        Person("censored before", stays=[(-50, 89, None)]),
        Person("censored on the day", stays=[(-50, 90, None)]),
        Person("stayed"),
    ]
    early = of_everyone(derive(people), "early_dropout")
    columns = (
        "day",
        "n",
        "n_missing",
        "denominator",
        "n_dropout",
        "n_unknown_exit",
        "n_other_exit",
    )
    assert early.select(columns).rows() == [(30, 6, 0, 6, 0, 1, 0), (90, 6, 1, 5, 1, 1, 1)]
    assert early["share"].to_list() == pytest.approx([0 / 6, 1 / 5], abs=1e-12)


def test_a_gap_of_12_days_ends_an_episode_under_7_and_10_only(
    derive: Derive,
) -> None:
    stays = [(-50, 100, "patient_absent"), (112, OPEN, None)]
    sensitivity = of_everyone(derive([Person("one", stays)]), "retention_sensitivity")
    assert sensitivity.select("gap_days", "day", "retained").rows() == [
        (7, 365, 0.0), (7, 731, 0.0), (10, 365, 0.0), (10, 731, 0.0),
        (14, 365, 1.0), (14, 731, 1.0), (30, 365, 1.0), (30, 731, 1.0),
    ]  # fmt: skip
