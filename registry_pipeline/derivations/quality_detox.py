"""Detox: how long the planned stays last, who comes back, and what follows.

Belongs here: quality.detox_stay.
Does not belong here: transitions from other stays (see `quality_people`).
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
from registry_pipeline.derivations.quality_stays import (
    CUTOFF,
    END,
    IS_ENDED,
    START,
    STAY,
    TO_TREATMENT,
    next_stays,
)
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame, is_empty, with_epoch_days
from schemas.codes import DEATHS
from schemas.quality.programmes import DetoxStay

N: Final = pl.col("n")
CELL: Final = [*UNIT_QUARTER, AGE, DISORDER]
ONE: Final = nw.lit(value=True)
LEFT_ALIVE: Final = ~nw.col("exit_type").fill_null("").is_in(sorted(DEATHS))
"""Who died during the stay can neither come back nor go on; who died later did not."""


def detox_stay(core: Core, stays: Frame, where: Setting) -> pl.DataFrame:
    """quality.detox_stay by unit and quarter of admission, of the planned stays in detox.

    Lengths are of the stays that have ended; the others are n_missing, those with an end and no
    exit type among them, since they were lost from sight there. Readmission and next treatment
    are of those who left alive and were followed long enough after; nothing before the discharge
    counts.

    Args:
        core: core.event.
        stays: `quality_stays.stay_rows`.
        where: the cohort; its protocol says how soon is a readmission, and in time.
    """
    detox = nw.col("level") == "detox"
    begun = stays.filter(detox, nw.col("is_planned"), nw.col("is_begun"))
    planned = in_quarters(begun, "start_date", where)
    if is_empty(planned):
        return programme(DetoxStay, [], where)
    return programme(
        DetoxStay,
        [
            *_lengths(planned, where),
            *_readmissions(core, planned, stays, where),
            *_next_treatment(planned, stays, where),
        ],
        where,
    )


def _lengths(planned: Frame, where: Setting) -> list[pl.DataFrame]:
    """Mean and median length."""
    rows = planned.with_columns(days=nw.when(IS_ENDED).then(END - START))
    cells = tally(rows, [*CELL, "days"], {"n": ONE})
    lengths = rolled(by_group(cells, where, DISORDER), [*GROUP, "days"], ["n"], where)
    days = pl.col("days").cast(pl.Int64)
    summed = lengths.group_by(*UNIT_QUARTER, *GROUP).agg(
        N.sum(),
        n_missing=N.filter(days.is_null()).sum(),
        total=(N * days).sum(),
        squares=(N * days**2).sum(),
    )
    missing = pl.col("n_missing")
    ended = N - missing
    mean = measure(summed, "mean_days", pl.col("total"), ended, n=N, n_missing=missing)
    median = measure(summed, "median_days", pl.lit(None), ended, n=N, n_missing=missing)
    half = medians(lengths, [*UNIT_QUARTER, *GROUP], "days")
    return [means(mean), without_interval(median, half)]


def _readmissions(core: Core, planned: Frame, stays: Frame, where: Setting) -> list[pl.DataFrame]:
    """Back in hospital, or in detox unplanned, so soon; unrelated causes apart."""
    limit = where.protocol.programmes.readmission_days
    followed = planned.filter(IS_ENDED, END + limit <= CUTOFF, LEFT_ALIVE)
    admissions = with_epoch_days(
        core["core.event"].filter(nw.col("event_type") == "hospital_admission"), ["event_date"]
    ).select("patient_id", "related", admitted="event_date_epoch")
    wait = nw.col("admitted") - END
    soon = (
        followed.select(STAY, "patient_id", "end_date_epoch")
        .join(admissions, on="patient_id")
        .filter(wait >= 0, wait <= limit)
    )
    unrelated = nw.col("related").fill_null("unknown") == "no"
    back = next_stays(stays, nw.col("next_level") == "detox", ~nw.col("next_is_planned"))
    again = back.join(followed.select(STAY, "end_date_epoch"), on=STAY).filter(
        nw.col("next_start") - END <= limit
    )
    marks = nw.concat([soon.filter(~unrelated).select(STAY), again.select(STAY)])
    other = soon.filter(unrelated).select(STAY).unique([STAY]).with_columns(other=ONE)
    rows = followed.join(marks.unique([STAY]).with_columns(back=ONE), on=STAY, how="left").join(
        other, on=STAY, how="left"
    )
    sums = {"n": ONE, "back": nw.col("back"), "other": nw.col("other")}
    counted = rolled(by_group(tally(rows, CELL, sums), where, DISORDER), GROUP, list(sums), where)
    return [
        shares(measure(counted, "readmitted", pl.col("back"), N, n=N)),
        shares(measure(counted, "readmitted_unrelated", pl.col("other"), N, n=N)),
    ]


def _next_treatment(planned: Frame, stays: Frame, where: Setting) -> list[pl.DataFrame]:
    """Treatment that is not detox after the stay: in time, and after how many days."""
    limit = where.protocol.programmes.next_treatment_days
    following = next_stays(stays, TO_TREATMENT, nw.col("next_level") != "detox")
    ended = planned.filter(IS_ENDED, END + limit <= CUTOFF, LEFT_ALIVE)
    rows = ended.join(following.select(STAY, "next_start"), on=STAY, how="left").with_columns(
        wait=nw.col("next_start") - END
    )
    cells = tally(rows, [*CELL, "wait"], {"n": ONE})
    waits = rolled(by_group(cells, where, DISORDER), [*GROUP, "wait"], ["n"], where)
    known = pl.col("wait").is_not_null()
    summed = waits.group_by(*UNIT_QUARTER, *GROUP).agg(
        N.sum(),
        in_time=N.filter(pl.col("wait") <= limit).sum(),
        followed=N.filter(known).sum(),
    )
    none = N - pl.col("followed")
    share = measure(summed, "next_treatment", pl.col("in_time"), N, n=N)
    median = measure(
        summed, "median_days_to_next", pl.lit(None), pl.col("followed"), n=N, n_missing=none
    )
    half = medians(waits, [*UNIT_QUARTER, *GROUP], "wait")
    return [shares(share), without_interval(median, half)]
