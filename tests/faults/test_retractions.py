"""Rows that a manifest takes back: which keys it may name, and what becomes of the rows."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from registry_pipeline.building.build import build_core
from registry_pipeline.commands.dry_run import try_out
from registry_pipeline.commands.operate import Outcome
from registry_pipeline.commands.report_card import changes_since
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.gate.pseudonym import KeyFileError
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.database import connect
from registry_pipeline.withdrawal.withdraw import carry_out, note_requests
from schemas.protocol import shipped_text
from tests.faults.delivering import (
    INTERVIEWS,
    PATIENTS,
    deliver,
    refused,
    stored,
    take,
)


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


ONE_KEY = "patient_id = 'A-1'\ninterview_date = 2014-05-10\n"
OTHER_KEY = "patient_id = 'A-1'\ninterview_date = 2014-05-11\n"


@pytest.mark.parametrize(
    ("first", "then"),
    [((ONE_KEY,), (OTHER_KEY,)), ((ONE_KEY,), (ONE_KEY, OTHER_KEY)), ((), (ONE_KEY,))],
    ids=["another", "one more", "the first"],
)
def test_other_keys_under_a_taken_name_are_refused(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    landing: Path,
    first: tuple[str, ...],
    then: tuple[str, ...],
) -> None:
    """The file beside the keys is the same throughout: its hash alone tells nothing of them."""

    def said(keys: tuple[str, ...]) -> list[str]:
        shutil.rmtree(landing, ignore_errors=True)
        retract = "".join(f"[[retract.interviews]]\n{key}" for key in keys)
        folder = deliver(landing, "2014-Q2-2", interviews=INTERVIEWS, append=retract)
        return take(connection, home, folder).messages

    assert said(first) == []
    n_rows = stored(connection)
    for _ in range(2):
        (message,) = said(then)
        assert (
            "lar_x/2014-Q2-2/interviews.csv: taken in before with other bytes or other" in message
        )
        assert refused(connection) == [("interviews", message)]
    assert stored(connection) == n_rows
    assert said(first) == []
    assert refused(connection) == []
    assert ledger.discrepancies(connection) == []


def test_a_dry_run_tells_other_keys_as_the_run_does(home: Home, landing: Path) -> None:
    def delivered(key: str) -> Path:
        shutil.rmtree(landing, ignore_errors=True)
        retract = f"[[retract.interviews]]\n{key}"
        return deliver(landing, "2014-Q2-2", interviews=INTERVIEWS, append=retract)

    with connect(home) as connection:
        assert take(connection, home, delivered(ONE_KEY)).messages == []
    (dry,) = try_out(home, [delivered(OTHER_KEY)], None)
    with connect(home) as connection:
        (wet,) = take(connection, home, landing / "lar_x" / "2014-Q2-2").files
    assert (dry.report.status, dry.report.message) == ("refused", wet.message)
    (dry,) = try_out(home, [delivered(ONE_KEY)], None)
    assert dry.report.status == "unchanged"
    (home.key_file).unlink()
    with pytest.raises(KeyFileError, match="the pseudonym key is missing"):
        list(try_out(home, [landing / "lar_x" / "2014-Q2-2"], None))


def test_retractions_without_a_file_are_told_apart_by_their_keys(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path
) -> None:
    """Two folders of one quarter and number, and no file in either: both take their rows back."""
    folders = [deliver(landing, patients=PATIENTS, interviews=INTERVIEWS)]
    take(connection, home, folders[0])
    for delivery, key, status in (
        ("first", OTHER_KEY, "accepted"),
        ("again", OTHER_KEY, "unchanged"),
        ("another", ONE_KEY, "accepted"),
    ):
        folder = deliver(landing, "2014-Q2-2", append=f"[[retract.interviews]]\n{key}")
        folder = folder.rename(folder.with_name(delivery))
        folders.append(folder)
        (file,) = take(connection, home, folder).files
        assert file.status == status
    build_core(connection)
    assert connection.execute("SELECT count(*) FROM core.interview").fetchall() == [(0,)]
    dry = try_out(Home(home.path / "another"), folders, None)
    assert [one.report.status for one in dry][2:] == ["accepted", "unchanged", "accepted"]


def test_keys_of_an_erased_person_are_still_the_same_keys(home: Home, landing: Path) -> None:
    """What an erasure took out of the store is not missed in the manifest that named it."""
    key = "patient_id = 'B-2'\ninterview_date = 2014-05-10\n"
    retract = f"[[retract.interviews]]\n{ONE_KEY}[[retract.interviews]]\n{key}"
    folder = deliver(landing, "2014-Q2-2", interviews=INTERVIEWS, append=retract)
    with connect(home) as connection:
        take(connection, home, folder)
    note_requests(home, ["B-2"], "lar_x", date(2014, 8, 1), unseen=False)
    carry_out(home)
    with connect(home) as connection:
        (file,) = take(connection, home, folder).files
        assert (file.status, stored(connection)) == ("unchanged", 2)
    assert [one.report.status for one in try_out(home, [folder], None)] == ["unchanged"]


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ('quarter = "2014-Q1"', "quarter"),
        ("number = 3", "number"),
        ("extracted_on = 2014-07-02", "extracted_on"),
        ('kind = "full"', "kind"),
    ],
)
def test_a_manifest_stays_what_it_was(
    connection: duckdb.DuckDBPyConnection, home: Home, landing: Path, fact: str, said: str
) -> None:
    folder = deliver(landing, "2014-Q2-2", interviews=INTERVIEWS)
    take(connection, home, folder)
    manifest = folder / "delivery.toml"
    as_it_was = manifest.read_text()
    field = fact.split(" ", maxsplit=1)[0]
    manifest.write_text(re.sub(rf"(?m)^{field} = .*$", fact, as_it_was))
    (message,) = take(connection, home, folder).messages
    assert message == (
        f"lar_x/2014-Q2-2/delivery.toml: {said} not as when files of this delivery were taken in; "
        "put the manifest back, or deliver again with the next number (other_manifest)"
    )
    assert [reason for _, reason in refused(connection)] == [message]
    manifest.write_text(as_it_was)
    assert take(connection, home, folder).messages == []
    assert refused(connection) == []
