"""The command line: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest
import sqlalchemy
from rich.console import Console
from typer.testing import CliRunner

from registry_pipeline.cli import app
from registry_pipeline.commands.printing import show
from registry_pipeline.commands.report_card import print_report_card
from registry_pipeline.commands.serving import serve
from registry_pipeline.commands.telling import JsonTeller
from registry_pipeline.commands.withdraw import Withdrawn
from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import connect
from schemas.protocol import shipped_text

runner = CliRunner()


def test_a_run_with_a_refused_file_names_it_and_goes_on(tmp_path: Path, sample: Path) -> None:
    landing = tmp_path / "landing"
    shutil.copytree(sample / "lar_x" / "2014-Q2", landing / "lar_x" / "2014-Q2")
    manifest = landing / "lar_x" / "2014-Q2" / "delivery.toml"
    manifest.write_text(manifest.read_text().replace("interviews = 71", "interviews = 72"))
    (manifest.parent / "notes.txt").touch()
    home = tmp_path / "home"
    result = runner.invoke(app, ["run", "--landing", str(landing), "--home", str(home)])
    assert result.exit_code == 1
    assert len(re.findall(r"^lar_x +2014-Q2 +", result.output, re.MULTILINE)) == 1
    assert "lar_x/2014-Q2/interviews.csv" in result.output
    assert "control_total" in result.output
    assert "A pseudonym key was made" in result.output
    assert (home / "published" / "analysis.duckdb").exists()
    key = home / "pseudonym.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    close = ["close", "--home", str(home), "--delivery", "lar_x/2014-Q2"]
    status = runner.invoke(app, ["status", "--home", str(home)])
    assert f"registry close --home {home} --delivery COHORT/DELIVERY" in status.output
    closed = runner.invoke(app, close)
    assert (closed.exit_code, closed.output.count("control_total")) == (0, 1)
    assert "Refused: none" in runner.invoke(app, ["status", "--home", str(home)]).output
    again = runner.invoke(app, close)
    assert (again.exit_code, again.output.count("no refusal of this delivery is open")) == (1, 1)


def test_help_does_not_wait_for_what_the_command_would_import() -> None:
    asked = (
        "import sys; from registry_pipeline.cli import app\n"
        "try: app(['run', '--help'])\n"
        "except SystemExit: sys.exit('dagster' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, text=True)
    assert "--landing" in told.stdout


def test_status_tells_deliveries_quarantine_waves_and_the_last_run(built: Home) -> None:
    result = runner.invoke(app, ["status", "--home", str(built.path)])
    assert result.exit_code == 0
    said = "Deliveries 2016-Q3 Quarantine unknown_code after_death Waves SUCCESS whole Red nobody"
    for word in said.split():
        assert word in result.output, word
    assert "out_of_range" not in result.output  # the correction of the quarter set it right
    assert result.output.count("\n") <= 50
    every = runner.invoke(app, ["status", "--home", str(built.path), "--deliveries"])
    assert "2016-Q2-2" in every.output


def test_status_tells_a_warning_from_a_red_check(
    built: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry_pipeline.commands.status.MOST", 2)
    said = runner.invoke(app, ["status", "--home", str(built.path)]).output.splitlines()
    assert "Red checks: none" in said  # the run was green
    title = next(i for i, line in enumerate(said) if line.startswith("Warnings, to be reviewed"))
    columns, *warned, more = said[title + 1 :]
    assert columns.split() == ["table", "check"]
    assert [line.split()[0] for line in warned] == ["quality.data_quality"] * 2
    assert re.fullmatch(r"and \d+ more", more)


def test_status_of_a_home_of_an_older_version_says_so(built: Home, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(built.path, home.path)
    with connect(home) as connection:
        connection.execute("ALTER TABLE meta.delivery DROP COLUMN closed_on")
    result = runner.invoke(app, ["status", "--home", str(home.path)])
    assert result.exit_code == 0
    assert f"{home.path}: filled by an older version: registry run" in result.output
    assert "Red checks: none" in result.output


@pytest.mark.usefixtures("held_elsewhere")
def test_status_during_the_first_run_is_no_error(home: Home) -> None:
    for more in ([], ["--deliveries"]):
        result = runner.invoke(app, ["status", "--home", str(home.path), *more])
        assert result.exit_code == 0, result.output
        assert "A run goes on: what follows is known when it ends" in result.output


def test_an_id_on_standard_input_may_be_spaced(
    built: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def withdrawn(_home: Home, ids: list[str], *_: object, **__: object) -> Withdrawn:
        asked.extend(ids)
        return Withdrawn()

    monkeypatch.setattr("registry_pipeline.commands.withdraw.withdraw_people", withdrawn)
    arguments = ["withdraw", "--home", str(built.path), "--patient", "-"]
    assert runner.invoke(app, arguments, input="\n010190 10046\nA 1\n").exit_code == 0
    assert asked == ["010190 10046", "A 1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["run", "--landing", "nowhere", "--home", "x"],
            "there is no such landing folder",
        ),
        (
            ["run", "--landing", ".", "--home", "x", "--as-of", "2015-2"],
            "--as-of takes a quarter, as in 2015-Q2",
        ),
        (["run", "--landing", "/dev/null", "--home", "x"], "there is no such landing folder"),
        (["run", "--landing", ".", "--home", "/dev/null"], "/dev/null/dagster: not a directory"),
        (
            ["run", "--landing", ".", "--home", "x", "--dry-run", "--log", "json"],
            "leave --log json out",
        ),
        (
            ["run", "--landing", ".", "--home", "x", "--dry-run", "--as-of", "2015-Q2"],
            "leave --as-of out",
        ),
        (["close", "--home", "nowhere", "--delivery", "lar_x/1"], "nowhere: nothing has been"),
        (["status", "--home", "nowhere"], "nowhere: nothing has been taken in here yet"),
        (["ui", "--home", "nowhere"], "nowhere: nothing has been taken in here yet"),
        (["ui", "--host", "no.host.invalid"], "no.host.invalid:3000: "),
        (["ui", "--home", "x", "--operate"], "--landing or REGISTRY_LANDING says from where"),
        (["ui", "--operate", "--landing", "none"], "none: there is no such landing folder"),
        (["synth", "--out", "x", "--patients", "5", "--protocol", "no"], "no: unknown protocol"),
        (["synth", "--out", "/dev/null", "--patients", "5"], "not a directory"),
        (["import-ctn0027", "--from", ".", "--out", "x"], "neither everybody.csv nor"),
        (
            ["import-ctn0027", "--from", ".", "--out", "x", "--drop-out", "never"],
            "--drop-out is one of last-dose, four-missing-weeks",
        ),
    ],
)
def test_a_wrong_word_gives_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_the_ui_names_a_taken_port_and_makes_no_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["ui", "--home", str(home), "--operate", "--port", str(port)]
        arguments += ["--landing", str(tmp_path)]
        result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert f"127.0.0.1:{port}: address already in use" in result.output
    assert result.output.count("\n") == 1
    assert not home.exists()


def test_what_the_ui_launches_works_on_the_home_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_HOME", str(tmp_path / "another"))
    monkeypatch.setenv("REGISTRY_LANDING", "landing")
    (tmp_path / "landing").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.chdir(tmp_path)
    told: list[tuple[str, str]] = []

    def ended_at_once(command: list[str]) -> subprocess.Popen[bytes]:
        told.append((os.environ["REGISTRY_HOME"], os.environ["REGISTRY_LANDING"]))
        return started(["true"])

    started = subprocess.Popen
    monkeypatch.setattr("registry_pipeline.commands.serving.subprocess.Popen", ended_at_once)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    usual = signal.getsignal(signal.SIGTERM)
    result = runner.invoke(app, ["ui", "--home", "home", "--operate", "--port", port])
    signal.signal(signal.SIGTERM, usual)
    assert told == [(str(tmp_path / "home"), str(tmp_path / "landing"))] * 3
    assert f"{tmp_path / 'landing'}" in result.output


def test_a_daemon_that_dies_takes_the_page_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_HOME", "")
    monkeypatch.setenv("DAGSTER_HOME", "")
    children: list[subprocess.Popen[bytes]] = []
    started = subprocess.Popen

    def served(command: list[str]) -> subprocess.Popen[bytes]:
        lives = "kill -9 $$" if command[0].endswith("dagster-daemon") else "exec sleep 600"
        if "grpc" in command:
            lives = f"touch {command[-1]}; {lives}"
        children.append(started(["sh", "-c", lives]))
        return children[-1]

    monkeypatch.setattr("registry_pipeline.commands.serving.subprocess.Popen", served)
    usual = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("REGISTRY_LANDING", "")
    code = serve(Home(tmp_path / "home"), tmp_path, host="127.0.0.1", port=1)
    signal.signal(signal.SIGTERM, usual)
    assert code == 128 + signal.SIGKILL
    code_server, daemon, page = (child.returncode for child in children)
    assert (daemon, code_server, page) == (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGTERM)


def test_records_that_cannot_be_written_are_one_sentence(
    built: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opens_nothing(*_: object) -> None:
        with sqlalchemy.create_engine(f"sqlite:///{built.path}/none/there.db").connect():
            pass

    monkeypatch.setattr("registry_pipeline.commands.status.print_status", opens_nothing)
    result = runner.invoke(app, ["status", "--home", str(built.path)])
    assert result.exit_code == 1
    assert "the records of the runs cannot be opened or written" in result.output
    assert result.output.count("\n") == 1


def test_an_unknown_protocol_file_is_named(tmp_path: Path, sample: Path) -> None:
    arguments = ["run", "--landing", str(sample), "--home", str(tmp_path / "home")]
    result = runner.invoke(app, [*arguments, "--protocol", str(tmp_path / "mine.toml")])
    assert result.exit_code == 1
    assert "there is no such protocol" in result.output


@pytest.mark.parametrize(
    ("content", "said"), [(b'id = "mine"', "mine.toml: "), (b"\xff", "not a text in UTF-8")]
)
def test_a_bad_protocol_is_told_also_when_nothing_came(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "mine.toml").write_bytes(content)
    arguments = ["run", "--landing", str(tmp_path / "landing"), "--home", str(tmp_path / "home")]
    result = runner.invoke(app, [*arguments, "--protocol", str(tmp_path / "mine.toml")])
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_protocol_of_which_nothing_is_there_is_told(tmp_path: Path, sample: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(shipped_text("lar_x").replace('id = "lar_x"', 'id = "mine"', 1), "utf-8")
    arguments = ["run", "--landing", str(sample), "--home", str(tmp_path / "home")]
    result = runner.invoke(app, [*arguments, "--protocol", str(mine)])
    assert result.exit_code == 1
    assert "is protocol mine, and no delivery of it is in" in " ".join(result.output.split())


def test_a_second_run_on_a_held_home_says_so(tmp_path: Path, sample: Path) -> None:
    home = Home(tmp_path / "home")
    with home.lock(holder="the night shift"):
        arguments = ["run", "--landing", str(sample), "--home", str(home.path), "--wait", "0"]
        result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert "another run holds this home: the night shift, process" in result.output
    assert "waited 0 seconds" in result.output


@pytest.mark.parametrize(
    ("command", "then"),
    [
        (["withdraw", "--protocol", "lar_x", "--patient", "NOBODY"], "no row of"),
        (["rotate-key"], "an erasure is not finished"),
    ],
)
def test_what_writes_waits_for_a_run_and_says_at_once_for_whom(
    built: Home, tmp_path: Path, command: list[str], then: str
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(built.path, home.path)
    (home.erasures / "one.waiting").parent.mkdir(exist_ok=True)
    (home.erasures / "one.waiting").touch()
    is_held = threading.Event()

    def hold() -> None:
        with home.lock(holder="the night shift"):
            is_held.set()
            time.sleep(1)

    night_shift = threading.Thread(target=hold)
    night_shift.start()
    assert is_held.wait(10)
    result = runner.invoke(app, [*command, "--home", str(home.path)])
    night_shift.join()
    assert result.exit_code == 1
    first, second = result.output.splitlines()
    assert first.startswith(f"{home.path}: waits up to 60 seconds for the night shift, process ")
    assert then in second


def test_runs_before_the_first_delivery_end_well_and_tell_what_waits(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "lar_x" / "2014-Q2"
    folder.mkdir(parents=True)
    (folder / "patients.csv").write_text("patient_id,consent\nA1,consented\n")
    arguments = ["run", "--landing", str(tmp_path / "landing"), "--home", str(tmp_path / "home")]
    for more in ([], [], ["--dry-run"]):
        result = runner.invoke(app, [*arguments, *more])
        assert result.exit_code == 0, result.output
        assert "lar_x/2014-Q2: waits, since it has no delivery.toml" in result.output


def one_delivery(tmp_path: Path, sample: Path) -> Path:
    """A landing folder with the first delivery of the sample."""
    landing = tmp_path / "landing"
    shutil.copytree(sample / "lar_x" / "2014-Q3", landing / "lar_x" / "2014-Q3")
    return landing


def test_a_home_of_other_letters_under_a_locale_without_them(built: Home, tmp_path: Path) -> None:
    home = tmp_path / "hjemmet på Ås"
    shutil.copytree(built.path, home)
    told = subprocess.run(
        [Path(sys.executable).with_name("registry"), "status", "--home", home],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "LC_ALL": "POSIX",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
        },
        capture_output=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert f"Home       {home}: ".encode() in told.stdout
    assert b"Red checks: none" in told.stdout


def test_a_dry_run_judges_and_stores_nothing(tmp_path: Path, sample: Path) -> None:
    landing, home = one_delivery(tmp_path, sample), tmp_path / "home"
    arguments = ["run", "--landing", str(landing), "--home", str(home), "--dry-run"]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0
    assert re.search(r"lar_x/2014-Q3/interviews\.csv +interviews +accepted", result.output)
    assert "column housing: 1 row: not among the codes of this column (unknown_code)" in (
        result.output
    )
    assert not home.exists()
    interviews = landing / "lar_x" / "2014-Q3" / "interviews.csv"
    interviews.write_bytes(interviews.read_bytes()[:-10])
    (landing / "lar_x" / "2014-Q3" / "patients.parquet").touch()
    (landing / "lar_x" / "2014-Q3" / "readme.txt").touch()
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    for said in ("(sha256_mismatch)", "readme.txt: no form of protocol", "twice, as patients.csv"):
        assert said in result.output


def test_a_dry_run_knows_what_was_taken_in(built: Home, sample: Path) -> None:
    before = built.database.read_bytes()
    arguments = ["run", "--landing", str(sample), "--home", str(built.path), "--dry-run"]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0
    assert "unchanged" in result.output
    assert "accepted   " not in result.output.split("retracted", 1)[1]
    assert built.database.read_bytes() == before


def test_a_log_collector_that_goes_away_ends_no_run() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        teller = JsonTeller(stream)
        teller.info("nobody reads this")
        teller.info("and this")


def test_a_narrow_terminal_cuts_no_number() -> None:
    narrow = Console(width=12, record=True)
    show(narrow, "Deliveries", ("received", "accepted"), [(1234567, 7654321)])
    shown = "".join(letter for letter in narrow.export_text() if letter.isdigit())
    assert sorted(shown) == sorted("12345677654321")


def test_a_withdrawal_of_nobody_does_nothing(built: Home) -> None:
    arguments = ["withdraw", "--home", str(built.path), "--patient", "-"]
    result = runner.invoke(app, arguments, input="\n")
    assert result.exit_code == 1
    assert result.output.strip() == "nobody was named: standard input holds no id"


def test_a_damaged_database_is_one_sentence(tmp_path: Path, sample: Path) -> None:
    landing, home = one_delivery(tmp_path, sample), Home(tmp_path / "home")
    home.prepare()
    home.database.write_bytes(bytes(20_000))
    result = runner.invoke(app, ["run", "--landing", str(landing), "--home", str(home.path)])
    assert result.exit_code == 1
    assert "registry.duckdb: damaged; nothing was changed or deleted" in result.output
    assert "Traceback" not in result.output
    assert home.database.read_bytes() == bytes(20_000)


def test_synth_writes_a_landing_folder_that_runs(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    arguments = ["synth", "--out", str(landing), "--patients", "20", "--deliveries", "1"]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "1 deliveries; patients" in result.output
    again = runner.invoke(app, arguments)
    assert again.exit_code == 1
    assert f"{landing}/lar_x/2016-Q3: file exists" in again.output.replace("\n", "")
    home = str(tmp_path / "home")
    run = runner.invoke(app, ["run", "--landing", str(landing), "--home", home, "--log", "json"])
    assert run.exit_code == 0, run.output
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line["event"] for line in lines].count("step") >= 9
    (delivery,) = [line for line in lines if line["event"] == "delivery"]
    assert delivery["added"] == delivery["received"] > 0
    assert (lines[-1]["event"], lines[-1]["success"]) == ("end", True)
    more = ["--log", "json", "--as-of", "2001-Q1"]
    early = runner.invoke(app, ["run", "--landing", str(landing), "--home", home, *more])
    assert early.exit_code == 1
    said, end = [json.loads(line) for line in early.stdout.splitlines()][-2:]
    assert (said["event"], end["event"], end["success"]) == ("error", "end", False)
    assert "2001-Q1: nothing was taken in" in said["message"]
    with Home(Path(home)).lock():
        arguments = ["run", "--landing", str(landing), "--home", home, "--wait", "0"]
        held = runner.invoke(app, arguments)
    assert "another run holds this home" in held.output
    assert "To query" not in held.output  # what an older run built is no result of this one


def test_a_run_counts_the_tables_that_are_published(
    built: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    print_report_card(Console(width=200), built)
    with duckdb.connect(built.analysis, read_only=True) as published:
        (n,) = published.sql("SELECT count(*) FROM duckdb_tables()").fetchall()[0]
    assert f"{n} tables. To query" in capsys.readouterr().out


def test_what_a_run_says_to_type_can_be_typed(
    built: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "a folder [with] a long name, longer than a line of the terminal is"
    home.symlink_to(built.path)
    print_report_card(Console(width=60), Home(home))
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "To look: " in line)
    assert shlex.split(line.split("To look: ")[1]) == ["registry", "ui", "--home", str(home)]
