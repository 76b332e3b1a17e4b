"""What the disk does to the store: full, damaged, lost, held. Each gets one clear sentence.

Nothing acknowledged is lost, and nothing is deleted to make a damaged file open again.
"""

from __future__ import annotations

import errno
import hashlib
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from typer.testing import CliRunner

from registry_pipeline.cli import app
from registry_pipeline.commands.operate import run_job
from registry_pipeline.disclosure.checks import differences
from registry_pipeline.home import Home, HomeBusyError
from registry_pipeline.operation.instance import prepare_instance
from registry_pipeline.operation.reconcile import was_killed
from registry_pipeline.warehouse import rewrite
from registry_pipeline.warehouse.database import connect, connect_published
from registry_pipeline.warehouse.faults import DamagedStoreError
from registry_pipeline.warehouse.witness import prove_whole

FULL = "the disk is full; what was taken in is intact: make room and run again"


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """A disk of so many bytes on a folder, where mounting is permitted; says whether it is."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def limit_files(size: int) -> None:
    """In the child: no file grows beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def size_of(home: Home) -> int:
    return sum(path.stat().st_size for path in home.path.rglob("*") if path.is_file())


@pytest.mark.hazard(
    "disk full at each of them",
    "one sentence; with room again the next run gives every table as undisturbed",
)
@pytest.mark.parametrize("room_kib", [64, 700, 2500, 5000])
def test_a_full_disk(undisturbed: Any, tmp_path: Path, room_kib: int) -> None:
    """From no room for the first file to hardly enough for the publication."""
    size = size_of(undisturbed.before) + (room_kib << 10)
    with small_disk(tmp_path / "disk", size) as mounted:
        home = undisturbed.home(tmp_path / "disk" / "home")
        if mounted:
            done = undisturbed.run(home)
        else:
            done = undisturbed.run(home, preexec_fn=lambda: limit_files(room_kib << 10))
        assert done.returncode == 1, done.stderr
        assert done.stderr.strip().splitlines()[-1] == f"DiskFullError: {home.path}: {FULL}"
        moved = Home(tmp_path / "home")
        shutil.copytree(home.path, moved.path)
    prove_whole(moved)
    assert undisturbed.run(moved).returncode == 0
    undisturbed.assert_like(moved)


def test_a_file_size_limit_is_told_as_a_full_disk(undisturbed: Any, tmp_path: Path) -> None:
    home = undisturbed.home(tmp_path / "home")
    largest = undisturbed.before.database.stat().st_size // 2
    done = undisturbed.run(home, preexec_fn=lambda: limit_files(largest))
    assert done.stderr.strip().splitlines()[-1] == f"DiskFullError: {home.path}: {FULL}"


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_rewriting_that_finds_no_room_leaves_none_taken(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = undisturbed.home(tmp_path / "home")
    monkeypatch.setattr(rewrite, "_to_disk", no_space)
    with pytest.raises(OSError, match="No space left"):
        rewrite.rewrite(home, lambda *_: {})
    assert not list(home.path.glob("registry.duckdb.new*"))
    prove_whole(home)


@pytest.mark.parametrize("what_is_full", ["prepare_instance", "write_text"])
def test_a_run_makes_room_of_what_a_killed_one_left_before_it_needs_any(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what_is_full: str
) -> None:
    home = undisturbed.home(tmp_path / "home")
    left = (home.rewritten, home.published / "analysis.duckdb.tmp", home.staging / "0")
    for file in left:
        file.parent.mkdir(exist_ok=True, parents=True)
        file.touch()
    if what_is_full == "write_text":
        monkeypatch.setattr(Path, "write_text", no_space)
    monkeypatch.setattr("registry_pipeline.commands.operate.prepare_instance", no_space)
    with pytest.raises(OSError, match="No space left"):
        run_job(home, None)
    assert not any(file.exists() for file in left)


def test_what_another_run_is_writing_is_let_be(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = undisturbed.home(tmp_path / "home")
    monkeypatch.setattr("registry_pipeline.commands.operate.prepare_instance", no_space)
    with home.lock():
        home.rewritten.touch()
        with pytest.raises(OSError, match="No space left"):
            run_job(home, None)
    assert home.rewritten.exists()


def test_status_tells_what_it_can_where_the_records_of_runs_do_not_open(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = undisturbed.home(tmp_path / "home")
    monkeypatch.setattr("registry_pipeline.commands.status.prepare_instance", no_space)
    told = CliRunner().invoke(app, ["status", "--home", str(home.path)])
    assert told.exit_code == 1
    lines = told.output.splitlines()
    assert lines[0].endswith("MiB free on its disk")
    assert "Deliveries" in told.output
    assert lines[-1] == "no space left on device"


def damaged(file: Path) -> None:
    """Flips bytes of each block of a database file."""
    content = bytearray(file.read_bytes())
    for place in range(4096, len(content), 1 << 18):
        content[place : place + 64] = bytes(byte ^ 255 for byte in content[place : place + 64])
    file.write_bytes(content)


def commanded(home: Home, *command: str) -> str:
    """What a command that fails says on standard error, to the last line."""
    registry = Path(sys.executable).with_name("registry")
    arguments = [str(registry), command[0], "--home", str(home.path), *command[1:]]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr.strip()


def test_a_home_whose_database_is_lost_is_not_taken_for_a_new_one(
    undisturbed: Any, tmp_path: Path
) -> None:
    home = undisturbed.home(tmp_path / "home")
    home.database.unlink()
    assert commanded(home, "status") == (
        f"{home.database}: lost, and files were taken in: restore the home from a backup"
    )


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("withdraw", "--patient", "LX-0001", "--protocol", "lar_x"),
        ("rotate-key",),
    ],
)
def test_every_command_says_in_one_sentence_that_the_store_is_damaged(
    undisturbed: Any, tmp_path: Path, command: tuple[str, ...]
) -> None:
    home = undisturbed.home(tmp_path / "home")
    damaged(home.database)
    assert commanded(home, *command) == (
        f"{home.database}: damaged; nothing was changed or deleted: restore the home from a backup"
    )


def test_a_damaged_published_file_is_not_taken_for_a_damaged_registry(
    undisturbed: Any, tmp_path: Path
) -> None:
    home = undisturbed.home(tmp_path / "home")
    assert undisturbed.run(home).returncode == 0
    damaged(home.analysis)
    sentence = (
        f"{home.analysis}: damaged; the registry itself is not: move this file away and run "
        "again, which publishes anew"
    )
    with connect(home) as connection, pytest.raises(DamagedStoreError) as told:
        differences(connection, home)
    assert str(told.value) == sentence
    to = str(tmp_path / "national.csv")
    assert commanded(home, "deliver", "--year", "2014", "--to", to) == sentence
    home.analysis.unlink()
    assert undisturbed.run(home).returncode == 0
    with connect_published(home) as published:
        assert published.execute("FROM meta.publication").fetchall()


def test_damaged_records_of_runs_are_told_and_can_be_begun_anew(
    undisturbed: Any, tmp_path: Path
) -> None:
    home = undisturbed.home(tmp_path / "home")
    prepare_instance(home)
    (home.instance / "history" / "runs.db").write_bytes(b"no database" * 999)
    assert commanded(home, "status").startswith(
        f"{home.instance}: the records of the runs are damaged; the registry itself is not"
    )
    shutil.rmtree(home.instance)
    prepare_instance(home)


@pytest.fixture
def with_log(undisturbed: Any, tmp_path: Path) -> Home:
    """A home whose last commits stand in the write-ahead log alone."""
    home = undisturbed.home(tmp_path / "home")
    assert undisturbed.run(home, "INSERT INTO meta.delivery@5").returncode == -9
    assert log_of(home).stat().st_size > 0
    prove_whole(home)
    return home


def log_of(home: Home) -> Path:
    return home.database.with_name("registry.duckdb.wal")


def content(home: Home) -> dict[str, str]:
    """The bytes of the store, as hashes."""
    files = [home.database, home.witness, *([log_of(home)] if log_of(home).exists() else [])]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def refuses(undisturbed: Any, home: Home) -> str:
    """What a run says of a damaged store, which it leaves as it is."""
    before = content(home)
    done = undisturbed.run(home)
    assert done.returncode == 1, done.stderr
    assert content(home) == before
    kind, sentence = done.stderr.strip().splitlines()[-1].split(": ", 1)
    assert kind == "DamagedStoreError"
    return str(sentence)


@pytest.mark.hazard(
    "corrupt or missing WAL or block", "refused, the file named; not a byte of the store changed"
)
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped early", "flipped late"])
def test_a_damaged_write_ahead_log(undisturbed: Any, with_log: Home, damage: str) -> None:
    log = log_of(with_log)
    whole = bytearray(log.read_bytes())
    if damage == "missing":
        log.unlink()
    elif damage == "cut":
        log.write_bytes(whole[: len(whole) // 2])
    else:
        place = len(whole) // 10 if damage == "flipped early" else 6 * len(whole) // 10
        whole[place] ^= 0xFF
        log.write_bytes(whole)
    assert "registry.duckdb" in refuses(undisturbed, with_log)


@pytest.mark.hazard(
    "corrupt or missing WAL or block", "refused, the file named; not a byte of the store changed"
)
def test_a_damaged_block(undisturbed: Any, tmp_path: Path) -> None:
    home = undisturbed.home(tmp_path / "home")
    whole = bytearray(home.database.read_bytes())
    for place in range(12_288 + 4096, len(whole), 262_144):
        whole[place] ^= 0xFF
    home.database.write_bytes(whole)
    assert "registry.duckdb: damaged; nothing was changed" in refuses(undisturbed, home)


def test_a_lost_database(undisturbed: Any, tmp_path: Path) -> None:
    home = undisturbed.home(tmp_path / "home")
    home.database.unlink()
    with pytest.raises(DamagedStoreError, match="files were taken in and the ledger holds 0"):
        prove_whole(home)
    assert not home.database.exists()


def test_rows_the_ledger_does_not_know(undisturbed: Any, tmp_path: Path) -> None:
    home = undisturbed.home(tmp_path / "home")
    with duckdb.connect(home.database) as connection:
        connection.execute("DELETE FROM intake.interviews WHERE row_number = 1")
    with pytest.raises(DamagedStoreError, match=r"the ledger and the tables differ.*interviews"):
        prove_whole(home)


def test_a_run_that_counts_as_running_and_has_no_process_was_killed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    run = dg.DagsterRun("registry", status=dg.DagsterRunStatus.STARTED)
    with home.alive(run.run_id):
        assert not was_killed(run, home)
    assert was_killed(run, home)
    assert not was_killed(dg.DagsterRun("registry", status=dg.DagsterRunStatus.SUCCESS), home)


@pytest.mark.hazard("writer lock held", "waits so long as it is told, then names the holder")
def test_a_held_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    said = r"another run holds this home: the night shift, process \d+; waited 0\.2 seconds"
    with home.lock(holder="the night shift"):
        assert home.holder.startswith("the night shift, process")
        with pytest.raises(HomeBusyError, match=said), Home(home.path).lock(0.2):
            pass
    assert home.holder == ""
    (home.path / ".holder").write_text("one that was killed", encoding="utf-8")
    assert home.holder == ""
    with Home(home.path).lock():
        pass
