"""The page on units side by side: funnels.

Belongs here: derived.funnel drawn and put in words.
Does not belong here: units over time (see `units`), indicators and their targets (see `quality`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import (
    BLUE,
    GREY,
    INK,
    RED,
    Spec,
    in_order,
    mark,
    number,
    panels,
    percent,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    percentage_hidden,
    share_hidden,
    with_company,
    without,
)
from schemas.result_codes import FUNNEL_SIGNAL

OF_UNIT: Final = {
    "dropout": "Drop-out|Drop-out",
    "retained": "Retained in treatment|Fortsatt i behandling",
}
"""The measures in words, English and Norwegian; one that is not here is its own label."""

LIMITS: Final = {"lower_998": [1, 0], "lower_95": [4, 3], "upper_95": [4, 3], "upper_998": [1, 0]}
"""The limits of a funnel and the dashes they are drawn in."""

UNUSUAL: Final = 0.05


def funnel(cohort: Cohort) -> Section:
    """Units side by side, with the limits chance alone would keep them to."""
    rows = _safe_units(cohort)
    compared = rows.filter((pl.col("value").count() > 1).over("measure"))
    return Section(
        words=(
            "Units side by side: the share at each unit against its number of people. The middle "
            "line is the share of all units together; between the inner lines lie 95 %, between "
            "the outer 99.8 % of units if only chance set them apart (exact binomial). People "
            "without the outcome are counted as missing. A unit outside is a reason to look, not "
            "a ranking; only those are named in the chart. One unit alone has nothing to be "
            "compared with: see its control chart. An association between unit and outcome, never "
            "an effect of the unit: they treat different people."
        ),
        norwegian=(
            "Enheter side om side med grensene som tilfeldigheter alene ville gitt. Sammenheng, "
            "ikke effekt: enhetene behandler ulike pasienter."
        ),
        table=_units_table(cohort, rows),
        chart=_units_chart,
        shown=compared.filter(pl.col("value").is_not_null()).select(
            "n", "value", "centre", *LIMITS, "signal",
            panel=pl.col("measure").replace(OF_UNIT),
            unit=pl.col("unit_id").replace(cohort.units),
        ),
        notes=(
            (
                "A unit with few events, few without, or few people is left out, and so is the "
                "next smallest where the middle line would give it back."
            ),
            *_spread_notes(rows),
        ),
    )  # fmt: skip


def _safe_units(cohort: Cohort) -> pl.DataFrame:
    """The units with `hidden`; hidden numbers are null."""
    rule = cohort.rule
    n, numerator = pl.col("n"), pl.col("numerator")
    few = (n > 0) & (percentage_hidden(n, rule) | share_hidden(numerator, n, rule))
    marked = with_company(cohort.rows("derived.funnel"), ["measure"], "numerator", few, rule)
    hidden = pl.col(HIDDEN)
    safe = without(marked, hidden, ["value", "numerator", "ci_low", "ci_high", "signal", *LIMITS])
    return without(safe, hidden.all().over("measure"), ["centre"])


def _spread_notes(rows: pl.DataFrame) -> list[str]:
    """The measures whose units differ more than chance allows; none where a unit is hidden."""
    whole = rows.filter(~pl.col(HIDDEN).any().over("measure"))
    wide = whole.filter(pl.col("over_dispersion_p") < UNUSUAL).unique(
        "measure", maintain_order=True
    )
    return [
        f"{OF_UNIT.get(row['measure'], row['measure']).split('|')[0]}: the units differ more than "
        f"chance allows (over-dispersion {row['over_dispersion']:.1f}, p value "
        f"{text.p_value(row['over_dispersion_p'])}), so more of them lie outside the lines than "
        "the percentages say."
        for row in wide.iter_rows(named=True)
    ]


def _units_chart(shown: pl.DataFrame) -> Spec:
    """A funnel per measure."""
    value = {"y": percent("value", "Share")}
    unit = {**value, "text": {"field": "unit"}}
    outside = {"condition": {"test": "isValid(datum.signal)", "value": RED}, "value": BLUE}
    limits = [
        mark("line", {"y": percent(limit, "Share")}, color=GREY, strokeWidth=1.2, strokeDash=dash)
        for limit, dash in LIMITS.items()
    ]
    panel = {
        "width": 350,
        "height": 240,
        "encoding": {"x": number("n", title="People", scale={"zero": True})},
        "layer": [
            *limits,
            mark("line", {"y": percent("centre", "Share")}, color=INK, strokeWidth=1),
            mark("circle", {**value, "color": outside}, size=60, opacity=1),
            mark("text", unit, only="isValid(datum.signal)", align="left", dx=7, fontSize=11),
        ],
    }
    return panels(panel, "panel", in_order(shown, "panel"), columns=2)


def _units_table(cohort: Cohort, rows: pl.DataFrame) -> str:
    """A row per measure and unit."""
    return text.table(
        ["Measure", "Unit", "People", "Events", "Missing", "Share (95 %)", "All units", "Signal"],
        (
            [
                OF_UNIT.get(row["measure"], row["measure"]).split("|")[0],
                cohort.units.get(row["unit_id"], row["unit_id"]),
                text.count(row["n"], cohort.rule),
                text.count(row["numerator"], cohort.rule),
                text.count(row["n_missing"], cohort.rule),
                text.share(row["value"], row["ci_low"], row["ci_high"], text.absent(row["n"])),
                text.percent(row["centre"]),
                FUNNEL_SIGNAL.label(row["signal"]) if row["signal"] else "",
            ]
            for row in rows.iter_rows(named=True)
        ),
    )
