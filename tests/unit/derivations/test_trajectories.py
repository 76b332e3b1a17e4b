"""The tables on substances and trajectories, worked out by hand on small cohorts."""

import math
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from registry_pipeline.statistics.intervals import with_wilson
from registry_pipeline.version import RULE_VERSION
from schemas.codes import TRAJECTORY_CLASS, USED_STATES
from schemas.derived.poly_use import PolyUse
from schemas.derived.substances import (
    SubstanceChange,
    SubstanceSlope,
    SubstanceTransition,
    SubstanceTrend,
)
from schemas.derived.trajectories import (
    SequenceMeasure,
    TimeToEvent,
    Trajectory,
    TrajectoryLatent,
    TrajectoryProfile,
)
from schemas.fields import describe
from schemas.result_codes import MOVE_STATE

MODELS = (
    SubstanceTrend,
    SubstanceSlope,
    PolyUse,
    SubstanceTransition,
    SubstanceChange,
    Trajectory,
    TrajectoryProfile,
    TrajectoryLatent,
    TimeToEvent,
    SequenceMeasure,
)
Tables = dict[str, pl.DataFrame]
DAYS = {"A": 0, "E": 4, "R": 20}


def everyone(frame: pl.DataFrame, **where: Any) -> list[dict[str, Any]]:
    """The rows of the whole cohort."""
    rows = frame.filter(stratum_by="all").filter(**where)
    return rows.to_dicts()


def wilson(part: float, whole: float) -> tuple[float, float]:
    found = with_wilson(pl.DataFrame({"x": [part], "n": [whole]}), "x", "n").row(0, named=True)
    return found["ci_low"], found["ci_high"]


COHORT = {
    "a": "AARRA",
    "b": "AAAAA",
    "c": "RRE._",
    "d": "EmRr_",
    "e": "Rdddd",
    "f": "mm___",
}


def test_tables_are_as_their_models_say_and_alike_on_both_engines(
    trajectories: Callable[..., Tables],
) -> None:
    on_polars, on_duckdb = (trajectories(COHORT, engine=name) for name in ("polars", "duckdb"))
    for model in MODELS:
        name, key = describe(model).full_name, list(describe(model).key)
        made = on_polars[name]
        assert made.sort(key).equals(on_duckdb[name].sort(key)), name
        assert not made.select(key).is_duplicated().any(), name
        assert made.is_empty() == (model is TrajectoryLatent)
        assert set(made["rule_version"]) <= {RULE_VERSION}
        describe(model).schema.validate(made.with_columns(as_of_delivery=pl.lit("2014-Q3")))


def test_trend_by_hand(trajectories: Callable[..., Tables]) -> None:
    people = {"a": "RA", "b": "EE", "c": "AR", "d": "Rm", "e": "m.", "f": "Ed"}
    answers = {
        "a": {0: "28/28"},
        "b": {0: "3/30", 1: "9/90"},
        "d": {0: "14/28"},
        "f": {0: "7/28"},
    }
    baseline, follow_up = everyone(trajectories(people, answers)["derived.substance_trend"])
    assert (baseline["n_expected"], baseline["n_observed"], baseline["n_missing"]) == (6, 5, 1)
    days = [28, 3 * 28 / 30, 0, 14, 7]
    mean = sum(days) / 5
    spread = math.sqrt(sum((day - mean) ** 2 for day in days) / 4)
    half = 2.7764451051977934 * spread / math.sqrt(5)  # t, 4 degrees of freedom
    assert baseline["mean_days"] == pytest.approx(mean)
    assert baseline["mean_days_ci_low"] == pytest.approx(mean - half)
    assert baseline["mean_days_ci_high"] == pytest.approx(mean + half)
    assert baseline["median_days"] == 7
    assert [baseline[f"n_{state}"] for state in USED_STATES] == [1, 2, 2]
    assert [baseline[state] for state in USED_STATES] == [1 / 5, 2 / 5, 2 / 5]
    assert baseline["any_use"] == 4 / 5
    assert (baseline["any_use_ci_low"], baseline["any_use_ci_high"]) == wilson(4, 5)
    assert baseline["any_use_missing_is_use"] == pytest.approx((4 + 1) / 6)
    assert baseline["reason"] is None

    # 0, 9 of 90 and 20 of 28 days are answered; missed and not asked are missing, dead is not
    assert (follow_up["n_expected"], follow_up["n_observed"]) == (5, 3)
    assert follow_up["median_days"] == pytest.approx(9 * 28 / 90)
    assert follow_up["any_use_missing_is_use"] == pytest.approx((2 + 2) / 5)
    low, high = wilson(4, 5)
    assert follow_up["any_use_missing_is_use_ci_low"] == low
    assert follow_up["any_use_missing_is_use_ci_high"] == high


def test_median_of_an_even_number_is_the_middle(trajectories: Callable[..., Tables]) -> None:
    found = everyone(
        trajectories({"a": "A", "b": "E", "c": "R", "d": "R"})["derived.substance_trend"]
    )
    assert found[0]["median_days"] == (DAYS["E"] + DAYS["R"]) / 2


def test_transitions_by_hand(trajectories: Callable[..., Tables]) -> None:
    """Pairs from A: a AA AR, b four times AA; from R: a RR RA, c RR RE, e none."""
    frame = trajectories(COHORT)["derived.substance_transition"]
    first = {(row["from_state"], row["to_state"]): row for row in everyone(frame, from_wave=0)}
    assert first["abstinent", "abstinent"]["n"] == 2
    assert first["abstinent", "abstinent"]["denominator"] == 2
    assert first["episodic", "missing"]["n"] == 1
    assert first["missing", "missing"]["n"] == 1
    assert first["regular", "regular"]["denominator"] == 1  # c; e was dead at wave 1
    assert {row["to_wave"] for row in first.values()} == {1}

    pooled = {
        (row["from_state"], row["to_state"]): row
        for row in everyone(frame.filter(pl.col("from_wave").is_null()))
    }
    from_abstinent = [pooled["abstinent", state] for state in ("abstinent", "regular")]
    assert [row["n"] for row in from_abstinent] == [5, 1]
    assert {row["denominator"] for row in from_abstinent} == {6}
    assert from_abstinent[0]["probability"] == 5 / 6
    # a 1 of 2, b 4 of 4: variance of the ratio over 2 people
    p, variance = 5 / 6, 2 / 1 * ((1 - 2 * 5 / 6) ** 2 + (4 - 4 * 5 / 6) ** 2) / 6**2
    effective = p * (1 - p) / variance
    assert (from_abstinent[0]["ci_low"], from_abstinent[0]["ci_high"]) == pytest.approx(
        wilson(p * effective, effective)
    )
    assert pooled["missing", "regular"]["n"] == 1
    assert pooled["missing", "regular"]["denominator"] == 2  # d mR, f mm


def test_a_state_nobody_was_in_is_not_computable(trajectories: Callable[..., Tables]) -> None:
    frame = trajectories({"a": "AAA", "b": "AAR"})["derived.substance_transition"]
    from_episodic = everyone(frame, from_state="episodic")
    assert len(from_episodic) == 3 * len(MOVE_STATE.codes)  # two pairs of waves, and pooled
    assert {(row["n"], row["denominator"], row["probability"]) for row in from_episodic} == {
        (0, 0, None)
    }
    assert {row["reason"] for row in from_episodic} == {"not_computable"}


def test_profile_by_hand(trajectories: Callable[..., Tables]) -> None:
    found = everyone(trajectories(COHORT)["derived.trajectory_profile"])
    n = {row["trajectory_class"]: row["n"] for row in found}
    assert n == dict.fromkeys(TRAJECTORY_CLASS.codes, 0) | {
        "insufficient_data": 3,  # d, e, f
        "stable_abstinent": 1,  # b
        "improving": 0,
        "deteriorating": 1,  # a AARRA: 0 0 first, 2 0 last
        "fluctuating": 1,  # c RRE: 2 2 first, 2 1 last
    }
    assert {row["denominator"] for row in found} == {6}
    stable = next(row for row in found if row["trajectory_class"] == "stable_abstinent")
    assert (stable["share"], stable["ci_low"], stable["ci_high"]) == (1 / 6, *wilson(1, 6))


def test_time_to_event_by_hand(trajectories: Callable[..., Tables]) -> None:
    people = {"a": "AARRR", "b": "AAEAR", "c": "AAAAA", "d": "AAmAA", "e": "RRAAm", "f": "Rmm__"}
    found = trajectories(people)["derived.time_to_event"]
    # clocks start with a, b, c, d at wave 1 and e at wave 3; d and e are not seen after that
    relapse = everyone(found, event="relapse")
    assert [row["day"] for row in relapse] == [0, 91, 182, 273, 364]
    assert [row["month"] for row in relapse] == [0, 3, 6, 9, 12]
    assert {row["n"] for row in relapse} == {5}
    assert [row["n_at_risk"] for row in relapse] == [5, 3, 2, 2, 0]
    assert [row["n_event_cum"] for row in relapse] == [0, 1, 1, 2, 2]
    shares = [0, 1 - 2 / 3, 1 - 2 / 3, 1 - 2 / 3 * 1 / 2]
    assert [row["share"] for row in relapse[:4]] == pytest.approx(shares)
    assert relapse[1]["ci_low"] < shares[1] < relapse[1]["ci_high"]
    assert [row["reason"] for row in relapse] == [
        "estimate_is_0", None, None, None, "beyond_follow_up",
    ]  # fmt: skip
    # all but f reach it: a, b, c, d at wave 1, e at wave 3; f is last seen at the baseline
    sustained = everyone(found, event="sustained_abstinence")
    assert [row["n_at_risk"] for row in sustained] == [6, 5, 1, 1, 0]
    assert [row["share"] for row in sustained] == pytest.approx([0, 4 / 5, 4 / 5, 1, 1])


def test_sequence_measure_by_hand(trajectories: Callable[..., Tables]) -> None:
    found = everyone(trajectories({"a": "A", "b": "A", "c": "E", "d": "R", "e": "m"}, n_waves=1)[
        "derived.sequence_measure"
    ])[0]  # fmt: skip
    assert (found["n"], found["n_observed"]) == (5, 4)
    assert [found[state] for state in ("abstinent", "episodic", "regular", "missed")] == [
        2 / 5, 1 / 5, 1 / 5, 1 / 5,
    ]  # fmt: skip
    # Wilson of 2 of 5: centre (2 + z^2/2) / (5 + z^2), half z sqrt(2 x 3/5 + z^2/4) / (5 + z^2)
    z = 1.959964
    centre, half = (2 + z**2 / 2) / (5 + z**2), z * math.sqrt(6 / 5 + z**2 / 4) / (5 + z**2)
    bounds = (found["abstinent_ci_low"], found["abstinent_ci_high"])
    assert bounds == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert (found["dead"], found["dead_ci_low"]) == (0, 0)
    assert found["dead_ci_high"] == pytest.approx(z**2 / (5 + z**2), abs=1e-6)
    expected = -(1 / 2 * math.log(1 / 2) + 2 * 1 / 4 * math.log(1 / 4)) / math.log(3)
    assert found["entropy"] == pytest.approx(expected)


def test_change_uses_the_cohorts_own_spread_at_baseline(
    trajectories: Callable[..., Tables],
) -> None:
    """Baselines of 0 and 28 days: SD sqrt(2 x 14^2), threshold 1.96 x SD x sqrt(2 x 0.2) = 24.5."""
    people = {"a": "AR", "b": "RA", "c": "mA"}
    frame = trajectories(people, {"b": {0: "28/28"}})["derived.substance_change"].sort("patient_id")
    assert 20 < 1.96 * math.sqrt(2 * 14**2) * math.sqrt(2 * (1 - 0.8)) < 28
    assert frame["reliable"].to_list() == [False, True, None]
    assert frame["change"].to_list() == ["deteriorated", "abstinent", None]
    assert frame["reason"].to_list() == [None, None, "baseline_missed"]


def test_strata_add_up(trajectories: Callable[..., Tables]) -> None:
    trend = trajectories(COHORT)["derived.substance_trend"]
    by_sex = trend.filter(stratum_by="sex").group_by("wave").agg(pl.col("n_observed").sum())
    whole = trend.filter(stratum_by="all").select("wave", "n_observed")
    assert by_sex.sort("wave").equals(whole.sort("wave"))
    assert set(trend.filter(stratum_by="sex")["stratum"]) == {"female", "male"}
    assert set(trend.filter(stratum_by="pathway")["stratum"]) == {"unknown"}
