"""The page on exits by type: competing risks on the scheduled days.

Belongs here: derived.cumulative_incidence as it may be shown, drawn and put in words.
Does not belong here: retention itself (see `retention`).

Types with few exits are shown together, as the sum of their incidences.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.curves import scheduled_points
from registry_pipeline.charts.retention import KIND_PANELS, KINDS, by_kind, denominators
from registry_pipeline.charts.svg import (
    GREY,
    PANEL_WIDTH,
    Spec,
    colour,
    hues,
    in_order,
    mark,
    number,
    panels,
    percent,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    is_small,
    with_company,
    with_parts_hidden,
    with_tells_of_few,
    without,
)
from schemas.result_codes import RETENTION_EXIT

TOGETHER: Final = "other exits together"
HEIGHT: Final = 190
LIMITS: Final = ["ci_low", "ci_high"]


def cumulative_incidence(cohort: Cohort) -> Section:
    """Exits by type on the scheduled days, for everyone."""
    points = _points(cohort)
    return Section(
        words=(
            "How people leave: the share that has left in each way by each scheduled day. The "
            "ways compete, so the shares of all ways and the share still in add up to 100 % "
            "(Aalen-Johansen). The lines up and down are 95 % intervals; below is the number at "
            "risk. Unknown exits are a type of their own, the missing part. "
            f"{denominators(cohort, cohort.clocks)}"
        ),
        norwegian="Hvordan folk slutter: andelen som har sluttet på hver måte ved hver måledag.",
        table=_table(cohort, points),
        chart=_chart,
        shown=_drawn(cohort, points),
        notes=(
            (
                f"Types with fewer than {cohort.rule.min_count} exits by the last day stand "
                f"together as “{TOGETHER}”, without an interval. A point with few exits so far "
                "is left out, and so is the type that would give it away."
            ),
        ),
    )


def are_all_ways_shown(cohort: Cohort) -> bool:
    """Whether no ways of leaving stand together for fear of small numbers."""
    return TOGETHER not in _points(cohort)["label"]


def _points(cohort: Cohort) -> pl.DataFrame:
    """Incidence per kind, scheduled day and type, few exits put together and small points hidden.

    Returns:
        kind, label, day, n (exits so far), incidence, ci_low, ci_high, hidden; the numbers are
        null where hidden. The labels of a kind and day add up to all its exits.
    """
    every = cohort.rows("derived.cumulative_incidence", origin=cohort.clocks, stratum_by=["all"])
    read = _on_scheduled_days(every, cohort)
    ended = read.filter((pl.col("day") == cohort.last_day) & (pl.col("n") > 0))
    at_end = with_parts_hidden(ended, ["kind"], "n", cohort.rule)
    own = pl.col("exit_type").replace(text.english(RETENTION_EXIT))
    labelled = read.join(
        at_end.select("kind", "exit_type", HIDDEN), on=["kind", "exit_type"], maintain_order="left"
    ).with_columns(label=pl.when(HIDDEN).then(pl.lit(TOGETHER)).otherwise(own))
    together = labelled.group_by("kind", "label", "day", maintain_order=True).agg(
        pl.col("n", "incidence").sum(),
        *(pl.when(pl.len() == 1).then(pl.col(name).first()).alias(name) for name in LIMITS),
    )
    on_a_day = ["kind", "day"]
    so_far = with_tells_of_few(together, ["kind", "label"], on_a_day, "n", cohort.rule)
    few = is_small(pl.col("n"), cohort.rule) | pl.col("tells")
    marked = with_company(so_far, on_a_day, "n", few, cohort.rule)
    return by_kind(without(marked, pl.col(HIDDEN), ["n", "incidence", *LIMITS]))


def _on_scheduled_days(every: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """Exits so far and incidence of each type, on each nominal day."""
    key = ["kind", "exit_type"]
    so_far = every.with_columns(n=pl.col("n_event").cum_sum().over(key)).sort("day")
    days = pl.DataFrame({"day": cohort.protocol.waves.nominal_days}, schema={"day": pl.Int32})
    asked = every.select(key).unique(maintain_order=True).join(days, how="cross").sort("day")
    return asked.join_asof(so_far, on="day", by=key, check_sortedness=False).select(
        *key, "day", pl.col("n", "incidence").fill_null(0), *LIMITS
    )


def _drawn(cohort: Cohort, points: pl.DataFrame) -> pl.DataFrame:
    """The types with at least two points to draw; hidden points stay as gaps.

    n_at_risk stands at the first type of a kind and day, as retention_at shows it.
    """
    at_risk = scheduled_points(cohort, ["all"]).filter(pl.col("origin").is_in(cohort.clocks))
    seen = points.filter((~pl.col(HIDDEN)).sum().over("kind", "label") > 1).join(
        at_risk.select("kind", "day", "n_at_risk"), on=["kind", "day"], how="left"
    )
    first = pl.int_range(pl.len()).over("kind", "day") == 0
    return seen.select(
        "label", "incidence", *LIMITS,
        n_at_risk=pl.when(first).then("n_at_risk"),
        x=cohort.time(pl.col("day")),
        unit=pl.lit(cohort.time_unit),
        kind=pl.col("kind").replace(KIND_PANELS),
    )  # fmt: skip


def _chart(shown: pl.DataFrame) -> Spec:
    """A panel per kind of retention, a line per way of leaving."""
    colour_of = hues(in_order(shown, "label"), TOGETHER)
    ticks = shown["x"].unique().sort().round(4).to_list()
    x = number(
        "x",
        title=[f"{text.capital(shown['unit'][0])} since baseline", "Number at risk:"],
        axis={"values": ticks, "format": ".0f", "grid": False, "titleAnchor": "start"},
    )
    left = {"y": percent("incidence", "Has left")}
    interval = {"y": percent("ci_low", "Has left"), "y2": {"field": "ci_high"}}
    at_risk = {
        "y": {"value": HEIGHT + 60},
        "text": number("n_at_risk"),
        "color": {"value": GREY},
    }
    panel = {
        "width": PANEL_WIDTH,
        "height": HEIGHT,
        "encoding": {"x": x, "color": colour("label", colour_of)},
        "layer": [
            mark("rule", interval, only="isValid(datum.ci_low)", opacity=0.35, strokeWidth=2),
            mark("line", left, strokeWidth=2),
            mark("circle", left, size=34, opacity=1),
            mark("text", at_risk, only="isValid(datum.n_at_risk)", fontSize=11),
        ],
    }
    own_axes = {"axis": {"x": "independent"}}
    return panels(panel, "kind", list(KIND_PANELS.values()), resolve=own_axes)


def _table(cohort: Cohort, points: pl.DataFrame) -> str:
    """A row per kind and way of leaving, the scheduled days as columns."""
    rows = []
    for (kind, label), part in points.group_by("kind", "label", maintain_order=True):
        cells = [
            text.HIDDEN if row[HIDDEN] else f"{text.percent(row['incidence'])}, {row['n']}"
            for row in part.sort("day").iter_rows(named=True)
        ]
        rows.append([KINDS[str(kind)], str(label), *cells])
    headers = [f"{time} {cohort.time_unit}" for time in cohort.wave_time.values()]
    return text.table(["Retention", "Way of leaving (share, exits)", *headers], rows)
