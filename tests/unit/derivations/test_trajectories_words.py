"""The tables on trajectories whatever the words, and at the edges: nobody, one person, one wave."""

from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codes import STATE_LETTER, TRAJECTORY_CLASS, USED_STATES
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
from schemas.result_codes import MOVE_STATE, WAVE_EVENT

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
LETTERS = "".join(STATE_LETTER.values())
WORDS = st.lists(st.text(LETTERS, min_size=4, max_size=4), min_size=1, max_size=40)


def everyone(frame: pl.DataFrame, **where: Any) -> list[dict[str, Any]]:
    """The rows of the whole cohort."""
    rows = frame.filter(stratum_by="all").filter(**where)
    return rows.to_dicts()


@settings(max_examples=20, deadline=None)
@given(spelled=WORDS)
def test_whatever_the_words_everyone_is_counted_once(
    spelled: list[str], trajectories: Callable[..., Tables]
) -> None:
    people = {f"p{number}": word for number, word in enumerate(spelled)}
    made = trajectories(people)
    assert made["derived.trajectory"].height == len(people)
    assert set(made["derived.trajectory"]["trajectory_class"]) <= set(TRAJECTORY_CLASS.codes)
    profile = made["derived.trajectory_profile"].group_by("stratum_by", "stratum")
    assert (profile.agg(pl.col("share").sum())["share"] - 1).abs().max() < 1e-12

    trend = made["derived.substance_trend"]
    states = [f"n_{state}" for state in USED_STATES]
    assert (trend["n_observed"] + trend["n_missing"] == trend["n_expected"]).all()
    assert (trend.select(pl.sum_horizontal(states)).to_series() == trend["n_observed"]).all()
    sequence = made["derived.sequence_measure"].select(pl.sum_horizontal(STATE_LETTER.keys()))
    assert (sequence.to_series() - 1).abs().max() < 1e-12

    moves = made["derived.substance_transition"]
    rows = moves.group_by("stratum_by", "stratum", "from_wave", "from_state", "denominator").agg(
        pl.col("n", "probability").sum()
    )
    assert (rows["n"] == rows["denominator"]).all()
    reached = rows.filter(pl.col("denominator") > 0)
    assert reached.is_empty() or (reached["probability"] - 1).abs().max() < 1e-12
    by_wave = moves.group_by("stratum_by", "stratum", "from_state", "to_state").agg(
        pooled=pl.col("n").filter(pl.col("from_wave").is_null()).sum(),
        summed=pl.col("n").filter(pl.col("from_wave").is_not_null()).sum(),
    )
    assert (by_wave["pooled"] == by_wave["summed"]).all()


@settings(max_examples=20, deadline=None)
@given(spelled=WORDS)
def test_moves_and_events_agree_with_reading_the_word_letter_by_letter(
    spelled: list[str], trajectories: Callable[..., Tables]
) -> None:
    people = {f"p{number}": word for number, word in enumerate(spelled)}
    made = trajectories(people)
    kind = dict.fromkeys("mro.", "missing") | {"A": "abstinent", "E": "episodic", "R": "regular"}
    pairs = [(a, b) for word in spelled for a, b in pairwise(word)]
    for before, after in product(MOVE_STATE.codes, repeat=2):
        expected = sum(kind.get(a) == before and kind.get(b) == after for a, b in pairs)
        found = everyone(
            made["derived.substance_transition"].filter(pl.col("from_wave").is_null()),
            from_state=before,
            to_state=after,
        )
        assert [row["n"] for row in found] == [expected]
    for event, times in (("relapse", relapse_of), ("sustained_abstinence", abstinence_of)):
        waited = [found for word in spelled if (found := times(word)) is not None]
        rows = everyone(made["derived.time_to_event"], event=event)
        assert {row["n"] for row in rows} == {len(waited)}
        for wave, row in enumerate(rows):
            assert row["n_at_risk"] == sum(waves >= wave for waves, _ in waited)
            assert row["n_event_cum"] == sum(waves <= wave and hit for waves, hit in waited)


def relapse_of(word: str) -> tuple[int, bool] | None:
    """Waves from the second abstinent wave in a row to regular use, wave by wave."""
    start = next((w for w in range(1, len(word)) if word[w - 1 : w + 1] == "AA"), None)
    if start is None:
        return None
    for wave in range(start + 1, len(word)):
        if word[wave] not in "AER":
            return wave - 1 - start, False
        if word[wave] == "R":
            return wave - start, True
    return len(word) - 1 - start, False


def abstinence_of(word: str) -> tuple[int, bool] | None:
    """Waves to the second abstinent wave in a row, else to the last observed wave."""
    for wave in range(1, len(word)):
        if word[wave - 1 : wave + 1] == "AA":
            return wave, True
    observed = [wave for wave, letter in enumerate(word) if letter in "AER"]
    return (observed[-1], False) if observed else None


def test_nobody_observed(trajectories: Callable[..., Tables]) -> None:
    made = trajectories({"a": "mrd", "b": "__w"})
    trend = everyone(made["derived.substance_trend"])
    assert [row["n_observed"] for row in trend] == [0, 0, 0]
    assert [row["n_expected"] for row in trend] == [1, 1, 0]
    assert {(row["mean_days"], row["median_days"], row["any_use"]) for row in trend} == {
        (None, None, None)
    }
    assert [row["any_use_missing_is_use"] for row in trend] == [1, 1, None]
    assert {row["reason"] for row in trend} == {"not_computable"}
    assert {row["entropy"] for row in everyone(made["derived.sequence_measure"])} == {None}
    events = everyone(made["derived.time_to_event"])
    assert len(events) == 3 * len(WAVE_EVENT.codes)
    assert {(row["n"], row["n_at_risk"], row["share"], row["reason"]) for row in events} == {
        (0, 0, None, "not_computable")
    }
    assert set(made["derived.substance_change"]["change"]) == {None}
    assert set(made["derived.trajectory"]["trajectory_class"]) == {"insufficient_data"}


def test_a_wave_nobody_reached(trajectories: Callable[..., Tables]) -> None:
    made = trajectories({"a": "AA_", "b": "AR_"})
    last = everyone(made["derived.substance_trend"], wave=2)
    assert [(row["n_expected"], row["any_use"], row["reason"]) for row in last] == [
        (0, None, "not_computable")
    ]
    moves = everyone(made["derived.substance_transition"], from_wave=1)
    assert {(row["denominator"], row["reason"]) for row in moves} == {(0, "not_computable")}
    relapse = everyone(made["derived.time_to_event"], event="relapse")
    assert [row["reason"] for row in relapse] == [
        "estimate_is_0", "beyond_follow_up", "beyond_follow_up",
    ]  # fmt: skip


def test_one_person(trajectories: Callable[..., Tables]) -> None:
    made = trajectories({"a": "EEE"})
    trend = everyone(made["derived.substance_trend"])
    assert [row["mean_days"] for row in trend] == [4, 4, 4]
    assert {row["mean_days_ci_low"] for row in trend} == {None}
    assert {row["reason"] for row in trend} == {"not_computable"}
    change = made["derived.substance_change"]
    assert change["change"].to_list() == ["unchanged", "unchanged"]
    assert set(change["reliable"]) == {None}
    assert set(change["reason"]) == {"no_variation"}
    assert made["derived.trajectory"]["trajectory_class"].to_list() == ["stable_low"]


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_nobody_enrolled_gives_empty_tables(
    engine: str, trajectories: Callable[..., Tables]
) -> None:
    made = trajectories({}, engine=engine, n_waves=3)
    assert {name: frame.height for name, frame in made.items()} == dict.fromkeys(made, 0)
    for model in MODELS:
        frame = made[describe(model).full_name].with_columns(as_of_delivery=pl.lit("2014-Q3"))
        describe(model).schema.validate(frame)


def test_a_protocol_without_follow_up_has_only_its_baseline(
    trajectories: Callable[..., Tables],
) -> None:
    made = trajectories({"a": "A", "b": "R"})
    assert made["derived.substance_change"].is_empty()
    assert set(made["derived.substance_transition"]["reason"]) == {"not_computable"}
    assert [row["n_observed"] for row in everyone(made["derived.substance_trend"])] == [2]
