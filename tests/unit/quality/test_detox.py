"""Detox stays: how long, who comes back and why, what follows."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from registry_pipeline.derivations.quality_detox import detox_stay
from registry_pipeline.derivations.quality_programmes import Setting
from registry_pipeline.derivations.quality_stays import stay_rows

FIRST, LAST = date(2017, 1, 1), date(2017, 12, 31)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def stay(person: str, start: int, days: int | None, **cells: Any) -> dict[str, Any]:
    return {
        "patient_id": person, "pathway": "gp", "level": "detox", "unit_id": "north",
        "is_treatment": True, "planned": True, "start_date": day(start),
        "end_date": None if days is None else day(start + days),
        "exit_type": None if days is None else "planned_mutual", **cells,
    }  # fmt: skip


def admission(person: str, on: int, related: str | None) -> dict[str, Any]:
    return {
        "patient_id": person, "event_date": day(on),
        "event_type": "hospital_admission", "related": related,
    }  # fmt: skip


@pytest.fixture
def detox(store, protocol):
    def build(stays: list[dict[str, Any]], events: list[dict[str, Any]] = ()) -> dict[str, Any]:
        people = sorted({one["patient_id"] for one in stays})
        patients = [{"patient_id": who, "birth_year": 1970, "cutoff_date": LAST} for who in people]
        core = store({"core.patient": patients, "core.episode": stays, "core.event": list(events)})
        where = Setting(protocol, FIRST, LAST, low_coverage=False)
        whole = detox_stay(core, stay_rows(core), where).filter(
            pl.col("period_start") == FIRST, pl.col("period_end") == LAST,
            unit_id="all", group_by="all",
        )  # fmt: skip
        return {row["measure"]: row for row in whole.iter_rows(named=True)}

    return build


def counts(row: dict[str, Any]) -> tuple[int, int, int]:
    return row["numerator"], row["denominator"], row["n_missing"]


def test_stays_have_a_mean_and_a_median(detox):
    lengths = (2, 3, 3, 8, None)
    stays = [stay(str(n), 10, days) for n, days in enumerate(lengths)]
    stays.append(stay("unplanned", 10, 100, planned=False))
    rows = detox(stays)
    assert rows["mean_days"]["value"] == (2 + 3 + 3 + 8) / 4
    assert counts(rows["mean_days"]) == (16, 4, 1)
    assert (rows["median_days"]["value"], rows["median_days"]["reason"]) == (3.0, "no_interval")


def test_a_stay_with_an_end_and_no_exit_was_lost_from_sight_and_nobody_left_it(detox):
    lost = stay("b", 10, 2, exit_type=None)
    rows = detox([stay("a", 10, 4), stay("u", 10, 6, exit_type="unknown"), lost])
    assert (rows["mean_days"]["value"], counts(rows["mean_days"])) == (5.0, (10, 2, 1))
    assert rows["median_days"]["value"] == 5.0
    assert counts(rows["readmitted"]) == (0, 2, 0)
    assert counts(rows["next_treatment"]) == (0, 2, 0)


BACK = (
    ("related, on day 30", 30, "yes", (1, 0)),
    ("cause not said", 5, None, (1, 0)),
    ("cause unknown", 5, "unknown", (1, 0)),
    ("an amputation", 5, "no", (0, 1)),
    ("on the day of discharge", 0, "yes", (1, 0)),
    ("before discharge", -1, "yes", (0, 0)),
    ("after 31 days", 31, "yes", (0, 0)),
)


@pytest.mark.parametrize(("what", "wait", "related", "expected"), BACK, ids=[b[0] for b in BACK])
def test_a_readmission_is_soon_after_the_discharge_and_unrelated_causes_are_apart(
    detox, what, wait, related, expected
):
    rows = detox([stay("a", 10, 4)], [admission("a", 14 + wait, related)])
    found = rows["readmitted"]["numerator"], rows["readmitted_unrelated"]["numerator"]
    assert found == expected, what
    assert rows["readmitted"]["denominator"] == 1


def test_who_died_during_the_stay_can_neither_come_back_nor_go_on(detox):
    stays = [stay("a", 10, 4), stay("b", 10, 4, exit_type="death_overdose")]
    rows = detox(stays, [admission("a", 20, "yes")])
    assert counts(rows["readmitted"]) == (1, 1, 0)
    assert counts(rows["readmitted_unrelated"]) == (0, 1, 0)
    assert counts(rows["next_treatment"]) == (0, 1, 0)


def test_back_in_detox_unplanned_is_a_readmission_and_planned_is_not(detox):
    stays = [stay("a", 10, 4), stay("a", 30, 5, planned=False), stay("b", 10, 4), stay("b", 30, 5)]
    assert counts(detox(stays)["readmitted"]) == (1, 3, 0)


def test_a_stay_that_was_not_followed_for_thirty_days_is_left_out(detox):
    rows = detox([stay("a", 10, 4), stay("b", 345, 4)], [admission("b", 350, "yes")])
    assert counts(rows["readmitted"]) == (0, 1, 0)


def test_the_next_treatment_within_three_days(detox):
    later = {"level": "inpatient", "planned": False}
    stays = [
        stay("a", 10, 4), stay("a", 17, None, **later),
        stay("b", 10, 4), stay("b", 18, None, **later),
        stay("c", 10, 4), stay("c", 14, 5, planned=False),
        stay("d", 10, 4), stay("d", 2, 5, **later),
    ]  # fmt: skip
    rows = detox(stays)
    assert counts(rows["next_treatment"]) == (1, 4, 0)
    median = rows["median_days_to_next"]
    assert (median["value"], median["denominator"], median["n_missing"]) == (3.5, 2, 2)
