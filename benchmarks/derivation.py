"""Derivation of three tables by the registry and in SQL, from the same intake tables.

Belongs here: the two cases that run in DuckDB, and the proof that peers gave the same tables.
Does not belong here: the pandas peer (see `derivation_pandas`), any definition.

Each case works on its own copy of the database that intake filled, and stores what it derives.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

import duckdb
import narwhals as nw

from benchmarks.landing import PROTOCOL
from benchmarks.measure import timed
from registry_pipeline.derivations.core import core_tables
from registry_pipeline.derivations.strata import strata_columns
from registry_pipeline.derivations.trajectories_use import substance_trend, use_cells
from registry_pipeline.home import Home
from registry_pipeline.transform.engine import Frame
from registry_pipeline.warehouse import tables
from registry_pipeline.warehouse.database import connect, scalar
from registry_pipeline.warehouse.tables import Part, ensure, replace
from schemas.catalog import TABLES
from schemas.fields import Table
from schemas.forms import FORMS, intake_table
from schemas.protocol import load_shipped

READ: Final = ("patients", "interviews", "episodes", "events", "withdrawals")
"""The forms that the three tables are made from."""
COMPARED: Final = {
    "core.visit": ("*",),
    "core.substance_use": ("*",),
    "derived.substance_trend": (
        "cohort", "substance", "stratum_by", "stratum", "wave", "n_expected", "n_observed",
        "n_missing", "mean_days", "median_days", "n_abstinent", "n_episodic", "n_regular",
        "abstinent", "episodic", "regular", "any_use",
    ),
}  # fmt: skip
"""The three tables and the columns that all ways of making them give."""


def registry(source: Path, out: Path) -> dict[str, float]:
    """The functions of every run, stored with model and key proved before the commit."""
    home = Home(out)
    home.prepare()
    copy_of(source, home.database)
    protocol = load_shipped(PROTOCOL)
    with timed() as numbers, connect(home) as connection, _timed_proofs() as proofs:
        intake = {form: _rows(connection, form) for form in FORMS}
        lines = nw.from_native(connection.sql("SELECT * FROM meta.delivery"))
        core = core_tables(intake, lines, protocol)
        for name in ("core.visit", "core.substance_use"):
            replace(connection, TABLES[name], [Part(core[name])])
        use = nw.from_native(connection.sql("SELECT * FROM core.substance_use"))
        people = core["core.patient"].select("patient_id", *strata_columns())
        trend = substance_trend(use_cells(use, people), protocol)
        part = Part(trend, {"as_of_delivery": "benchmark"})
        replace(connection, TABLES["derived.substance_trend"], [part])
    return {**numbers, "proofs": sum(proofs), "derive": numbers["total"] - sum(proofs)}


def sql(source: Path, out: Path) -> dict[str, float]:
    """The hand-written statements, stored and nothing proved."""
    database = out / "sql.duckdb"
    copy_of(source, database)
    statements = Path(__file__).with_name("derivation.sql").read_text(encoding="utf-8")
    with timed() as numbers, duckdb.connect(database) as connection:
        connection.execute(statements)
    return numbers


def copy_of(source: Path, database: Path) -> None:
    """The database that intake filled, with a table for every form, delivered or not."""
    shutil.copy(Home(source).database, database)
    protocol = load_shipped(PROTOCOL)
    with duckdb.connect(database) as connection:
        ensure(connection, [intake_table(form, protocol) for form in FORMS])


def agreement(source: Path, out: Path) -> dict[str, float]:
    """Proves that each database beside the registry's holds the same rows.

    Args:
        source: the folder of the registry's case; the peers' folders stand beside it.
        out: nothing is written there but what DuckDB spills.

    Raises:
        AssertionError: a peer differs; the message names table and number of rows.
    """
    peers = [p for p in sorted(source.parent.glob("*/*.duckdb")) if p.parent != source]
    with duckdb.connect(config={"temp_directory": str(out)}) as connection:
        connection.execute(f"ATTACH '{Home(source).database}' AS ours (READ_ONLY)")
        for peer in peers:
            connection.execute(f"ATTACH '{peer}' AS theirs (READ_ONLY)")
            for name, columns in COMPARED.items():
                _same_rows(connection, name, columns, peer.stem)
            connection.execute("DETACH theirs")
        rows = {name: scalar(connection, f"SELECT count(*) FROM ours.{name}") for name in COMPARED}
    return {**rows, "peers": len(peers)}


def _same_rows(
    connection: duckdb.DuckDBPyConnection, name: str, columns: tuple[str, ...], peer: str
) -> None:
    """Both ways nothing is left over; fractions to nine places, since sums differ in order."""
    listed = connection.sql(f"SELECT {', '.join(columns)} FROM ours.{name}")
    told = ", ".join(
        f"round({column}, 9)" if dtype == "DOUBLE" else column
        for column, dtype in zip(listed.columns, listed.types, strict=True)
    )
    ours, theirs = (f"SELECT {told} FROM {side}.{name}" for side in ("ours", "theirs"))
    left = [
        scalar(connection, f"SELECT count(*) FROM ({these} EXCEPT ALL {those})")
        for these, those in ((ours, theirs), (theirs, ours))
    ]
    if any(left):
        raise AssertionError(f"{peer}: {name} differs, {left[0]} rows against {left[1]}")


def _rows(connection: duckdb.DuckDBPyConnection, form: str) -> Frame:
    """The intake rows of a form; none of a form that the three tables do not need."""
    table = intake_table(form, load_shipped(PROTOCOL))
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    where = f"protocol = '{PROTOCOL}'" if form in READ else "false"
    rows: Frame = nw.from_native(
        connection.sql(f"SELECT {names} FROM {table.full_name} WHERE {where}")
    )
    return rows


@contextmanager
def _timed_proofs() -> Iterator[list[float]]:
    """The seconds of every call that proves a table, while the registry stores it."""
    seconds: list[float] = []
    prove = tables.prove

    def timed(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
        begun = perf_counter()
        n_rows = prove(connection, table)
        seconds.append(perf_counter() - begun)
        return n_rows

    tables.prove = timed
    try:
        yield seconds
    finally:
        tables.prove = prove
