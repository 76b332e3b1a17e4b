"""Stays closed, and merged into the episodes that treatment and pathway retention count.

Belongs here: how long a stay covers a person, when two stays are one episode, how it ended.
Does not belong here: core.episode (see `episodes`), clocks and numbering (see `retention`).

Definitions: domain notes, section 3, "Three retentions" and "Episodes".

- A stay covers a person from its first day until the day of leaving plus its cover.
- Stays of a person and kind merge when they overlap or at most `gap_days` lie uncovered between
  them: `treatment` in every treatment pathway, through transfers and prison; `pathway` in the
  index pathways, and never across a return to the specialist service or prison: the pathway is
  left that day, whatever the medicine still covers.
- An episode ends as that one of its stays ended which covers longest.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame
from schemas.codes import DEATHS

PATHWAY_ENDS: Final = ("transfer_specialist", "incarcerated")
"""Exit types after which nobody is in the index pathway, however soon the next stay begins."""

UNLIMITED_GAP_DAYS: Final = 36_500
"""A gap rule of a century or more says that no gap ends an episode; no wait settles an end."""

LONG_BEFORE: Final = -1_000_000
"""A day before any other, where a running maximum must not meet a null."""

KINDS: Final = {"treatment": "is_treatment", "pathway": "is_index"}
EPISODE: Final = ("patient_id", "kind")
DEATH: Final = sorted(DEATHS)
START, UNTIL, EXIT = nw.col("start"), nw.col("until"), nw.col("exit_type")


def closed_stays(episodes: Frame, people: Frame) -> Frame:
    """One row per stay and kind: the day it covers until, and the exit there.

    - A stay without an end is censored on the day it was last seen, or ended by a move out of the
      country before that day.
    - A stay known from doses (it has cover) that nobody said the end of ends as `unknown`, once
      `settled` grants it an end.
    - Nobody is followed past the cut-off, however long the cover reaches.
    - Death closes whatever still covers, and no stay starts after it.

    Args:
        episodes: core.episode; stays that were never begun are left out.
        people: `retention.followed_people`; stays of others are left out.

    Returns:
        patient_id, kind, start, until, exit_type (null = censored), unit_id, wait_days (days from
        `until` to the cut-off where the stay is known from doses, else null); days count from the
        origin.
    """
    begun = episodes.filter(~nw.col("start_day").is_null()).select(
        "patient_id",
        "end_day",
        "last_seen_day",
        "exit_type",
        "cover_days",
        *KINDS.values(),
        start="start_day",
        stay_unit_id="unit_id",
    )
    of_kind = [begun.filter(flag).with_columns(kind=nw.lit(kind)) for kind, flag in KINDS.items()]
    rows = nw.concat(of_kind).join(people, on="patient_id", how="inner")
    died, doses = nw.col("death_day") <= UNTIL, nw.col("cover") > 0
    stated = nw.when(doses).then(EXIT.fill_null("unknown")).otherwise("exit_type")
    return (
        _left(rows)
        .filter(nw.col("death_day").is_null() | (nw.col("death_day") >= START))
        .select(
            *EPISODE,
            "start",
            nw.when(died)
            .then("death_day")
            .when(doses)
            .then(nw.min_horizontal("until", "cutoff_day"))
            .otherwise("until")
            .alias("until"),
            nw.when(died).then("death_type").otherwise(stated).alias("exit_type"),
            nw.coalesce("stay_unit_id", "unit_id").alias("unit_id"),
            nw.when(doses & ~died.fill_null(value=False))
            .then(nw.col("cutoff_day") - UNTIL)
            .alias("wait_days"),
        )
    )


def settled(stays: Frame, gap_days: int) -> Frame:
    """The stays under one gap rule, without wait_days.

    A stay known from doses ends only when end + cover + gap is not after the cut-off: before,
    the person may still come back within the gap, and the stay is censored at end + cover, or at
    the cut-off where that comes first.
    """
    wait = gap_days if gap_days < UNLIMITED_GAP_DAYS else 0
    returning = nw.col("wait_days") < wait
    unsettled = nw.when(returning).then(nw.lit(None, dtype=nw.String)).otherwise("exit_type")
    return stays.with_columns(exit_type=unsettled).drop("wait_days")


def merge_stays(stays: Frame, gap_days: int) -> Frame:
    """Stays merged into episodes: the columns of `settled` in and out, a row per episode.

    The exit and the unit are those of the stay that covers longest; of several such stays a
    death goes first, then one that left the pathway, then one that nobody is known to have left
    (censored), then the one that began last.
    """
    order = ["start", "until", "end"]
    reach, last_end = nw.col("reach"), nw.col("last_end")
    left = (reach <= START) & (last_end == reach)
    new = reach.is_null() | (START - reach > gap_days) | left
    rank = nw.when(EXIT.is_in(DEATH)).then(0).when(nw.col("end") == UNTIL).then(1)
    run = [*EPISODE, "run"]
    return (
        stays.with_columns(end=nw.when(_leaves_pathway()).then("until").otherwise(LONG_BEFORE))
        .with_columns(
            reach=UNTIL.cum_max().over(*EPISODE, order_by=order),
            last_end=nw.col("end").cum_max().over(*EPISODE, order_by=order),
        )
        .with_columns(
            reach=reach.shift(1).over(*EPISODE, order_by=order),
            last_end=last_end.shift(1).over(*EPISODE, order_by=order),
        )
        .with_columns(
            run=nw.when(new).then(1).otherwise(0).cum_sum().over(*EPISODE, order_by=order),
            covers_longest=-UNTIL,
            how=rank.when(EXIT.is_null()).then(2).otherwise(3),
            began_last=-START,
            exit=EXIT.fill_null(""),
            unit=nw.col("unit_id").fill_null(""),
        )
        .with_columns(
            place=UNTIL.cum_count().over(
                *run, order_by=["covers_longest", "how", "began_last", "exit", "unit"]
            ),
            start=START.min().over(*run),
        )
        .filter(nw.col("place") == 1)
        .select(*EPISODE, "start", "until", "exit_type", "unit_id")
    )


def _left(rows: Frame) -> Frame:
    """Adds `until`, and the exit as far as the stay itself and a move tell it."""
    end, moved_day = nw.col("end_day"), nw.col("moved_day")
    seen = nw.coalesce("last_seen_day", "cutoff_day")
    moved = end.is_null() & (moved_day >= START) & (moved_day <= seen)
    covers = ~end.is_null() & ~EXIT.fill_null("").is_in(DEATH) & ~_leaves_pathway()
    return rows.with_columns(
        cover=nw.when(covers).then("cover_days").otherwise(0),
        end_day=nw.when(moved).then("moved_day").otherwise(nw.coalesce(end, seen)),
        exit_type=nw.when(moved).then(nw.lit("moved")).when(~end.is_null()).then("exit_type"),
    ).with_columns(until=nw.col("end_day") + nw.col("cover"))


def _leaves_pathway() -> nw.Expr:
    return (nw.col("kind") == "pathway") & EXIT.fill_null("").is_in(PATHWAY_ENDS)
