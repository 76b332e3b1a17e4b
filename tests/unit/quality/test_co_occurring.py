"""Care of two disorders at once, by the flag."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from registry_pipeline.derivations.quality_co_occurring import co_occurring
from registry_pipeline.derivations.quality_programmes import Setting
from registry_pipeline.derivations.quality_stays import stay_rows
from schemas.protocol import Protocol

FIRST, LAST = date(2014, 1, 1), date(2014, 12, 31)


def day(number: int | None) -> date | None:
    return None if number is None else FIRST + timedelta(days=number)


def stay(person: str, treats: str | None, start: int = 0, **cells: Any) -> dict[str, Any]:
    return {
        "patient_id": person, "pathway": "gp", "level": "inpatient", "unit_id": "north",
        "is_treatment": True, "start_date": day(start), "disorder_treated": treats, **cells,
    }  # fmt: skip


def person(who: str, flag: bool | None = True) -> dict[str, Any]:
    return {
        "patient_id": who, "unit_id": "north", "co_occurring_disorder": flag,
        "birth_year": 1980, "cutoff_date": LAST,
    }  # fmt: skip


@pytest.fixture
def found(store, protocol: Protocol):
    """Measure and group to numerator, denominator and missing, over the whole period."""

    def build(tables: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, str], tuple[int, ...]]:
        where = Setting(
            protocol.model_copy(update={"illicit_group": "heroin"}), FIRST, LAST, low_coverage=False
        )
        core = store(tables)
        whole = co_occurring(core, stay_rows(core), where).filter(
            pl.col("period_start") == FIRST, pl.col("period_end") == LAST, unit_id="all"
        )
        return {
            (row["measure"], row["group"]): (row["numerator"], row["denominator"], row["n_missing"])
            for row in whole.iter_rows(named=True)
            if row["reason"] != "not_applicable"
        }

    return build


def test_integrated_treatment_and_the_same_unit(found):
    stays = [
        stay("together", "both"),
        stay("one unit", "substance"), stay("one unit", "mental", 40),
        stay("two units", "substance"), stay("two units", "mental", 40, unit_id="south"),
        stay("half", "substance"),
        stay("not said", None),
        stay("no disorder", "substance"),
    ]  # fmt: skip
    people = [person(who) for who in ("together", "one unit", "two units", "half", "not said")]
    people.append(person("no disorder", flag=False))
    table = found({"core.patient": people, "core.episode": stays})
    assert table["integrated_care", "true"] == (1, 5, 1)
    assert table["integrated_care", "false"] == (0, 1, 0)
    assert table["integrated_care", "all"] == (1, 6, 1)
    assert table["same_unit", "true"] == (2, 3, 0)


def test_a_plan_a_meeting_and_the_gp_since_the_stay_began(found):
    steps = [
        {"patient_id": "a", "kind": "individual_plan", "event_date": day(30)},
        {"patient_id": "b", "kind": "individual_plan", "event_date": day(19)},
        {"patient_id": "a", "kind": "gp_contact", "event_date": day(20)},
        {"patient_id": "a", "kind": "gp_contact", "event_date": day(50)},
    ]
    table = found(
        {
            "core.patient": [person("a"), person("b", flag=None)],
            "core.episode": [stay("a", None, 20), stay("b", None, 20)],
            "core.process_event": steps,
        }
    )
    assert table["individual_plan", "true"] == (1, 1, 0)
    assert table["individual_plan", "unknown"] == (0, 1, 0)
    assert table["gp_contact", "all"] == (1, 2, 0)
    assert ("coordination_meeting", "all") not in table
    assert ("integrated_care", "all") not in table


def interviews(who: str, homes: str) -> list[dict[str, Any]]:
    """One interview per letter: s stable, u unstable, - unknown."""
    code = {"s": "rented", "u": "homeless", "-": "unknown"}
    return [
        {"patient_id": who, "wave": wave, "interview_date": day(91 * wave), "housing": code[letter]}
        for wave, letter in enumerate(homes)
    ]


def states(who: str, word: str) -> list[dict[str, Any]]:
    """One state per letter: A, E, R, m missed."""
    code = {"A": "abstinent", "E": "episodic", "R": "regular", "m": "missed"}
    return [
        {"patient_id": who, "wave": wave, "substance": "heroin", "state": code[letter]}
        for wave, letter in enumerate(word)
    ]


HOMES = (
    ("su", "AR", (1, 1, 0), (0, 0, 0)),
    ("su-", "AER", (1, 1, 0), (0, 0, 0)),
    ("su", "AE", (0, 1, 0), (0, 0, 0)),
    ("su", "RR", (0, 0, 0), (0, 0, 0)),
    ("su", "Am", (0, 0, 1), (0, 0, 0)),
    ("s-", "AR", (0, 0, 0), (0, 0, 0)),
    ("ss", "AR", (0, 0, 0), (1, 1, 0)),
    ("sssu", "AAAE", (0, 1, 0), (0, 2, 0)),
    ("us", "AR", (0, 0, 0), (0, 0, 0)),
)
"""The homes and the states of use by wave, and the pairs of waves that come of them: how many of
those who lost the home and of those who kept it used regularly, are known, are not known."""


@pytest.mark.parametrize(("homes", "word", "lost", "kept"), HOMES)
def test_regular_use_after_losing_the_home(found, homes, word, lost, kept):
    table = found(
        {
            "core.patient": [person("a")],
            "core.interview": interviews("a", homes),
            "core.substance_use": states("a", word),
        }
    )
    assert table.get(("housing_lost_relapse", "all"), (0, 0, 0)) == lost
    assert table.get(("housing_kept_relapse", "all"), (0, 0, 0)) == kept


def test_stable_housing_is_the_last_answer(found):
    homes = interviews("a", "us") + interviews("b", "su") + interviews("c", "s-")
    people = [person("a"), person("b"), person("c", flag=False)]
    table = found({"core.patient": people, "core.interview": homes})
    assert table["stable_housing", "true"] == (1, 2, 0)
    assert table["stable_housing", "false"] == (0, 0, 1)


def test_transitions_across_the_border_within_fourteen_days(found):
    town = {"level": "municipal"}
    done = {"exit_type": "planned_mutual"}
    stays = [
        stay("in time", None, 0, end_date=day(50), **done), stay("in time", None, 64, **town),
        stay("late", None, 0, end_date=day(50), **done), stay("late", None, 65, **town),
        stay("elsewhere", None, 0, end_date=day(50), **done), stay("elsewhere", None, 52),
        stay("left", None, 0, end_date=day(50), exit_type="patient_absent"),
        stay("left", None, 51, **town),
        stay("back", None, 0, end_date=day(50), **done, **town), stay("back", None, 55),
    ]  # fmt: skip
    names = sorted({one["patient_id"] for one in stays})
    table = found({"core.patient": [person(who) for who in names], "core.episode": stays})
    assert table["to_municipality", "all"] == (1, 3, 0)
    assert table["to_specialist", "true"] == (1, 1, 0)
