"""A person's course over the waves: word, class, moves between adjacent waves, times to events.

Belongs here: everything read off the word, one letter per scheduled wave.
Does not belong here: change from the baseline (see `change`), counts over people.

A word is text, so runs are found with regular expressions that both engines share: `^.*?A{2}`
is everything up to the end of the first two abstinent waves in a row. A missing wave is a letter
of its own, so it breaks a run by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame, materialise
from registry_pipeline.transform.shape import by_value
from schemas.codes import STATE_LETTER, USED_STATES
from schemas.protocol import States

LEFT: Final = ("dead", "withdrawn", "moved", "out_of_treatment")
"""Kinds of missing that end a course when they hold at the last due wave."""

BASE: Final = 16
DIGITS: Final = 15
"""A state of `STATE_LETTER` is one digit, and a whole number of 64 bits holds this many."""

MOVE_LETTER: Final = {"A": "abstinent", "E": "episodic", "R": "regular", "M": "missing"}
"""Letters of a pooled word (see `pooled`) that a move goes from and to."""

MOVES: Final = tuple(before + after for before in MOVE_LETTER for after in MOVE_LETTER)
"""Every move, as the two letters of its ends."""


def words(
    use: Frame, visits: Frame, n_waves: int, describe: Callable[[Frame], Frame] | None = None
) -> Frame:
    """The word of each person and substance, and how far the person was followed.

    Grain: person and substance or group. All persons of `use`, whether ever observed or not.

    Args:
        use: core.substance_use of one cohort, a row for every person, wave and substance.
        visits: core.visit of the same cohort.
        n_waves: waves of the protocol, the baseline included.
        describe: adds what follows from a course alone, as `with_class` does. Different courses
            are few beside people, so each is spelled and described once.

    Returns:
        cohort, patient_id, substance, word, n_observed (waves with A, E or R), n_due (waves due
        by the cut-off, whether or not the person was still there), has_ended (dead, withdrawn,
        moved or out of treatment at the last due wave); and what `describe` adds.
    """
    numbered = _numbered(use, n_waves)
    followed = materialise(numbered.join(_follow_up(visits), on="patient_id", how="inner"))
    course = [*_numbers(n_waves), "n_due", "has_ended"]
    different = _spelled(followed.group_by(course).agg(n_people=nw.len()), n_waves)
    if describe:
        different = describe(different)
    return followed.join(materialise(different), on=course).drop(*_numbers(n_waves), "n_people")


def _numbers(n_waves: int) -> dict[str, range]:
    """Columns that hold a course, and the waves in each: as many digits as a number has."""
    waves = range(n_waves)
    return {f"course_{first}": waves[first:][:DIGITS] for first in waves[::DIGITS]}


def _numbered(use: Frame, n_waves: int) -> Frame:
    """patient_id, substance, and the course in whole numbers, the first wave in the last digit.

    A sum of whole numbers is a tenth of the work of a text per wave.
    """
    state = by_value(nw.col("state"), {state: place for place, state in enumerate(STATE_LETTER, 1)})
    numbers = {
        name: by_value(nw.col("wave"), {wave: BASE ** (wave - waves[0]) for wave in waves})
        for name, waves in _numbers(n_waves).items()
    }
    return (
        use.with_columns(
            (state.cast(nw.Int64) * place.cast(nw.Int64)).alias(name)
            for name, place in numbers.items()
        )
        .group_by("patient_id", "substance")
        .agg(nw.col(*numbers).sum().cast(nw.Int64))
    )


def _spelled(courses: Frame, n_waves: int) -> Frame:
    """Adds `word` and `n_observed` to different courses in whole numbers."""
    letters = dict(enumerate(STATE_LETTER.values(), 1))
    digits = {
        f"digit_{wave}": nw.col(name) // BASE ** (wave - waves[0]) % BASE
        for name, waves in _numbers(n_waves).items()
        for wave in waves
    }
    word = nw.concat_str(*(by_value(nw.col(digit), letters) for digit in digits))
    return (
        courses.with_columns(**digits)
        .with_columns(word=word)
        .drop(*digits)
        .with_columns(n_observed=_length(nw.col("word").str.replace_all("[^AER]", "")))
    )


def _follow_up(visits: Frame) -> Frame:
    """cohort, patient_id, n_due and has_ended, one row per person."""
    due = nw.col("is_due")
    return (
        visits.with_columns(
            due=due.cast(nw.Int32),
            due_wave=nw.when(due).then(nw.col("wave")),
            left_wave=nw.when(due & nw.col("status").is_in(LEFT)).then(nw.col("wave")),
        )
        .group_by("cohort", "patient_id")
        .agg(
            nw.col("due_wave", "left_wave").max(),
            n_due=nw.col("due").sum().cast(nw.Int32),
        )
        .select(
            "cohort",
            "patient_id",
            "n_due",
            has_ended=(nw.col("due_wave") == nw.col("left_wave")).fill_null(False),
        )
    )


def with_class(courses: Frame) -> Frame:
    """Adds `trajectory_class` to the columns of `words`: the first rule that holds.

    Fewer than 3 observed waves or under half of the due ones, insufficient_data; has_ended, ended;
    all A, stable_abstinent; all R, stable_regular; no R, stable_low; with A, E, R as 0, 1, 2 the
    mean of the last two observed less the mean of the first two: at most -1 improving, at least
    +1 deteriorating; else fluctuating. Source: domain notes, section 3.
    """
    seen = nw.col("seen")
    rise = _score(seen.str.tail(2)) - _score(seen.str.head(2))
    few = (nw.col("n_observed") < 3) | (nw.col("n_observed") * 2 < nw.col("n_due"))
    return (
        courses.with_columns(seen=nw.col("word").str.replace_all("[^AER]", ""))
        .with_columns(
            trajectory_class=nw.when(few)
            .then(nw.lit("insufficient_data"))
            .when(nw.col("has_ended"))
            .then(nw.lit("ended"))
            .when(~seen.str.contains("[ER]"))
            .then(nw.lit("stable_abstinent"))
            .when(~seen.str.contains("[AE]"))
            .then(nw.lit("stable_regular"))
            .when(~seen.str.contains("R"))
            .then(nw.lit("stable_low"))
            .when(rise <= -2)
            .then(nw.lit("improving"))
            .when(rise >= 2)
            .then(nw.lit("deteriorating"))
            .otherwise(nw.lit("fluctuating"))
        )
        .drop("seen")
    )


def _score(pair: nw.Expr) -> nw.Expr:
    """Sum over two letters of A 0, E 1, R 2: twice their mean."""
    return _length(pair.str.replace_all("A", "")) + _length(pair.str.replace_all("[AE]", ""))


def pooled(word: nw.Expr) -> nw.Expr:
    """The word with missed, refused, not asked and out of treatment as M, not expected as `-`.

    Dead, withdrawn, moved and not due are no state to move from or to: nobody is expected there.
    """
    return word.str.replace_all("[mro.]", "M").str.replace_all("[dwv_]", "-")


def answered(word: nw.Expr) -> nw.Expr:
    """A letter per wave: 1 with an answer, 0 without."""
    return word.str.replace_all("[AER]", "1").str.replace_all("[^1]", "0")


def with_spread(courses: Frame) -> Frame:
    """Adds how a course moves between the observed states, missing waves skipped: Int32 columns.

    n_changes (steps to another state), n_abstinent, n_episodic, n_regular. One row in, one out.
    """
    seen = nw.col("word").str.replace_all("[^AER]", "")
    runs = seen
    for letter in "AER":
        runs = runs.str.replace_all(f"{letter}+", letter)
    first = nw.when(nw.col("n_observed") > 0).then(nw.lit(1)).otherwise(nw.lit(0))
    spread = {
        f"n_{state}": _length(seen.str.replace_all(f"[^{STATE_LETTER[state]}]", ""))
        for state in USED_STATES
    }
    return courses.with_columns(n_changes=(_length(runs) - first).cast(nw.Int32), **spread)


def move_from(wave: int) -> nw.Expr:
    """The two letters of a `pooled` word at a wave and the next: one of `MOVES`, or with a `-`."""
    return nw.col("pooled").str.slice(wave, 2)


def with_move_counts(courses: Frame, n_waves: int) -> Frame:
    """Adds how often each person made each move: an Int32 column for every one of `MOVES`.

    One row in, one row out; needs `pooled`. A letter alone (`A`) is how often a move began there.
    """
    pairs = [f"pair_{wave}" for wave in range(n_waves - 1)]
    none = nw.lit(0, dtype=nw.Int32)
    return (
        courses.with_columns(move_from(wave).alias(pair) for wave, pair in enumerate(pairs))
        .with_columns(
            nw.sum_horizontal(
                none, *((nw.col(pair) == move).cast(nw.Int32) for pair in pairs)
            ).alias(move)
            for move in MOVES
        )
        .with_columns(
            nw.sum_horizontal(*(before + after for after in MOVE_LETTER)).alias(before)
            for before in MOVE_LETTER
        )
        .drop(pairs)
    )


def relapse_times(courses: Frame, states: States) -> Frame:
    """Time from sustained abstinence to relapse, in waves.

    Relapse is regular use after `relapse_after_waves` abstinent waves in a row; the clock starts at
    the last of these. Episodic use in between is a lapse: it neither is a relapse nor ends the
    time at risk. A missing wave does: the relapse may lie in it, so the person is censored at the
    wave before. Regular use after fewer abstinent waves (return to use) starts no clock.

    Returns:
        The rows of `courses` that ever reach such a run, with `waves` (Int32, from the start of
        the clock) and `has_event`.
    """
    run = f"A{{{states.relapse_after_waves}}}"
    after = nw.col("word").str.replace_all(f"^.*?{run}", "").str.replace_all("[^AER].*$", "")
    has_event = after.str.contains("R")
    before = _length(after.str.replace_all("R.*$", ""))
    return courses.filter(nw.col("word").str.contains(run)).with_columns(
        waves=before + has_event.cast(nw.Int32), has_event=has_event
    )


def abstinence_times(courses: Frame, states: States) -> Frame:
    """Time from the baseline to sustained abstinence, in waves.

    The event is at the last of the first `sustained_waves` abstinent waves in a row, the wave at
    which it is known. Without it a person is censored at the last observed wave; a missing wave
    breaks a run, but not the time at risk.

    Returns:
        The rows of `courses` with an observed wave, with `waves` (Int32, since the baseline) and
        `has_event`.
    """
    word = nw.col("word")
    run = f"A{{{states.sustained_waves}}}"
    reached = _length(word) - _length(word.str.replace_all(f"^.*?{run}", ""))
    followed = _length(word.str.replace_all("[^AER]*$", ""))
    has_event = word.str.contains(run)
    return courses.filter(nw.col("n_observed") > 0).with_columns(
        waves=nw.when(has_event).then(reached).otherwise(followed) - 1, has_event=has_event
    )


def _length(text: nw.Expr) -> nw.Expr:
    return text.str.len_chars().cast(nw.Int32)
