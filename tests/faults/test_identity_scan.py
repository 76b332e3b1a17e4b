"""The scanner before publication: a number in a table, a page or a record of a run is seen."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import duckdb
import polars as pl
import pytest

from registry_pipeline.file_scan import identity_files
from registry_pipeline.home import Home
from registry_pipeline.warehouse.identity_columns import identity_columns
from registry_pipeline.warehouse.tables import create_sql
from schemas.catalog import TABLES

NUMBER = "15076500565"
RUN = "8d3f0a52-1111-4222-8333-123456789012"


DAY, REST = NUMBER[:6], NUMBER[6:]
WRITTEN = [
    NUMBER,
    f"ring {DAY} {REST} i dag",
    f"{DAY}-{REST}",
    f"x {DAY}.{REST} y",
    f"{DAY}  {REST}",
    f"{DAY}\n{REST}",
    f"{DAY} -- {REST}",
    f"{DAY}\u2009{REST}",
    f"{DAY}\u200b{REST}",
    f"{DAY};{REST}",
    f"{DAY}({REST})",
    " ".join(NUMBER),
    "\u00ad".join(NUMBER),
    "".join(chr(0xFF10 + int(digit)) for digit in NUMBER),
    "".join(chr(0x0660 + int(digit)) for digit in NUMBER),
]
"""The gate's scanner takes all of these (`tests/spec/test_identity_numbers.py`)."""


@pytest.mark.parametrize("text", WRITTEN)
def test_a_number_in_an_open_text(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    connection.execute(create_sql(TABLES["core.unit"]))
    connection.execute(
        "INSERT INTO core.unit BY NAME SELECT 'lar_x' AS cohort, 'a' AS unit_id, ? AS name", [text]
    )
    assert identity_columns(connection) == ["core.unit.name: 1"]


@pytest.mark.parametrize("kind", ["BIGINT", "DOUBLE"])
def test_a_number_in_a_column_of_numbers(connection: duckdb.DuckDBPyConnection, kind: str) -> None:
    connection.execute(f"CREATE TABLE core.event (n {kind})")
    connection.execute("INSERT INTO core.event VALUES (?), (7), (NULL)", [int(NUMBER)])
    assert identity_columns(connection) == ["core.event.n: 1"]


def test_every_model_is_read_where_it_is_open(connection: duckdb.DuckDBPyConnection) -> None:
    """Of every published table, each column that neither codes, pattern nor range closes."""
    for table in TABLES.values():
        connection.execute(create_sql(table))
    frame = pl.DataFrame({"cohort": ["lar_x"], "contact_id": [NUMBER], "unit_id": ["u"]})
    connection.register("given", frame)
    connection.execute("ALTER TABLE core.outreach_contact ALTER patient_id DROP NOT NULL")
    for column in TABLES["core.outreach_contact"].columns:
        if not column.nullable:
            connection.execute(
                f'ALTER TABLE core.outreach_contact ALTER "{column.name}" DROP NOT NULL'
            )
    connection.execute("INSERT INTO core.outreach_contact BY NAME SELECT * FROM given")
    assert identity_columns(connection) == ["core.outreach_contact.contact_id: 1"]


def event_log(home: Home, *messages: str) -> None:
    path = home.instance / "history" / "runs" / f"{RUN}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as log:
        log.execute("CREATE TABLE event_logs (id INTEGER, run_id VARCHAR, event TEXT)")
        for message in messages:
            event = {"message": message, "timestamp": 1795123456.789012, "run_id": RUN, "pid": 7}
            log.execute("INSERT INTO event_logs VALUES (1, ?, ?)", [RUN, json.dumps(event)])
        log.commit()


@pytest.mark.parametrize("text", WRITTEN)
def test_a_number_in_an_event_of_the_run(home: Home, text: str) -> None:
    event_log(home, "all is well", f"row of {text}")
    assert identity_files(home, RUN) == [f"dagster/history/runs/{RUN}.db"]
    assert identity_files(home, "another run") == []


def test_a_number_that_a_page_shows_in_words_of_its_own(home: Home) -> None:
    home.data_docs.mkdir()
    page = home.data_docs / "index.html"
    for gap in ("&nbsp;", "&#8201;", "&shy;"):
        page.write_text(f"<td>{DAY}{gap}{REST}</td>")
        assert identity_files(home, RUN) == ["published/data_docs/index.html"]


def test_a_number_in_a_published_page(home: Home) -> None:
    home.data_docs.mkdir()
    page = home.data_docs / "index.html"
    page.write_text(f"<td>{NUMBER}</td>")
    assert identity_files(home, RUN) == ["published/data_docs/index.html"]
    page.write_text("<td>15076500566</td><td>0.15076500565</td>")
    assert identity_files(home, RUN) == []


def test_times_hashes_and_run_ids_are_no_false_alarm(home: Home) -> None:
    event_log(
        home,
        "sha256 00" + NUMBER + "ab" * 20,
        "run 15076500-5650-4507-8500-15076500565a",
        "took 0.15076500565 s",
        "2026-11-26T01:06:57.626448+00:00",
    )
    assert identity_files(home, RUN) == []
