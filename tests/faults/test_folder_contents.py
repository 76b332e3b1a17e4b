"""What stands in a folder of a delivery: manifest, files of forms, and what is none."""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from registry_pipeline.commands.dry_run import try_out
from registry_pipeline.commands.operate import Outcome
from registry_pipeline.commands.report_card import changes_since
from registry_pipeline.deliveries.folders import deliveries, left_alone
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.deliveries.settled import is_proved
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse import ledger, refusals
from registry_pipeline.warehouse.identity_columns import identity_columns
from schemas.protocol import shipped_text
from tests.faults.delivering import (
    INTERVIEWS,
    PATIENTS,
    deliver,
    refused,
    stored,
    take,
)


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
    ((_, _, form, reason),) = refusals.open_refusals(connection)
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
    assert [form for _, _, form, _ in refusals.open_refusals(connection)] == ["delivery.toml"]
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


@pytest.mark.parametrize(
    "name", [".DS_Store", "._interviews.csv", "~$interviews.xlsx", "Thumbs.db", "desktop.ini"]
)
def test_what_a_computer_left_in_a_folder_is_no_file_of_the_delivery(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, name: str
) -> None:
    folder = deliver(landing, patients=PATIENTS, interviews=INTERVIEWS)
    (folder / name).write_bytes(b"\0")
    report = take(connection, home, folder)
    assert {file.status for file in report.files} == {"accepted"}
    assert report.messages == []


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


def test_a_refusal_that_nobody_will_mend_is_closed_and_stays_in_the_ledger(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    folder = deliver(landing, patients=PATIENTS, interviews=INTERVIEWS, rows={"interviews": 2})
    (folder / "readme.txt").touch()
    reasons = sorted(take(connection, home, folder).messages)
    assert len(reasons) == 2
    day = date(2014, 10, 2)
    assert refusals.close(connection, "lar_x", "2014-Q3", day) == []
    assert refusals.close(connection, "lar_x", "2014-Q2", day) == reasons
    assert refused(connection) == []
    lines = "SELECT status, is_complete, closed_on FROM meta.delivery ORDER BY ALL"
    kept = [("accepted", True, None), ("refused", True, day), ("refused", True, day)]
    assert connection.sql(lines).fetchall() == kept
    assert refusals.close(connection, "lar_x", "2014-Q2", day) == []
    take(connection, home, folder)  # it stands in the landing folder, as bad as before
    assert sorted(reason for _, reason in refused(connection)) == reasons
    assert {is_complete for _, is_complete, _ in connection.sql(lines).fetchall()} == {False}


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


def test_a_dry_run_knows_the_deliveries_before_each(home: Home, landing: Path) -> None:
    first = deliver(landing, patients=PATIENTS, interviews=INTERVIEWS)
    copy = shutil.copytree(first, first.with_name("2014-Q2-copy"))
    correction = deliver(landing, "2014-Q2-2", interviews=INTERVIEWS.replace(",0", ",1"))
    found = [tried.report.status for tried in try_out(home, [first, copy, correction], None)]
    assert found == ["accepted", "accepted", "unchanged", "unchanged", "accepted"]
    assert not home.database.exists()


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
