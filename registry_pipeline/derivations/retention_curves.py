"""The retention curves: every day, the scheduled days, and each curve in short.

Belongs here: derived.retention_curve, retention_at and retention_summary from counts.
Does not belong here: exits by type, tests and sensitivity (see `retention_exits`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import polars as pl

from registry_pipeline.derivations.retention_counts import CURVE, Counted
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import GROUP
from registry_pipeline.statistics.survival import (
    at_days,
    summary,
    with_cumulative_hazard,
)
from registry_pipeline.version import as_table
from schemas.codes import DROP_OUT
from schemas.derived.retention import RetentionAt, RetentionCurve, RetentionSummary
from schemas.fields import describe
from schemas.protocol import Protocol, Waves

KAPLAN_MEIER: Final = "Kaplan-Meier, log-log interval"
CURVE_METHOD: Final = f"{KAPLAN_MEIER}; Nelson-Aalen, log interval"
IN_SHORT: Final = "Kaplan-Meier median, restricted mean with normal interval"
SENSITIVITY_MONTHS: Final = (12, 24)
HALF_A_MONTH: Final = 15
N: Final = pl.col("n")


def method(text: str | pl.Expr) -> pl.Expr:
    """The method in words, saying where entry is delayed."""
    words = pl.lit(text) if isinstance(text, str) else text
    delayed = pl.when(pl.col("origin") == "treatment_start").then(pl.lit(", delayed entry"))
    return words + delayed.otherwise(pl.lit(""))


def or_not_computable(reason: str, of: str = "n") -> pl.Expr:
    """The reason, which is `not_computable` where the count it is `of` is zero."""
    return pl.when(pl.col(of) > 0).then(reason).otherwise(pl.lit(reasons.NOT_COMPUTABLE))


def curve_tables(
    counted: Counted, read: pl.DataFrame, reentries: pl.DataFrame, protocol: Protocol
) -> dict[str, pl.DataFrame]:
    """The three tables of curves of one cohort.

    Args:
        counted: the counts under the protocol's gap rule.
        read: their curves `on_days`.
        reentries: `retention_counts.count_reentries`.
        protocol: the cohort's protocol.
    """
    curve = counted.curve
    waves = protocol.waves
    short = _in_short(counted, curve, waves.nominal_days[-1])
    short = short.join(reentries, on=CURVE, how="left", maintain_order="left")
    at_waves = at(read, dict(zip(waves.nominal_days, waves.months, strict=True)))
    made = (
        (RetentionCurve, counted.labelled(_every_day(curve)), CURVE_METHOD),
        (RetentionAt, at_waves, KAPLAN_MEIER),
        (RetentionSummary, short.with_columns(pl.col("n_reentries").fill_null(0)), IN_SHORT),
    )
    return {
        describe(model).full_name: as_table(frame, model, cohort=protocol.id, method=method(text))
        for model, frame, text in made
    }


def _every_day(curve: pl.DataFrame) -> pl.DataFrame:
    """The curves that speak, with their cumulative hazard."""
    return with_cumulative_hazard(curve.drop_nulls("day"), [GROUP])


def sensitivity_days(waves: Waves) -> dict[int, int]:
    """Day to month for 12 and 24 months: the nominal day of the month, else its own, half up."""
    days = {}
    for month in SENSITIVITY_MONTHS:
        own = (month * 487 + 8) // 16
        distance, nominal = min((abs(day - own), day) for day in waves.nominal_days)
        days[nominal if distance <= HALF_A_MONTH else own] = month
    return days


def days_read(waves: Waves) -> list[int]:
    """Every day that a curve is read on."""
    return sorted({*waves.nominal_days, *sensitivity_days(waves)})


def at(read: pl.DataFrame, months: Mapping[int, int]) -> pl.DataFrame:
    """The rows of `on_days` on the days of `months` (day to month), with the month."""
    month = pl.col("day").replace_strict(months, default=None, return_dtype=pl.Int32)
    return read.filter(pl.col("day").is_in(list(months))).with_columns(month=month)


def on_days(counted: Counted, days: Collection[int]) -> pl.DataFrame:
    """Every curve of `counted.groups` on given days.

    Returns:
        group_id, `CURVE`, is_main, day, n, n_left_out, n_at_risk, n_event_cum, n_censored_cum,
        retained, std_error, ci_low, ci_high, reason. A curve that nobody is in has zero counts
        and no estimate.
    """
    asked = pl.DataFrame({"day": list(days)}, schema={"day": pl.Int64})
    censored = counted.exits.filter(pl.col("exit_type").is_null())
    by_then = (
        censored.select(GROUP, "n", left=pl.col("day"))
        .join(asked, how="cross")
        .filter(pl.col("left") <= pl.col("day"))
        .group_by(GROUP, "day")
        .agg(n_censored_cum=N.sum())
    )
    numbers = pl.col("n_at_risk", "n_event_cum", "n_censored_cum")
    rows = (
        counted.groups.select(GROUP, "n")
        .join(asked, how="cross", maintain_order="left_right")
        .join(by_then, on=[GROUP, "day"], how="left", maintain_order="left")
        .join(
            counted.estimate(at_days, list(days)),
            on=[GROUP, "day"],
            how="left",
            maintain_order="left",
        )
        .with_columns(numbers.fill_null(0), reason=or_not_computable("reason"))
    )
    return counted.labelled(rows)


def _in_short(counted: Counted, curve: pl.DataFrame, last_day: int) -> pl.DataFrame:
    """Totals, median and restricted mean of every curve of `counted.groups`.

    The horizon of the restricted mean is the schedule's last day, counted from the day the whole
    cohort's curve starts, and the same for all strata.
    """
    exit_type = pl.col("exit_type")
    totals = counted.exits.group_by(GROUP).agg(
        n_event=N.filter(exit_type.is_not_null()).sum(),
        n_dropout=N.filter(exit_type.is_in(DROP_OUT)).sum(),
        n_unknown_exit=N.filter(exit_type == "unknown").sum(),
        n_censored=N.filter(exit_type.is_null()).sum(),
    )
    estimates = _summaries(counted, curve, last_day).select(
        GROUP,
        "from_day",
        "median_day",
        "median_ci_low",
        "median_ci_high",
        "restricted_mean_ci_low",
        "restricted_mean_ci_high",
        restricted_mean_days="restricted_mean",
        horizon_day=pl.when(pl.col("from_day").is_not_null()).then("horizon"),
        reason="reason",
    )
    numbers = pl.col("n_event", "n_dropout", "n_unknown_exit", "n_censored")
    rows = (
        counted.groups.select(GROUP, "n")
        .join(totals, on=GROUP, how="left", maintain_order="left")
        .join(estimates, on=GROUP, how="left", maintain_order="left")
        .with_columns(numbers.fill_null(0), reason=or_not_computable("reason"))
    )
    return counted.labelled(rows)


def _summaries(counted: Counted, curve: pl.DataFrame, last_day: int) -> pl.DataFrame:
    """`summary` of every curve with `from_day`, by kind and origin with their own horizon."""
    starts = curve.group_by(GROUP).agg(from_day=pl.col("start_day").first())
    first_day = pl.col("from_day").filter(pl.col("stratum_by") == "all").first()
    horizons = counted.groups.join(starts, on=GROUP).select(
        GROUP, horizon=last_day + first_day.over("kind", "origin").fill_null(0)
    )
    parts = []
    for horizon in {last_day, *horizons["horizon"]}:
        these = curve.join(horizons.filter(horizon=horizon), on=GROUP, how="semi")
        parts.append(summary(these, [GROUP], horizon))
    return pl.concat(parts).join(starts, on=GROUP)
