"""Counts by unit, period and group: what must hold for any rows."""

from __future__ import annotations

from datetime import date
from statistics import median

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.derivations.quality_groups import (
    AGE,
    DISORDER,
    GROUP,
    UNIT_QUARTER,
    by_group,
    medians,
)
from registry_pipeline.derivations.quality_programmes import Setting, rolled
from schemas.protocol import load_shipped

FIRST, LAST = date(2024, 1, 1), date(2024, 12, 31)
WHERE = Setting(load_shipped("tsb"), FIRST, LAST, low_coverage=False)
QUARTERS = [(date(2024, 1, 1), date(2024, 3, 31)), (date(2024, 4, 1), date(2024, 6, 30))]
people = st.lists(
    st.tuples(
        st.sampled_from(["oslo", "unn", None]),
        st.sampled_from(QUARTERS),
        st.one_of(st.none(), st.integers(16, 60)),
        st.sampled_from(["true", "false", "unknown"]),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=40,
)


def cells_of(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    """One cell per person."""
    return pl.DataFrame(
        [
            {"unit_id": unit, "period_start": start, "period_end": end, AGE: age,
             DISORDER: flag, "days": days, "n": 1}
            for unit, (start, end), age, flag, days in rows
        ],
        schema={"unit_id": pl.String, "period_start": pl.Date, "period_end": pl.Date,
                AGE: pl.Int32, DISORDER: pl.String, "days": pl.Int64, "n": pl.Int64},
    )  # fmt: skip


@given(people)
@settings(max_examples=40, deadline=None)
def test_units_quarters_and_the_flag_add_up_to_everyone(rows):
    counted = rolled(by_group(cells_of(rows), WHERE, DISORDER), GROUP, ["n"], WHERE)
    whole = counted.filter(period_start=FIRST, period_end=LAST)
    everyone = whole.filter(unit_id="all", group_by="all")["n"].item()
    assert everyone == len(rows)
    quarters = counted.filter(pl.col("period_end") < LAST, unit_id="all", group_by="all")
    units = whole.filter(pl.col("unit_id") != "all", group_by="all")
    flag = whole.filter(unit_id="all", group_by=DISORDER)
    assert quarters["n"].sum() == units["n"].sum() == flag["n"].sum() == everyone


@given(people)
@settings(max_examples=40, deadline=None)
def test_the_ages_lie_within_each_other(rows):
    counted = rolled(by_group(cells_of(rows), WHERE), GROUP, ["n"], WHERE)
    sizes = dict(
        counted.filter(period_start=FIRST, period_end=LAST, unit_id="all")
        .select("group", "n")
        .rows()
    )
    ages = [age for _, _, age, _, _ in rows if age is not None]
    assert sizes.get("under_23", 0) == sum(age < 23 for age in ages)
    assert sizes.get("under_30", 0) == sum(age < 30 for age in ages)


@given(people)
@settings(max_examples=40, deadline=None)
def test_a_median_of_counts_is_the_median_of_the_rows(rows):
    cells = cells_of(rows).with_columns(pl.col("unit_id").fill_null("none"))
    grouped = cells.group_by(*UNIT_QUARTER, "days").agg(pl.col("n").sum())
    found = {
        (row["unit_id"], row["period_start"]): row["value"]
        for row in medians(grouped, UNIT_QUARTER, "days").iter_rows(named=True)
    }
    for (unit, start), value in found.items():
        days = [d for u, (s, _), _, _, d in rows if (u or "none", s) == (unit, start)]
        assert value == median(days)
