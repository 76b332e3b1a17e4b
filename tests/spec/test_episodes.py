"""Episodes (domain notes, section 3), case by case: the stays of a person, and what they become.

Days count from the person's origin. The gap rule is 10 days and the cut-off day 731 (LAR X).
Each case is one person; every case is run on DuckDB and on Polars.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.transform.retention import episode_time, followed_people
from registry_pipeline.transform.stays import closed_stays
from schemas.core import Episode, Event, Patient
from schemas.fields import describe
from schemas.protocol import load_shipped

LAR_X = load_shipped("lar_x")
GAP, CUT_OFF = 10, 731
OPEN, CENSORED = None, None
ORIGIN = date(2014, 5, 1)


def stay(
    start: int,
    end: int | None,
    exit_type: str | None = None,
    *,
    cover: int = 0,
    pathway: str = "gp_alone",
    seen: int = CUT_OFF,
) -> dict[str, Any]:
    """One stay as core.episode has it; `seen` is the last day a delivery carried it."""
    return {
        "pathway": pathway,
        "is_treatment": pathway in LAR_X.treatment_pathways,
        "is_index": pathway in LAR_X.index_pathways,
        "start_day": start,
        "end_day": end,
        "exit_type": exit_type,
        "cover_days": cover,
        "last_seen_day": seen,
        "unit_id": "lar_bergen",
    }


def specialist(start: int, end: int | None, exit_type: str | None = None) -> dict[str, Any]:
    """A stay back in the specialist service: treatment, but not the index pathway."""
    return stay(start, end, exit_type, pathway="back_in_specialist")


@dataclass(frozen=True)
class Case:
    """A person's stays and the episodes they become: (number, entry, exit, how it ended)."""

    name: str
    stays: list[dict[str, Any]]
    treatment: list[tuple[int, int, int, str | None]]
    pathway: list[tuple[int, int, int, str | None]] | None = None
    person: dict[str, Any] = field(default_factory=dict)
    death: tuple[int, str] | None = None


ABSENT, AGREED = "patient_absent", "planned_mutual"
UNIT, SPECIALIST, PRISON = "transfer_unit", "transfer_specialist", "incarcerated"

CASES = [
    # One stay
    Case("left", [stay(-50, 100, ABSENT)], [(1, 0, 100, ABSENT)]),
    Case("still there at the cut-off", [stay(-50, OPEN)], [(1, 0, CUT_OFF, CENSORED)]),
    Case("no longer carried after day 457", [stay(-50, OPEN, seen=457)], [(1, 0, 457, CENSORED)]),
    Case("an end without an exit type", [stay(-50, 100)], [(1, 0, 100, CENSORED)]),
    Case("never dosed: a stay of no length", [stay(0, 0, ABSENT)], [(1, 0, 0, ABSENT)]),
    Case("no stay", [], []),
    Case("only out of OAT", [stay(-50, OPEN, pathway="out_of_oat")], []),
    # Gaps: end + cover to the next start, at most 10 days
    Case(
        "a gap of 10 days merges",
        [stay(-50, 100, ABSENT), stay(100 + GAP, 300, AGREED)],
        [(1, 0, 300, AGREED)],
    ),
    Case(
        "a gap of 11 days is a re-entry",
        [stay(-50, 100, ABSENT), stay(100 + GAP + 1, 300, AGREED)],
        [(1, 0, 100, ABSENT), (2, 111, 300, AGREED)],
    ),
    Case(
        "two re-entries",
        [stay(-50, 100, ABSENT), stay(200, 300, ABSENT), stay(400, OPEN)],
        [(1, 0, 100, ABSENT), (2, 200, 300, ABSENT), (3, 400, CUT_OFF, CENSORED)],
    ),
    Case(
        "short gaps in a row merge",
        [stay(-50, 100, ABSENT), stay(110, 120, ABSENT), stay(130, 300, AGREED)],
        [(1, 0, 300, AGREED)],
    ),
    Case(
        "overlapping stays merge, and end as the one that covers longest",
        [stay(-50, 200, ABSENT), stay(100, 150, AGREED)],
        [(1, 0, 200, ABSENT)],
    ),
    Case(
        "a stay inside another does not cut it short",
        [stay(-50, 300, ABSENT), stay(0, 10, AGREED), stay(305, 400, AGREED)],
        [(1, 0, 400, AGREED)],
    ),
    Case(
        "of two that end on the same day, the one not known to have been left decides",
        [stay(-50, 100, ABSENT), stay(-20, 100)],
        [(1, 0, 100, CENSORED)],
    ),
    Case(
        "no longer carried, then a stay within the gap",
        [stay(-50, OPEN, seen=457), stay(460, 500, ABSENT)],
        [(1, 0, 500, ABSENT)],
    ),
    # Cover: a monthly injection covers 28 days
    Case("cover counts", [stay(-50, 100, ABSENT, cover=28)], [(1, 0, 100 + 28, ABSENT)]),
    Case(
        "the gap counts from the end of the cover",
        [stay(-50, 100, ABSENT, cover=28), stay(100 + 28 + GAP, 300, ABSENT)],
        [(1, 0, 300, ABSENT)],
    ),
    Case(
        "one day more is a re-entry",
        [stay(-50, 100, ABSENT, cover=28), stay(100 + 28 + GAP + 1, 300, ABSENT)],
        [(1, 0, 128, ABSENT), (2, 139, 300, ABSENT)],
    ),
    Case(
        "injections in a row",
        [stay(0, 0, cover=28), stay(28, 28, cover=28), stay(60, 60, cover=28)],
        [(1, 0, 60 + 28, "unknown")],
    ),
    Case(
        "known from doses, time to come back: ended",
        [stay(-50, CUT_OFF - GAP - 28, ABSENT, cover=28)],
        [(1, 0, CUT_OFF - GAP, ABSENT)],
    ),
    Case(
        "known from doses, may still come back: censored at end + cover",
        [stay(-50, CUT_OFF - GAP - 27, ABSENT, cover=28)],
        [(1, 0, CUT_OFF - GAP + 1, CENSORED)],
    ),
    Case(
        "cover beyond the cut-off: censored there, where seeing ends",
        [stay(-50, CUT_OFF - 10, ABSENT, cover=28)],
        [(1, 0, CUT_OFF, CENSORED)],
    ),
    Case(
        "without cover the end stands",
        [stay(-50, CUT_OFF - 1, ABSENT)],
        [(1, 0, CUT_OFF - 1, ABSENT)],
    ),
    # Transfers and prison: treatment goes on, the pathway does not
    Case(
        "transferred to another unit in time",
        [stay(-50, 100, UNIT), stay(105, 300, ABSENT, pathway="gp_and_municipality")],
        treatment=[(1, 0, 300, ABSENT)],
        pathway=[(1, 0, 300, ABSENT)],
    ),
    Case("transferred, and not seen again", [stay(-50, 100, UNIT)], [(1, 0, 100, UNIT)]),
    Case(
        "back in the specialist service",
        [stay(-50, 100, SPECIALIST), specialist(100, 300, ABSENT)],
        treatment=[(1, 0, 300, ABSENT)],
        pathway=[(1, 0, 100, SPECIALIST)],
    ),
    Case(
        "back in the specialist service, and to the GP again within the gap",
        [stay(-50, 100, SPECIALIST), specialist(100, 105, UNIT), stay(105, 300, ABSENT)],
        treatment=[(1, 0, 300, ABSENT)],
        pathway=[(1, 0, 100, SPECIALIST), (2, 105, 300, ABSENT)],
    ),
    Case(
        "prison, and OAT again within the gap",
        [stay(-50, 100, PRISON), stay(108, 300, ABSENT)],
        treatment=[(1, 0, 300, ABSENT)],
        pathway=[(1, 0, 100, PRISON), (2, 108, 300, ABSENT)],
    ),
    Case(
        "prison, and OAT again too late",
        [stay(-50, 100, PRISON), stay(140, 300, ABSENT)],
        treatment=[(1, 0, 100, PRISON), (2, 140, 300, ABSENT)],
    ),
    Case(
        "the medicine covers, the pathway is left all the same",
        [stay(-50, 100, SPECIALIST, cover=28)],
        treatment=[(1, 0, 128, SPECIALIST)],
        pathway=[(1, 0, 100, SPECIALIST)],
    ),
    Case(
        "one index pathway left while another goes on",
        [stay(-50, 100, SPECIALIST), stay(50, 300, ABSENT, pathway="gp_and_municipality")],
        treatment=[(1, 0, 300, ABSENT)],
    ),
    # Death and moving
    Case(
        "death closes an open stay",
        [stay(-50, OPEN)],
        [(1, 0, 200, "death_overdose")],
        death=(200, "death_overdose"),
    ),
    Case(
        "death closes a stay that was delivered as longer",
        [stay(-50, 300, ABSENT)],
        [(1, 0, 200, "death_other")],
        death=(200, "death_other"),
    ),
    Case(
        "death while the medicine covers",
        [stay(-50, 100, ABSENT, cover=28)],
        [(1, 0, 110, "death_other")],
        death=(110, "death_other"),
    ),
    Case(
        "death on the day of leaving",
        [stay(-50, 100, AGREED)],
        [(1, 0, 100, "death_other")],
        death=(100, "death_other"),
    ),
    Case(
        "death after leaving changes nothing",
        [stay(-50, 100, ABSENT)],
        [(1, 0, 100, ABSENT)],
        death=(101, "death_other"),
    ),
    Case(
        "no stay begins after death",
        [stay(-50, 100, ABSENT), stay(150, 300, ABSENT)],
        [(1, 0, 100, ABSENT)],
        death=(120, "death_other"),
    ),
    Case(
        "dying is no cover", [stay(-50, 100, "death_other", cover=28)], [(1, 0, 100, "death_other")]
    ),
    Case(
        "a death by overdose that only the stay tells of",
        [stay(-50, 200, "death_overdose"), stay(-40, OPEN, pathway="gp_and_municipality")],
        [(1, 0, 200, "death_overdose")],
        person={"death_day": 200},
    ),
    Case(
        "an event knows the cause better than the stay",
        [stay(-50, 200, "death_other")],
        [(1, 0, 200, "death_overdose")],
        death=(200, "death_overdose"),
    ),
    Case(
        "moved out of the country from an open stay",
        [stay(-50, OPEN)],
        [(1, 0, 150, "moved")],
        person={"moved_day": 150},
    ),
    Case(
        "the stay's own end goes before the move",
        [stay(-50, 140, ABSENT)],
        [(1, 0, 140, ABSENT)],
        person={"moved_day": 150},
    ),
    # The day the person was first followed
    Case("over before the origin", [stay(-50, -1, ABSENT)], []),
    Case("left on the day of the origin", [stay(-50, 0, ABSENT)], [(1, 0, 0, ABSENT)]),
    Case("begun a gap after the origin", [stay(GAP, 300, ABSENT)], [(1, 0, 300, ABSENT)]),
    Case(
        "not in treatment at the origin: a re-entry only",
        [stay(GAP + 1, 300, ABSENT)],
        [(2, 11, 300, ABSENT)],
    ),
    Case(
        "an earlier episode is not counted",
        [stay(-300, -200, ABSENT), stay(-50, 100, ABSENT)],
        [(1, 0, 100, ABSENT)],
    ),
]


def frames() -> dict[str, pl.DataFrame]:
    """The cases as core tables, one person per case."""
    people, stays, events = [], [], []
    for case in CASES:
        known = {"cohort": "lar_x", "patient_id": case.name}
        death = {"death_day": case.death[0]} if case.death else {}
        dates = {"origin_date": ORIGIN, "retention_origin_date": ORIGIN}
        people.append(
            known
            | {"enrolled": True, "cutoff_day": CUT_OFF, "treatment_start_day": -400}
            | dates
            | death
            | case.person
        )
        stays += [known | row for row in case.stays]
        if case.death:
            day, event_type = case.death
            events.append(known | {"event_day": day, "event_type": event_type})
    rows = {"people": (Patient, people), "stays": (Episode, stays), "events": (Event, events)}
    return {
        name: pl.DataFrame(values, schema=describe(model).dtypes)
        for name, (model, values) in rows.items()
    }


@pytest.fixture(scope="module", params=["polars", "duckdb"])
def episodes(request: pytest.FixtureRequest) -> Mapping[tuple[str, str, str], list[Any]]:
    """(person, kind, origin) to the person's episodes, from either engine."""
    connection = duckdb.connect()
    core = {
        name: nw.from_native(
            frame.lazy() if request.param == "polars" else connection.from_arrow(frame.to_arrow())
        )
        for name, frame in frames().items()
    }
    people = followed_people(core["people"], core["events"], core["stays"], LAR_X)
    rows = episode_time(people, closed_stays(core["stays"], people), LAR_X, GAP)
    known: dict[tuple[str, str, str], list[Any]] = {}
    collected = rows.collect("polars").to_native().sort("episode_no")
    for row in collected.iter_rows(named=True):
        key = (row["patient_id"], row["kind"], row["origin"])
        columns = ("episode_no", "entry_day", "exit_day", "exit_type")
        known.setdefault(key, []).append(tuple(row[name] for name in columns))
    return known


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stays_become_episodes(episodes: Mapping[Any, list[Any]], case: Case) -> None:
    pathway = case.treatment if case.pathway is None else case.pathway
    assert episodes.get((case.name, "treatment", "baseline"), []) == case.treatment
    assert episodes.get((case.name, "pathway", "baseline"), []) == pathway


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_clock_from_treatment_start_counts_400_days_more(
    episodes: Mapping[Any, list[Any]], case: Case
) -> None:
    later = [(no, entry + 400, left + 400, how) for no, entry, left, how in case.treatment]
    assert episodes.get((case.name, "treatment", "treatment_start"), []) == later
