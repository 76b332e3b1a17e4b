"""A registry in operation, for the cases that begin with one: a withdrawal, a correction.

Belongs here: the home folder after a whole run, and what is to happen to it.
Does not belong here: those cases.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.landing import correction, delivery_of
from benchmarks.measure import timed
from registry_pipeline.commands.operate import run_job
from registry_pipeline.home import Home

LEAVER: Final = "leaver"
CORRECTION: Final = "correction"


def made(source: Path, out: Path) -> dict[str, float]:
    """A whole run over a landing folder; beside the home, who will leave, and a correction."""
    patients = pl.scan_csv(delivery_of(source) / "patients.csv", infer_schema=False)
    consented = patients.filter(pl.col("consent") == "consented").select("patient_id")
    (out / LEAVER).write_text(str(consented.first().collect().item()), encoding="utf-8")
    corrected = correction(source, out / CORRECTION)["interviews"]
    with timed() as numbers:
        outcome = run_job(Home(out / "home"), source)
    if not outcome.success:
        raise RuntimeError("; ".join([*outcome.errors, *outcome.red_checks]))
    return {**numbers, "corrected": corrected}
