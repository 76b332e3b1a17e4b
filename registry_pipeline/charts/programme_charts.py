"""The page of the drop-out project's charts: p charts by quarter, before and after a tool began.

Belongs here: quality.programme_chart drawn and put in words.
Does not belong here: control charts of the cohort's own measures (see `units`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.programme_rows import PUBLIC
from registry_pipeline.charts.svg import (
    BLUE,
    GREY,
    INK,
    RED,
    Spec,
    in_order,
    mark,
    name,
    number,
    panels,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import HIDDEN, without
from schemas.protocol_programmes import NO_INTERVENTION
from schemas.result_codes import POINT_SIGNAL

MEASURES: Final = {
    "no_show": "No-show|Ikke møtt",
    "dropout": "Drop-out of planned stays|Drop-out av planlagte opphold",
}
QUARTER: Final = ["measure", "unit_id", "period_start"]
COUNTED: Final = ["numerator", "denominator", "value"]
SERIES: Final = ["measure", "unit_id", "intervention", "segment"]
QUARTERS: Final = {"labelAngle": -45, "grid": False}
UP: Final = {"title": "Share", "axis": {"format": ".0%", "tickCount": 5}, "scale": {"zero": True}}


def programme_chart(cohort: Cohort) -> Section:
    """No-show and drop-out by quarter, and before and after each intervention."""
    rows = _safe(cohort)
    return Section(
        words=(
            "No-show and drop-out by quarter, with the limits that chance alone would keep to "
            "(three sigma). Where something new began, the middle line and the limits are those of "
            "each part by itself: a difference between the parts is an association, since other "
            "things may have changed too. The quarter in which it began has no limits."
        ),
        norwegian="Ikke møtt og drop-out per kvartal, før og etter at et tiltak begynte.",
        table=_table(cohort, rows),
        chart=_chart,
        shown=_drawn(cohort, rows),
        caution=text.CAUTION,
        notes=(
            (
                "A quarter with few events, few without, or few people is left out, and so is the "
                "next smallest where the middle line would give it back. The units of the "
                "interventions are shown, and all units together."
            ),
        ),
    )


def _safe(cohort: Cohort) -> pl.DataFrame:
    """The series of all units and of the interventions, hidden numbers null."""
    public = cohort.rows(PUBLIC, table_name=["quality.programme_chart"])
    is_hidden = pl.col("hidden_reason").is_not_null()
    of_quarter = public.filter(group_by="all").select(*QUARTER, *COUNTED, hidden=is_hidden)
    of_part = public.filter(pl.col("group_by") != "all").select(
        "measure", "unit_id", intervention="group_by", segment="group", part_hidden=is_hidden
    )
    rows = (
        cohort.rows("quality.programme_chart")
        .drop(COUNTED)
        .join(of_quarter, on=QUARTER, maintain_order="left")
        .join(of_part, on=SERIES, how="left", maintain_order="left")
        .filter((pl.col("unit_id") == "all") | (pl.col("intervention") != NO_INTERVENTION))
    )
    safe = without(rows, pl.col(HIDDEN), ["signal", "runs_signal", "n_missing"])
    part_hidden = pl.col("part_hidden").fill_null(value=False)
    return without(safe, part_hidden | pl.col(HIDDEN), ["centre", "lower", "upper"])


def _named(cohort: Cohort) -> pl.Expr:
    """The heading of a series: measure, and intervention or unit."""
    programmes = cohort.protocol.programmes
    english = {one.code: f", {one.en}" for one in programmes.interventions}
    norwegian = {one.code: f", {one.nb}" for one in programmes.interventions}
    labels = pl.col("measure").replace(MEASURES).str.split_exact("|", 1)
    lines = [
        pl.concat_str(
            labels.struct.field(f"field_{line}"),
            pl.col("intervention").replace_strict({NO_INTERVENTION: "", **words}, default=""),
        )
        for line, words in enumerate((english, norwegian))
    ]
    return pl.concat_str(lines, separator="|").alias("panel")


def _quarter() -> pl.Expr:
    start = pl.col("period_start")
    return pl.format("{}-Q{}", start.dt.year(), start.dt.quarter()).alias("period")


def _drawn(cohort: Cohort, rows: pl.DataFrame) -> pl.DataFrame:
    """The series that have a point to draw, with their gaps."""
    whole = ["measure", "unit_id", "intervention"]
    seen = rows.filter(pl.col("value").is_not_null().any().over(whole))
    return seen.select(
        _named(cohort), _quarter(), "segment", "value", "centre", "lower", "upper", "signal"
    )


def _chart(shown: pl.DataFrame) -> Spec:
    """A panel per series: points, and middle line and limits of each part."""
    value, part = {"y": number("value", **UP)}, {"detail": {"field": "segment", "type": "nominal"}}
    limit: Spec = {"interpolate": "step", "color": GREY, "strokeWidth": 1.2}
    red = {"shape": "diamond", "filled": True, "color": RED, "size": 110, "opacity": 1}
    panel = {
        "width": 380,
        "height": 160,
        "encoding": {
            "x": name("period", in_order(shown.sort("period"), "period"), axis=QUARTERS),
        },
        "layer": [
            mark("line", {"y": number("upper", **UP), **part}, **limit),
            mark("line", {"y": number("lower", **UP), **part}, **limit),
            mark("line", {"y": number("centre", **UP), **part}, color=INK, strokeWidth=1),
            mark("line", {**value, **part}, color=BLUE, strokeWidth=1.6),
            mark("circle", value, color=BLUE, size=42, opacity=1),
            mark("point", value, only="isValid(datum.signal)", **red),
        ],
    }
    return panels(panel, "panel", in_order(shown, "panel"), columns=2)


def _table(cohort: Cohort, rows: pl.DataFrame) -> str:
    """A row per series and quarter."""
    named = rows.with_columns(_named(cohort), _quarter())
    return text.table(
        ["Chart", "Quarter", "Share", "Counted", "Of", "Middle (limits)", "Signal"],
        (
            [
                row["panel"].split("|")[0],
                row["period"],
                text.point(row["value"], text.HIDDEN if row[HIDDEN] else text.MISSING),
                text.count(row["numerator"], cohort.rule),
                text.count(row["denominator"], cohort.rule),
                _middle(row["centre"], row["lower"], row["upper"]),
                POINT_SIGNAL.label(row["signal"]) if row["signal"] else "",
            ]
            for row in named.iter_rows(named=True)
        ),
    )


def _middle(centre: float | None, lower: float | None, upper: float | None) -> str:
    if centre is None:
        return text.MISSING
    return f"{text.point(centre)} ({text.point(lower)} to {text.point(upper)})"
