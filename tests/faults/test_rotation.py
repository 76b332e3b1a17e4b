"""The key is rotated: the same people under other pseudonyms, and what a breakdown leaves."""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from registry_pipeline.building.build import build_core
from registry_pipeline.commands.dry_run import try_out
from registry_pipeline.commands.withdraw import rotate_key
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.deliveries.landing import write_manifest
from registry_pipeline.deliveries.taken import DeliveryReport
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.pseudonym import Key, KeyFileError, read_key
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key, rotate
from registry_pipeline.warehouse import database, ledger
from registry_pipeline.warehouse.database import connect
from registry_pipeline.withdrawal.withdraw import carry_out, note_requests, prove
from schemas.protocol import load_shipped

PATIENTS = (
    "patient_id,sex,birth_year,consent,consent_date\n"
    "FIRST-1,male,1970,consented,2014-05-02\nSECOND-2,female,1980,consented,2014-05-02\n"
)
INTERVIEWS = (
    "patient_id,interview_date,status\nFIRST-1,2014-05-10,completed\nUNKNOWN-3,2014-05-10,missed\n"
)


def deliver(home: Home, landing: Path, quarter: str = "2014-Q2", **files: str) -> DeliveryReport:
    folder = landing / "lar_x" / quarter
    folder.mkdir(parents=True)
    for form, text in files.items():
        (folder / f"{form}.csv").write_text(text)
    write_manifest(
        folder,
        protocol="lar_x",
        quarter=quarter,
        extracted_on=date(2014, 7, 1),
        sender="helse-bergen",
        rows={form: text.count("\n") - 1 for form, text in files.items()},
    )
    with connect(home) as connection:
        return take_in(connection, home, folder, open_key(connection, home))


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with core tables and a held row, its bytes uncompressed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(database._OFFLINE, "force_compression", "uncompressed")
        place = Home(tmp_path_factory.mktemp("delivered") / "home")
        place.prepare()
        deliver(place, place.path.parent / "landing", patients=PATIENTS, interviews=INTERVIEWS)
        with connect(place) as connection:
            build_core(connection)
        yield place.path


@pytest.fixture
def home(delivered: Path, tmp_path: Path) -> Home:
    shutil.copytree(delivered, tmp_path / "home")
    return Home(tmp_path / "home")


def pseudonyms(key: Key, *ids: str) -> list[str]:
    return Persons(load_shipped("lar_x"), key).apply(pl.Series(ids))["pseudonym"].to_list()


def in_letters(digest: bytes) -> str:
    return digest[:16].hex().translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))


def stored(home: Home, table: str, column: str = "patient_id") -> list[str]:
    with connect(home) as connection:
        return sorted(
            row[0] for row in connection.execute(f"SELECT {column} FROM {table}").fetchall()
        )


def test_every_pseudonym_becomes_the_new_keys_of_the_old(home: Home) -> None:
    old_key = read_key(home.key_file)
    old = pseudonyms(old_key, "FIRST-1", "SECOND-2", "UNKNOWN-3")
    key = rotate(home, old_key)
    assert read_key(home.key_file) == key
    assert key.secrets[:-1] == old_key.secrets
    assert [line.split()[0] for line in home.key_file.read_text().splitlines()] == [
        old_key.key_id,
        key.key_id,
    ]
    new = [
        in_letters(
            hmac.new(key.secrets[-1], b"pseudonym\x1f" + one.encode(), hashlib.sha256).digest()
        )
        for one in old
    ]
    assert pseudonyms(key, "FIRST-1", "SECOND-2", "UNKNOWN-3") == new
    assert stored(home, "intake.patients") == sorted(new[:2])
    assert stored(home, "core.patient") == sorted(new[:2])
    assert stored(home, "meta.held", "row_key") == [f"{new[2]}|2014-05-10"]
    content = home.database.read_bytes()
    assert not any(one.encode() in content for one in old)
    with connect(home) as connection:
        assert open_key(connection, home) == key
        assert ledger.discrepancies(connection) == []


def test_later_deliveries_meet_the_same_people(home: Home, tmp_path: Path) -> None:
    for _ in range(2):
        rotate(home, read_key(home.key_file))
    deliver(home, tmp_path / "landing", "2014-Q3", patients=PATIENTS)
    with connect(home) as connection:
        build_core(connection)
    key = read_key(home.key_file)
    assert len(key.secrets) == 3
    assert stored(home, "core.patient") == sorted(pseudonyms(key, "FIRST-1", "SECOND-2"))


def test_the_erased_stay_out_under_the_new_key(home: Home, tmp_path: Path) -> None:
    note_requests(home, ["FIRST-1"], "lar_x", date(2014, 8, 1), unseen=False)
    carry_out(home)
    refused = rotate_key(home)
    assert refused.new == ""
    assert refused.errors == [
        "an erasure is not finished: let registry run finish it, then rotate the key"
    ]
    prove(home, read_key(home.key_file))
    rotate(home, read_key(home.key_file))
    report = deliver(home, tmp_path / "landing", "2014-Q3", patients=PATIENTS)
    assert [(file.n_accepted, file.n_erased) for file in report.files] == [(1, 1)]
    assert len(stored(home, "meta.erasure", "tombstone")) == 1


def test_the_key_before_is_refused(home: Home) -> None:
    before = home.key_file.read_text()
    rotate(home, read_key(home.key_file))
    home.key_file.write_text(before)
    with (
        connect(home) as connection,
        pytest.raises(KeyFileError, match="not the one this database was filled under"),
    ):
        open_key(connection, home)


def test_a_key_file_that_cannot_be_written_beside(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("registry_pipeline.keys.write_key", no_space)
    content = home.database.read_bytes()
    with pytest.raises(KeyFileError, match="cannot be written, so the key was not rotated"):
        rotate(home, read_key(home.key_file))
    assert home.database.read_bytes() == content


KILL = """
import os, sys
from pathlib import Path
from registry_pipeline import keys
from registry_pipeline.commands import withdraw
from registry_pipeline.home import Home
home, when = Home(Path(sys.argv[1])), sys.argv[2]
def die(*_):
    os.kill(os.getpid(), 9)
if when == "before the database":
    keys.rekey = die
else:
    keys._exchange = die
withdraw.rotate_key(home)
"""


def killed_rotation(home: Home, when: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILL, str(home.path), when],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    assert home.next_key_file.exists()


@pytest.mark.parametrize(
    ("when", "n_keys"), [("before the database", 1), ("between database and key file", 2)]
)
def test_killed_half_way(home: Home, when: str, n_keys: int) -> None:
    copy = home.published / "analysis-2014-Q2.duckdb"
    shutil.copy(home.database, copy)
    killed_rotation(home, when)
    assert not copy.exists()
    with connect(home) as connection:
        key = open_key(connection, home)
    assert len(key.secrets) == n_keys
    assert not home.next_key_file.exists()
    assert stored(home, "core.patient") == sorted(pseudonyms(key, "FIRST-1", "SECOND-2"))


@pytest.mark.parametrize("is_lost", [False, True])
def test_who_only_looks_is_told_of_a_rotation_that_was_interrupted(
    home: Home, tmp_path: Path, is_lost: bool
) -> None:
    killed_rotation(home, "between database and key file")
    if is_lost:
        home.key_file.unlink()
    before = home.next_key_file.read_text()
    with pytest.raises(KeyFileError, match=r"interrupted .* registry run puts it in place"):
        list(try_out(home, [], None))
    assert home.next_key_file.read_text() == before


def test_a_dry_run_goes_on_beside_a_rotation_that_did_not_reach_the_database(home: Home) -> None:
    killed_rotation(home, "before the database")
    assert list(try_out(home, [], None)) == []


@pytest.mark.parametrize("content", ["nothing of a key\n", "aaaaaaaa " + "0" * 64 + "\n"])
def test_a_file_beside_that_is_no_key_is_put_away(home: Home, content: str) -> None:
    home.next_key_file.touch(mode=0o600)
    home.next_key_file.write_text(content)
    with connect(home) as connection:
        open_key(connection, home)
    assert not home.next_key_file.exists()
