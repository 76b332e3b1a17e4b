"""Dagster's SQLite files during a run: no wait at a commit or a close, and nothing lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from registry_pipeline.event_store import quick_events
from registry_pipeline.home import Home
from registry_pipeline.operate import prepare_instance

NORMAL, FULL = 1, 2


def synchronous(path: Path) -> int:
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return int(connection.execute(sa.text("PRAGMA synchronous")).scalar_one())


def test_only_while_the_block_runs(tmp_path: Path) -> None:
    with quick_events():
        assert synchronous(tmp_path / "a.db") == NORMAL
    assert synchronous(tmp_path / "a.db") == FULL


def test_the_log_stays_open_until_the_block_ends_and_is_whole_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    home = Home(tmp_path / "home")
    prepare_instance(home)
    index = home.instance / "history" / "runs" / "index.db"
    with quick_events(), dg.DagsterInstance.get() as instance:
        for name in "ab":
            instance.report_runless_asset_event(dg.AssetMaterialization(name))
        assert Path(f"{index}-wal").stat().st_size > 0
    with sqlite3.connect(index) as connection:
        assert connection.execute("SELECT count(*) FROM asset_keys").fetchone() == (2,)
    connection.close()
    assert not Path(f"{index}-wal").exists()
