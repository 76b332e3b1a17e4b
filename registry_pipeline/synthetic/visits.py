"""Visits: which of the planned interviews are held, on which day, and which are not.

Belongs here: date and status of every interview row. Does not belong here: what is answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from registry_pipeline.synthetic.course import Course
from registry_pipeline.synthetic.draw import Bools, Ints
from registry_pipeline.synthetic.people import People
from schemas.protocol import Protocol

STATUS: Final = ("completed", "partial", "missed", "refused")
MISSED_BASELINE: Final = 0.015
FAR_OFF: Final = 0.02
"""Share of interviews held outside the window."""
UNRECORDED: Final = 0.3
"""Share of missed interviews of which no row tells."""


@dataclass(frozen=True)
class Visits:
    """The interview rows of a batch, by person and wave.

    Attributes:
        person: position of the person in the batch.
        wave: the planned wave, baseline 0.
        day: day number of the interview, or of the plan when it was missed or refused.
        status: position in `STATUS`.
        away: the person is out of treatment on the day.
    """

    person: Ints
    wave: Ints
    day: Ints
    status: Ints
    away: Bools

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.person)

    @property
    def held(self) -> Bools:
        """Rows with answers."""
        return self.status < STATUS.index("missed")


def draw_visits(
    protocol: Protocol, people: People, course: Course, rng: np.random.Generator
) -> Visits:
    """One row per interview held, refused, or missed and told of, until death or moving away.

    Interviews stay nearest to their own nominal day. Response falls from wave to wave, with
    the burden, and outside treatment.
    """
    nominal = np.array(protocol.waves.nominal_days)
    due = people.baseline[:, None] + nominal
    away = (due >= course.away_from[:, None]) & (due < course.away_until[:, None])
    absent = 0.06 + 0.012 * np.arange(len(nominal)) + 0.03 * people.severity[:, None] + 0.3 * away
    absent = np.clip(absent, 0.02, 0.9)
    absent[:, 0] = MISSED_BASELINE
    luck = rng.random(due.shape)
    status = np.select([luck < 0.2 * absent, luck < absent, luck < absent + 0.05], [3, 2, 1], 0)
    status[:, 0] = np.where(status[:, 0] == 3, 2, status[:, 0])
    day = due + np.where(status < 2, _shift(protocol, due.shape, rng), 0)
    told = (status != 2) | (rng.random(due.shape) >= UNRECORDED)
    told[:, 0] = True
    person, wave = np.nonzero(told & (day < course.gone[:, None]))
    at = (person, wave)
    return Visits(person, wave, day[at], status[at].astype(np.int64), away[at])


def _shift(protocol: Protocol, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Days from the nominal day: mostly within two weeks, a few outside the window."""
    window, nominal = protocol.waves.in_window_days, protocol.waves.nominal_days
    limit = int(np.diff(nominal).min()) // 2 - 1 if len(nominal) > 1 else window
    near = min(window, limit)
    shift = np.clip(np.rint(rng.normal(1, 8, size=shape)), -near, near).astype(np.int64)
    if limit > window:
        far = rng.integers(window + 1, limit + 1, size=shape) * rng.choice([-1, 1], size=shape)
        shift = np.where(rng.random(shape) < FAR_OFF, far, shift)
    shift[:, 0] = 0
    return shift
