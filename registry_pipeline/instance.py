"""The Dagster instance of a home folder.

Belongs here: where it lies and how it is set up. Does not belong here: running anything in it (see
`operate`), deleting what it holds (see `withdrawal.records`).
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import dagster as dg
from filelock import FileLock

from registry_pipeline.home import Home


def prepare_instance(home: Home) -> None:
    """Makes the home's instance where it is missing, and points this process at it.

    From here on what this process and its children write is readable by the owner alone.
    """
    os.umask(0o077)
    home.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home.instance.resolve())
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "1000"  # what a run plans is several hundred events
    with FileLock(home.instance / "making.lock", mode=0o600):
        _write_settings(home.instance / "dagster.yaml")
        _make_files(home.instance / "made")


def _write_settings(file: Path) -> None:
    """Other processes may be reading them: whole, and only where they are not there as they are."""
    text = (resources.files("registry_pipeline") / "dagster.yaml").read_text(encoding="utf-8")
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        partial = file.with_suffix(".tmp")
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)


def _make_files(made: Path) -> None:
    """Makes the instance's files, once and by one process.

    Dagster's own making of them takes seconds, and two at it (the webserver and the daemon of a new
    home) leave files that no process can open again.
    """
    if not made.exists():
        with dg.DagsterInstance.get():
            made.touch()
