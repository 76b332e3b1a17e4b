"""Merging stays into episodes: what holds whatever the stays are."""

import random
from typing import Any

import narwhals as nw
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.transform.stays import DEATH, PATHWAY_ENDS, merge_stays

SCHEMA = {
    "patient_id": pl.String,
    "kind": pl.String,
    "start": pl.Int32,
    "until": pl.Int32,
    "exit_type": pl.String,
    "unit_id": pl.String,
}
EXITS = [None, "patient_absent", "planned_mutual", "transfer_specialist", "death_other"]

Stay = dict[str, Any]


@st.composite
def stays(draw: st.DrawFn) -> list[Stay]:
    """A few stays of two people and both kinds, some of no length, many that touch."""
    people, kinds = st.sampled_from("ab"), st.sampled_from(["treatment", "pathway"])
    start, length = st.integers(-30, 60), st.integers(0, 30)
    rows = draw(
        st.lists(st.tuples(people, kinds, start, length, st.sampled_from(EXITS)), max_size=12)
    )
    return [
        dict(zip(SCHEMA, (who, kind, first, first + days, how, f"unit {first}"), strict=True))
        for who, kind, first, days, how in rows
    ]


gaps = st.integers(0, 15)


def merged(rows: list[Stay], gap: int) -> list[Stay]:
    """The episodes of the stays, in order."""
    frame = nw.from_native(pl.LazyFrame(rows, schema=SCHEMA))
    native: pl.DataFrame = merge_stays(frame, gap).collect("polars").to_native()
    return native.sort("patient_id", "kind", "start", "until", nulls_last=True).to_dicts()


def one_after_the_other(rows: list[Stay], gap: int) -> list[tuple[int, int]]:
    """The episodes of one person and kind, as one would count them by hand: (start, until)."""
    episodes: list[tuple[int, int]] = []
    left: set[int] = set()
    for row in sorted(rows, key=lambda row: (row["start"], row["until"])):
        start, until = row["start"], row["until"]
        reach = max((end for _, end in episodes), default=None)
        again = reach is None or start - reach > gap or (start >= reach and reach in left)
        if again:
            episodes.append((start, until))
        else:
            first, last = episodes[-1]
            episodes[-1] = (first, max(last, until))
        if row["kind"] == "pathway" and row["exit_type"] in PATHWAY_ENDS:
            left.add(until)
    return episodes


def covered(rows: list[Stay], who: str, kind: str) -> set[int]:
    """The days that any of the rows covers."""
    of = [row for row in rows if (row["patient_id"], row["kind"]) == (who, kind)]
    return {day for row in of for day in range(row["start"], row["until"])}


@settings(max_examples=60, deadline=None)
@given(stays(), gaps)
def test_merging_is_as_by_hand(rows: list[Stay], gap: int) -> None:
    episodes = merged(rows, gap)
    for who in "ab":
        for kind in ("treatment", "pathway"):
            mine = [row for row in rows if (row["patient_id"], row["kind"]) == (who, kind)]
            found = [
                (row["start"], row["until"])
                for row in episodes
                if (row["patient_id"], row["kind"]) == (who, kind)
            ]
            assert found == sorted(one_after_the_other(mine, gap))


@settings(max_examples=60, deadline=None)
@given(stays(), gaps)
def test_merging_twice_changes_nothing(rows: list[Stay], gap: int) -> None:
    episodes = merged(rows, gap)
    assert merged(episodes, gap) == episodes


@settings(max_examples=60, deadline=None)
@given(stays(), gaps, st.randoms(use_true_random=False))
def test_the_order_of_the_stays_does_not_matter(
    rows: list[Stay], gap: int, shuffle: random.Random
) -> None:
    shuffled = rows.copy()
    shuffle.shuffle(shuffled)
    assert merged(shuffled, gap) == merged(rows, gap)


@settings(max_examples=60, deadline=None)
@given(stays(), gaps)
def test_no_covered_day_is_lost_and_every_end_is_a_stays_end(rows: list[Stay], gap: int) -> None:
    episodes = merged(rows, gap)
    for who in "ab":
        for kind in ("treatment", "pathway"):
            assert covered(rows, who, kind) <= covered(episodes, who, kind)
    ends = {(row["patient_id"], row["kind"], row["until"], row["exit_type"]) for row in rows}
    for row in episodes:
        assert (row["patient_id"], row["kind"], row["until"], row["exit_type"]) in ends


@settings(max_examples=60, deadline=None)
@given(stays(), gaps)
def test_a_longer_gap_never_makes_more_episodes(rows: list[Stay], gap: int) -> None:
    assert len(merged(rows, gap + 5)) <= len(merged(rows, gap)) <= len(rows)


def test_of_stays_that_end_together_a_death_goes_first() -> None:
    ways = ["patient_absent", None, "transfer_specialist", "death_other"]
    rows = [
        dict(zip(SCHEMA, ("a", "pathway", first, 50, how, "u"), strict=True))
        for first, how in enumerate(ways)
    ]
    for kept in range(len(ways), 0, -1):
        [episode] = merged(rows[:kept], 10)
        assert episode["exit_type"] == ways[kept - 1]
    assert ways[-1] in DEATH
