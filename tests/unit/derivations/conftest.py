"""Small cohorts for the tests of derived tables."""

from collections.abc import Callable
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.derivations.trajectories import trajectory_tables
from schemas.codes import STATE_LETTER
from schemas.core import Interview, Patient, SubstanceUse, Visit
from schemas.fields import describe
from schemas.protocol import Protocol, Waves, load_shipped

DAYS = {"A": 0, "E": 4, "R": 20}
Tables = dict[str, pl.DataFrame]


def protocol_of(n_waves: int) -> Protocol:
    days = tuple(91 * wave for wave in range(n_waves))
    return load_shipped("lar_x").model_copy(update={"waves": Waves(interval=3, nominal_days=days)})


def core_frames(people: dict[str, str], answers: dict[str, dict[int, str]]) -> Tables:
    """A core of one substance: a word per person, and `days/recall` where it matters."""
    state = {letter: state for state, letter in STATE_LETTER.items()}
    use, visits = [], []
    for person, word in people.items():
        for wave, letter in enumerate(word):
            days, recall = DAYS.get(letter), 28
            if wave in answers.get(person, {}):
                days, recall = (int(part) for part in answers[person][wave].split("/"))
            key = {"cohort": "lar_x", "patient_id": person, "wave": wave}
            observed = days is not None
            use.append(
                key
                | {
                    "substance": "heroin",
                    "is_group": False,
                    "days": days,
                    "recall_days": recall if observed or letter == "." else None,
                    "use_share": days / recall if observed else None,
                    "days_28": days * 28 / recall if observed else None,
                    "state": state[letter],
                }
            )
            held = observed or letter == "."
            visits.append(
                key | {"is_due": letter != "_", "status": "completed" if held else state[letter]}
            )
    patients = [
        {"cohort": "lar_x", "patient_id": person, "sex": sex}
        for person, sex in zip(people, ["female", "male"] * len(people), strict=False)
    ]
    return {
        "core.patient": typed(patients, Patient),
        "core.visit": typed(visits, Visit),
        "core.interview": typed([], Interview),
        "core.substance_use": typed(use, SubstanceUse),
    }


def typed(rows: list[dict[str, Any]], model: Any) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=describe(model).dtypes)


def trajectories(
    people: dict[str, str],
    answers: dict[str, dict[int, str]] | None = None,
    *,
    engine: str = "polars",
    n_waves: int | None = None,
) -> Tables:
    """The tables of people whose states spell these words, every other one a woman.

    Args:
        people: person to word; A is 0 days of 28, E 4 and R 20.
        answers: person to wave to `days/recall`, in place of these.
        engine: duckdb or polars.
        n_waves: waves of the protocol, else the length of the first word.
    """
    protocol = protocol_of(n_waves or len(next(iter(people.values()))))
    frames = core_frames(people, answers or {})
    with duckdb.connect() as connection:
        core = {
            name: nw.from_native(
                frame.lazy() if engine == "polars" else connection.from_arrow(frame.to_arrow())
            )
            for name, frame in frames.items()
        }
        return {
            name: frame if isinstance(frame, pl.DataFrame) else frame.collect("polars").to_native()
            for name, frame in trajectory_tables(core, protocol).items()
        }


@pytest.fixture(scope="session", name="trajectories")
def _trajectories() -> Callable[..., Tables]:
    """The function that makes every table on trajectories from a word per person."""
    return trajectories
