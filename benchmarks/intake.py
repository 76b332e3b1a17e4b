"""Intake by the registry, and the floor below which no intake can go.

Belongs here: the two cases that read a delivery with DuckDB underneath.
Does not belong here: the pandas script (see `intake_pandas`).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.landing import delivery_of
from benchmarks.measure import timed
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.gate.gate import canary
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse.database import connect

canary()  # Pandera loads its back end at the first call: outside the clock, as every import is


def registry(source: Path, out: Path) -> dict[str, float]:
    """Strict read, conversion, validation, pseudonyms and store, as every run does it."""
    with timed() as numbers:
        home = Home(out)
        home.prepare()
        with connect(home, in_any_order=True) as connection:
            report = take_in(connection, home, delivery_of(source), open_key(connection, home))
    if report.messages:
        raise RuntimeError("; ".join(report.messages))
    return {
        **numbers,
        "accepted": sum(file.n_accepted for file in report.files),
        "quarantined": sum(file.n_quarantined for file in report.files),
    }


def floor(source: Path, out: Path) -> dict[str, float]:
    """The same files read by DuckDB's own reader into tables of a fresh file, nothing checked."""
    with timed() as numbers, duckdb.connect(out / "floor.duckdb") as connection:
        for path in sorted(delivery_of(source).glob("*.csv")):
            connection.execute(
                f"CREATE TABLE {path.stem} AS SELECT * FROM read_csv(?)", [str(path)]
            )
    return numbers
