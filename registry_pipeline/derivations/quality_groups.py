"""Counts of rows by unit, period and group, in one pass over the rows.

Belongs here: who a row is about, sums by unit and quarter, and the groups a programme is shown by.
Does not belong here: measures (see the `quality_*` modules), the shape of a table (see
`quality_programmes`).

Rows leave the engine as cells: one per unit, period, age and code, with the sums of flags. Groups
are made of the cells: everyone, those under each age of the protocol, and each value of a code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.quality_programmes import PERIOD, Setting
from registry_pipeline.transform.engine import Frame

UNIT_QUARTER: Final = ["unit_id", *PERIOD]
GROUP: Final = ["group_by", "group"]
AGE: Final = "age_years"
DISORDER: Final = "co_occurring_disorder"
UNKNOWN: Final = "unknown"


def people(patients: Frame) -> Frame:
    """What programmes ask of a person: patient_id, birth_year, `DISORDER` as text, cutoff_date."""
    return patients.select(
        "patient_id", "birth_year", "cutoff_date", as_text(DISORDER).alias(DISORDER)
    )


def at_own_unit(patients: Frame) -> Frame:
    """patient_id, unit_id and `DISORDER`: people at the unit responsible for them."""
    return patients.select("patient_id", "unit_id", as_text(DISORDER).alias(DISORDER))


def as_text(flag: str) -> nw.Expr:
    """A flag as `true`, `false` or `unknown`."""
    yes, no = nw.lit("true"), nw.lit("false")
    known = nw.when(nw.col(flag)).then(yes).when(~nw.col(flag)).then(no)
    return known.otherwise(nw.lit(UNKNOWN))


def with_person(rows: Frame, patients: Frame, day: str) -> Frame:
    """Adds age in years on the date `day`, and `DISORDER`; null and unknown for no known person."""
    known = people(patients).drop("cutoff_date")
    return (
        rows.join(known, on="patient_id", how="left")
        .with_columns(
            (nw.col(day).dt.year() - nw.col("birth_year")).cast(nw.Int32).alias(AGE),
            nw.col(DISORDER).fill_null(UNKNOWN),
        )
        .drop("birth_year")
    )


def tally(rows: Frame, by: Sequence[str], sums: Mapping[str, nw.Expr]) -> pl.DataFrame:
    """Sums per combination of `by`; a flag that is null counts as false.

    Args:
        rows: what is counted.
        by: columns of the cells; period_end is that of the quarter that begins on period_start.
        sums: column to a boolean or a whole number.
    """
    flags = {name: expression.cast(nw.Int64).fill_null(0) for name, expression in sums.items()}
    keys = [name for name in by if name != "period_end"]
    summed = rows.select(*keys, **flags).group_by(*keys).agg(nw.col(*flags).sum().cast(nw.Int64))
    cells: pl.DataFrame = summed.collect("polars").to_native()
    if "period_end" in by:
        cells = cells.with_columns(period_end=_quarter_end())
    return cells.sort(by, nulls_last=True)


def in_quarter(cells: pl.DataFrame, epoch: str) -> pl.DataFrame:
    """Adds `PERIOD`, the quarter of a day number; cells without one are left out."""
    start = pl.col(epoch).cast(pl.Int32).cast(pl.Date).dt.truncate("1q")
    known = cells.filter(pl.col(epoch).is_not_null()).with_columns(period_start=start)
    return known.with_columns(period_end=_quarter_end())


def _quarter_end() -> pl.Expr:
    return pl.col("period_start").dt.offset_by("1q").dt.offset_by("-1d")


def by_group(cells: pl.DataFrame, where: Setting, *codes: str, ages: bool = True) -> pl.DataFrame:
    """The cells once for everyone and once for each group, with `GROUP`.

    Args:
        cells: cells with the columns `codes`, and `AGE` where `ages`.
        where: gives the ages.
        codes: columns whose values are groups; a null is `unknown`.
        ages: whether there is a group under each of the protocol's ages.
    """
    parts = [cells.with_columns(group_by=pl.lit("all"), group=pl.lit("all"))]
    for band in where.protocol.programmes.age_bands if ages else ():
        young = cells.filter(pl.col(AGE) < band)
        parts.append(young.with_columns(group_by=pl.lit("age"), group=pl.lit(f"under_{band}")))
    for code in codes:
        value = pl.col(code).cast(pl.String).fill_null(UNKNOWN)
        parts.append(cells.with_columns(group_by=pl.lit(code), group=value))
    return pl.concat(parts)


def medians(cells: pl.DataFrame, by: Sequence[str], days: str) -> pl.DataFrame:
    """The median of a column of `cells` weighted by `n`: `by` and `value`; nulls are left out."""
    number, below, half = pl.col(days), 2 * pl.col("n").cum_sum(), pl.col("n").sum()
    lower, upper = number.filter(below >= half).first(), number.filter(below > half).first()
    known = cells.filter(number.is_not_null()).sort(days)
    return known.group_by(by, maintain_order=True).agg(value=(lower + upper) / 2)
