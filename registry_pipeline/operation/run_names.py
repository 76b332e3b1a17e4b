"""What a run is called where a person reads of it: in status, notices, and as holder of a home.

Belongs here: words for a run. Does not belong here: what a run does (see `assets.automation`).
"""

from __future__ import annotations

from typing import Final

import dagster as dg

_JOBS: Final = {
    "registry": "the whole job",
    "rebuild": "the rebuild",
    "take_in": "the intake",
    "withdraw": "the withdrawal",
    "owed_job": "the quarterly look for what is owed",
}


def run_name(run: dg.DagsterRun) -> str:
    """A run in words: its job, with the delivery where it is of one.

    A run of tables that a sensor or a person chose belongs to no job: Dagster calls each alike.
    """
    if run.job_name in _JOBS:
        name = _JOBS[run.job_name]
    elif "dagster/from_automation_condition" in run.tags:
        name = "the rebuild after a delivery"
    else:
        name = "a run begun in the UI"
    delivery = run.tags.get("dagster/partition")
    return f"{name} for {delivery}" if delivery else name
