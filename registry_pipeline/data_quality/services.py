"""Rules on contacts and services, and on tests beside what people said.

Belongs here: rules whose rows are events, tests, appointments, process steps, contacts, sheets.
Does not belong here: the programmes' own results (see `derivations.quality`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import narwhals as nw

from registry_pipeline.data_quality import checks
from registry_pipeline.data_quality.rule import Pass, Rule, known, of_rows, unit_known
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame
from registry_pipeline.transform.people import HELD
from schemas.protocol import Protocol

TOXICOLOGY: Final = "core.toxicology"
OUTREACH: Final = "core.outreach_contact"
GOAL: Final = "core.goal_count"
OF_UNITS: Final = (
    "core.event",
    "core.appointment",
    "core.process_event",
    "core.involvement_response",
    "core.goal_count",
)


def _substances(protocol: Protocol) -> Sequence[Rule]:
    codes = [item.code for item in (*protocol.substances, *protocol.groups)]
    return [known(checks.SUBSTANCE_KNOWN, TOXICOLOGY, "substance", codes)]


def _tests_beside_answers(core: Core, _: Protocol) -> Frame:
    """Positive tests within the recall period of an interview, with the days of use it reports.

    One row per test and interview that both speak of the substance and the days.
    """
    held = core["core.interview"].filter(nw.col("status").is_in(HELD), ~nw.col("wave").is_null())
    positive = core[TOXICOLOGY].filter(nw.col("result") == "positive")
    ago = nw.col("interview_day") - nw.col("sample_day")
    before = (  # few rows, and so joined before the many of what anyone said of anything
        positive.select("patient_id", "substance", "sample_day")
        .join(held.select("patient_id", "wave", "interview_day"), on="patient_id")
        .filter(ago >= 0)
    )
    use = core["core.substance_use"].filter(~nw.col("days").is_null())
    said = use.select("patient_id", "wave", "substance", "days", "recall_days")
    return before.join(said, on=["patient_id", "wave", "substance"]).filter(
        ago < nw.col("recall_days")
    )


def _agreement(_: Protocol) -> Sequence[Rule]:
    days = nw.col("days")
    return [
        of_rows(checks.AGREES_WITH_TOXICOLOGY, TOXICOLOGY, "result", ~days.is_null(), days == 0)
    ]


def _outreach(protocol: Protocol) -> Sequence[Rule]:
    contact = nw.col("centre_contact_date")
    return [
        unit_known(OUTREACH, protocol),
        of_rows(
            checks.CONTACT_AFTER_IDENTIFIED,
            OUTREACH,
            "centre_contact_date",
            ~contact.is_null(),
            contact < nw.col("identified_date"),
        ),
    ]


def _totals(core: Core, protocol: Protocol) -> Frame:
    """Each total of the protocol beside the sum of its parts: one row per total and period.

    `has_whole` and `has_parts` are 1 where the total, and any of its parts, was counted.
    """
    period = ["goal_id", "unit_id", "period_start", "period_end"]
    counts = core[GOAL]
    goal, step, n = nw.col("goal_id"), nw.col("step"), nw.col("n")
    rows = [
        counts.filter(goal == total.goal)
        .group_by(period)
        .agg(
            sums
            for name, of in (("whole", step == total.whole), ("parts", step.is_in(total.parts)))
            for sums in (
                nw.when(of).then(n).otherwise(0).sum().cast(nw.Int64).alias(f"n_{name}"),
                nw.when(of).then(1).otherwise(0).max().alias(f"has_{name}"),
            )
        )
        for total in protocol.programmes.totals
    ]
    if rows:
        return nw.concat(rows)
    names = ("n_whole", "has_whole", "n_parts", "has_parts")
    return counts.select(nw.lit(0).alias(name) for name in names).head(0)


def _total_rules(_: Protocol) -> Sequence[Rule]:
    both = nw.col("has_whole") * nw.col("has_parts")
    whole, parts = nw.col("n_whole"), nw.col("n_parts")
    return [Rule(checks.PARTS_ADD_UP, GOAL, "n", both * whole, both * (whole - parts).abs())]


def _of_unit(table: str) -> Pass:
    return Pass(lambda core, _: core[table], lambda protocol: [unit_known(table, protocol)])


SERVICES: Final = (
    Pass(lambda core, _: core[TOXICOLOGY], _substances),
    Pass(_tests_beside_answers, _agreement),
    Pass(lambda core, _: core[OUTREACH], _outreach),
    Pass(_totals, _total_rules),
    *(_of_unit(table) for table in OF_UNITS),
)
