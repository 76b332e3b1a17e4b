"""The drop-out project's tools: were they used, in time, and what happened with and without.

Belongs here: quality.checklist_use.
Does not belong here: drop-out itself (see `quality_dropout`), feedback tools (see
`quality_people`).

What happened with a tool and without is an association: those who get it differ from those who do
not. A call after the planned start, or outreach after the return, is not counted as a tool used.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.quality_groups import (
    AGE,
    DISORDER,
    GROUP,
    UNIT_QUARTER,
    as_text,
    by_group,
    in_quarter,
    tally,
)
from registry_pipeline.derivations.quality_programmes import (
    Setting,
    in_quarters,
    measure,
    programme,
    rolled,
    shares,
)
from registry_pipeline.derivations.quality_stays import (
    END,
    IS_DROPOUT,
    IS_ENDED,
    PLANNED_START,
    START,
    STAY,
    STEPS_CUTOFF,
    TO_TREATMENT,
    UNTIL,
    first_step,
    next_stays,
    steps,
)
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame, counts, each_number
from schemas.quality.programmes import ChecklistUse

N: Final = pl.col("n")
CELL: Final = [*UNIT_QUARTER, AGE, DISORDER]
Maker = Callable[[Core, Frame, Setting], pl.DataFrame]
STEP_DAY: Final = nw.col("step_day")
EPOCH: Final = date(1970, 1, 1)


def checklist_use(core: Core, stays: Frame, where: Setting) -> pl.DataFrame:
    """quality.checklist_use by unit and quarter.

    - checklist_used: of treatment stays begun, by the quarter of the start; a stay for which it
      is not yet due is left out.
    - dropout_observed: of the stays ended that a checklist was filled in for, by its risk level.
    - milestone_in_time: of the intervals between meetings that have passed, those with a meeting.
    - attended_admission: of the planned stays that were to have begun, with and without a call.
    - returned: of the drop-outs whose time to return has passed, with and without outreach.

    A tool that nobody used is not in use there: its measures are not applicable.

    Args:
        core: core.process_event.
        stays: `quality_stays.stay_rows`.
        where: the cohort.
    """
    treated = stays.filter(nw.col("is_treatment"), nw.col("is_begun"))
    used = set(counts(core["core.process_event"], ["kind"])["kind"])
    makers: dict[str, list[tuple[Maker, Frame]]] = {
        "dropout_checklist": [(_checklist, treated), (_calibration, treated)],
        "milestone_meeting": [(_milestones, treated)],
        "preadmission_call": [(_calls, stays)],
        "peer_outreach": [(_returns, stays)],
    }
    parts = [
        shares(make(core, rows, where))
        for kind, measures in makers.items()
        if kind in used
        for make, rows in measures
    ]
    return programme(ChecklistUse, parts, where)


def _checklist(core: Core, treated: Frame, where: Setting) -> pl.DataFrame:
    days = where.protocol.programmes.checklist_days
    early = (STEP_DAY >= START) & (days >= STEP_DAY - START)
    used = first_step(treated, steps(core, "dropout_checklist"), early)
    rows = treated.filter(START + days <= STEPS_CUTOFF).join(used, on=STAY, how="left")
    sums = {"n": nw.lit(value=True), "used": ~STEP_DAY.is_null()}
    cells = tally(in_quarters(rows, "start_date", where), CELL, sums)
    counted = rolled(by_group(cells, where, DISORDER), GROUP, list(sums), where)
    return measure(counted, "checklist_used", pl.col("used"), N, n=N)


def _calibration(core: Core, treated: Frame, where: Setting) -> pl.DataFrame:
    """Drop-out by the level of the stay's first checklist: its score to the whole, halves up."""
    during = (STEP_DAY >= START) & (STEP_DAY <= END)
    judged = first_step(treated.filter(IS_ENDED), steps(core, "dropout_checklist"), during)
    level = (nw.col("score") + 0.5).floor().cast(nw.Int64).cast(nw.String)
    rows = in_quarters(treated, "end_date", where).join(judged, on=STAY)
    sums = {
        "n": nw.lit(value=True),
        "left": IS_DROPOUT,
        "unknown": nw.col("is_unknown_end"),
    }
    cells = tally(rows.with_columns(risk_level=level), [*UNIT_QUARTER, "risk_level"], sums)
    counted = rolled(by_group(cells, where, "risk_level", ages=False), GROUP, list(sums), where)
    return measure(counted, "dropout_observed", pl.col("left"), N, n=N, n_missing=pl.col("unknown"))


def _milestones(core: Core, treated: Frame, where: Setting) -> pl.DataFrame:
    """Intervals of the stays, each with a meeting or without, by the quarter it passed in.

    Those that passed before the cohort's first day are not counted, however long the stay.
    """
    days = where.protocol.programmes.milestone_days
    before = nw.max_horizontal((where.first - EPOCH).days - START, nw.lit(1)) + days - 1
    numbered = treated.select(
        STAY,
        "unit_id",
        "start_date_epoch",
        AGE,
        DISORDER,
        next_turn=before // days,
        passed=(nw.min_horizontal(UNTIL, STEPS_CUTOFF) - START) // days,
    )
    due = each_number(numbered, "turn", "next_turn", "passed")
    turn = (STEP_DAY - START + days - 1) // days
    met = (
        treated.select(STAY, "patient_id", "start_date_epoch")
        .join(steps(core, "milestone_meeting"), on="patient_id")
        .filter(STEP_DAY > START)
        .select(STAY, turn=turn.cast(nw.Int64))
        .unique([STAY, "turn"])
        .with_columns(met=nw.lit(value=True))
    )
    rows = due.join(met, on=[STAY, "turn"], how="left").with_columns(
        due_day=START + nw.col("turn") * days
    )
    sums = {"n": nw.lit(value=True), "met": nw.col("met")}
    cells = in_quarter(tally(rows, ["unit_id", "due_day", AGE, DISORDER], sums), "due_day")
    counted = rolled(by_group(cells, where, DISORDER), GROUP, list(sums), where)
    return measure(counted, "milestone_in_time", pl.col("met"), N, n=N)


def _calls(core: Core, stays: Frame, where: Setting) -> pl.DataFrame:
    days = where.protocol.programmes.call_days
    planned = stays.filter(nw.col("is_planned"), PLANNED_START <= STEPS_CUTOFF)
    ahead = (STEP_DAY <= PLANNED_START) & (days >= PLANNED_START - STEP_DAY)
    called = first_step(planned, steps(core, "preadmission_call"), ahead)
    rows = _with_and_without(planned, called, "preadmission_call")
    sums = {"n": nw.lit(value=True), "came": ~nw.col("is_never_met")}
    cells = tally(
        in_quarters(rows, "planned_start_date", where),
        [*UNIT_QUARTER, "preadmission_call"],
        sums,
    )
    counted = by_group(cells, where, "preadmission_call", ages=False)
    rolled_up = rolled(counted, GROUP, list(sums), where)
    return measure(rolled_up, "attended_admission", pl.col("came"), N, n=N)


def _returns(core: Core, stays: Frame, where: Setting) -> pl.DataFrame:
    days = where.protocol.programmes.return_days
    left = stays.filter(IS_DROPOUT, END + days <= STEPS_CUTOFF)
    back = next_stays(stays, TO_TREATMENT).select(STAY, "next_start")
    dropped = left.join(back, on=STAY, how="left")
    soon = (STEP_DAY >= END) & (days >= STEP_DAY - END)
    before_return = nw.col("next_start").is_null() | (nw.col("next_start") >= STEP_DAY)
    sought = first_step(dropped, steps(core, "peer_outreach"), soon & before_return)
    rows = _with_and_without(dropped, sought, "peer_outreach")
    sums = {"n": nw.lit(value=True), "back": days >= nw.col("next_start") - END}
    over = in_quarters(rows, "end_date", where)
    cells = tally(over, [*UNIT_QUARTER, "peer_outreach"], sums)
    counted = by_group(cells, where, "peer_outreach", ages=False)
    return measure(rolled(counted, GROUP, list(sums), where), "returned", pl.col("back"), N, n=N)


def _with_and_without(rows: Frame, used: Frame, name: str) -> Frame:
    """Adds whether a step was taken, as `true` or `false`, under the step's name."""
    marked = rows.join(used.select(STAY, "step_day"), on=STAY, how="left")
    return marked.with_columns((~STEP_DAY.is_null()).alias("was_used")).with_columns(
        as_text("was_used").alias(name)
    )
