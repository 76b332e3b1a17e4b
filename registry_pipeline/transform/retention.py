"""Each person's observed time in treatment, in the index pathway and in the study.

Belongs here: who is followed and from which day, the clocks, the numbering of episodes, the exit
from the study: the rows of derived.retention_person.
Does not belong here: merging stays (see `stays`), curves (see `registry_pipeline.derivations`).

Definitions: domain notes, section 3, "Three retentions". The three are never mixed: a missed
interview ends no treatment, and the end of a treatment ends no study.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame, materialise, with_epoch_days
from registry_pipeline.transform.people import HELD
from registry_pipeline.transform.stays import DEATH, EPISODE, merge_stays, settled
from schemas.codes import DROP_OUT, NOT_EXPECTED
from schemas.protocol import Origin, Protocol

WHO: Final = ("sex", "age_group", "pathway", "co_occurring_disorder")
DAYS: Final = ("episode_no", "entry_day", "exit_day", "cutoff_day")


def retention_person(people: Frame, stays: Frame, visits: Frame, protocol: Protocol) -> Frame:
    """Everyone's episodes of each kind on each clock: derived.retention_person of one cohort.

    Grain: person, kind, origin, episode. A person without a stay gives no row of treatment and
    pathway, nor does a stay that was over before the person was followed.

    Args:
        people: `followed_people`.
        stays: `stays.closed_stays`.
        visits: core.visit.
        protocol: the cohort's protocol.

    Returns:
        The columns of derived.retention_person up to co_occurring_disorder; days count from the
        origin of the row. Null exit_type: censored at exit_day.
    """
    in_episodes = episode_time(people, stays, protocol, protocol.retention.gap_days)
    return nw.concat([in_episodes, _with_person(study_time(visits, people), people)])


def episode_time(
    people: Frame, stays: Frame, protocol: Protocol, gap_days: int, *, main_clock: bool = False
) -> Frame:
    """The rows of treatment and pathway under one gap rule, on every clock or the first alone."""
    episodes = materialise(merge_stays(settled(stays, gap_days), gap_days))
    clocks = origins(protocol)[:1] if main_clock else origins(protocol)
    first = protocol.retention.origin is Origin.EPISODE_START
    rows = [_on_clock(episodes, people, origin, gap_days, first=first) for origin in clocks]
    return _with_person(nw.concat(rows), people)


def origins(protocol: Protocol) -> list[str]:
    """The clocks of a cohort; one where the protocol itself counts from treatment start."""
    from_start = protocol.retention.origin is Origin.TREATMENT_START
    return ["treatment_start"] if from_start else ["baseline", "treatment_start"]


def in_curves() -> nw.Expr:
    """Which rows of derived.retention_person the curves count: the first episode, seen at risk.

    A person who left on the very day of a delayed entry was never at risk.
    """
    seen = (nw.col("entry_day") == 0) | (nw.col("exit_day") > nw.col("entry_day"))
    return (nw.col("episode_no") == 1) & seen


def followed_people(patients: Frame, events: Frame, episodes: Frame, protocol: Protocol) -> Frame:
    """One row per enrolled person with an origin: who they are, and where the clocks start.

    Returns:
        Columns of core.patient, `death_type`, and in days from the origin: `baseline` (day 0 of
        the retention clock), `treatment_start`, `observed` (from where the person is followed);
        null where the day is not known.
    """
    enrolled = patients.filter(nw.col("enrolled") & ~nw.col("origin_date").is_null())
    zero = nw.col("retention_origin_date_epoch") - nw.col("origin_date_epoch")
    from_start = protocol.retention.origin is Origin.TREATMENT_START
    return (
        with_epoch_days(enrolled, ["origin_date", "retention_origin_date"])
        .join(_causes_of_death(events, episodes), on="patient_id", how="left")
        .select(
            *("cohort", "patient_id", "unit_id", "sex", "age_group", "co_occurring_disorder"),
            *("cutoff_day", "death_day", "moved_day", "withdrawn_day"),
            pathway="baseline_pathway",
            death_type=nw.col("death_type").fill_null("death_other"),
            baseline=zero,
            treatment_start="treatment_start_day",
            observed=nw.lit(0) if from_start else zero,
        )
    )


def _causes_of_death(events: Frame, episodes: Frame) -> Frame:
    """patient_id, death_type: as an event says, else as the stay that ended by death.

    Many senders tell of a death by the end of the stay alone (see `holding.death_dates`).
    """
    no_cause = nw.lit(None, nw.String)
    stated = events.filter(nw.col("event_type").is_in(DEATH)).select(
        "patient_id", event="event_type", exit=no_cause
    )
    ended = episodes.filter(nw.col("exit_type").is_in(DEATH)).select(
        "patient_id", event=no_cause, exit="exit_type"
    )
    causes = nw.concat([stated, ended]).group_by("patient_id").agg(nw.col("event", "exit").max())
    return causes.select("patient_id", death_type=nw.coalesce("event", "exit"))


def study_time(visits: Frame, people: Frame) -> Frame:
    """One row per person: how long they took part in the scheduled interviews.

    The wave after the last completed or partial interview decides. Missed (or out of treatment,
    without an interview): left as patient_absent on its due day; refused: left as
    patient_notified on its due day; dead, withdrawn or moved: left on that day. Nobody leaves
    before the last interview. Not due: censored on the day before it is due; no wave left:
    censored on the last due day; neither after the cut-off. Day 0 is the origin of the waves.
    There is no study where no interview was ever expected: the cohort has none, or has not begun.

    Returns:
        The columns of `_on_clock`.
    """
    held, due_day, status = nw.col("status").is_in(HELD), nw.col("due_day"), nw.col("status")
    held_day = nw.when(held).then(due_day + nw.col("days_from_nominal")).otherwise(0)
    attended = visits.group_by("patient_id").agg(
        wave=nw.when(held).then("wave").otherwise(-1).max() + 1,
        held_day=held_day.max(),
        last_due_day=due_day.max(),
    )
    after = visits.select("patient_id", "wave", "status", "due_day")
    expected = visits.filter(~nw.col("status").is_in(NOT_EXPECTED))
    begun = expected.select(has_begun=nw.len() > 0)
    left = {
        "missed": ("due_day", nw.lit("patient_absent")),
        "out_of_treatment": ("due_day", nw.lit("patient_absent")),
        "refused": ("due_day", nw.lit("patient_notified")),
        "dead": ("death_day", nw.col("death_type")),
        "withdrawn": ("withdrawn_day", nw.lit("withdrawn")),
        "moved": ("moved_day", nw.lit("moved")),
    }
    last = nw.when(status == "not_due").then(due_day - 1).otherwise("last_due_day")
    exit_day = nw.min_horizontal(last, "cutoff_day")
    exit_type = nw.lit(None, dtype=nw.String)
    for code, (day, how) in left.items():
        left_day = nw.max_horizontal(day, "held_day")
        exit_day = nw.when(status == code).then(left_day).otherwise(exit_day)
        exit_type = nw.when(status == code).then(how).otherwise(exit_type)
    return (
        attended.join(begun, how="cross")
        .filter(nw.col("has_begun"))
        .join(after, on=["patient_id", "wave"], how="left")
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


def _on_clock(episodes: Frame, people: Frame, origin: str, gap_days: int, *, first: bool) -> Frame:
    """The episodes that were not over when the person was first followed, on one clock.

    Number 1 covers that day, or begins at most a gap after it; a person without such an episode
    has re-entries only, numbered from 2. Where the clock itself starts with the first episode
    (`first`), number 1 is the first of the kind.
    """
    clock = people.filter(~nw.col(origin).is_null() & ~nw.col("observed").is_null()).select(
        "patient_id",
        "cutoff_day",
        zero=origin,
        followed=nw.max_horizontal(origin, "observed"),
    )
    zero, followed, start = nw.col("zero"), nw.col("followed"), nw.col("start")
    number = start.cum_count().over(*EPISODE, order_by=["start", "until"])
    if not first:
        late = start.min().over(*EPISODE) > followed + gap_days
        number = number + nw.when(late).then(1).otherwise(0)
    covered = (nw.col("number") == 1) & (start <= followed + gap_days)
    entry = nw.when(covered).then("followed").otherwise(nw.max_horizontal("start", "followed"))
    return (
        episodes.join(clock, on="patient_id", how="inner")
        .filter(nw.col("until") >= followed)
        .with_columns(number=number)
        .select(
            *EPISODE,
            origin=nw.lit(origin),
            episode_no="number",
            entry_day=entry - zero,
            exit_day=nw.col("until") - zero,
            cutoff_day=nw.col("cutoff_day") - zero,
            exit_type="exit_type",
            unit_id="unit_id",
        )
    )


def _with_person(rows: Frame, people: Frame) -> Frame:
    """The rows with who the person is, and whether the exit is drop-out."""
    return rows.join(people.select("cohort", "patient_id", *WHO), on="patient_id").select(
        "cohort",
        *EPISODE,
        "origin",
        *(nw.col(day).cast(nw.Int32) for day in DAYS),
        "exit_type",
        nw.col("exit_type").fill_null("").is_in(sorted(DROP_OUT)).alias("is_dropout"),
        "unit_id",
        *WHO,
    )
