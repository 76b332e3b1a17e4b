"""The rows of the programmes' tables that pages print.

Belongs here: which rows, and the key they have in quality.public_programme.
Does not belong here: what of them is hidden (see `programmes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from registry_pipeline.disclosure.family import ALL_UNITS
from schemas.fields import describe
from schemas.protocol_programmes import NO_INTERVENTION
from schemas.quality.public import PublicProgramme

CHART: Final = "quality.programme_chart"
GOALS: Final = "quality.goal_result"
FUNNEL: Final = "quality.bridging_funnel"
INVOLVEMENT: Final = "quality.involvement"
RESULTS: Final = "quality.public_result"
CHARTED: Final = {"no_show": "quality.no_show", "dropout": "quality.dropout"}
"""A chart's measure, and the table whose whole period its quarters add up to."""

PRINTED: Final = tuple(
    f"quality.{name}"
    for name in (
        "dropout", "no_show", "checklist_use", "feedback_change", "detox_stay", "transition_gap",
        "co_occurring", "bridging_funnel", "involvement",
    )
)  # fmt: skip
"""Printed are all units by group and each unit for everyone, over the whole period."""

TABLES: Final = (*PRINTED, GOALS, CHART, "quality.indicator", RESULTS)
"""What the public view is made of: the last two are made before, and tell some counts too."""

KEY: Final = list(describe(PublicProgramme).key)
NUMBERS: Final = ("numerator", "denominator", "n_missing", "value", "ci_low", "ci_high")


def listed(tables: Mapping[str, pl.DataFrame], protocol: str) -> pl.DataFrame:
    """The rows that pages print, with the key of quality.public_programme.

    Args:
        tables: the programmes' tables of a cohort; one that is not there has no rows.
        protocol: the cohort's id.

    Returns:
        Beside the key: `NUMBERS`, method, reason, hidden_reason; is_share, goal_id and step, which
        tell the counts of a row; and what the public indicators show, in their rows.
    """
    parts = [keyed(tables[name], name) for name in (*PRINTED, GOALS) if name in tables]
    parts += [quarters(tables[CHART])] if CHART in tables else []
    if RESULTS in tables:
        parts.append(_results(tables["quality.indicator"], tables[RESULTS]))
    dtypes = describe(PublicProgramme).dtypes
    empty = pl.DataFrame(
        schema={
            **{name: dtypes[name] for name in (*KEY, *NUMBERS)},
            **dict.fromkeys(("method", "reason", "hidden_reason", "goal_id", "step"), pl.String),
            "is_share": pl.Boolean,
            "shown_numerator": pl.Int64,
            "shown_denominator": pl.Int64,
        }
    )
    rows = pl.concat([empty, *parts], how="diagonal").with_columns(protocol=pl.lit(protocol))
    return rows.with_columns(pl.col("is_share").fill_null(value=False)).select(empty.columns)


def keyed(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows of a table that are printed, with the key of quality.public_programme.

    A unit by its groups is in none of the pages. Of a goal what was counted is printed; what was
    planned is nobody's number.

    Args:
        table: a programme's table of one cohort.
        name: its name.
    """
    delivered = table.filter(pl.col("reason").fill_null("") != "not_applicable").with_columns(
        table_name=pl.lit(name),
        subject=pl.lit("all"),
        is_share=pl.col("method").str.starts_with("share") & pl.col("numerator").is_not_null(),
    )
    if name == GOALS:
        counted = delivered.filter(pl.col("measure") == "reached")
        return counted.with_columns(subject=pl.format("{}.{}", "goal_id", "step"))
    if name == INVOLVEMENT:
        delivered = delivered.with_columns(subject=pl.format("item {}", "item"))
    of_all = (pl.col("unit_id") == ALL_UNITS) | (pl.col("group_by") == "all")
    return delivered.filter(of_all, _is_whole())


def _is_whole() -> pl.Expr:
    """Whether a row is of the cohort's whole period, the one that is no calendar quarter.

    A young cohort's is shorter than a quarter. Where the whole period is a quarter it is the last.
    """
    first, last = pl.col("period_start"), pl.col("period_end")
    starts = first == first.dt.truncate("1q")
    is_quarter = starts & (last == first.dt.offset_by("1q").dt.offset_by("-1d"))
    return ~is_quarter | (is_quarter.all() & (last == last.max()))


def quarters(table: pl.DataFrame) -> pl.DataFrame:
    """The quarters of the charts, and each part of a chart as a whole: its middle line."""
    of_all = (pl.col("unit_id") == ALL_UNITS) & (pl.col("intervention") == NO_INTERVENTION)
    drawn = table.filter(of_all | (pl.col("intervention") != NO_INTERVENTION))
    each = drawn.unique(["measure", "unit_id", "period_start"], maintain_order=True)
    together = (
        drawn.filter(pl.col("segment") != "during")
        .group_by("measure", "unit_id", "intervention", "segment", maintain_order=True)
        .agg(
            pl.col("period_start").min(),
            pl.col("period_end").max(),
            pl.col("numerator", "denominator").sum(),
        )
        .with_columns(value=pl.col("numerator") / pl.col("denominator"))
        .with_columns(pl.col("value").fill_nan(None))
    )
    parts = pl.concat(
        [
            each.with_columns(group_by=pl.lit("all"), group=pl.lit("all")).drop("reason"),
            together.with_columns(group_by="intervention", group="segment"),
        ],
        how="diagonal",
    )
    return parts.with_columns(
        table_name=pl.lit(CHART), subject=pl.lit("all"), is_share=pl.lit(value=True),
        method=pl.lit("p chart, 3 sigma"), n_missing=pl.lit(None, pl.Int64),
    )  # fmt: skip


def _results(indicator: pl.DataFrame, public: pl.DataFrame) -> pl.DataFrame:
    """What an indicator counts as a programme's table does, and what is shown of it."""
    key = ["indicator_id", "unit_id", "period_start", "period_end"]
    shown = public.select(*key, shown_numerator="numerator", shown_denominator="denominator")
    same = indicator.filter(
        pl.col("indicator_id").is_in(list(CHARTED)), pl.col("period_type") != "whole"
    )
    return same.select(*key, "numerator", "denominator").join(shown, on=key).select(
        pl.exclude("indicator_id"), measure="indicator_id", table_name=pl.lit(RESULTS),
        subject=pl.lit("all"), group_by=pl.lit("all"), group=pl.lit("all"),
        is_share=pl.lit(value=True),
    )  # fmt: skip
