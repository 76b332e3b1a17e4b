"""The pages on retention: the curves with their numbers at risk, and the scheduled days.

Belongs here: derived.retention_curve and derived.retention_at drawn and put in words.
Does not belong here: which points may be shown (see `curves`), exits by type (see `exits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.curves import CURVE, curve_points, scheduled_points
from registry_pipeline.charts.svg import (
    BLUE,
    PANEL_WIDTH,
    PURPLE,
    RED,
    GREY,
    GREEN,
    chart,
    colours,
    panels,
    percent_axis,
)
from registry_pipeline.charts.text import Section
from schemas import codes

if TYPE_CHECKING:
    import altair as alt

CLOCK: Final = {"baseline": "the baseline interview", "treatment_start": "treatment start"}
PANEL_HEIGHT: Final = 170
ROWS: Final = {
    "baseline all": CLOCK["baseline"],
    "baseline sex": CLOCK["baseline"],
    "treatment_start all": CLOCK["treatment_start"],
}
"""The rows of panels, a clock and a grouping each, with what the clock counts from."""

KIND_PANELS: Final = {
    code: f"{en[0].upper()}{en[1:]}|{nb[0].upper()}{nb[1:]}"
    for code, (nb, en) in codes.RETENTION_KIND.labels.items()
}
GROUPS: Final = {code: en for code, (_, en) in codes.SEX.labels.items()}
COLOURS: Final = {"all": BLUE, "woman": RED, "man": GREEN, "other": PURPLE, "unknown": GREY}
GROUPED_BY: Final = ("sex", "age_group", "pathway", "co_occurring_disorder")


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
        chart=_curves,
        shown=_drawn(curve_points(cohort, ["all", "sex"])),
        table=_by_kind(cohort),
        notes=(
            _left_out(cohort),
            "The curve is read on fixed days, so a step is drawn up to one reading late. From "
            "treatment start people enter late: those at risk are the ones counted at the next "
            "exit or censoring.",
        ),
    )


def retention_at(cohort: Cohort) -> Section:
    """Retention on the scheduled days: for everyone, and by group on the last of them."""
    everyone = in_order(scheduled_points(cohort, ["all"]))
    groups = in_order(scheduled_points(cohort, GROUPED_BY)).filter(
        (pl.col("origin") == "baseline") & (pl.col("day") == cohort.last_day)
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
            "From treatment start people enter late: the share is of those still in on the first "
            "day with enough people at risk, and not computable before it.",
        ),
    )


def _left_out(cohort: Cohort) -> str:
    least = cohort.rule.min_count
    return (
        f"Points with 1 to {least - 1} exits so far, fewer than {least} at risk, or 1 to "
        f"{least - 1} censored before any exit are left out; so is a group that would give "
        "another one away. The curve has a gap there, or ends."
    )


def denominators(cohort: Cohort, clocks: Sequence[str] = tuple(CLOCK)) -> str:
    """Who is counted and who is left out, for each clock and kind, in a sentence per clock."""
    summary = cohort.rows("derived.retention_summary", stratum_by=["all"], origin=clocks)
    sentences = []
    for (clock,), rows in in_order(summary).group_by("origin", maintain_order=True):
        parts = [
            f"{text.count(row['n'], cohort.rule)} {_kind(row['kind'])} "
            f"({text.count(row['n_left_out'], cohort.rule)} left out for want of a stay)"
            for row in rows.iter_rows(named=True)
        ]
        sentences.append(f"Counted from {CLOCK[str(clock)]}: {', '.join(parts)}.")
    return " ".join(sentences)


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows by clock (where there are two) and kind of retention, in the order of the codes."""
    lists = {"origin": codes.RETENTION_ORIGIN, "kind": codes.RETENTION_KIND}
    keys = [pl.col(k).cast(pl.Enum(v.codes)) for k, v in lists.items() if k in rows.columns]
    return rows.sort(keys, maintain_order=True)


def _kind(kind: str) -> str:
    return codes.RETENTION_KIND.label(kind)


def _drawn(points: pl.DataFrame) -> pl.DataFrame:
    """The points to draw, in words: curves of at least two points, gaps kept as nulls."""
    points = points.filter(pl.col("retained").count().over(CURVE) > 1)
    return points.select(
        "is_tick", "x", "n_at_risk", "retained", "ci_low", "ci_high",
        row=pl.concat_str("origin", "stratum_by", separator=" "),
        unit=pl.col("unit"),
        kind=pl.col("kind").replace_strict(KIND_PANELS, return_dtype=pl.String),
        group=pl.col("stratum").replace(GROUPS),
    )  # fmt: skip


def _curves(shown: pl.DataFrame) -> alt.VConcatChart:
    """A row of panels per clock and grouping, a panel per kind of retention."""
    import altair as alt  # noqa: PLC0415 - slow to import

    groups = {name: COLOURS[name] for name in COLOURS if name in shown["group"].unique()}
    rows = [
        _row(part, name, colours("group", groups))
        for name in ROWS
        if (part := shown.filter(row=name)).height
    ]
    return alt.vconcat(*rows, spacing=34)


def _row(points: pl.DataFrame, name: str, colour: alt.Color) -> alt.FacetChart:
    """Panels side by side: curves with their bands, and the numbers at risk below the axis."""
    import altair as alt  # noqa: PLC0415 - slow to import

    ticks = points.filter("is_tick")["x"].unique().sort().round(4).to_list()
    x = alt.X(
        "x:Q",
        title=[f"{points['unit'][0].capitalize()} since {ROWS[name]}", "Number at risk:"],
        scale=alt.Scale(domain=[0, points["x"].max()], nice=False),
        axis=alt.Axis(values=ticks, format=".0f", grid=False, titleAnchor="start"),
    )
    y = alt.Y("retained:Q", **percent_axis("Still in"))
    base = chart().encode(x=x, color=colour)
    at_ticks = base.transform_filter("datum.is_tick")
    band = base.mark_area(interpolate="step-after", opacity=0.18).encode(
        y=alt.Y("ci_low:Q", title="Still in"), y2="ci_high:Q"
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=2.2).encode(y=y)
    dots = at_ticks.mark_circle(size=26, opacity=1).encode(y=y)
    return (
        alt.layer(band, line, dots, *_at_risk(at_ticks, points))
        .transform_filter(f"datum.row == '{name}'")
        .properties(width=PANEL_WIDTH, height=PANEL_HEIGHT)
        .facet(panels("kind", list(KIND_PANELS.values())), columns=3, spacing=24)
        .resolve_axis(x="independent")
    )


def _at_risk(at_ticks: alt.Chart, points: pl.DataFrame) -> list[alt.Chart]:
    """A line of numbers per group below the axis, in the group's colour."""
    import altair as alt  # noqa: PLC0415 - slow to import

    return [
        at_ticks.transform_filter(f"datum.group == '{group}' && isValid(datum.n_at_risk)")
        .mark_text(fontSize=11)
        .encode(y=alt.value(PANEL_HEIGHT + 60 + 14 * place), text="n_at_risk:Q")
        for place, group in enumerate(points["group"].unique(maintain_order=True))
    ]


def _by_kind(cohort: Cohort) -> str:
    """The scheduled days as rows and the kinds as columns."""
    rows = in_order(scheduled_points(cohort, ["all"]))
    curves = rows.select("kind", "origin").unique(maintain_order=True).rows()
    cells = {(row["day"], row["kind"], row["origin"]): _retained(row) for row in rows.to_dicts()}
    days = zip(cohort.protocol.waves.nominal_days, cohort.wave_time.values(), strict=True)
    return text.table(
        [cohort.time_unit.capitalize(), *(f"{_kind(k)}, since {CLOCK[o]}" for k, o in curves)],
        [[time, *(cells[day, k, o] for k, o in curves)] for day, time in days],
    )


def _retained(row: dict[str, Any]) -> str:
    """Retained and its interval in one cell."""
    absent = text.NOT_COMPUTABLE if row["not_computable"] else text.HIDDEN
    return text.share(row["retained"], row["ci_low"], row["ci_high"], absent)


def _table(cohort: Cohort, rows: pl.DataFrame) -> str:
    """A row per curve and scheduled day; curves without any such day are left out."""
    times = dict(zip(cohort.protocol.waves.nominal_days, cohort.wave_time.values(), strict=True))
    headers = ["Retention", "Since", "Group", cohort.time_unit.capitalize(), "Retained (95 %)"]
    return text.table(
        [*headers, "At risk", "Exits so far"],
        (
            [
                _kind(row["kind"]),
                CLOCK[row["origin"]],
                cohort.stratum(row["stratum_by"], row["stratum"]),
                times[row["day"]],
                _retained(row),
                *(_number(row, name, cohort) for name in ("n_at_risk", "n_event_cum")),
            ]
            for row in rows.filter(~pl.col("not_computable").all().over(CURVE)).to_dicts()
        ),
    )


def _number(row: dict[str, Any], name: str, cohort: Cohort) -> str:
    return text.NOT_COMPUTABLE if row["not_computable"] else text.count(row[name], cohort.rule)
