"""The Dagster instance of a home folder.

Belongs here: where it lies and how it is set up. Does not belong here: running anything in it (see
`operate`), deleting what it holds (see `withdrawal.records`).
"""

from __future__ import annotations

import os
from importlib import resources

from registry_pipeline.home import Home


def prepare_instance(home: Home) -> None:
    """Writes `dagster.yaml` into the home's instance folder and points this process at it.

    From here on what this process and its children write is readable by the owner alone.
    """
    os.umask(0o077)
    home.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = (resources.files("registry_pipeline") / "dagster.yaml").read_text(encoding="utf-8")
    (home.instance / "dagster.yaml").write_text(text, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home.instance.resolve())
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "1000"  # what a run plans is several hundred events
