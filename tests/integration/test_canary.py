"""A name, an identity number and free text, planted in every form, and where they are found.

They may lie in intake and quarantine of the protected database, and nowhere else: no published
table, page, log, event, file name or printed word. A name in the place of a short label, such as
the type of an appointment, cannot be told from one, and is not planted there.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from registry_pipeline.commands.operate import run_job
from registry_pipeline.deliveries.landing import write_manifest
from registry_pipeline.home import Home
from schemas.fields import Column
from schemas.forms import FORMS, form_table
from schemas.protocol import load_shipped

NAME = "Kanarifugl Testesen"
NUMBER = "15076500565"
FREE = "Kanarifuglen ringte fredag og sa at naboen hadde sett henne; legen vet om det"
PLANTED = ("Kanarifugl", NUMBER, f"{NUMBER[:6]} {NUMBER[6:]}", "naboen")
LAR_X = load_shipped("lar_x")


def cell(column: Column) -> str:
    """A cell that passes its column, so that the planted one alone is wrong."""
    if column.name in {"substance", "primary_substance"}:
        return LAR_X.substances[0].code
    if column.name in {"pathway", "assigned_pathway"}:
        return LAR_X.pathways[0].code
    if column.codes:
        return next(iter(column.codes.codes))
    if column.dtype == pl.Date:
        return "2014-06-01"
    return str(int(column.low or 1)) if column.dtype.is_numeric() else "x"


def planted_file(form: str) -> tuple[str, int]:
    """A file of the form: a row per column and secret, each with a person of its own."""
    columns = form_table(form, LAR_X).columns
    names = [column.name for column in columns]
    lines = [",".join(names)]
    for place, column in enumerate(columns):
        secrets = [NUMBER, f"{NUMBER[:6]} {NUMBER[6:]}", FREE]
        if not column.open_text or column.name == "patient_id":
            secrets.append(NAME)
        for secret in secrets:
            cells = ["" if told.nullable else cell(told) for told in columns]
            if "patient_id" in names:
                cells[names.index("patient_id")] = f"P-{form}-{len(lines)}"
            cells[place] = secret
            lines.append(",".join(cells))
    return "\n".join(lines) + "\n", len(lines) - 1


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Home:
    folder = tmp_path_factory.mktemp("canary")
    landing = folder / "landing" / "lar_x"
    shutil.copytree(sample / "lar_x" / "2014-Q2", landing / "2014-Q2")
    delivery = landing / "2014-Q3"
    delivery.mkdir()
    rows = {}
    for form in FORMS:
        text, rows[form] = planted_file(form)
        (delivery / f"{form}.csv").write_text(text)
    write_manifest(
        delivery,
        protocol="lar_x",
        quarter="2014-Q3",
        extracted_on=date(2014, 10, 1),
        sender="helse-bergen",
        rows=rows,
    )
    (folder / "strict.toml").write_text(
        (Path(__file__).parents[2] / "schemas" / "protocols" / "lar_x.toml")
        .read_text()
        .replace('id = "lar_x"', 'id = "lar_x"\nmax_quarantine_share = 1.0', 1)
    )
    place = Home(folder / "home")
    outcome = run_job(place, landing.parent, folder / "strict.toml")
    assert not outcome.red_checks
    assert outcome.errors == []
    return place


def cells(path: Path) -> Iterator[tuple[str, str]]:
    """Every text of every table of a database file, with its table's name."""
    with duckdb.connect(path, read_only=True) as connection:
        for table, column in connection.execute(
            "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() "
            "WHERE data_type = 'VARCHAR' AND NOT internal"
        ).fetchall():
            rows = connection.execute(f'SELECT DISTINCT "{column}" FROM {table}').fetchall()
            yield from ((table, text) for (text,) in rows if text)


@pytest.mark.hazard(
    "a planted name, number and free text",
    "planted in every column of every form; found in quarantine alone, numbers nowhere",
)
def test_nothing_planted_is_found_outside_the_protected_quarantine(home: Home) -> None:
    live = [(table, text) for table, text in cells(home.database)]
    where = {table for table, text in live if any(word in text for word in PLANTED)}
    assert where
    assert all(table.startswith("intake.quarantined_") for table in where)
    assert not [table for table, text in live if NUMBER in text or PLANTED[2] in text]
    published = [text for _, text in cells(home.analysis)]
    assert not [text for text in published if any(word in text for word in PLANTED)]


def test_nothing_planted_is_in_any_other_file_or_file_name(home: Home) -> None:
    read = 0
    for path in home.path.rglob("*"):
        assert not any(word in path.name for word in PLANTED)
        if path.is_file() and path != home.database:
            read += 1
            content = path.read_bytes()
            assert not any(word.encode() in content for word in PLANTED), path.name
    assert read > 10


def test_nothing_planted_is_in_the_event_log(home: Home) -> None:
    texts = []
    for path in home.instance.rglob("*.db"):
        with closing(sqlite3.connect(path)) as log:
            texts += list(log.iterdump())
    assert any("received" in text for text in texts)
    assert not [text for text in texts if any(word in text for word in PLANTED)]


def test_all_that_was_planted_was_quarantined(home: Home) -> None:
    with duckdb.connect(home.analysis, read_only=True) as connection:
        lines = connection.execute(
            "SELECT form, n_received, n_accepted FROM meta.delivery WHERE delivery = '2014-Q3'"
        ).fetchall()
    assert {form for form, *_ in lines} == set(FORMS)
    assert [(form, accepted) for form, _, accepted in lines if accepted] == []


def test_every_file_of_the_home_is_its_owners_alone(home: Home) -> None:
    open_to_others = [
        str(path.relative_to(home.path))
        for path in home.path.rglob("*")
        if path.stat().st_mode & 0o077
    ]
    assert open_to_others == []
    assert home.path.stat().st_mode & 0o077 == 0
