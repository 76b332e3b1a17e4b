"""The hazard of leaving and the life table: by hand, against the other tables, and at the edges."""

import math
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from registry_pipeline.derivations.retention import retention_tables
from registry_pipeline.statistics.cox import Stays, cox
from registry_pipeline.statistics.subdistribution import fine_gray
from schemas.core import Episode, Event, Patient, Visit
from schemas.fields import describe
from schemas.protocol import Origin, Protocol, load_shipped

CORE = {
    "core.patient": Patient,
    "core.episode": Episode,
    "core.event": Event,
    "core.visit": Visit,
}
LAR_X = load_shipped("lar_x")
MAY_1 = date(2014, 5, 1)
MAIN = {"kind": "treatment", "origin": "baseline"}

Person = tuple[str, int, str | None]
"""Sex, day of leaving, exit type (null: there at the cut-off, which is that day)."""


def derive(
    people: list[Person], *, protocol: Protocol = LAR_X, start: int = 0, **fields: Any
) -> Mapping[str, pl.DataFrame]:
    """The tables of people in the index pathway from day `start` until a day."""
    who, stays = [], []
    for number, (sex, day, exit_type) in enumerate(people):
        name = f"p{number}"
        origin = {"origin_date": MAY_1, "retention_origin_date": MAY_1, "cutoff_day": 800}
        who.append(
            {"patient_id": name, "sex": sex, "age_group": "unknown", "enrolled": True}
            | origin
            | {field: values[number] for field, values in fields.items()}
        )
        stays.append(
            {"patient_id": name, "is_treatment": True, "is_index": True, "cover_days": 0}
            | {"start_day": start, "end_day": day, "exit_type": exit_type, "last_seen_day": 800}
        )
    rows = {"core.patient": who, "core.episode": stays}
    core = {
        name: nw.from_native(pl.DataFrame(rows.get(name, []), schema=describe(model).dtypes).lazy())
        for name, model in CORE.items()
    }
    made = retention_tables(core, protocol)
    return {name: table for name, table in made.items() if isinstance(table, pl.DataFrame)}


def two_sexes(n: int = 80) -> list[Person]:
    draw = np.random.default_rng(4)
    exits = ["patient_absent", "planned_mutual", None]
    return [
        (sex, int(draw.exponential(scale)) + 1, exits[draw.integers(3)])
        for sex, scale in [("female", 200), ("male", 400)] * (n // 2)
    ]


def hazard(
    made: Mapping[str, pl.DataFrame], hazard: str = "cause_specific", **where: Any
) -> list[dict[str, Any]]:
    return made["derived.retention_hazard"].filter(**MAIN, hazard=hazard, **where).to_dicts()


def test_the_hazard_ratio_is_that_of_the_rows() -> None:
    people = two_sexes()
    [row] = hazard(derive(people), exit_type="any", factor="sex", model="univariable")
    days = np.array([day for _, day, _ in people])
    other = np.array([[float(sex == row["level"])] for sex, _, _ in people])
    left = np.array([exit_type is not None for *_, exit_type in people])
    ones = np.ones(len(people), dtype=int)
    fit = cox(Stays(other, np.arange(len(people)), 0 * ones, days, left, ones))
    assert fit is not None
    found = [row[name] for name in ("estimate", "ci_low", "ci_high", "p_value")]
    wanted = [*np.exp([fit.estimate[0], fit.low[0], fit.high[0]]), fit.p_value[0]]
    assert found == pytest.approx(wanted, abs=1e-9)
    assert (row["n"], row["n_events"], row["n_missing"]) == (80, int(left.sum()), 0)
    assert {row["level"], row["reference"]} == {"female", "male"}
    assert row["ph_df"] == 1
    assert 0 <= row["ph_p_value"] <= 1


def test_another_way_of_leaving_censors() -> None:
    people = two_sexes()
    [row] = hazard(derive(people), exit_type="patient_absent", factor="sex", model="univariable")
    censored = [(s, d, e if e == "patient_absent" else None) for s, d, e in people]
    [alone] = hazard(derive(censored), exit_type="any", factor="sex", model="univariable")
    assert row["estimate"] == pytest.approx(alone["estimate"], abs=1e-12)
    assert row["n_events"] == sum(exit_type == "patient_absent" for *_, exit_type in people)
    [dropout] = hazard(derive(people), exit_type="dropout", factor="sex", model="univariable")
    assert dropout["estimate"] == pytest.approx(row["estimate"], abs=1e-12)


def test_another_way_of_leaving_stays_at_risk_of_the_subdistribution() -> None:
    people = two_sexes()
    where = {"exit_type": "dropout", "factor": "sex", "model": "univariable"}
    [row] = hazard(derive(people), "subdistribution", **where)
    days = np.array([day for _, day, _ in people])
    other = np.array([[float(sex == row["level"])] for sex, _, _ in people])
    kinds = np.array([exit_type or "" for *_, exit_type in people])
    ones = np.ones(len(people), dtype=int)
    fit = fine_gray(
        Stays(other, np.arange(len(people)), 0 * ones, days, kinds == "patient_absent", ones,
              kinds == "planned_mutual")
    )  # fmt: skip
    assert fit is not None
    found = [row[name] for name in ("estimate", "ci_low", "ci_high", "p_value")]
    wanted = [*np.exp([fit.estimate[0], fit.low[0], fit.high[0]]), fit.p_value[0]]
    assert found == pytest.approx(wanted, abs=1e-9)
    [cause] = hazard(derive(people), **where)
    same = ["n", "n_events", "n_missing", "n_level", "n_level_events"]
    assert [row[name] for name in same] == [cause[name] for name in same]
    assert row["estimate"] != pytest.approx(cause["estimate"], abs=1e-3)
    assert row["reason"] == "proportional_hazards_not_tested"
    assert row["concordance"] is None
    assert not hazard(derive(people), "subdistribution", exit_type="any")


def test_the_concordance_is_that_of_the_rows() -> None:
    people = two_sexes()
    [row] = hazard(derive(people), exit_type="any", factor="sex", model="univariable")
    sooner = {row["level"]: row["estimate"], row["reference"]: 1.0}
    right, pairs = 0.0, 0
    for sex, day, exit_type in people:
        for other, later, still in people:
            if exit_type and (later > day or (later == day and not still)):
                pairs += 1
                right += (1 + np.sign(sooner[sex] - sooner[other])) / 2
    assert row["concordance"] == pytest.approx(right / pairs)
    assert row["concordance_ci_low"] < row["concordance"] < row["concordance_ci_high"]


def test_unknown_people_are_left_out_and_counted() -> None:
    people = [*two_sexes(), ("unknown", 9, "patient_absent"), ("unknown", 10, None)]
    [row] = hazard(derive(people), exit_type="any", factor="sex", model="univariable")
    [without] = hazard(derive(two_sexes()), exit_type="any", factor="sex", model="univariable")
    assert row["n_missing"] == 2
    assert row["estimate"] == pytest.approx(without["estimate"], abs=1e-12)


def test_a_level_with_few_exits_is_refused_and_its_people_left_out() -> None:
    people = [*two_sexes(), *[("other", 30, "patient_absent")] * 4]
    rows = {row["level"]: row for row in hazard(derive(people), exit_type="any", factor="sex")}
    few, enough = rows["other"], rows.get("male") or rows["female"]
    assert (few["estimate"], few["reason"]) == (None, "sparse_cells")
    assert (few["n_level"], few["n_level_events"]) == (4, 4)
    assert enough["n"] == 80
    assert enough["n_missing"] == 4
    assert enough["estimate"] is not None


def test_a_factor_whose_reference_has_few_exits_still_adjusts_the_others() -> None:
    draw = np.random.default_rng(7)
    groups, sexes = draw.integers(2, size=120), draw.integers(2, size=120)
    days = [int(day) + 1 for day in draw.exponential(np.where(groups, 90, 300) - 30 * sexes)]
    people: list[Person] = [
        (("female", "male")[sex], day, "patient_absent")
        for sex, day in zip(sexes, days, strict=True)
    ]
    ages = [("age_30_39", "age_40_49")[group] for group in groups]
    people += [("female", 700, None)] * 90
    made = derive(people, age_group=[*ages, *["age_23_29"] * 90])
    rows = hazard(made, exit_type="patient_absent", model="adjusted")
    told = {row["factor"]: row for row in rows}
    assert told["age_group"]["reference"] == "age_23_29"
    assert told["age_group"]["reason"] == "sparse_cells"
    stays = Stays(
        terms=np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float),
        which=2 * sexes + groups,
        entry_day=np.zeros(120, dtype=np.int64),
        exit_day=np.array(days),
        is_event=np.ones(120, dtype=np.bool_),
        people=np.ones(120, dtype=np.int64),
    )
    fit = cox(stays)
    assert fit is not None
    ratio = fit.estimate[0] * (1 if told["sex"]["level"] == "male" else -1)
    assert told["sex"]["n"] == 120
    assert told["sex"]["estimate"] == pytest.approx(math.exp(ratio), rel=1e-9)


def test_more_terms_than_one_per_ten_exits_are_refused() -> None:
    people = two_sexes(24)
    disorder = [number % 3 == 0 for number in range(24)]
    made = derive(people, co_occurring_disorder=disorder)
    exits = sum(exit_type is not None for *_, exit_type in people)
    assert exits < 20
    rows = hazard(made, exit_type="any", model="adjusted")
    assert {row["factor"] for row in rows} == {"sex", "co_occurring_disorder"}
    assert {(row["estimate"], row["reason"]) for row in rows} == {(None, "too_few_for_terms")}
    both = derive(two_sexes(80), co_occurring_disorder=[n % 3 == 0 for n in range(80)])
    assert all(row["estimate"] for row in hazard(both, exit_type="any", model="adjusted"))


def test_all_exits_on_one_day_have_a_ratio_and_no_check() -> None:
    people: list[Person] = [("female", 50, "patient_absent")] * 6
    people += [("female", 90, None)] * 6 + [("male", 50, "patient_absent")] * 8
    people += [("male", 90, None)] * 2
    [row] = hazard(derive(people), exit_type="any", factor="sex", model="univariable")
    assert row["estimate"] is not None
    assert (row["ph_p_value"], row["reason"]) == (None, "proportional_hazards_not_tested")


def test_without_exits_and_with_one_stratum_there_is_nothing_to_compare() -> None:
    nobody_left = derive([("female", 90, None), ("male", 90, None)])
    assert {(r["estimate"], r["reason"]) for r in hazard(nobody_left)} == {(None, "sparse_cells")}
    assert hazard(derive([("female", 9, "patient_absent")] * 20)) == []


# Odd cohorts, across the tables of retention


def test_one_person_in_a_stratum_is_tested_in_the_log_rank_and_refused_in_the_hazard() -> None:
    people: list[Person] = [("female", 40, "patient_absent"), *[("male", 90, None)] * 9]
    people += [("male", 40, "patient_absent")] * 6
    made = derive(people)
    [row] = hazard(made, exit_type="any", factor="sex", model="univariable")
    assert (row["n_level"], row["reason"]) == (1, "sparse_cells")
    curve = made["derived.retention_curve"].filter(**MAIN, stratum="female").to_dicts()
    assert [(r["retained"], r["ci_low"], r["reason"]) for r in curve] == [
        (0, None, "estimate_is_0")
    ]
    [test] = (
        made["derived.retention_comparison"]
        .filter(**MAIN, stratum_by="sex", test="log_rank")
        .to_dicts()
    )
    at_risk = np.array([1, 15])
    expected = 7 * at_risk[0] / 16
    variance = 7 * 9 / 15 * at_risk.prod() / 16**2
    assert test["statistic"] == pytest.approx((1 - expected) ** 2 / variance)


def test_all_exits_on_one_day_have_a_curve_and_a_test() -> None:
    made = derive([("female", 50, "patient_absent")] * 8 + [("male", 50, "patient_absent")] * 8)
    [row] = made["derived.retention_curve"].filter(**MAIN, stratum_by="all").to_dicts()
    assert (row["day"], row["n_event"], row["retained"]) == (50, 16, 0)
    tests = made["derived.retention_comparison"].filter(**MAIN, stratum_by="sex")
    assert set(tests["p_value"]) == {None}
    assert set(tests["reason"]) == {"not_computable"}
    rows = hazard(made, factor="sex")
    assert [row["estimate"] for row in rows] == pytest.approx([1] * len(rows))
    assert {row["reason"] for row in rows} == {"proportional_hazards_not_tested"}


def test_an_exit_and_a_censoring_on_one_day_are_in_that_order() -> None:
    made = derive([("female", 50, "patient_absent"), ("female", 50, None)])
    [row] = made["derived.retention_curve"].filter(**MAIN, stratum_by="all").to_dicts()
    assert (row["n_at_risk"], row["n_event"], row["n_censored"], row["retained"]) == (2, 1, 1, 0.5)


def test_a_pathway_nobody_took_is_no_stratum() -> None:
    made = derive(two_sexes(), baseline_pathway=["gp_alone"] * 80)
    of_pathway = made["derived.retention_summary"].filter(stratum_by="pathway")
    assert set(of_pathway["stratum"]) == {"gp_alone"}
    assert "pathway" not in {row["factor"] for row in hazard(made)}


# The life table


def table(made: Mapping[str, pl.DataFrame], **where: Any) -> pl.DataFrame:
    main = MAIN | {"stratum_by": "all"} | where
    return made["derived.retention_life_table"].filter(**main)


def test_the_life_table_by_hand() -> None:
    """Left on days 91 and 92; censored on 90, and on 91 when the interval was over."""
    people: list[Person] = [
        ("female", 91, "patient_absent"),
        ("female", 92, "patient_absent"),
        ("female", 90, None),
        ("female", 91, None),
        ("female", 100, None),
        ("female", 800, None),
    ]
    first, second, third = table(derive(people)).head(3).to_dicts()
    assert (first["start_day"], first["day"], first["month"]) == (0, 91, 3)
    assert (first["n_entered"], first["n_event"], first["n_censored"]) == (6, 1, 2)
    assert first["effective_n"] == 5.5
    assert first["retained"] == pytest.approx(1 - 1 / 5.5)
    assert (second["n_entered"], second["n_event"], second["n_censored"]) == (3, 1, 1)
    assert second["retained"] == pytest.approx((1 - 1 / 5.5) * (1 - 1 / 2.5))
    error = math.sqrt(1 / 5.5 / 4.5 + 1 / 2.5 / 1.5)
    assert second["std_error"] == pytest.approx(second["retained"] * error)
    assert (third["n_entered"], third["hazard"], third["retained"]) == (1, 0, second["retained"])


def test_exits_at_the_waves_alone_are_the_curve_itself() -> None:
    """Nobody censored inside an interval: nothing is halved, and both are the same."""
    people: list[Person] = [
        ("female", day, exit_type)
        for day in LAR_X.waves.nominal_days[1:]
        for exit_type in ("patient_absent", None)
    ]
    rows = table(derive(people))
    assert rows["retained"].to_list() == pytest.approx(rows["retained_curve"].to_list())
    assert rows["n_entered"].to_list() == list(range(16, 0, -2))


def late_table(people: list[tuple[int, int, str | None]]) -> list[dict[str, Any]]:
    """The life table since treatment start of people followed from one day to another."""
    from_start = LAR_X.retention.model_copy(update={"origin": Origin.TREATMENT_START})
    made = derive(
        [("female", left - entry, exit_type) for entry, left, exit_type in people],
        protocol=LAR_X.model_copy(update={"retention": from_start}),
        start=-400,
        treatment_start_day=[-entry for entry, *_ in people],
        retention_origin_date=[MAY_1 - timedelta(days=entry) for entry, *_ in people],
    )
    return table(made, origin="treatment_start").to_dicts()


def test_with_late_entry_the_life_table_begins_where_the_curve_does() -> None:
    """Ten are at risk from day 41 on: four of those followed since day 11, six since day 41."""
    people = [
        (10, 20, "patient_absent"),  # left before there were ten
        (10, 91, "patient_absent"),
        *[(10, 750, None)] * 3,
        (40, 60, "patient_absent"),
        (40, 80, None),
        *[(40, 750, None)] * 4,
        (70, 750, None),  # late: half in the interval
    ]
    first, second, *_ = late_table(people)
    counts = [first[name] for name in ("n_entered", "n_late", "n_event", "n_censored")]
    assert (counts, first["effective_n"]) == ([10, 1, 2, 1], 10 + 1 / 2 - 1 / 2)
    assert first["retained"] == pytest.approx(1 - 2 / 10)
    assert first["retained_curve"] == pytest.approx((1 - 1 / 10) * (1 - 1 / 9))
    assert (second["n_entered"], second["retained"]) == (8, first["retained"])


def test_before_ten_are_at_risk_the_life_table_says_nothing_as_the_curve_does() -> None:
    people = [(100, 750, None)] * 9 + [(200, 250, "patient_absent"), (0, 50, "patient_absent")]
    rows = late_table(people)[:4]
    assert [row["day"] for row in rows] == [91, 183, 274, 365]
    assert [row["reason"] for row in rows] == ["not_computable"] * 2 + [None] * 2
    assert [row["retained"] for row in rows] == [row["retained_curve"] for row in rows]
    assert [row["retained"] for row in rows] == pytest.approx([None, None, 0.9, 0.9])
    assert {row["reason"] for row in late_table(people[:9])} == {"not_computable"}


def test_beyond_the_last_person_nothing_is_said() -> None:
    rows = table(derive([("female", 100, None), ("male", 95, "patient_absent")])).to_dicts()
    assert [row["reason"] for row in rows[:4]] == [
        "estimate_is_1", None, "beyond_follow_up", "beyond_follow_up",
    ]  # fmt: skip
    assert rows[3]["retained"] is None
    all_left = table(derive([("female", 100, "patient_absent")] * 3)).to_dicts()
    assert [row["retained"] for row in all_left[1:4]] == [0, 0, 0]
    assert all_left[3]["hazard"] is None


def test_a_stratum_without_anyone_is_not_computable() -> None:
    made = derive([("female", 100, None)] * 2, enrolled=[True, False])
    assert table(made, stratum_by="sex")["n"].to_list() == [1] * 8
    assert table(made, kind="study").filter(pl.col("n") > 0).is_empty()
    assert set(table(made, kind="study")["reason"]) == {"not_computable, left_out=1"}
