"""Programme tables counted from people and transitions: feedback tools, transitions kept.

Belongs here: quality.feedback_change and quality.transition_gap.
Does not belong here: measures of contacts (see `quality_services`), of detox (see
`quality_detox`), of the drop-out project's other tools (see `quality_tools`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.quality_groups import (
    AGE,
    DISORDER,
    GROUP,
    UNIT_QUARTER,
    at_own_unit,
    by_group,
    medians,
    tally,
)
from registry_pipeline.derivations.quality_programmes import (
    Setting,
    in_quarters,
    means,
    measure,
    programme,
    rolled,
    shares,
    without_interval,
)
from registry_pipeline.derivations.quality_stays import CUTOFF, END, IS_ENDED, STAY, next_stays
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame, is_empty
from schemas.protocol_programmes import Programmes
from schemas.quality.programmes import FeedbackChange, TransitionGap

N: Final = pl.col("n")
ONE: Final = nw.lit(value=True)
HANDED_OVER: Final = ("transfer_unit", "transfer_specialist")


def feedback_change(core: Core, where: Setting) -> pl.DataFrame:
    """quality.feedback_change by the person's unit, over the whole period.

    Reliable change is of people with two ORS totals or more, last against first; concern for
    the alliance of people with an SRS total, by the last; sessions are interviews with a total
    of either. Off track are those reliably worse, and those below the cut-off without reliable
    improvement after the sessions that the protocol names.
    """
    sessions = sessions_of(core)
    if is_empty(sessions):
        return programme(FeedbackChange, [], where)
    rows = at_own_unit(core["core.patient"]).join(first_and_last(sessions), on="patient_id")
    rule = where.protocol.programmes
    change, again = _change(), nw.col("n_ors") > 1
    n_sessions = nw.col("n_sessions")
    sums = {
        "n": ONE,
        "again": again,
        "better": again & (change >= rule.reliable_ors),
        "worse": again & (change <= -rule.reliable_ors),
        "off": is_off_track(rule),
        "allied": ~nw.col("last_srs").is_null(),
        "concern": nw.col("last_srs") < rule.alliance_srs,
        "total": n_sessions,
        "squares": n_sessions * n_sessions,
    }
    cells = tally(rows, ["unit_id", DISORDER], sums).with_columns(
        period_start=pl.lit(where.first), period_end=pl.lit(where.last)
    )
    counted = rolled(by_group(cells, where, DISORDER, ages=False), GROUP, list(sums), where)
    of_again = {
        "reliable_improvement": "better",
        "reliable_deterioration": "worse",
        "off_track": "off",
    }
    twice, allied = pl.col("again"), pl.col("allied")
    parts = [
        measure(counted, name, pl.col(flag), twice, n=N, n_missing=N - twice)
        for name, flag in of_again.items()
    ]
    parts.append(
        measure(counted, "alliance_concern", pl.col("concern"), allied, n=N, n_missing=N - allied)
    )
    per_person = measure(counted, "sessions_per_person", pl.col("total"), N, n=N)
    return programme(FeedbackChange, [*(shares(part) for part in parts), means(per_person)], where)


def is_off_track(rule: Programmes) -> nw.Expr:
    """Reliably worse, or below the cut-off without reliable improvement after some sessions."""
    change, n_ors = _change(), nw.col("n_ors")
    worse = (n_ors > 1) & (change <= -rule.reliable_ors)
    late = n_ors >= rule.off_track_sessions
    return worse | (late & (nw.col("last_ors") < rule.ors_cut_off) & (change < rule.reliable_ors))


def _change() -> nw.Expr:
    """Points of the last ORS total over the first; 8.2 over 3.2 is five, in floats it is less."""
    return (nw.col("last_ors") - nw.col("first_ors")).round(6)


def transition_gap(stays: Frame, where: Setting) -> pl.DataFrame:
    """quality.transition_gap by the unit that was left and the quarter it was left in.

    Args:
        stays: `quality_stays.stay_rows`.
        where: the cohort; its protocol says how soon a transition is kept.
    """
    limit = where.protocol.programmes.transition_days
    handed_over = stays.filter(IS_ENDED, nw.col("exit_type").is_in(HANDED_OVER))
    over = in_quarters(handed_over, "end_date", where)
    if is_empty(over):
        return programme(TransitionGap, [], where)
    elsewhere = nw.col("next_unit") != nw.col("unit_id")
    rows = over.join(next_stays(stays, elsewhere), on=STAY, how="left").with_columns(
        wait=nw.col("next_start") - END
    )
    there = nw.col("next_level").fill_null("none")
    from_level = nw.col("level").fill_null("unknown")
    due = rows.filter(END + limit <= CUTOFF).with_columns(
        from_level=from_level,
        transition=nw.concat_str(from_level, nw.lit(" to "), there),
    )
    cell = [*UNIT_QUARTER, AGE, DISORDER, "from_level", "transition", "wait"]
    cells = tally(due, cell, {"n": ONE})
    grouped = by_group(cells, where, DISORDER, "from_level", "transition", ages=False)
    waits = rolled(grouped, [*GROUP, "wait"], ["n"], where)
    known = pl.col("wait").is_not_null()
    summed = waits.group_by(*UNIT_QUARTER, *GROUP).agg(
        N.sum(), kept=N.filter(pl.col("wait") <= limit).sum(), followed=N.filter(known).sum()
    )
    followed = pl.col("followed")
    share = measure(summed, "kept_in_time", pl.col("kept"), N, n=N)
    median = measure(summed, "median_days", pl.lit(None), followed, n=N, n_missing=N - followed)
    half = medians(waits, [*UNIT_QUARTER, *GROUP], "wait")
    return programme(TransitionGap, [shares(share), without_interval(median, half)], where)


def sessions_of(core: Core) -> Frame:
    """The interviews with a total of either scale."""
    ors, srs = nw.col("ors_total"), nw.col("srs_total")
    return core["core.interview"].filter(~ors.is_null() | ~srs.is_null())


def first_and_last(sessions: Frame) -> Frame:
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
