"""A person leaves: what is gone, what stays, and what a breakdown half-way leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from registry_pipeline.building.build import build_core
from registry_pipeline.cli import app
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.deliveries.landing import write_manifest
from registry_pipeline.deliveries.taken import DeliveryReport
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.pseudonym import read_key
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key, rotate
from registry_pipeline.operation.instance import prepare_instance
from registry_pipeline.warehouse import database, ledger
from registry_pipeline.warehouse.database import connect
from registry_pipeline.warehouse.erasure import requests
from registry_pipeline.warehouse.rewrite import stored_tables
from registry_pipeline.withdrawal import search
from registry_pipeline.withdrawal.proof import is_genuine, waiting
from registry_pipeline.withdrawal.withdraw import (
    WithdrawalError,
    carry_out,
    note_requests,
    prove,
)
from schemas.protocol import load_shipped

GONE, STAYS = "LEAVER-1", "STAYER-2"
TODAY = date(2014, 8, 1)
FORMS = {
    "patients": "patient_id,sex,birth_year,consent,consent_date\n"
    f"{GONE},male,1970,consented,2014-05-02\n{STAYS},female,1980,consented,2014-05-02\n",
    "interviews": "patient_id,interview_date,status,coping_score\n"
    f"{GONE},2014-05-10,completed,5\n{GONE},2014-05-11,completed,99\n"
    f"{STAYS},2014-05-10,completed,4\n",
    "episodes": "patient_id,pathway,start_date\n"
    f"{GONE},gp_alone,2014-05-02\n{STAYS},gp_alone,2014-05-02\n",
    "outreach": "contact_id,patient_id,unit_id,identified_date,outcome\n"
    f"C1,{GONE},u,2014-05-02,conversation\nC2,,u,2014-05-02,conversation\n",
}


EVENTS = "patient_id,event_date,event_type\n"


@pytest.fixture(scope="module")
def uncompressed() -> Iterator[None]:
    """Databases keep text as it is, so that bytes can be looked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(database._OFFLINE, "force_compression", "uncompressed")
        yield


@pytest.fixture(scope="module")
def delivered(uncompressed: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home and a landing folder with one delivery of the two people."""
    folder = tmp_path_factory.mktemp("delivered")
    place = Home(folder / "home")
    place.prepare()
    deliver(place, folder, **FORMS)
    return folder


@pytest.fixture
def home(delivered: Path, tmp_path: Path) -> Home:
    shutil.copytree(delivered, tmp_path, dirs_exist_ok=True)
    return Home(tmp_path / "home")


@pytest.fixture
def empty(uncompressed: None, tmp_path: Path) -> Home:
    place = Home(tmp_path / "empty")
    place.prepare()
    return place


@contextmanager
def opened(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(home) as connection:
        yield connection


def deliver(
    home: Home, tmp_path: Path, delivery: str = "2014-Q2", number: int = 1, **files: str
) -> DeliveryReport:
    folder = tmp_path / "landing" / "lar_x" / delivery
    folder.mkdir(parents=True)
    for form, text in files.items():
        (folder / f"{form}.csv").write_text(text)
    write_manifest(
        folder,
        protocol="lar_x",
        quarter=delivery[:7],
        number=number,
        kind="full" if number == 1 else "correction",
        extracted_on=date(2014, 7, 1),
        sender="helse-bergen",
        rows={form: text.count("\n") - 1 for form, text in files.items()},
    )
    with opened(home) as connection:
        return take_in(connection, home, folder, open_key(connection, home))


def pseudonym(home: Home, local_id: str) -> str:
    persons = Persons(load_shipped("lar_x"), read_key(home.key_file))
    return str(persons.apply(pl.Series([local_id]))["pseudonym"].item())


def lines(home: Home) -> dict[str, tuple[Any, ...]]:
    with opened(home) as connection:
        assert ledger.discrepancies(connection) == []
        rows = connection.execute(
            "SELECT form, n_received, n_accepted, n_quarantined, n_unchanged, n_erased "
            "FROM meta.delivery ORDER BY ALL"
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


def holds(home: Home, word: str) -> list[str]:
    return sorted(
        str(path.relative_to(home.path))
        for path in home.path.rglob("*")
        if path.is_file() and word.encode() in path.read_bytes()
    )


def leave(home: Home, *ids: str, unseen: bool = False) -> None:
    note_requests(home, ids, "lar_x", TODAY, unseen=unseen)
    carry_out(home)


def test_rows_and_bytes_of_the_person_are_gone_and_nobody_elses(home: Home, tmp_path: Path) -> None:
    before = lines(home)
    assert before["interviews"] == (3, 2, 1, 0, 0)
    code, other = pseudonym(home, GONE), pseudonym(home, STAYS)
    assert holds(home, code) == ["registry.duckdb"]
    leave(home, GONE)
    assert holds(home, code) == [f"erasures/{next(iter(waiting(home)))}.waiting"]
    assert holds(home, other) == ["registry.duckdb"]
    assert lines(home) == {
        "patients": (1, 1, 0, 0, 1),
        "interviews": (1, 1, 0, 0, 2),
        "episodes": (1, 1, 0, 0, 1),
        "outreach": (1, 1, 0, 0, 1),
    }
    with opened(home) as connection:
        for name, table in stored_tables(connection).items():
            if table.has_person:
                ids = connection.execute(f"SELECT DISTINCT patient_id FROM {name}").fetchall()
                assert {row[0] for row in ids} <= {other, None}, name
        rows = connection.execute("SELECT count(*) FROM meta.quarantine").fetchall()
        assert rows == [(0,)]
        kept = connection.execute("SELECT comment FROM duckdb_tables() WHERE comment IS NULL")
        assert kept.fetchall() == []


def test_core_without_the_person_is_core_built_anew(home: Home, tmp_path: Path) -> None:
    with opened(home) as connection:
        build_core(connection)
    leave(home, GONE)

    def dump() -> dict[str, list[tuple[Any, ...]]]:
        with opened(home) as connection:
            return {
                name: sorted(connection.execute(f"FROM {name}").fetchall(), key=repr)
                for name in stored_tables(connection)
                if name.startswith("core.") or name == "meta.held"
            }

    cut = dump()
    assert cut["core.interview"]
    assert pseudonym(home, GONE) not in repr(cut)
    with opened(home) as connection:
        build_core(connection)
    assert dump() == cut


def test_later_deliveries_do_not_bring_the_person_back(home: Home, tmp_path: Path) -> None:
    leave(home, GONE)
    report = deliver(
        home,
        tmp_path,
        "2014-Q2-2",
        number=2,
        interviews="patient_id,interview_date,status\n"
        f" {GONE} ,2014-06-10,completed\n{GONE},2014-06-11,nonsense\n"
        f"{STAYS},2014-06-10,completed\n",
    )
    (file,) = report.files
    assert (file.status, file.n_received, file.n_accepted, file.n_quarantined, file.n_erased) == (
        ("accepted", 1, 1, 0, 2)
    )
    assert holds(home, pseudonym(home, GONE)) == [f"erasures/{next(iter(waiting(home)))}.waiting"]
    lines(home)


def test_a_retraction_does_not_bring_the_person_back(home: Home, tmp_path: Path) -> None:
    leave(home, GONE)
    folder = tmp_path / "landing" / "lar_x" / "2014-Q2-2"
    folder.mkdir()
    write_manifest(
        folder,
        protocol="lar_x",
        quarter="2014-Q2",
        number=2,
        kind="correction",
        extracted_on=date(2014, 7, 1),
        sender="helse-bergen",
        rows={},
    )
    with (folder / "delivery.toml").open("a") as manifest:
        for person in (GONE, STAYS):
            manifest.write(f"[[retract.patients]]\npatient_id = '{person}'\n")
    with opened(home) as connection:
        take_in(connection, home, folder, open_key(connection, home))
        rows = connection.execute(
            "SELECT patient_id FROM intake.patients WHERE is_retraction"
        ).fetchall()
    assert rows == [(pseudonym(home, STAYS),)]


def test_a_row_of_withdrawals_erases_and_one_that_stops_interviews_does_not(
    home: Home, tmp_path: Path
) -> None:
    header = "patient_id,withdrawn_date,scope\n"
    deliver(
        home,
        tmp_path,
        "2014-Q2-2",
        number=2,
        withdrawals=f"{header}{STAYS},2014-06-20,stop_interviews\n{GONE},2014-06-20,erase\n",
        events=f"patient_id,event_date,event_type\n{GONE},2014-06-01,moved\n",
    )
    assert carry_out(home)
    assert not carry_out(home)
    assert lines(home)["withdrawals"] == (1, 1, 0, 0, 1)
    assert lines(home)["events"] == (0, 0, 0, 0, 1)
    with opened(home) as connection:
        ((request),) = requests(connection).values()
    assert (request.source, request.requested_on) == ("lar_x/2014-Q2-2", date(2014, 6, 20))
    assert (request.pseudonym, request.n_rows) == (None, 7)


def test_unchanged_rows_of_the_person_leave_the_count_of_unchanged_rows(
    home: Home, tmp_path: Path
) -> None:
    deliver(home, tmp_path, "2014-Q3", patients=FORMS["patients"])
    with opened(home) as connection:
        query = "SELECT delivery, n_accepted, n_unchanged FROM meta.delivery WHERE form='patients'"
        assert sorted(connection.execute(query).fetchall()) == [
            ("2014-Q2", 2, 0),
            ("2014-Q3", 2, 2),
        ]
    leave(home, GONE)
    with opened(home) as connection:
        assert sorted(connection.execute(query).fetchall()) == [
            ("2014-Q2", 1, 0),
            ("2014-Q3", 1, 1),
        ]


def test_a_quarantined_row_that_names_the_person_goes_too(home: Home, tmp_path: Path) -> None:
    with opened(home) as connection:
        connection.execute(
            "INSERT INTO intake.quarantined_events BY NAME SELECT 'lar_x' AS protocol, "
            "'2014-Q2' AS delivery, 1 AS row_number, ? AS original",
            [f'{{"unit_id":"{GONE}"}}'],
        )
    assert holds(home, GONE) == ["registry.duckdb"]
    leave(home, GONE)
    assert holds(home, GONE) == []


def test_the_proof_lists_every_table_and_file_and_is_signed(home: Home, tmp_path: Path) -> None:
    copy = home.published / "analysis-old.duckdb"
    shutil.copy(home.database, copy)
    wanted = note_requests(home, [GONE], "lar_x", TODAY, unseen=False)
    carry_out(home)
    assert not copy.exists()
    key = read_key(home.key_file)
    (path,) = prove(home, key, {wanted[0].tombstone: wanted[0].words})
    proof = json.loads(path.read_text())
    with opened(home) as connection:
        tables = set(stored_tables(connection))
    assert {row["table"] for row in proof["tables"]} == tables
    assert {row["file"] for row in proof["files"]} >= {"registry.duckdb", "pseudonym.key"}
    assert proof["requested_on"] == "2014-08-01"
    assert proof["days_from_request"] > 30
    assert proof["within_limit"] is False
    assert proof["rows_erased"] == 5
    assert proof["searched_for"] == ["the pseudonym", "the id, in every way of writing it"]
    assert proof["not_searched_for"] == []
    assert is_genuine(path, key)
    assert waiting(home) == {}
    assert prove(home, key) == []
    path.write_text(path.read_text().replace('"found": 0', '"found": 1'))
    assert not is_genuine(path, key)
    for other in ("{}", "[]", "[1]", "7", "no JSON"):
        path.write_text(other)
        assert not is_genuine(path, key)


def test_a_person_can_be_kept_out_before_anything_was_taken_in(empty: Home, tmp_path: Path) -> None:
    leave(empty, GONE, unseen=True)
    with opened(empty) as connection:
        assert [one.n_rows for one in requests(connection).values()] == [0]
    deliver(empty, tmp_path, **FORMS)
    assert lines(empty)["patients"] == (1, 1, 0, 0, 1)
    assert lines(empty)["interviews"] == (1, 1, 0, 0, 2)


@pytest.mark.parametrize("same_run", [True, False])
def test_an_erasure_by_delivery_searches_for_the_id_that_its_run_knew(
    home: Home, tmp_path: Path, same_run: bool
) -> None:
    good = "".join(f"{STAYS},2014-06-{day:02},overdose\n" for day in range(1, 26))
    deliver(home, tmp_path, "2014-Q2-2", number=2, events=f"{EVENTS}{good},2014-06-01,{GONE}\n")
    assert holds(home, GONE) == ["registry.duckdb"]  # in a row that is kept as it was delivered
    report = deliver(
        home,
        tmp_path,
        "2014-Q2-3",
        number=3,
        withdrawals=f"patient_id,withdrawn_date,scope\n{GONE},2014-06-20,erase\n",
    )
    assert GONE not in repr(report)
    carry_out(home)
    (path,) = prove(home, read_key(home.key_file), report.leaving if same_run else None)
    proof = json.loads(path.read_text())
    assert ("the id, in every way of writing it" in proof["searched_for"]) is same_run
    unknown = "the id, which only the run knew that took the request in"
    assert proof["not_searched_for"] == ([] if same_run else [unknown])
    assert holds(home, GONE) == []


def test_a_proof_that_lacks_the_id_is_completed_by_who_repeats_the_command_with_it(
    home: Home, tmp_path: Path
) -> None:
    good = "".join(f"{STAYS},2014-06-{day:02},overdose\n" for day in range(1, 26))
    deliver(
        home,
        tmp_path,
        "2014-Q2-2",
        number=2,
        withdrawals=f"patient_id,withdrawn_date,scope\n{GONE},2014-06-20,erase\n",
    )
    carry_out(home)
    deliver(home, tmp_path, "2014-Q2-3", number=3, events=f"{EVENTS}{good},2014-06-01,{GONE}\n")
    key = read_key(home.key_file)
    (path,) = prove(home, key)  # by a run that never knew the id
    partial = json.loads(path.read_text())
    assert partial["to_complete"].startswith("repeat registry withdraw with the id")
    for arguments in (["status"], ["check-proof", str(path)]):
        said = CliRunner().invoke(app, [*arguments, "--home", str(home.path)])
        assert said.exit_code == 0, said.output
        assert partial["to_complete"] in said.output
    assert partial["rows_erased"] == 6
    assert holds(home, GONE) == ["registry.duckdb"]  # the row names them in the type's place

    (wanted,) = note_requests(home, [GONE], "lar_x", TODAY, unseen=False)
    assert carry_out(home)
    (path,) = prove(home, key, {wanted.tombstone: wanted.words})
    whole = json.loads(path.read_text())
    assert (whole["not_searched_for"], whole["to_complete"]) == ([], None)
    assert whole["requested_on"] == partial["requested_on"] == "2014-06-20"
    assert whole["erased_at"] == partial["erased_at"]
    assert whole["first_proved_at"] == partial["proved_at"] < whole["proved_at"]
    assert whole["rows_erased"] == 7
    assert is_genuine(path, key)
    assert holds(home, GONE) == holds(home, pseudonym(home, GONE)) == []
    note_requests(home, [GONE], "lar_x", TODAY, unseen=False)
    assert not carry_out(home)  # nothing is left to be done
    assert prove(home, key) == []


def test_a_proof_under_the_name_before_a_rotation_is_written_anew(home: Home) -> None:
    leave(home, GONE)
    (before,) = prove(home, read_key(home.key_file))
    rotated = rotate(home, read_key(home.key_file))
    (wanted,) = note_requests(home, [GONE], "lar_x", TODAY, unseen=False)
    carry_out(home)
    (after,) = prove(home, rotated, {wanted.tombstone: wanted.words})
    assert after != before
    assert is_genuine(before, rotated)
    assert is_genuine(after, rotated)


def test_an_id_too_short_to_be_told_from_other_text_is_said_so(home: Home, tmp_path: Path) -> None:
    deliver(
        home,
        tmp_path,
        "2014-Q3",
        patients="patient_id,sex,birth_year,consent,consent_date\n17,male,1970,consented,2014-05-02\n",
    )
    (wanted,) = note_requests(home, ["17"], "lar_x", TODAY, unseen=False)
    carry_out(home)
    (path,) = prove(home, read_key(home.key_file), {wanted.tombstone: wanted.words})
    proof = json.loads(path.read_text())
    assert proof["searched_for"] == ["the pseudonym"]
    assert proof["not_searched_for"] == ["the id, which is too short to be told from other text"]


@pytest.fixture
def instance(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of the home."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    prepare_instance(home)
    with dg.DagsterInstance.get() as opened:
        yield opened


def run_that_says(instance: dg.DagsterInstance, word: str) -> str:
    """A run whose log, materialization and tag hold a word; its id."""

    @dg.op
    def say() -> None:
        context = dg.OpExecutionContext.get()
        context.log.warning("about %s.", word)
        context.log_event(dg.AssetMaterialization("told", metadata={"word": word}))

    @dg.job
    def saying() -> None:
        say()

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    done = saying.execute_in_process(run_config=quiet, instance=instance, tags={"word": word})
    return done.run_id


def test_records_of_runs_that_hold_the_person_are_deleted_and_no_others(
    home: Home, instance: dg.DagsterInstance
) -> None:
    code = pseudonym(home, GONE)
    kept = run_that_says(instance, "nobody")
    runs = [run_that_says(instance, word) for word in (code, GONE)]
    assert instance.get_latest_materialization_event(dg.AssetKey("told")) is not None
    wanted = note_requests(home, [GONE], "lar_x", TODAY, unseen=False)
    carry_out(home)
    assert any(name.startswith("dagster/") for name in holds(home, code))
    assert len(prove(home, read_key(home.key_file), {wanted[0].tombstone: wanted[0].words})) == 1
    assert holds(home, code) == holds(home, GONE) == []
    assert instance.get_run_by_id(kept) is not None
    assert [instance.get_run_by_id(run_id) for run_id in runs] == [None, None]
    assert instance.get_records_for_run(kept).records
    assert instance.get_latest_materialization_event(dg.AssetKey("told")) is None


def test_a_run_that_lives_keeps_its_records_and_the_proof_waits(
    home: Home, instance: dg.DagsterInstance
) -> None:
    run_id = run_that_says(instance, pseudonym(home, GONE))
    note_requests(home, [GONE], "lar_x", TODAY, unseen=False)
    carry_out(home)
    key = read_key(home.key_file)
    with home.alive(run_id), pytest.raises(WithdrawalError, match="still found in dagster/history"):
        prove(home, key)
    assert len(prove(home, key)) == 1


def test_two_leave_at_once_and_the_one_who_is_found_waits(home: Home, tmp_path: Path) -> None:
    wanted = note_requests(home, [GONE, STAYS], "lar_x", TODAY, unseen=False)
    carry_out(home)
    assert len(waiting(home)) == 2
    note = home.path / "notes.txt"
    note.write_text(f"rang {STAYS}.")
    words = {one.tombstone: one.words for one in wanted}
    with pytest.raises(WithdrawalError, match=r"still found in notes\.txt: no proof"):
        prove(home, read_key(home.key_file), words)
    assert [path.stem for path in home.erasures.glob("*.json")] == [wanted[0].tombstone]
    note.unlink()
    assert len(prove(home, read_key(home.key_file), words)) == 1
    assert waiting(home) == {}


def test_a_person_who_is_still_found_gets_no_proof(home: Home, tmp_path: Path) -> None:
    wanted = note_requests(home, [GONE], "lar_x", TODAY, unseen=False)
    carry_out(home)
    (home.path / "notes.txt").write_text(f"rang {GONE}.")
    key = read_key(home.key_file)
    with pytest.raises(WithdrawalError, match=r"still found in notes\.txt: no proof") as refused:
        prove(home, key, {wanted[0].tombstone: wanted[0].words})
    assert GONE not in str(refused.value)
    (home.path / "notes.txt").write_text(f"about {GONE}0 and not the other")
    assert len(prove(home, key, {wanted[0].tombstone: wanted[0].words})) == 1


@pytest.mark.parametrize(
    ("given", "protocol", "said"),
    [
        ("NOBODY-9", "lar_x", "no row of this person is stored"),
        ("two words", "lar_x", "not a valid id of a person in protocol lar_x"),
        (GONE, None, "no protocol in use here has national identity numbers"),
    ],
)
def test_a_request_that_cannot_be_meant(
    home: Home, tmp_path: Path, given: str, protocol: str | None, said: str
) -> None:
    with pytest.raises(WithdrawalError, match=said) as refused:
        note_requests(home, [STAYS, given], protocol, TODAY, unseen=False)
    assert given not in str(refused.value)
    with opened(home) as connection:
        assert requests(connection) == {}


def test_a_person_never_delivered_is_kept_out(empty: Home, tmp_path: Path) -> None:
    deliver(empty, tmp_path, outreach=FORMS["outreach"])
    leave(empty, STAYS, unseen=True)
    report = deliver(empty, tmp_path, "2014-Q3", patients=FORMS["patients"])
    assert [(file.n_accepted, file.n_erased) for file in report.files] == [(1, 1)]


KILL = """
import os, sys
from pathlib import Path
from registry_pipeline.home import Home
from registry_pipeline.warehouse import rewrite
from registry_pipeline.withdrawal import withdraw
home, when = Home(Path(sys.argv[1])), sys.argv[2]
def die(*_, **__):
    os.kill(os.getpid(), 9)
if when == "while it is written":
    rewrite._to_disk = die
elif when == "before the exchange":
    Path.replace = lambda path, to: die() if path == home.rewritten else os.replace(path, to)
elif when == "after the exchange":
    withdraw.drop_copies = die
elif when == "while it is proved":
    withdraw.write_proof = die
withdraw.carry_out(home)
withdraw.prove(home, withdraw.Key((bytes(32),)))
"""


@pytest.mark.parametrize(
    "when",
    ["while it is written", "before the exchange", "after the exchange", "while it is proved"],
)
def test_killed_half_way_and_repeated(home: Home, tmp_path: Path, when: str) -> None:
    code = pseudonym(home, GONE)
    note_requests(home, [GONE], "lar_x", TODAY, unseen=False)
    killed = subprocess.run(
        [sys.executable, "-c", KILL, str(home.path), when],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    home.prepare()
    with opened(home) as connection:
        assert ledger.discrepancies(connection) == []
    carry_out(home)
    assert len(prove(home, read_key(home.key_file))) == 1
    assert holds(home, code) == []
    assert lines(home)["patients"] == (1, 1, 0, 0, 1)


def test_a_file_that_goes_while_it_is_searched_for_hides_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    records, log = tmp_path / "runs.db", tmp_path / "runs.db-wal"
    records.write_text("nobody")
    log.write_text(GONE)
    look = search.search_file

    def moved(home: Home, path: Path, words: Sequence[str]) -> search.Place:
        if path == log:  # as SQLite does when the last one who has the file open closes it
            records.write_bytes(log.read_bytes())
            log.unlink()
        return look(home, path, words)

    monkeypatch.setattr(search, "search_file", moved)
    assert [(place.file, place.found) for place in search.search(home, [GONE])] == [("runs.db", 1)]
