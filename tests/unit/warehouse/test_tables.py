"""Tables made from models: what is written, proved, commented and rolled back."""

from __future__ import annotations

from pathlib import Path

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import DatabaseBusyError, connect, transaction
from registry_pipeline.warehouse.proof import InvalidTableError
from registry_pipeline.warehouse.tables import Part, ensure, insert, replace
from schemas.catalog import TABLES
from schemas.forms import intake_table
from schemas.protocol import load_shipped

UNIT = TABLES["core.unit"]


def units(*ids: str, name: str | None = "A unit") -> pl.DataFrame:
    return pl.DataFrame(
        [{"unit_id": unit_id, "name": name} for unit_id in ids],
        schema_overrides={"name": pl.String},
    )


def part(*ids: str, name: str | None = "A unit") -> Part:
    return Part(units(*ids, name=name), {"cohort": "lar_x"})


def test_columns_are_matched_by_name(connection: duckdb.DuckDBPyConnection) -> None:
    turned = units("a").select("name", "unit_id")
    replace(connection, UNIT, [Part(turned, {"cohort": "lar_x"})])
    row = connection.execute("SELECT cohort, unit_id, name, orgnr FROM core.unit").fetchone()
    assert row == ("lar_x", "a", "A unit", None)


def test_a_relation_stays_in_the_database(connection: duckdb.DuckDBPyConnection) -> None:
    rows = nw.from_native(connection.sql("SELECT 'x' AS cohort, 'u' AS unit_id, 'U' AS name"))
    assert replace(connection, UNIT, [Part(rows)]) == 1


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([part("a", "a")], r"core\.unit holds 1 keys more than once \(cohort, unit_id\)"),
        ([part("a"), part("a")], "holds 1 keys more than once"),
    ],
)
def test_a_key_that_stands_twice_is_refused(
    connection: duckdb.DuckDBPyConnection, parts: list[Part], said: str
) -> None:
    replace(connection, UNIT, [part("old")])
    with pytest.raises(InvalidTableError, match=said):
        replace(connection, UNIT, parts)
    assert connection.execute("SELECT unit_id FROM core.unit").fetchall() == [("old",)]


def test_a_row_against_the_model_is_refused_without_its_value(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = pl.DataFrame(
        {"goal_id": ["g"], "unit_id": ["u"], "step": ["s"], "n": [-7], "source_type": ["hearsay"]}
    ).with_columns(
        period_start=pl.date(2014, 5, 1),
        period_end=pl.date(2014, 6, 1),
        n=pl.col("n").cast(pl.Int32),
    )
    table = TABLES["core.goal_count"]
    with pytest.raises(InvalidTableError) as refused:
        replace(connection, table, [Part(rows, {"cohort": "randers"})])
    sentence = str(refused.value)
    assert "n greater_than_or_equal_to: 1 rows" in sentence
    assert "source_type isin: 1 rows" in sentence
    assert "hearsay" not in sentence
    assert "-7" not in sentence


def test_every_table_and_column_is_commented(connection: duckdb.DuckDBPyConnection) -> None:
    replace(connection, UNIT, [])
    comments = connection.execute(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'unit'"
    ).fetchall()
    assert len(comments) == len(UNIT.columns)
    assert all(comment for (comment,) in comments)
    table = connection.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'unit'")
    assert table.fetchone() == (UNIT.description,)


def test_a_protocol_with_new_substances_adds_columns(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    first, second = (
        intake_table("interviews", load_shipped(name)) for name in ("lar_x", "ctn0027")
    )
    ensure(connection, [first])
    assert "opioid_days" not in connection.table("intake.interviews").columns
    ensure(connection, [second])
    assert {"opioid_days", "doping_days"} <= set(connection.table("intake.interviews").columns)


def test_tables_are_made_with_their_comments_or_not_at_all(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a run left without comments would be there for the next, which adds none."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("registry_pipeline.warehouse.tables.comment", killed)
    with pytest.raises(KeyboardInterrupt):
        ensure(connection, [intake_table("interviews", load_shipped("lar_x"))])
    assert not connection.execute("SELECT 1 FROM duckdb_tables()").fetchall()


def test_a_transaction_is_all_or_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    replace(connection, UNIT, [part("a")])

    def breaks_off() -> None:
        with transaction(connection):
            insert(connection, "core.unit", units("b").with_columns(cohort=pl.lit("x")))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        breaks_off()
    assert connection.execute("SELECT count(*) FROM core.unit").fetchone() == (1,)


def test_a_connection_reaches_nothing_outside_the_home(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n")
    with pytest.raises(duckdb.PermissionException):
        connection.execute("SELECT * FROM read_csv(?)", [str(outside)])
    with pytest.raises(duckdb.Error, match="locked"):
        connection.execute("SET enable_external_access = true")


@pytest.mark.usefixtures("held_elsewhere")
def test_the_second_writer_waits_and_then_says_so(home: Home) -> None:
    with (
        pytest.raises(DatabaseBusyError, match=r"process \d+ holds the live database"),
        connect(home, wait_seconds=0.2),
    ):
        pass
