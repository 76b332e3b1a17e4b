"""What is known of each person at the start: what comparisons adjust for and associations ask of.

Belongs here: one row per person of characteristics and structures, as text or a number.
Does not belong here: outcomes after the start, and which of the factors a model takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame, materialise
from registry_pipeline.transform.outcomes import flag
from registry_pipeline.transform.people import HELD
from schemas.codes import USED_STATES
from schemas.protocol import Protocol

YEAR: Final = 365
LONG: Final = 5 * 365 + 1
TIMES: Final = ("under_1_year", "1_to_4_years", "5_years_and_over")
"""Time in treatment at the origin, cut at one year and at five."""

CONTACTS: Final = ("gp_contact", "coordination_meeting")
"""Kinds of process events that are follow-up by others than the unit."""

ANSWERS: Final = ("stable_housing", "work_or_activity", "drug_free_network")


def baseline_factors(core: Mapping[str, Frame], outcomes: Frame, protocol: Protocol) -> Frame:
    """Everyone enrolled, with what was known at the start.

    Grain: enrolled person. `unknown`, unanswered and not asked are all null here.

    Args:
        core: core.patient, core.interview, core.substance_use, core.process_event.
        outcomes: the rows of `transform.outcomes.outcomes`.
        protocol: the cohort's protocol.

    Returns:
        patient_id; as text sex, age_group, co_occurring_disorder, time_in_treatment (at the
        origin), pathway, unit_id, and from the baseline wave stable_housing, work_or_activity,
        drug_free_network, treatment_plan, crisis_plan, oat_medicine, baseline_use (state of the
        illicit group); as numbers baseline_use_days (of 28) and baseline_hscl10; and per kind of
        `CONTACTS` whether it took place before the first follow-up was due: a landmark that every
        later outcome lies after. Where the form was never delivered nobody has had any.
    """
    at_start = nw.col("wave") == 0
    interview = (
        core["core.interview"]
        .filter(at_start & nw.col("status").is_in(HELD))
        .select(
            "patient_id",
            treatment_plan=_known("treatment_plan"),
            crisis_plan=_known("crisis_plan"),
            oat_medicine=nw.col("oat_medicine"),
            baseline_hscl10=nw.col("hscl10_score"),
        )
    )
    use = (
        core["core.substance_use"]
        .filter(
            at_start
            & (nw.col("substance") == (protocol.illicit_group or ""))
            & nw.col("state").is_in(USED_STATES)
        )
        .select(
            "patient_id",
            baseline_use=nw.col("state"),
            baseline_use_days=nw.col("days_28"),
        )
    )
    answers = outcomes.filter(at_start).select(
        "patient_id", *(_yes_no(nw.col(name) == 1).alias(name) for name in ANSWERS)
    )
    people = core["core.patient"].filter(nw.col("enrolled"))
    for part in (interview, use, answers, _contacts(core["core.process_event"], protocol)):
        people = people.join(part, on="patient_id", how="left")
    return materialise(
        people.select(
            "patient_id",
            "unit_id",
            "oat_medicine",
            "treatment_plan",
            "crisis_plan",
            "baseline_use",
            "baseline_use_days",
            "baseline_hscl10",
            *ANSWERS,
            *(nw.col(kind).fill_null("no").alias(kind) for kind in CONTACTS),
            sex=_known("sex"),
            age_group=_known("age_group"),
            co_occurring_disorder=_yes_no(nw.col("co_occurring_disorder")),
            pathway=nw.col("baseline_pathway"),
            time_in_treatment=_time_in_treatment(),
        )
    )


def _time_in_treatment() -> nw.Expr:
    """How long a person had been in treatment at the origin, as text."""
    days = -nw.col("treatment_start_day")
    under, between, over = (nw.lit(name) for name in TIMES)
    return (
        nw.when(days < YEAR)
        .then(under)
        .when(days < LONG)
        .then(between)
        .when(days >= LONG)
        .then(over)
    )


def _contacts(events: Frame, protocol: Protocol) -> Frame:
    """patient_id and `yes` per kind of contact before the first follow-up."""
    days = protocol.waves.nominal_days
    first_follow_up = days[1] if len(days) > 1 else 0
    yes = {kind: nw.when(nw.col("kind") == kind).then(nw.lit("yes")).max() for kind in CONTACTS}
    return (
        events.filter(nw.col("kind").is_in(CONTACTS) & (nw.col("event_day") < first_follow_up))
        .group_by("patient_id")
        .agg(**yes)
    )


def _known(column: str) -> nw.Expr:
    return nw.when(nw.col(column) != "unknown").then(nw.col(column))


def _yes_no(holds: nw.Expr) -> nw.Expr:
    answer = flag(holds)
    return nw.when(answer == 1).then(nw.lit("yes")).when(answer == 0).then(nw.lit("no"))
