"""People's observed time in treatment and out of it, and the events that fall into it.

Belongs here: from when to when a person is followed, which of those days are in treatment, which
setting an event falls into. Does not belong here: episodes (see `stays`, `retention`), rates (see
`registry_pipeline.derivations.retention_rates`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame
from registry_pipeline.transform.retention import origins
from registry_pipeline.transform.stays import settled
from schemas.protocol import Protocol

IN, OUT, ALL = "in_treatment", "out_of_treatment", "all"
RECURRING: Final = ("overdose", "hospital_admission")
"""Event types that come again; a death is a person's own, whichever form told of it."""

OBSERVED, UNTIL = nw.col("observed"), nw.col("until")


def followed(people: Frame) -> Frame:
    """`retention.followed_people` who are followed at all, and `until` which day.

    The cut-off, death or moving out of the country, whichever is first; a stop of the interviews
    ends nothing, since stays and events are told on.
    """
    return people.with_columns(
        until=nw.min_horizontal("cutoff_day", "death_day", "moved_day")
    ).filter(UNTIL >= OBSERVED)


def treatment_spells(persons: Frame, stays: Frame, people: Frame, protocol: Protocol) -> Frame:
    """The part of each treatment episode in which its person is followed.

    Args:
        persons: rows of derived.retention_person.
        stays: `stays.closed_stays`.
        people: `followed`.
        protocol: its first clock counts the episodes' days.

    Returns:
        patient_id, first, last: the two days from the origin; both are in treatment. And silent:
        the days after `last`, until the next spell or the end of the time, of which nobody knows
        the setting, since the stay was last seen without an exit. One row per episode that reaches
        into the time, and one without a day, whose `last` is the day before `first`, for the last
        stay before it: who left it is out of treatment. Where only such a stay is known, and not
        how it ended, there is no row.
    """
    (clock, *_) = origins(protocol)
    zero = nw.col(clock)
    of_treatment = (nw.col("kind") == "treatment") & (nw.col("origin") == clock)
    first, last = nw.col("first"), nw.col("last")
    following = first.shift(-1).over("patient_id", order_by=["first", "last"])
    within = (
        persons.filter(of_treatment)
        .select("patient_id", "entry_day", "exit_day", "exit_type")
        .join(people.select("patient_id", clock, "observed", "until"), on="patient_id")
        .select(
            "patient_id",
            first=nw.max_horizontal(nw.col("entry_day") + zero, "observed"),
            last=nw.min_horizontal(nw.col("exit_day") + zero, "until"),
            exit_type="exit_type",
            until="until",
        )
        .filter(first <= last)
    )
    unknown = nw.col("exit_type").is_null()
    silent = nw.coalesce("following", UNTIL) - nw.max_horizontal("first", "last")
    return (
        nw.concat([within, _last_before(stays, people, protocol)])
        .with_columns(following=following)
        .filter(~((last < first) & unknown & nw.col("following").is_null()))
        .select("patient_id", "first", "last", silent=nw.when(unknown).then(silent).otherwise(0))
    )


def _last_before(stays: Frame, people: Frame, protocol: Protocol) -> Frame:
    """The treatment stay that was over last before its person was followed, as a spell of no day.

    Returns:
        patient_id, first, last, exit_type, until: at most one row per person.
    """
    over = (
        settled(stays, protocol.retention.gap_days)
        .filter(nw.col("kind") == "treatment")
        .select("patient_id", "exit_type", over="until")
        .join(people.select("patient_id", "observed", "until"), on="patient_id")
        .filter(nw.col("over") < OBSERVED)
        .with_columns(is_known=nw.when(nw.col("exit_type").is_null()).then(0).otherwise(1))
    )
    one = over.unique(["patient_id"], keep="last", order_by=["over", "is_known"])
    return one.select(
        "patient_id",
        OBSERVED.alias("first"),
        (OBSERVED - 1).alias("last"),
        "exit_type",
        "until",
    )


def observed_days(people: Frame, spells: Frame) -> Frame:
    """Days of observation: one row per person and setting, the columns of `people`, and `days`.

    People without a spell are under `all` alone, and so are the silent days after one.
    """
    treated = spells.group_by("patient_id").agg(
        treated=nw.max_horizontal(nw.col("last") - nw.col("first"), nw.lit(0)).sum().cast(nw.Int64),
        silent=nw.col("silent").sum().cast(nw.Int64),
    )
    rows = people.join(treated, on="patient_id", how="left").with_columns(
        whole=(UNTIL - OBSERVED).cast(nw.Int64)
    )
    known = rows.filter(~nw.col("treated").is_null())
    return nw.concat(
        [
            rows.with_columns(setting=nw.lit(ALL), days="whole"),
            known.with_columns(setting=nw.lit(IN), days="treated"),
            known.with_columns(
                setting=nw.lit(OUT), days=nw.col("whole") - nw.col("treated") - nw.col("silent")
            ),
        ]
    ).drop("whole", "treated", "silent")


def observed_events(people: Frame, spells: Frame, events: Frame) -> Frame:
    """Events of people while they are followed: patient_id, setting, event, n (how many).

    One on a silent day is under `all` alone.

    Args:
        people: `followed`.
        spells: `treatment_spells`.
        events: core.event.
    """
    died = people.filter(nw.col("death_day") == UNTIL).select(
        "patient_id", "death_type", day="death_day"
    )
    deaths = died.select("patient_id", "day", event=nw.lit("death"))
    overdoses = died.filter(nw.col("death_type") == "death_overdose").select(
        "patient_id", "day", event="death_type"
    )
    recurring = (
        events.filter(nw.col("event_type").is_in(RECURRING))
        .join(people.select("patient_id", "observed", "until"), on="patient_id")
        .filter(nw.col("event_day") >= OBSERVED, nw.col("event_day") <= UNTIL)
        .select("patient_id", day="event_day", event="event_type")
    )
    told = nw.concat([deaths, overdoses, recurring])
    day = nw.col("day")
    last = nw.col("last")
    inside = (
        told.join(spells, on="patient_id")
        .with_columns(
            is_in=(nw.col("first") <= day) & (day <= last),
            is_silent=(last < day) & (day <= last + nw.col("silent")),
        )
        .group_by("patient_id", "day", "event")
        .agg(nw.col("is_in", "is_silent").max())
        .filter(nw.col("is_in") | ~nw.col("is_silent"))
    )
    setting = nw.when("is_in").then(nw.lit(IN)).otherwise(nw.lit(OUT))
    placed = inside.select("patient_id", "event", setting=setting)
    everywhere = told.select("patient_id", "event", setting=nw.lit(ALL))
    return (
        nw.concat([everywhere, placed])
        .group_by("patient_id", "setting", "event")
        .agg(n=nw.len().cast(nw.Int64))
    )
