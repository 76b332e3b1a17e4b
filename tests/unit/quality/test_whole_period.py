"""The whole period of a programme's table: from the cohort's first day to its cut-off.

The cohort began on 5 May 2014. What was before is counted in no row, whatever its day is.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from registry_pipeline.derivations.quality_co_occurring import co_occurring
from registry_pipeline.derivations.quality_detox import detox_stay
from registry_pipeline.derivations.quality_dropout import dropout
from registry_pipeline.derivations.quality_people import transition_gap
from registry_pipeline.derivations.quality_programmes import Setting, setting
from registry_pipeline.derivations.quality_services import no_show
from registry_pipeline.derivations.quality_stays import stay_rows
from registry_pipeline.derivations.quality_tools import checklist_use

FIRST, LAST = date(2014, 5, 5), date(2014, 12, 31)
LONG_AGO, EVE, DAY = date(2010, 2, 1), date(2014, 5, 4), FIRST
LATER = date(2014, 5, 20)


def stay(person: str, began: date, ended: date | None, how: str | None, **cells: Any):
    return {
        "patient_id": person, "pathway": "gp", "level": "inpatient", "unit_id": "north",
        "is_treatment": True, "planned": True, "planned_start_date": began,
        "start_date": began, "end_date": ended, "exit_type": how, **cells,
    }  # fmt: skip


def checklist(day: date) -> dict[str, Any]:
    return {"patient_id": "a", "kind": "dropout_checklist", "event_date": day, "score": 2.0}


GONE = "patient_absent"
ENDED = [stay("a", LONG_AGO, day, GONE) for day in (LONG_AGO, EVE, DAY, LATER)]
BEGUN = [stay("a", day, LATER, GONE) for day in (LONG_AGO, EVE, DAY, LATER)]
DETOX = [one | {"level": "detox"} for one in BEGUN]
MOVED_ON = [one | {"exit_type": "transfer_unit"} for one in ENDED]
COUNTED = [
    # what, the table, its measure, rows: two of four lie on the first day or after it
    ("stays that ended", dropout, "dropout", {"episode": ENDED}),
    ("planned starts", dropout, "never_met", {"episode": BEGUN}),
    ("stays begun", dropout, "early_dropout", {"episode": BEGUN}),
    ("planned starts", no_show, "never_met", {"episode": BEGUN}),
    ("admissions to detox", detox_stay, "mean_days", {"episode": DETOX}),
    ("transfers", transition_gap, "kept_in_time", {"episode": MOVED_ON}),
    (
        "checklists of stays begun",
        checklist_use,
        "checklist_used",
        {"episode": BEGUN, "process_event": [checklist(DAY)]},
    ),
    (
        "checklists of stays ended",
        checklist_use,
        "dropout_observed",
        {"episode": ENDED, "process_event": [checklist(LONG_AGO)]},
    ),
]


@pytest.fixture
def where(protocol) -> Setting:
    return Setting(protocol, FIRST, LAST, low_coverage=False)


def made_by(table: Any, core: Any, where: Setting) -> pl.DataFrame:
    """The table, whichever of core and stays it is made from."""
    stays = stay_rows(core)
    of_stays = table in {dropout, transition_gap}
    return table(stays, where) if of_stays else table(core, stays, where)


@pytest.mark.parametrize("case", COUNTED, ids=[f"{case[0]}, {case[2]}" for case in COUNTED])
def test_rows_before_the_first_day_are_not_counted(store, where, case):
    what, table, measure, rows = case
    core = store(
        {
            "core.patient": [{"patient_id": "a", "birth_year": 1980, "cutoff_date": LAST}],
            **{f"core.{name}": some for name, some in rows.items()},
        }
    )
    made = made_by(table, core, where).filter(measure=measure, unit_id="all")
    if measure == "early_dropout":
        made = made.filter(group="30")
    everyone = made.filter(pl.col("group_by").is_in(["all", "by_day"]))
    whole = everyone.filter(period_start=FIRST, period_end=LAST)
    quarters = everyone.filter(pl.col("period_end") != LAST)
    assert whole["denominator"].to_list() == [2], what
    assert quarters.select("period_start", "denominator").rows() == [(date(2014, 4, 1), 2)], what


def test_who_was_in_treatment_before_counts_from_the_first_day(store, where):
    people = [{"patient_id": one, "unit_id": "north", "cutoff_date": LAST} for one in "ab"]
    stays = [
        stay("a", LONG_AGO, None, None, disorder_treated="both"),
        stay("b", LATER, None, None, disorder_treated="mental"),
    ]
    core = store({"core.patient": people, "core.episode": stays})
    made = co_occurring(core, stay_rows(core), where)
    rows = made.filter(measure="integrated_care", unit_id="all", group_by="all")
    found = rows.select("period_start", "numerator", "denominator").sort("period_start").rows()
    assert found == [(date(2014, 4, 1), 1, 2), (FIRST, 1, 2)]


def test_answer_sheets_before_anyone_was_registered_begin_the_period(store, protocol):
    core = store(
        {
            "core.patient": [{"patient_id": "a", "invited_date": FIRST}],
            "core.involvement_response": [{"response_id": "1", "answered_on": EVE, "item_1": 5}],
        }
    )
    assert setting(core, protocol).first == EVE
