"""Stays as they stand in core, and which of them covers a day.

Belongs here: core.episode, the last delivery that carried a stay, the stay that covers a day.
Does not belong here: merging stays and counting time in them (see `retention`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import narwhals as nw

from registry_pipeline.transform.current import key_columns
from registry_pipeline.transform.engine import Frame, with_epoch_days
from registry_pipeline.transform.shape import by_value, with_days
from schemas.fields import Table
from schemas.protocol import Protocol

SEEN: Final = ("quarter", "number", "delivery")

_ANY_DAY: Final = 1_000_000
"""More days than any date is away from 1970."""


def last_seen(versions: Frame, deliveries: Frame, table: Table) -> Frame:
    """Per stay the extracted_on of the last full delivery that carried it.

    Args:
        versions: every row of the episodes form ever taken in.
        deliveries: the form's deliveries: delivery, quarter, number, is_full, extracted_on.
        table: the form's table.

    Returns:
        The key columns (`key_<column>`) and last_seen_date; no row for a stay that only
        corrections carried.
    """
    keys = [f"key_{name}" for name in table.key]
    full = deliveries.filter(nw.col("is_full")).select("delivery", last_seen_date="extracted_on")
    return (
        versions.filter(~nw.col("is_retraction"))
        .select(*key_columns(table), *SEEN)
        .join(full, on="delivery")
        .unique(keys, keep="last", order_by=SEEN)
        .select(*keys, "last_seen_date")
    )


def episode_rows(episodes: Frame, seen: Frame, table: Table, protocol: Protocol) -> Frame:
    """The stays that may enter core, with what the protocol says of their pathway.

    One row in, one row out. A stay that only corrections carried was last seen at its sender's
    cut-off.

    Args:
        episodes: current stays that no rule holds, with cutoff_date.
        seen: `last_seen`.
        table: the episodes form.
        protocol: says which pathways are treatment and index.

    Returns:
        The form's columns with is_treatment, is_index, last_seen_date, cutoff_date; cover_days
        null becomes 0.
    """
    keys = [f"key_{name}" for name in table.key]
    return (
        episodes.with_columns(*key_columns(table))
        .join(seen, on=keys, how="left")
        .drop(keys)
        .with_columns(
            nw.col("cover_days").fill_null(0),
            last_seen_date=nw.coalesce("last_seen_date", "cutoff_date"),
            is_treatment=nw.col("pathway").is_in(list(protocol.treatment_pathways)),
            is_index=nw.col("pathway").is_in(list(protocol.index_pathways)),
        )
    )


def core_episodes(stays: Frame, clock: Frame) -> Frame:
    """core.episode without `cohort`: `episode_rows` with their days from the person's origin."""
    days = {"start_date": "start_day", "end_date": "end_day", "last_seen_date": "last_seen_day"}
    return with_days(stays, clock, days)


def covers(stays: Frame, people: Frame, protocol: Protocol) -> Frame:
    """The days each stay covers: from its first day to the day before it ends.

    A stay ends on the day of leaving plus its cover; one without an end, the day after it was
    last seen when a later full delivery no longer carried it, and else not at all. A stay that
    was never begun or that lasted no day covers none.

    Args:
        stays: `episode_rows`.
        people: patient_id and person, their number.
        protocol: its pathways.

    Returns:
        [person, rank, is_treatment, from_epoch, until_epoch]: days since 1970; until_epoch
        null: still there. `rank` is higher for an index pathway, then for a later start, and
        holds the pathway in its remainder.
    """
    begun = stays.filter(~nw.col("start_date").is_null()).join(
        people.select("patient_id", "person"), on="patient_id"
    )
    dated = with_epoch_days(begun, ["start_date", "end_date", "last_seen_date", "cutoff_date"])
    left = nw.col("end_date_epoch") + nw.col("cover_days")
    dropped = nw.when(nw.col("last_seen_date_epoch") < nw.col("cutoff_date_epoch")).then(
        nw.col("last_seen_date_epoch") + 1
    )
    codes = _codes(protocol)
    place = by_value(nw.col("pathway"), {code: place for place, code in enumerate(codes)})
    start = nw.col("start_date_epoch") + _ANY_DAY
    rank = nw.col("is_index").cast(nw.Int32) * (2 * _ANY_DAY) + start
    return dated.select(
        "person",
        (rank * len(codes) + place).alias("rank"),
        nw.col("is_treatment").cast(nw.Int32),
        from_epoch="start_date_epoch",
        until_epoch=nw.coalesce(left, dropped),
    )


def covering(points: Frame, covered: Frame, key: Sequence[str], protocol: Protocol) -> Frame:
    """The stay that covers a person's day: an index pathway first, then the latest begun.

    Of two begun on one day, the last by pathway code.

    Args:
        points: the days asked about: `key` (with person), and `on_epoch`.
        covered: `covers`.
        key: identifies a row of points.
        protocol: as for `covers`.

    Returns:
        `key`, pathway, and in_treatment (1 where any stay that covers the day is treatment, else
        0): one row per point that a stay covers, none for others.
    """
    on, until = nw.col("on_epoch"), nw.col("until_epoch")
    there = (
        points.select(*key, "on_epoch")
        .join(covered, on="person")
        .filter((nw.col("from_epoch") <= on) & (until.is_null() | (on < until)))
    )
    best = there.group_by(*key).agg(nw.col("rank").max(), in_treatment=nw.col("is_treatment").max())
    codes = _codes(protocol)
    pathway = by_value(nw.col("rank") % len(codes), dict(enumerate(codes)))
    return best.select(*key, pathway.alias("pathway"), "in_treatment")


def _codes(protocol: Protocol) -> list[str]:
    """The pathway codes in order: of two index stays begun on one day, the last code counts."""
    return sorted(pathway.code for pathway in protocol.pathways)
