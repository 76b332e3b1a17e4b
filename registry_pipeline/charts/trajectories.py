"""The pages on moves between states of use, and on whole courses.

Belongs here: derived.substance_transition and trajectory_profile drawn and put in words.
Does not belong here: level at each wave (see `substances`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import (
    BLUE,
    INK,
    PALE,
    PANEL_WIDTH,
    PLAIN,
    SKY,
    Spec,
    colour,
    in_order,
    mark,
    name,
    number,
    panels,
    percent,
)
from registry_pipeline.charts.text import Section, english
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    parts_together,
    percentage_hidden,
    with_parts_hidden,
    with_parts_hidden_along,
    without,
)
from schemas.codes import TRAJECTORY_CLASS
from schemas.result_codes import MOVE_STATE

STATES: Final = english(MOVE_STATE)
CLASSES: Final = english(TRAJECTORY_CLASS)


def substance_transition(cohort: Cohort) -> Section:
    """Moves between the states of adjacent waves, all waves together, a matrix per substance."""
    rows = cohort.rows("derived.substance_transition", stratum_by=["all"])
    moves = _moves(rows.filter(pl.col("from_wave").is_null()), cohort)
    rounded = (100 * pl.col("share")).round().cast(pl.Int64)
    return Section(
        words=(
            "From the state at one wave (rows) to the state at the next (columns): of all such "
            "moves from a state, the share that ended in each state. All pairs of adjacent waves "
            "are counted together, so one person counts several times. Missing is a state of its "
            "own; people who died, moved, withdrew or were not due are not counted."
        ),
        norwegian="Overganger fra tilstanden ved én måling (rader) til den neste (kolonner).",
        table=_moves_table(moves, cohort),
        chart=_moves_chart,
        shown=cohort.by_substance(moves).select(
            "panel",
            "share",
            from_state=pl.col("from_state").replace(STATES),
            to_state=pl.col("to_state").replace(STATES),
            label=pl.format("{} %", rounded).fill_null(text.HIDDEN),
        ),
        notes=(text.parts_note(cohort.rule),),
    )


def _moves(pooled: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """The moves with `share`, null where the cell is hidden or too few moves begin there.

    There are as many moves of every substance, so a state that few moves begin in takes another
    with it: both have no number at all, and `denominator` is null. Moves to a state are how often
    it was seen from the second wave on.
    """
    begin, end = ["substance", "from_state"], ["substance", "to_state"]
    starts = pooled.unique([*begin, "denominator"], maintain_order=True)
    begun = with_parts_hidden(starts, ["substance"], "denominator", cohort.rule)
    unknown = begun.select(*begin, begins_hidden=HIDDEN)
    few = percentage_hidden(pl.col("denominator"), cohort.rule)
    marked = with_parts_hidden_along(pooled, (begin, end), "n", cohort.rule).join(
        unknown, on=begin, maintain_order="left"
    )
    absent = pl.col(HIDDEN) | few | pl.col("begins_hidden") | (pl.col("denominator") == 0)
    share = pl.when(~absent).then(pl.col("n") / pl.col("denominator"))
    return without(marked.with_columns(share=share), pl.col("begins_hidden"), ["denominator"])


def _moves_chart(shown: pl.DataFrame) -> Spec:
    """A matrix per substance, darker where more of the moves go."""
    states = list(STATES.values())
    fill = number("share", scale={"domain": [0, 1], "range": ["#F4F8FB", BLUE]}, legend=None)
    on_dark = {"test": "datum.share > 0.55", "value": "white"}
    label = {"text": {"field": "label"}, "color": {"condition": on_dark, "value": INK}}
    panel = {
        "width": PANEL_WIDTH,
        "height": 20 * len(states),
        "encoding": {
            "x": name("to_state", states, axis={**PLAIN, "labelAngle": -30}),
            "y": name("from_state", states, axis=PLAIN),
        },
        "layer": [
            mark("rect", {}, color=PALE, stroke="white"),
            mark("rect", {"color": fill}, only="isValid(datum.share)", stroke="white"),
            mark("text", label, fontSize=11),
        ],
    }
    return panels(panel, "panel", in_order(shown, "panel"))


def _moves_table(moves: pl.DataFrame, cohort: Cohort) -> str:
    """A row per substance and state moved from, the states moved to as columns."""
    begun = {}
    cells = {}
    for row in moves.iter_rows(named=True):
        start = (row["substance"], row["from_state"])
        absent = text.NOT_COMPUTABLE if row["denominator"] == 0 else text.HIDDEN
        shown = absent if row["share"] is None else f"{text.percent(row['share'])}, {row['n']}"
        begun[start] = text.count(row["denominator"], cohort.rule)
        cells[*start, row["to_state"]] = shown
    return text.table(
        ["Substance", "From", "Moves", *(f"to {word}" for word in STATES.values())],
        (
            [label, word, begun[code, state], *(cells[code, state, to] for to in STATES)]
            for code, label in cohort.substances.items()
            for state, word in STATES.items()
            if (code, state) in begun
        ),
    )


def trajectory_profile(cohort: Cohort) -> Section:
    """People by class of their whole course, a panel per substance."""
    rows = cohort.rows("derived.trajectory_profile", stratum_by=["all"])
    by, part = ["substance"], "trajectory_class"
    together = parts_together(rows, by, part, "n", text.TOGETHER, rule=cohort.rule)
    share = pl.col("n") / pl.col("whole")
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
        .select(
            "panel",
            share=share,
            part=pl.col("trajectory_class").replace(CLASSES),
            label=pl.format("{} ({} %)", "n", (100 * share).round().cast(pl.Int64)),
        ),
        notes=(text.parts_note(cohort.rule),),
    )


def _profile_chart(shown: pl.DataFrame) -> Spec:
    """Bars per class, a panel per substance."""
    present = shown["part"].unique()
    classes = [part for part in (*CLASSES.values(), text.TOGETHER) if part in present]
    colour_of = {part: PALE if part == text.TOGETHER else SKY for part in classes}
    panel = {
        "width": PANEL_WIDTH - 20,
        "height": 17 * len(classes),
        "encoding": {
            "x": percent("share", "Share of everyone enrolled"),
            "y": name("part", classes, axis=PLAIN),
        },
        "layer": [
            mark("bar", {"color": colour("part", colour_of, legend=None)}, height=13),
            mark("text", {"text": {"field": "label"}}, align="left", dx=4, fontSize=11),
        ],
    }
    return panels(panel, "panel", in_order(shown, "panel"))


def _profile_table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per substance, the classes as columns."""
    marked = with_parts_hidden(rows, ["substance"], "n", cohort.rule)
    cells = {
        (row["substance"], row["trajectory_class"]): text.HIDDEN if row[HIDDEN] else str(row["n"])
        for row in marked.iter_rows(named=True)
    }
    people = dict(rows.select("substance", "denominator").rows())
    return text.table(
        ["Substance", "People", *map(text.capital, CLASSES.values())],
        (
            [label, text.count(people[code], cohort.rule), *(cells[code, c] for c in CLASSES)]
            for code, label in cohort.substances.items()
            if code in people
        ),
    )
