"""A small landing folder, an undisturbed run over it, and children that run and may die."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import polars.testing
import pytest

from registry_pipeline.home import Home

CHILD = Path(__file__).with_name("one_run.py")
ROOT = Path(__file__).parents[2]
CLOCK = {"meta.delivery": ["received_at"], "meta.publication": ["version", "run_id"]}
"""What two runs over the same deliveries may differ in."""


def dump(file: Path) -> dict[str, pl.DataFrame]:
    """Every table of a database, without the clock, in an order of its own."""
    with duckdb.connect(file, read_only=True) as connection:
        rows = connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
        ).fetchall()
        frames = {name: connection.sql(f"SELECT * FROM {name}").pl() for (name,) in rows}
    told = {name: frame.drop(CLOCK.get(name, [])) for name, frame in frames.items()}
    return {name: frame.sort(frame.columns, nulls_last=True) for name, frame in told.items()}


def assert_same(left: dict[str, pl.DataFrame], right: dict[str, pl.DataFrame]) -> None:
    """Every table, row for row."""
    assert left.keys() == right.keys()
    for name, frame in left.items():
        polars.testing.assert_frame_equal(frame, right[name], rel_tol=1e-12, abs_tol=1e-12)


def run(
    home: Home, landing: Path, layers: str, *death: object, **given: Any
) -> subprocess.CompletedProcess[str]:
    """A child that runs the pipeline over a home, and may be told where to die."""
    return subprocess.run(
        [sys.executable, str(CHILD), str(home.path), str(landing), layers, *map(str, death)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **given,
    )


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing disturbed, over a home that had taken one delivery in before.

    Attributes:
        before: the home before the run, to be copied.
        landing: what the run took in.
        layers: which layers it built; all of them stand in `before`.
        calls: how often it touched the disk.
        live: every table of the live database afterwards.
        published: every table of the published file afterwards.
    """

    before: Home
    landing: Path
    layers: str
    calls: int
    live: dict[str, pl.DataFrame]
    published: dict[str, pl.DataFrame]

    def home(self, path: Path) -> Home:
        """A home as it was before the run."""
        shutil.copytree(self.before.path, path)
        return Home(path)

    def run(self, home: Home, *death: object, **given: Any) -> subprocess.CompletedProcess[str]:
        """The same run over another home, in a child that may die."""
        return run(home, self.landing, self.layers, *death, **given)

    def assert_like(self, home: Home) -> None:
        """A home holds what the run left, in every table."""
        assert_same(self.live, dump(home.database))
        assert_same(self.published, dump(home.analysis))


def landing_of(folder: Path, sample: Path, *names: str) -> Path:
    """A landing folder with some of the sample's deliveries."""
    for name in names:
        shutil.copytree(sample / "lar_x" / name, folder / "lar_x" / name)
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Undisturbed:
    """One quarter stands; a late one and a correction come in; core and publication follow."""
    folder = tmp_path_factory.mktemp("undisturbed")
    before, home = Home(folder / "before"), Home(folder / "home")
    first = landing_of(folder / "first", sample, "2015-Q1")
    done = run(before, first, "all")
    assert done.returncode == 0, done.stderr
    landing = landing_of(folder / "landing", sample, "2014-Q2", "2015-Q1", "2015-Q1-2")
    shutil.copytree(before.path, home.path)
    done = run(home, landing, "")
    assert done.returncode == 0, done.stderr
    calls = int(done.stdout)
    return Undisturbed(before, landing, "", calls, dump(home.database), dump(home.analysis))


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"
