"""Care: steps of the treatment and drug tests around the interviews.

Belongs here: the process_events and toxicology forms.
Does not belong here: stays and life events (see `course`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.course import Course
from registry_pipeline.synthetic.draw import Bools, Ints, pick, shaped
from registry_pipeline.synthetic.people import People
from schemas.protocol import Protocol

ONCE: Final = {"treatment_plan": 0.75, "crisis_plan": 0.5, "individual_plan": 0.4}
"""Share of people with a plan made in the first weeks."""
TESTED: Final = ("cannabis", "benzodiazepine", "amphetamine", "heroin")
TESTED_SHARE: Final = 0.25
"""Share of interviews with a drug test on the same day."""


def draw_process_events(
    protocol: Protocol, people: People, course: Course, rng: np.random.Generator
) -> pl.DataFrame:
    """The process_events form: plans early on, and in each interval a contact or a meeting.

    People with better support see their GP more; people followed by the municipality too have
    more coordination meetings.
    """
    n, nominal = people.count, protocol.waves.nominal_days
    jitter = max(int(np.diff(nominal).min()) // 2 - 1, 0) if len(nominal) > 1 else 0
    frames = [
        _steps(people, course, kind, rng.random(n) < share, rng.integers(0, 21, size=n))
        for kind, share in ONCE.items()
    ]
    for day in nominal:
        contact = rng.normal(size=n) < 0.2 + 0.7 * people.support
        meeting = rng.normal(size=n) < -1.1 + 0.4 * people.support + 0.6 * (people.pathway == 1)
        for kind, done in (("gp_contact", contact), ("coordination_meeting", meeting)):
            after = day + rng.integers(-jitter, jitter + 1, size=n)
            frames.append(_steps(people, course, kind, done & (after >= 0), after))
    steps = pl.concat(frames)
    held = pick(["gjennomført", "utsatt"], rng.choice(2, steps.height, p=[0.9, 0.1]))
    return shaped(
        "process_events",
        protocol,
        steps.with_columns(
            pl.when(pl.col("kind") == "coordination_meeting").then(held).alias("outcome")
        ),
    )


def _steps(people: People, course: Course, kind: str, done: Bools, after: Ints) -> pl.DataFrame:
    day = people.baseline + after
    return (
        pl.DataFrame({"patient_id": people.patient_id, "unit_id": people.unit, "event_date": day})
        .filter(pl.Series(done & (day < course.gone)))
        .with_columns(kind=pl.lit(kind))
    )


def draw_toxicology(
    protocol: Protocol, interviews: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    """The toxicology form: a test beside a share of the interviews, which mostly agrees."""
    tested = interviews.filter(
        pl.Series(rng.random(interviews.height) < TESTED_SHARE) & (pl.col("status") == "completed")
    ).rename({"interview_date": "sample_date"})
    frames = [pl.DataFrame(schema={"patient_id": pl.String})]
    for code in (item.code for item in protocol.substances if item.code in TESTED):
        prescribed = (
            pl.col("prescribed_benzodiazepine").fill_null(value=False)
            if code == "benzodiazepine"
            else pl.lit(value=False)
        )
        agrees = pl.Series(rng.random(tested.height) < 0.9)
        result = (
            pl.when(prescribed)
            .then(pl.lit("prescribed"))
            .when((pl.col(f"{code}_days") > 0) == agrees)
            .then(pl.lit("positive"))
            .otherwise(pl.lit("negative"))
        )
        frames.append(tested.with_columns(substance=pl.lit(code), result=result))
    return shaped("toxicology", protocol, pl.concat(frames, how="diagonal"))
