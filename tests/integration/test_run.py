"""The whole job over the sample: margins, tables, accounting, repetition."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import polars.testing
import pytest
from typer.testing import CliRunner

from registry_pipeline.cli import app
from registry_pipeline.commands.operate import Outcome, run_job
from registry_pipeline.gate.identity import find_identity
from registry_pipeline.home import Home
from registry_pipeline.operation.instance import prepare_instance
from registry_pipeline.operation.notices import Notice
from schemas.catalog import published_tables

CLOCK = {"meta.delivery": ["received_at"], "meta.publication": ["version", "run_id"]}
"""What two runs over the same deliveries may differ in."""


def query(home: Home, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(home.analysis, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def dump(home: Home) -> dict[str, pl.DataFrame]:
    """Every published table, without the clock, in an order of its own."""
    with duckdb.connect(home.analysis, read_only=True) as connection:
        frames = {name: connection.sql(f"SELECT * FROM {name}").pl() for name in published_tables()}
    told = {name: frame.drop(CLOCK.get(name, [])) for name, frame in frames.items()}
    return {name: frame.sort(frame.columns, nulls_last=True) for name, frame in told.items()}


def assert_same(left: dict[str, pl.DataFrame], right: dict[str, pl.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name, frame in left.items():
        pl.testing.assert_frame_equal(frame, right[name], rel_tol=1e-12, abs_tol=1e-12)


def test_the_run_is_green(built_run: tuple[Home, Outcome]) -> None:
    _, outcome = built_run
    assert outcome.errors == []
    assert outcome.red_checks == []
    assert outcome.success


def test_the_published_margins(built: Home) -> None:
    enrolled = query(
        built,
        "SELECT count(*), count(*) FILTER (enrolled), count(*) FILTER (enrolled AND sex = 'male'), "
        "count(*) FILTER (enrolled AND sex = 'female') FROM core.patient WHERE cohort = 'lar_x'",
    )
    assert enrolled == [(328, 70, 45, 25)]
    waves = query(built, "SELECT count(DISTINCT wave), max(wave) FROM core.visit")
    assert waves == [(9, 8)]


@pytest.mark.parametrize(
    "table", ["derived.retention_curve", "derived.outcome_by_pathway", "quality.indicator"]
)
def test_low_coverage_is_marked_from_the_first_run_on(built: Home, table: str) -> None:
    prepare_instance(built)
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(table.split(".")))
    assert event is not None
    assert event.asset_materialization is not None
    page = str(event.asset_materialization.metadata["chart and table"].value)
    assert "**Pilot cohort, low coverage / pilotkohort, lav dekning**" in page


def test_coverage_is_as_the_domain_notes_say(built: Home) -> None:
    rows = query(
        built,
        'SELECT n, denominator, share, ci_low, ci_high FROM derived.enrolment WHERE "group" = '
        "'consented' AND sex = 'all' AND age_group = 'all'",
    )
    (n, denominator, share, low, high) = rows[0]
    assert (n, denominator) == (70, 328)
    assert (share, low, high) == pytest.approx((0.213, 0.173, 0.261), abs=5e-4)


def test_every_table_of_the_contract_is_published_and_commented(built: Home) -> None:
    rows = query(built, "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables()")
    assert {name for name, _ in rows} == set(published_tables())
    assert all(comment for _, comment in rows)
    bare = query(
        built,
        "SELECT count(*) FROM duckdb_columns() WHERE comment IS NULL AND NOT internal",
    )
    assert bare == [(0,)]


def test_a_number_that_is_null_has_its_reason_and_none_is_infinite(built: Home) -> None:
    """In every derived table; a reason stands for the whole row."""
    numbers = query(
        built,
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE schema_name = 'derived' AND data_type = 'DOUBLE'",
    )
    assert len({table for table, _ in numbers}) > 20
    for table, column in numbers:
        [(silent, infinite)] = query(
            built,
            f"SELECT count(*) FILTER ({column} IS NULL AND reason IS NULL), "
            f"count(*) FILTER (NOT isfinite({column})) FROM derived.{table}",
        )
        assert (table, column, silent, infinite) == (table, column, 0, 0)


def test_received_is_accepted_plus_quarantined(built: Home) -> None:
    wrong = query(
        built,
        "SELECT * FROM meta.delivery WHERE n_received <> n_accepted + n_quarantined",
    )
    assert wrong == []
    assert query(built, "SELECT count(*) FROM meta.delivery WHERE status = 'refused'") == [(0,)]


def test_every_kind_of_quarantine_and_holding_is_in_the_sample(built: Home) -> None:
    quarantined = {row[0] for row in query(built, "SELECT rule_id FROM meta.quarantine")}
    held = {row[0] for row in query(built, "SELECT rule_id FROM meta.held")}
    assert {"missing_required", "unknown_code", "out_of_range", "identity_number"} <= quarantined
    assert {
        "unknown_person",
        "not_consented",
        "interview_before_consent",
        "after_death",
        "after_cutoff",
    } <= held


def test_no_identity_number_in_any_published_text(built: Home) -> None:
    for name, frame in dump(built).items():
        for column in frame.select(pl.col(pl.String)).iter_columns():
            assert not find_identity(column).any(), f"{name}.{column.name}"


def test_the_same_deliveries_again_change_nothing(
    built: Home, sample: Path, tmp_path: Path
) -> None:
    again = Home(tmp_path / "home")
    shutil.copytree(built.path, again.path)
    before = dump(again)
    outcome = run_job(again, sample)
    assert outcome.success
    assert_same(before, dump(again))
    (snapshot,) = again.snapshots.iterdir()
    assert snapshot.name == "analysis-000001.duckdb"
    assert query(again, "SELECT version FROM meta.publication") == [(2,)]
    with duckdb.connect(snapshot, read_only=True) as connection:
        assert connection.execute("SELECT version FROM meta.publication").fetchall() == [(1,)]


def test_two_homes_agree_but_for_the_pseudonyms(
    built: Home, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    shutil.copy(built.key_file, key)
    monkeypatch.setenv("REGISTRY_KEY_FILE", str(key))
    other = Home(tmp_path / "home")
    assert run_job(other, sample).success
    assert_same(dump(built), dump(other))


def test_an_analyst_reads_while_the_next_run_goes_on(
    built: Home, sample: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(built.path, home.path)
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True);"
        "print(c.execute('SELECT count(*) FROM core.patient').fetchone()[0], flush=True);"
        "input(); print(c.execute('SELECT count(*) FROM core.patient').fetchone()[0])"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", script, str(home.analysis)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "328\n"
        assert run_job(home, sample).success
        rest, _ = reader.communicate("\n")
        assert rest == "328\n"


@pytest.mark.hazard(
    "the Dagster process killed",
    "marked failed, its slot freed; every published table as undisturbed",
)
@pytest.mark.hazard(
    "killed after commit before the run is marked", "the next run takes nothing in twice"
)
def test_a_run_killed_between_any_two_steps_is_repeated(
    built: Home, sample: Path, tmp_path: Path
) -> None:
    """Each attempt over the same home dies one step later than the one before."""
    home = Home(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    shutil.copy(built.key_file, home.key_file)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from registry_pipeline.home import Home\n"
        "from registry_pipeline.commands.operate import run_job\n"
        "def observe(step, done, total):\n"
        "    if step == sys.argv[3]: os.kill(os.getpid(), 9)\n"
        "run_job(Home(Path(sys.argv[1])), Path(sys.argv[2]), observer=observe)\n"
    )
    for step in ("intake", "core", "retention", "trajectories", "pathways", "quality"):
        killed = subprocess.run(
            [sys.executable, "-c", script, str(home.path), str(sample), step],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            check=False,
            timeout=300,
        )
        assert killed.returncode == -9, step
    status = CliRunner().invoke(app, ["status", "--home", str(home.path)])
    assert status.exit_code == 0
    assert "KILLED" in status.output
    assert "not reached" in status.output
    outcome = run_job(home, sample)
    assert outcome.success
    (killed,) = outcome.killed  # each run tells of the one before it
    assert killed.startswith("the whole job before this one was killed: run ")
    assert_same(dump(built), dump(home))
    prepare_instance(home)
    with dg.DagsterInstance.get() as instance:
        statuses = [run.status for run in instance.get_runs()]
    assert statuses == [dg.DagsterRunStatus.SUCCESS, *[dg.DagsterRunStatus.FAILURE] * 6]


def test_a_run_that_a_person_stops_is_not_told_of_as_killed(
    built: Home, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Notice] = []
    monkeypatch.setattr("registry_pipeline.operation.notices.log", told.append)
    home = Home(tmp_path / "home")
    shutil.copytree(built.path, home.path)
    arguments = ["run", "--landing", str(sample), "--home", str(home.path)]
    with subprocess.Popen(
        [Path(sys.executable).with_name("registry"), *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    ) as one:
        assert one.stdout is not None
        assert "1/13" in one.stdout.readline()
        one.send_signal(signal.SIGINT)
    assert one.returncode == 128 + signal.SIGINT
    status = CliRunner().invoke(app, ["status", "--home", str(home.path)]).output
    assert "STOPPED (the next run goes on), the whole job" in status
    outcome = run_job(home, sample)
    assert outcome.success
    (stopped,) = outcome.killed
    assert stopped.startswith("the whole job before this one was stopped: run ")
    assert told == []
    assert not list(home.running.iterdir())
    prepare_instance(home)
    with dg.DagsterInstance.get() as instance:
        statuses = [run.status for run in instance.get_runs(limit=2)]
    assert statuses == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED]
