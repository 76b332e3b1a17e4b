"""Stays as the programmes count them: who, how old, planned or not, how they ended, what came next.

Belongs here: one frame of stays that several programme tables read, and the stay after a stay.
Does not belong here: measures of stays (see `quality_dropout`, `quality_detox` and neighbours),
the episodes of retention (see `transform.stays`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.derivations.quality_groups import AGE, DISORDER, people
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame, materialise, with_epoch_days
from schemas.codes import DROP_OUT

TO_TREATMENT: Final = nw.col("next_is_treatment")
"""Of `next_stays`: a pathway out of treatment is a stay too, and nobody is back by it."""

STAY: Final = "stay"
"""The number of a stay, by which it is joined."""

DATES: Final = ["start_date", "end_date", "planned_start_date", "cutoff_date"]
START, END = nw.col("start_date_epoch"), nw.col("end_date_epoch")
UNTIL = nw.col("until_epoch")
"""The day of leaving, else the last day the person is known to have been there."""

PLANNED_START, CUTOFF = nw.col("planned_start_date_epoch"), nw.col("cutoff_date_epoch")
STEPS_CUTOFF = nw.col("steps_cutoff_epoch")
"""The last day on which both the stay and the person's steps of the process are known."""
IS_ENDED, IS_DROPOUT = nw.col("is_ended"), nw.col("is_dropout")


def stay_rows(core: Core) -> Frame:
    """One row per row of core.episode, with its person.

    Adds to the stay's columns `STAY`, the dates as day numbers (`<date>_epoch`, the cut-off of the
    sender's stays among them), `UNTIL` and `STEPS_CUTOFF`, `AGE` at the start or the planned start,
    `DISORDER` as text, and flags that are never null: is_planned (planned, or never met), is_begun,
    is_ended (with an exit), is_open (begun, and still there at the cut-off), is_gone (dead, or
    moved out of the country on the day the stay ended or later), is_dropout, is_unknown_end and
    is_never_met.
    """
    rows = (
        core["core.episode"]
        .join(people(core["core.patient"]).drop("cutoff_date"), on="patient_id", how="left")
        .join(_last_days(core["core.patient"]), on="patient_id", how="left")
    )
    exit_type = nw.col("exit_type").fill_null("")
    begun = ~nw.col("start_date").is_null()
    never = exit_type == "never_met"
    ended = begun & ~nw.col("end_date").is_null() & (exit_type != "")
    year = nw.coalesce("start_date", "planned_start_date").dt.year()
    dated = with_epoch_days(rows, DATES)
    flagged = dated.with_columns(until_epoch=nw.coalesce(END, _last_day())).with_columns(
        (year - nw.col("birth_year")).cast(nw.Int32).alias(AGE),
        steps_cutoff_epoch=nw.min_horizontal(CUTOFF, "step_cutoff_date_epoch"),
        is_planned=nw.col("planned").fill_null(value=False) | never,
        is_begun=begun,
        is_ended=ended,
        is_open=begun & END.is_null() & nw.col("death_epoch").is_null() & (UNTIL == CUTOFF),
        is_gone=~nw.col("death_epoch").is_null()
        | (nw.col("moved_epoch") >= END).fill_null(value=False),
        is_dropout=ended & exit_type.is_in(sorted(DROP_OUT)),
        is_unknown_end=ended & (exit_type == "unknown"),
        is_never_met=never,
    )
    named = ["patient_id", "pathway", "start_date", "planned_start_date", "unit_id"]
    return materialise(
        flagged.with_row_index(STAY, order_by=named).select(
            STAY,
            *named,
            "level",
            "end_date",
            "exit_type",
            "is_treatment",
            "cutoff_date",
            "disorder_treated",
            *(f"{date}_epoch" for date in DATES),
            "until_epoch",
            "steps_cutoff_epoch",
            AGE,
            DISORDER,
            "is_planned",
            "is_begun",
            "is_ended",
            "is_open",
            "is_gone",
            "is_dropout",
            "is_unknown_end",
            "is_never_met",
        )
    )


def _last_days(patients: Frame) -> Frame:
    """patient_id, and in days since 1970 the origin, death, moving out and the steps' cut-off."""
    dated = with_epoch_days(patients, ["origin_date", "step_cutoff_date"])
    origin = nw.col("origin_date_epoch")
    return dated.select(
        "patient_id",
        "step_cutoff_date_epoch",
        origin_epoch=origin,
        death_epoch=origin + nw.col("death_day"),
        moved_epoch=origin + nw.col("moved_day"),
    )


def _last_day() -> nw.Expr:
    """When a stay without an end was last known to go on.

    At the cut-off, unless a later full delivery no longer carried it, or the person died or moved
    out of the country before: senders seldom close the stays of the dead.
    """
    moved = nw.when(nw.col("moved_epoch") >= START).then("moved_epoch")
    seen = nw.col("origin_epoch") + nw.col("last_seen_day")
    return nw.min_horizontal("cutoff_date_epoch", "death_epoch", moved, seen)


def next_stays(stays: Frame, *where: nw.Expr) -> Frame:
    """The first stay that begins after each ended one, on the day it ended or later.

    Args:
        stays: `stay_rows`.
        where: what the next stay must be, of its columns named `next_<column>` for stay, unit_id,
            level, is_planned, is_treatment, start, and of the columns of the first.

    Returns:
        `STAY`, next_start, next_unit, next_level: a row per stay that has a next one.
    """
    after = stays.filter("is_begun").select(
        "patient_id",
        next_stay=STAY,
        next_start="start_date_epoch",
        next_unit="unit_id",
        next_level="level",
        next_is_planned="is_planned",
        next_is_treatment="is_treatment",
    )
    later = (nw.col("next_stay") != nw.col(STAY)) & (nw.col("next_start") >= END)
    pairs = stays.filter(~END.is_null()).join(after, on="patient_id").filter(later, *where)
    first = pairs.unique([STAY], keep="first", order_by=["next_start", "next_stay"])
    return first.select(STAY, "next_start", "next_unit", "next_level")


def steps(core: Core, *kinds: str) -> Frame:
    """Process events of these kinds: patient_id, step_date, step_day (its number), score."""
    chosen = core["core.process_event"].filter(nw.col("kind").is_in(kinds))
    dated = with_epoch_days(chosen, ["event_date"])
    return dated.select("patient_id", "score", step_date="event_date", step_day="event_date_epoch")


def first_step(stays: Frame, events: Frame, within: nw.Expr) -> Frame:
    """Each stay's first event for which `within` holds: `STAY`, step_day, score."""
    pairs = stays.join(events, on="patient_id").filter(within)
    first = pairs.unique([STAY], keep="first", order_by=["step_day", "score"])
    return first.select(STAY, "step_day", "score")
