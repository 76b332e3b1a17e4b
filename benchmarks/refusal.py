"""A bad file is refused: how long that takes, beside merely reading it.

Belongs here: those two cases. Does not belong here: what is bad (see `landing.cut_short`).

The fault stands in the last row, so that no way of looking comes upon it early.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from benchmarks.landing import delivery_of
from benchmarks.measure import timed
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.gate.gate import canary
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse.database import connect

canary()  # outside the clock, as every import (see `benchmarks.intake`)


def registry(source: Path, out: Path) -> dict[str, float]:
    """The file staged, refused and recorded, nothing of it stored."""
    home = Home(out)
    home.prepare()
    with connect(home) as connection:
        key = open_key(connection, home)
        with timed() as numbers:
            report = take_in(connection, home, delivery_of(source), key)
    (file,) = report.files
    if file.status != "refused":
        raise RuntimeError("the bad file was accepted")
    return numbers


def reading(source: Path, _: Path) -> dict[str, float]:
    """The same file read into memory as text by Polars, which mends a short row in silence."""
    with timed() as numbers:
        rows = pl.read_csv(delivery_of(source) / "interviews.csv", infer_schema=False)
    return {**numbers, "rows": rows.height}
