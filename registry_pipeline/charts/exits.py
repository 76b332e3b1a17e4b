"""The page on exits by type: competing risks on the scheduled days.

Belongs here: derived.cumulative_incidence as it may be shown, drawn and put in words.
Does not belong here: retention itself (see `retention`).

Types with few exits are shown together, as the sum of their incidences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.retention import KIND_PANELS, denominators, in_order
from registry_pipeline.charts.svg import (
    GREY,
    PALETTE,
    PANEL_WIDTH,
    chart,
    colours,
    panels,
    percent_axis,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import HIDDEN, with_parts_hidden, without
from schemas.codes import RETENTION_KIND
from schemas.result_codes import RETENTION_EXIT

if TYPE_CHECKING:
    import altair as alt

TOGETHER: Final = "other exits together"
OF: Final = ["kind", "day"]


def cumulative_incidence(cohort: Cohort) -> Section:
    """Exits by type on the scheduled days, from the baseline interview."""
    points = _points(cohort)
    return Section(
        words=(
            "How people leave: the share that has left in each way by each scheduled day since "
            "the baseline interview. The ways compete, so the shares of all ways and the share "
            "still in add up to 100 % (Aalen-Johansen). Unknown exits are a type of their own. "
            f"{denominators(cohort, ['baseline'])}"
        ),
        norwegian="Hvordan folk går ut: andelen som har sluttet på hver måte, målt ved måledagene.",
        table=_table(cohort, points),
        chart=_chart,
        shown=_drawn(cohort, points),
        notes=(
            f"Types with fewer than {cohort.rule.min_count} exits by the last day stand together "
            f"as “{TOGETHER}”, without an interval. A point with fewer exits so far is left out, "
            "and so is the type that would give it away.",
        ),
    )


def _points(cohort: Cohort) -> pl.DataFrame:
    """Incidence per kind, scheduled day and type, few exits put together and small points hidden.

    Returns:
        kind, label, day, n (exits so far), incidence, ci_low, ci_high, hidden; the numbers are
        null where hidden. The types of a kind and day add up to all its exits.
    """
    every = cohort.rows("derived.cumulative_incidence", origin=["baseline"], stratum_by=["all"])
    key = ["kind", "exit_type"]
    so_far = every.with_columns(n=pl.col("n_event").cum_sum().over(key)).sort("day")
    days = pl.DataFrame({"day": cohort.protocol.waves.nominal_days}, schema={"day": pl.Int32})
    estimates = ["incidence", "ci_low", "ci_high"]
    read = (
        every.select(key)
        .unique(maintain_order=True)
        .join(days, how="cross")
        .sort("day")
        .join_asof(so_far, on="day", by=key, check_sortedness=False)
        .select(*key, "day", pl.col("n", "incidence").fill_null(0), "ci_low", "ci_high")
    )
    ended = read.filter((pl.col("day") == cohort.last_day) & (pl.col("n") > 0))
    at_end = with_parts_hidden(ended, ["kind"], "n", cohort.rule)
    own_label = pl.col("exit_type").replace_strict(
        {code: en for code, (_, en) in RETENTION_EXIT.labels.items()}, return_dtype=pl.String
    )
    labelled = read.join(at_end.select(*key, HIDDEN), on=key).with_columns(
        label=pl.when(HIDDEN).then(pl.lit(TOGETHER)).otherwise(own_label)
    )
    together = labelled.group_by("kind", "label", "day", maintain_order=True).agg(
        pl.col("n", "incidence").sum(),
        *(pl.when(pl.len() == 1).then(pl.col(name).first()).alias(name) for name in estimates[1:]),
    )
    marked = with_parts_hidden(together, OF, "n", cohort.rule)
    return in_order(without(marked, pl.col(HIDDEN), ["n", *estimates]))


def _drawn(cohort: Cohort, points: pl.DataFrame) -> pl.DataFrame:
    """The points to draw; hidden ones stay as gaps without a number."""
    seen = points.filter((~pl.col(HIDDEN)).sum().over("kind", "label") > 1)
    return seen.select(
        "label", "incidence", "ci_low", "ci_high",
        x=cohort.time(pl.col("day")),
        unit=pl.lit(cohort.time_unit),
        kind=pl.col("kind").replace_strict(KIND_PANELS, return_dtype=pl.String),
    )  # fmt: skip


def _chart(shown: pl.DataFrame) -> alt.FacetChart:
    import altair as alt  # noqa: PLC0415 - slow to import

    labels = [label for label in shown["label"].unique(maintain_order=True) if label != TOGETHER]
    colour = {**dict(zip(labels, PALETTE, strict=False)), TOGETHER: GREY}
    ticks = shown["x"].unique().sort().round(4).to_list()
    base = chart().encode(
        x=alt.X(
            "x:Q",
            title=f"{shown['unit'][0].capitalize()} since the baseline interview",
            axis=alt.Axis(values=ticks, format=".0f", grid=False),
        ),
        color=colours("label", colour),
    )
    y = alt.Y("incidence:Q", **percent_axis("Has left"))
    return (
        alt.layer(
            base.mark_rule(opacity=0.35, strokeWidth=2).encode(y="ci_low:Q", y2="ci_high:Q"),
            base.mark_line(strokeWidth=2).encode(y=y),
            base.mark_circle(size=34, opacity=1).encode(y=y),
        )
        .properties(width=PANEL_WIDTH, height=190)
        .facet(panels("kind", list(KIND_PANELS.values())), columns=3, spacing=24)
    )


def _table(cohort: Cohort, points: pl.DataFrame) -> str:
    """A row per kind and way of leaving, the scheduled days as columns."""
    rows = []
    for (kind, label), part in points.group_by("kind", "label", maintain_order=True):
        cells = [
            text.HIDDEN if row[HIDDEN] else f"{text.percent(row['incidence'])}, {row['n']}"
            for row in part.iter_rows(named=True)
        ]
        rows.append([RETENTION_KIND.label(str(kind)), str(label), *cells])
    headers = [f"{time} {cohort.time_unit}" for time in cohort.wave_time.values()]
    return text.table(["Retention", "Way of leaving (share, exits)", *headers], rows)
