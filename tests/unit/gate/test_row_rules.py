"""Rules between the cells of a row: one bad row and its rule, beside one good row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.forms import FORMS, form_table
from schemas.protocol import Protocol
from schemas.rules import HAPPENED, row_rules

STAY = "patient_id,pathway,start_date,end_date,planned_start_date,exit_type"
USE = "patient_id,interview_date,status,recall_days,heroin_days,injection_days,crime_days"
DUDIT = "patient_id,interview_date,status,dudit_9,dudit_10,dudit_11"
VISIT = "patient_id,unit_id,scheduled_date,status"
COUNT = "goal_id,period_start,period_end,step,n"

HARD = [
    ("interviews", USE, "P1,2014-05-01,completed,,28,28,28", None, None),
    ("interviews", USE, "P1,2014-05-01,completed,,29,,", "heroin_days", "days_over_recall"),
    ("interviews", USE, "P1,2014-05-01,completed,30,30,31,", "injection_days", "days_over_recall"),
    ("interviews", USE, "P1,2014-05-01,completed,90,,,90", None, None),
    ("interviews", USE, "P1,2014-05-01,completed,90,,,91", "crime_days", "out_of_range"),
    ("interviews", USE, "P1,2014-05-01,completed,60,,,", "recall_days", "unknown_recall_period"),
    ("interviews", USE, "P1,2014-10-02,completed,,,,", "interview_date", "after_extraction"),
    ("interviews", USE, "P1,2014-10-01,completed,,,,", None, None),
    ("interviews", DUDIT, "P1,2014-05-01,completed,3,4,0", None, None),
    ("interviews", DUDIT, "P1,2014-05-01,completed,,1,", "dudit_10", "unknown_score"),
    ("interviews", DUDIT, "P1,2014-05-01,completed,,,3", "dudit_11", "unknown_score"),
    ("episodes", STAY, "P1,gp_alone,2014-05-01,2014-05-01,,unknown", None, None),
    ("episodes", STAY, "P1,gp_alone,2014-05-01,2014-04-30,,", "end_date", "end_before_start"),
    ("episodes", STAY, "P1,gp_alone,,2014-05-01,,", "start_date", "start_missing"),
    ("episodes", STAY, "P1,gp_alone,,,2015-01-01,never_met", None, None),
    (
        "episodes",
        STAY,
        "P1,gp_alone,,,,never_met",
        "planned_start_date",
        "never_met_not_planned",
    ),
    ("episodes", STAY, "P1,ward,2014-05-01,,,", "pathway", "unknown_pathway"),
    ("episodes", STAY, "P1,gp_alone,2014-05-01,2014-10-02,,", "end_date", "after_extraction"),
    ("appointments", VISIT, "P1,u,2014-11-01,cancelled_in_time", None, None),
    (
        "appointments",
        VISIT,
        "P1,u,2014-11-01,attended",
        "scheduled_date",
        "attendance_after_extraction",
    ),
    ("goal_counts", COUNT, "g,2014-04-01,2014-03-31,talks,3", "period_end", "end_before_start"),
    ("goal_counts", COUNT, "g,2014-04-01,2014-12-31,talks,3", None, None),
    (
        "patients",
        "patient_id,consent,assigned_pathway",
        "P1,consented,ward",
        "assigned_pathway",
        "unknown_pathway",
    ),
    (
        "patients",
        "patient_id,consent,primary_substance",
        "P1,consented,coffee",
        "primary_substance",
        "unknown_substance",
    ),
]


@pytest.mark.parametrize("case", HARD, ids=lambda case: f"{case[0]}: {case[2]}")
def test_a_row_rule(
    gate: Callable[..., Any], case: tuple[str, str, str, str | None, str | None]
) -> None:
    form, header, row, column, rule_id = case
    judged = gate(f"{form}.csv", f"{header}\n{row}\n")
    assert judged.rules == ([(1, column, rule_id)] if rule_id else [])


def test_a_fault_of_a_cell_silences_the_rules_that_need_it(gate: Callable[..., Any]) -> None:
    judged = gate("episodes.csv", f"{STAY}\nP1,gp_alone,01/05/2014,2014-04-01,,\n")
    assert judged.rules == [(1, "start_date", "date_format")]


def test_a_protocol_without_codes_allows_any(gate: Callable[..., Any], lar_x: Protocol) -> None:
    bare = lar_x.model_copy(update={"pathways": (), "substances": ()})
    judged = gate("episodes.csv", f"{STAY}\nP1,ward,2014-05-01,,,\n", protocol=bare)
    assert judged.rules == []


def test_stays_that_never_began_are_told_apart_by_their_planned_start(
    gate: Callable[..., Any],
) -> None:
    rows = [
        "P1,gp_alone,,,2014-06-01,never_met",
        "P1,gp_alone,,,2014-07-01,never_met",
        "P1,gp_alone,2014-06-01,,,",
        "P2,gp_alone,2014-06-01,,,",
    ]
    judged = gate("episodes.csv", "\n".join([STAY, *rows]))
    assert judged.rules == [(1, None, "duplicate_key"), (3, None, "duplicate_key")]


def test_soft_rules_warn_count_and_leave_the_rows_accepted(gate: Callable[..., Any]) -> None:
    header = "patient_id,interview_date,status,planned_wave,overdose_count"
    rows = ["P1,2014-05-01,completed,9,21", "P2,2014-05-01,completed,8,20", "P3,x,partial,9,30"]
    judged = gate("interviews.csv", "\n".join([header, *rows]))
    assert judged.accepted["row_number"].to_list() == [1, 2]
    assert sorted(judged.warnings.rows()) == [
        ("overdose_count", "unusual_value", 1),
        ("planned_wave", "wave_not_in_protocol", 1),
    ]
    undated = "patient_id,consent,consent_date\nP1,consented,\nP2,declined,\n"
    assert gate("patients.csv", undated).warnings.rows() == [
        ("consent_date", "consent_without_date", 1)
    ]
    ended = f"{STAY}\nP1,gp_alone,2014-05-01,,,moved\n"
    assert gate("episodes.csv", ended).warnings.rows() == [("exit_type", "exit_without_end", 1)]


def test_every_rule_names_columns_of_its_form(lar_x: Protocol) -> None:
    for form in FORMS:
        columns = set(form_table(form, lar_x).dtypes)
        assert set(HAPPENED.get(form, ())) <= columns
        for rule in row_rules(form, lar_x):
            assert {rule.column, *rule.needs} <= columns
