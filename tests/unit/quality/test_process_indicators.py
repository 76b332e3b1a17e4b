"""Every process indicator on a few people: who counts, and who is fulfilled.

A case is what was delivered, then per person (counted, fulfilled, missing); None is not looked at.
The cut-off is 31 December 2014, and every person starts with an interview on 1 May 2014 (day 0)
unless the case says otherwise.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

import polars as pl
import pytest

from registry_pipeline.indicators import INDICATORS
from registry_pipeline.indicators.engine import applicable, cells, indicator_tables
from registry_pipeline.indicators.from_start import METHODS, SINGLE
from registry_pipeline.indicators.in_treatment import quarter_ends
from schemas.protocol_deadlines import Deadlines

START = date(2014, 5, 1)
PATIENT, INTERVIEW, STEP = "core.patient", "core.interview", "core.process_event"
STAY, APPOINTMENT, VISIT, USE = (
    "core.episode",
    "core.appointment",
    "core.visit",
    "core.substance_use",
)
YES, NO, OUT, UNKNOWN = (
    (True, True, False),
    (True, False, False),
    (False, None, False),
    (True, False, True),
)
Person = tuple[bool, bool | None, bool]


class Case(NamedTuple):
    """What was delivered, and what an indicator says of each person."""

    indicator_id: str
    given: dict[str, list[dict[str, Any]]]
    persons: dict[str, Person]


def on(days: int) -> date:
    return START + timedelta(days=days)


def people(ids: str, **same: Any) -> list[dict[str, Any]]:
    usual = {"unit_id": "north", "baseline_date": START, "origin_date": START, "birth_year": 1980}
    return [{"patient_id": id_, **usual, **same} for id_ in ids.split()]


def steps(kind: str, method: str | None = None, **days: int) -> list[dict[str, Any]]:
    """Steps of a kind, by person, on a day after the start."""
    return [
        {"patient_id": id_, "kind": kind, "method": method, "event_date": on(day)}
        for id_, day in days.items()
    ]


def stay(patient_id: str, start: int | None, end: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "patient_id": patient_id,
        "pathway": "gp",
        "is_treatment": True,
        "start_date": None if start is None else on(start),
        "end_date": None if end is None else on(end),
        "cover_days": 0,
        **more,
    }


def answers(column: str, **given: Any) -> list[dict[str, Any]]:
    return [
        {"patient_id": id_, "interview_date": START, "treatment_status": "active", column: value}
        for id_, value in given.items()
    ]


def within(kind: str, indicator_id: str, limit: int, method: str | None = None) -> Case:
    """The step on the last day, a day late, before the start, and not at all."""
    taken = steps(kind, method, a=limit, b=limit + 1, c=-1)
    persons = {"a": YES, "b": NO, "c": NO, "d": NO}
    return Case(indicator_id, {PATIENT: people("a b c d"), STEP: taken}, persons)


CASES = [
    Case(
        "took_part_in_choice",
        {
            PATIENT: people("a b c d"),
            INTERVIEW: answers("took_part_in_choice", a="yes", b="no", c="unknown", d=None),
        },
        {"a": YES, "b": NO, "c": UNKNOWN, "d": UNKNOWN},
    ),
    Case(
        "network_involved",
        {PATIENT: people("a b"), INTERVIEW: answers("network_involved", a="yes", b="unknown")},
        {"a": YES, "b": UNKNOWN},
    ),
    Case(
        "suitable_housing",
        {
            PATIENT: people("a b c d e"),
            INTERVIEW: answers("housing", a="own", b="rented", c="shelter", d="unknown", e=None),
        },
        {"a": YES, "b": YES, "c": NO, "d": UNKNOWN, "e": UNKNOWN},
    ),
    Case(
        "occupied",
        {
            PATIENT: people("a b c"),
            INTERVIEW: answers("employment", a="education", b="benefits", c=None),
        },
        {"a": YES, "b": NO, "c": UNKNOWN},
    ),
    Case(
        "waves_delivered",
        {
            PATIENT: people("a b c d"),
            INTERVIEW: [{"patient_id": "a"}],
            VISIT: [
                {"patient_id": id_, "wave": 1, "due_day": 91, "status": status}
                for id_, status in zip(
                    "abcd", ("partial", "missed", "dead", "out_of_treatment"), strict=True
                )
            ],
        },
        {"a": YES, "b": NO, "d": NO},  # the dead are not expected
    ),
    Case(
        "substances_mapped",
        {
            PATIENT: people("a b"),
            USE: [
                {"patient_id": id_, "wave": 0, "is_group": False, "substance": code, "days": days,
                 "state": "not_asked" if days is None else "episodic"}
                for id_, code, days in (
                    ("a", "heroin", 0), ("a", "alcohol", 3),
                    ("b", "heroin", 0), ("b", "alcohol", None),
                )
            ],
        },
        {"a": YES, "b": UNKNOWN},
    ),
    Case(
        "doping_mapped",
        {
            PATIENT: people("a b c"),
            USE: [
                {"patient_id": id_, "wave": 0, "is_group": False, "substance": "doping",
                 "days": days, "state": state}
                for id_, days, state in (
                    ("a", 0, "abstinent"), ("b", None, "not_asked"), ("c", None, "missed")
                )
            ],
        },
        {"a": YES, "b": UNKNOWN},  # the third held no baseline interview
    ),
    within("self_referral_agreement", "self_referral_agreement", 90),
    within("self_help_information", "self_help_information", 90),
    within("dropout_checklist", "dropout_risk_assessed", 30),
    within("suicide_screen", "suicide_screen_start", 30),
    within("naloxone", "overdose_prevention", 30),
    within("overdose_risk_talk", "overdose_prevention", 30),
    within("finance_help", "finance_help", 200),
    within("leisure_support", "leisure_support", 200),
    within("gender_adaptation", "gender_adaptation", 200),
    within("language_adaptation", "language_adaptation", 200),
    *(within("method_offered", method, 180, method) for method in METHODS),
    within("method_received", "music_therapy", 180, "music_therapy"),
    Case(
        "mapping_complete",
        {
            PATIENT: people("a b"),
            STEP: [
                row
                for area in ("mental", "cognitive", "somatic", "dental", "nutrition", "social")
                for row in steps(f"mapping_{area}", a=90, b=91 if area == "dental" else 0)
            ],
        },
        {"a": YES, "b": NO},
    ),
    Case(
        "family_therapy_young",
        {
            PATIENT: [*people("a b", birth_year=1990), *people("c", birth_year=1989)],
            STEP: steps("family_therapy", a=180, c=0),
        },
        {"a": YES, "b": NO},  # 24 in 2014; the third is 25
    ),
    Case(
        "dropout_risk_assessed",
        {
            PATIENT: [
                *people("a", death_day=29),
                *people("b", death_day=30),
                *people("c", withdrawn_day=10),
                *people("d", baseline_date=None),
                *people("e", baseline_date=None),
            ],
            STAY: [stay("d", 240), stay("e", 5)],
            STEP: steps("dropout_checklist", a=1, b=1, e=40),
        },
        # a died before the deadline, c stopped the interviews alone; d started four days before the
        # cut-off
        {"a": OUT, "b": YES, "c": NO, "d": OUT, "e": NO},
    ),
    Case(
        "feedback_recent",
        {
            PATIENT: people("a b c d e"),
            STAY: [
                stay("a", -30), stay("b", -30), stay("c", 50), stay("d", -30, 70), stay("e", -30)
            ],
            STEP: [
                *steps("feedback_session", a=152, b=62),
                *steps("evaluation", e=63),
            ],
        },
        # at 30 September, day 152; d had left; b's session was 90 days before
        {"a": YES, "b": NO, "c": NO, "e": YES},
    ),
    Case(
        "goals_recent",
        {
            PATIENT: people("a b"),
            STAY: [stay("a", 0), stay("b", 70)],
            STEP: steps("goals_reviewed", a=150),
        },
        {"a": YES, "b": OUT},  # b came 82 days before the quarter's end
    ),
    Case(
        "goals_recent",
        {
            PATIENT: [
                *people("a f"), *people("b", death_day=140), *people("c", moved_day=140),
                *people("d", withdrawn_day=140), *people("e", death_day=152),
            ],
            STAY: [
                *(stay(id_, 0) for id_ in "abcde"), stay("f", 0, last_seen_day=140)
            ],
            STEP: steps("goals_set", a=150),
        },
        # at 30 September, day 152; nobody closed the stays of those who were gone by then, and d is
        # still there without the interviews
        {"a": YES, "d": NO, "e": NO},
    ),
    Case(
        "suicide_screen_yearly",
        {
            PATIENT: people("a b c"),
            STAY: [stay("a", -300), stay("b", -300), stay("c", 0)],
            STEP: steps("suicide_screen", a=-100, b=-213),
        },
        {"a": YES, "b": NO, "c": OUT},
    ),
    Case(
        "started_in_time",
        {
            PATIENT: people("a b c d"),
            STAY: [
                stay("a", 14, referred_date=START),
                stay("b", 15, referred_date=START),
                stay("c", None, referred_date=START, planned_start_date=on(5)),
                stay("d", None, referred_date=on(240), planned_start_date=on(250)),
            ],
        },
        {"a": YES, "b": NO, "c": NO, "d": OUT},
    ),
    Case(
        "assessed_in_time",
        {
            PATIENT: people("a b c d e"),
            STAY: [
                stay("a", 0, level="inpatient"),
                stay("b", 0, level="inpatient"),
                stay("c", 0, level="outpatient"),
                stay("d", 230, level="outpatient"),
                stay("e", 0, level="detox"),
            ],
            STEP: steps("assessment_done", a=7, b=8, c=21, d=231),
        },
        {"a": YES, "b": NO, "c": YES, "d": OUT},
    ),
    *(
        Case(
            indicator_id,
            {
                PATIENT: people("a b c d e"),
                STAY: [
                    *(stay(id_, 0, 100, level="inpatient", exit_type=exit_type)
                      for id_, exit_type in zip(
                          "abcde",
                          ("planned_mutual", "patient_absent", "unknown", "death_other", None),
                          strict=True)),
                    stay("a", 114, level=level), stay("b", 115, level=level),
                    stay("c", 99, level=level),
                ],
            },
            # d died; e was lost from sight on day 100, and may be there still
            {"a": YES, "b": NO, "c": NO},
        )
        for indicator_id, level in (
            ("day_after_inpatient", "day"), ("ambulatory_after_inpatient", "ambulatory")
        )
    ),
    Case(
        "therapist_changed",
        {
            PATIENT: people("a b c"),
            STEP: [
                *steps("therapist_change_requested", a=0, b=0, c=200),
                *steps("therapist_change_made", a=90, b=91, c=201),
            ],
        },
        {"a": YES, "b": NO, "c": OUT},
    ),
    Case(
        "taper_planned",
        {
            PATIENT: people("a b c"),
            STEP: [
                *steps("medication_taper", a=10, b=10, c=10),
                *steps("treatment_plan", a=10, b=11),
            ],
        },
        {"a": YES, "b": NO, "c": NO},
    ),
    Case(
        "no_show",
        {
            PATIENT: people("a b c d e"),
            APPOINTMENT: [
                {"patient_id": id_, "scheduled_date": START, "unit_id": "north", "status": status}
                for id_, status in zip(
                    "abcde",
                    ("attended", "no_show", "cancelled_late", "cancelled_in_time",
                     "cancelled_by_unit"),
                    strict=True,
                )
            ],
        },
        {"a": NO, "b": YES, "c": YES},
    ),
    Case(
        "no_show_followed_up",
        {
            PATIENT: people("a b c d"),
            APPOINTMENT: [
                {"patient_id": id_, "scheduled_date": on(day), "unit_id": "north", "status": status}
                for id_, day, status in (
                    ("a", 0, "no_show"), ("b", 0, "no_show"), ("c", 240, "no_show"),
                    ("d", 0, "cancelled_late"),
                )
            ],
            STEP: [*steps("peer_outreach", a=14, c=241), *steps("frame_changed", b=15)],
        },
        {"a": YES, "b": NO, "c": OUT},
    ),
]  # fmt: skip


@pytest.fixture
def protocol(protocol):
    """Support within 200 days, so that the cut-off lies behind it."""
    return protocol.model_copy(update={"deadlines": Deadlines(support=200)})


def person_table(made: dict[str, Any], indicator_id: str) -> pl.DataFrame:
    rows = made["quality.indicator_person"]
    frame = rows if isinstance(rows, pl.DataFrame) else rows.collect("polars").to_native()
    return frame.filter(pl.col("indicator_id") == indicator_id)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.indicator_id)
def test_who_counts_and_who_is_fulfilled(store, protocol, case):
    only = [one for one in INDICATORS if one.id == case.indicator_id]
    table = person_table(
        indicator_tables(only, store(case.given), protocol).by_name, case.indicator_id
    )
    if case.indicator_id in {"feedback_recent", "goals_recent", "suicide_screen_yearly"}:
        table = table.filter(pl.col("period_end") == date(2014, 9, 30))
    found = {
        row["patient_id"]: (row["in_denominator"], row["in_numerator"], row["is_missing"])
        for row in table.iter_rows(named=True)
    }
    assert found == case.persons


@pytest.mark.parametrize(
    ("indicator_id", "where", "known_until"),
    [
        *(
            (indicator_id, PATIENT, {"step_cutoff_date": on(6)})
            for indicator_id in (
                "suicide_screen_start", "assessed_in_time", "therapist_changed", "feedback_recent",
                "no_show_followed_up",
            )
        ),
        ("started_in_time", STAY, {"cutoff_date": on(13)}),
        ("day_after_inpatient", STAY, {"cutoff_date": on(113)}),
        ("ambulatory_after_inpatient", STAY, {"cutoff_date": on(113)}),
    ],
)  # fmt: skip
def test_nobody_is_due_after_the_cut_off_of_the_form_that_answers(
    store, protocol, indicator_id, where, known_until
):
    (case,) = (case for case in CASES if case.indicator_id == indicator_id)
    given = case.given | {where: [row | known_until for row in case.given[where]]}
    only = [one for one in INDICATORS if one.id == indicator_id]
    table = person_table(indicator_tables(only, store(given), protocol).by_name, indicator_id)
    assert not table["in_denominator"].any()


def test_a_unit_that_registers_no_steps_has_no_result_instead_of_failures(store, protocol):
    given = {
        PATIENT: [*people("a b"), *people("c", unit_id="south"), *people("d", unit_id=None)],
        STEP: steps("suicide_screen", a=1),
    }
    only = [one for one in INDICATORS if one.id == "suicide_screen_start"]
    made = indicator_tables(only, store(given), protocol).by_name
    assert set(person_table(made, "suicide_screen_start")["patient_id"]) == {"a", "b"}
    units = made["quality.indicator"].filter(period_type="year")
    assert dict(units.select("unit_id", "denominator").iter_rows()) == {
        "all": 2, "north": 2, "south": 0
    }  # fmt: skip


def test_who_is_in_two_stays_counts_at_the_unit_of_the_longer_one(store, protocol):
    longer, shorter = {"unit_id": "north"}, {"unit_id": "south"}
    given = {
        PATIENT: people("a"),
        STAY: [{**stay("a", 0), **longer}, {**stay("a", 20), "pathway": "other", **shorter}],
        STEP: steps("goals_set", a=150),
    }
    only = [one for one in INDICATORS if one.id == "goals_recent"]
    made = person_table(indicator_tables(only, store(given), protocol).by_name, "goals_recent")
    assert set(made["unit_id"]) == {"north"}


def test_every_process_indicator_has_a_case():
    kvarus = {one.id for one in INDICATORS if one.definition.source.startswith("KVARUS")}
    assert {one.id for one in INDICATORS} - kvarus == {case.indicator_id for case in CASES}


def test_there_are_about_thirty_beside_the_four_of_kvarus():
    assert len(INDICATORS) >= 34
    assert len({one.id for one in INDICATORS}) == len(INDICATORS)


def test_a_state_counts_once_a_quarter_and_once_a_year(store, protocol):
    """By the last interview of the period: own, then homeless, then own again the next quarter."""
    days = {0: "own", 20: "homeless", 100: "own"}
    interviews = [
        {"patient_id": "a", "interview_date": on(day), "housing": home}
        for day, home in days.items()
    ]
    only = [one for one in INDICATORS if one.id == "suitable_housing"]
    frames = store({PATIENT: people("a"), INTERVIEW: interviews})
    made = indicator_tables(only, frames, protocol).by_name
    rows = made["quality.indicator"].filter(unit_id="all").sort("period_type", "period_start")
    assert rows.select("period_type", "numerator", "denominator").rows() == [
        ("quarter", 0, 1),
        ("quarter", 1, 1),
        ("year", 1, 1),
    ]
    persons = person_table(made, "suitable_housing").sort("period_start")
    assert persons["in_year"].to_list() == [False, True]


def test_visits_are_provisional_until_the_last_window_of_the_period_has_closed(store, protocol):
    """Of the visits planned late in December only those held early are known on the 31st."""
    visits = [
        {"patient_id": id_, "wave": 1, "due_day": due, "status": "completed"}
        for id_, due in (("a", 91), ("b", 235))
    ]
    only = [one for one in INDICATORS if one.id == "waves_delivered"]
    given = {PATIENT: people("a b"), INTERVIEW: [{"patient_id": "a"}], VISIT: visits}
    made = indicator_tables(only, store(given), protocol).by_name["quality.indicator"]
    rows = made.filter(unit_id="all", period_type="quarter").sort("period_start")
    assert rows["hidden_reason"].to_list() == ["small_denominator", "provisional"]


@pytest.mark.parametrize(
    ("behind", "of_all"), [(date(2014, 10, 1), "provisional"), (date(2013, 6, 1), None)]
)
def test_a_unit_s_year_is_open_until_its_own_sender_has_told_of_all_of_it(
    store, protocol, behind, of_all
):
    """All units together wait for the unit behind, unless it stopped a year ago."""
    persons = [*people("a", cutoff_date=behind), *people("b", unit_id="south")]
    appointments = [
        {"patient_id": id_, "scheduled_date": on(day), "unit_id": unit, "status": "attended"}
        for id_, unit in (("a", "north"), ("b", "south"))
        for day in range(20)
    ]
    only = [one for one in INDICATORS if one.id == "no_show"]
    frames = store({PATIENT: persons, APPOINTMENT: appointments})
    made = indicator_tables(only, frames, protocol).by_name["quality.indicator"]
    years = made.filter(period_type="year").select("unit_id", "hidden_reason")
    assert dict(years.iter_rows()) == {"all": of_all, "north": "provisional", "south": None}


def test_a_year_of_steps_is_open_until_the_steps_of_all_of_it_are_known(store, protocol):
    """North's last delivery came without the steps; what others answer is known all the same."""
    north, south = ([f"{unit}_{n}" for n in range(20)] for unit in ("north", "south"))
    known, behind = {"cutoff_date": date(2015, 6, 1)}, {"step_cutoff_date": date(2014, 10, 1)}
    persons = [
        *people(" ".join(north), **known, **behind),
        *people(" ".join(south), **known, unit_id="south"),
    ]
    appointments = [
        {"patient_id": id_, "scheduled_date": on(1), "unit_id": id_[:5], "status": "attended"}
        for id_ in (*north, *south)
    ]
    assessed = steps("dropout_checklist", **dict.fromkeys((*north, *south), 5))
    frames = store({PATIENT: persons, APPOINTMENT: appointments, STEP: assessed})
    only = [one for one in INDICATORS if one.id in {"no_show", "dropout_risk_assessed"}]
    made = indicator_tables(only, frames, protocol).by_name["quality.indicator"]
    years = made.filter(period_type="year").select("indicator_id", "unit_id", "hidden_reason")
    assert {row[:2]: row[2] for row in years.iter_rows()} == {
        ("dropout_risk_assessed", "all"): "provisional",
        ("dropout_risk_assessed", "north"): "provisional",
        ("dropout_risk_assessed", "south"): None,
        ("no_show", "all"): None,
        ("no_show", "north"): None,
        ("no_show", "south"): None,
    }


def test_events_are_numbered_within_the_person_and_quarter(store, protocol):
    given = [
        {"patient_id": "a", "scheduled_date": on(day), "unit_id": "north", "status": "attended"}
        for day in (0, 7, 100)
    ]
    only = [one for one in INDICATORS if one.id == "no_show"]
    frames = store({PATIENT: people("a"), APPOINTMENT: given})
    rows = person_table(indicator_tables(only, frames, protocol).by_name, "no_show")
    assert rows.sort("period_start", "item_no")["item_no"].to_list() == [1, 2, 1]


def test_the_counts_are_those_of_the_rows_behind_them(store, protocol):
    """One frame, two booleans: the numerator is of the denominator, in the same period."""
    everything: dict[str, list[dict[str, Any]]] = {}
    for number, case in enumerate(CASES):
        for table, rows in case.given.items():
            named = [{**row, "patient_id": f"{row['patient_id']}{number}"} for row in rows]
            everything.setdefault(table, []).extend(named)
    frames = store(everything)
    made = indicator_tables(INDICATORS, frames, protocol).by_name
    rows = made["quality.indicator_person"].collect("polars").to_native()
    assert not rows.filter(pl.col("in_denominator") == pl.col("in_numerator").is_null()).height
    counted = (
        rows.filter("in_denominator")
        .group_by("indicator_id", "unit_id", quarter="period_start")
        .agg(
            numerator=pl.col("in_numerator").cast(pl.Int64).sum(),
            denominator=pl.len().cast(pl.Int64),
            n_missing=pl.col("is_missing").cast(pl.Int64).sum(),
        )
    )
    applied = applicable(INDICATORS, frames)
    direct = cells(applied, frames, protocol).filter(period_type="quarter").drop("period_type")
    order = ["indicator_id", "unit_id", "quarter"]
    assert counted.sort(order).rows() == direct.select(counted.columns).sort(order).rows()
    assert set(direct["indicator_id"]) >= {*SINGLE} - {
        "dropout_checklist",
        "suicide_screen",
        "family_therapy",
    }


def test_quarter_ends_are_calendar_days_within_the_span():
    assert quarter_ends(date(2014, 3, 31), date(2015, 1, 1)) == [
        date(2014, 3, 31),
        date(2014, 6, 30),
        date(2014, 9, 30),
        date(2014, 12, 31),
    ]
    assert quarter_ends(date(2014, 4, 1), date(2014, 6, 29)) == []
