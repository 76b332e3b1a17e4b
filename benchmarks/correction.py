"""One quarter of a registry is corrected, and the same registry is derived anew.

Belongs here: those two cases. Does not belong here: the home and the correction (see `operated`).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.measure import timed
from benchmarks.operated import CORRECTION
from registry_pipeline.commands.operate import Outcome, run_job
from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import connect


def registry(source: Path, out: Path) -> dict[str, float]:
    """A whole run that takes the correction in, on a copy of the home."""
    home = _copied(source, out)
    with timed() as numbers:
        outcome = run_job(home, source / CORRECTION)
    return _proved(outcome, numbers)


def rebuild(source: Path, out: Path) -> dict[str, float]:
    """A run that takes nothing in and keeps nothing, on a copy of the home."""
    home = _copied(source, out)
    with connect(home) as connection:
        connection.execute("DELETE FROM meta.built")
    with timed() as numbers:
        outcome = run_job(home, None)
    return _proved(outcome, numbers)


def _copied(source: Path, out: Path) -> Home:
    home = Home(out / "home")
    shutil.copytree(source / "home", home.path)
    return home


def _proved(outcome: Outcome, numbers: dict[str, float]) -> dict[str, float]:
    if not outcome.success:
        raise RuntimeError("; ".join([*outcome.errors, *outcome.red_checks]))
    return numbers
