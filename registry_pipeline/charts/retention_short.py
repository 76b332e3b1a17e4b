"""The pages on retention in short: medians and restricted means, and tests between groups.

Belongs here: derived.retention_summary and derived.retention_comparison put in words.
Does not belong here: the curves and retention at the scheduled days (see `retention`).

A median is the day somebody left, so it is given in whole units of the schedule, and none beyond
its last day.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import WHAT, Cohort, place
from registry_pipeline.charts.retention import CLOCK, KINDS, by_kind, denominators
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    is_small,
    percentage_hidden,
    share_hidden,
    with_company,
    without,
)

STRATA: Final = ("all", *WHAT)
CURVE: Final = ["kind", "origin", "stratum_by", "stratum"]
WHOLE: Final = ["kind", "origin", "stratum_by"]
MEAN: Final = ["restricted_mean_days", "restricted_mean_ci_low", "restricted_mean_ci_high"]
MEDIAN: Final = ["median_day", "median_ci_low", "median_ci_high"]
DAYS_PER_WEEK: Final = 7
TESTS: Final = ("log_rank", "stratified_log_rank")


def retention_summary(cohort: Cohort) -> Section:
    """Median and restricted mean, for everyone and by group."""
    return Section(
        words=(
            "How long people stay, in two numbers. The mean time counts nobody beyond the last "
            f"scheduled day ({cohort.in_units(cohort.last_day):.0f} {cohort.time_unit}), so it is "
            "known though not everybody has left; the median is when half of them had. Both with "
            f"95 % intervals. {denominators(cohort, cohort.clocks)}"
        ),
        norwegian=(
            "Hvor lenge folk blir: gjennomsnittlig tid frem til siste måledag, og når halvparten "
            "hadde sluttet."
        ),
        table=_summary_table(_summary(cohort), cohort),
        notes=(
            (
                f"A group with 1 to {cohort.rule.min_count - 1} exits by the last scheduled day is "
                "hidden, and the next smallest with it, since the mean of all gives it back."
            ),
            "A median is given in whole units; “not reached”: fewer than half had left by the last "
            "scheduled day.",
        ),
    )


def _summary(cohort: Cohort) -> pl.DataFrame:
    """The curves on the cohort's clocks with `hidden`; hidden numbers are null.

    People times mean adds up from the groups to everyone, so one group is not hidden alone.
    """
    rule, n = cohort.rule, pl.col("n")
    rows = cohort.rows("derived.retention_summary", stratum_by=STRATA, origin=cohort.clocks)
    at_end = cohort.rows("derived.retention_at", day=[cohort.last_day]).select(
        *CURVE, exits=pl.col("n_event_cum").fill_null(0)
    )
    known = rows.filter(n > 0).join(at_end, on=CURVE, how="left", maintain_order="left")
    few = is_small(pl.col("exits"), rule) | percentage_hidden(n, rule)
    marked = with_company(known, WHOLE, "exits", few, rule)
    in_place = marked.sort(place("stratum_by", STRATA), maintain_order=True)
    return by_kind(without(in_place, pl.col(HIDDEN), [*MEAN, *MEDIAN]))


def _summary_table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per kind of retention, clock and group."""
    unit = cohort.time_unit
    return text.table(
        ["Retention", "Since", "Group", f"Median, {unit} (95 %)", f"Mean, {unit} (95 %)"],
        (
            [
                KINDS[row["kind"]],
                CLOCK[row["origin"]],
                "all" if row["stratum_by"] == "all"
                else cohort.stratum(row["stratum_by"], row["stratum"]),
                text.HIDDEN if row[HIDDEN] else _median(row, cohort),
                text.HIDDEN if row[HIDDEN] else _mean(row, cohort),
            ]
            for row in rows.iter_rows(named=True)
        ),
    )  # fmt: skip


def _median(row: dict[str, Any], cohort: Cohort) -> str:
    """The median with its interval; what lies beyond the last scheduled day is not known."""
    if not row["horizon_day"]:
        return text.NOT_COMPUTABLE
    median, low, high = (
        None if row[name] is None or row[name] > cohort.last_day else _whole(row[name], cohort)
        for name in MEDIAN
    )
    if median is None:
        return "not reached"
    return f"{median} ({low} or more)" if high is None else f"{median} ({low} to {high})"


def _whole(day: float, cohort: Cohort) -> str:
    """A day in whole units of the schedule, and in whole weeks where that counts days."""
    step = DAYS_PER_WEEK if cohort.time_unit == "days" else 1
    return str(step * round(cohort.in_units(day) / step))


def _mean(row: dict[str, Any], cohort: Cohort) -> str:
    """The restricted mean with its interval."""
    mean, low, high = (None if row[name] is None else cohort.in_units(row[name]) for name in MEAN)
    if mean is None or not row["horizon_day"]:
        return text.NOT_COMPUTABLE
    return f"{mean:.1f}" if low is None or high is None else f"{mean:.1f} ({low:.1f} to {high:.1f})"


def retention_comparison(cohort: Cohort) -> Section:
    """Log-rank tests between the groups of each characteristic, plain and stratified."""
    return Section(
        words=(
            "Whether people of different groups stay equally long (log-rank test): a small p value "
            "says that chance alone seldom makes curves so far apart, not which group stays longer "
            "or by how much. Stratified: among people of the same age, for age of the same sex. "
            f"{text.ASSOCIATION}"
        ),
        norwegian=(
            "Om grupper blir like lenge (log-rank-test), også stratifisert for alder eller kjønn. "
            "Sammenheng, ikke effekt."
        ),
        table=_tests_table(_tests(cohort), cohort),
        caution=text.CAUTION,
        notes=(
            (
                "A test is hidden where a group has few people, few exits or few who are still "
                "in: with the sizes of the groups it would tell how many."
            ),
            "Tests by type of exit (Gray) are in the table derived.retention_comparison.",
        ),
    )


def _tests(cohort: Cohort) -> pl.DataFrame:
    """A row per kind, clock and characteristic: the p value of each test, people, and `hidden`."""
    rule = cohort.rule
    tests = cohort.rows("derived.retention_comparison", test=TESTS, origin=cohort.clocks)
    groups = cohort.rows("derived.retention_summary", stratum_by=list(WHAT), origin=cohort.clocks)
    n = pl.col("n")
    few = percentage_hidden(n, rule) | share_hidden(pl.col("n_event"), n, rule)
    told = (
        groups.filter(pl.col("stratum") != "unknown").group_by(WHOLE).agg(few.any().alias(HIDDEN))
    )
    plain = tests.filter(test="log_rank").select(*WHOLE, "n", "n_missing", log_rank="p_value")
    within = tests.filter(test="stratified_log_rank").select(*WHOLE, stratified="p_value")
    rows = plain.join(within, on=WHOLE, how="left", maintain_order="left")
    marked = rows.join(told, on=WHOLE, how="left", maintain_order="left").filter(n > 0)
    safe = without(marked, pl.col(HIDDEN), ["log_rank", "stratified"])
    return by_kind(without(safe, is_small(pl.col("n_missing"), rule), ["n"]))


def _tests_table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per kind of retention, clock and characteristic."""
    return text.table(
        ["Retention", "Since", "Groups by", "People", "Missing", "p", "p, stratified"],
        (
            [
                KINDS[row["kind"]],
                CLOCK[row["origin"]],
                WHAT[row["stratum_by"]],
                *(text.count(row[name], cohort.rule) for name in ("n", "n_missing")),
                *(_p_value(row, name) for name in ("log_rank", "stratified")),
            ]
            for row in rows.iter_rows(named=True)
        ),
    )


def _p_value(row: dict[str, Any], name: str) -> str:
    return text.p_value(row[name], text.HIDDEN if row[HIDDEN] else text.NOT_COMPUTABLE)
