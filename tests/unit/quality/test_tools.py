"""The drop-out project's tools, as small tables a clinician can check."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from registry_pipeline.derivations.quality_people import transition_gap
from registry_pipeline.derivations.quality_programmes import Setting
from registry_pipeline.derivations.quality_stays import stay_rows
from registry_pipeline.derivations.quality_tools import checklist_use

FIRST, LAST = date(2024, 1, 1), date(2024, 12, 31)


def day(number: int | None) -> date | None:
    return None if number is None else FIRST + timedelta(days=number)


def stay(person: str, start: int | None, end: int | None, exit_type: str | None, **cells: Any):
    return {
        "patient_id": person, "pathway": "gp", "level": "inpatient", "unit_id": "north",
        "is_treatment": True, "planned": True,
        "start_date": day(start), "end_date": day(end), "exit_type": exit_type, **cells,
    }  # fmt: skip


def step(person: str, kind: str, on: int, **cells: Any) -> dict[str, Any]:
    return {"patient_id": person, "kind": kind, "event_date": day(on), **cells}


def rows(table: pl.DataFrame, measure: str, group_by: str = "all") -> dict[str, tuple[int, ...]]:
    """Group to numerator, denominator and missing, for all units over the whole period."""
    chosen = table.filter(
        measure=measure, group_by=group_by, unit_id="all", period_start=FIRST, period_end=LAST
    )
    return {
        row["group"]: (row["numerator"], row["denominator"], row["n_missing"])
        for row in chosen.iter_rows(named=True)
    }


@pytest.fixture
def where(protocol) -> Setting:
    return Setting(protocol, FIRST, LAST, low_coverage=False)


@pytest.fixture
def core(store):
    def build(stays: list[dict[str, Any]], steps: list[dict[str, Any]] = (), **same: Any):
        people = sorted({one["patient_id"] for one in stays})
        usual = {"birth_year": 1980, "cutoff_date": LAST, **same}
        patients = [{"patient_id": who, **usual} for who in people]
        return store(
            {"core.patient": patients, "core.episode": stays, "core.process_event": list(steps)}
        )

    return build


@pytest.fixture
def used(core, where):
    def build(
        stays: list[dict[str, Any]], steps: list[dict[str, Any]], **same: Any
    ) -> pl.DataFrame:
        made = core(stays, steps, **same)
        return checklist_use(made, stay_rows(made), where)

    return build


def test_a_checklist_counts_within_thirty_days_of_the_start(used):
    stays = [stay(who, 0, 60, "planned_mutual") for who in "abcd"]
    stays.append(stay("e", 350, None, None))
    checklist = "dropout_checklist"
    steps = [step("a", checklist, 0), step("b", checklist, 30), step("c", checklist, 31)]
    steps += [step("d", checklist, -1), step("e", checklist, 355)]
    assert rows(used(stays, steps), "checklist_used") == {"all": (2, 4, 0)}


def test_no_tool_is_due_after_the_last_day_on_which_steps_are_known(used):
    stays = [stay("a", 0, 100, "patient_absent"), stay("b", 0, None, None)]
    tools = ("dropout_checklist", "milestone_meeting", "peer_outreach")
    steps = [step("a", tool, 5) for tool in tools]

    def counted(known: int) -> list[tuple[int, ...] | None]:
        table = used(stays, steps, step_cutoff_date=day(known))
        measures = ("checklist_used", "milestone_in_time", "returned")
        return [rows(table, measure).get("all", (0, 0, 0))[1] for measure in measures]

    assert counted(29) == [0, 0, 0]
    assert counted(30) == [2, 0, 0]
    assert counted(90) == [2, 2, 0]
    assert counted(130) == [2, 2, 1]


def test_what_happened_by_the_level_of_risk_first_given(used):
    exits = ("patient_absent", "planned_mutual", "unknown", "patient_notified", None)
    stays = [
        stay(who, 0, None if kind is None else 50, kind)
        for who, kind in zip("abcde", exits, strict=True)
    ]
    levels = {"a": 3, "b": 3, "c": 1, "d": 1, "e": 2}
    steps = [
        step(who, "dropout_checklist", 10, score=float(level)) for who, level in levels.items()
    ]
    steps.append(step("a", "dropout_checklist", 20, score=1.0))
    table = used(stays, steps)
    assert rows(table, "dropout_observed", "risk_level") == {"1": (1, 2, 1), "3": (1, 2, 0)}
    assert rows(table, "dropout_observed") == {"all": (2, 4, 1)}


def test_meetings_against_an_interval_of_ninety_days(used):
    """Three intervals of the first stay have passed, one of the second, none of the third."""
    stays = [stay("a", 0, 275, "planned_mutual"), stay("b", 250, None, None)]
    stays.append(stay("c", 0, 89, "planned_mutual"))
    meeting = "milestone_meeting"
    steps = [step("a", meeting, on) for on in (80, 90, 181)] + [step("b", meeting, 341)]
    steps.append(step("c", meeting, 30))
    assert rows(used(stays, steps), "milestone_in_time") == {"all": (2, 3 + 1, 0)}


@pytest.mark.parametrize(
    ("score", "level"),
    [(2.0, "2"), (2.4, "2"), (2.5, "3"), (2.6, "3"), (3.5, "4"), (0.5, "1"), (0.0, "0")],
)
def test_a_level_of_risk_between_two_is_the_nearest_and_halves_go_up(used, score, level):
    checklist = step("a", "dropout_checklist", 10, score=score)
    table = used([stay("a", 0, 50, "patient_absent")], [checklist])
    assert rows(table, "dropout_observed", "risk_level") == {level: (1, 1, 0)}


LONG_STAYS = [
    # began and ended (days of 2024; before it negative), days of meetings, then: held, of how many
    ("five and a half years ago", -2000, None, [70, 71], (2, 4)),  # due on 70, 160, 250, 340
    ("on the day the cohort began", -1980, None, [0], (1, 5)),  # due on 0, 90, 180, 270, 360
    ("the day before it began", -1981, None, [-1], (0, 4)),  # due on -1, 89, 179, 269, 359
    ("in 1900, and nobody closed it", -45290, None, [], (0, 4)),  # due on 70, 160, 250, 340
    ("five and a half years ago, and ended", -2000, 100, [10], (1, 1)),
    ("ended before the cohort began", -2000, -100, [-150], (None, 0)),
]


@pytest.mark.parametrize("case", LONG_STAYS, ids=[case[0] for case in LONG_STAYS])
def test_meetings_are_due_as_long_as_the_stay_lasts(used, case):
    began, start, end, meetings, held = case
    stays = [stay("a", start, end, None if end is None else "planned_mutual")]
    steps = [step("a", "milestone_meeting", on) for on in meetings]
    table = used(stays, [*steps, step("b", "milestone_meeting", 1)])
    assert rows(table, "milestone_in_time") == {"all": (*held, 0)}, began


def test_no_meeting_is_due_after_death_whatever_the_stay_says(store, where):
    made = store(
        {
            "core.patient": [
                {"patient_id": "a", "cutoff_date": LAST, "origin_date": FIRST, "death_day": 100}
            ],
            "core.episode": [stay("a", 0, None, None)],
            "core.process_event": [step("a", "milestone_meeting", 80)],
        }
    )
    table = checklist_use(made, stay_rows(made), where)
    assert rows(table, "milestone_in_time") == {"all": (1, 1, 0)}


def test_a_call_before_the_planned_start(used):
    planned = {"planned_start_date": day(40)}
    stays = [
        stay("called", 40, 60, "planned_mutual", **planned),
        stay("called and away", None, None, "never_met", **planned),
        stay("called too late", 41, 60, "planned_mutual", **planned),
        stay("never called", None, None, "never_met", **planned),
        stay("due next year", None, None, "never_met", planned_start_date=day(400)),
    ]
    call = "preadmission_call"
    steps = [step("called", call, 38), step("called and away", call, 40)]
    steps += [step("called too late", call, 41), step("due next year", call, 360)]
    table = used(stays, steps)
    assert rows(table, "attended_admission", call) == {"true": (1, 2, 0), "false": (1, 2, 0)}


def test_return_after_a_dropout_with_and_without_outreach(used):
    gone = "patient_absent"
    stays = [
        stay("sought", 0, 50, gone), stay("sought", 70, None, None),
        stay("sought, stays away", 0, 50, gone),
        stay("came first", 0, 50, gone), stay("came first", 55, None, None),
        stay("comes too late", 0, 50, gone), stay("comes too late", 81, None, None),
        stay("no treatment", 0, 50, gone), stay("no treatment", 55, None, None, is_treatment=False),
        stay("too recent", 300, 350, gone),
        stay("as planned", 0, 50, "planned_mutual"),
    ]  # fmt: skip
    peers = "peer_outreach"
    steps = [step("sought", peers, 55), step("sought, stays away", peers, 60)]
    steps += [step("came first", peers, 60), step("too recent", peers, 351)]
    table = used(stays, steps)
    assert rows(table, "returned", peers) == {"true": (1, 2, 0), "false": (1, 3, 0)}


def test_a_tool_that_nobody_uses_is_not_applicable(used):
    table = used([stay("a", 0, 50, "planned_mutual")], [step("b", "dropout_checklist", 10)])
    assert rows(table, "checklist_used") == {"all": (0, 1, 0)}
    others = table.filter(~pl.col("measure").is_in(["checklist_used", "dropout_observed"]))
    assert set(others["reason"]) == {"not_applicable"}


class TestTransitions:
    @pytest.fixture
    def table(self, core, where) -> pl.DataFrame:
        over = {"level": "detox"}
        stays = [
            stay("kept", 0, 10, "transfer_unit", **over),
            stay("kept", 13, None, None, unit_id="south"),
            stay("on the last day", 0, 10, "transfer_unit", **over),
            stay("on the last day", 24, None, None, unit_id="south"),
            stay("late", 0, 10, "transfer_unit", **over),
            stay("late", 40, None, None, unit_id="south"),
            stay("the same unit again", 0, 10, "transfer_unit", **over),
            stay("the same unit again", 12, None, None),
            stay("not due", 352, 360, "transfer_unit", **over),
            stay("not due, and there", 352, 360, "transfer_unit", **over),
            stay("not due, and there", 361, None, None, unit_id="south"),
            stay("no transfer", 0, 10, "planned_mutual", **over),
        ]
        return transition_gap(stay_rows(core(stays)), where)

    def test_kept_within_fourteen_days(self, table):
        assert rows(table, "kept_in_time") == {"all": (2, 4, 0)}

    def test_by_the_level_left_and_reached(self, table):
        assert rows(table, "kept_in_time", "from_level") == {"detox": (2, 4, 0)}
        assert rows(table, "kept_in_time", "transition") == {
            "detox to inpatient": (2, 3, 0),
            "detox to none": (0, 1, 0),
        }

    def test_the_median_is_of_those_that_took_place(self, table):
        row = table.filter(
            measure="median_days", group_by="all", unit_id="all", period_start=FIRST
        ).filter(period_end=LAST)
        assert row.select("value", "denominator", "n_missing", "reason").row(0) == (
            14, 3, 1, "no_interval",
        )  # fmt: skip
