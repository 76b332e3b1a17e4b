"""What a cohort's tables depend on is all in its fingerprint; what is noted is noted for good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from registry_pipeline.warehouse import built, in_use, ledger
from registry_pipeline.warehouse.database import SCHEMAS
from registry_pipeline.warehouse.tables import Part, replace
from schemas.catalog import TABLES

UNIT = TABLES["core.unit"]
LINE = """
INSERT INTO meta.delivery BY NAME SELECT ? AS protocol, ? AS delivery, 'patients' AS form,
'accepted' AS status, 5 AS n_received, 5 AS n_accepted, 0 AS n_quarantined, 0 AS n_warning,
0 AS n_erased, 0 AS n_retracted, 0 AS n_unchanged, true AS is_complete,
TIMESTAMP '2014-07-01' AS received_at
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        for schema in SCHEMAS:
            opened.execute(f"CREATE SCHEMA {schema}")
        ledger.prepare(opened)
        opened.execute("INSERT INTO meta.key VALUES ('k', 'check')")
        in_use.store_protocol(opened, "a", "text of a")
        opened.execute(LINE, ["a", "2014-Q2"])
        yield opened


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE meta.delivery SET n_erased = 1",
        "UPDATE meta.delivery SET file_sha256 = 'x'",
        "UPDATE meta.delivery SET extracted_on = DATE '2014-07-02'",
        "UPDATE meta.delivery SET n_quarantined = 1",
        "DELETE FROM meta.delivery",
        "INSERT INTO meta.delivery SELECT * REPLACE ('2014-Q3' AS delivery) FROM meta.delivery",
        "UPDATE meta.protocol SET content = 'another text'",
        "UPDATE meta.key SET check_value = 'another'",
    ],
)
def test_whatever_tables_depend_on_changes_the_fingerprint(
    connection: duckdb.DuckDBPyConnection, change: str
) -> None:
    before = built.fingerprint(connection, "a")
    assert built.fingerprint(connection, "a") == before
    connection.execute(change)
    assert built.fingerprint(connection, "a") != before


def test_neither_the_clock_nor_another_cohort_changes_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    before = built.fingerprint(connection, "a")
    connection.execute("UPDATE meta.delivery SET received_at = TIMESTAMP '2020-01-01'")
    connection.execute(LINE, ["b", "2014-Q2"])
    in_use.store_protocol(connection, "b", "text of b")
    assert built.fingerprint(connection, "a") == before


@pytest.mark.parametrize("name", ["registry_pipeline/derivations/x.py", "schemas/protocols/x.toml"])
def test_every_source_file_and_library_is_in_the_version_of_the_code(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    before = built.fingerprint(connection, "a")
    assert built.code_version() == built.CODE_VERSION
    monkeypatch.setattr(built.resources, "files", lambda package: tmp_path / package)
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    versions = {built.code_version()}
    for text in ("one", "two"):
        file.write_text(text)
        versions.add(built.code_version())
    monkeypatch.setattr(built, "version", lambda library: f"{library} of tomorrow")
    versions.add(built.code_version())
    assert len(versions) == 4
    monkeypatch.setattr(built, "CODE_VERSION", built.code_version())
    assert built.fingerprint(connection, "a") != before


def rows(*units: str) -> pl.DataFrame:
    known = {"unit_id": list(units), "name": [*units]}
    return pl.DataFrame(known).with_columns(
        pl.lit(None, dtype).alias(name)
        for name, dtype in UNIT.dtypes.items()
        if name not in {"cohort", "unit_id", "name"}
    )


def test_kept_rows_stay_and_the_rest_is_replaced(connection: duckdb.DuckDBPyConnection) -> None:
    a, b = Part(rows("u1", "u2"), {"cohort": "a"}), Part(rows("u3"), {"cohort": "b"})
    replace(connection, UNIT, [a, b], {"a": "1" * 64, "b": "2" * 64})
    prints = {"a": "1" * 64, "b": "2" * 64}
    assert built.current(connection, ["core.unit"], prints) == {"a", "b"}
    assert built.current(connection, ["core.unit", "core.patient"], prints) == set()
    assert built.current(connection, ["core.unit"], prints | {"b": "3" * 64}) == {"a"}
    replace(connection, UNIT, [Part(rows("u4"), {"cohort": "b"})], {"b": "3" * 64}, kept={"a"})
    assert sorted(connection.execute("SELECT cohort, unit_id FROM core.unit").fetchall()) == [
        ("a", "u1"),
        ("a", "u2"),
        ("b", "u4"),
    ]
    noted = connection.execute("SELECT cohort, fingerprint, n_rows FROM meta.built").fetchall()
    assert sorted(noted) == [("a", "1" * 64, 2), ("b", "3" * 64, 1)]
    replace(connection, UNIT, [a, b], {})
    assert built.current(connection, ["core.unit"], prints) == set()
