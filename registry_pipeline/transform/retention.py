"""Each person's observed time: stays merged into episodes with their exit, on each clock.

Belongs here: the definitions of the three retentions (treatment, pathway, study), row by row.
Does not belong here: curves and shares (see `registry_pipeline.derivations.retention`).

Definitions: domain notes, section 3, "Three retentions" and "Episodes".

- A stay covers a person from its first day until the day of leaving plus its cover. Stays of a
  person and kind merge when they overlap or at most `gap_days` lie uncovered between them.
- `treatment` merges stays in every treatment pathway, through transfers and prison; `pathway`
  merges stays in the index pathways, and never across a return to the specialist service or
  prison: the pathway is left that day, whatever the medicine still covers.
- A merged episode ends as that one of its stays ended which covered longest.
- `study` has no stays: a person is in it until the first scheduled interview of those after
  which none was held.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame, materialise, with_epoch_days
from schemas.codes import DEATHS, DROP_OUT
from schemas.protocol import Origin, Protocol

PATHWAY_ENDS: Final = ("transfer_specialist", "incarcerated")
"""Exit types after which nobody is in the index pathway, however soon the next stay begins."""

UNLIMITED_GAP_DAYS: Final = 36_500
"""A gap rule of a century or more says that no gap ends an episode; no wait settles an end."""

LONG_BEFORE: Final = -1_000_000
"""A day before any other, where a running maximum must not meet a null."""

HELD: Final = ("completed", "partial")
EPISODE: Final = ("patient_id", "kind")
DEATH: Final = sorted(DEATHS)
CENSORED: Final = nw.lit(None, dtype=nw.String)


def retention_person(
    core: Mapping[str, Frame], protocol: Protocol, gap_days: int | None = None
) -> Frame:
    """Everyone's episodes of each kind on each clock: derived.retention_person of one cohort.

    Grain: person, kind, origin, episode. Enrolled people with a day to count from; a person
    without a stay gives no row of treatment and pathway, nor does a stay that was over before the
    person was followed.

    Args:
        core: core.patient, core.episode, core.visit and core.event of the cohort.
        protocol: the cohort's protocol.
        gap_days: another gap than the protocol's, for the sensitivity table; then without the
            kind study, which has no gaps.

    Returns:
        The columns of derived.retention_person up to co_occurring_disorder; days count from the
        origin of the row. Null exit_type: censored at exit_day.
    """
    gap = protocol.retention.gap_days if gap_days is None else gap_days
    people = materialise(followed_people(core["core.patient"], core["core.event"], protocol))
    stays = closed_stays(core["core.episode"], people, gap)
    episodes = materialise(merge_stays(stays, gap))
    rows = [_on_clock(episodes, people, origin, protocol, gap) for origin in origins(protocol)]
    if gap_days is None:
        rows.append(study_time(core["core.visit"], people))
    return materialise(nw.concat([_with_person(part, people) for part in rows]))


def origins(protocol: Protocol) -> list[str]:
    """The clocks of a cohort; one where the protocol itself counts from treatment start."""
    from_start = protocol.retention.origin is Origin.TREATMENT_START
    return ["treatment_start"] if from_start else ["baseline", "treatment_start"]


def in_curves() -> nw.Expr:
    """Which rows of derived.retention_person the curves count: the first episode, seen at risk.

    A person who left on or before the day of a delayed entry was never at risk.
    """
    seen = (nw.col("entry_day") == 0) | (nw.col("exit_day") > nw.col("entry_day"))
    return (nw.col("episode_no") == 1) & seen


def followed_people(patients: Frame, events: Frame, protocol: Protocol) -> Frame:
    """One row per enrolled person with an origin: who they are, and where the clocks start.

    Returns:
        Columns of core.patient, `death_type`, and in days from the origin: `baseline` (day 0 of
        the retention clock), `treatment_start`, `observed` (from where the person is followed);
        null where the day is not known.
    """
    cause = (
        events.filter(nw.col("event_type").is_in(DEATH))
        .group_by("patient_id")
        .agg(death_type=nw.col("event_type").max())
    )
    enrolled = patients.filter(nw.col("enrolled") & ~nw.col("origin_date").is_null())
    zero = nw.col("retention_origin_date_epoch") - nw.col("origin_date_epoch")
    from_start = protocol.retention.origin is Origin.TREATMENT_START
    return (
        with_epoch_days(enrolled, ["origin_date", "retention_origin_date"])
        .join(cause, on="patient_id", how="left")
        .with_columns(
            baseline=zero,
            treatment_start=nw.col("treatment_start_day"),
            observed=nw.lit(0) if from_start else zero,
            death_type=nw.col("death_type").fill_null("death_other"),
            pathway=nw.col("baseline_pathway"),
        )
    )


def closed_stays(episodes: Frame, people: Frame, gap_days: int) -> Frame:
    """One row per stay and kind: the day it covers until, and the exit there.

    - A stay without an end is censored on the day it was last seen, or ended by a move out of the
      country before that day.
    - A stay known from doses (it has cover) ends only when end + cover + gap is not after the
      cut-off, `unknown` where nobody said how; else it is censored at end + cover.
    - Death closes whatever still covers, and no stay starts after it.

    Returns:
        patient_id, kind, start, until, exit_type (null = censored), unit_id; days from the origin.
    """
    kinds = {"treatment": "is_treatment", "pathway": "is_index"}
    of_kind = [
        episodes.filter(nw.col(flag) & ~nw.col("start_day").is_null()).select(
            "patient_id",
            "start_day",
            "end_day",
            "last_seen_day",
            "exit_type",
            "cover_days",
            nw.col("unit_id").alias("stay_unit_id"),
            nw.lit(kind).alias("kind"),
        )
        for kind, flag in kinds.items()
    ]
    stays = nw.concat(of_kind).join(people, on="patient_id", how="inner")
    start, end, until = nw.col("start_day"), nw.col("end_day"), nw.col("until")
    ended = ~end.is_null()
    seen = nw.coalesce("last_seen_day", "cutoff_day")
    moved = end.is_null() & (nw.col("moved_day") >= start) & (nw.col("moved_day") <= seen)
    covers = ended & ~nw.col("exit_type").fill_null("").is_in(DEATH) & ~_leaves_pathway()
    wait = gap_days if gap_days < UNLIMITED_GAP_DAYS else 0
    unsettled = (nw.col("cover") > 0) & (until + wait > nw.col("cutoff_day"))
    died = nw.col("death_day") <= until
    return (
        stays.with_columns(
            cover=nw.when(covers).then("cover_days").otherwise(0),
            end_day=nw.when(moved).then("moved_day").otherwise(nw.coalesce(end, seen)),
            exit_type=nw.when(moved).then(nw.lit("moved")).when(ended).then("exit_type"),
        )
        .with_columns(until=nw.col("end_day") + nw.col("cover"))
        .with_columns(
            exit_type=nw.when(unsettled)
            .then(CENSORED)
            .when(nw.col("cover") > 0)
            .then(nw.col("exit_type").fill_null("unknown"))
            .otherwise("exit_type")
        )
        .filter(nw.col("death_day").is_null() | (start <= nw.col("death_day")))
        .select(
            *EPISODE,
            start.alias("start"),
            nw.when(died).then("death_day").otherwise("until").alias("until"),
            nw.when(died).then("death_type").otherwise("exit_type").alias("exit_type"),
            nw.coalesce("stay_unit_id", "unit_id").alias("unit_id"),
        )
    )


def merge_stays(stays: Frame, gap_days: int) -> Frame:
    """Stays merged into episodes: same columns in and out, one row out per episode.

    The exit and the unit are those of the stay that covers longest; of several such stays, a
    death goes first, then one that nobody left (censored), then the one that began last.
    """
    order = ["start", "until", "ends"]
    start, until, reach = nw.col("start"), nw.col("until"), nw.col("reach")
    left = (start >= reach) & (nw.col("end_reach") == reach)
    new = reach.is_null() | (start - reach > gap_days) | left
    run = [*EPISODE, "run"]
    exit_type, last = nw.col("exit_type"), ["last", "weight", "began", "exit", "unit"]
    return (
        stays.with_columns(ends=nw.when(_leaves_pathway()).then(until).otherwise(LONG_BEFORE))
        .with_columns(
            reach=until.cum_max().over(*EPISODE, order_by=order),
            end_reach=nw.col("ends").cum_max().over(*EPISODE, order_by=order),
        )
        .with_columns(
            reach=reach.shift(1).over(*EPISODE, order_by=order),
            end_reach=nw.col("end_reach").shift(1).over(*EPISODE, order_by=order),
        )
        .with_columns(
            run=nw.when(new).then(1).otherwise(0).cum_sum().over(*EPISODE, order_by=order),
            last=-until,
            weight=nw.when(exit_type.is_in(DEATH))
            .then(0)
            .when(exit_type.is_null())
            .then(1)
            .otherwise(2),
            began=-start,
            exit=exit_type.fill_null(""),
            unit=nw.col("unit_id").fill_null(""),
        )
        .with_columns(
            place=until.cum_count().over(*run, order_by=last),
            start=start.min().over(*run),
        )
        .filter(nw.col("place") == 1)
        .select(*EPISODE, "start", "until", "exit_type", "unit_id")
    )


def study_time(visits: Frame, people: Frame) -> Frame:
    """One row per person: how long they took part in the scheduled interviews.

    The wave after the last completed or partial interview decides. Missed (or out of treatment,
    without an interview): left as patient_absent on its due day; refused: left as
    patient_notified on its due day; dead, withdrawn or moved: left on that day, though not
    before the last interview; not due, or no wave left: censored at the cut-off or on the last
    due day of the schedule, whichever comes first. Day 0 is the origin of the waves.

    Returns:
        The same columns as `_on_clock`.
    """
    held, due_day = nw.col("status").is_in(HELD), nw.col("due_day")
    held_day = nw.when(held).then(due_day + nw.col("days_from_nominal")).otherwise(0)
    attended = visits.group_by("patient_id").agg(
        wave=nw.when(held).then("wave").otherwise(-1).max() + 1,
        held_day=held_day.max(),
        last_due_day=due_day.max(),
    )
    status, exit_type = nw.col("status"), nw.lit(None, dtype=nw.String)
    exit_day = nw.min_horizontal("cutoff_day", "last_due_day")
    exits = {
        "missed": ("due_day", nw.lit("patient_absent")),
        "out_of_treatment": ("due_day", nw.lit("patient_absent")),
        "refused": ("due_day", nw.lit("patient_notified")),
        "dead": ("death_day", nw.col("death_type")),
        "withdrawn": ("withdrawn_day", nw.lit("withdrawn")),
        "moved": ("moved_day", nw.lit("moved")),
    }
    for code, (day, kind_of_exit) in exits.items():
        exit_day = (
            nw.when(status == code).then(nw.max_horizontal(day, "held_day")).otherwise(exit_day)
        )
        exit_type = nw.when(status == code).then(kind_of_exit).otherwise(exit_type)
    after = visits.select("patient_id", "wave", "status", "due_day")
    return (
        attended.join(after, on=["patient_id", "wave"], how="left")
        .join(people, on="patient_id", how="inner")
        .select(
            "patient_id",
            kind=nw.lit("study"),
            origin=nw.lit("baseline"),
            episode_no=nw.lit(1),
            entry_day=nw.lit(0),
            exit_day=nw.max_horizontal(exit_day, nw.lit(0)),
            cutoff_day="cutoff_day",
            exit_type=exit_type,
            unit_id="unit_id",
        )
    )


def _on_clock(episodes: Frame, people: Frame, origin: str, protocol: Protocol, gap: int) -> Frame:
    """The episodes that were not over when the person was first followed, on one clock.

    Number 1 covers that day, or begins at most a gap after it; a person without such an episode
    has re-entries only, numbered from 2. Where the clock itself starts with the first episode,
    number 1 is the first of the kind.
    """
    clock = people.filter(~nw.col(origin).is_null() & ~nw.col("observed").is_null()).select(
        "patient_id",
        "cutoff_day",
        zero=nw.col(origin),
        followed=nw.max_horizontal(origin, "observed"),
    )
    zero, followed, start = nw.col("zero"), nw.col("followed"), nw.col("start")
    number = start.cum_count().over(*EPISODE, order_by=["start", "until"])
    if protocol.retention.origin is not Origin.EPISODE_START:
        late = start.min().over(*EPISODE) > followed + gap
        number = number + nw.when(late).then(1).otherwise(0)
    covered = (nw.col("number") == 1) & (start <= followed + gap)
    entry = nw.when(covered).then("followed").otherwise(nw.max_horizontal("start", "followed"))
    return (
        episodes.join(clock, on="patient_id", how="inner")
        .filter(nw.col("until") >= followed)
        .with_columns(number=number)
        .select(
            *EPISODE,
            origin=nw.lit(origin),
            episode_no=nw.col("number"),
            entry_day=entry - zero,
            exit_day=nw.col("until") - zero,
            cutoff_day=nw.col("cutoff_day") - zero,
            exit_type=nw.col("exit_type"),
            unit_id=nw.col("unit_id"),
        )
    )


def _with_person(rows: Frame, people: Frame) -> Frame:
    who = ["cohort", "patient_id", "sex", "age_group", "pathway", "co_occurring_disorder"]
    days = ["episode_no", "entry_day", "exit_day", "cutoff_day"]
    return rows.join(people.select(who), on="patient_id", how="inner").select(
        "cohort",
        *EPISODE,
        "origin",
        *(nw.col(day).cast(nw.Int32) for day in days),
        "exit_type",
        nw.col("exit_type").fill_null("").is_in(sorted(DROP_OUT)).alias("is_dropout"),
        "unit_id",
        *who[2:],
    )


def _leaves_pathway() -> nw.Expr:
    return (nw.col("kind") == "pathway") & nw.col("exit_type").fill_null("").is_in(PATHWAY_ENDS)
