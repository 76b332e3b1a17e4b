"""What a protocol says of the programmes: days, ages and cut-offs that no source settles.

Belongs here: parameters of the tables in `schemas.quality.programmes` and `schemas.quality.care`.
Does not belong here: schedules, states and forms (see `protocol`).
"""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

from pydantic import Field, field_validator

from schemas.codes import LEVEL
from schemas.protocol_part import Code, Part

NO_INTERVENTION: Final = "none"
"""What a chart of the whole series has in the place of an intervention's code."""


class Intervention(Part):
    """Something new at a unit, whose measures are charted before and after.

    Attributes:
        code: its code.
        nb: Norwegian name.
        en: English name.
        unit_id: the unit, or `all`.
        start: the day it began.
        measures: what is charted.
    """

    code: Code
    nb: str
    en: str
    unit_id: str = "all"
    start: date
    measures: tuple[Literal["no_show", "dropout"], ...] = ("no_show", "dropout")


class Total(Part):
    """Counts of one goal that must add up: the parts to the whole, over the same period."""

    goal: str
    whole: str
    parts: tuple[str, ...]


class Programmes(Part):
    """What the programmes' tables count by, where the source leaves it open.

    Attributes:
        planned_levels: levels of care whose planned stays drop-out is counted of.
        min_age: from this age on stays count in drop-out.
        age_bands: groups of people under each of these ages.
        checklist_days: a checklist so soon after the start is in time.
        call_days: a call so long before a planned admission, at most, is about it.
        milestone_days: at most so long between two milestone meetings.
        return_days: back so soon after a drop-out is a return.
        transition_days: the next stay so soon after the last is a transition kept.
        readmission_days: back so soon after detox is a readmission.
        next_treatment_days: the next treatment so soon after detox is in time.
        reliable_ors: points of change in the ORS total that are no chance.
        ors_cut_off: below this the ORS total is that of people who seek help.
        alliance_srs: below this the SRS total is a concern.
        off_track_sessions: from this session on a course without improvement is off track.
        no_show_days: on the worklist: no-shows of the stay in the last so many days,
        no_show_count: when there are so many.
        high_risk: on the worklist: the checklist's level of risk from here on.
        interventions: what is charted before and after.
        totals: counts of goals that must add up.
    """

    planned_levels: tuple[str, ...] = ("inpatient",)
    min_age: int = 18
    age_bands: tuple[int, ...] = (23, 30)
    checklist_days: int = Field(default=30, gt=0)
    call_days: int = Field(default=30, gt=0)
    milestone_days: int = Field(default=90, gt=0)
    return_days: int = Field(default=30, gt=0)
    transition_days: int = Field(default=14, ge=0)
    readmission_days: int = Field(default=30, gt=0)
    next_treatment_days: int = Field(default=3, ge=0)
    reliable_ors: int = Field(default=5, gt=0)
    ors_cut_off: int = 25
    alliance_srs: int = 36
    off_track_sessions: int = Field(default=3, ge=2)
    no_show_days: int = Field(default=60, gt=0)
    no_show_count: int = Field(default=2, gt=0)
    high_risk: float = 3
    interventions: tuple[Intervention, ...] = ()
    totals: tuple[Total, ...] = ()

    @field_validator("planned_levels")
    @classmethod
    def _known_levels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not set(value) <= set(LEVEL.codes):
            raise ValueError(f"levels of care are {', '.join(LEVEL.codes)}")
        return value

    @field_validator("interventions")
    @classmethod
    def _own_codes(cls, value: tuple[Intervention, ...]) -> tuple[Intervention, ...]:
        codes = [one.code for one in value]
        if len(set(codes)) != len(codes) or NO_INTERVENTION in codes:
            raise ValueError(f"each has a code of its own, and none is called {NO_INTERVENTION}")
        return value
