"""The people of a cohort: core.patient.

Belongs here: who is enrolled, each person's two origins, and what happened to them, in days.
Does not belong here: interviews by wave (see `visits`), stays (see `episodes`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame, with_epoch_days
from registry_pipeline.transform.episodes import covering
from registry_pipeline.transform.holding import enrolled
from registry_pipeline.transform.shape import days_from_origin
from schemas.protocol import Origin, Protocol

AGE_GROUPS: Final = ((23, "under_23"), (30, "age_23_29"), (40, "age_30_39"), (50, "age_40_49"))
"""Each group ends before this age; the last group has no end."""

MOST_ROWS: Final = 1_000_000_000
"""More rows than any file of patients has."""

HELD: Final = ("completed", "partial")
"""An interview of these was held, wholly or in part: it counts as response."""

_ENROLLED_ONLY: Final = (
    "consent_date",
    "treatment_start_date",
    "assigned_pathway",
    "primary_substance",
    "co_occurring_disorder",
)
"""Columns that people who are not enrolled do not carry into core."""

_OF_FORMS: Final = ("interview_cutoff_date", "step_cutoff_date")
"""Until when the person's interviews, and steps of the process, are known."""

_DAYS: Final = {
    "treatment_start_date": "treatment_start_day",
    "cutoff_date": "cutoff_day",
    "interview_cutoff_date": "interview_cutoff_day",
    "death_date": "death_day",
    "moved_date": "moved_day",
    "withdrawn_date": "withdrawn_day",
}


def known_dates(interviews: Frame, episodes: Frame, events: Frame, withdrawals: Frame) -> Frame:
    """What the other forms say of a person's dates, from rows that no rule holds.

    Returns:
        One row per person of whom they say anything: patient_id, baseline_date (first interview
        held), index_start_date (first day in an index pathway), moved_date, withdrawn_date; null
        where they say nothing of it.
    """
    sources = {
        "baseline_date": (interviews.filter(nw.col("status").is_in(HELD)), "interview_date"),
        "index_start_date": (episodes.filter(nw.col("is_index")), "start_date"),
        "moved_date": (events.filter(nw.col("event_type") == "moved"), "event_date"),
        "withdrawn_date": (withdrawals, "withdrawn_date"),
    }
    said = [
        rows.select(
            "patient_id",
            *(
                nw.col(date).alias(name) if name == own else nw.lit(None, nw.Date).alias(name)
                for name in sources
            ),
        )
        for own, (rows, date) in sources.items()
    ]
    return nw.concat(said).group_by("patient_id").agg(nw.col(name).min() for name in sources)


def people(
    patients: Frame,
    dates: Frame,
    deliveries: Frame,
    known_until: Frame,
    protocol: Protocol,
) -> Frame:
    """One row per row of patients, with every column of core.patient but baseline_pathway.

    Args:
        patients: current rows of the form.
        dates: `known_dates`.
        deliveries: the form's deliveries, with sender and sender_cutoff_date.
        known_until: [sender, interview_cutoff_date, step_cutoff_date], null for who sends none: its
            people have their own sender's, and null where nobody sends any (no interview is due).
        protocol: says what the two clocks count from.

    Returns:
        Also assigned_pathway, origin_epoch (the origin in days since 1970), interview_cutoff_day
        (the cut-off of the person's interviews, by which visits are due), and person: a number
        that stands for the pseudonym in joins and windows, which are twice as fast on it.
        People who are not enrolled have no origin, no days, and the invitation's facts alone.
    """
    numbered = deliveries.with_row_index("place", order_by="delivery").select(
        "delivery", "place", "sender", cutoff_date="sender_cutoff_date"
    )
    latest = known_until.select(nw.col(name).max().alias(f"latest_{name}") for name in _OF_FORMS)
    rows = (
        patients.join(numbered, on="delivery", how="left")
        .join(known_until, on="sender", how="left")
        .join(latest, how="cross")
        .join(dates, on="patient_id", how="left")
    )
    rows = rows.with_columns(
        enrolled=enrolled(),
        sex=nw.col("sex").fill_null("unknown"),
        legal_basis=nw.col("legal_basis").fill_null("consent"),
        **{
            name: nw.coalesce(
                name, nw.when(~nw.col(f"latest_{name}").is_null()).then("cutoff_date")
            )
            for name in _OF_FORMS
        },
        person=nw.col("place").cast(nw.Int64) * MOST_ROWS + nw.col("row_number"),
    ).with_columns(
        nw.when(nw.col("enrolled")).then(nw.col(name)).alias(name) for name in _ENROLLED_ONLY
    )
    rows = rows.with_columns(
        origin_date=_if_enrolled(
            nw.coalesce(_origin(protocol.waves.origin), nw.col("consent_date"))
        ),
        retention_origin_date=_if_enrolled(_origin(protocol.retention.origin)),
    )
    rows = with_epoch_days(rows, ["origin_date"]).rename({"origin_date_epoch": "origin_epoch"})
    return _with_age_group(days_from_origin(rows, _DAYS))


def with_baseline_pathway(rows: Frame, covered: Frame, protocol: Protocol) -> Frame:
    """Adds baseline_pathway: the assigned pathway, else that of the stay covering the origin.

    Where none does, a stay that began and ended on that day counts: without it nobody would leave
    a pathway on day 0.

    Args:
        rows: `people`.
        covered: `episodes.covers`.
        protocol: as there.
    """
    points = rows.select("person", on_epoch="origin_epoch")
    no_day = nw.col("until_epoch") <= nw.col("from_epoch")
    brief = covered.filter(no_day).with_columns(until_epoch=nw.col("from_epoch") + 1)
    at_origin = covering(points, covered, ["person"], protocol).select("person", "pathway")
    begun = covering(points, brief, ["person"], protocol).select("person", begun="pathway")
    return (
        rows.join(at_origin, on="person", how="left")
        .join(begun, on="person", how="left")
        .with_columns(baseline_pathway=nw.coalesce("assigned_pathway", "pathway", "begun"))
    )


def _origin(origin: Origin) -> nw.Expr:
    """Day zero of a clock; a person without a baseline interview counts from the consent."""
    match origin:
        case Origin.BASELINE_INTERVIEW:
            return nw.coalesce("baseline_date", "consent_date")
        case Origin.CONSENT_DATE:
            return nw.col("consent_date")
        case Origin.EPISODE_START:
            return nw.col("index_start_date")
        case Origin.TREATMENT_START:
            return nw.col("treatment_start_date")


def _if_enrolled(value: nw.Expr) -> nw.Expr:
    return nw.when(nw.col("enrolled")).then(value)


def _with_age_group(rows: Frame) -> Frame:
    """Adds age_group: year of the origin, invitation or cut-off, the first known, less birth."""
    year = nw.coalesce("origin_date", "invited_date", "cutoff_date").dt.year()
    age = year - nw.col("birth_year")
    group = nw.when(age.is_null()).then(nw.lit("unknown"))
    for end, code in AGE_GROUPS:
        group = group.when(age < end).then(nw.lit(code))
    return rows.with_columns(age_group=group.otherwise(nw.lit("age_50_over")))
