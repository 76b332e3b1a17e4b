"""The time a cohort spans: a correction and a refused file move no cut-off."""

from __future__ import annotations

from datetime import date
from typing import Any

from registry_pipeline.indicators.coverage import whole_period


def test_the_cut_off_is_that_of_accepted_full_deliveries(store: Any) -> None:
    full = {"extracted_on": date(2014, 10, 1), "delivery": "2014-Q3"}
    correction = {"kind": "correction", "number": 2, "extracted_on": date(2014, 12, 31)}
    refused = {"status": "refused", "delivery": "2014-Q4", "extracted_on": date(2015, 1, 1)}
    core = store(
        {
            "core.patient": [{"invited_date": date(2014, 5, 5)}],
            "meta.delivery": [full, full | correction, full | refused],
        }
    )
    assert whole_period(core) == (date(2014, 5, 5), date(2014, 10, 1))


def test_people_whom_nobody_invited_or_interviewed_are_known_by_their_first_stay(
    store: Any,
) -> None:
    core = store(
        {
            "core.patient": [
                {"patient_id": "a"},
                {"patient_id": "b", "consent_date": date(2014, 5, 1)},
            ],
            "core.episode": [
                {"patient_id": "a", "start_date": date(2014, 3, 1)},
                {"patient_id": "a", "start_date": date(2014, 4, 1)},
                {"patient_id": "b", "start_date": date(2001, 1, 1)},
            ],
        }
    )
    assert whole_period(core)[0] == date(2014, 3, 1)
