"""The pages on retention in short: medians and means, other rules, and tests between groups.

Belongs here: derived.retention_summary, retention_sensitivity and retention_comparison in words.
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
    curve_hidden,
    is_small,
    percentage_hidden,
    share_hidden,
    with_company,
    without,
)
from schemas import codes

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
            f"scheduled day ({cohort.time(cohort.last_day):.0f} {cohort.time_unit}), so it is "
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
    by_age = place("stratum", codes.AGE_GROUP.codes)
    in_place = marked.sort(place("stratum_by", STRATA), by_age, maintain_order=True)
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
    return str(step * round(cohort.time(day) / step))


def _mean(row: dict[str, Any], cohort: Cohort) -> str:
    """The restricted mean with its interval."""
    mean, low, high = (None if row[name] is None else cohort.time(row[name]) for name in MEAN)
    if mean is None or not row["horizon_day"]:
        return text.NOT_COMPUTABLE
    return f"{mean:.1f}" if low is None or high is None else f"{mean:.1f} ({low:.1f} to {high:.1f})"


def retention_sensitivity(cohort: Cohort) -> Section:
    """Retention at 12 and 24 months under each rule on the gap between stays."""
    return Section(
        words=(
            "How much retention depends on a rule: stays are one episode where no more than so "
            "many days lie between them. Shares still in, of everyone, with 95 % intervals; the "
            f"other pages count with {cohort.protocol.retention.gap_days} days. "
            f"{denominators(cohort, cohort.clocks)}"
        ),
        norwegian=(
            "Hvor mye retensjonen avhenger av hvor mange dager det kan være mellom to opphold som "
            "regnes som ett."
        ),
        table=_gaps_table(_gaps(cohort)),
        notes=(
            (
                f"A share is hidden where 1 to {cohort.rule.min_count - 1} people more or fewer "
                "have left, or are at risk, than under a rule that is shown."
            ),
        ),
    )


def _gaps(cohort: Cohort) -> pl.DataFrame:
    """The curves read under each rule with `hidden`; hidden numbers are null.

    Two rules tell of the people between them, so each is held against those shown before it, the
    protocol's own first. Where that is not among them nothing is shown: other pages tell it.
    """
    rule, own = cohort.rule, cohort.protocol.retention.gap_days
    rows = cohort.rows("derived.retention_sensitivity", stratum_by=["all"], origin=cohort.clocks)
    few = curve_hidden(pl.col("n_event_cum"), pl.col("n_at_risk"), pl.col("n"), rule)
    told = few | pl.lit(own not in rows["gap_days"])
    asked = rows.with_columns(told.alias(HIDDEN)).sort(pl.col("gap_days") != own)
    shown: dict[Any, list[dict[str, Any]]] = {}
    hidden = []
    for row in asked.iter_rows(named=True):
        before = shown.setdefault((row["kind"], row["origin"], row["day"]), [])
        apart = (abs(row[n] - one[n]) for one in before for n in ("n_event_cum", "n_at_risk"))
        hidden.append(row[HIDDEN] or any(0 < n < rule.min_count for n in apart))
        if not hidden[-1]:
            before.append(row)
    marked = asked.with_columns(pl.Series(HIDDEN, hidden, dtype=pl.Boolean))
    safe = without(marked, pl.col(HIDDEN), ["retained", "ci_low", "ci_high"])
    return by_kind(safe.sort("day", "gap_days"))


def _gaps_table(rows: pl.DataFrame) -> str:
    """A row per kind of retention, clock and time, the rules as columns."""
    gaps = sorted(rows["gap_days"].unique())
    lines: dict[tuple[str, str, int], dict[int, str]] = {}
    for row in rows.iter_rows(named=True):
        is_known = row["n"] and "beyond_follow_up" not in (row["reason"] or "")
        absent = text.HIDDEN if is_known else text.NOT_COMPUTABLE
        cell = text.share(row["retained"], row["ci_low"], row["ci_high"], absent)
        lines.setdefault((row["kind"], row["origin"], row["month"]), {})[row["gap_days"]] = cell
    return text.table(
        ["Retention", "Since", "Months", *(f"{gap} days" for gap in gaps)],
        (
            [KINDS[kind], CLOCK[clock], str(month), *(cells[gap] for gap in gaps)]
            for (kind, clock, month), cells in lines.items()
        ),
    )


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
