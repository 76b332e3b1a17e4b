"""What the programmes' tables share: periods, totals, the rows of what is not there.

Belongs here: the shape of a programme table.
Does not belong here: what a programme counts (see `quality_services` and `quality_people`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.disclosure.small_numbers import share_hidden
from registry_pipeline.indicators.coverage import is_low, whole_period
from registry_pipeline.indicators.definition import Core
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import why_no_mean, with_mean, with_wilson
from registry_pipeline.transform.engine import Frame
from registry_pipeline.version import as_table
from schemas.fields import Table, describe
from schemas.protocol import Protocol
from schemas.quality.programmes import KEY, ProgrammeTable

NOT_APPLICABLE: Final = "not_applicable"
"""Nothing of the kind was delivered."""

NO_INTERVAL: Final = "no_interval"
"""A median, or a count against a plan, has no interval here."""

FIRST_DAYS: Final = (
    ("core.outreach_contact", "identified_date"),
    ("core.appointment", "scheduled_date"),
    ("core.goal_count", "period_start"),
    ("core.involvement_response", "answered_on"),
)
"""Rows that need no registered person, or come before the first invitation."""

PERIOD: Final = ["period_start", "period_end"]
COUNTS: Final = ["n", "n_missing", "numerator", "denominator"]
ALL: Final = pl.lit("all")


@dataclass(frozen=True)
class Setting:
    """What every programme table asks of its cohort."""

    protocol: Protocol
    first: date
    last: date
    low_coverage: bool


def setting(core: Core, protocol: Protocol) -> Setting:
    """The cohort's whole period, and whether its coverage is low.

    The period begins with the first row of any form the programmes count: outreach may have
    begun before anyone was registered.
    """
    first, last = whole_period(core)
    starts = [first, *(day for day in (_first(core, *one) for one in FIRST_DAYS) if day)]
    return Setting(protocol, min(starts), last, is_low(core, protocol))


def _first(core: Core, table: str, column: str) -> date | None:
    earliest: pl.DataFrame = core[table].select(nw.col(column).min()).collect("polars").to_native()
    day: date | None = earliest.item()
    return day


def in_quarters(rows: Frame, day: str, where: Setting) -> Frame:
    """The rows of the cohort's whole period, with `PERIOD`, the quarter of the date `day`.

    What was before is known of those who were still there when the cohort began, and of nobody
    else: of the stays before it those that others left for good are missing.
    """
    start = nw.col(day).dt.truncate("1q")
    last = start.dt.offset_by("1q").dt.offset_by("-1d")
    return rows.filter(nw.col(day) >= where.first, nw.col(day) <= where.last).with_columns(
        period_start=start.cast(nw.Date), period_end=last.cast(nw.Date)
    )


def rolled(
    cells: pl.DataFrame, keys: Sequence[str], values: Sequence[str], where: Setting
) -> pl.DataFrame:
    """Sums by unit and quarter, and for all units and the whole period.

    Args:
        cells: one row per unit_id, period and `keys`, with the sums of `values`.
        keys: what else a row is known by.
        values: the columns summed.
        where: the cohort's whole period.
    """
    by = ["unit_id", *PERIOD, *keys]
    whole = {"period_start": pl.lit(where.first), "period_end": pl.lit(where.last)}
    units = [cells.with_columns(unit_id=pl.col("unit_id").fill_null("unknown"))]
    units.append(cells.with_columns(unit_id=ALL))
    spans = [part for one in units for part in (one, one.with_columns(**whole))]
    summed = [part.group_by(by).agg(pl.col(values).sum()) for part in spans]
    return pl.concat(part.select(*by, *values) for part in summed).unique(by)


def measure(
    rows: pl.DataFrame,
    name: str,
    numerator: pl.Expr,
    denominator: pl.Expr,
    *,
    n: pl.Expr,
    n_missing: pl.Expr | None = None,
) -> pl.DataFrame:
    """One measure of rolled rows: the columns of the key, and `COUNTS`."""
    return rows.with_columns(
        measure=pl.lit(name),
        numerator=numerator.cast(pl.Int64),
        denominator=denominator.cast(pl.Int64),
        n=n.cast(pl.Int64),
        n_missing=pl.lit(0, pl.Int64) if n_missing is None else n_missing.cast(pl.Int64),
    )


def shares(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds value, its Wilson interval and the reason where the denominator is 0."""
    nobody = pl.when(pl.col("denominator") == 0).then(pl.lit(reasons.NOT_COMPUTABLE))
    return with_wilson(rows, "numerator", "denominator", estimate="value").with_columns(
        reason=nobody, method=pl.lit("share; Wilson")
    )


def means(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds the mean of numerator over denominator, its t interval and reason.

    The rows carry `squares`, the sum of squared values; there is no interval below two values,
    nor where all are alike.
    """
    return with_mean(rows, "denominator", "numerator", "squares", estimate="value").with_columns(
        reason=why_no_mean("denominator"), method=pl.lit("mean; Student t")
    )


def without_interval(rows: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """Adds a median as the value, and why it has no interval.

    Args:
        rows: one row per measure of a cell.
        values: `value` per cell, by the columns it shares with `rows`.
    """
    by = [name for name in values.columns if name != "value"]
    nobody = pl.when(pl.col("denominator") == 0).then(pl.lit(reasons.NOT_COMPUTABLE))
    return rows.join(values, on=by, how="left").with_columns(
        method=pl.lit("median"), reason=pl.coalesce(nobody, pl.lit(NO_INTERVAL))
    )


def programme(
    model: type[ProgrammeTable], rows: Sequence[pl.DataFrame], where: Setting
) -> pl.DataFrame:
    """A programme's table, without as_of_delivery.

    Args:
        model: the table.
        rows: its rows: what is left out of group_by and group is `all`, of the others null.
        where: the cohort.

    Returns:
        The rows, and one over the whole period for each measure (and item) that has none:
        not_applicable. Where a table knows of no more than units, so has each unit of the
        protocol that delivered nothing of a measure: not_computable.
    """
    table = describe(model)
    empty = pl.DataFrame(schema=table.dtypes)
    missing = _missing(table, {name for part in rows for name in part["measure"]}, where)
    parts = [empty, *rows, missing.with_columns(reason=pl.lit(NOT_APPLICABLE))]
    known = pl.concat(
        (part.select(name for name in part.columns if name in table.dtypes) for part in parts),
        how="diagonal_relaxed",
    ).with_columns(pl.col("group_by", "group").fill_null("all"), protocol=pl.lit(where.protocol.id))
    if set(table.key) == set(KEY):
        known = pl.concat([known, _silent_units(known, where)], how="diagonal_relaxed")
    rule = where.protocol.disclosure
    numerator, denominator = pl.col("numerator"), pl.col("denominator")
    of_people = pl.col("method").str.contains("^(share|count)")
    hidden = (
        pl.when(pl.col("value").is_null())
        .then(None)
        .when(pl.lit(where.low_coverage))
        .then(pl.lit("low_coverage"))
        .when(denominator < rule.min_percentage_denominator)
        .then(pl.lit("small_denominator"))
        .when(of_people & share_hidden(numerator, denominator, rule))
        .then(pl.lit("small_count"))
    )
    method = pl.col("method").fill_null("none")
    shaped = known.with_columns(hidden_reason=hidden)
    return as_table(shaped, model, cohort=where.protocol.id, method=method).sort(table.key)


def _silent_units(rows: pl.DataFrame, where: Setting) -> pl.DataFrame:
    """Zero counts of each unit of the protocol without a row of a measure that others have."""
    units = pl.DataFrame({"unit_id": [unit.id for unit in where.protocol.units]})
    units = units.cast({"unit_id": pl.String})
    applicable = rows.filter(pl.col("reason").fill_null("") != NOT_APPLICABLE)
    pairs = applicable.select("measure").unique(maintain_order=True).join(units, how="cross")
    return pairs.join(rows, on=["measure", "unit_id"], how="anti").with_columns(
        pl.lit("all").alias("group_by"),
        pl.lit("all").alias("group"),
        protocol=pl.lit(where.protocol.id),
        period_start=pl.lit(where.first),
        period_end=pl.lit(where.last),
        n=pl.lit(0),
        n_missing=pl.lit(0),
        denominator=pl.lit(0),
        reason=pl.lit(reasons.NOT_COMPUTABLE),
    )


def _missing(table: Table, present: set[str], where: Setting) -> pl.DataFrame:
    """The key and zero counts of measures without rows."""
    codes = table.column("measure").codes
    texts = [name for name in table.key if table.dtypes[name] == pl.String]
    items = range(1, 7) if "item" in table.key else (None,)
    rows = [
        {
            **dict.fromkeys(texts, "all"),
            "period_start": where.first,
            "period_end": where.last,
            "measure": name,
            "item": item,
            "n": 0,
            "n_missing": 0,
            "denominator": 0,
        }
        for name in (codes.codes if codes else ())
        if name not in present
        for item in items
    ]
    columns = ["measure", *table.key, "item", "n", "n_missing", "denominator"]
    return pl.DataFrame(
        rows, schema={name: table.dtypes[name] for name in columns if name in table.dtypes}
    )
