"""A store in memory, made from the models, with what a page reads."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb
import polars as pl
import pytest

from registry_pipeline.charts import page, pages
from registry_pipeline.charts.programme_rows import PUBLIC
from registry_pipeline.disclosure.printed import TABLES as PRINTED_TABLES
from registry_pipeline.disclosure.programmes import public_programmes
from registry_pipeline.disclosure.release import public_tables
from registry_pipeline.warehouse.tables import create_sql, insert
from schemas.catalog import TABLES
from schemas.fields import Table
from schemas.protocol import parse_protocol, shipped_protocols

Rows = list[dict[str, Any]]
SCHEMAS = ("core", "derived", "quality", "meta")
USUAL = {
    "stratum_by": "all", "stratum": "all", "kind": "treatment", "origin": "baseline",
    "period_type": "year", "method": "counts", "rule_version": "1.0", "as_of_delivery": "2016-Q3",
}  # fmt: skip
"""What a row says where a test does not."""

_IMAGE = re.compile(r"base64,([^)]+)\)")


class Store:
    """Tables of one or more cohorts, filled with the few columns a test names."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        for schema in SCHEMAS:
            self.connection.execute(f"CREATE SCHEMA {schema}")
        for table in TABLES.values():
            self.connection.execute(create_sql(table))

    def protocol(self, name: str, text: str) -> None:
        """A protocol in use."""
        row = {"protocol": name, "sha256": "0" * 64, "content": text}
        insert(self.connection, "meta.protocol", pl.DataFrame([row]))

    def put(self, name: str, rows: Rows, cohort: str = "lar_x", **same: Any) -> None:
        """Rows of a table; `same` is the same in all of them."""
        table = TABLES[name]
        usual = {**USUAL, "cohort": cohort, "protocol": cohort}
        whole = [_whole({**usual, **same, **row}, table) for row in rows]
        insert(self.connection, name, pl.DataFrame(whole, schema=table.dtypes))

    def indicators(self, rows: Rows, cohort: str = "lar_x") -> None:
        """Rows of quality.indicator, and what may be shown of them by the cohort's thresholds."""
        self.put("quality.indicator", rows, cohort)
        ((content,),) = self.connection.execute(
            "SELECT content FROM meta.protocol WHERE protocol = ?", [cohort]
        ).fetchall()
        given = "SELECT * FROM quality.indicator WHERE protocol = ?"
        indicator = pl.DataFrame(self.connection.sql(given, params=[cohort]))
        rule = parse_protocol(content, cohort).disclosure
        for name, frame in public_tables(indicator, rule).items():
            self.put(name, frame.to_dicts(), cohort)

    def page(self, name: str) -> str:
        """The Markdown of a table's page, with what may be shown of the programmes' tables."""
        for cohort, content in self.connection.execute(
            "SELECT protocol, content FROM meta.protocol"
        ).fetchall():
            tables = {
                table: pl.DataFrame(
                    self.connection.sql(
                        f"SELECT * FROM {table} WHERE protocol = ?", params=[cohort]
                    )
                )
                for table in PRINTED_TABLES
            }
            self.connection.execute(f"DELETE FROM {PUBLIC} WHERE protocol = ?", [cohort])
            made = public_programmes(tables, parse_protocol(content, cohort))
            self.put(PUBLIC, made[PUBLIC].to_dicts(), cohort)
        return pages.Pages(self.connection, [name]).arrived(name)[name].markdown()


def _whole(row: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Every column of the table: required ones that nobody named are 0 or a word."""
    return {
        column.name: row.get(
            column.name, None if column.nullable else 0 if column.dtype.is_numeric() else "any"
        )
        for column in table.columns
    }


@pytest.fixture
def new_store() -> Iterator[Callable[[], Store]]:
    """Makes stores that know the protocol of LAR X."""
    made: list[Store] = []

    def make() -> Store:
        made.append(Store())
        made[-1].protocol("lar_x", shipped_protocols()["lar_x"])
        return made[-1]

    yield make
    for store in made:
        store.connection.close()


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    """A store that knows the protocol of LAR X."""
    return new_store()


@pytest.fixture
def two_pages(
    new_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str]]:
    """The page of a table filled twice: `put(store, 2)` and `put(store, 3)`.

    With `shown`, thresholds of 1 hide nothing, and the drawn rows stand in the place of pictures.
    """

    def fill(table: str, put: Callable[[Store, int], None], *, shown: bool) -> tuple[str, str]:
        if shown:
            monkeypatch.setattr(page, "svg", lambda spec, rows, *_: f"{spec} {rows.rows()}")

        def one(small: int) -> str:
            store = new_store()
            if shown:
                store.connection.execute(
                    "UPDATE meta.protocol SET content = content || "
                    "'\n[disclosure]\nmin_count = 1\nmin_percentage_denominator = 1\n'"
                )
            put(store, small)
            return store.page(table)

        return one(2), one(3)

    return fill


@pytest.fixture
def drawings() -> Callable[[str], list[str]]:
    """The SVG texts inside a page."""
    return lambda markdown: [base64.b64decode(found).decode() for found in _IMAGE.findall(markdown)]


@pytest.fixture
def cells() -> Callable[[str], list[list[str]]]:
    """The rows of the tables in a page, headers first."""

    def read(markdown: str) -> list[list[str]]:
        lines = [line for line in markdown.splitlines() if line.startswith("| ")]
        split = [[cell.strip() for cell in line[2:-2].split(" | ")] for line in lines]
        return [row for row in split if row[0] != "---"]

    return read
