"""What is done with the drop-out programme's people: appointments and steps of the treatment.

Belongs here: the appointments and process_events forms of the cohort `tsb`.
Does not belong here: stays (see `tsb_stays`), answers (see `tsb_answers`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.draw import Bools, Floats, Ints, pick
from registry_pipeline.synthetic.tsb_stays import CHECKLISTS_FROM, CUT_OFF

APPOINTMENTS: Final = 7
SPACING: Final = 21
STATUS: Final = (
    "no_show",
    "cancelled_late",
    "cancelled_in_time",
    "cancelled_by_unit",
    "attended",
)
ONCE: Final = {
    "treatment_plan": (0.82, 0, 20),
    "crisis_plan": (0.6, 0, 28),
    "individual_plan": (0.35, 10, 90),
    "goals_set": (0.8, 0, 14),
    "suicide_screen": (0.86, 0, 6),
    "overdose_risk_talk": (0.7, 0, 30),
    "naloxone": (0.5, 0, 45),
    "self_help_information": (0.62, 0, 40),
    "self_referral_agreement": (0.3, 20, 80),
    "assessment_done": (0.85, 2, 30),
    "mapping_mental": (0.85, 0, 25),
    "mapping_cognitive": (0.7, 3, 40),
    "mapping_somatic": (0.88, 0, 10),
    "mapping_dental": (0.6, 0, 40),
    "mapping_nutrition": (0.65, 0, 30),
    "mapping_social": (0.8, 0, 30),
    "therapist_change_requested": (0.22, 15, 60),
    "medication_taper": (0.3, 3, 40),
    "finance_help": (0.5, 5, 90),
    "leisure_support": (0.55, 5, 90),
    "gender_adaptation": (0.5, 0, 30),
    "language_adaptation": (0.2, 0, 20),
}
"""Steps taken once in a first stay: share of people, and from and up to which day of it."""
AGAIN: Final = {
    "goals_reviewed": (0.75, 75),
    "evaluation": (0.85, 45),
    "coordination_meeting": (0.5, 70),
    "gp_contact": (0.55, 60),
}
"""Steps taken again and again: share of the times it is done, and every how many days."""
METHODS: Final = {
    "motivational_interviewing": 0.7,
    "cognitive_therapy": 0.55,
    "physical_activity": 0.5,
    "music_therapy": 0.3,
    "twelve_step": 0.25,
}


def draw_appointments(people: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The appointments form: a series of appointments from the referral on.

    At the youth unit people under 23 miss half of them until the checklist comes, a third after;
    the last appointments of the period lie ahead of the cut-off and are not in the delivery.
    """
    rows = people.join(pl.DataFrame({"turn": range(APPOINTMENTS)}), how="cross")
    n = rows.height
    day = rows["referred"].to_numpy() + 7 + SPACING * rows["turn"].to_numpy()
    day = day + rng.integers(0, 9, n)
    young = (rows["age"] < 23).to_numpy()
    youth_unit = (rows["unit_id"] == "oslo").to_numpy()
    missed = np.where(young, 0.28, 0.14)
    missed = np.where(youth_unit & young, np.where(day < CHECKLISTS_FROM, 0.52, 0.3), missed)
    chance = np.clip(missed + 0.05 * rows["severity"].to_numpy(), 0.03, 0.9)
    status = np.stack([chance, *(np.full(n, share) for share in (0.04, 0.07, 0.03))]).cumsum(axis=0)
    code = (rng.random(n) >= status).sum(axis=0)
    return (
        rows.with_columns(
            scheduled_date=day,
            status=pick(STATUS, code),
            appointment_type=pl.when(pl.col("turn") == 0)
            .then(pl.lit("first"))
            .otherwise(pl.lit("treatment")),
        )
        .filter(pl.col("scheduled_date") <= CUT_OFF)
        .sort("scheduled_date", "patient_id")
    )


def draw_process_events(
    stays: pl.DataFrame, appointments: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    """The process_events form: the programme's own tools and the steps the guideline asks for."""
    met = stays.filter(pl.col("turn") == 0, pl.col("start_date").is_not_null()).with_columns(
        until=pl.col("end_date").fill_null(CUT_OFF)
    )
    parts = [
        *_programme(stays, met, rng),
        *_guideline(met, rng),
        *_after_no_show(appointments, rng),
        *_therapist(met, rng),
    ]
    steps = pl.concat(parts, how="diagonal_relaxed").filter(pl.col("event_date") <= CUT_OFF)
    key = ["patient_id", "event_date", "kind", "method"]
    return steps.unique(key, keep="first", maintain_order=True).sort(key, nulls_last=True)


def _step(rows: pl.DataFrame, kind: str, day: pl.Expr | Ints, done: Bools) -> pl.DataFrame:
    """The rows of one kind of step, where it is done, on its day."""
    on = pl.Series(day) if isinstance(day, np.ndarray) else day
    dated = rows.with_columns(kind=pl.lit(kind), event_date=on, method=pl.lit(None, pl.String))
    return dated.filter(pl.Series(done))


def _programme(
    stays: pl.DataFrame, met: pl.DataFrame, rng: np.random.Generator
) -> list[pl.DataFrame]:
    """Checklists with a risk level of 1 to 3, milestone meetings, calls, peers, transitions."""
    n, begun = met.height, met["start_date"].to_numpy()
    youth = (met["unit_id"] == "oslo").to_numpy()
    started = youth & (begun >= CHECKLISTS_FROM)
    checked = rng.random(n) < np.where(youth & ~started, 0.1, 0.85)
    risk = np.digitize(met["severity"].to_numpy() + rng.normal(scale=1.0, size=n), [-0.1, 0.8])
    checklist = _step(met, "dropout_checklist", begun + rng.integers(0, 34, n), checked)
    meetings = []
    for turn in range(1, 5):
        day = pl.col("start_date") + 85 * turn + pl.Series(rng.integers(-20, 12, n))
        held = rng.random(n) < np.where(youth, np.where(begun >= CHECKLISTS_FROM, 0.9, 0.5), 0.4)
        meetings.append(_step(met, "milestone_meeting", day, held))
    before = stays.filter("called", pl.col("turn") == 0)
    ahead = pl.col("planned") - pl.Series(rng.integers(1, 8, before.height))
    calls = _step(before, "preadmission_call", ahead, np.ones(before.height, bool))
    sought = stays.filter("reached")
    soon = pl.col("end_date") + pl.Series(rng.integers(1, 13, sought.height))
    peers = _step(sought, "peer_outreach", soon, np.ones(sought.height, bool))
    early = pl.col("until") - pl.Series(rng.integers(2, 12, n))
    planned = _step(met, "transition_planned", early, rng.random(n) < 0.5)
    return [
        checklist.with_columns(score=pl.Series(1.0 + risk[checked])),
        *(_within(meeting) for meeting in meetings),
        calls,
        peers,
        _within(planned),
    ]


def _guideline(met: pl.DataFrame, rng: np.random.Generator) -> list[pl.DataFrame]:
    """The guideline's steps within the first stay."""
    n = met.height
    parts = [
        _step(met, kind, pl.col("start_date") + pl.Series(rng.integers(low, high + 1, n)), done)
        for kind, (share, low, high) in ONCE.items()
        for done in [rng.random(n) < share]
    ]
    for kind, (share, every) in AGAIN.items():
        for turn in range(1, 5):
            day = pl.col("start_date") + every * turn + pl.Series(rng.integers(-12, 13, n))
            parts.append(_step(met, kind, day, rng.random(n) < share))
    first = pl.col("start_date") + pl.Series(rng.integers(3, 9, n))
    parts.append(_step(met, "evaluation", first, rng.random(n) < 0.8))
    young = (met["age"] < 25).to_numpy()
    family = pl.col("start_date") + pl.Series(rng.integers(10, 70, n))
    parts.append(_step(met, "family_therapy", family, young & (rng.random(n) < 0.5)))
    yearly = pl.col("start_date") + pl.Series(rng.integers(330, 380, n))
    parts.append(_step(met, "suicide_screen", yearly, rng.random(n) < 0.6))
    for method, share in METHODS.items():
        offered = rng.random(n) < share
        taken = offered & (rng.random(n) < 0.7)
        on = rng.integers(3, 30, n)
        for kind, done, wait in (("method_offered", offered, 0), ("method_received", taken, 10)):
            rows = _step(met, kind, pl.col("start_date") + pl.Series(on + wait), done)
            parts.append(rows.with_columns(method=pl.lit(method)))
    return [_within(_with_outcome(part, rng)) for part in parts]


def _with_outcome(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Tapering goes by a plan, or without one; the other steps say nothing more."""
    planned = pick(["plan", "no_plan"], (rng.random(rows.height) < 0.25).astype(np.int64))
    tapers = pl.when(pl.col("kind") == "medication_taper")
    return rows.with_columns(outcome=tapers.then(planned))


def _within(rows: pl.DataFrame) -> pl.DataFrame:
    """The steps that come before the stay ends."""
    return rows.filter(pl.col("event_date") <= pl.col("until"))


def _after_no_show(appointments: pl.DataFrame, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Outreach or a changed frame soon after some of the appointments that were missed."""
    missed = appointments.filter(pl.col("status") == "no_show")
    n = missed.height
    how: Floats = rng.random(n)
    peers = (missed["unit_id"] == "stavanger").to_numpy() & (how < 0.5)
    day = pl.col("scheduled_date") + pl.Series(rng.integers(1, 22, n))
    return [
        _step(missed, "peer_outreach", day, peers),
        _step(missed, "frame_changed", day, ~peers & (how < 0.45)),
    ]


def _therapist(met: pl.DataFrame, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Feedback sessions, and a new therapist for most who asked for one."""
    n = met.height
    uses = met["unit_id"].is_in(["unn", "oslo"]).to_numpy()
    sessions = [
        _step(met, "feedback_session", pl.col("start_date") + day, uses & (rng.random(n) < 0.85))
        for day in (14, 28, 42, 100)
    ]
    day = pl.col("start_date") + pl.Series(rng.integers(62, 90, n))
    made = _step(met, "therapist_change_made", day, rng.random(n) < 0.2)
    return [_within(part) for part in (*sessions, made)]
