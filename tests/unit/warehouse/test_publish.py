"""A publication begins as a copy of the one before only where nobody's bytes may be left in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from registry_pipeline.home import Home
from registry_pipeline.warehouse import erasure, ledger
from registry_pipeline.warehouse.database import connect
from registry_pipeline.warehouse.publish import publish
from registry_pipeline.warehouse.tables import Part, create_sql, replace
from schemas.catalog import TABLES, published_tables

UNIT = TABLES["core.unit"]
LARGE, SMALL = 40_000, 10
TODAY = date(2014, 8, 1)


@pytest.fixture
def connection(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(home) as opened:
        ledger.prepare(opened)
        for name in published_tables():
            if name.split(".")[0] != "meta" or name == "meta.held":
                opened.execute(create_sql(TABLES[name]))
        yield opened


def store(connection: duckdb.DuckDBPyConnection, marks: dict[str, str], *kept: str) -> None:
    """Two cohorts, one large and one small; a mark is in the name of each unit of a cohort."""
    parts = []
    for cohort, n in (("large", LARGE), ("small", SMALL)):
        if cohort not in kept:
            units = [f"{cohort}{number:06}" for number in range(n)]
            rows = pl.DataFrame({"unit_id": units}).with_columns(
                pl.lit(None, dtype).alias(name)
                for name, dtype in UNIT.dtypes.items()
                if name not in {"cohort", "unit_id"}
            )
            named = rows.with_columns(name=pl.lit(marks[cohort]) + pl.col("unit_id"))
            parts.append(Part(named, {"cohort": cohort}))
    prints = {cohort: f"{ord(mark[0]):064}" for cohort, mark in marks.items() if cohort not in kept}
    replace(connection, UNIT, parts, prints, kept)


def names(home: Home) -> dict[str, int]:
    """Units of the published file by the first letter of their name."""
    with duckdb.connect(home.analysis, read_only=True) as opened:
        rows = opened.execute("SELECT name[1], count(*) FROM core.unit GROUP BY ALL").fetchall()
        bare = opened.execute("SELECT count(*) FROM duckdb_tables() WHERE comment IS NULL")
        assert bare.fetchall() == [(0,)]
    return dict(rows)


def copies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which files are copied from now on."""
    seen: list[str] = []
    copied = publish.__globals__["shutil"].copyfile
    monkeypatch.setattr(
        "registry_pipeline.warehouse.publish.shutil.copyfile",
        lambda source, target: (seen.append(Path(source).name), copied(source, target)),
    )
    return seen


def test_what_has_not_changed_is_copied_as_a_file(
    home: Home, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = copies(monkeypatch)
    store(connection, {"large": "a", "small": "b"})
    publish(connection, home, "one")
    assert (names(home), seen) == ({"a": LARGE, "b": SMALL}, [])
    store(connection, {"small": "c"}, "large")
    rows = publish(connection, home, "two")
    assert (names(home), seen) == ({"a": LARGE, "c": SMALL}, ["analysis.duckdb"])
    assert rows["core.unit"] == LARGE + SMALL
    store(connection, {"large": "d"}, "small")
    publish(connection, home, "three")  # most rows are others: begun anew
    assert (names(home), len(seen)) == ({"c": SMALL, "d": LARGE}, 1)


def test_a_publication_that_fails_leaves_nothing_that_takes_up_room(
    home: Home, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr("registry_pipeline.warehouse.publish._stamp", full)
    with pytest.raises(duckdb.IOException):
        publish(connection, home, "one")
    assert [path.name for path in home.published.iterdir()] == ["snapshots"]


def test_while_an_erasure_waits_for_its_proof_every_file_is_begun_anew(
    home: Home, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = copies(monkeypatch)
    store(connection, {"large": "a", "small": "b"})
    publish(connection, home, "one")
    who = {"tombstone": "t", "pseudonym": "p", "source": "command", "requested_on": TODAY}
    erasure.request(connection, pl.DataFrame([who]))
    store(connection, {"small": "c"}, "large")
    publish(connection, home, "two")
    assert (names(home), seen) == ({"a": LARGE, "c": SMALL}, [])
    connection.execute("UPDATE meta.erasure SET proved_at = TIMESTAMP '2014-08-01'")
    publish(connection, home, "three")
    assert seen == ["analysis.duckdb"]


def test_a_published_file_of_an_older_version_is_begun_anew(
    home: Home, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = copies(monkeypatch)
    store(connection, {"large": "a", "small": "b"})
    publish(connection, home, "one")
    with duckdb.connect(home.analysis) as opened:
        opened.execute("DROP TABLE meta.built")
    publish(connection, home, "two")
    assert (names(home), seen) == ({"a": LARGE, "b": SMALL}, [])
