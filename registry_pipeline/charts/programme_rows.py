"""The rows of a programme's table that a page prints, and whom each speaks of.

Belongs here: the public numbers beside what only the table itself says, and what groups are called.
Does not belong here: charts and words (see `programmes`, `bridging`), what is hidden and why (see
`disclosure.programmes`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.disclosure.printed import KEY, NUMBERS, keyed
from registry_pipeline.disclosure.small_numbers import HIDDEN
from schemas import codes

PUBLIC: Final = "quality.public_programme"
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


def safe_rows(cohort: Cohort, table: str) -> pl.DataFrame:
    """The rows that a page prints, with `hidden` and `who`; hidden numbers are null.

    Of the programmes' tables all units by group and each unit for everyone over the whole period,
    of goals every count.

    Args:
        cohort: whose rows.
        table: `quality.<table>`.
    """
    rows = cohort.rows(table)
    told = keyed(rows, table)
    shown = cohort.rows(PUBLIC, table_name=[table]).select(
        *KEY, *NUMBERS, pl.col("hidden_reason").is_not_null().alias(HIDDEN)
    )
    marked = told.drop(NUMBERS).join(shown, on=KEY, maintain_order="left")
    return marked.with_columns(who=_who(cohort)).sort(
        "measure", "subject", "unit_id", "group_by", "group"
    )


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
