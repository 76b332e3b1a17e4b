"""Dagster's event log with open connections: nothing lost, few files open, closed at the end."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS

from registry_pipeline.home import Home
from registry_pipeline.operation.event_store import EventLog
from registry_pipeline.operation.instance import prepare_instance


@dg.asset
def made() -> None:
    """An asset that only says it was made."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("DAGSTER_HOME", "")
    here = Home(tmp_path / "home")
    prepare_instance(here)
    return here


OPENED = """
import sys
from pathlib import Path
from registry_pipeline.home import Home
from registry_pipeline.operation.instance import prepare_instance
import dagster as dg
sys.stdin.read()
prepare_instance(Home(Path(sys.argv[1])))
with dg.DagsterInstance.get() as instance:
    instance.get_runs()
"""


def test_processes_that_open_a_new_home_at_once_find_its_files_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENED, str(tmp_path / "home")]
    with ExitStack() as stack:
        children = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE)) for _ in range(3)
        ]
        for child in children:
            assert child.stdin
            child.stdin.close()  # all are waiting here, their imports done
        assert [child.wait(60) for child in children] == [0, 0, 0]
    for file in (tmp_path / "home" / "dagster").rglob("*.db"):
        with closing(sqlite3.connect(file)) as connection:
            assert len(connection.execute("SELECT * FROM alembic_version").fetchall()) == 1


def test_what_is_prepared_is_there_before_any_process_opens_it(home: Home) -> None:
    assert sorted(path.name for path in home.instance.rglob("*.db")) == [
        "index.db",
        "runs.db",
        "schedules.db",
    ]


def open_shards(folder: Path) -> set[str]:
    """The event files this process has open, without their write-ahead logs."""
    named = (link.readlink() for link in Path("/proc/self/fd").iterdir() if link.exists())
    return {path.stem for path in named if path.parent == folder and path.suffix == ".db"}


def test_the_instance_uses_it_and_finds_its_events_again(home: Home) -> None:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, EventLog)
        runs = [dg.materialize([made], instance=instance).run_id for _ in range(2)]
    with dg.DagsterInstance.get() as instance:
        for run_id in runs:
            events = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_SUCCESS)
            assert len(events) == 1
        found = instance.fetch_materializations(dg.AssetKey("made"), limit=5).records
        assert {record.run_id for record in found} == set(runs)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_the_index_and_one_run_stay_open_until_the_instance_is_left(home: Home) -> None:
    folder = home.instance / "history" / "runs"
    with dg.DagsterInstance.get() as instance:
        run_ids = [dg.materialize([made], instance=instance).run_id for _ in range(3)]
        instance.all_logs(run_ids[-1])
        assert open_shards(folder) == {"index", run_ids[-1]}
    assert not open_shards(folder)


def test_a_commit_does_not_wait_and_the_file_is_whole_without_its_log(home: Home) -> None:
    index = home.instance / "history" / "runs" / "index.db"
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("made"))
        log = instance.event_log_storage
        assert isinstance(log, EventLog)
        with log.index_connection() as connection:
            mode = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
        assert mode == 1  # NORMAL
    assert not Path(f"{index}-wal").exists()
    connection = sqlite3.connect(index)
    assert connection.execute("SELECT count(*) FROM asset_keys").fetchone() == (1,)
    connection.close()


def test_what_is_there_is_asked_for_until_it_is(home: Home) -> None:
    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, EventLog)
        assert not storage.has_table("later")
        with storage.index_connection() as connection:
            connection.exec_driver_sql("CREATE TABLE later (id INTEGER)")
        assert storage.has_table("later")
        with storage.index_connection() as connection:
            connection.exec_driver_sql("DROP TABLE later")
        assert storage.has_table("later")  # not asked again: no table of the index goes away


def test_a_file_that_another_process_writes_to_is_waited_for(home: Home) -> None:
    ask = sa.text("PRAGMA busy_timeout")
    with dg.DagsterInstance.get() as instance:
        storages = instance.run_storage, instance.schedule_storage
        for storage in storages:
            with storage.connect() as connection:  # type: ignore[union-attr]
                assert connection.execute(ask).scalar() == SQLITE_BUSY_TIMEOUT_SECONDS * 1000
