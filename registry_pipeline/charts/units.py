"""The page on units over time: control charts.

Belongs here: derived.control_chart drawn and put in words.
Does not belong here: units side by side (see `funnels`), indicators (see `quality`).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort, place
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
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    is_small,
    percentage_hidden,
    share_hidden,
    with_company,
    without,
)
from schemas.result_codes import POINT_SIGNAL

IN_QUARTER: Final = {
    "dropout": "Drop-out in the quarter|Drop-out i kvartalet",
    "missed_interview": "Interviews not held|Intervjuer som ikke ble holdt",
    "coping": "Mean coping, 0 to 10|Gjennomsnittlig mestring, 0 til 10",
}
"""The measures in words, English and Norwegian; one that is not here is its own label."""

SERIES: Final = ["measure", "unit_id", "chart"]
OF_ALL_ALONE: Final = ("missed_interview",)
"""Measures that a public indicator tells the complement of, by unit and quarter: the units' numbers
here would give back what is hidden there."""

MAX_UNITS: Final = 4
QUARTERS: Final = {"labelAngle": -45, "grid": False}


def control_chart(cohort: Cohort) -> Section:
    """Measures by quarter with their control limits, a panel per measure and unit."""
    rows = _safe_points(cohort)
    return Section(
        words=(
            "Measures by quarter. The middle line is the mean of all quarters, the grey lines are "
            "the control limits that chance alone would keep to (three sigma). A red diamond "
            "lies outside them: a signal to look into, not a verdict. The share is of the people "
            "or interviews looked at in the quarter; unknown ones are counted as missing."
        ),
        norwegian="Mål per kvartal med kontrollgrenser. Rød rute: et signal det er verdt å se på.",
        table=_points_table(cohort, rows),
        chart=_points_chart,
        shown=_points_drawn(cohort, rows),
        notes=(
            (
                "A quarter with few events, few without, or few people is left out, and so is the "
                "next smallest where the mean line would give it back. Interviews not held are of "
                f"all units; of other measures at most {MAX_UNITS} units are shown."
            ),
            *_run_notes(cohort, rows),
        ),
    )


def _safe_points(cohort: Cohort) -> pl.DataFrame:
    """The points with `hidden`, of at most `MAX_UNITS` units beside `all`; hidden ones are null.

    All units together are hidden in a quarter where a unit is, if every unit is on the page:
    they would give it back. Series without any value are left out, and so are the units of
    `OF_ALL_ALONE`. Of a quarter of few people two have no number: other pages tell the sum of all.
    """
    rule, of_all = cohort.rule, pl.col("unit_id") == "all"
    rows = (
        cohort.rows("derived.control_chart", chart=["p", "xmr"])
        .filter(
            pl.col("value").is_not_null().any().over(SERIES),
            of_all | ~pl.col("measure").is_in(OF_ALL_ALONE),
        )
        .sort(place("unit_id", cohort.units), maintain_order=True)
    )
    units = [unit for unit in in_order(rows, "unit_id") if unit != "all"]
    numerator, denominator = pl.col("numerator"), pl.col("denominator")
    weighed = rows.filter(pl.col("unit_id").is_in([*units[:MAX_UNITS], "all"])).with_columns(
        weight=pl.coalesce(numerator, denominator)
    )
    small = is_small(denominator, rule)
    weighed = with_company(weighed, SERIES, "denominator", small, rule).rename({HIDDEN: "unsized"})
    few = pl.col("value").is_not_null() & (
        percentage_hidden(denominator, rule)
        | share_hidden(numerator, denominator, rule)
        | pl.col("unsized")
    )
    own = with_company(weighed, SERIES, "weight", few, rule)
    a_unit_is = (pl.col(HIDDEN) & ~of_all).any().over("measure", "chart", "period")
    given_back = of_all & a_unit_is & (len(units) <= MAX_UNITS)
    marked = with_company(own, SERIES, "weight", pl.col(HIDDEN) | given_back, rule)
    safe = without(marked, pl.col(HIDDEN), ["numerator", "value", "signal"])
    silent = pl.col("value").is_null().all().over(SERIES) | percentage_hidden(denominator, rule)
    safe = without(safe, silent | pl.col("unsized"), ["centre", "lower", "upper"])
    return without(safe, pl.col("unsized"), ["denominator"])


def _panel(cohort: Cohort) -> pl.Expr:
    """The heading of a panel: measure, and unit where it is one."""
    of_unit = pl.concat_str(pl.lit(", "), pl.col("unit_id").replace(cohort.units))
    unit = pl.when(pl.col("unit_id") != "all").then(of_unit).otherwise(pl.lit(""))
    labels = pl.col("measure").replace(IN_QUARTER).str.split_exact("|", 1)
    english, norwegian = (labels.struct.field(f"field_{line}") for line in (0, 1))
    return pl.concat_str(
        pl.concat_str(english, unit), norwegian, separator="|", ignore_nulls=True
    ).alias("panel")


def _points_drawn(cohort: Cohort, rows: pl.DataFrame) -> pl.DataFrame:
    """The series that have a point to draw, their gaps kept as nulls."""
    seen = rows.filter(pl.col("value").is_not_null().any().over(SERIES))
    return seen.select(
        "period", "value", "centre", "lower", "upper", "signal",
        _panel(cohort),
        is_share=pl.col("chart") == "p",
    )  # fmt: skip


def _points_chart(shown: pl.DataFrame) -> Spec:
    """Shares above, other measures below, a panel per measure and unit."""
    blocks = [
        _points_block(part, is_share=is_share)
        for is_share in (True, False)
        if (part := shown.filter(is_share=is_share)).height
    ]
    return {"vconcat": blocks, "spacing": 28}


def _points_block(part: pl.DataFrame, *, is_share: bool) -> Spec:
    """Panels of one kind of measure: points, middle line and limits."""
    axis = {"format": ".0%" if is_share else ".1f", "tickCount": 5}
    up = {"title": "Share" if is_share else "Mean", "axis": axis, "scale": {"zero": is_share}}
    value = {"y": number("value", **up)}
    red = {"shape": "diamond", "filled": True, "color": RED, "size": 110, "opacity": 1}
    limit: Spec = {"interpolate": "step", "color": GREY, "strokeWidth": 1.2}
    panel = {
        "width": 360,
        "height": 150,
        "encoding": {
            "x": name("period", in_order(part.sort("period"), "period"), axis=QUARTERS),
        },
        "layer": [
            mark("line", {"y": number("upper", **up)}, **limit),
            mark("line", {"y": number("lower", **up)}, **limit),
            mark("line", {"y": number("centre", **up)}, color=INK, strokeWidth=1),
            mark("line", value, color=BLUE, strokeWidth=1.6),
            mark("circle", value, color=BLUE, size=42, opacity=1),
            mark("point", value, only="isValid(datum.signal)", **red),
        ],
    }
    own_scales = {"scale": {"y": "independent"}}
    this = [{"filter": "datum.is_share" if is_share else "!datum.is_share"}]
    order = in_order(part, "panel")
    return panels(panel, "panel", order, columns=2, resolve=own_scales, transform=this)


def _run_notes(cohort: Cohort, rows: pl.DataFrame) -> list[str]:
    """The series with an unusual run, in a sentence; none where there is none."""
    runs = rows.filter(pl.col("runs_signal") & pl.col("centre").is_not_null())
    names = in_order(runs.select(_panel(cohort)), "panel")
    words = ", ".join(name.split("|")[0] for name in names)
    return [f"An unusually long run or few crossings of the middle line: {words}."] if names else []


def _points_table(cohort: Cohort, rows: pl.DataFrame) -> str:
    """A row per measure, unit and quarter."""
    headers = ["Measure", "Unit", "Quarter", "Value", "Events", "Of", "Missing"]
    return text.table(
        [*headers, "Middle (limits)", "Signal"],
        (
            [
                IN_QUARTER.get(row["measure"], row["measure"]).split("|")[0],
                cohort.units.get(row["unit_id"], row["unit_id"]),
                row["period"],
                *_point_cells(row, cohort),
                POINT_SIGNAL.label(row["signal"]) if row["signal"] else "",
            ]
            for row in rows.iter_rows(named=True)
        ),
    )


def _point_cells(row: dict[str, Any], cohort: Cohort) -> list[str]:
    """Value, events, people or interviews looked at, missing, and middle with limits."""
    is_share = row["chart"] == "p"
    absent = text.HIDDEN if row[HIDDEN] else text.MISSING

    def written(value: float | None) -> str:
        return text.point(value, absent) if is_share else text.number(value, absent)

    events = text.count(row["numerator"], cohort.rule) if is_share else ""
    middle = written(row["centre"])
    if row["lower"] is not None:
        middle += f" ({written(row['lower'])} to {written(row['upper'])})"
    return [
        written(row["value"]),
        events,
        text.count(row["denominator"], cohort.rule),
        text.count(row["n_missing"], cohort.rule),
        middle,
    ]
