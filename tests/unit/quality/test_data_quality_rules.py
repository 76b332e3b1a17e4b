"""Every check type of data quality on a few rows: what it looks at, and what breaks it.

A case is the rows given, then rows looked at and rows that break the rule, as arithmetic on them.
"""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import pytest

from registry_pipeline.data_quality import checks
from registry_pipeline.data_quality.engine import PASSES, data_quality
from registry_pipeline.data_quality.rule import Pass, Rule
from schemas.protocol_programmes import Programmes, Total

INTERVIEW, PATIENT, EPISODE = "core.interview", "core.patient", "core.episode"
VISIT, USE, LEDGER = "core.visit", "core.substance_use", "meta.delivery"
DAY = date(2014, 5, 1)
HSCL10 = " ".join(f"hscl10_{number}" for number in range(1, 11))


class Case(NamedTuple):
    """Rows by table, and what a rule says of them."""

    rule_id: str
    where: str
    rows: dict[str, list[dict[str, Any]]]
    checked_and_failed: tuple[int, int]


def rows(columns: str, *cells: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(columns.split(), row, strict=True)) for row in cells]


def of(table: str, columns: str, *cells: tuple[Any, ...]) -> dict[str, list[dict[str, Any]]]:
    return {table: rows(columns, *cells)}


def visits_of(unit: str, wave: int, due_day: int, told: int, untold: int) -> dict[str, Any]:
    """People of a unit with one visit each, so many with a row and so many without."""
    people = [f"{unit} {wave} {due_day} {number}" for number in range(told + untold)]
    visits = [
        (person, wave, due_day, True, DAY if number < told else None)
        for number, person in enumerate(people)
    ]
    return {
        PATIENT: rows("patient_id unit_id cutoff_day", *((one, unit, 730) for one in people)),
        VISIT: rows("patient_id wave due_day is_due interview_date", *visits),
    }


def together(*parts: dict[str, Any]) -> dict[str, Any]:
    tables = {name: [row for part in parts for row in part.get(name, [])] for name in parts[0]}
    lines = (("2014-Q3", date(2014, 10, 1)), ("2014-Q4", date(2015, 1, 1)))
    told = ((name, "interviews", "accepted", "full", day) for name, day in lines)
    return tables | {LEDGER: rows("delivery form status kind extracted_on", *told)}


HOUSING = of(
    INTERVIEW,
    "status housing",
    ("completed", "own"),
    ("partial", "unknown"),
    ("completed", None),
    ("missed", None),
)
CASES = [
    Case(
        "rows_in_band",
        "core.visit:interview_date",
        together(
            visits_of("north", 1, 90, 19, 1),
            visits_of("north", 1, 660, 9, 1),  # 9 of 10 after 19 of 20
            visits_of("south", 1, 90, 19, 1),
            visits_of("south", 1, 660, 2, 8),  # 2 of 10 after 19 of 20
            visits_of("south", 2, 660, 3, 3),  # nothing before
            visits_of("west", 1, 90, 20, 0),
            visits_of("west", 1, 660, 0, 2),  # too few to say
        ),
        (2, 1),
    ),
    Case(
        "unit_delivered",
        "core.unit:unit_id",
        {
            "core.unit": rows("unit_id", ("north",), ("south",)),
            PATIENT: rows("patient_id unit_id", ("a", "north"), ("b", None)),
        },
        (2, 1),
    ),
    Case(
        "outcome_has_start",
        "core.episode:start_date",
        of(
            EPISODE,
            "start_date exit_type",
            (DAY, "moved"),
            (None, "planned_mutual"),
            (None, "never_met"),
            (DAY, None),
        ),
        (4 - 2, 1),
    ),
    Case(
        "referred_before_start",
        "core.episode:referred_date",
        of(
            EPISODE,
            "referred_date start_date",
            (DAY, DAY),
            (date(2014, 5, 2), DAY),
            (DAY, None),
            (None, DAY),
        ),
        (4 - 2, 1),
    ),
    Case(
        "used_by_someone",
        "core.substance_use:substance",
        of(
            USE,
            "substance is_group days",
            ("heroin", False, 0),
            ("heroin", False, 3),
            ("doping", False, 0),
            ("tea", False, None),
            ("any", True, 3),
        ),
        (2, 1),
    ),
    Case(
        "parts_add_up",
        "core.goal_count:n",
        of(
            "core.goal_count",
            "goal_id step n period_start period_end",
            ("bridging", "identified", 275, DAY, DAY),
            ("bridging", "conversation", 228, DAY, DAY),
            ("bridging", "declined", 40, DAY, DAY),
            ("bridging", "unable", 6, DAY, DAY),
            ("bridging", "identified", 10, date(2014, 6, 1), DAY),
            ("bridging", "contact", 86, DAY, DAY),
        ),
        (275, 275 - 228 - 40 - 6),
    ),
    Case(
        "coverage",
        "core.patient:enrolled",
        of(PATIENT, "enrolled", (True,), (True,), (False,)),
        (3, 1),
    ),
    Case("missing", "core.interview:housing", HOUSING, (4 - 1, 1)),
    Case("missing_or_unknown", "core.interview:housing", HOUSING, (4 - 1, 1 + 1)),
    Case(
        "missing_or_unknown",
        "core.patient:sex",
        of(PATIENT, "enrolled sex", (True, "male"), (True, "unknown"), (False, "unknown")),
        (3 - 1, 1),
    ),
    Case(
        "missing_or_unknown",
        "core.episode:exit_type",
        of(
            EPISODE,
            "start_date end_date exit_type",
            (DAY, DAY, "moved"),
            (DAY, DAY, "unknown"),
            (DAY, None, None),
        ),
        (3 - 1, 1),
    ),
    Case(
        "score_lost",
        "core.interview:hscl10_score",
        of(INTERVIEW, "hscl10_1 hscl10_score", (1, 1.0), (1, None), (None, None)),
        (3 - 1, 1),
    ),
    Case(
        "use_answered",
        "core.substance_use:state",
        {
            INTERVIEW: rows("patient_id wave", ("a", 0)),
            USE: rows(
                "patient_id wave is_group state",
                ("a", 0, False, "abstinent"),
                ("a", 0, False, "not_asked"),
                ("a", 0, True, "not_asked"),
                ("a", 1, False, "missed"),
            ),
        },
        (4 - 2, 1),
    ),
    Case(
        "wave_complete",
        "core.visit:status",
        of(
            VISIT,
            "status",
            ("completed",),
            ("partial",),
            ("missed",),
            ("out_of_treatment",),
            ("dead",),
            ("not_due",),
        ),
        (6 - 2, 2),
    ),
    Case(
        "held_back",
        "core.event",
        {
            "core.event": [{}, {}],
            "meta.held": rows(
                "form row_key rule_id",
                ("events", "x", "after_death"),
                ("events", "x", "after_cutoff"),
                ("episodes", "y", "after_death"),
            ),
        },
        (2 + 1, 1),
    ),
    Case(
        "delivered_in_time",
        "core.interview:interview_date",
        {
            INTERVIEW: rows(
                "patient_id interview_date", ("a", date(2014, 5, 31)), ("b", date(2014, 6, 1))
            ),
            "intake.interviews": rows(
                "patient_id interview_date delivery is_retraction",
                ("a", date(2014, 5, 31), "2014-Q3", False),  # 123 days to 1 October
                ("b", date(2014, 6, 1), "2014-Q3", False),  # 122 days
                ("b", date(2014, 6, 1), "2014-Q4", False),  # again, later
            ),
            LEDGER: rows(
                "delivery extracted_on",
                ("2014-Q3", date(2014, 10, 1)),
                ("2014-Q4", date(2015, 1, 1)),
            ),
        },
        (2, 1),
    ),
    Case(
        "off_window",
        "core.interview:visit_window",
        of(INTERVIEW, "wave visit_window", (0, "on_time"), (1, "off_window"), (None, None)),
        (3 - 1, 1),
    ),
    Case(
        "extracted_soon",
        "meta.delivery:extracted_on",
        of(
            LEDGER,
            "status kind quarter extracted_on",
            ("accepted", "full", "2014-Q4", date(2015, 12, 31)),
            ("accepted", "full", "2014-Q4", date(2016, 1, 1)),
            ("accepted", "correction", "2014-Q4", date(2999, 1, 1)),  # moves no cut-off
            ("refused", "full", "2014-Q4", date(2999, 1, 1)),
            ("refused", None, None, None),
        ),
        (2, 1),
    ),
    Case(
        "refused_files",
        "meta.delivery:status",
        of(LEDGER, "status", ("accepted",), ("refused",)),
        (2, 1),
    ),
    Case(
        "quarantined",
        "meta.delivery:n_quarantined",
        of(LEDGER, "status n_received n_quarantined", ("accepted", 10, 2), ("refused", 5, 5)),
        (10, 2),
    ),
    Case(
        "soft_warning",
        "meta.delivery:n_warning",
        of(LEDGER, "n_accepted n_warning", (8, 3)),
        (8, 3),
    ),
    Case(
        "unit_known",
        "core.appointment:unit_id",
        of("core.appointment", "unit_id", ("north",), ("elsewhere",), (None,)),
        (3 - 1, 1),
    ),
    Case(
        "pathway_known",
        "core.episode:pathway",
        of(EPISODE, "pathway start_date", ("gp", DAY), ("other", DAY)),
        (2, 1),
    ),
    Case(
        "substance_known",
        "core.toxicology:substance",
        of("core.toxicology", "substance", ("heroin",), ("tea",)),
        (2, 1),
    ),
    Case(
        "recall_period_known",
        "core.interview:recall_days",
        of(INTERVIEW, "recall_days", (28,), (31,), (None,)),
        (3 - 1, 1),
    ),
    Case(
        "item_code_known",
        "core.interview:dudit_10",
        of(INTERVIEW, "dudit_10", (2,), (3,), (None,)),
        (3 - 1, 1),
    ),
    Case(
        "no_answers_unheld",
        "core.interview",
        of(INTERVIEW, "status crime_days", ("missed", None), ("refused", 0), ("partial", None)),
        (3 - 1, 1),
    ),
    Case(
        "answers_when_held",
        "core.interview",
        {
            INTERVIEW: rows(
                "patient_id wave status crime_days",
                ("a", 0, "completed", None),
                ("b", 0, "completed", 0),
                ("c", 0, "completed", None),
                ("d", 0, "missed", None),
            ),
            USE: rows("patient_id wave is_group state", ("c", 0, False, "abstinent")),
        },
        (4 - 1, 1),
    ),
    Case(
        "one_per_wave",
        "core.interview:wave",
        of(INTERVIEW, "status wave", ("completed", 0), ("completed", None), ("missed", None)),
        (3 - 1, 1),
    ),
    Case(
        "possible_duplicate",
        "core.patient",
        of(
            PATIENT,
            "sex birth_year municipality_code consent_date treatment_start_day",
            ("male", 1970, "4601", DAY, -100),
            ("male", 1970, "4601", DAY, -100),
            ("male", 1980, "4601", DAY, -100),
            ("male", None, "4601", DAY, -100),
        ),
        (4 - 1, 2),
    ),
    Case(
        "planned_wave_agrees",
        "core.interview:planned_wave",
        of(INTERVIEW, "wave planned_wave", (0, 0), (0, 1), (0, None)),
        (3 - 1, 1),
    ),
    Case(
        "recall_period_kept",
        "core.interview:recall_days",
        of(
            INTERVIEW,
            "patient_id wave recall_days",
            ("a", 0, 28),
            ("a", 1, 30),
            ("a", 2, 30),
            ("b", 0, 90),
        ),
        (4 - 2, 1),
    ),
    Case(
        "medicine_in_treatment",
        "core.interview:oat_medicine",
        {
            INTERVIEW: rows(
                "patient_id wave oat_medicine",
                ("a", 0, "methadone"),
                ("b", 0, "none"),
                ("c", 0, "none"),
            ),
            VISIT: rows("patient_id wave pathway", ("a", 0, "gp"), ("b", 0, "gp"), ("c", 0, None)),
        },
        (3 - 1, 1),
    ),
    Case(
        "injection_within_use",
        "core.interview:injection_days",
        {
            INTERVIEW: rows(
                "patient_id wave injection_days", ("a", 0, 2 + 3), ("b", 0, 5 + 1), ("c", 0, 9)
            ),
            USE: rows(
                "patient_id wave is_group days state",
                ("a", 0, False, 2, "episodic"),
                ("a", 0, False, 3, "episodic"),
                ("b", 0, False, 5, "episodic"),
                ("b", 0, True, 28, "regular"),
                ("c", 0, False, None, "not_asked"),
            ),
        },
        (3 - 1, 1),
    ),
    Case(
        "same_answer_throughout",
        "core.interview:hscl10_score",
        of(INTERVIEW, HSCL10, (1,) * 10, (3,) * 10, (2, *(3,) * 9), (None, *(3,) * 9)),
        (4 - 1, 1),
    ),
    Case(
        "agrees_with_toxicology",
        "core.toxicology:result",
        {
            INTERVIEW: rows("patient_id wave interview_day", ("a", 0, 100)),
            USE: rows(
                "patient_id wave substance days recall_days",
                ("a", 0, "heroin", 0, 28),
                ("a", 0, "cannabis", 3, 28),
            ),
            "core.toxicology": rows(
                "patient_id substance sample_day result",
                ("a", "heroin", 100 - 27, "positive"),
                ("a", "cannabis", 100 - 27, "positive"),
                ("a", "heroin", 100 - 28, "positive"),  # before the recall period
                ("a", "heroin", 100 + 1, "positive"),  # after the interview
                ("a", "heroin", 99, "negative"),
            ),
        },
        (5 - 3, 1),
    ),
    Case(
        "plausible_age",
        "core.patient:birth_year",
        of(
            PATIENT,
            "origin_date birth_year",
            (DAY, 2014 - 15),
            (DAY, 2014 - 16),
            (DAY, 2014 - 90),
            (DAY, 2014 - 91),
            (DAY, None),
        ),
        (5 - 1, 2),
    ),
    Case(
        "no_overlap",
        "core.episode:start_date",
        of(
            EPISODE,
            "patient_id pathway start_date end_date",
            ("a", "gp", date(2014, 1, 1), date(2014, 2, 1)),
            ("a", "gp", date(2014, 2, 1), date(2014, 3, 1)),
            ("a", "gp", date(2014, 2, 28), None),  # before the end of the one before
            ("a", "gp", date(2014, 9, 1), None),  # the one before never ended
            ("b", "gp", date(2014, 1, 1), None),
        ),
        (5 - 2, 2),
    ),
    Case(
        "ends_by_death",
        "core.episode:end_date",
        {
            PATIENT: rows("patient_id death_day", ("a", 50), ("b", None)),
            EPISODE: rows(
                "patient_id start_date end_day",
                ("a", DAY, 50),
                ("a", DAY, 51),
                ("a", DAY, None),
                ("b", DAY, None),
            ),
        },
        (4 - 1, 2),
    ),
    Case(
        "contact_after_identified",
        "core.outreach_contact:centre_contact_date",
        of(
            "core.outreach_contact",
            "identified_date centre_contact_date",
            (DAY, DAY),
            (DAY, date(2014, 4, 30)),
            (DAY, None),
        ),
        (3 - 1, 1),
    ),
]


@pytest.fixture
def protocol(protocol):
    """The protocol with a total: conversation, declined and unable are the identified."""
    parts = ("conversation", "declined", "unable")
    total = Total(goal="bridging", whole="identified", parts=parts)
    return protocol.model_copy(update={"programmes": Programmes(totals=(total,))})


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule_id}-{case.where}" for case in CASES])
def test_a_check_counts_what_it_looks_at_and_what_breaks_it(store, protocol, case):
    def is_it(rule: Rule) -> bool:
        where = f"{rule.table}:{rule.column}" if rule.column else rule.table
        return (rule.check.rule_id, where) == (case.rule_id, case.where)

    passes = [
        Pass(part.rows, lambda _, rules=rules: rules)
        for part in PASSES
        if (rules := [rule for rule in part.rules(protocol) if is_it(rule)])
    ]
    table = data_quality(store(case.rows), protocol, passes)
    n_checked, n_failed = case.checked_and_failed
    assert table.select("n_checked", "n_failed", "share").rows() == [
        (n_checked, n_failed, n_failed / n_checked)
    ]


def test_every_check_type_has_a_case():
    known = {item.rule_id for item in vars(checks).values() if isinstance(item, checks.Check)}
    assert {case.rule_id for case in CASES} == known
