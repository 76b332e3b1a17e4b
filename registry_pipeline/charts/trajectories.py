"""The pages on moves between states of use, and on whole courses.

Belongs here: derived.substance_transition and trajectory_profile drawn and put in words.
Does not belong here: level at each wave (see `substances`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import (
    BLUE,
    INK,
    PALE,
    PANEL_WIDTH,
    SKY,
    chart,
    colours,
    panels,
    percent_axis,
)
from registry_pipeline.charts.text import Section, english
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    parts_together,
    percentage_hidden,
    with_parts_hidden,
)
from schemas.codes import TRAJECTORY_CLASS
from schemas.result_codes import MOVE_STATE

if TYPE_CHECKING:
    import altair as alt

WORDS: Final = english(MOVE_STATE)
CELL: Final = 20


def substance_transition(cohort: Cohort) -> Section:
    """Moves between the states of adjacent waves, all waves together, a matrix per substance."""
    rows = cohort.rows("derived.substance_transition", stratum_by=["all"])
    pooled = rows.filter(pl.col("from_wave").is_null())
    cells = _moves(pooled, cohort)
    return Section(
        words=(
            "From the state at one wave (rows) to the state at the next (columns): of all such "
            "moves from a state, the share that ended in each state. All pairs of adjacent waves "
            "are counted together, so one person counts several times. Missing is a state of its "
            "own; people who died, moved, withdrew or were not due are not counted."
        ),
        norwegian="Overganger fra tilstanden ved én måling (rader) til den neste (kolonner).",
        table=_moves_table(cells, cohort),
        chart=_moves_chart,
        shown=cohort.by_substance(cells).select(
            "panel",
            from_state=pl.col("from_state").replace(WORDS),
            to_state=pl.col("to_state").replace(WORDS),
            share="share",
            label=pl.format("{} %", (100 * pl.col("share")).round().cast(pl.Int64)).fill_null(
                text.HIDDEN
            ),
        ),
        notes=(text.parts_note(cohort.rule),),
    )


def _moves(pooled: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """The moves with `share`, null where the cell is hidden or too few moves begin there."""
    by = ["substance", "from_state"]
    few = percentage_hidden(pl.col("denominator"), cohort.rule)
    marked = with_parts_hidden(pooled, by, "n", cohort.rule)
    return marked.with_columns(
        share=pl.when(~(pl.col(HIDDEN) | few) & (pl.col("denominator") > 0)).then(
            pl.col("n") / pl.col("denominator")
        )
    )


def _moves_chart(shown: pl.DataFrame) -> alt.FacetChart:
    """A matrix per substance, darker where more of the moves go."""
    import altair as alt  # noqa: PLC0415 - slow to import

    states = list(WORDS.values())
    axis = alt.Axis(ticks=False, domain=False, labelAngle=-30, grid=False)
    plain = alt.Axis(ticks=False, domain=False, grid=False)
    base = chart().encode(
        x=alt.X("to_state:N", sort=states, title=None, axis=axis),
        y=alt.Y("from_state:N", sort=states, title=None, axis=plain),
    )
    fill = alt.Color(
        "share:Q", scale=alt.Scale(domain=[0, 1], range=["#F4F8FB", BLUE]), legend=None
    )
    empty = base.mark_rect(stroke="white", color=PALE)
    boxes = (
        base.transform_filter("isValid(datum.share)").mark_rect(stroke="white").encode(color=fill)
    )
    label = base.mark_text(fontSize=11).encode(
        text="label:N",
        color=alt.condition("datum.share > 0.55", alt.value("white"), alt.value(INK)),
    )
    return (
        alt.layer(empty, boxes, label)
        .properties(width=PANEL_WIDTH, height=4 * CELL)
        .facet(panels("panel", shown["panel"].unique(maintain_order=True).to_list()), columns=3)
    )


def _moves_table(cells: pl.DataFrame, cohort: Cohort) -> str:
    """A row per substance and state moved from, the states moved to as columns."""
    rows = {}
    for row in cells.iter_rows(named=True):
        key = (row["substance"], row["from_state"])
        cell = text.percent(
            row["share"], text.HIDDEN if row["denominator"] else text.NOT_COMPUTABLE
        )
        shown = f"{cell}, {row['n']}" if row["share"] is not None else cell
        rows.setdefault(key, {"all": text.count(row["denominator"], cohort.rule)})
        rows[key][row["to_state"]] = shown
    return text.table(
        ["Substance", "From", "Moves", *(f"to {word}" for word in WORDS.values())],
        (
            [label, WORDS[state], rows[code, state]["all"], *(rows[code, state][s] for s in WORDS)]
            for code, (label, _) in cohort.substances.items()
            for state in WORDS
            if (code, state) in rows
        ),
    )


def trajectory_profile(cohort: Cohort) -> Section:
    """People by class of their whole course, a panel per substance."""
    rows = cohort.rows("derived.trajectory_profile", stratum_by=["all"])
    words = english(TRAJECTORY_CLASS)
    together = parts_together(
        rows, ["substance"], "trajectory_class", "n", cohort.rule, text.TOGETHER
    )
    percent = (100 * pl.col("share")).round().cast(pl.Int64)
    return Section(
        words=(
            "Everyone enrolled, by the course of their use over all waves. The classes follow "
            "fixed rules from the states at each wave; “too few answers” (fewer than three "
            "waves, or under half of those due) is the missing part and stays in the denominator."
        ),
        norwegian="Alle inkluderte fordelt etter bruksforløp over alle målinger.",
        table=_profile_table(rows, cohort),
        chart=_profile_chart,
        shown=cohort.by_substance(together)
        .filter(~percentage_hidden(pl.col("whole"), cohort.rule))
        .with_columns(share=pl.col("n") / pl.col("whole"))
        .select(
            "share",
            "panel",
            part=pl.col("trajectory_class").replace(words),
            label=pl.format("{} ({} %)", "n", percent),
        ),
        notes=(text.parts_note(cohort.rule),),
    )


def _profile_chart(shown: pl.DataFrame) -> alt.FacetChart:
    """Bars per class, a panel per substance."""
    import altair as alt  # noqa: PLC0415 - slow to import

    present = shown["part"].unique()
    order = [*english(TRAJECTORY_CLASS).values(), text.TOGETHER]
    classes = [name for name in order if name in present]
    colour_of = {name: PALE if name == text.TOGETHER else SKY for name in classes}
    axis = alt.Axis(ticks=False, domain=False, grid=False)
    base = chart().encode(
        x=alt.X("share:Q", **percent_axis("Share of everyone enrolled")),
        y=alt.Y("part:N", sort=classes, title=None, axis=axis),
    )
    bars = base.mark_bar(height=13).encode(color=colours("part", colour_of, legend=False))
    label = base.mark_text(align="left", dx=4, fontSize=11).encode(text="label:N")
    return (
        alt.layer(bars, label)
        .properties(width=PANEL_WIDTH - 20, height=17 * len(classes))
        .facet(panels("panel", shown["panel"].unique(maintain_order=True).to_list()), columns=3)
    )


def _profile_table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per substance, the classes as columns."""
    marked = with_parts_hidden(rows, ["substance"], "n", cohort.rule)
    cells = {
        (row["substance"], row["trajectory_class"]): text.HIDDEN if row[HIDDEN] else str(row["n"])
        for row in marked.iter_rows(named=True)
    }
    people = dict(rows.select("substance", "denominator").rows())
    classes = english(TRAJECTORY_CLASS)
    return text.table(
        ["Substance", "People", *(word.capitalize() for word in classes.values())],
        (
            [label, text.count(people[code], cohort.rule), *(cells[code, c] for c in classes)]
            for code, (label, _) in cohort.substances.items()
            if code in people
        ),
    )
