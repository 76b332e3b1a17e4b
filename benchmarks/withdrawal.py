"""One person leaves a registry: erased, derived and published anew, searched for and proved gone.

Belongs here: that case, and the floor of writing the same database once more.
Does not belong here: what a withdrawal does (see `registry_pipeline.withdrawal`).
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import duckdb

from benchmarks.landing import PROTOCOL
from benchmarks.measure import timed
from benchmarks.operated import LEAVER
from registry_pipeline.commands.withdraw import withdraw_people
from registry_pipeline.home import Home


def registry(source: Path, out: Path) -> dict[str, float]:
    """From the request to the proof, on a copy of the home."""
    home = Home(out / "home")
    shutil.copytree(source / "home", home.path)
    leaver = (source / LEAVER).read_text(encoding="utf-8")
    with timed() as numbers:
        done = withdraw_people(home, [leaver], PROTOCOL, date(2026, 1, 1))
    if done.errors or not done.proofs:
        raise RuntimeError("; ".join(done.errors))
    return numbers


def floor(source: Path, out: Path) -> dict[str, float]:
    """The same database written once more by DuckDB, everyone in it."""
    with timed() as numbers, duckdb.connect() as connection:
        before, after = source / "home" / "registry.duckdb", out / "floor.duckdb"
        connection.execute(f"ATTACH '{before}' AS before (READ_ONLY)")
        connection.execute(f"ATTACH '{after}' AS after")
        connection.execute("COPY FROM DATABASE before TO after")
    return numbers
