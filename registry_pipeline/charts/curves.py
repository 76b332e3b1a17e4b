"""Retention curves read on fixed days, with the points that may not be shown taken out.

Belongs here: which days are fixed, and derived.retention_curve and retention_at as they may be
shown. Does not belong here: drawing and words (see `retention`), exits by type (see `exits`).

A curve is shown on fixed days only, never on the day somebody left.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import polars as pl

from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    curve_hidden,
    with_company,
    with_tells_of_few,
    without,
)

CURVE: Final = ("kind", "origin", "stratum_by", "stratum")
ESTIMATE: Final = ("retained", "ci_low", "ci_high")
DRAWN: Final = {"sex"}
"""Groups that have a curve."""

STEPS_PER_INTERVAL: Final = 3
QUARTER: Final = 365.25 / 4
QUARTERS_PER_TICK: Final = 20
YEARS_FROM: Final = 5 * 365
"""A curve from treatment start that is longer than this counts in years."""

_TOGETHER: Final = ("kind", "origin", "stratum_by", "day")


def fixed_days(cohort: Cohort, origin: str, last_day: int) -> pl.DataFrame:
    """The days a curve is read on.

    Thirds of the schedule's intervals; quarters of a year where the curve goes over many years,
    as it may from treatment start.

    Returns:
        day, x (the day in `unit`), unit, is_tick (the labelled days: nominal ones, or every
        fifth year), origin.
    """
    nominal = cohort.protocol.waves.nominal_days
    if origin == "treatment_start" and last_day > YEARS_FROM:
        quarters = pl.DataFrame({"quarter": range(int(last_day / QUARTER) + 1)})
        return quarters.select(
            day=(pl.col("quarter") * QUARTER).cast(pl.Int32),
            x=pl.col("quarter") / 4,
            unit=pl.lit("years"),
            is_tick=pl.col("quarter") % QUARTERS_PER_TICK == 0,
            origin=pl.lit(origin),
        )
    thirds = [
        start + step * (end - start) // STEPS_PER_INTERVAL
        for start, end in pairwise(nominal)
        for step in range(STEPS_PER_INTERVAL)
    ]
    days = pl.DataFrame({"day": [*thirds, nominal[-1]]}, schema={"day": pl.Int32})
    return days.select(
        "day",
        x=cohort.time(pl.col("day")),
        unit=pl.lit(cohort.time_unit),
        is_tick=pl.col("day").is_in(nominal),
        origin=pl.lit(origin),
    )


def curve_points(cohort: Cohort, strata: Sequence[str]) -> pl.DataFrame:
    """derived.retention_curve on fixed days, as it may be shown.

    Returns:
        `CURVE`, the columns of `fixed_days`, n_at_risk, retained, ci_low, ci_high: null where
        the point is hidden, before the curve starts and after the last day observed.
    """
    curve = cohort.rows("derived.retention_curve", stratum_by=strata).with_columns(
        events=pl.col("n_event").cum_sum().over(CURVE)
    )
    starts = cohort.rows("derived.retention_summary", stratum_by=strata).select(
        *CURVE, "from_day", observed="n"
    )
    last_days = curve.group_by("origin", maintain_order=True).agg(pl.col("day").max())
    days = [fixed_days(cohort, origin, last_day) for origin, last_day in last_days.rows()]
    points = _read(curve, starts.join(pl.concat(days), on="origin"))
    few = curve_hidden(pl.col("events"), pl.col("n_at_risk"), pl.col("observed"), cohort.rule)
    read = with_tells_of_few(points, CURVE, _TOGETHER, "events", cohort.rule)
    marked = with_company(read, _TOGETHER, "events", few | pl.col("tells"), cohort.rule)
    return without(marked, pl.col(HIDDEN), [*ESTIMATE, "n_at_risk", "events"]).drop(
        "events", "tells"
    )


def _read(curve: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """The curve's last step at or before each asked day, and the number at risk on the day."""
    so_far = curve.select(*CURVE, "day", *ESTIMATE, "events").sort("day")
    ahead = curve.select(*CURVE, "day", "n_at_risk").sort("day")
    begun = pl.col("day") >= pl.col("from_day")
    return (
        asked.sort("day")
        .join_asof(so_far, on="day", by=CURVE, check_sortedness=False)
        .join_asof(ahead, on="day", by=CURVE, strategy="forward", check_sortedness=False)
        .with_columns(
            retained=pl.when(begun).then(pl.col("retained").fill_null(1)),
            events=pl.when(begun).then(pl.col("events").fill_null(0)),
        )
        .sort(*CURVE, "day")
    )


def scheduled_points(cohort: Cohort, strata: Sequence[str]) -> pl.DataFrame:
    """derived.retention_at as it may be shown.

    Returns:
        Its rows with `hidden` and `not_computable`; the numbers are null under either. A group
        that has a curve is hidden where the curve has a gap, for it is read on more days.
    """
    rows = cohort.rows("derived.retention_at", stratum_by=strata)
    few = curve_hidden(pl.col("n_event_cum"), pl.col("n_at_risk"), pl.col("n"), cohort.rule)
    if drawn := DRAWN & set(strata):
        gaps = curve_points(cohort, ["all", *drawn]).filter(
            pl.col("stratum_by").is_in(drawn), pl.col("retained").is_null()
        )
        on_curve = gaps.select(*CURVE, "day", gap=pl.lit(value=True))
        rows = rows.join(on_curve, on=[*CURVE, "day"], how="left", maintain_order="left")
        few = few | pl.col("gap").fill_null(value=False)
    marked = with_company(rows, _TOGETHER, "n_event_cum", few, cohort.rule).with_columns(
        not_computable=pl.col("retained").is_null()
    )
    absent = pl.col(HIDDEN) | pl.col("not_computable")
    return without(marked, absent, [*ESTIMATE, "n_at_risk", "n_event_cum", "n_censored_cum"])
