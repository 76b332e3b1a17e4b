"""A person leaves by a delivery or by command, and the registry is as if they had never come."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl
import polars.testing
import pytest
from typer.testing import CliRunner

from registry_pipeline.cli import app
from registry_pipeline.commands.operate import run_job
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.pseudonym import read_key
from registry_pipeline.home import Home
from registry_pipeline.keys import rotate
from registry_pipeline.warehouse.database import connect
from registry_pipeline.warehouse.publish import publish
from schemas.catalog import published_tables
from schemas.protocol import load_shipped

WITHDRAWAL = Path(__file__).parents[2] / "data" / "sample" / "withdrawal"
BY_DELIVERY = "LX-0303"
"""The person of that delivery."""

runner = CliRunner()


def pseudonym(home: Home, local_id: str) -> str:
    persons = Persons(load_shipped("lar_x"), read_key(home.key_file))
    return str(persons.apply(pl.Series([local_id]))["pseudonym"].item())


@contextmanager
def published(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file as a process that starts now would see it: this one has seen others."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(home.analysis, folder)
        with duckdb.connect(copy, read_only=True) as connection:
            yield connection


def dump(home: Home) -> dict[str, pl.DataFrame]:
    with published(home) as connection:
        frames = {
            name: connection.sql(f"SELECT * FROM {name}").pl()
            for name in published_tables()
            if name not in {"meta.publication", "meta.built"}  # how it was made, not what it is
        }
    return {name: frame.sort(frame.columns, nulls_last=True) for name, frame in frames.items()}


def enrolled(home: Home) -> tuple[int, ...]:
    with published(home) as connection:
        return connection.execute(
            "SELECT count(*), count(*) FILTER (enrolled) FROM core.patient WHERE cohort = 'lar_x'"
        ).fetchall()[0]


@pytest.fixture(scope="module")
def home(built: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The built home after the delivery that asks for an erasure."""
    place = Home(tmp_path_factory.mktemp("withdrawal") / "home")
    shutil.copytree(built.path, place.path)
    assert enrolled(place) == (328, 70)
    outcome = run_job(place, WITHDRAWAL)
    assert outcome.errors == []
    assert outcome.red_checks == []
    assert outcome.deliveries == ["lar_x/2016-Q3-2"]
    return place


def test_a_row_of_withdrawals_erases_in_the_run(home: Home) -> None:
    assert enrolled(home) == (327, 69)
    (proof,) = home.erasures.glob("*.json")
    assert json.loads(proof.read_text())["not_searched_for"] == []  # the run knew the id
    assert list(home.erasures.glob("*.waiting")) == []
    code = pseudonym(home, BY_DELIVERY).encode()
    for path in home.path.rglob("*"):
        assert not path.is_file() or code not in path.read_bytes(), path.name
    with published(home) as connection:
        wrong = connection.execute(
            "FROM meta.delivery WHERE n_received <> n_accepted + n_quarantined"
        ).fetchall()
        line = connection.execute(
            "SELECT n_received, n_erased FROM meta.delivery WHERE form = 'withdrawals'"
        ).fetchall()
    assert (wrong, line) == ([], [(0, 1)])


def test_the_command_erases_and_all_tables_are_as_built_anew(home: Home, sample: Path) -> None:
    patients = pl.read_csv(sample / "lar_x" / "2014-Q2" / "patients.csv", infer_schema=False)
    left = patients.filter(pl.col("consent") == "consented", pl.col("patient_id") != BY_DELIVERY)
    leaver = str(left["patient_id"][0])
    arguments = ["withdraw", "--home", str(home.path), "--protocol", "lar_x", "--patient"]
    result = runner.invoke(app, [*arguments, "-"], input=f"{leaver}\n")
    assert result.exit_code == 0, result.output
    assert leaver not in result.output
    assert enrolled(home) == (326, 68)
    proofs = sorted(home.erasures.glob("*.json"))
    assert len(proofs) == 2
    cut = dump(home)
    assert run_job(home, None).success
    for name, frame in dump(home).items():
        pl.testing.assert_frame_equal(frame, cut[name], rel_tol=1e-12, abs_tol=1e-12)
    for proof in proofs:
        checked = runner.invoke(app, ["check-proof", "--home", str(home.path), str(proof)])
        assert checked.exit_code == 0
        assert "genuine" in checked.output
    proof.write_text(proof.read_text().replace("lar_x", "lar_y").replace("command", "nobody"))
    assert runner.invoke(app, ["check-proof", "--home", str(home.path), str(proof)]).exit_code == 1


def test_rotation_by_command_keeps_every_count(home: Home) -> None:
    before, people = read_key(home.key_file), enrolled(home)
    code = pseudonym(home, "LX-0001")
    result = runner.invoke(app, ["rotate-key", "--home", str(home.path)])
    assert result.exit_code == 0, result.output
    after = read_key(home.key_file)
    assert f"The key {before.key_id} is followed by {after.key_id}" in result.output
    assert enrolled(home) == people
    with published(home) as connection:
        assert connection.execute(
            "SELECT count(*) FROM core.patient WHERE patient_id = ?", [pseudonym(home, "LX-0001")]
        ).fetchall() == [(1,)]
    assert code.encode() not in home.database.read_bytes()
    assert not list(home.snapshots.iterdir())  # published under the old key


def test_a_file_of_the_key_before_becomes_no_snapshot(built: Home, tmp_path: Path) -> None:
    """Also where the run that follows the rotation fails, and the next one publishes."""
    home = Home(tmp_path / "home")
    shutil.copytree(built.path, home.path)
    shutil.rmtree(home.snapshots)
    home.prepare()
    rotate(home, read_key(home.key_file))
    kept = []
    for run in ("first", "second"):
        with connect(home) as connection:
            publish(connection, home, run)
        kept.append(len(list(home.snapshots.iterdir())))
    assert kept == [0, 1]


def test_a_proof_cannot_be_checked_without_the_key(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_KEY_FILE", str(tmp_path / "no.key"))
    proof = next(home.erasures.glob("*.json"))
    result = runner.invoke(app, ["check-proof", "--home", str(home.path), str(proof)])
    assert result.output.replace("\n", "") == f"{tmp_path / 'no.key'}: no such file or directory"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["withdraw", "--patient", "NOBODY-9", "--protocol", "lar_x"], "no row of this person"),
        (["withdraw", "--patient", "15076500565"], "say whose local id it is, with --protocol"),
        (["withdraw", "--patient", "X", "--protocol", "nobody"], "nobody: unknown protocol"),
        (["check-proof", "nowhere.json"], "nowhere.json: there is no such file"),
    ],
)
def test_a_request_that_cannot_be_meant_is_one_sentence(
    home: Home, arguments: list[str], said: str
) -> None:
    result = runner.invoke(app, [arguments[0], "--home", str(home.path), *arguments[1:]])
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
    assert "15076500565" not in result.output
