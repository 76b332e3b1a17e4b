"""The clinicians' worklist: each rule on one person, by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from registry_pipeline.derivations.quality_stays import stay_rows
from registry_pipeline.derivations.worklist import worklist
from schemas.catalog import TABLES

LAST = date(2024, 12, 31)


PERSON = {"patient_id": "a", "birth_year": 1990, "cutoff_date": LAST}


def ago(days: int) -> date:
    return LAST - timedelta(days=days)


def stay(began: int, ended: int | None = None, exit_type: str | None = None, **cells: Any):
    return {
        "patient_id": "a", "pathway": "gp", "level": "inpatient", "unit_id": "north",
        "is_treatment": True, "start_date": ago(began),
        "end_date": None if ended is None else ago(ended), "exit_type": exit_type, **cells,
    }  # fmt: skip


def step(kind: str, days: int, score: float | None = None) -> dict[str, Any]:
    return {"patient_id": "a", "kind": kind, "event_date": ago(days), "score": score}


def missed(*days: int, status: str = "no_show") -> list[dict[str, Any]]:
    return [
        {"patient_id": "a", "unit_id": "north", "scheduled_date": ago(day), "status": status}
        for day in days
    ]


def session(days: int, ors: float | None, srs: float | None = None) -> dict[str, Any]:
    return {"patient_id": "a", "interview_date": ago(days), "ors_total": ors, "srs_total": srs}


IN_USE = [
    {**step(kind, 300, 1.0), "patient_id": "b"}
    for kind in ("dropout_checklist", "milestone_meeting")
]
"""Somebody else's: the tools are in use."""


@pytest.fixture
def reasons(store, protocol):
    """Rule to (since, number) for person a; a stay with a fresh checklist unless given."""

    def build(
        stays: list[dict[str, Any]] | None = None,
        steps: list[dict[str, Any]] | None = None,
        person: dict[str, Any] | None = None,
        **more: list[dict[str, Any]],
    ) -> dict[str, tuple[date, float | None]]:
        checked = [step("dropout_checklist", 60, 1.0)]
        core = store(
            {
                "core.patient": [PERSON | (person or {})],
                "core.episode": [stay(80)] if stays is None else stays,
                "core.process_event": IN_USE + (checked if steps is None else steps),
                **{f"core.{name}": rows for name, rows in more.items()},
            }
        )
        made = worklist(core, stay_rows(core), protocol).collect("polars").to_native()
        TABLES["core.worklist"].schema.validate(made)
        known = {row.get("cutoff_date", LAST) for row in stays or [{}]}
        assert set(made["as_of_date"]) <= known
        return {row["rule"]: (row["since_date"], row["number"]) for row in made.to_dicts()}

    return build


def test_nobody_is_on_the_list_without_a_reason(reasons):
    assert reasons() == {}


@pytest.mark.parametrize(
    ("days", "on_the_list"), [((10,), False), ((10, 59), True), ((10, 60), False)]
)
def test_two_missed_appointments_in_sixty_days(reasons, days, on_the_list):
    found = reasons(appointment=missed(*days))
    assert found == ({"missed_appointments": (ago(10), 2)} if on_the_list else {})


def test_appointments_of_an_earlier_stay_are_no_sign_of_how_the_present_one_goes(reasons):
    stays = [stay(100, 40), stay(15)]
    assert reasons(stays, appointment=missed(45, 50)) == {}
    assert reasons(stays, appointment=missed(10, 50)) == {}
    assert reasons(stays, appointment=missed(10, 15)) == {"missed_appointments": (ago(10), 2)}


def test_attended_appointments_and_those_cancelled_in_time_do_not_count(reasons):
    rows = missed(10, status="attended") + missed(20, status="cancelled_in_time") + missed(30)
    assert reasons(appointment=rows) == {}


@pytest.mark.parametrize("gone", [{"death_day": 50}, {"death_day": 100}, {"moved_day": 50}])
def test_nobody_seeks_out_the_dead_and_those_who_moved_away_by_an_open_stay(reasons, gone):
    late = {"stays": [stay(100)], "steps": [], "appointment": missed(10, 20)}
    here = {"origin_date": ago(100)}
    assert set(reasons(**late, person=here)) == {
        "missed_appointments", "not_assessed", "milestone_overdue"
    }  # fmt: skip
    assert reasons(**late, person=here | gone) == {}


def test_a_stay_that_later_deliveries_no_longer_carry_is_not_open(reasons):
    here = {"origin_date": ago(100)}
    assert reasons([stay(100, last_seen_day=60)], [], person=here) == {}
    assert reasons([stay(100, last_seen_day=100)], [], person=here) != {}


def test_who_moved_away_and_came_back_is_in_the_stay_begun_since(reasons):
    moved = {"origin_date": ago(300), "moved_day": 100}
    assert set(reasons([stay(100)], [], person=moved)) == {"not_assessed", "milestone_overdue"}


def test_the_last_checklist_gave_a_high_level(reasons):
    rising = [step("dropout_checklist", 60, 1.0), step("dropout_checklist", 20, 3.0)]
    falling = [step("dropout_checklist", 60, 3.0), step("dropout_checklist", 20, 1.0)]
    assert reasons(steps=rising) == {"high_risk": (ago(20), 3)}
    assert reasons(steps=falling) == {}


def test_nothing_is_overdue_for_which_the_steps_are_not_delivered_yet(reasons):
    assert set(reasons([stay(100)], [])) == {"not_assessed", "milestone_overdue"}
    assert set(reasons([stay(100)], [], {"step_cutoff_date": ago(69)})) == {"not_assessed"}
    assert reasons([stay(100)], [], {"step_cutoff_date": ago(70)}) == {}


def test_risk_was_not_assessed_in_the_first_thirty_days(reasons):
    assert reasons([stay(31)], []) == {"not_assessed": (ago(31), None)}
    assert reasons([stay(30)], []) == {}
    before_the_stay = [step("dropout_checklist", 40, 1.0)]
    assert reasons([stay(31)], before_the_stay) == {"not_assessed": (ago(31), None)}


def test_a_milestone_meeting_is_overdue_after_ninety_days(reasons):
    checked = step("dropout_checklist", 60, 1.0)
    assert reasons([stay(91)], [checked]) == {"milestone_overdue": (ago(91), 91)}
    held = [checked, step("milestone_meeting", 90)]
    assert reasons([stay(200)], held) == {}


def test_a_course_off_track_and_a_weak_alliance(reasons):
    worse = [session(50, 28), session(10, 22, 36)]
    assert reasons(interview=worse) == {"off_track": (ago(10), 22)}
    stuck = [session(50, 20), session(30, 21), session(10, 24)]
    assert reasons(interview=stuck) == {"off_track": (ago(10), 24)}
    better = [session(50, 18), session(30, 20), session(10, 23)]
    assert reasons(interview=better) == {}
    assert reasons(interview=[session(10, None, 35)]) == {"alliance_concern": (ago(10), 35)}


BEFORE_AND_NOW = [
    # sessions (days ago, ORS, SRS) of a person whose present stay began 80 days ago, then reasons
    ("worse than in an earlier stay", [(300, 30, None), (70, 22, None), (10, 23, None)], set()),
    ("worse within this one", [(300, 20, None), (70, 30, None), (10, 22, None)], {"off_track"}),
    ("worse since the day of the start", [(80, 30, None), (10, 22, None)], {"off_track"}),
    ("worse since the day before it", [(81, 30, None), (10, 22, None)], set()),
    ("the third session, the first here", [(300, 20, 40), (200, 20, 40), (10, 21, 40)], set()),
    ("a weak alliance the last time", [(300, 30, 20)], set()),
    ("a weak alliance now", [(300, 30, 40), (10, 30, 20)], {"alliance_concern"}),
]


@pytest.mark.parametrize(
    ("who", "sessions", "why"), BEFORE_AND_NOW, ids=[case[0] for case in BEFORE_AND_NOW]
)
def test_only_sessions_of_the_present_stay_count(reasons, who, sessions, why):
    stays = [stay(400, 150, "patient_absent"), stay(80)]
    assert set(reasons(stays, interview=[session(*one) for one in sessions])) == why, who


def test_dropped_out_lately_and_neither_back_nor_sought_out(reasons):
    left = stay(80, 20, "patient_absent")
    assert reasons([left]) == {"dropped_out": (ago(20), None)}
    assert reasons([stay(80, 31, "patient_absent")]) == {}
    assert reasons([stay(80, 20, "planned_mutual")]) == {}
    assert reasons([left], [step("peer_outreach", 15)]) == {}
    assert reasons([left, stay(5)], []) == {}
    assert set(reasons([left, {**stay(20), "is_treatment": False}])) == {"dropped_out"}


@pytest.mark.parametrize("gone", [{"death_day": 290}, {"moved_day": 290}, {"moved_day": 280}])
def test_nobody_seeks_out_the_dead_and_those_who_moved_away_after_dropping_out(reasons, gone):
    here = {"origin_date": ago(300)}
    left = [stay(80, 20, "patient_absent")]
    assert set(reasons(left, person=here)) == {"dropped_out"}
    assert set(reasons(left, person=here | {"moved_day": 100})) == {"dropped_out"}  # and came back
    assert reasons(left, person=here | gone) == {}


def test_nobody_is_overdue_for_a_tool_that_is_not_in_use(store, protocol):
    core = store(
        {
            "core.patient": [{"patient_id": "a", "birth_year": 1990, "cutoff_date": LAST}],
            "core.episode": [stay(200)],
        }
    )
    assert worklist(core, stay_rows(core), protocol).collect("polars").to_native().is_empty()


def test_a_delivery_without_stays_ends_nobodys_stay(reasons):
    """The list is as of the last day that the sender's stays are known."""
    known = {"cutoff_date": ago(90), "last_seen_day": 310}
    person = {"origin_date": ago(400)}
    assert set(reasons([stay(200, **known)], [], person)) == {"not_assessed", "milestone_overdue"}
    gone = known | {"last_seen_day": 200}
    assert reasons([stay(380, **gone)], [], person) == {}
