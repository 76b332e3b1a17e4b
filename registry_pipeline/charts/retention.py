"""The pages on retention: the curves with their numbers at risk, and the scheduled days.

Belongs here: derived.retention_curve and derived.retention_at drawn and put in words.
Does not belong here: which points may be shown (see `curves`), exits by type (see `exits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.curves import CURVE, curve_points, scheduled_points
from registry_pipeline.charts.svg import (
    BLUE,
    GREEN,
    GREY,
    PANEL_WIDTH,
    PURPLE,
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
from registry_pipeline.disclosure.small_numbers import is_small, without
from schemas import codes

CLOCK: Final = {"baseline": "baseline", "treatment_start": "treatment start"}
UNCOUNTED: Final = {
    "baseline": "no such stay",
    "treatment_start": "no such stay, or no known start of treatment",
    "study": "no baseline interview",
}
"""Who is left out, by the clock or, of the study, whatever it is."""

ROWS: Final = {
    "baseline all": CLOCK["baseline"],
    "baseline sex": CLOCK["baseline"],
    "treatment_start all": CLOCK["treatment_start"],
}
"""The rows of panels, a clock and a grouping each, with what the clock counts from."""

KINDS: Final = text.english(codes.RETENTION_KIND)
KIND_PANELS: Final = text.headings(codes.RETENTION_KIND)
GROUPS: Final = text.english(codes.SEX)
COLOURS: Final = {"all": BLUE, "woman": RED, "man": GREEN, "other": PURPLE, "unknown": GREY}
STRATA: Final = ("sex", "age_group", "pathway", "co_occurring_disorder")
HEIGHT: Final = 170


def retention_curve(cohort: Cohort) -> Section:
    """Kaplan-Meier curves of the three retentions, for all and by sex, on fixed days."""
    return Section(
        words=(
            "The share of people still in, by time, with the 95 % interval as a band "
            "(Kaplan-Meier, log-log) and the number at risk below. The three retentions are "
            "never mixed: in treatment, in the index pathway, in the study; a missed interview "
            f"never ends a treatment. {denominators(cohort)}"
        ),
        norwegian=(
            "Andelen som fortsatt er i behandlingen, i forløpet og i undersøkelsen, med 95 % "
            "konfidensintervall og antall under risiko. De tre blandes aldri."
        ),
        table=_table_by_kind(cohort),
        chart=_curves,
        shown=_drawn(curve_points(cohort, ["all", "sex"])),
        notes=(
            _left_out(cohort),
            (
                "The curve is read on fixed days, so a step is drawn up to one reading late. "
                "From treatment start people enter late: those at risk are the ones counted at "
                "the next exit or censoring."
            ),
        ),
    )


def retention_at(cohort: Cohort) -> Section:
    """Retention on the scheduled days: for everyone, and by group on the last of them."""
    everyone = by_kind(scheduled_points(cohort, ["all"]))
    groups = by_kind(scheduled_points(cohort, STRATA)).filter(
        pl.col("origin").is_in(cohort.clocks), pl.col("day") == cohort.last_day
    )
    tables = [_table(cohort, everyone)]
    if groups.height:
        tables += ["", "By group, on the last scheduled day:", "", _table(cohort, groups)]
    return Section(
        words=(
            "The share of people still in on each scheduled day, read from the retention curve. "
            f"At risk are the people observed up to that day. {denominators(cohort)}"
        ),
        norwegian="Andelen som fortsatt er med på hver planlagte måledag.",
        table="\n".join(tables),
        notes=(
            _left_out(cohort),
            (
                "From treatment start people enter late: the share is of those still in on the "
                "first day with enough people at risk. It is not computable before that day, and "
                "a curve without any scheduled day is left out."
            ),
        ),
    )


def denominators(cohort: Cohort, clocks: Sequence[str] = tuple(CLOCK)) -> str:
    """Who is counted and who is left out, for each clock and kind, in a sentence per clock.

    How many are left out is hidden where few of the eligible are neither: they did not take part.
    """
    summary = cohort.rows("derived.retention_summary", stratum_by=["all"], origin=clocks)
    eligible = cohort.rows("derived.enrolment", group=["eligible"], sex=["all"], age_group=["all"])[
        "n"
    ].sum()
    absent = eligible - (pl.col("n") + pl.col("n_left_out"))
    summary = without(summary, is_small(absent, cohort.rule), ["n_left_out"])
    sentences = []
    for (clock,), rows in by_kind(summary).group_by("origin", maintain_order=True):
        parts = []
        for row in rows.iter_rows(named=True):
            n, out = (text.count(row[name], cohort.rule) for name in ("n", "n_left_out"))
            out = "the others" if out == text.HIDDEN else out
            why = UNCOUNTED.get(row["kind"], UNCOUNTED[str(clock)])
            others = "" if out == "0" else f" ({out} left out: {why})"
            parts.append(f"{n} {KINDS[row['kind']]}{others}")
        sentences.append(f"Counted from {CLOCK[str(clock)]}: {', '.join(parts)}.")
    return " ".join(sentences)


def by_kind(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows by clock (where there are two) and kind of retention, in the order of the codes."""
    lists = {"origin": codes.RETENTION_ORIGIN, "kind": codes.RETENTION_KIND}
    keys = [pl.col(k).cast(pl.Enum(v.codes)) for k, v in lists.items() if k in rows.columns]
    return rows.sort(keys, maintain_order=True)


def _left_out(cohort: Cohort) -> str:
    least = cohort.rule.min_count
    return (
        f"Points with 1 to {least - 1} exits so far, fewer than {least} at risk, or 1 to "
        f"{least - 1} censored before any exit are left out; so is a group that would give "
        "another one away. The curve has a gap there, or ends."
    )


def _drawn(points: pl.DataFrame) -> pl.DataFrame:
    """The points to draw, in words: curves of at least two points, gaps kept as nulls."""
    return points.filter(pl.col("retained").count().over(CURVE) > 1).select(
        "is_tick", "x", "unit", "n_at_risk", "retained", "ci_low", "ci_high",
        row=pl.concat_str("origin", "stratum_by", separator=" "),
        kind=pl.col("kind").replace(KIND_PANELS),
        group=pl.col("stratum").replace(GROUPS),
    )  # fmt: skip


def _curves(shown: pl.DataFrame) -> Spec:
    """A row of panels per clock and grouping, a panel per kind of retention."""
    present = shown["group"].unique()
    of_group = colour("group", {name: c for name, c in COLOURS.items() if name in present})
    rows = [_row(part, name, of_group) for name in ROWS if (part := shown.filter(row=name)).height]
    return {"vconcat": rows, "spacing": 34}


def _row(points: pl.DataFrame, name: str, of_group: Spec) -> Spec:
    """Panels side by side: curves with their bands, and the numbers at risk below the axis."""
    ticks = points.filter("is_tick")["x"].unique().sort().round(4).to_list()
    x = number(
        "x",
        title=[f"{text.capital(points['unit'][0])} since {ROWS[name]}", "Number at risk:"],
        scale={"domain": [0, points["x"].max()], "nice": False},
        axis={"values": ticks, "format": ".0f", "grid": False, "titleAnchor": "start"},
    )
    retained = {"y": percent("retained", "Still in")}
    step = {"interpolate": "step-after"}
    band = {"y": percent("ci_low", "Still in"), "y2": {"field": "ci_high"}}
    at_risk = [
        mark(
            "text",
            {"y": {"value": HEIGHT + 60 + 14 * line}, "text": number("n_at_risk")},
            only=f"datum.is_tick && datum.group == '{group}' && isValid(datum.n_at_risk)",
            fontSize=11,
        )
        for line, group in enumerate(in_order(points, "group"))
    ]
    panel = {
        "width": PANEL_WIDTH,
        "height": HEIGHT,
        "encoding": {"x": x, "color": of_group},
        "layer": [
            mark("area", band, opacity=0.18, **step),
            mark("line", retained, strokeWidth=2.2, **step),
            mark("circle", retained, only="datum.is_tick", size=26, opacity=1),
            *at_risk,
        ],
    }
    kinds = list(KIND_PANELS.values())
    own_axes = {"axis": {"x": "independent"}}
    this_row = [{"filter": f"datum.row == '{name}'"}]
    return panels(panel, "kind", kinds, resolve=own_axes, transform=this_row)


def _table_by_kind(cohort: Cohort) -> str:
    """The scheduled days as rows and the kinds as columns."""
    rows = by_kind(scheduled_points(cohort, ["all"]))
    curves = rows.select("kind", "origin").unique(maintain_order=True).rows()
    cells = {(row["day"], row["kind"], row["origin"]): _retained(row) for row in rows.to_dicts()}
    days = zip(cohort.protocol.waves.nominal_days, cohort.wave_time.values(), strict=True)
    headers = [f"{text.capital(KINDS[kind])}, since {CLOCK[origin]}" for kind, origin in curves]
    return text.table(
        [text.capital(cohort.time_unit), *headers],
        ([time, *(cells[day, kind, origin] for kind, origin in curves)] for day, time in days),
    )


def _table(cohort: Cohort, rows: pl.DataFrame) -> str:
    """A row per curve and scheduled day; curves without any such day are left out."""
    waves = cohort.protocol.waves.nominal_days
    times = dict(zip(waves, cohort.wave_time.values(), strict=True))
    headers = ["Retention", "Since", "Group", text.capital(cohort.time_unit), "Retained (95 %)"]
    return text.table(
        [*headers, "At risk", "Exits so far"],
        (
            [
                KINDS[row["kind"]],
                CLOCK[row["origin"]],
                cohort.stratum(row["stratum_by"], row["stratum"]),
                times[row["day"]],
                _retained(row),
                *(_number(row, name, cohort) for name in ("n_at_risk", "n_event_cum")),
            ]
            for row in rows.filter(~pl.col("not_computable").all().over(CURVE)).to_dicts()
        ),
    )


def _retained(row: dict[str, Any]) -> str:
    """Retained and its interval in one cell."""
    absent = text.NOT_COMPUTABLE if row["not_computable"] else text.HIDDEN
    return text.share(row["retained"], row["ci_low"], row["ci_high"], absent)


def _number(row: dict[str, Any], name: str, cohort: Cohort) -> str:
    return text.NOT_COMPUTABLE if row["not_computable"] else text.count(row[name], cohort.rule)
