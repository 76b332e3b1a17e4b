"""The composition root: the one code location, for the command line, the UI and the daemon.

Belongs here: putting assets, checks, jobs, sensors and the resource together.
Does not belong here: anything else; only this module may import `assets`.
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from assets.automation import (
    failure_notice,
    fault_notice,
    intake_job,
    killed_runs,
    new_deliveries,
    owed_job,
    quarter_owed,
    rebuild_job,
    rebuild_when_new,
    registry_job,
    withdraw_job,
)
from assets.erasure import absence_check, erasure
from assets.expectations import expectation_checks
from assets.intake import intake, ledger_checks
from assets.layers import core, pathways, quality, retention, trajectories
from assets.programme_checks import programme_checks
from assets.publication import publication
from assets.quality_checks import quality_checks
from assets.run import RegistryRun
from registry_pipeline.home import WAIT_SECONDS


def build_defs(
    home: Path | None = None,
    landing: Path | None = None,
    protocol_file: Path | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> dg.Definitions:
    """The code location over a home and a landing folder.

    Args:
        home: the home folder; else REGISTRY_HOME, else `var`.
        landing: the landing folder; else REGISTRY_LANDING, else `data/sample`, for whoever looks at
            the assets in a checkout; `registry ui --operate` always says which.
        protocol_file: a protocol for this run.
        wait_seconds: how long a run waits for another one on the home.
    """
    home = home or Path(os.environ.get("REGISTRY_HOME", "var"))
    landing = landing or Path(os.environ.get("REGISTRY_LANDING", "data/sample"))
    return dg.Definitions(
        assets=[intake, erasure, core, retention, trajectories, pathways, quality, publication],
        asset_checks=[
            ledger_checks,
            quality_checks,
            programme_checks,
            expectation_checks,
            absence_check,
        ],
        jobs=[registry_job, rebuild_job, intake_job, withdraw_job, owed_job],
        sensors=[new_deliveries, rebuild_when_new, killed_runs, failure_notice, fault_notice],
        schedules=[quarter_owed],
        executor=dg.in_process_executor,
        resources={
            "registry": RegistryRun(
                home=str(home.resolve()),
                landing=str(landing.resolve()),
                protocol_file=str(protocol_file.resolve()) if protocol_file else "",
                wait_seconds=wait_seconds,
            )
        },
    )


defs = build_defs()
