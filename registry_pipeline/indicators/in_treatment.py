"""What recurs during treatment, looked at on the last day of every quarter.

Belongs here: the frame of people in treatment at a quarter's end, and the indicators it carries.
Does not belong here: what is due once, from the start (see `from_start`).

A person counts at a quarter's end who was then in a treatment stay begun at least so many days
before. The year is its last quarter's end with data.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import narwhals as nw

from registry_pipeline.indicators.coverage import whole_period
from registry_pipeline.indicators.definition import Basis, Core, Indicator, Mark, registered
from registry_pipeline.indicators.entries import (
    DEFAULTS,
    at_registering_units,
    people,
    process_indicator,
)
from registry_pipeline.transform.engine import Frame, with_date, with_epoch_days
from registry_pipeline.transform.shape import constants
from schemas.protocol import Protocol

RECENT: Final = {
    "feedback_recent": ("feedback_session", "evaluation"),
    "goals_recent": ("goals_set", "goals_reviewed"),
}
SCREENED: Final = "suicide_screen"
_EPOCH: Final = date(1970, 1, 1)


def quarter_ends(first: date, last: date) -> list[date]:
    """The last days of the calendar quarters from `first` to `last`, both included."""
    ends = []
    year, month = first.year, 3 * ((first.month - 1) // 3) + 3
    while (end := _month_end(year, month)) <= last:
        ends.append(end)
        year, month = (year, month + 3) if month < 12 else (year + 1, 3)
    return ends


def panel(core: Core, protocol: Protocol) -> Frame:
    """People in a treatment stay at a quarter's end; one row per person and quarter.

    A stay without an end goes on until it was last seen, and nobody is there after death or
    moving out of the country, whatever the stay says, nor after the cut-off of the steps.
    in_stay_days counts from the start of the longest such stay, whose unit it is; feedback_recent,
    goals_recent and screened are 1 where such a step was registered within the look-back, else
    null.
    """
    ends = quarter_ends(*whole_period(core))
    last_of_year = {end.year: end for end in ends}
    rows = [
        {
            "end_epoch": (end - _EPOCH).days,
            "is_last_of_year": last_of_year[end.year] == end,
        }
        for end in ends
    ] or [{"end_epoch": -1, "is_last_of_year": True}]
    days = constants(core["core.patient"], rows)
    end = nw.col("end_epoch")
    stays = with_epoch_days(
        core["core.episode"].filter(nw.col("is_treatment")), ["start_date", "end_date"]
    ).join(
        people(core)
        .join(at_registering_units(core), on="patient_id")
        .select("patient_id", "origin_date", "steps_until_epoch", "home_unit_id"),
        on="patient_id",
    )
    seen = nw.coalesce(nw.col("origin_date_epoch") + nw.col("last_seen_day"), "steps_until_epoch")
    left = nw.coalesce(nw.col("end_date_epoch") + nw.col("cover_days"), seen)
    key = ["patient_id", "end_epoch"]
    there = (
        with_epoch_days(stays, ["origin_date"])
        .with_columns(left=left)
        .join(days, how="cross")
        .filter(
            nw.col("start_date_epoch") <= end,
            end <= nw.col("left"),
            end <= nw.col("steps_until_epoch"),
        )
        .with_columns(
            in_stay_days=end - nw.col("start_date_epoch"),
            unit_id=nw.coalesce("unit_id", "home_unit_id"),
        )
        .unique(key, keep="first", order_by=["start_date_epoch", "unit_id"])
        .select(*key, "is_last_of_year", "in_stay_days", "unit_id")
    )
    return with_date(
        there.join(_steps(core, days, protocol), on=key, how="left"), "end_epoch", "marked_on"
    )


def _steps(core: Core, days: Frame, protocol: Protocol) -> Frame:
    """Which steps each person took within the look-back before each quarter's end."""
    limits = protocol.deadlines
    kind = nw.col("kind")
    kinds = [*(kind for kinds in RECENT.values() for kind in kinds), SCREENED]
    ago = nw.col("end_epoch") - nw.col("event_date_epoch")
    steps = with_epoch_days(
        core["core.process_event"].filter(kind.is_in(kinds)), ["event_date"]
    ).select("patient_id", "kind", "event_date_epoch")
    within = (
        steps.join(days.select("end_epoch"), how="cross")
        .with_columns(ago=ago)
        .filter(nw.col("ago") >= 0, nw.col("ago") < max(limits.recent, limits.yearly))
    )
    found = {
        **{
            name: kind.is_in(kinds) & (nw.col("ago") < limits.recent)
            for name, kinds in RECENT.items()
        },
        "screened": (kind == SCREENED) & (nw.col("ago") < limits.yearly),
    }
    return within.group_by("patient_id", "end_epoch").agg(
        nw.when(condition).then(1).max().alias(name) for name, condition in found.items()
    )


def _month_end(year: int, month: int) -> date:
    following = date(year + month // 12, month % 12 + 1, 1)
    return following - timedelta(days=1)


IN_TREATMENT: Final = Basis("person in treatment at a quarter's end", panel)


def _lately(flag: str, deadline: str) -> Callable[[Protocol], Mark]:
    """Marks people in treatment long enough for the step to be due."""

    def mark(protocol: Protocol) -> Mark:
        due = int(getattr(protocol.deadlines, deadline))
        return Mark(
            in_denominator=nw.col("in_stay_days") >= due,
            in_numerator=nw.col(flag) == 1,
            in_year=nw.col("is_last_of_year"),
        )

    return mark


def _entry(
    indicator_id: str,
    titles: tuple[str, str],
    guideline: str,
    deadline: str,
    *,
    flag: str,
    kinds: tuple[str, ...],
    numerator: str,
) -> Indicator:
    return Indicator(
        process_indicator(
            indicator_id,
            title=titles[0],
            title_nb=titles[1],
            numerator=numerator,
            denominator="People in a treatment stay that began at least as many days before, at "
            "units that register steps of the process.",
            period_rule="Last day of the quarter; for the year, its last quarter with data.",
            guideline=guideline,
            due_days=int(getattr(DEFAULTS, deadline)),
        ),
        IN_TREATMENT,
        registered(*kinds),
        _lately(flag, deadline),
    )


DURING_TREATMENT: Final = (
    _entry(
        "feedback_recent",
        ("Feedback or evaluation lately", "Tilbakemelding eller evaluering nylig"),
        "1.2",
        "recent",
        flag="feedback_recent",
        kinds=RECENT["feedback_recent"],
        numerator="A feedback session or an evaluation in the days before the quarter's end.",
    ),
    _entry(
        "goals_recent",
        ("Goals set or reviewed lately", "Mål satt eller evaluert nylig"),
        "2.8",
        "recent",
        flag="goals_recent",
        kinds=RECENT["goals_recent"],
        numerator="Goals were set or reviewed in the days before the quarter's end (also 2.5).",
    ),
    _entry(
        "suicide_screen_yearly",
        ("Suicide risk screened every year", "Selvmordsrisiko kartlagt årlig"),
        "8.1",
        "yearly",
        flag="screened",
        kinds=(SCREENED,),
        numerator="The risk was screened in the days before the quarter's end.",
    ),
)
