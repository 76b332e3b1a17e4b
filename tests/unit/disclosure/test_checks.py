"""The two checks on stored tables: the attack, and the publication before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import polars as pl
import pytest

from registry_pipeline.disclosure.checks import attack, differences
from registry_pipeline.disclosure.release import public_tables
from registry_pipeline.home import Home
from registry_pipeline.warehouse.tables import create_sql, insert
from schemas.catalog import TABLES
from schemas.protocol import Disclosure, shipped_protocols

TEXT = {name: text for name, text in shipped_protocols().items() if name == "lar_x"}["lar_x"]
READ = ("meta.protocol", "quality.indicator", "quality.public_result", "quality.disclosure_log")
USUAL = {
    "indicator_id": "plan", "protocol": "lar_x", "n_missing": 0, "method": "share",
    "rule_version": "1.0", "as_of_delivery": "2014-Q4", "period_type": "year",
    "period_start": date(2014, 1, 1), "period_end": date(2014, 12, 31),
}  # fmt: skip


def fill(connection: duckdb.DuckDBPyConnection, units: dict[str, tuple[int, int]]) -> None:
    """The four tables, with the results of one year and what may be shown of them."""
    whole = {**units, "all": (sum(a for a, _ in units.values()), sum(d for _, d in units.values()))}
    rows = [
        {**USUAL, "unit_id": unit, "numerator": a, "denominator": d, "denominator_known": d}
        for unit, (a, d) in whole.items()
    ]
    indicator = pl.DataFrame(rows, schema=TABLES["quality.indicator"].dtypes)
    given = {
        "meta.protocol": pl.DataFrame([{"protocol": "lar_x", "sha256": "0" * 64, "content": TEXT}]),
        "quality.indicator": indicator,
        **public_tables(indicator, Disclosure()),
    }
    for name in READ:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name.split('.')[0]}")
        connection.execute(create_sql(TABLES[name]))
        stamp = (
            {"as_of_delivery": pl.lit("2014-Q4")} if "as_of_delivery" in TABLES[name].dtypes else {}
        )
        insert(connection, name, given[name].with_columns(**stamp))


UNITS = {"north": (6, 12), "south": (3, 30), "east": (9, 18), "west": (2, 4)}


@pytest.fixture
def live(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(home.database) as connection:
        fill(connection, UNITS)
        yield connection


def publish(home: Home, units: dict[str, tuple[int, int]]) -> None:
    with duckdb.connect(home.analysis) as connection:
        fill(connection, units)


def test_the_stored_table_gives_nothing_away(live: duckdb.DuckDBPyConnection) -> None:
    assert attack(live) == {"lar_x": 0}


@pytest.mark.parametrize("column", ["numerator", "denominator"])
def test_a_number_put_back_is_worked_out(live: duckdb.DuckDBPyConnection, column: str) -> None:
    """As true as it is: of south itself, or of the unit that guards west."""
    unit = "south" if column == "numerator" else "north"
    live.execute(
        "UPDATE quality.public_result SET numerator = i.numerator, denominator = i.denominator "
        "FROM quality.indicator i WHERE i.unit_id = public_result.unit_id AND i.unit_id = ?",
        [unit],
    )
    assert attack(live)["lar_x"] > 0


def test_without_a_publication_there_is_nothing_to_differ_from(
    live: duckdb.DuckDBPyConnection, home: Home
) -> None:
    assert differences(live, home) == {}


def test_a_publication_of_before_the_public_table_is_not_compared(
    live: duckdb.DuckDBPyConnection, home: Home
) -> None:
    duckdb.connect(home.analysis).close()
    assert differences(live, home) == {}


@pytest.mark.parametrize(
    ("before", "moved"),
    [
        (UNITS, 0),
        ({**UNITS, "east": (10, 19)}, 2),  # one person erased: the unit and all units
        ({**UNITS, "east": (20, 40)}, 0),
    ],
)
def test_results_a_few_people_apart_are_counted(
    live: duckdb.DuckDBPyConnection, home: Home, before: dict[str, tuple[int, int]], moved: int
) -> None:
    publish(home, before)
    assert differences(live, home) == {"lar_x": moved}
    assert live.execute("SELECT count(*) FROM duckdb_databases() WHERE database_name = 'before'"
                        ).fetchall() == [(0,)]  # fmt: skip
