"""The clinicians' worklist: rules that say who is at risk of dropping out now, and why.

Belongs here: core.worklist. Does not belong here: counting (see the `quality_*` modules).

Rules, not a model: with the few people of a unit a rule that can be checked by hand is worth more
than a risk score, and it says what to do. The list is as of the person's cut-off.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.derivations.quality_people import first_and_last, is_off_track, sessions_of
from registry_pipeline.derivations.quality_stays import (
    CUTOFF,
    END,
    IS_DROPOUT,
    START,
    STAY,
    STEPS_CUTOFF,
    TO_TREATMENT,
    next_stays,
    steps,
)
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame, counts, is_empty, with_epoch_days
from registry_pipeline.transform.shape import shaped
from schemas.core.worklist import Worklist
from schemas.fields import describe
from schemas.protocol import Protocol
from schemas.protocol_programmes import Programmes

SUGGESTION: Final = {
    "missed_appointments": "change_frame",
    "high_risk": "follow_checklist",
    "not_assessed": "assess",
    "milestone_overdue": "hold_meeting",
    "off_track": "talk_it_over",
    "alliance_concern": "talk_it_over",
    "dropped_out": "outreach",
}
MISSED: Final = ("no_show", "cancelled_late")
ROW: Final = ("patient_id", "unit_id", "cutoff_date")
STEP_DAY, STEP_DATE = nw.col("step_day"), nw.col("step_date")


def worklist(core: Core, stays: Frame, protocol: Protocol) -> Frame:
    """core.worklist: one row per person and rule that holds.

    A tool that the cohort has never used has no rule: nobody is overdue for it.

    Args:
        core: core.appointment, core.process_event, core.interview.
        stays: `quality_stays.stay_rows`.
        protocol: its `programmes` say how many and how long.
    """
    rule = protocol.programmes
    begun = stays.filter(nw.col("is_open"), nw.col("is_treatment"))
    now = begun.unique(["patient_id"], keep="last", order_by=["start_date_epoch", STAY])
    used = set(counts(core["core.process_event"], ["kind"])["kind"])
    parts = {"dropped_out": _dropped_out(core, stays, rule)}
    if not is_empty(core["core.appointment"]):
        parts["missed_appointments"] = _missed(core, now, rule)
    sessions = sessions_of(core)
    if not is_empty(sessions):
        parts |= _feedback(sessions, now, rule)
    if "dropout_checklist" in used:
        parts["high_risk"] = _high_risk(core, now, rule)
        parts["not_assessed"] = _not_assessed(core, now, rule)
    if "milestone_meeting" in used:
        parts["milestone_overdue"] = _overdue(core, now, rule)
    rows = nw.concat(
        [
            part.select(
                "patient_id",
                "unit_id",
                "since_date",
                nw.col("number").cast(nw.Float64).alias("number"),
                nw.lit(name).alias("rule"),
                nw.lit(SUGGESTION[name]).alias("suggestion"),
                as_of_date="cutoff_date",
            )
            for name, part in parts.items()
        ]
    )
    return shaped(rows, describe(Worklist), protocol.id)


def _missed(core: Core, now: Frame, rule: Programmes) -> Frame:
    """So many no-shows, or late cancellations, in the stay's days that lie before the cut-off."""
    missed = with_epoch_days(
        core["core.appointment"].filter(nw.col("status").is_in(MISSED)), ["scheduled_date"]
    ).select("patient_id", "scheduled_date", day="scheduled_date_epoch")
    day = nw.col("day")
    lately = now.join(missed, on="patient_id").filter(
        day >= START, day <= CUTOFF, CUTOFF - day < rule.no_show_days
    )
    counted = lately.group_by(*ROW).agg(
        number=nw.len().cast(nw.Int64), since_date=nw.col("scheduled_date").max()
    )
    return counted.filter(nw.col("number") >= rule.no_show_count)


def _high_risk(core: Core, now: Frame, rule: Programmes) -> Frame:
    """The stay's last checklist gave a high level."""
    last = _last_step(core, now, "dropout_checklist")
    rows = now.join(last, on="patient_id").filter(nw.col("score") >= rule.high_risk)
    return rows.with_columns(number="score", since_date="step_date")


def _not_assessed(core: Core, now: Frame, rule: Programmes) -> Frame:
    """No checklist in the stay, and the time for it has passed."""
    assessed = _last_step(core, now, "dropout_checklist").select("patient_id")
    late = now.filter(rule.checklist_days < STEPS_CUTOFF - START)
    rows = late.join(assessed, on="patient_id", how="anti")
    return rows.with_columns(number=nw.lit(None, nw.Int64), since_date="start_date")


def _overdue(core: Core, now: Frame, rule: Programmes) -> Frame:
    """So long since the last milestone meeting of the stay, or since its start."""
    rows = now.join(_last_step(core, now, "milestone_meeting"), on="patient_id", how="left")
    days = STEPS_CUTOFF - nw.coalesce("step_day", "start_date_epoch")
    return rows.filter(days > rule.milestone_days).with_columns(
        number=days, since_date=nw.coalesce("step_date", "start_date")
    )


def _feedback(sessions: Frame, now: Frame, rule: Programmes) -> dict[str, Frame]:
    """The feedback tools' course and alliance in the stay: how an earlier one went is history."""
    dated = with_epoch_days(sessions, ["interview_date"])
    began = now.select("patient_id", "start_date_epoch")
    within = dated.join(began, on="patient_id").filter(nw.col("interview_date_epoch") >= START)
    last = within.group_by("patient_id").agg(since_date=nw.col("interview_date").max())
    rows = now.join(first_and_last(within), on="patient_id").join(last, on="patient_id")
    weak = nw.col("last_srs") < rule.alliance_srs
    return {
        "off_track": rows.filter(is_off_track(rule)).with_columns(number="last_ors"),
        "alliance_concern": rows.filter(weak).with_columns(number="last_srs"),
    }


def _dropped_out(core: Core, stays: Frame, rule: Programmes) -> Frame:
    """A drop-out whose time to return has not passed, neither back, sought out nor gone."""
    lately = stays.filter(IS_DROPOUT, ~nw.col("is_gone"), rule.return_days >= CUTOFF - END)
    back = next_stays(stays, TO_TREATMENT).select(STAY)
    sought = lately.join(steps(core, "peer_outreach"), on="patient_id").filter(STEP_DAY >= END)
    waiting = lately.join(back, on=STAY, how="anti").join(sought.select(STAY), on=STAY, how="anti")
    last = waiting.unique(["patient_id"], keep="last", order_by=["end_date_epoch", STAY])
    return last.with_columns(number=nw.lit(None, nw.Int64), since_date="end_date")


def _last_step(core: Core, now: Frame, kind: str) -> Frame:
    """Each person's last event of a kind since the stay began: step_day, step_date, score."""
    since = now.select("patient_id", "start_date_epoch").join(steps(core, kind), on="patient_id")
    within = since.filter(STEP_DAY >= START)
    last = within.unique(["patient_id"], keep="last", order_by=["step_day", "score"])
    return last.select("patient_id", "step_day", "step_date", "score")
