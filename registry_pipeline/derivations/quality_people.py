"""Programme tables counted from people and stays: detox, feedback, checklists, transitions.

Belongs here: measures whose rows are people or stays.
Does not belong here: measures of contacts (see `quality_services`).

A measure left to a later version has one row that says so, and no number.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.quality_programmes import (
    NOT_APPLICABLE,
    NOT_IN_THIS_VERSION,
    PERIOD,
    Setting,
    means,
    measure,
    programme,
    quarter,
    rolled,
    shares,
)
from registry_pipeline.indicators.definition import Core
from registry_pipeline.statistics import reasons
from registry_pipeline.transform.engine import Frame, counts, with_epoch_days
from schemas.programme_codes import CHECKLIST_MEASURE, TRANSITION_MEASURE
from schemas.quality.programmes import (
    ChecklistUse,
    DetoxStay,
    FeedbackChange,
    ProgrammeTable,
    TransitionGap,
)

N: Final = pl.col("n")
UNIT_QUARTER: Final = ["unit_id", *PERIOD]
RELIABLE_ORS: Final = 5
ALLIANCE_SRS: Final = 36
CHECKLIST_KINDS: Final = (
    "dropout_checklist",
    "milestone_meeting",
    "preadmission_call",
    "peer_outreach",
)


def detox_stay(core: Core, where: Setting) -> pl.DataFrame:
    """quality.detox_stay by unit and quarter of admission: length of the planned stays.

    Of the stays that have ended; the others are n_missing. Readmission and next treatment are
    left to a later version.
    """
    planned = (nw.col("level") == "detox") & nw.col("planned").fill_null(value=False)
    stays = with_epoch_days(core["core.episode"].filter(planned), ["start_date", "end_date"])
    cells = counts(
        stays.filter(~nw.col("start_date").is_null()).select(
            "unit_id",
            *quarter("start_date"),
            days=nw.col("end_date_epoch") - nw.col("start_date_epoch"),
        ),
        [*UNIT_QUARTER, "days"],
    )
    lengths = rolled(cells, ["days"], ["n"], where)
    days = pl.col("days").cast(pl.Int64)
    rows = lengths.group_by(UNIT_QUARTER).agg(
        N.sum(),
        n_missing=N.filter(days.is_null()).sum(),
        total=(N * days).sum(),
        squares=(N * days**2).sum(),
    )
    missing, ended = pl.col("n_missing"), N - pl.col("n_missing")
    mean = measure(rows, "mean_days", pl.col("total"), ended, n=N, n_missing=missing)
    nobody = pl.when(pl.col("denominator") == 0).then(pl.lit(reasons.NOT_COMPUTABLE))
    median = (
        measure(rows, "median_days", pl.lit(None), ended, n=N, n_missing=missing)
        .join(_medians(lengths), on=UNIT_QUARTER, how="left")
        .with_columns(method=pl.lit("median"), reason=pl.coalesce(nobody, pl.lit("no_interval")))
    )
    later = ("readmitted", "readmitted_unrelated", "next_treatment", "median_days_to_next")
    absent = dict.fromkeys(later, _later(present=cells.height > 0))
    return programme(DetoxStay, [means(mean), median], where, absent)


def feedback_change(core: Core, where: Setting) -> pl.DataFrame:
    """quality.feedback_change by the person's unit, over the whole period.

    Reliable change is of people with two ORS totals or more, last against first; concern for
    the alliance of people with an SRS total, by the last; sessions are interviews with a total
    of either. Whether a course is off track has no rule yet.
    """
    sessions = core["core.interview"].filter(
        ~nw.col("ors_total").is_null() | ~nw.col("srs_total").is_null()
    )
    people = (
        core["core.patient"]
        .select("patient_id", "unit_id")
        .join(_first_and_last(sessions), on="patient_id")
    )
    change = nw.col("last_ors") - nw.col("first_ors")
    again = nw.col("n_ors") > 1
    flags = {
        "n": ~nw.col("patient_id").is_null(),
        "again": again,
        "better": again & (change >= RELIABLE_ORS),
        "worse": again & (change <= -RELIABLE_ORS),
        "allied": ~nw.col("last_srs").is_null(),
        "concern": nw.col("last_srs") < ALLIANCE_SRS,
    }
    n_sessions = nw.col("n_sessions")
    sums = people.select(
        "unit_id",
        *(flag.fill_null(value=False).cast(nw.Int64).alias(name) for name, flag in flags.items()),
        total=n_sessions,
        squares=n_sessions * n_sessions,
    ).group_by("unit_id")
    names = [*flags, "total", "squares"]
    cells: pl.DataFrame = (
        sums.agg(nw.col(*names).sum().cast(nw.Int64)).collect("polars").to_native()
    )
    whole = cells.with_columns(period_start=pl.lit(where.first), period_end=pl.lit(where.last))
    rows = rolled(whole, [], names, where)
    once = N - pl.col("again")
    parts = [
        measure(
            rows, "reliable_improvement", pl.col("better"), pl.col("again"), n=N, n_missing=once
        ),
        measure(
            rows, "reliable_deterioration", pl.col("worse"), pl.col("again"), n=N, n_missing=once
        ),
        measure(
            rows,
            "alliance_concern",
            pl.col("concern"),
            pl.col("allied"),
            n=N,
            n_missing=N - pl.col("allied"),
        ),
    ]
    per_person = measure(rows, "sessions_per_person", pl.col("total"), N, n=N)
    return programme(
        FeedbackChange,
        [*(shares(part) for part in parts), means(per_person)],
        where,
        {"off_track": _later(present=rows.height > 0)},
    )


def checklist_use(core: Core, where: Setting) -> pl.DataFrame:
    """quality.checklist_use: left to a later version where any of its steps was delivered."""
    steps = core["core.process_event"].filter(nw.col("kind").is_in(CHECKLIST_KINDS))
    return _left_out(ChecklistUse, CHECKLIST_MEASURE.codes, steps, where)


def transition_gap(core: Core, where: Setting) -> pl.DataFrame:
    """quality.transition_gap: left to a later version where any stay ended by transfer."""
    moved = core["core.episode"].filter(nw.col("exit_type") == "transfer_unit")
    return _left_out(TransitionGap, TRANSITION_MEASURE.codes, moved, where)


def _left_out(
    model: type[ProgrammeTable], measures: tuple[str, ...], rows: Frame, where: Setting
) -> pl.DataFrame:
    n: pl.DataFrame = rows.select(nw.len()).collect("polars").to_native()
    return programme(model, [], where, dict.fromkeys(measures, _later(present=n.item() > 0)))


def _later(*, present: bool) -> str:
    """Why a measure of a later version has no row: nothing was delivered, or it is not made."""
    return NOT_IN_THIS_VERSION if present else NOT_APPLICABLE


def _first_and_last(sessions: Frame) -> Frame:
    """One row per person: number of sessions and ORS totals, first and last ORS, last SRS."""
    person = ["patient_id"]
    counted = sessions.group_by(person).agg(
        n_sessions=nw.len().cast(nw.Int64), n_ors=nw.col("ors_total").count().cast(nw.Int64)
    )
    for name, column, keep in (
        ("first_ors", "ors_total", "first"),
        ("last_ors", "ors_total", "last"),
        ("last_srs", "srs_total", "last"),
    ):
        stated = sessions.filter(~nw.col(column).is_null())
        one = stated.unique(person, keep=keep, order_by=["interview_date"])  # type: ignore[arg-type]
        counted = counted.join(
            one.select("patient_id", nw.col(column).alias(name)), on=person, how="left"
        )
    return counted


def _medians(lengths: pl.DataFrame) -> pl.DataFrame:
    """The median of `days` per unit and period, as `value`, from people per day."""
    days, below = pl.col("days"), 2 * N.cum_sum()
    lower, upper = days.filter(below >= N.sum()).first(), days.filter(below > N.sum()).first()
    ended = lengths.filter(days.is_not_null()).sort("days")
    return ended.group_by(UNIT_QUARTER, maintain_order=True).agg(value=(lower + upper) / 2)
