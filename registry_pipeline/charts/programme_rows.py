"""The rows of a programme's table that a page may show.

Belongs here: which rows of the programmes' tables are hidden, and what groups are called.
Does not belong here: charts and words (see `programmes`, `bridging`), the rules themselves (see
`disclosure`).

A hidden row shows none of its numbers, so neither a count nor a size is given back by the others:
groups and units add up to everyone, and ages lie within each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    is_small,
    percentage_hidden,
    share_hidden,
    with_company,
    without,
)
from schemas import codes
from schemas.protocol import Disclosure

NUMBERS: Final = ["value", "ci_low", "ci_high", "numerator", "denominator", "n", "n_missing"]
PART: Final = ["measure", "period_start", "period_end", "item", "split"]
"""Within these, the rows of a split add up to a known total."""

WHO: Final = {
    ("all", "all"): "everyone",
    ("co_occurring_disorder", "true"): "co-occurring disorder",
    ("co_occurring_disorder", "false"): "no co-occurring disorder",
    ("co_occurring_disorder", "unknown"): "co-occurring disorder not known",
    ("preadmission_call", "true"): "with a call before admission",
    ("preadmission_call", "false"): "without a call",
    ("peer_outreach", "true"): "with peer outreach",
    ("peer_outreach", "false"): "without outreach",
}
"""Groups in words, where they are not made of their own name."""


def safe_rows(
    cohort: Cohort,
    table: str,
    tied: Mapping[str, Sequence[str]] | None = None,
    *,
    whole: bool = True,
) -> pl.DataFrame:
    """The rows of all units, and of each unit for everyone, with `hidden` and `who`.

    Hidden numbers are null.

    Args:
        cohort: whose rows.
        table: `quality.<table>`.
        tied: measure to those whose numbers it would give away: hidden where one of them is.
        whole: the rows of the whole period alone, else of every period.
    """
    of_all = (pl.col("unit_id") == "all") | (pl.col("group_by") == "all")
    rows = cohort.rows(table).filter(
        of_all,
        pl.col("reason").fill_null("") != "not_applicable",
    )
    if whole:
        span = (pl.col("period_end") - pl.col("period_start")).dt.total_days()
        rows = rows.filter(span == span.max())
    if "item" not in rows.columns:
        rows = rows.with_columns(item=pl.lit(None, pl.Int32))
    marked = _marked(rows, cohort.rule, tied or {})
    return without(marked, pl.col(HIDDEN), NUMBERS).with_columns(who=_who(cohort))


def _marked(
    rows: pl.DataFrame, rule: Disclosure, tied: Mapping[str, Sequence[str]]
) -> pl.DataFrame:
    numerator, denominator = pl.col("numerator"), pl.col("denominator")
    is_share = pl.col("method").str.starts_with("share")
    few = percentage_hidden(denominator, rule) | (
        is_share & share_hidden(numerator, denominator, rule)
    )
    split = pl.when(pl.col("unit_id") != "all").then(pl.lit("units")).otherwise("group_by")
    marked = rows.with_columns(
        split=split, rest=denominator - numerator, own=few | pl.col("hidden_reason").is_not_null()
    )
    marked = _tied(_nested(marked, rule), tied)
    hidden = pl.col("own")
    is_part = (pl.col("split") != "all") & (pl.col("split") != "age")
    parts, others = marked.filter(is_part), marked.filter(~is_part)
    for count in ("numerator", "rest", "denominator"):
        parts = with_company(parts, PART, count, hidden, rule)
        hidden = pl.col(HIDDEN)
    known = pl.concat([others.with_columns(pl.col("own").alias(HIDDEN)), parts])
    return _missing_apart(known, rule).sort("measure", "item", "unit_id", "group_by", "group")


def _missing_apart(rows: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """The missing are a count of their own: a small one goes, with its company.

    Of an age they are not told where anybody is missing, since the ages lie within each other.
    """
    small = is_small(pl.col("n_missing"), rule)
    nested = (pl.col("group_by") == "age") & (pl.col("n_missing") > 0)
    row_hidden = pl.col(HIDDEN).alias("row_hidden")
    marked = with_company(rows.with_columns(row_hidden), PART, "n_missing", small, rule)
    gone = pl.col(HIDDEN) | nested
    return without(marked, gone, ["n_missing"]).drop(HIDDEN).rename({"row_hidden": HIDDEN})


def _nested(rows: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """The ages are hidden together where one of them less the next smaller would be."""
    by = ["measure", "unit_id", "period_start", "period_end", "item"]
    nested = rows.filter(pl.col("group_by").is_in(["age", "all"])).sort(*by, "denominator")
    between = [pl.col(name).diff().over(by).alias(name) for name in ("numerator", "denominator")]
    steps = nested.select(*by, *between)
    few = share_hidden(pl.col("numerator"), pl.col("denominator"), rule)
    given = steps.filter(few).select(by).unique().with_columns(given=pl.lit(value=True))
    told = rows.join(given, on=by, how="left", nulls_equal=True, maintain_order="left")
    is_age = pl.col("group_by") == "age"
    return told.with_columns(
        own=pl.col("own") | (is_age & pl.col("given").fill_null(value=False))
    ).drop("given")


def _tied(rows: pl.DataFrame, tied: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """A measure that gives others away is hidden where one of them is."""
    by = ["unit_id", "period_start", "period_end", "group_by", "group"]
    for measure, others in tied.items():
        few = rows.filter("own", pl.col("measure").is_in(others)).select(by).unique()
        hidden = few.with_columns(other=pl.lit(value=True))
        told = rows.join(hidden, on=by, how="left", maintain_order="left")
        is_it = (pl.col("measure") == measure) & pl.col("other").fill_null(value=False)
        rows = told.with_columns(own=pl.col("own") | is_it).drop("other")
    return rows


def _who(cohort: Cohort) -> pl.Expr:
    """Whom a row speaks of, in words; the unit goes before the group."""
    by, group = pl.col("group_by"), pl.col("group")
    level = group.replace({code: codes.LEVEL.label(code) for code in codes.LEVEL.codes})
    words = (
        pl.when(by == "age")
        .then(group.str.replace("_", " "))
        .when(by.is_in(["level", "from_level"]))
        .then(level)
        .when(by == "risk_level")
        .then(pl.format("risk level {}", group))
        .when(by == "by_day")
        .then(pl.format("by day {}", group))
        .otherwise(group)
    )
    for (kind, code), label in WHO.items():
        words = pl.when((by == kind) & (group == code)).then(pl.lit(label)).otherwise(words)
    unit = pl.col("unit_id").replace(cohort.units)
    return pl.when(pl.col("unit_id") != "all").then(unit).otherwise(words)
