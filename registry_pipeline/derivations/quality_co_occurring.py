"""Care of people with a mental disorder beside the substance use disorder, by the flag.

Belongs here: quality.co_occurring.
Does not belong here: outcomes by the flag, which every derived table has as a stratum.

What the literature on these pathways stresses (domain notes, section 1): both disorders treated
together and by the same unit, an individual plan, coordination and the GP, a home that is not lost,
transitions between specialist service and municipality.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.quality_groups import (
    DISORDER,
    GROUP,
    UNIT_QUARTER,
    at_own_unit,
    by_group,
    tally,
)
from registry_pipeline.derivations.quality_programmes import (
    Setting,
    in_quarters,
    measure,
    programme,
    rolled,
    shares,
)
from registry_pipeline.derivations.quality_stays import CUTOFF, END, IS_ENDED, STAY, next_stays
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame, counts, is_empty, materialise
from registry_pipeline.transform.outcomes import STABLE_HOUSING
from registry_pipeline.transform.people import HELD
from schemas.codes import DISORDER_TREATED, USED_STATES
from schemas.quality.care import CoOccurring

N: Final = pl.col("n")
ONE: Final = nw.lit(value=True)
CELL: Final = [*UNIT_QUARTER, DISORDER]
STEPS: Final = ("individual_plan", "coordination_meeting", "gp_contact")
MUNICIPAL: Final = ("municipal", "gp")
"""Levels of the municipality; the others are the specialist service's."""

AS_PLANNED: Final = ("planned_mutual", "transfer_unit", "transfer_specialist")
PERSON_WAVE: Final = ["patient_id", "wave"]


def co_occurring(core: Core, stays: Frame, where: Setting) -> pl.DataFrame:
    """quality.co_occurring by unit and quarter.

    - integrated_care: of people with a treatment stay, those with one that treats both disorders;
      missing are people none of whose stays says what it treats.
    - same_unit: of people treated for both, in one stay or in several, those for whom one unit
      did.
    - individual_plan, coordination_meeting, gp_contact: of the same people, those with any since
      their first stay began.
    - stable_housing: of people interviewed about it, by the last answer.
    - housing_lost_relapse, housing_kept_relapse: of pairs of adjacent waves with a stable home and
      no regular use at the first, those with regular use at the second or the one after.
    - to_municipality, to_specialist: of stays ended as planned, the next one across the border in
      time.

    People count at their own unit, in the quarter their first stay began, or the cohort's first
    where it began before; stays where and when they ended; waves in the quarter of the second
    interview.
    """
    first = materialise(_people(core, stays, where))
    parts = [
        *_integrated(first, stays, where),
        *_steps(core, first, where),
        *_housing(core, where),
        *_relapse(core, where),
        *_across(stays, where),
    ]
    return programme(CoOccurring, [shares(part) for part in parts], where)


def _people(core: Core, stays: Frame, where: Setting) -> Frame:
    """People with a treatment stay: unit, `DISORDER`, since (their first), and its PERIOD."""
    first = (
        stays.filter(nw.col("is_begun"), nw.col("is_treatment"))
        .group_by("patient_id")
        .agg(since=nw.col("start_date").min())
    )
    own = at_own_unit(core["core.patient"])
    seen = first.with_columns(seen=nw.max_horizontal("since", nw.lit(where.first)))
    return in_quarters(seen.join(own, on="patient_id"), "seen", where)


def _counted(cells: pl.DataFrame, sums: dict[str, nw.Expr], where: Setting) -> pl.DataFrame:
    return rolled(by_group(cells, where, DISORDER, ages=False), GROUP, list(sums), where)


def _integrated(first: Frame, stays: Frame, where: Setting) -> list[pl.DataFrame]:
    treated = nw.col("disorder_treated")
    told = {name: (treated == name).cast(nw.Int64).max() for name in DISORDER_TREATED.codes}
    by_unit = (
        stays.filter(nw.col("is_begun"), nw.col("is_treatment"), ~treated.is_null())
        .group_by("patient_id", "unit_id")
        .agg(**told)
    )
    here = (nw.col("both") == 1) | ((nw.col("mental") == 1) & (nw.col("substance") == 1))
    marked = by_unit.with_columns(here=here.cast(nw.Int64)).drop("unit_id")
    flags = ("both", "mental", "substance", "here")
    rows = first.join(
        marked.group_by("patient_id").agg(nw.col(*flags).max()), on="patient_id", how="left"
    )
    both, alone = nw.col("both") == 1, (nw.col("mental") == 1) & (nw.col("substance") == 1)
    sums = {
        "n": ONE,
        "missing": nw.col("both").is_null(),
        "integrated": both,
        "treated_both": both | alone,
        "same": nw.col("here") == 1,
    }
    rows_counted = _counted(tally(rows, CELL, sums), sums, where)
    missing, two = pl.col("missing"), pl.col("treated_both")
    parts = [
        measure(rows_counted, "integrated_care", pl.col("integrated"), N, n=N, n_missing=missing),
        measure(rows_counted, "same_unit", pl.col("same"), two, n=two),
    ]
    stated = rows_counted["n"].sum() > rows_counted["missing"].sum()
    return parts if stated else []


def _steps(core: Core, first: Frame, where: Setting) -> list[pl.DataFrame]:
    """A step of each kind since the first stay began; kinds that nobody delivers are left out."""
    events = core["core.process_event"].filter(nw.col("kind").is_in(STEPS))
    delivered = set(counts(events, ["kind"])["kind"])
    if not delivered:
        return []
    since = events.join(first.select("patient_id", "since"), on="patient_id").filter(
        nw.col("event_date") >= nw.col("since")
    )
    has = {kind: (nw.col("kind") == kind).cast(nw.Int64).max() for kind in STEPS}
    rows = first.join(since.group_by("patient_id").agg(**has), on="patient_id", how="left")
    sums = {"n": ONE, **{kind: nw.col(kind) == 1 for kind in STEPS}}
    counted = _counted(tally(rows, CELL, sums), sums, where)
    return [measure(counted, kind, pl.col(kind), N, n=N) for kind in STEPS if kind in delivered]


def _housing(core: Core, where: Setting) -> list[pl.DataFrame]:
    home = nw.col("housing")
    asked = core["core.interview"].filter(nw.col("status").is_in(HELD), ~home.is_null())
    if is_empty(asked):
        return []
    last = asked.unique(["patient_id"], keep="last", order_by=["interview_date"])
    answers = last.select("patient_id", "interview_date", "housing")
    people = answers.join(at_own_unit(core["core.patient"]), on="patient_id")
    rows = in_quarters(people, "interview_date", where)
    sums = {"n": ONE, "unknown": home == "unknown", "stable": home.is_in(STABLE_HOUSING)}
    counted = _counted(tally(rows, CELL, sums), sums, where)
    unknown = pl.col("unknown")
    return [
        measure(counted, "stable_housing", pl.col("stable"), N - unknown, n=N, n_missing=unknown)
    ]


def _relapse(core: Core, where: Setting) -> list[pl.DataFrame]:
    """Pairs of waves, by whether the home was kept; missing are those with no state after."""
    use = core["core.substance_use"].filter(
        nw.col("substance") == (where.protocol.illicit_group or ""),
        nw.col("state").is_in(USED_STATES),
    )
    if is_empty(use):
        return []
    states = use.select(*PERSON_WAVE, regular=nw.col("state") == "regular")
    pairs = _homes_kept_or_lost(core["core.interview"], states)
    people = pairs.join(at_own_unit(core["core.patient"]), on="patient_id")
    rows = in_quarters(people, "interview_date", where)
    kept, no = nw.col("kept"), nw.lit(value=False)
    after = nw.col("soon").fill_null(no) | nw.col("next").fill_null(no)
    silent = nw.col("soon").is_null() & nw.col("next").is_null()
    sums = {
        f"{name}_{what}": of & flag
        for name, of in (("kept", kept), ("lost", ~kept))
        for what, flag in (("n", ONE), ("regular", after), ("silent", silent))
    }
    counted = _counted(tally(rows, CELL, sums), sums, where)
    parts = []
    for name in ("lost", "kept"):
        n, silent_ones = pl.col(f"{name}_n"), pl.col(f"{name}_silent")
        parts.append(
            measure(
                counted,
                f"housing_{name}_relapse",
                pl.col(f"{name}_regular"),
                n - silent_ones,
                n=n,
                n_missing=silent_ones,
            )
        )
    return parts


def _homes_kept_or_lost(interviews: Frame, states: Frame) -> Frame:
    """Pairs of adjacent waves that begin in a stable home and without regular use.

    Args:
        interviews: core.interview.
        states: `PERSON_WAVE`, regular: whether the use of the wave is.

    Returns:
        `PERSON_WAVE` of the first wave, interview_date of the second, kept (the home), and the
        regular use of the second (soon) and of the one after it (next), null where not known.
    """
    home = nw.col("housing")
    answers = interviews.filter(~nw.col("wave").is_null(), ~home.is_null(), home != "unknown")
    homes = answers.select(*PERSON_WAVE, "interview_date", stable=home.is_in(STABLE_HOUSING))

    def later(frame: Frame, waves: int, *columns: str, **renamed: str) -> Frame:
        return frame.with_columns(wave=nw.col("wave") - waves).select(
            *PERSON_WAVE, *columns, **renamed
        )

    return (
        homes.filter(nw.col("stable"))
        .select(*PERSON_WAVE)
        .join(states.filter(~nw.col("regular")).select(*PERSON_WAVE), on=PERSON_WAVE)
        .join(later(homes, 1, "interview_date", kept="stable"), on=PERSON_WAVE)
        .join(later(states, 1, soon="regular"), on=PERSON_WAVE, how="left")
        .join(later(states, 2, next="regular"), on=PERSON_WAVE, how="left")
    )


def _across(stays: Frame, where: Setting) -> list[pl.DataFrame]:
    """Stays ended as planned on each side, and the next one on the other within the limit."""
    limit = where.protocol.programmes.transition_days
    municipal = nw.col("level").is_in(MUNICIPAL)
    next_municipal = nw.col("next_level").is_in(MUNICIPAL)
    planned = nw.col("exit_type").is_in(AS_PLANNED)
    followed = stays.filter(IS_ENDED, planned, END + limit <= CUTOFF)
    ended = in_quarters(followed, "end_date", where)
    parts = []
    for name, side, other in (
        ("to_municipality", ~municipal, next_municipal),
        ("to_specialist", municipal, ~next_municipal),
    ):
        following = next_stays(stays, other).select(STAY, "next_start")
        rows = ended.filter(side.fill_null(value=False)).join(following, on=STAY, how="left")
        sums = {"n": ONE, "kept": limit >= nw.col("next_start") - END}
        counted = _counted(tally(rows, CELL, sums), sums, where)
        parts.append(measure(counted, name, pl.col("kept"), N, n=N))
    return parts
