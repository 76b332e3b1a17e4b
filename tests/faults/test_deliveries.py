"""Faults of a whole delivery: what is refused, what goes on, and what the ledger says."""

from __future__ import annotations

import shutil
import threading
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from registry_pipeline.building.build import build_core
from registry_pipeline.deliveries.folders import deliveries
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.deliveries.landing import write_manifest
from registry_pipeline.deliveries.settled import settled
from registry_pipeline.gate.pseudonym import KeyFileError
from registry_pipeline.home import Home, HomeBusyError
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse import ledger, refusals
from registry_pipeline.warehouse.changes import Changes
from schemas.protocol import shipped_text
from tests.faults.delivering import (
    INTERVIEWS,
    PATIENTS,
    deliver,
    interviews,
    stored,
    take,
)


def test_a_refused_file_leaves_the_others_in(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    folder = deliver(landing, patients=PATIENTS, interviews=INTERVIEWS, rows={"interviews": 2})
    report = take(connection, home, folder)
    assert {file.form: file.status for file in report.files} == {
        "patients": "accepted",
        "interviews": "refused",
    }
    (message,) = report.messages
    assert "lar_x/2014-Q2/interviews.csv" in message
    assert "1 row where the manifest counts 2" in message
    assert stored(connection, "patients") == 1
    assert stored(connection) == 0
    assert ledger.discrepancies(connection) == []
    lines = connection.execute(
        "SELECT form, status, n_received, n_accepted, n_quarantined FROM meta.delivery ORDER BY ALL"
    ).fetchall()
    assert lines == [("interviews", "refused", 1, 0, 1), ("patients", "accepted", 1, 1, 0)]


def test_rows_that_share_a_key_are_quarantined_once(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    """The first look finds the double and stores nothing; the second quarantines both rows."""
    header, row = INTERVIEWS.splitlines()
    others = [row.replace("A-1", f"A-{number}", 1) for number in range(2, 8)]
    doubled = "\n".join([header, row, *others, row, ""])
    report = take(connection, home, deliver(landing, interviews=doubled))
    assert [(f.n_received, f.n_accepted, f.n_quarantined) for f in report.files] == [(8, 6, 2)]
    assert stored(connection) == 6
    problems = connection.execute("SELECT row_number, rule_id FROM meta.quarantine ORDER BY ALL")
    assert problems.fetchall() == [(1, "duplicate_key"), (8, "duplicate_key")]
    assert ledger.discrepancies(connection) == []


def test_a_mended_file_closes_the_refusal(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    folder = deliver(landing, interviews=INTERVIEWS, rows={"interviews": 2})
    take(connection, home, folder)
    assert len(refusals.open_refusals(connection)) == 1
    shutil.rmtree(folder)
    deliver(landing, interviews=INTERVIEWS)
    take(connection, home, folder)
    assert refusals.open_refusals(connection) == []
    assert stored(connection) == 1


@pytest.mark.hazard("same bytes under another name", "nothing changes")
def test_the_same_bytes_again_change_nothing(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    folder = deliver(landing, interviews=INTERVIEWS)
    take(connection, home, folder)
    copied = landing / "lar_x" / "again"
    shutil.copytree(folder, copied)
    for repeated in (folder, copied):
        report = take(connection, home, repeated)
        assert [file.status for file in report.files] == ["unchanged"]
    assert stored(connection) == 1


def test_the_same_file_in_a_later_quarter_is_unchanged_rows(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    take(connection, home, deliver(landing, interviews=INTERVIEWS))
    later = deliver(landing, "2014-Q3", interviews=INTERVIEWS, extracted_on=date(2014, 10, 1))
    (file,) = take(connection, home, later).files
    assert (file.status, file.n_accepted, file.changes.unchanged) == ("accepted", 1, 1)


@pytest.mark.hazard(
    "same name with other bytes", "refused and told; the right bytes in its place end the refusal"
)
def test_other_bytes_under_a_taken_name_are_refused(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    folder = deliver(landing, interviews=INTERVIEWS)
    take(connection, home, folder)
    assert completeness(connection) == {"2014-Q2": True}
    shutil.rmtree(folder)
    deliver(landing, interviews=INTERVIEWS.replace("2014-05-10", "2014-05-11"))
    for _ in range(2):
        (message,) = take(connection, home, folder).messages
        assert "taken in before with other bytes" in message
        assert [reason for *_, reason in refusals.open_refusals(connection)] == [message]
        assert completeness(connection) == {"2014-Q2": False}
    assert stored(connection) == 1
    shutil.rmtree(folder)
    deliver(landing, interviews=INTERVIEWS)
    assert take(connection, home, folder).messages == []
    assert refusals.open_refusals(connection) == []
    assert completeness(connection) == {"2014-Q2": True}


def completeness(connection: duckdb.DuckDBPyConnection) -> dict[str, bool]:
    """Delivery to whether it is complete; every line of it says the same."""
    sql = "SELECT DISTINCT delivery, is_complete FROM meta.delivery"
    rows = connection.execute(sql).fetchall()
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def test_a_delivery_with_a_refused_file_is_incomplete_until_it_is_mended(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    folder = deliver(landing, patients=PATIENTS, interviews=INTERVIEWS, rows={"interviews": 2})
    take(connection, home, folder)
    assert completeness(connection) == {"2014-Q2": False}
    shutil.rmtree(folder)
    deliver(landing, patients=PATIENTS, interviews=INTERVIEWS)
    take(connection, home, folder)
    assert completeness(connection) == {"2014-Q2": True}


@pytest.mark.hazard("row-boundary truncation", "refused by the manifest's total, and by its hash")
@pytest.mark.parametrize("rule", ["control_total", "sha256_mismatch"])
def test_a_file_cut_between_two_rows(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, rule: str
) -> None:
    two = INTERVIEWS + "A-1,2014-06-10,completed,3\n"
    rows = {"interviews": 2} if rule == "control_total" else {}
    folder = deliver(landing, interviews=two, rows=rows)
    (folder / "interviews.csv").write_text(INTERVIEWS)
    manifest = folder / "delivery.toml"
    if rule == "control_total":
        manifest.write_text(manifest.read_text().split("[sha256]")[0])
    (message,) = take(connection, home, folder).messages
    assert f"({rule})" in message
    assert stored(connection) == 0


def test_a_flipped_bit_is_refused_by_the_hash(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    """Parquet has no checksum of its pages: other data would come in without a word."""
    folder = deliver(landing, rows={})
    path = folder / "patients.parquet"
    pl.DataFrame({"patient_id": ["A-1"], "consent": ["consented"]}).write_parquet(path)
    write_manifest(
        folder,
        protocol="lar_x",
        quarter="2014-Q2",
        extracted_on=date(2014, 7, 1),
        sender="helse-bergen",
        rows={"patients": 1},
    )
    manifest = (folder / "delivery.toml").read_text().splitlines()
    kept = [line for line in manifest if not line.startswith('"delivery.toml"')]
    (folder / "delivery.toml").write_text("\n".join(kept) + "\n")
    bits = bytearray(path.read_bytes())
    bits[len(bits) // 3] ^= 1
    path.write_bytes(bits)
    (message,) = take(connection, home, folder).messages
    assert "(sha256_mismatch)" in message
    assert stored(connection, "patients") == 0


def test_a_delivery_says_what_it_changed(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    """| row | first quarter | third quarter | correction of the first, last to arrive |."""
    first = interviews("2014-05-10,completed,0", "2014-06-10,completed,1", "2014-06-20,missed,")
    third = interviews("2014-05-10,completed,0", "2014-06-10,completed,2", "2014-11-10,completed,4")
    late = interviews(
        "2014-05-10,completed,0",
        "2014-06-10,completed,9",
        "2014-06-20,refused,",
        "2014-06-25,missed,",
    )
    counted = []
    for delivery, text in (("2014-Q2", first), ("2014-Q4", third), ("2014-Q2-2", late)):
        folder = deliver(landing, delivery, interviews=text, extracted_on=date(2015, 1, 1))
        (file,) = take(connection, home, folder).files
        counted.append(file.changes)
    assert counted == [
        Changes(added=3),
        Changes(added=1, replaced=1, unchanged=1),
        Changes(added=1, replaced=1, unchanged=1, late=1),
    ]
    sums = "n_added + n_replaced + n_unchanged + n_late"
    assert connection.execute(
        f"SELECT count(*) FROM meta.delivery WHERE {sums} <> n_accepted"
    ).fetchall() == [(0,)]


def test_a_row_that_undoes_a_correction_is_not_unchanged(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    said = {"2014-Q2": "0", "2014-Q3": "5", "2014-Q4": "0"}
    counted = []
    for delivery, days in said.items():
        text = interviews(f"2014-05-10,completed,{days}")
        folder = deliver(landing, delivery, interviews=text, extracted_on=date(2015, 1, 1))
        counted.append(take(connection, home, folder).files[0].changes)
    assert counted == [Changes(added=1), Changes(replaced=1), Changes(replaced=1)]


BAD = interviews("2014-05-10,completed,0", "2014-06-10,completed,many", "2014-06-50,completed,1")


MENDED = interviews("2014-06-10,completed,3", "2014-06-15,completed,1")


def waiting(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT row_number, mended_by, original = '{}' FROM intake.quarantined_interviews "
        "ORDER BY ALL"
    ).fetchall()


@pytest.mark.parametrize("arrival", [("2014-Q2", "2014-Q2-2"), ("2014-Q2-2", "2014-Q2")])
def test_a_corrected_delivery_empties_the_quarantine(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, arrival: tuple[str, ...]
) -> None:
    lenient = "max_quarantine_share = 1.0\n" + shipped_text("lar_x")
    texts = {"2014-Q2": BAD, "2014-Q2-2": MENDED}
    for delivery in arrival:
        folder = deliver(landing, delivery, interviews=texts[delivery])
        take_in(connection, home, folder, open_key(connection, home), lenient)
    assert waiting(connection) == [(2, "2014-Q2-2", True), (3, "2014-Q2-2", True)]
    told = connection.execute("SELECT DISTINCT mended_by FROM meta.quarantine").fetchall()
    assert told == [("2014-Q2-2",)]
    assert ledger.discrepancies(connection) == []


def test_a_correction_that_is_bad_itself_leaves_a_row_without_a_key_waiting(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    lenient = "max_quarantine_share = 1.0\n" + shipped_text("lar_x")
    still_bad = interviews("2014-06-10,completed,3", "2014-06-15,completed,few")
    for delivery, text in (("2014-Q2", BAD), ("2014-Q2-2", still_bad)):
        folder = deliver(landing, delivery, interviews=text)
        take_in(connection, home, folder, open_key(connection, home), lenient)
    assert waiting(connection) == [
        (2, "2014-Q2-2", True),
        (2, None, False),
        (3, None, False),
    ]


def test_missing_patients_are_said_and_the_rows_wait(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    take(connection, home, deliver(landing, interviews=INTERVIEWS))
    ((_, sentence),) = ledger.without_patients(connection)
    assert sentence == "lar_x: no patients form was ever taken in, so every row is held back"
    build_core(connection)
    held = connection.execute("SELECT rule_id FROM meta.held").fetchall()
    assert held == [("unknown_person",)]
    take(connection, home, deliver(landing, "2014-Q3", patients=PATIENTS))
    build_core(connection)
    assert ledger.without_patients(connection) == []
    assert connection.execute("SELECT count(*) FROM meta.held").fetchall() == [(0,)]
    assert connection.execute("SELECT count(*) FROM core.interview").fetchall() == [(1,)]


@pytest.mark.hazard(
    "file still being written", "waits; taken in once its hashes or a state at rest say it is whole"
)
def test_a_folder_that_is_still_being_written_waits(landing: Path) -> None:
    folder = deliver(landing, interviews=INTERVIEWS)
    assert settled([folder], 60) == [folder]  # its hashes prove it: nobody waits
    file = folder / "interviews.csv"
    file.write_text(INTERVIEWS[:60])
    writer = threading.Timer(0.1, file.write_text, [INTERVIEWS])
    writer.start()
    assert settled([folder], 0.5) == []
    writer.join()
    assert settled([folder], 60) == [folder]
    file.write_text(INTERVIEWS[:60])
    assert settled([folder], 0.05) == [folder]  # at rest, and refused by the hash it lacks


def test_a_folder_without_a_manifest_waits(landing: Path) -> None:
    deliver(landing, interviews=INTERVIEWS)
    (landing / "lar_x" / "2014-Q3").mkdir()
    assert [folder.name for folder in deliveries(landing)] == ["2014-Q2"]


def test_deliveries_apply_in_the_order_of_quarter_and_number(landing: Path) -> None:
    for name in ("2014-Q3", "2014-Q2-2", "2014-Q2", "2014-Q2-10"):
        deliver(landing, name, interviews=INTERVIEWS)
    assert [folder.name for folder in deliveries(landing)] == [
        "2014-Q2",
        "2014-Q2-2",
        "2014-Q2-10",
        "2014-Q3",
    ]


@pytest.mark.hazard("key missing, wrong, world-readable, changed", "the run is refused")
def test_another_key_is_refused(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    open_key(connection, home)
    home.key_file.write_text("ab" * 32)
    with pytest.raises(KeyFileError, match="not the one this database was filled under"):
        open_key(connection, home)
    home.key_file.unlink()
    with pytest.raises(KeyFileError, match="the pseudonym key is missing"):
        open_key(connection, home)


def test_a_second_run_waits_its_turn(home: Home) -> None:
    with (
        home.lock(),
        pytest.raises(HomeBusyError, match="another run holds this home"),
        Home(home.path).lock(),
    ):
        pass


def test_nothing_is_left_in_staging(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    take(connection, home, deliver(landing, patients=PATIENTS, interviews=INTERVIEWS))
    assert list(home.staging.iterdir()) == []


def test_a_key_among_what_is_published_is_refused(
    connection: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_KEY_FILE", str(home.published / "k.key"))
    with pytest.raises(KeyFileError, match="lies in the folder that is published"):
        open_key(connection, home)
    assert not home.key_file.exists()
