"""The course of treatment: stays in a pathway, exits, and the events of a life meanwhile.

Belongs here: the episodes and events forms, and who is out of treatment on which day.
Does not belong here: interviews, and what a delivery cuts off (see `deliveries`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.draw import NEVER, Floats, Ints, pick, shaped, waits
from registry_pipeline.synthetic.people import People, start_pathways
from schemas.codes import DROP_OUT
from schemas.protocol import Protocol

EXIT_RATE: Final = {
    "transfer_specialist": 0.070,
    "transfer_unit": 0.010,
    "patient_absent": 0.016,
    "patient_notified": 0.010,
    "institution": 0.005,
    "incarcerated": 0.014,
    "moved": 0.010,
    "planned_mutual": 0.008,
    "unknown": 0.003,
}
"""Exits from the first pathway per person and year: over nine in ten stay in treatment a year."""
DEATH_RATE: Final = 0.014
"""Deaths per person and year, near the 1.3 % of the national status (domain notes, section 2)."""
EVENT_RATE: Final = {"overdose": 0.05, "hospital_admission": 0.12}
"""Other events per person and year; the first of each kind is reported."""


@dataclass(frozen=True)
class Course:
    """What happens to the people of a batch; arrays in their order, in day numbers.

    Attributes:
        gone: the day of death or of moving away, after which nobody sees the person.
        away_from: the first day out of treatment.
        away_until: the day treatment is taken up again.
        away_status: the interview's treatment_status while out of treatment.
        episodes: the episodes form, with no end in sight.
        events: the events form, with no end in sight.
    """

    gone: Ints
    away_from: Ints
    away_until: Ints
    away_status: pl.Series
    episodes: pl.DataFrame
    events: pl.DataFrame


def draw_course(protocol: Protocol, people: People, rng: np.random.Generator) -> Course:
    """The stays, exits and events of every person from the baseline on.

    A first stay runs from before the baseline to an exit or death. A transfer or prison goes
    on elsewhere in treatment, half of those who drop out come back to their pathway, the
    others are in the pathway outside treatment where the protocol has one.
    """
    lives = _lives(protocol, people, rng)
    away = lives.with_columns(
        pl.when(pl.col("next_pathway").is_in(protocol.treatment_pathways))
        .then("next_start")
        .otherwise(NEVER)
        .alias("until"),
        pl.when(pl.col("exit_type") == "planned_mutual")
        .then(pl.lit("ended_mutual"))
        .when(pl.col("exit_type").str.starts_with("transfer"))
        .then(pl.lit("transferred"))
        .otherwise(pl.lit("interrupted"))
        .alias("status"),
    )
    return Course(
        gone=lives["gone"].to_numpy(),
        away_from=lives["left"].to_numpy(),
        away_until=away["until"].to_numpy(),
        away_status=away["status"],
        episodes=_episodes(protocol, lives),
        events=_events(protocol, people, lives, rng),
    )


def _lives(protocol: Protocol, people: People, rng: np.random.Generator) -> pl.DataFrame:
    """One row per person: first stay, exit, death, and where the person goes next."""
    n = people.count
    hazard: Floats = np.exp(0.3 * people.severity)
    rates = np.array(list(EXIT_RATE.values()))
    treated = people.baseline - people.treatment_start
    lead = np.maximum((rng.random(n) * treated).astype(np.int64), np.minimum(treated, 30))
    lives = pl.DataFrame(
        {
            "patient_id": people.patient_id,
            "unit_id": people.unit,
            "disorder": people.disorder,
            "pathway": pick(start_pathways(protocol), people.pathway),
            "start": people.baseline - lead,
            "exit": people.baseline + waits(rng, rates.sum() * hazard),
            "exit_type": pick(list(EXIT_RATE), rng.choice(len(rates), n, p=rates / rates.sum())),
            "death": people.baseline + waits(rng, DEATH_RATE * hazard),
            "death_type": pick(["death_overdose", "death_other"], rng.integers(2, size=n)),
            "returns": rng.random(n) < 0.5,
            "pause": rng.integers(40, 200, size=n),
        }
    )
    dies = pl.col("death") <= pl.col("exit")
    lives = lives.with_columns(
        pl.min_horizontal("exit", "death").alias("left"),
        pl.when(dies).then("death_type").otherwise("exit_type").alias("exit_type"),
    )
    moved = pl.col("exit_type") == "moved"
    lives = lives.with_columns(
        pl.when(moved).then("left").otherwise("death").alias("gone"),
        pl.when(moved).then(NEVER).otherwise("death").alias("death"),
    )
    pathway, start = _next_stay(protocol)
    return lives.with_columns(pathway.alias("next_pathway"), start.alias("next_start"))


def _next_stay(protocol: Protocol) -> tuple[pl.Expr, pl.Expr]:
    """Pathway (null for none) and first day of the stay after the first exit."""
    beside = [code for code in protocol.treatment_pathways if code not in start_pathways(protocol)]
    outside = [item.code for item in protocol.pathways if not item.treatment]
    exit_type, left = pl.col("exit_type"), pl.col("left")
    dropped = exit_type.is_in(DROP_OUT)
    comes_back = dropped & pl.col("returns")
    pathway = (
        pl.when(exit_type == "transfer_specialist")
        .then(pl.lit(beside[0] if beside else None))
        .when(exit_type.is_in(["transfer_unit", "incarcerated"]))
        .then(pl.lit(beside[-1] if beside else None))
        .when(comes_back)
        .then("pathway")
        .when(dropped | exit_type.is_in(["planned_mutual", "unknown"]))
        .then(pl.lit(outside[0] if outside else None))
    )
    start = (
        pl.when(exit_type == "incarcerated")
        .then(left + 4)
        .when(comes_back)
        .then(left + pl.col("pause"))
        .otherwise(left)
    )
    return pathway, start


def _episodes(protocol: Protocol, lives: pl.DataFrame) -> pl.DataFrame:
    first = lives.with_columns(start_date="start", end_date="left")
    following = lives.filter(
        pl.col("next_pathway").is_not_null(), pl.col("next_start") < pl.col("death")
    ).with_columns(
        pathway="next_pathway",
        start_date="next_start",
        end_date="death",
        exit_type="death_type",
    )
    stays = pl.concat([first, following]).with_columns(
        pl.when(pl.col("pathway").str.starts_with("gp"))
        .then(pl.lit("gp"))
        .when(pl.col("pathway").is_in(protocol.treatment_pathways))
        .then(pl.lit("outpatient"))
        .alias("level"),
        pl.when("disorder")
        .then(pl.lit("both"))
        .otherwise(pl.lit("substance"))
        .alias("disorder_treated"),
    )
    return shaped("episodes", protocol, stays)


def _events(
    protocol: Protocol, people: People, lives: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    ends = [
        lives.filter(pl.col("death") < NEVER).with_columns(day="death", event_type="death_type"),
        lives.filter(pl.col("exit_type") == "moved").with_columns(
            day="left", event_type="exit_type"
        ),
        lives.filter(pl.col("exit_type") == "incarcerated").with_columns(
            day="left", event_type=pl.lit("incarceration")
        ),
    ]
    others = [
        lives.with_columns(
            pl.Series("day", people.baseline + waits(rng, rate * np.exp(0.5 * people.severity))),
            event_type=pl.lit(event_type),
        ).filter(pl.col("day") < pl.col("gone"))
        for event_type, rate in EVENT_RATE.items()
    ]
    events = pl.concat(frame.with_columns(event_date="day") for frame in [*ends, *others])
    related = pick(["yes", "no", "unknown"], rng.choice(3, events.height, p=[0.3, 0.5, 0.2]))
    return shaped("events", protocol, events.with_columns(related.alias("related")))
