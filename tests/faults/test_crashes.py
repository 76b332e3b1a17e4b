"""Killed at any moment: nothing acknowledged is lost, nothing is half-stored, the next run goes on.

A child runs the pipeline and dies by SIGKILL at its n-th touch of the disk, or a moment into it.
Afterwards an ordinary run over the same home must hold, in every table, what a home that nothing
disturbed holds.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import connect, scalar
from registry_pipeline.warehouse.witness import prove_whole

MOMENTS = (0, 0, 1, 5, 20)
"""Milliseconds from the beginning of a call to the kill; within a long one it dies midway."""


def kill_often(undisturbed: Any, home: Home, seed: int, n: int) -> None:
    """Kills so many runs over one home, proves the store whole after each, then lets one end."""
    draw = random.Random(seed)  # noqa: S311 - the same moments in every run
    highest, killed, n_tables = undisturbed.calls, 0, len(undisturbed.published)
    while killed < n:
        done = undisturbed.run(home, draw.randint(1, highest), draw.choice(MOMENTS))
        if done.returncode == 0:  # less was left to do than the call's number
            highest = max(highest // 2, 20)
            continue
        assert done.returncode == -9, done.stderr
        killed += 1
        prove_whole(home)
        with duckdb.connect(home.analysis, read_only=True) as published:
            assert len(published.execute("FROM duckdb_tables()").fetchall()) == n_tables
    finish(undisturbed, home)


def finish(undisturbed: Any, home: Home) -> None:
    """An ordinary run over what is left: every table as if nothing had happened, no leftovers."""
    done = undisturbed.run(home)
    assert done.returncode == 0, done.stderr
    undisturbed.assert_like(home)
    assert list(home.staging.iterdir()) == []
    assert list(home.spill.iterdir()) == []
    assert list(home.published.glob("*.tmp*")) == []


@pytest.mark.hazard(
    "killed during intake before commit",
    "nothing of the file is stored; the next run takes it once: every table as undisturbed",
)
@pytest.mark.hazard(
    "killed inside a checkpoint", "the database opens; every table as undisturbed after a re-run"
)
@pytest.mark.parametrize("seed", [1, 2])
def test_ten_kills_at_seeded_moments(undisturbed: Any, tmp_path: Path, seed: int) -> None:
    kill_often(undisturbed, undisturbed.home(tmp_path / "home"), seed, 5)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_a_hundred_kills_at_seeded_moments(undisturbed: Any, tmp_path: Path, seed: int) -> None:
    kill_often(undisturbed, undisturbed.home(tmp_path / "home"), seed, 5)


def test_killed_before_the_commit_of_a_file(undisturbed: Any, tmp_path: Path) -> None:
    home = undisturbed.home(tmp_path / "home")
    stood = ledger_lines(home)
    assert undisturbed.run(home, "INSERT INTO meta.delivery@1").returncode == -9
    assert ledger_lines(home) == stood
    prove_whole(home)


@pytest.mark.hazard(
    "killed between delete and insert", "the old rows stay; every table as undisturbed afterwards"
)
def test_killed_between_the_old_rows_and_the_new(undisturbed: Any, tmp_path: Path) -> None:
    home = undisturbed.home(tmp_path / "home")
    stood = rows(home, "core.interview")
    assert undisturbed.run(home, "INSERT INTO core.interview@1").returncode == -9
    assert rows(home, "core.interview") == stood > 0
    finish(undisturbed, home)


@pytest.mark.hazard(
    "killed during publication",
    "the old file stays as it was, byte for byte; the leftover goes at the next start",
)
def test_killed_during_publication(undisturbed: Any, tmp_path: Path) -> None:
    home = undisturbed.home(tmp_path / "home")
    stood = home.analysis.read_bytes()
    assert undisturbed.run(home, "CHECKPOINT out@1", 1).returncode == -9
    assert home.analysis.read_bytes() == stood
    assert list(home.published.glob("*.tmp*"))
    finish(undisturbed, home)


def rows(home: Home, table: str) -> int:
    """How many rows a table of the live database holds."""
    with connect(home, read_only=True) as connection:
        return int(scalar(connection, f"SELECT count(*) FROM {table}"))


def ledger_lines(home: Home) -> list[Any]:
    """What the ledger knows, without the clock."""
    with connect(home, read_only=True) as connection:
        sql = "SELECT * EXCLUDE received_at FROM meta.delivery ORDER BY ALL"
        return connection.execute(sql).fetchall()
