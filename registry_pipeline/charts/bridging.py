"""The pages of the bridge from hospital to municipality: the funnel, involvement, goals.

Belongs here: quality.bridging_funnel, quality.involvement and quality.goal_result drawn and put in
words. Does not belong here: detox stays (see `programmes`), what is hidden (see `programme_rows`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort, place
from registry_pipeline.charts.programme_rows import safe_rows
from registry_pipeline.charts.programmes import (
    NOT_DELIVERED,
    measures_table,
    silent_units,
)
from registry_pipeline.charts.svg import (
    INK,
    PLAIN,
    SKY,
    TWO_LINES,
    Spec,
    colour,
    in_order,
    mark,
    name,
    number,
    percent,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import HIDDEN
from registry_pipeline.statistics import reasons
from schemas.programme_codes import BRIDGING_STEP, INVOLVEMENT_MEASURE

STEPS: Final = tuple(code for code in BRIDGING_STEP.codes if code != "centre_contact_followed")
GOAL: Final = ["goal_id", "step", "unit_id", "period_start"]
LEVELS: Final = {
    "1": ("not at all / ikke i det hele tatt", "#B35806"),
    "2": ("to a lesser degree / i mindre grad", "#F1A340"),
    "3": ("to some degree / i noen grad", "#E0E0E0"),
    "4": ("to a high degree / i høy grad", "#92C5DE"),
    "5": ("to a very high degree / i svært høy grad", "#2166AC"),
}
"""Level to its words and colour."""
REFUSED: Final = (
    "The share of contact with the centre is refused where some of the conversations were not "
    "followed to the centre: the two would be of different periods. The share of those followed "
    "is in the table."
)


def bridging_funnel(cohort: Cohort) -> Section:
    """The funnel of the bridge, from those identified to contact with the centre."""
    norwegian = "Brobygging: fra identifisert på sykehuset til kontakt med det kommunale senteret."
    rows = safe_rows(cohort, "quality.bridging_funnel")
    rows = rows.sort(place("measure", BRIDGING_STEP.codes), maintain_order=True)
    if rows.is_empty():
        return Section(words=NOT_DELIVERED, norwegian=norwegian, table="")
    everyone = rows.filter(unit_id="all")
    drawn = everyone.filter(pl.col("measure").is_in(STEPS))
    refused = (everyone["reason"] == reasons.PERIODS_DIFFER).any()
    return Section(
        words=(
            "From hospital to municipal treatment: people identified, and what the offer of a "
            "conversation led to (these add up to the identified); of the conversations, those "
            "referred and those who came to the centre. A contact before identification does not "
            "count."
        ),
        norwegian=norwegian,
        table=measures_table(rows, BRIDGING_STEP, cohort),
        chart=_bars,
        shown=drawn.filter(pl.col("numerator").is_not_null()).select(
            "numerator",
            step=pl.col("measure").replace(text.headings(BRIDGING_STEP)),
            written=pl.col("numerator").cast(pl.String),
        ),
        notes=(*((REFUSED,) if refused else ()), *silent_units(rows, cohort)),
    )


def _bars(shown: pl.DataFrame) -> Spec:
    """A bar per step, with its count."""
    length = {"x": number("numerator", title="People", scale={"zero": True})}
    written = {**length, "text": {"field": "written"}}
    return {
        "width": 480,
        "height": {"step": 40},
        "encoding": {"y": name("step", in_order(shown, "step"), axis=TWO_LINES)},
        "layer": [
            mark("bar", length, color=SKY, height=26),
            mark("text", written, align="left", dx=5, fontSize=12, color=INK),
        ],
    }


def involvement(cohort: Cohort) -> Section:
    """Answers to the items on involvement, as stacked bars of the five levels."""
    norwegian = "Medvirkning: svar på seks spørsmål, fem nivåer."
    rows = safe_rows(cohort, "quality.involvement")
    if rows.is_empty():
        return Section(words=NOT_DELIVERED, norwegian=norwegian, table="")
    everyone = rows.filter(unit_id="all")
    level = everyone.filter(~pl.col(HIDDEN), measure="level")
    order = {code: words for code, (words, _) in LEVELS.items()}
    return Section(
        words=(
            "Patient involvement: the share of the answers at each of five levels, item by item, "
            "and the share in the two highest. Few sheets are hidden here; the unit sees its own "
            "in the table of the registry."
        ),
        norwegian=norwegian,
        table=_items(everyone, cohort),
        chart=_likert,
        shown=level.filter(pl.col("value") > 0).select(
            "value",
            item=pl.format("Item {} / spørsmål {}", "item", "item"),
            level=pl.col("group").replace(order),
            place=pl.col("group").cast(pl.Int32),
        ),
        notes=(text.parts_note(cohort.rule),),
    )


def _items(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per item: answers, share in the two highest, mean."""
    wide = {
        (row["item"], row["measure"]): row
        for row in rows.filter(group_by="all").iter_rows(named=True)
    }
    lines = []
    for item in in_order(rows, "item"):
        top, mean = wide.get((item, "top_two")), wide.get((item, "mean"))
        if not top or not mean or top[HIDDEN]:
            lines.append([f"Item {item}", *[text.HIDDEN] * 3])
            continue
        shown = text.share(top["value"], top["ci_low"], top["ci_high"])
        lines.append(
            [f"Item {item}", text.count(top["denominator"], cohort.rule), shown,
             text.number(mean["value"])]
        )  # fmt: skip
    top_two = text.capital(INVOLVEMENT_MEASURE.label("top_two"))
    return text.table(["Item", "Answers", top_two, "Mean"], lines)


def _likert(shown: pl.DataFrame) -> Spec:
    """Stacked bars, one per item."""
    colours = dict(LEVELS.values())
    encoding = {
        "y": name("item", in_order(shown.sort("item"), "item"), axis=PLAIN),
        "x": percent("value", "Share of the answers") | {"stack": "zero"},
        "order": number("place"),
        "color": colour("level", colours),
    }
    return {
        "width": 480,
        "height": {"step": 30},
        **mark("bar", encoding, stroke="white", strokeWidth=0.6, height=20),
    }


def goal_result(cohort: Cohort) -> Section:
    """Goals: what was reached of what was planned."""
    norwegian = "Måloppnåelse: nådd av planlagt, med datakilde og ansvarlig."
    rows = safe_rows(cohort, "quality.goal_result")
    if rows.is_empty():
        return Section(words=NOT_DELIVERED, norwegian=norwegian, table="")
    whole = cohort.rows("quality.goal_result")
    wrong = whole.filter(pl.col("value") != 0, measure="adds_up")
    planned = whole.filter(measure="reached").select(*GOAL, planned="denominator")
    lines = rows.join(planned, on=GOAL, maintain_order="left")
    sums = [f"{goal}: the parts do not add up to the total." for goal in wrong["goal_id"]]
    return Section(
        words=(
            "What each goal reached, of what was planned where a number was planned; how it was "
            "counted, and who answers for it. A count against a plan is no sample: it has no "
            "interval."
        ),
        norwegian=norwegian,
        table=text.table(
            ["Goal", "Step", "Period", "Reached", "Planned", "Source", "Responsible"],
            (
                [
                    row["goal_id"].replace("_", " "),
                    row["step"].replace("_", " "),
                    f"{row['period_start']} to {row['period_end']}",
                    text.HIDDEN if row[HIDDEN] else str(row["numerator"]),
                    str(row["planned"] or text.MISSING),
                    row["source_type"] or text.MISSING,
                    row["responsible"] or text.MISSING,
                ]
                for row in lines.iter_rows(named=True)
            ),
        ),
        notes=tuple(sums),
    )
