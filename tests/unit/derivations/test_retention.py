"""The derived tables of retention: both engines, every model, and the cases at the edge."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from registry_pipeline.derivations.retention import retention_tables
from registry_pipeline.derivations.retention_curves import sensitivity_days
from schemas.core import Episode, Event, Patient, Visit
from schemas.derived.exits import (
    CumulativeIncidence,
    EarlyDropout,
    RetentionComparison,
    RetentionSensitivity,
)
from schemas.derived.hazards import RetentionHazard, RetentionLifeTable
from schemas.derived.rates import EventRate
from schemas.derived.retention import (
    RetentionAt,
    RetentionCurve,
    RetentionPerson,
    RetentionSummary,
)
from schemas.fields import describe
from schemas.protocol import Origin, Protocol, load_shipped

CORE = {
    "core.patient": Patient,
    "core.episode": Episode,
    "core.event": Event,
    "core.visit": Visit,
}
DERIVED = (
    RetentionPerson,
    RetentionCurve,
    RetentionAt,
    RetentionSummary,
    RetentionLifeTable,
    CumulativeIncidence,
    RetentionComparison,
    RetentionHazard,
    RetentionSensitivity,
    EarlyDropout,
    EventRate,
)
LAR_X, START_TRIAL = load_shipped("lar_x"), load_shipped("ctn0027")
MAY_1 = date(2014, 5, 1)
CURVE = ["kind", "origin", "stratum_by", "stratum"]

Rows = Mapping[str, list[dict[str, Any]]]
Tables = dict[str, pl.DataFrame]


def derive(rows: Rows, protocol: Protocol = LAR_X, engine: str = "polars") -> Tables:
    """The derived tables of core rows; columns that a row leaves out are null."""
    connection = duckdb.connect()
    core = {}
    for name, model in CORE.items():
        frame = pl.DataFrame(rows.get(name, []), schema=describe(model).dtypes)
        arrow = connection.from_arrow(frame.to_arrow())
        core[name] = nw.from_native(arrow if engine == "duckdb" else frame.lazy())
    return {
        name: table.collect("polars").to_native() if isinstance(table, nw.LazyFrame) else table
        for name, table in retention_tables(core, protocol).items()
    }


def person(name: str, **fields: Any) -> dict[str, Any]:
    """A row of core.patient: enrolled, followed from 1 May 2014 to day 800."""
    origin = {"origin_date": MAY_1, "retention_origin_date": MAY_1, "cutoff_day": 800}
    who = {"patient_id": name, "sex": "female", "age_group": "unknown", "enrolled": True}
    return who | origin | fields


def stay(name: str, start: int, end: int | None, exit_type: str | None, **fields: Any) -> Any:
    """A row of core.episode in the index pathway."""
    kind = {"is_treatment": True, "is_index": True, "cover_days": 0, "last_seen_day": 800}
    days = {"start_day": start, "end_day": end, "exit_type": exit_type}
    return {"patient_id": name} | kind | days | fields


@pytest.fixture(scope="module")
def cohort() -> Rows:
    """A random cohort of 150 people with every kind of exit, re-entry, cover and late entry."""
    draw = np.random.default_rng(27)
    sexes, ages = ["female", "male", "unknown"], ["age_23_29", "age_30_39", "age_50_over"]
    exits = ["planned_mutual", "patient_absent", "transfer_specialist", "incarcerated", "unknown"]
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in CORE}
    for number in range(150):
        name = f"p{number}"
        dead = int(draw.integers(1, 800)) if draw.random() < 0.1 else None
        start = -int(draw.integers(0, 300)) if draw.random() < 0.9 else None
        rows["core.patient"].append(
            person(
                name,
                sex=str(draw.choice(sexes, p=[0.5, 0.4, 0.1])),
                age_group=str(draw.choice(ages)),
                co_occurring_disorder=[True, False, None][draw.integers(3)],
                baseline_pathway=[None, "gp_alone"][draw.integers(2)],
                treatment_start_day=start,
                death_day=dead,
            )
        )
        if dead is not None:
            rows["core.event"].append({"patient_id": name, "event_type": "death_other"})
        for first in (-int(draw.integers(1, 60)), int(draw.integers(100, 400))):
            end = first + int(draw.integers(0, 400)) if draw.random() < 0.8 else None
            cover = {"cover_days": int(draw.choice([0, 28])), "is_index": bool(draw.random() < 0.8)}
            how = str(draw.choice(exits)) if end is not None else None
            rows["core.episode"].append(stay(name, first, end, how, **cover))
        letters = draw.choice(["completed", "missed", "refused"], size=9, p=[0.8, 0.15, 0.05])
        for wave, status in enumerate(letters):
            due = {"due_day": LAR_X.waves.nominal_days[wave], "days_from_nominal": 0}
            rows["core.visit"].append({"patient_id": name, "wave": wave, "status": status} | due)
    return rows


@pytest.fixture(scope="module")
def tables(cohort: Rows) -> Tables:
    return derive(cohort)


def test_every_table_is_as_its_model_says(tables: Tables) -> None:
    assert list(tables) == [describe(model).full_name for model in DERIVED]
    for model in DERIVED:
        table = describe(model)
        columns = list(table.dtypes)
        rows = tables[table.full_name].with_columns(
            cohort=pl.lit("lar_x"), as_of_delivery=pl.lit("2014-Q3")
        )
        assert set(rows.columns) == set(columns)
        table.schema.validate(rows.select(columns))
        assert rows.height > 0
        assert not rows.select(table.key).is_duplicated().any()


def test_both_engines_give_the_same_tables(cohort: Rows, tables: Tables) -> None:
    for name, table in derive(cohort, engine="duckdb").items():
        assert_frame_equal(table, tables[name], check_row_order=False, abs_tol=1e-12)


def test_a_null_number_has_its_reason(tables: Tables) -> None:
    numbers = ("retained", "incidence", "share", "statistic", "median_day", "restricted_mean_days")
    for table in tables.values():
        for name in set(numbers) & set(table.columns):
            assert table.filter(pl.col(name).is_null())["reason"].null_count() == 0


def row_level_curve(rows: pl.DataFrame, min_at_risk: int) -> dict[int, float]:
    """Kaplan-Meier, day by day over the people themselves."""
    entry, left = rows["entry_day"].to_numpy(), rows["exit_day"].to_numpy()
    event = rows["exit_type"].is_not_null().to_numpy()
    share, curve, started = 1.0, {}, False
    for day in sorted({*entry + (entry > 0), *left}):
        at_risk = (((entry < day) | (entry == 0)) & (left >= day)).sum()
        started = started or at_risk >= max(min_at_risk, 1)
        if started and (left == day).any():
            share *= 1 - (event & (left == day)).sum() / at_risk
            curve[int(day)] = share
    return curve


@pytest.mark.parametrize("origin", ["baseline", "treatment_start"])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_curves_from_counts_are_those_of_the_people(tables: Tables, origin: str, sex: str) -> None:
    seen = (pl.col("entry_day") == 0) | (pl.col("exit_day") > pl.col("entry_day"))
    people = tables["derived.retention_person"].filter(
        seen, episode_no=1, kind="treatment", origin=origin, sex=sex
    )
    expected = row_level_curve(people, 10 if origin == "treatment_start" else 0)
    curve = tables["derived.retention_curve"].filter(
        kind="treatment", origin=origin, stratum_by="sex", stratum=sex
    )
    known = dict(curve.select("day", "retained").rows())
    assert len(expected) > 20
    assert known == pytest.approx(expected, abs=1e-12)


def test_everyone_is_in_a_curve_or_left_out_of_it(cohort: Rows, tables: Tables) -> None:
    summary = tables["derived.retention_summary"]
    everyone = summary.filter(stratum_by="all")
    assert (everyone["n"] + everyone["n_left_out"]).to_list() == [len(cohort["core.patient"])] * 5
    told = pl.format("left_out={}", "n_left_out")
    left_out = summary.filter(pl.col("n_left_out") > 0)
    assert left_out.filter(pl.col("reason").str.contains(told, literal=True)).height > 0
    parts = summary.group_by("kind", "origin", "stratum_by").agg(pl.col("n").sum())
    assert parts.group_by("kind", "origin").agg(pl.col("n").n_unique())["n"].to_list() == [1] * 5


def test_reentries_are_counted_beside_the_first_episodes(tables: Tables) -> None:
    later = tables["derived.retention_person"].filter(pl.col("episode_no") > 1)
    counted = tables["derived.retention_summary"].filter(kind="treatment", origin="baseline")
    n_later = later.filter(kind="treatment", origin="baseline").height
    assert counted.filter(stratum_by="all")["n_reentries"].to_list() == [n_later]
    assert counted.filter(stratum_by="sex")["n_reentries"].sum() == n_later > 20
    study = tables["derived.retention_summary"].filter(kind="study")
    assert set(study["n_reentries"]) == {0}


def test_incidences_and_the_curve_add_up(tables: Tables) -> None:
    last = tables["derived.retention_curve"].group_by(CURVE).agg(pl.col("retained").last())
    by_type = tables["derived.cumulative_incidence"].group_by(*CURVE, "exit_type")
    left = by_type.agg(pl.col("incidence").last()).group_by(CURVE).agg(pl.col("incidence").sum())
    total = last.join(left, on=CURVE).select(pl.col("retained") + pl.col("incidence"))
    assert total.height > 20
    assert total.to_series().to_list() == pytest.approx([1] * total.height, abs=1e-12)


def test_strata_are_compared_without_the_unknown(cohort: Rows, tables: Tables) -> None:
    tests = tables["derived.retention_comparison"]
    sexes = [row["sex"] for row in cohort["core.patient"]]
    [log_rank] = tests.filter(
        kind="study", stratum_by="sex", test="log_rank", exit_type="any"
    ).to_dicts()
    assert log_rank["n_missing"] == sexes.count("unknown") > 0
    assert log_rank["n"] == len(sexes) - sexes.count("unknown")
    assert (log_rank["df"], log_rank["stratified_by"]) == (1, None)
    stratified = tests.filter(kind="study", test="stratified_log_rank")
    assert dict(stratified.select("stratum_by", "stratified_by").rows()) == {
        "age_group": "sex",
        "co_occurring_disorder": "age_group",
        "pathway": "age_group",
        "sex": "age_group",
    }
    assert tests.filter(test="gray")["origin"].unique().to_list() == ["baseline"]


# At the edge


def nobody() -> Rows:
    return {}


def no_stays() -> Rows:
    return {"core.patient": [person("a"), person("b")]}


def one_person() -> Rows:
    return {"core.patient": [person("a")], "core.episode": [stay("a", 0, 50, "patient_absent")]}


def everyone_leaves_on_day_0() -> Rows:
    names = [f"p{number}" for number in range(12)]
    return {
        "core.patient": [person(name, treatment_start_day=0) for name in names],
        "core.episode": [stay(name, 0, 0, "patient_absent") for name in names],
    }


def without_an_origin() -> Rows:
    return {"core.patient": [person("a", origin_date=None), person("b", enrolled=False)]}


@pytest.mark.parametrize(
    "rows", [nobody, no_stays, one_person, everyone_leaves_on_day_0, without_an_origin]
)
def test_small_cohorts_have_every_table(rows: Callable[[], Rows]) -> None:
    made = derive(rows(), engine="duckdb")
    for model in DERIVED:
        table = describe(model)
        frame = made[table.full_name].with_columns(
            cohort=pl.lit("lar_x"), as_of_delivery=pl.lit("2014-Q3")
        )
        table.schema.validate(frame.select(list(table.dtypes)))


def at_day(tables: Tables, day: int, **where: str) -> dict[str, Any]:
    """The one row of retention_at for the whole cohort on the main clock."""
    main = {"kind": "treatment", "origin": "baseline", "stratum_by": "all"} | where
    [row] = tables["derived.retention_at"].filter(day=day, **main).to_dicts()
    return row


def test_without_any_stay_nothing_is_computable() -> None:
    made = derive(no_stays())
    assert made["derived.retention_curve"].is_empty()
    row = at_day(made, 365)
    assert (row["n"], row["retained"], row["reason"]) == (0, None, "not_computable, left_out=2")
    [test] = (
        made["derived.retention_comparison"]
        .filter(kind="treatment", origin="baseline", stratum_by="sex", test="log_rank")
        .to_dicts()
    )
    assert (test["n"], test["statistic"], test["reason"]) == (0, None, "not_computable")


def test_one_person_is_a_curve_of_one_step() -> None:
    made = derive(one_person())
    assert at_day(made, 0)["retained"] == 1
    row = at_day(made, 91)
    assert (row["retained"], row["ci_low"], row["reason"]) == (0, None, "estimate_is_0")


def test_everyone_leaving_on_day_0_is_nobody_retained() -> None:
    made = derive(everyone_leaves_on_day_0())
    row = at_day(made, 0)
    assert (row["n_at_risk"], row["n_event_cum"], row["retained"]) == (12, 12, 0)
    assert at_day(made, 0, origin="treatment_start")["retained"] == 0


def test_a_late_entry_on_the_day_of_the_exit_is_left_out_and_counted() -> None:
    rows = {
        "core.patient": [person(f"p{n}", treatment_start_day=-100) for n in range(11)],
        "core.episode": [
            stay(f"p{n}", -50, 0 if n == 10 else 400, "patient_absent") for n in range(11)
        ],
    }
    made = derive(rows)
    late = {"kind": "treatment", "origin": "treatment_start", "stratum_by": "all"}
    [row] = made["derived.retention_summary"].filter(**late).to_dicts()
    assert (row["n"], row["n_left_out"], row["from_day"]) == (10, 1, 101)
    never = made["derived.retention_person"].filter(reason="never_at_risk")
    assert never.select("kind", "origin", "entry_day", "exit_day").unique().height == 2
    assert at_day(made, 0)["n"] == 11


def test_fewer_than_ten_at_risk_start_no_conditional_curve() -> None:
    rows = {
        "core.patient": [person(f"p{n}", treatment_start_day=-100) for n in range(9)],
        "core.episode": [stay(f"p{n}", -50, 400, "patient_absent") for n in range(9)],
    }
    made = derive(rows)
    late = {"kind": "treatment", "origin": "treatment_start", "stratum_by": "all"}
    [row] = made["derived.retention_summary"].filter(**late).to_dicts()
    assert (row["n"], row["from_day"], row["reason"]) == (9, None, "not_computable")
    assert made["derived.retention_curve"].filter(**late).is_empty()


def test_a_restricted_mean_of_people_who_all_stay_has_no_interval() -> None:
    rows = {
        "core.patient": [person(f"p{n}") for n in range(5)],
        "core.episode": [stay(f"p{n}", -50, None, None) for n in range(5)],
    }
    everyone = {"kind": "treatment", "origin": "baseline", "stratum_by": "all"}
    [row] = derive(rows)["derived.retention_summary"].filter(**everyone).to_dicts()
    assert row["restricted_mean_days"] == row["horizon_day"]
    assert row["restricted_mean_ci_low"] is row["restricted_mean_ci_high"] is None
    assert "no_variation" in row["reason"]


def test_last_dose_with_a_day_of_cover_retains_those_dosed_on_the_day() -> None:
    """The START trial's rule: retained on day d is the share whose last dose is on d or later."""
    last_dose = [0, 27, 28, 29, 100, 160, 168, 300]
    names = [f"p{number}" for number in range(len(last_dose) + 2)]
    rows = {
        "core.patient": [person(name, cutoff_day=1340) for name in names],
        "core.episode": [
            stay(name, 0, day, "patient_absent", cover_days=1, pathway="methadone")
            for name, day in zip(names, last_dose, strict=False)
        ]
        + [stay(name, 0, 0, "patient_absent") for name in names[-2:]],  # never dosed
    }
    made = derive(rows, START_TRIAL)
    for day in START_TRIAL.waves.nominal_days:
        dosed = sum(last >= day for last in last_dose)
        assert at_day(made, day)["retained"] == pytest.approx(dosed / len(names), abs=1e-12)


def test_a_clock_from_the_first_episode_numbers_it_1() -> None:
    late = {"is_index": False}
    rows = {
        "core.patient": [person("a", retention_origin_date=MAY_1 + timedelta(days=200))],
        "core.episode": [stay("a", 10, 150, "transfer_unit", **late), stay("a", 200, 300, None)],
    }
    persons = derive(rows, START_TRIAL)["derived.retention_person"].filter(origin="baseline")
    assert persons.select("kind", "episode_no", "entry_day", "exit_day").sort("kind").rows() == [
        ("pathway", 1, 0, 100),
        ("treatment", 1, 0, 100),
    ]


def test_a_protocol_that_counts_from_treatment_start_has_that_clock_alone() -> None:
    from_start = LAR_X.retention.model_copy(update={"origin": Origin.TREATMENT_START})
    protocol = LAR_X.model_copy(update={"retention": from_start})
    start = {"treatment_start_day": -30, "retention_origin_date": MAY_1 - timedelta(days=30)}
    rows = {
        "core.patient": [person(f"p{n}", **start) for n in range(12)],
        "core.episode": [stay(f"p{n}", -30, 70, "patient_absent") for n in range(12)],
    }
    made = derive(rows, protocol)
    treated = made["derived.retention_person"].filter(kind="treatment")
    assert treated.select("origin", "entry_day", "exit_day").unique().rows() == [
        ("treatment_start", 30, 100)
    ]
    sensitivity = made["derived.retention_sensitivity"]
    assert sensitivity["origin"].unique().to_list() == ["treatment_start"]


def test_sensitivity_is_read_at_12_and_24_months() -> None:
    assert sensitivity_days(LAR_X.waves) == {365: 12, 731: 24}
    assert sensitivity_days(START_TRIAL.waves) == {365: 12, 731: 24}
    weekly = LAR_X.waves.model_copy(update={"nominal_days": tuple(range(0, 800, 7))})
    assert sensitivity_days(weekly) == {364: 12, 728: 24}
