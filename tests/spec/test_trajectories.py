"""Trajectories, word by word (domain notes, section 3, "Runs", "Trajectory word", "Rule classes").

A word has one letter per scheduled wave: A no use, E single episodes, R regular use; m missed,
r refused, d dead, w withdrawn, o out of treatment, v moved, _ not due, . not asked.
Every line is run on DuckDB and on Polars.
"""

from collections.abc import Callable, Iterable
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.transform.engine import Frame
from registry_pipeline.transform.trajectories import (
    abstinence_times,
    move_from,
    pooled,
    relapse_times,
    with_class,
    words,
)
from schemas.codes import STATE_LETTER, USED_STATES
from schemas.protocol import States

CLASSES = """
word       class
# fewer than 3 observed, or under half of the due waves
mmmmmmmmm  insufficient_data
_________  insufficient_data
AA_______  insufficient_data
AAmmm____  insufficient_data
AAA______  stable_abstinent
AAAmmm___  stable_abstinent
AAAmmmm__  insufficient_data
AAAmmmmm_  insufficient_data
RRRR.....  insufficient_data
RRRRR....  stable_regular
AAAdddddd  insufficient_data
# the course ended before the last due wave
AAAAAdddd  ended
AEREAwwww  ended
RRRRRRvvv  ended
EEEEEEEoo  ended
AAAAAAAAd  ended
AAAAo____  ended
# not ended: back, or the last due wave is an ordinary missing one
AAooAAAAA  stable_abstinent
AAAAAAAAm  stable_abstinent
AAAAAAAor  stable_abstinent
# one state all the way, whatever is missing between
AAAAAAAAA  stable_abstinent
AmArA.A__  stable_abstinent
RRRRRRRRR  stable_regular
RRmRRmRR_  stable_regular
# never regular
EEEEEEEEE  stable_low
AEAAEEAAA  stable_low
EEEEEEEAA  stable_low
# last two observed against the first two, scored 0, 1, 2: one lower or one higher on average
RRRRRRRAA  improving
RRAAAAAEE  improving
RREEEERAA  improving
RERARAREA  improving
AARRRREEE  deteriorating
AARAAAAAR  deteriorating
EEEEEEERR  deteriorating
RAR______  fluctuating
ARR______  deteriorating
RRA______  improving
REE______  fluctuating
RERERERRE  fluctuating
ARARARARA  fluctuating
AERERERAR  fluctuating
EmRmAmEmR  fluctuating
"""

RELAPSE = """
word       relapse
# regular use after two abstinent waves in a row, in waves since the second of them
AAR______  after 1
AAAAR____  after 3
RRAARRRRR  after 1
# a lapse (episodic use) is no relapse, and the person stays at risk
AAE______  none by 1
AAEER____  after 3
AAEAAR___  after 4
# regular use after exactly one abstinent wave is a return to use: the clock never starts
AR_______  not at risk
ARARARARA  not at risk
RRRRRRRRR  not at risk
ARAAR____  after 1
# a missing wave breaks the run, before the clock starts and after
AmAR_____  not at risk
A.Ar_____  not at risk
AmAAR____  after 1
AAmR_____  none by 0
AAAAmR___  none by 2
AAEmAAR__  none by 1
# seen to the end, or to the exit, without
AAAAAAAAA  none by 7
AAAAddddd  none by 2
_________  not at risk
"""

ABSTINENCE = """
word       sustained_abstinence
# two abstinent waves in a row, known at the second of them, in waves since the baseline
AA_______  after 1
RRRRAAAAA  after 5
EARAA____  after 4
# a missing wave breaks the run, not the time at risk
AmARAA___  after 5
mAA______  after 2
AmAmAmAmA  none by 8
# not reached by the last observed wave
RRRRRRRRR  none by 8
RRA______  none by 2
RRAmm____  none by 2
R........  none by 0
mmmmmmmmm  not at risk
"""

MOVES = """
word     moves
# every pair of adjacent waves at which an interview was expected; all missing kinds are one
AERR     AE ER RR
AAAA     AA AA AA
AmrR     AM MM MR
E.oA     EM MM MA
# the dead, withdrawn, moved and not due make no move
AEdd     AE
AEww     AE
RRvv     RR
Am__     AM
____     none
"""


def lines(table: str) -> dict[str, str]:
    rows = [line.split(maxsplit=1) for line in table.strip().splitlines() if line[0] != "#"]
    return {word: expected.strip() for word, expected in rows[1:]}


@pytest.fixture(params=["duckdb", "polars"])
def engine(request: pytest.FixtureRequest) -> Callable[[pl.DataFrame], Frame]:
    """A frame of the engine from a Polars frame."""
    if request.param == "polars":
        return lambda frame: nw.from_native(frame.lazy())
    connection = duckdb.connect()
    return lambda frame: nw.from_native(connection.from_arrow(frame.to_arrow()))


def courses(
    engine: Callable[[pl.DataFrame], Frame], spelled: Iterable[str], n_due: int | None = None
) -> Frame:
    """`words` for one person per word, who is called by it; all waves but `_` are due."""
    state = {letter: state for state, letter in STATE_LETTER.items()}
    cells = pl.DataFrame(
        [
            (word, wave, state[letter], letter != "_" if n_due is None else wave < n_due)
            for word in spelled
            for wave, letter in enumerate(word)
        ],
        schema={
            "patient_id": pl.String,
            "wave": pl.Int32,
            "state": pl.String,
            "is_due": pl.Boolean,
        },
        orient="row",
    )
    use = cells.select("patient_id", "wave", "state", substance=pl.lit("heroin"))
    held = pl.col("state").is_in([*USED_STATES, "not_asked"])
    visits = cells.select(
        "patient_id",
        "wave",
        "is_due",
        cohort=pl.lit("x"),
        status=pl.when(held).then(pl.lit("completed")).otherwise("state"),
    )
    return words(engine(use), engine(visits), cells["wave"].max() + 1)


def by_word(rows: Frame) -> dict[str, dict[str, Any]]:
    frame = rows.collect("polars").to_native()
    return {row["patient_id"]: row for row in frame.rows(named=True)}


def waited(courses: Frame, times: Frame) -> dict[str, str]:
    at_risk = by_word(times)
    return {
        word: f"{'after' if at_risk[word]['has_event'] else 'none by'} {at_risk[word]['waves']}"
        if word in at_risk
        else "not at risk"
        for word in by_word(courses)
    }


def test_word(engine: Callable[[pl.DataFrame], Frame]) -> None:
    found = by_word(courses(engine, ["AERmrdwov_."]))
    assert found["AERmrdwov_."]["word"] == "AERmrdwov_."
    assert found["AERmrdwov_."]["n_observed"] == len("AER")
    assert found["AERmrdwov_."]["n_due"] == len("AERmrdwov.")


def test_word_of_more_waves_than_a_whole_number_has_digits(
    engine: Callable[[pl.DataFrame], Frame],
) -> None:
    for n_waves in (15, 16, 33):
        word = ("RAEmrdwov_." * 3)[:n_waves]
        found = by_word(courses(engine, [word]))[word]
        assert (found["word"], found["n_observed"]) == (word, sum(map(word.count, "AER")))


def test_class(engine: Callable[[pl.DataFrame], Frame]) -> None:
    found = by_word(with_class(courses(engine, lines(CLASSES))))
    assert {word: row["trajectory_class"] for word, row in found.items()} == lines(CLASSES)


def test_waves_after_the_cut_off_are_not_due_even_when_the_person_is_dead(
    engine: Callable[[pl.DataFrame], Frame],
) -> None:
    """Dead from the fourth wave on; due are all waves up to the cut-off, alive or not."""
    died = "AAAdddddd"
    later = by_word(with_class(courses(engine, [died], n_due=5)))[died]
    assert (later["n_due"], later["trajectory_class"]) == (5, "ended")
    just_before = by_word(with_class(courses(engine, [died], n_due=3)))[died]
    assert (just_before["n_due"], just_before["trajectory_class"]) == (3, "stable_abstinent")


def test_relapse(engine: Callable[[pl.DataFrame], Frame]) -> None:
    people = courses(engine, lines(RELAPSE))
    assert waited(people, relapse_times(people, States())) == lines(RELAPSE)


def test_sustained_abstinence(engine: Callable[[pl.DataFrame], Frame]) -> None:
    people = courses(engine, lines(ABSTINENCE))
    assert waited(people, abstinence_times(people, States())) == lines(ABSTINENCE)


def test_the_protocol_says_how_long_a_run_is(engine: Callable[[pl.DataFrame], Frame]) -> None:
    states = States(sustained_waves=3, relapse_after_waves=1)
    people = courses(engine, ["AARAAA", "EARRRR"])
    assert waited(people, abstinence_times(people, states))["AARAAA"] == "after 5"
    assert waited(people, relapse_times(people, states))["EARRRR"] == "after 1"


def test_moves(engine: Callable[[pl.DataFrame], Frame]) -> None:
    people = courses(engine, lines(MOVES)).with_columns(pooled=pooled(nw.col("word")))
    pairs = by_word(people.with_columns(move_from(wave).alias(f"move_{wave}") for wave in range(3)))
    found = {
        word: [row[f"move_{wave}"] for wave in range(3) if "-" not in row[f"move_{wave}"]]
        for word, row in pairs.items()
    }
    assert found == {
        word: [] if moves == "none" else moves.split() for word, moves in lines(MOVES).items()
    }
