"""Interviews by wave, and the visit of every enrolled person at every wave.

Belongs here: which wave an interview holds, when a visit is due and what became of it.
Does not belong here: what was answered (see `scores` and `substances`).

Definitions: domain notes, section 3, "Visit windows" and "Visit status".
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame, with_epoch_days
from registry_pipeline.transform.episodes import covering
from registry_pipeline.transform.shape import by_value, constants
from schemas.protocol import Protocol, Waves

ANOTHER_HOLDS: Final = "another interview holds the wave"
BEYOND: Final = "beyond the last wave"
NO_ORIGIN: Final = "no origin"
NOT_PLANNED: Final = "no planned wave"

_RANK: Final = {"completed": 0, "partial": 1, "refused": 2, "missed": 3}
"""Within a wave the lowest holds it."""

_CLOSER: Final = 1_000_000
"""More than twice any distance in days, so that the rank decides first."""


def nearest_wave(day: nw.Expr, nominal_days: tuple[int, ...]) -> nw.Expr:
    """The wave whose nominal day is nearest to `day`.

    Midpoints between nominal days belong to the later wave; every day before the first midpoint
    is wave 0. The last wave reaches as far after its day as before it: half the last interval,
    the end again not included. Null beyond, and for a null day; a single wave has no end.
    """
    if len(nominal_days) == 1:
        return nw.when(~day.is_null()).then(nw.lit(0))
    *_, before, last = nominal_days
    ends = [early + late for early, late in pairwise((*nominal_days, 2 * last - before))]
    wave = nw.when(day * 2 < ends[0]).then(nw.lit(0))
    for number, end in enumerate(ends[1:], start=1):
        wave = wave.when(day * 2 < end).then(nw.lit(number))
    return wave


def with_waves(interviews: Frame, clock: Frame, waves: Waves) -> Frame:
    """Gives each interview its wave, and each wave of a person at most one interview.

    One row in, one row out. Of several rows in a wave, completed is taken before partial,
    refused and missed, then the closest to the nominal day, then the earlier; the others keep a
    null wave with the reason in words. Where the protocol goes by planned_wave, that is the wave.

    Args:
        interviews: rows that no rule holds: patient_id, interview_date, status, planned_wave.
        clock: one row per person: patient_id, person, origin_epoch.
        waves: the protocol's schedule.

    Returns:
        person, interview_date, status, delivery, row_number, interview_day, wave,
        wave_reason, days_from_nominal, visit_window; the last two null without a wave.
    """
    dated = with_epoch_days(interviews, ["interview_date"]).join(
        clock.select("patient_id", "person", "origin_epoch"), on="patient_id", how="left"
    )
    near = dated.with_columns(interview_day=nw.col("interview_date_epoch") - nw.col("origin_epoch"))
    nominal = by_value(nw.col("candidate"), dict(enumerate(waves.nominal_days)))
    near = near.with_columns(candidate=_candidate(waves)).with_columns(
        distance=nw.col("interview_day") - nominal
    )
    near = near.with_columns(place=_place())
    best = nw.col("place").min().over("person", "candidate")
    holds = ~nw.col("candidate").is_null() & (nw.col("place") == best)
    return near.with_columns(holds=holds).select(
        "person",
        "interview_date",
        "status",
        "delivery",
        "row_number",
        "interview_day",
        nw.when(nw.col("holds")).then(nw.col("candidate")).alias("wave"),
        nw.when(nw.col("holds")).then(nw.col("distance")).alias("days_from_nominal"),
        _window(waves).alias("visit_window"),
        _reason(waves).alias("wave_reason"),
    )


def visit_grid(people: Frame, interviews: Frame, waves: Waves) -> Frame:
    """One row per enrolled person and wave, with the interview that holds the wave, if any.

    Args:
        people: `people.people`.
        interviews: `with_waves`.
        waves: the protocol's schedule.

    Returns:
        person, patient_id, wave, due_day, the days of `people` that decide what became of the
        visit, on_epoch (the visit's day: of its interview, else the due day), and of the
        interview: interview_date, interview_status, days_from_nominal, visit_window, delivery,
        row_number.
    """
    schedule = [{"wave": wave, "due_day": day} for wave, day in enumerate(waves.nominal_days)]
    enrolled = people.filter(nw.col("enrolled")).select(
        "person",
        "patient_id",
        "origin_epoch",
        "interview_cutoff_day",
        "death_day",
        "withdrawn_day",
        "moved_day",
    )
    holders = interviews.filter(~nw.col("wave").is_null()).select(
        "person",
        "wave",
        "interview_date",
        "interview_day",
        "days_from_nominal",
        "visit_window",
        "delivery",
        "row_number",
        interview_status="status",
    )
    return (
        enrolled.join(constants(enrolled, schedule), how="cross")
        .join(holders, on=["person", "wave"], how="left")
        .with_columns(on_epoch=nw.coalesce("interview_day", "due_day") + nw.col("origin_epoch"))
        .drop("interview_day", "origin_epoch")
    )


def visit_rows(grid: Frame, covered: Frame, protocol: Protocol) -> Frame:
    """What became of each visit, and the pathway of the person on its day.

    One row in, one row out. A visit with an interview row has that row's status. Without one,
    the first that holds: dead, withdrawn, moved (by the day the window closes), not_due (the
    window closes after the cut-off, or the person has no origin), out_of_treatment (the person
    has stays, and no treatment stay covers the due day), missed.

    Args:
        grid: `visit_grid`.
        covered: `episodes.covers`.
        protocol: its schedule and pathways.

    Returns:
        The columns of core.visit but cohort, and the interview's delivery and row_number.
    """
    key = ["person", "wave"]
    stayed = covered.select("person").unique().with_columns(has_stay=nw.lit(value=True))
    closes = nw.col("due_day") + protocol.waves.in_window_days
    held = ~nw.col("interview_status").is_null()
    closed = (closes <= nw.col("interview_cutoff_day")).fill_null(value=False)
    away = nw.col("has_stay") & (nw.col("in_treatment").fill_null(0) == 0)
    status = (
        nw.when(held)
        .then(nw.col("interview_status"))
        .when(nw.col("death_day") <= closes)
        .then(nw.lit("dead"))
        .when(nw.col("withdrawn_day") <= closes)
        .then(nw.lit("withdrawn"))
        .when(nw.col("moved_day") <= closes)
        .then(nw.lit("moved"))
        .when(~closed)
        .then(nw.lit("not_due"))
        .when(away)
        .then(nw.lit("out_of_treatment"))
        .otherwise(nw.lit("missed"))
    )
    return (
        grid.join(covering(grid, covered, key, protocol), on=key, how="left")
        .join(stayed, on="person", how="left")
        .select(
            "patient_id",
            "wave",
            "due_day",
            "interview_date",
            "days_from_nominal",
            "visit_window",
            "pathway",
            "delivery",
            "row_number",
            is_due=held | closed,
            status=status,
        )
    )


def _candidate(waves: Waves) -> nw.Expr:
    """The wave a row would hold if it were alone; null where it can hold none."""
    if waves.rule == "nearest":
        return nearest_wave(nw.col("interview_day"), waves.nominal_days)
    planned = nw.col("planned_wave")
    possible = ~nw.col("interview_day").is_null() & (planned < len(waves.nominal_days))
    return nw.when(possible).then(planned)


def _place() -> nw.Expr:
    """Rank of status, then distance, then the earlier day, as one number; no two are alike."""
    late = (nw.col("distance") > 0).cast(nw.Int32)
    return by_value(nw.col("status"), _RANK) * _CLOSER + nw.col("distance").abs() * 2 + late


def _window(waves: Waves) -> nw.Expr:
    distance = nw.col("distance").abs()
    return (
        nw.when(~nw.col("holds"))
        .then(nw.lit(None, nw.String))
        .when(distance <= waves.on_time_days)
        .then(nw.lit("on_time"))
        .when(distance <= waves.in_window_days)
        .then(nw.lit("in_window"))
        .otherwise(nw.lit("off_window"))
    )


def _reason(waves: Waves) -> nw.Expr:
    unplanned = nw.lit(waves.rule == "planned_wave") & nw.col("planned_wave").is_null()
    return (
        nw.when(nw.col("holds"))
        .then(nw.lit(None, nw.String))
        .when(nw.col("interview_day").is_null())
        .then(nw.lit(NO_ORIGIN))
        .when(unplanned)
        .then(nw.lit(NOT_PLANNED))
        .when(nw.col("candidate").is_null())
        .then(nw.lit(BEYOND))
        .otherwise(nw.lit(ANOTHER_HOLDS))
    )
