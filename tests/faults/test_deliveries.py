"""Faults of a whole delivery: what is refused, what goes on, and what the ledger says."""

from __future__ import annotations

import os
import shutil
import threading
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from registry_pipeline.build import build_core
from registry_pipeline.dry_run import try_out
from registry_pipeline.folders import deliveries, left_alone
from registry_pipeline.gate.pseudonym import KeyFileError
from registry_pipeline.home import Home, HomeBusyError
from registry_pipeline.intake import DeliveryReport, take_in
from registry_pipeline.keys import open_key
from registry_pipeline.landing import write_manifest
from registry_pipeline.operate import Outcome
from registry_pipeline.report_card import changes_since
from registry_pipeline.settled import is_proved, settled
from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.changes import Changes
from registry_pipeline.warehouse.identity_columns import identity_columns
from schemas.protocol import shipped_text

PATIENTS = "patient_id,sex,birth_year,consent,consent_date\nA-1,male,1970,consented,2014-05-02\n"
INTERVIEWS = "patient_id,interview_date,status,heroin_days\nA-1,2014-05-10,completed,0\n"


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


def deliver(
    landing: Path, delivery: str = "2014-Q2", protocol: str = "lar_x", **given: Any
) -> Path:
    """Writes a delivery; a file's text is given under its form's name."""
    folder = landing / protocol / delivery
    folder.mkdir(parents=True)
    files = {form: given.pop(form) for form in ("patients", "interviews") if form in given}
    rows = given.pop("rows", {form: text.count("\n") - 1 for form, text in files.items()})
    for form, text in files.items():
        (folder / f"{form}.csv").write_text(text)
    quarter, _, number = delivery[:7], delivery[7:8], delivery[8:] or "1"
    write_manifest(
        folder,
        protocol=given.pop("manifest_protocol", protocol),
        quarter=quarter,
        number=int(number),
        kind="full" if number == "1" else "correction",
        extracted_on=given.pop("extracted_on", date(2014, 7, 1)),
        sender=given.pop("sender", "helse-bergen"),
        rows=rows,
    )
    text = given.pop("append", "")
    with (folder / "delivery.toml").open("a") as manifest:
        manifest.write(text)
    return folder


def take(connection: duckdb.DuckDBPyConnection, home: Home, folder: Path) -> DeliveryReport:
    return take_in(connection, home, folder, open_key(connection, home))


def stored(connection: duckdb.DuckDBPyConnection, form: str = "interviews") -> int:
    return int(connection.execute(f"SELECT count(*) FROM intake.{form}").fetchall()[0][0])


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
    assert len(ledger.open_refusals(connection)) == 1
    shutil.rmtree(folder)
    deliver(landing, interviews=INTERVIEWS)
    take(connection, home, folder)
    assert ledger.open_refusals(connection) == []
    assert stored(connection) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"protocol": "nobody"},
            "nobody/2014-Q2/delivery.toml: nobody: unknown protocol; known: ctn0027, lar_x",
        ),
        ({"manifest_protocol": "ctn0027"}, "protocol is not the folder's, lar_x"),
        ({"append": "nonsense ="}, "not a TOML file"),
        ({"append": "[retract]\nvisits = []"}, "names a form that does not exist"),
    ],
)
def test_a_delivery_that_cannot_be_opened(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    landing: Path,
    given: dict[str, Any],
    said: str,
) -> None:
    report = take(connection, home, deliver(landing, interviews=INTERVIEWS, **given))
    assert report.files == []
    assert said in report.message
    ((_, _, form, reason),) = ledger.open_refusals(connection)
    assert (form, reason) == ("delivery.toml", report.message)


@pytest.mark.parametrize(
    "given",
    [
        {"append": "[[retract.outreach]]\ncontact_id = 'K 01019010046'\n"},
        {"append": "[[retract.outreach]]\ncontact_id = 1019010046\n"},
        {"sender": "Kontakt: 01019010046"},
    ],
)
def test_nothing_is_stored_of_a_manifest_with_an_identity_number(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, given: dict[str, str]
) -> None:
    report = take(connection, home, deliver(landing, interviews=INTERVIEWS, **given))
    assert report.files == []
    assert report.message.endswith("holds a national identity number (identity_number)")
    assert [form for _, _, form, _ in ledger.open_refusals(connection)] == ["delivery.toml"]
    assert identity_columns(connection) == []


def test_a_corrected_manifest_takes_the_place_of_the_sender_that_is_stored(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    """An older version stored whatever stood there, and the scan blocks every publication."""
    folder = deliver(landing, patients=PATIENTS, interviews=INTERVIEWS)
    take(connection, home, folder)
    connection.execute("UPDATE meta.delivery SET sender = 'Kontakt: 01019010046'")
    assert identity_columns(connection) == ["meta.delivery.sender: 1"]
    assert {file.status for file in take(connection, home, folder).files} == {"unchanged"}
    assert identity_columns(connection) == []
    assert stored(connection) == 1


def refused(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Form and reason of every refusal that is open."""
    return [(form, reason) for _, _, form, reason in ledger.open_refusals(connection)]


@pytest.mark.parametrize("name", ["intervews.csv", "events.pdf", "events"])
def test_a_file_that_no_form_reads_leaves_the_others_in(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, name: str
) -> None:
    folder = deliver(landing, patients=PATIENTS, interviews=INTERVIEWS)
    (folder / name).write_text(INTERVIEWS)
    sentence = f"lar_x/2014-Q2/{name}: no form of protocol lar_x has this name"
    for statuses in ({"accepted"}, {"unchanged"}):
        report = take(connection, home, folder)
        assert {file.status for file in report.files} == statuses
        assert report.messages == [sentence]
        assert refused(connection) == [("delivery.toml", sentence)]
        assert connection.sql("SELECT DISTINCT is_complete FROM meta.delivery").fetchall() == [
            (False,)
        ]
    (folder / name).unlink()
    assert take(connection, home, folder).messages == []
    assert refused(connection) == []
    assert connection.sql("SELECT DISTINCT is_complete FROM meta.delivery").fetchall() == [(True,)]
    assert (stored(connection, "patients"), stored(connection)) == (1, 1)


def test_a_form_that_is_there_twice_is_read_from_neither_file(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    folder = deliver(landing, patients=PATIENTS, interviews=INTERVIEWS)
    (folder / "interviews.parquet").write_text(INTERVIEWS)
    report = take(connection, home, folder)
    sentence = (
        "lar_x/2014-Q2/interviews.parquet: the form is there twice, as interviews.csv too "
        "(form_twice)"
    )
    assert {file.form: file.status for file in report.files} == {
        "patients": "accepted",
        "interviews": "refused",
    }
    assert refused(connection) == [("interviews", sentence)]
    (folder / "interviews.parquet").unlink()
    assert take(connection, home, folder).messages == []
    assert refused(connection) == []
    assert (stored(connection, "patients"), stored(connection)) == (1, 1)


@pytest.mark.parametrize(
    "announced", [{"rows": {"events": 3}}, {"append": f'"events.csv" = "{"0" * 64}"\n'}]
)
def test_a_file_that_is_announced_and_not_there(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, announced: dict[str, Any]
) -> None:
    folder = deliver(landing, interviews=INTERVIEWS, **announced)
    report = take(connection, home, folder)
    sentence = (
        "lar_x/2014-Q2/delivery.toml: announces events, and the folder holds no such file "
        "(missing_file)"
    )
    assert report.messages == [sentence]
    assert refused(connection) == [("events", sentence)]
    assert stored(connection) == 1
    shutil.rmtree(folder)
    deliver(landing, interviews=INTERVIEWS)
    assert take(connection, home, landing / "lar_x" / "2014-Q2").messages == []
    assert refused(connection) == []


def test_no_file_is_missing_of_which_no_row_is_counted(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    folder = deliver(landing, interviews=INTERVIEWS, rows={"interviews": 1, "events": 0})
    assert take(connection, home, folder).messages == []


def test_the_files_of_a_delivery_that_was_taken_in_may_go(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    retract = "[[retract.interviews]]\npatient_id = 'A-1'\ninterview_date = 2014-05-11\n"
    folder = deliver(landing, patients=PATIENTS, interviews=INTERVIEWS, append=retract)
    take(connection, home, folder)
    before = (stored(connection, "patients"), stored(connection))
    for name in ("interviews.csv", "patients.csv"):
        (folder / name).unlink()
        assert take(connection, home, folder).messages == []
    assert (stored(connection, "patients"), stored(connection)) == before
    connection.close()  # a dry run opens the home itself
    assert [tried.report.status for tried in try_out(home, [folder], None)] == ["unchanged"]


def test_a_count_of_no_form(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    """The name may be anything, so it is shown only where it is plain."""
    counts = '\n[rows]\ninterviews = 1\nintervews = 2\n"15076500565" = 3\n'
    folder = deliver(landing, interviews=INTERVIEWS)
    manifest = folder / "delivery.toml"
    manifest.write_text(manifest.read_text().replace("\n[rows]\ninterviews = 1\n", counts))
    (message,) = take(connection, home, folder).messages
    no_form = "and no form of protocol lar_x has this name"
    place = "lar_x/2014-Q2/delivery.toml: announces"
    assert message == f"{place} (a name that is not shown), {no_form}; {place} intervews, {no_form}"
    assert stored(connection) == 1


def test_a_link_is_not_followed(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, tmp_path: Path
) -> None:
    folder = deliver(landing, rows={})
    outside = tmp_path / "elsewhere.csv"
    outside.write_text(INTERVIEWS)
    (folder / "interviews.csv").symlink_to(outside)
    assert "is not a regular file" in take(connection, home, folder).messages[0]


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
        assert [reason for *_, reason in ledger.open_refusals(connection)] == [message]
        assert completeness(connection) == {"2014-Q2": False}
    assert stored(connection) == 1
    shutil.rmtree(folder)
    deliver(landing, interviews=INTERVIEWS)
    assert take(connection, home, folder).messages == []
    assert ledger.open_refusals(connection) == []
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


HEADER = "patient_id,interview_date,status,heroin_days\n"


def interviews(*rows: str) -> str:
    return HEADER + "".join(f"A-1,{row}\n" for row in rows)


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


@pytest.mark.parametrize("name", ["it's", "a*b", "[x]", "a\nb", "15076500565", "..x;DROP"])
def test_odd_names_of_files_and_folders_are_not_shown(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, name: str
) -> None:
    folder = deliver(landing, interviews=INTERVIEWS)
    (folder / f"{name}.csv").write_text(INTERVIEWS)
    message = take(connection, home, folder).message
    assert "(a name that is not shown): no form of protocol lar_x has this name" in message
    odd = landing / "lar_x" / name
    shutil.copytree(folder, odd)
    assert deliveries(landing) == [folder]
    (sentence,) = left_alone(landing)
    assert "the names of 1 delivery folder hold other signs" in sentence
    assert name not in sentence


def test_a_folder_that_cannot_be_read_is_named(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever tests may read everything, so the system's answer is played."""
    folder = deliver(landing, interviews=INTERVIEWS)
    assert left_alone(landing) == []
    monkeypatch.setattr(os, "access", lambda path, _: path != folder)
    assert left_alone(landing) == [f"{landing}: the folder lar_x/2014-Q2 cannot be read"]


def test_a_pipe_is_no_file(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    folder = deliver(landing, rows={})
    os.mkfifo(folder / "interviews.csv")
    assert not is_proved(folder)
    assert "is not a regular file" in take(connection, home, folder).messages[0]


def test_a_retraction_takes_a_row_back(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    take(connection, home, deliver(landing, patients=PATIENTS, interviews=INTERVIEWS))
    retract = "[[retract.interviews]]\npatient_id = 'A-1'\ninterview_date = 2014-05-10\n"
    take(connection, home, deliver(landing, "2014-Q2-2", append=retract))
    build_core(connection)
    assert connection.execute("SELECT count(*) FROM core.interview").fetchall() == [(0,)]
    assert connection.execute("SELECT count(*) FROM core.patient").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("patient_id = 'A-1'", "a key of interviews is patient_id, interview_date"),
        (
            "patient_id = 'A-1'\ninterview_date = 'soon'",
            "[retract.interviews], entry 1, column interview_date: not a date written yyyy-mm-dd "
            "or dd.mm.yyyy (date_format)",
        ),
    ],
)
def test_a_retraction_without_a_whole_key_is_refused(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, key: str, said: str
) -> None:
    folder = deliver(landing, append=f"[[retract.interviews]]\n{key}\n")
    (message,) = take(connection, home, folder).messages
    assert said in message
    assert "soon" not in message


EPISODES = "patient_id,pathway,start_date\nA-1,7,2014-05-03\nA-1,other_oat,2014-05-20\n"
RECODED = (
    shipped_text("lar_x")
    + "\n[forms.episodes]\nrecode = { pathway = { 7 = 'gp_alone', 9 = '' } }\n"
)


def taking_back(landing: Path, *keys: str, number: int = 2) -> Path:
    """A correction that takes episodes of one person back, by pathway and start."""
    entries = (f"[[retract.episodes]]\npatient_id = 'A-1'\n{key}\n" for key in keys)
    return deliver(landing, f"2014-Q2-{number}", append="".join(entries))


def with_episodes(connection: duckdb.DuckDBPyConnection, home: Home, landing: Path) -> None:
    """Takes two stays in, one of which is coded as the sender codes."""
    folder = deliver(landing, patients=PATIENTS)
    (folder / "episodes.csv").write_text(EPISODES)
    report = take_in(connection, home, folder, open_key(connection, home), RECODED)
    assert report.messages == []


def test_a_retraction_speaks_the_codes_of_its_sender(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    """Three entries: a row in the sender's code and date, one that never came, one in ours."""
    with_episodes(connection, home, landing)
    keys = [
        "pathway = 7\nstart_date = '03.05.2014'",
        "pathway = '7'\nstart_date = '04.05.2014'",
        "pathway = 'other_oat'\nstart_date = '20.05.2014'",
    ]
    (file,) = take(connection, home, taking_back(landing, *keys)).files
    assert (file.status, file.n_retracted, file.n_retracted_unmet) == ("accepted", 3, 1)
    build_core(connection)
    assert connection.execute("SELECT count(*) FROM core.episode").fetchall() == [(0,)]
    codes = connection.execute("SELECT DISTINCT pathway FROM intake.episodes ORDER BY ALL")
    assert codes.fetchall() == [("gp_alone",), ("other_oat",)]
    connection.close()
    _, correction = changes_since(home, Outcome("run", True, []))
    assert correction.remarks == ["lar_x/2014-Q2-2: 1 of 3 rows to be taken back is not there"]


def test_a_retraction_may_arrive_before_its_row(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    early = taking_back(landing, "pathway = 'gp_alone'\nstart_date = 2014-05-03")
    (file,) = take(connection, home, early).files
    assert (file.n_retracted, file.n_retracted_unmet) == (1, 1)
    with_episodes(connection, home, landing)
    build_core(connection)
    stays = connection.execute("SELECT pathway FROM core.episode").fetchall()
    assert stays == [("other_oat",)]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (
            "pathway = 'jail'\nstart_date = 2014-05-03",
            "not among the protocol's pathways (unknown_pathway)",
        ),
        ("pathway = 7\nstart_date = 2014-07-03", "a day after the delivery's extracted_on"),
        ("pathway = 9\nstart_date = 2014-05-03", "missing, and never may be"),
        ("pathway = 7\nstart_date = 2014-05-03\nlevel = 'gp'", "a key of episodes is patient_id"),
        ("pathway = 7", "a key of episodes is patient_id"),
    ],
)
def test_a_retraction_is_judged_as_a_row_is(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, key: str, said: str
) -> None:
    with_episodes(connection, home, landing)
    good = "pathway = 7\nstart_date = 2014-05-03"
    report = take(connection, home, taking_back(landing, good, key))
    (message,) = report.messages
    assert "lar_x/2014-Q2-2/delivery.toml [retract.episodes], entry 2" in message
    assert said in message
    assert "jail" not in message
    assert stored(connection, "episodes") == 2


SHARED = """
[forms.patients]
source = "export"
where = { type = ["P"] }
[forms.interviews]
source = "export"
where = { type = ["I"] }
left_out = { type = ["X", ""] }
"""
EXPORT = """\
type,patient_id,consent,consent_date,interview_date,status
P,A-1,consented,2014-05-02,,
P,A-2,consented,2014-05-02,,
I,A-1,,,2014-05-10,completed
i,A-2,,,2014-05-11,completed
X,A-2,,,2014-05-12,completed
,A-2,,,2014-05-13,completed
"""


def test_every_row_of_a_file_that_several_forms_read_is_in_some_count(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    text = shipped_text("lar_x") + SHARED
    key = open_key(connection, home)
    counted = {}
    for delivery, file in (("2014-Q2", EXPORT), ("2014-Q2-2", EXPORT.replace("\ni,", "\nI,"))):
        folder = deliver(landing, delivery, rows={"export": 6})
        (folder / "export.csv").write_text(file)
        report = take_in(connection, home, folder, key, text)
        assert report.messages == []
        counted[delivery] = {
            one.form: (one.n_accepted, one.n_quarantined, one.n_left_out) for one in report.files
        }
        assert sum(sum(numbers) for numbers in counted[delivery].values()) == 6
    assert counted == {
        "2014-Q2": {"patients": (2, 1, 2), "interviews": (1, 0, 0)},
        "2014-Q2-2": {"patients": (2, 0, 2), "interviews": (2, 0, 0)},
    }
    problems = connection.execute("SELECT row_number, rule_id, mended_by FROM meta.quarantine")
    assert problems.fetchall() == [(4, "no_form", "2014-Q2-2")]
    assert ledger.discrepancies(connection) == []
    connection.close()
    first, _ = changes_since(home, Outcome("run", True, []))
    no_forms = "2 rows left out, since the protocol says they are no form's"
    assert first.remarks == [f"lar_x/2014-Q2: {no_forms}"]


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
