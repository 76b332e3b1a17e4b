"""The page on deaths, overdoses and admissions per person-year, in treatment and out of it.

Belongs here: derived.event_rate as it may be shown, drawn and put in words.
Does not belong here: exits from treatment by type (see `exits`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.exits import are_all_ways_shown
from registry_pipeline.charts.svg import BLUE, PLAIN, Spec, in_order, mark, name, number, panels
from registry_pipeline.charts.text import Section, english, headings
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    is_small,
    percentage_hidden,
    with_company,
    without,
)
from schemas.result_codes import RATED_EVENT, SETTING

RATE: Final = ["rate", "ci_low", "ci_high"]
TITLE: Final = "Per 100 person-years"


def event_rate(cohort: Cohort) -> Section:
    """Rates of each event in treatment, out of it and together, for everyone."""
    rows = _safe(cohort)
    return Section(
        words=(
            "What happens to people while they are followed, per 100 years that they are: deaths, "
            "overdoses survived and admissions to hospital, on days in a treatment episode and on "
            "other days, each person from the first day until the cut-off, death or moving out. "
            "Lines are 95 % intervals. Days whose setting is not known are in neither; people "
            "without a known setting are the missing part. Overdoses of which only an interview "
            "tells are not counted. "
            "**Association, not effect / sammenheng, ikke effekt**: who leaves treatment differs "
            "from who stays in more than treatment."
        ),
        norwegian=(
            "Dødsfall, overdoser og innleggelser per 100 personår, i behandling og utenfor. "
            "Sammenheng, ikke effekt."
        ),
        table=_table(rows, cohort),
        chart=_chart,
        shown=_drawn(rows),
        caution=text.CAUTION,
        notes=(
            (
                f"An event that 1 to {cohort.rule.min_count - 1} people have in one setting is "
                "hidden in both, since together they are known. Overdose deaths are hidden where "
                "the other deaths are few, and all deaths where the page on exits puts ways of "
                "leaving together."
            ),
        ),
    )


def _safe(cohort: Cohort) -> pl.DataFrame:
    """Rates of everyone with `hidden`: number of events and rate are null there."""
    rows = cohort.rows("derived.event_rate", stratum_by=["all"])
    few = is_small(pl.col("n_people"), cohort.rule) | percentage_hidden(pl.col("n"), cohort.rule)
    settings = with_company(
        rows.filter(pl.col("setting") != "all"), ["event"], "n_event", few, cohort.rule
    )
    every = pl.concat([rows.filter(setting="all").with_columns(few.alias(HIDDEN)), settings])
    marked = every.with_columns(pl.col(HIDDEN) | _gives_deaths_away(every, cohort))
    return without(marked, pl.col(HIDDEN), ["n_event", *RATE])


def _gives_deaths_away(rows: pl.DataFrame, cohort: Cohort) -> pl.Expr:
    """Deaths that tell of few others: of another cause, or of another way of leaving."""
    by_overdose = pl.col("event") == "death_overdose"
    is_death = by_overdose | (pl.col("event") == "death")
    if not are_all_ways_shown(cohort):
        return is_death
    of_other_cause = (
        pl.when(by_overdose).then(-pl.col("n_people")).otherwise("n_people").sum().over("setting")
    )
    few = rows.filter(is_death).select(is_small(of_other_cause, cohort.rule).any()).item()
    return by_overdose & pl.lit(bool(few))


def _drawn(rows: pl.DataFrame) -> pl.DataFrame:
    """The rates to draw, in words."""
    return rows.filter(pl.col("rate").is_not_null()).select(
        *RATE,
        event=pl.col("event").replace(headings(RATED_EVENT)),
        setting=pl.col("setting").replace(english(SETTING)),
    )


def _chart(shown: pl.DataFrame) -> Spec:
    """A panel per event, the settings under each other."""
    interval = {"x": number("ci_low", title=TITLE), "x2": {"field": "ci_high"}}
    panel = {
        "width": 200,
        "height": {"step": 24},
        "encoding": {"y": name("setting", list(english(SETTING).values()), axis=PLAIN)},
        "layer": [
            mark("rule", interval, color=BLUE, strokeWidth=2),
            mark("circle", {"x": number("rate", title=TITLE)}, color=BLUE, size=50, opacity=1),
        ],
    }
    own_axes = {"axis": {"x": "independent"}, "scale": {"x": "independent"}}
    return panels(panel, "event", in_order(shown, "event"), columns=2, resolve=own_axes)


def _table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per event and setting."""
    return text.table(
        ["Event", "Setting", "Rate (95 %)", "Events", "Person-years", "People", "Missing"],
        (
            [
                RATED_EVENT.label(row["event"]),
                SETTING.label(row["setting"]),
                _rate(*(row[name] for name in RATE), absent=text.absent(row["person_years"])),
                text.HIDDEN if row["n_event"] is None else str(row["n_event"]),
                text.number(row["person_years"]),
                text.count(row["n"], cohort.rule),
                text.count(row["n_missing"], cohort.rule),
            ]
            for row in rows.sort("event", maintain_order=True).iter_rows(named=True)
        ),
    )


def _rate(rate: float | None, low: float | None, high: float | None, *, absent: str) -> str:
    if rate is None or low is None or high is None:
        return text.number(rate, absent)
    return f"{rate:.1f} ({low:.1f} to {high:.1f})"
