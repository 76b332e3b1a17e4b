"""How long each person of the START trial stayed, by either drop-out rule.

Belongs here: the two published rules and how a stay ended; both give one row per person with
who, stay_days (from randomisation), exit_type (null: censored there) and cover_days.
Does not belong here: dates and the other columns of the episodes form (`ctn0027`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import polars as pl

from registry_pipeline.cohorts.ctn0027_source import Tables, attended, missed_visits

DropOut = Literal["last-dose", "four-missing-weeks"]

URINE_OPIOIDS: Final = ("opioid", "methadone", "buprenorphine")
EXITS: Final = {
    "is_in_jail": "incarcerated",
    "is_missing_14_consecutive": "institution",
    "is_left_study": "patient_notified",
}
"""Stated reason of a missed visit to exit type, the weightiest first: in prison, dropped for
non-compliance, withdrew. Moving away from the study area is not moving out of the country."""

PLANNED_END_DAY: Final = 161
STATED_WITHIN_DAYS: Final = 28
LAST_STUDY_DAY: Final = 168
MISSING_WEEKS: Final = 4


def _last_dose_stays(people: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Stays to the day of the last dose, which covers one day; never dosed is a stay of 0 days.

    The exit is planned from day 161 on. Before, it is the reason stated for a visit missed in
    the four weeks after the last dose, and else the person stayed away.
    """
    doses = tables["treatment"].filter(pl.col("amount") > 0)
    last = (
        doses.join(people.select("who", "randomised"), on="who")
        .filter(pl.col("when") >= pl.col("randomised"))
        .group_by("who")
        .agg(last_dose=(pl.col("when") - pl.col("randomised")).max())
    )
    stays = people.select("who").join(last, on="who", how="left")
    stays = stays.with_columns(stay_days=pl.col("last_dose").fill_null(0))
    return stays.join(_stated_exits(stays, tables), on="who", how="left").select(
        "who",
        "stay_days",
        pl.when(pl.col("stay_days") >= PLANNED_END_DAY)
        .then(pl.lit("planned_mutual"))
        .otherwise(pl.coalesce("stated", pl.lit("patient_absent")))
        .alias("exit_type"),
        pl.col("last_dose").is_not_null().cast(pl.Int32).alias("cover_days"),
    )


def _stated_exits(stays: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """The weightiest reason for a missed visit planned within four weeks after the stay."""
    weight = {reason: place for place, reason in enumerate(EXITS)}
    after = pl.col("planned_day") - pl.col("stay_days")
    return (
        missed_visits(tables, list(EXITS))
        .join(stays, on="who")
        .filter(after.is_between(0, STATED_WITHIN_DAYS))
        .sort(pl.col("reason").replace_strict(weight, return_dtype=pl.Int32))
        .group_by("who", maintain_order=True)
        .agg(stated=pl.col("reason").first().replace_strict(EXITS, return_dtype=pl.String))
    )


def _four_missing_weeks_stays(people: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Stays to the first week of the first four missing weeks, else censored three weeks early.

    Week 1 begins with the day of randomisation and day 168 from consent closes the last one,
    whole or not. A week is missing without an attended visit and without an opioid in urine.
    """
    urine = tables["uds"].filter(pl.col("what").str.to_lowercase().is_in(URINE_OPIOIDS))
    days = pl.concat([attended(tables), urine.select("who", "when")])
    week = (pl.col("when") - pl.col("randomised")) // 7 + 1
    seen = (
        days.filter(pl.col("when") <= LAST_STUDY_DAY)
        .join(people.select("who", "randomised"), on="who")
        .select("who", week=week, seen=1)
        .unique()
    )
    n_weeks = (LAST_STUDY_DAY - pl.col("randomised")) // 7 + 1
    n_seen = pl.col("seen").fill_null(0).rolling_sum(MISSING_WEEKS).over("who", order_by="week")
    runs = (
        people.select("who", n_weeks=n_weeks, week=pl.int_ranges(1, n_weeks + 1))
        .explode("week")
        .join(seen, on=["who", "week"], how="left")
        .with_columns(first=pl.when(n_seen == 0).then(pl.col("week") - MISSING_WEEKS + 1))
    )
    return runs.group_by("who").agg(
        stay_days=7 * pl.min("first").fill_null(pl.max("n_weeks") - MISSING_WEEKS + 1),
        exit_type=pl.when(pl.min("first").is_not_null()).then(pl.lit("patient_absent")),
        cover_days=pl.lit(0),
    )


STAYS: Final[dict[DropOut, Callable[[pl.DataFrame, Tables], pl.DataFrame]]] = {
    "last-dose": _last_dose_stays,
    "four-missing-weeks": _four_missing_weeks_stays,
}
"""Drop-out rule to the function that applies it, from people (who, randomised) and tables."""
