"""The page on events of use: time to relapse and to sustained abstinence.

Belongs here: derived.time_to_event as it may be shown, drawn and put in words.
Does not belong here: states wave by wave (see `substances`), whole courses (see `trajectories`).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import (
    GREEN,
    PANEL_WIDTH,
    RED,
    Spec,
    colour,
    in_order,
    mark,
    number,
    panels,
    percent,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    curve_hidden,
    is_small,
    without,
)
from schemas.result_codes import WAVE_EVENT

EVENTS: Final = text.english(WAVE_EVENT)
COLOURS: Final = dict(zip(EVENTS.values(), (RED, GREEN), strict=True))
SHARE: Final = ["share", "ci_low", "ci_high"]
CURVE: Final = ("substance", "event")
HEIGHT: Final = 130


def time_to_event(cohort: Cohort) -> Section:
    """The share with relapse, and with sustained abstinence, by each scheduled day."""
    rows = _safe(cohort)
    states = cohort.protocol.states
    return Section(
        words=(
            "The share of people with a relapse (regular use after abstinent waves in a row: "
            f"{states.relapse_after_waves} or more), by time since the last of these, and with "
            f"sustained abstinence ({states.sustained_waves} abstinent waves in a row), by time "
            "since baseline; 95 % interval as a band, number at risk below. A missing wave breaks "
            "a run and ends the time at risk of a relapse. People never seen at risk are left "
            "out, and counted in the table."
        ),
        norwegian="Andelen med tilbakefall og med vedvarende rusfrihet over tid, per rusmiddel.",
        table=_table(rows, cohort),
        chart=_chart,
        shown=_drawn(rows, cohort),
        notes=(
            "Known at the waves only: an event is drawn on the wave at which it was seen.",
            (
                f"Points with 1 to {cohort.rule.min_count - 1} events so far, or fewer than "
                f"{cohort.rule.min_count} at risk or left without it, are left out."
            ),
        ),
    )


def _safe(cohort: Cohort) -> pl.DataFrame:
    """The rows of everyone; numbers of few people are null, with `hidden`.

    All events of a wave fall on one day: of many at risk on it few may be left. A number at risk
    that tells of few lost before the first event is null too, and so are the people ever at risk
    where few never were.
    """
    rows = cohort.rows("derived.time_to_event", stratum_by=["all"])
    n, at_risk = pl.col("n"), pl.col("n_at_risk")
    before = pl.col("n_event_cum").shift(1).over(CURVE).fill_null(0)
    left = at_risk - (pl.col("n_event_cum") - before)
    few = curve_hidden(pl.col("n_event_cum"), at_risk, n, cohort.rule) | is_small(left, cohort.rule)
    lost = (before == 0) & is_small(n - at_risk, cohort.rule)
    marked = rows.with_columns(
        (few & pl.col("share").is_not_null()).alias(HIDDEN),
        few=few,
        never=is_small(pl.col("n_left_out"), cohort.rule),
        lost=lost,
    )
    start = pl.col("never") & (pl.col("day") == 0)
    safe = without(marked, pl.col("few"), [*SHARE, "n_event_cum"])
    safe = without(safe, pl.col("few") | pl.col("lost") | start, ["n_at_risk"])
    return without(safe, pl.col("never"), ["n"])


def _drawn(rows: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """Curves of at least two points, a panel per substance; hidden points are gaps."""
    seen = rows.filter(pl.col("share").count().over(CURVE) > 1)
    return cohort.by_substance(seen).select(
        "panel",
        *SHARE,
        "n_at_risk",
        x=cohort.time(pl.col("day")),
        unit=pl.lit(cohort.time_unit),
        event=pl.col("event").replace(EVENTS),
    )


def _chart(shown: pl.DataFrame) -> Spec:
    """A panel per substance: both curves with their bands, and the numbers at risk below."""
    present = [event for event in COLOURS if event in set(shown["event"])]
    x = number(
        "x",
        title=[f"{text.capital(shown['unit'][0])}", "Number at risk:"],
        scale={"domain": [0, shown["x"].max()], "nice": False},
        axis={
            "values": shown["x"].unique().sort().round(4).to_list(),
            "format": ".0f",
            "grid": False,
            "titleAnchor": "start",
        },
    )
    share, band = percent("share", "With the event"), percent("ci_low", "With the event")
    step = {"interpolate": "step-after"}
    at_risk = [
        mark(
            "text",
            {"y": {"value": HEIGHT + 60 + 14 * line}, "text": number("n_at_risk")},
            only=f"datum.event == '{event}' && isValid(datum.n_at_risk)",
            fontSize=11,
        )
        for line, event in enumerate(present)
    ]
    panel = {
        "width": PANEL_WIDTH,
        "height": HEIGHT,
        "encoding": {"x": x, "color": colour("event", {e: COLOURS[e] for e in present})},
        "layer": [
            mark("area", {"y": band, "y2": {"field": "ci_high"}}, opacity=0.18, **step),
            mark("line", {"y": share}, strokeWidth=2.2, **step),
            mark("circle", {"y": share}, size=26, opacity=1),
            *at_risk,
        ],
    }
    own_axes = {"axis": {"x": "independent"}}
    return panels(panel, "panel", in_order(shown, "panel"), resolve=own_axes)


def _table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per substance and event, the scheduled days as columns."""
    days = zip(cohort.protocol.waves.nominal_days, cohort.wave_time.values(), strict=True)
    times = {day: f"{time} {cohort.time_unit}" for day, time in days}
    curves = {
        key: {row["day"]: row for row in part.iter_rows(named=True)}
        for key, part in rows.group_by(CURVE, maintain_order=True)
    }
    lines = []
    for code, label in cohort.substances.items():
        for event, name in EVENTS.items():
            by_day = curves.get((code, event), {})
            if not by_day:
                continue
            first = next(iter(by_day.values()))
            counts = [text.count(first[column], cohort.rule) for column in ("n", "n_left_out")]
            cells = [_cell(by_day[day]) for day in times if day in by_day]
            lines.append([label, name, *counts, *cells])
    headers = ["Substance", "Event", "Ever at risk", "Never at risk"]
    return text.table([*headers, *times.values()], lines)


def _cell(row: dict[str, Any]) -> str:
    """The share with the event and its interval."""
    absent = text.HIDDEN if row[HIDDEN] else text.NOT_COMPUTABLE
    return text.share(row["share"], row["ci_low"], row["ci_high"], absent)
