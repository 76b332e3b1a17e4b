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
