"""Stored tables of one small cohort, on both engines, from the few cells a test cares about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from itertools import count
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.transform.engine import Frame
from schemas.catalog import TABLES
from schemas.forms import intake_table
from schemas.protocol import Protocol, parse_protocol

PROTOCOL = """
id = "trial"
title_nb = "Prøve"
title_en = "Trial"

[waves]
interval = 3
nominal_days = [0, 91]

[[substances]]
code = "heroin"
nb = "Heroin"
en = "Heroin"

[[pathways]]
code = "gp"
nb = "Fastlege"
en = "GP"
treatment = true

[[units]]
id = "north"
name = "North"

[[units]]
id = "south"
name = "South"
"""
DEFAULTS: dict[str, dict[str, Any]] = {
    "core.interview": {"status": "completed", "interview_date": date(2014, 5, 1)},
    "core.patient": {"enrolled": True, "cutoff_date": date(2014, 12, 31)},
    "meta.delivery": {
        "status": "accepted",
        "kind": "full",
        "form": "interviews",
        "delivery": "2014-Q2",
        "sender": "north",
        "number": 1,
        "quarter": "2014-Q2",
        "extracted_on": date(2014, 12, 31),
        "n_received": 0,
        "n_accepted": 0,
        "n_quarantined": 0,
        "n_unchanged": 0,
        "n_warning": 0,
        "n_erased": 0,
    },
}
SCHEMAS = {name: table.dtypes for name, table in TABLES.items()}
SCHEMAS["intake.interviews"] = intake_table("interviews", parse_protocol(PROTOCOL, "trial")).dtypes
Rows = Mapping[str, list[dict[str, Any]]]
Store = Callable[[Rows], dict[str, Frame]]


@pytest.fixture
def protocol() -> Protocol:
    """A protocol with two units, one pathway, one substance and two waves."""
    return parse_protocol(PROTOCOL, "trial")


@pytest.fixture(scope="session", params=["duckdb", "polars"])
def engine(request: pytest.FixtureRequest) -> Callable[[pl.DataFrame], Frame]:
    """A function that puts a Polars frame on one engine."""
    if request.param == "polars":
        return lambda table: nw.from_native(table.lazy())
    connection, number = duckdb.connect(), count()

    def on_duckdb(table: pl.DataFrame) -> Frame:
        name = f"given_{next(number)}"
        connection.register("rows_given", table)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM rows_given")
        return nw.from_native(connection.sql(f"SELECT * FROM {name}"))

    return on_duckdb


@pytest.fixture(scope="session")
def empty(engine: Callable[[pl.DataFrame], Frame]) -> dict[str, Frame]:
    """Every stored table without rows."""
    return {name: engine(pl.DataFrame(schema=schema)) for name, schema in SCHEMAS.items()}


@pytest.fixture
def store(engine: Callable[[pl.DataFrame], Frame], empty: dict[str, Frame]) -> Store:
    """A function from given rows to the stored tables of the cohort; the others are empty."""

    def build(rows: Rows) -> dict[str, Frame]:
        people = [{**DEFAULTS["core.patient"], **row} for row in rows.get("core.patient", ())]
        known = {row.get("patient_id"): row["cutoff_date"] for row in people}

        def whole(name: str, row: dict[str, Any]) -> dict[str, Any]:
            """A stay is known as long as its person, unless the test says otherwise."""
            stays = {"cutoff_date": known.get(row.get("patient_id"))}
            return DEFAULTS.get(name, {}) | (stays if name == "core.episode" else {}) | row

        given = {
            name: pl.DataFrame([whole(name, row) for row in some], schema=SCHEMAS[name])
            for name, some in {"meta.delivery": [{}], **rows}.items()
        }
        return {**empty, **{name: engine(table) for name, table in given.items()}}

    return build
