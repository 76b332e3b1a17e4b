"""Indicators by the registry and in SQL, over so many interviews and five times the appointments.

Belongs here: the made tables, the two cases, and the proof that they count the same.
Does not belong here: any definition.

Measured are the indicators of interviews, visits and appointments: one pass each. The rows behind
them (quality.indicator_person) are not counting and are left out on both sides.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import duckdb
import narwhals as nw
import polars as pl

from benchmarks.measure import timed
from registry_pipeline.indicators import INDICATORS
from registry_pipeline.indicators.at_interviews import INTERVIEW, VISIT
from registry_pipeline.indicators.at_services import APPOINTMENT
from registry_pipeline.indicators.engine import applicable, cells
from registry_pipeline.indicators.results import COUNTS
from registry_pipeline.warehouse.tables import create_sql
from schemas.catalog import TABLES
from schemas.protocol import load_shipped

MEASURED: Final = tuple(one for one in INDICATORS if one.basis in {INTERVIEW, VISIT, APPOINTMENT})
READ: Final = (
    "core.patient",
    "core.interview",
    "core.visit",
    "core.appointment",
    "core.process_event",
)
PROTOCOL: Final = "lar_x"
PER_PERSON: Final = 9
APPOINTMENTS: Final = 5
CELL: Final = ["indicator_id", "period_type", "unit_id", "quarter"]
_PICK: Final = "(list_value({codes}))[1 + (hash({seed}) % {n})::INTEGER]"


def made(source: Path, out: Path) -> dict[str, float]:
    """Tables of about so many interviews: the name of `source` is their number."""
    people = max(1, int(source.name) // PER_PERSON)
    with duckdb.connect(_database(out)) as connection:
        connection.execute("CREATE SCHEMA core")
        for name in READ:
            connection.execute(create_sql(TABLES[name]))
        for statement in _rows(people):
            connection.execute(statement)
        counted = connection.execute("SELECT count(*) FROM core.interview").fetchall()
    return {"interviews": counted[0][0], "total": 0.0}


def registry(source: Path, out: Path) -> dict[str, float]:
    """The engine of every run: what applies, and the counts, one query per kind of row."""
    protocol = load_shipped(PROTOCOL)
    with _copy(source, out) as connection:
        core = {name: nw.from_native(connection.sql(f"SELECT * FROM {name}")) for name in READ}
        with timed() as numbers:
            counted = cells(applicable(MEASURED, core), core, protocol)
        counted.write_parquet(out / "cells.parquet")
    return {**numbers, "indicators": len(MEASURED)}


def sql(source: Path, out: Path) -> dict[str, float]:
    """The hand-written statements."""
    statements = Path(__file__).with_name("indicators.sql").read_text(encoding="utf-8")
    with _copy(source, out) as connection:
        with timed() as numbers:
            connection.execute(statements)
        parts = [
            pl.DataFrame(connection.sql(f"SELECT * FROM sql_{name}"))
            for name in ("interview", "visit", "appointment")
        ]
        pl.concat(map(_long, parts)).write_parquet(out / "cells.parquet")
    return numbers


def agreement(source: Path, out: Path) -> dict[str, float]:
    """Proves that both counted the same: every cell of every indicator.

    Args:
        source: the folder of the registry's case; that of the SQL stands beside it.
        out: nothing is written there.

    Raises:
        AssertionError: they differ; the message names the number of cells.
    """
    del out
    ours, theirs = (
        pl.read_parquet(source.parent / way / "cells.parquet").select(*CELL, *COUNTS)
        for way in ("registry", "sql")
    )
    left = ours.join(theirs, on=[*CELL, *COUNTS], how="anti").height
    if left or ours.height != theirs.height:
        raise AssertionError(f"sql: {left} of {ours.height} cells differ ({theirs.height} there)")
    return {"cells": ours.height, "total": 0.0}


def _long(wide: pl.DataFrame) -> pl.DataFrame:
    """The SQL's columns as cells; a year that it does not say is the quarter's."""
    named = pl.col("column").str.split(" ")
    long = wide.unpivot(index=["unit_id", "quarter"], variable_name="column", value_name="n")
    counts = long.with_columns(
        indicator_id=named.list.get(0), period_type=named.list.get(1), count=named.list.get(2)
    )
    told = counts.group_by(CELL).agg(
        pl.col("n").filter(pl.col("count") == name).sum().alias(name) for name in COUNTS
    )
    said = told.filter(period_type="year")["indicator_id"].unique().to_list()
    alike = told.filter(~pl.col("indicator_id").is_in(said))
    both = pl.concat([told, alike.with_columns(period_type=pl.lit("year"))])
    return both.filter(pl.col("denominator") > 0).with_columns(pl.col("quarter").cast(pl.Date))


def _database(folder: Path) -> Path:
    return folder / "indicators.duckdb"


def _copy(source: Path, out: Path) -> duckdb.DuckDBPyConnection:
    shutil.copy(_database(source), _database(out))
    return duckdb.connect(_database(out))


def _one_of(seed: str, *codes: str) -> str:
    """SQL for a code that the seed picks, the same in every run; an empty code is null."""
    listed = ", ".join(f"nullif('{code}', '')" for code in codes)
    return _PICK.format(codes=listed, seed=seed, n=len(codes))


def _rows(people: int) -> list[str]:
    """The statements that fill the tables: nine interviews a person, a quarter apart."""
    key = "'p' || person AS patient_id"
    unit = "'unit_' || person % 40 AS unit_id"
    day = "DATE '2015-01-01' + (person % 700)::INTEGER"
    answer = {
        column: _one_of(f"person * 31 + wave * {7 + number}", "yes", "no", "unknown", "")
        for number, column in enumerate(
            ("treatment_plan", "crisis_plan", "took_part_in_choice", "network_involved")
        )
    }
    answers = ", ".join(f"{pick} AS {column}" for column, pick in answer.items())
    status = _one_of(
        "person + wave", "active", "active", "active", "interrupted", "ended_mutual", ""
    )
    housing = _one_of("person * 3 + wave", "own", "rented", "shelter", "unknown", "")
    employment = _one_of("person * 5 + wave", "work", "education", "benefits", "unknown", "")
    visit = _one_of("person * 11 + wave", "completed", "partial", "missed", "dead", "not_due")
    kept = _one_of(
        "person * 13 + visit", "attended", "attended", "attended", "no_show", "cancelled_late",
        "cancelled_in_time",
    )  # fmt: skip
    waves = f"range({people}) AS p(person), range({PER_PERSON}) AS w(wave)"
    visits = f"range({people}) AS p(person), range({APPOINTMENTS * PER_PERSON}) AS v(visit)"
    same = "'made' AS cohort"
    return [
        f"INSERT INTO core.patient BY NAME SELECT {same}, {key}, {unit}, {day} AS origin_date, "
        f"{day} AS baseline_date, true AS enrolled, DATE '2018-12-31' AS cutoff_date, "
        "'male' AS sex, 'unknown' AS age_group, 'consented' AS consent, 'consent' AS legal_basis, "
        f"CASE WHEN person % 50 = 0 THEN 400 END AS death_day FROM range({people}) AS p(person)",
        f"INSERT INTO core.interview BY NAME SELECT {same}, {key}, {unit}, "
        f"{day} + (wave * 61)::INTEGER AS interview_date, 'completed' AS status, {answers}, "
        f"{status} AS treatment_status, {housing} AS housing, {employment} AS employment, "
        f"1 + (hash(person + wave) % 5)::INTEGER AS treatment_benefit FROM {waves}",
        f"INSERT INTO core.visit BY NAME SELECT {same}, {key}, wave, true AS is_due, "
        f"(wave * 91)::INTEGER AS due_day, {visit} AS status FROM {waves}",
        f"INSERT INTO core.appointment BY NAME SELECT {same}, {key}, {unit}, "
        f"{day} + (visit * 17)::INTEGER AS scheduled_date, {kept} AS status FROM {visits}",
        f"INSERT INTO core.process_event BY NAME SELECT {same}, {key}, {unit}, "
        f"{day} + (wave * 51 + person % 20)::INTEGER AS event_date, "
        f"{_one_of('person + wave', 'peer_outreach', 'frame_changed', 'goals_set')} AS kind "
        f"FROM {waves}",
    ]  # fmt: skip
