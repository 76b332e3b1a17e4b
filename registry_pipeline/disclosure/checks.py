"""The checks on what is published: attacks on the stored public tables, and publications compared.

Belongs here: reading the stored and the published tables for both.
Does not belong here: the attack itself (see `attack`) and what is hidden (see `release`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import polars as pl

from registry_pipeline.disclosure import printed, programmes
from registry_pipeline.disclosure.release import KEY, recovered
from registry_pipeline.home import Home
from registry_pipeline.warehouse.faults import explained
from registry_pipeline.warehouse.tables import quoted
from schemas.protocol import Disclosure, Protocol, parse_protocol

PUBLIC: Final = "quality.public_result"
PUBLIC_PROGRAMMES: Final = "quality.public_programme"
COUNTS: Final = ("numerator", "denominator", "n_missing")
COMPARED: Final[Mapping[str, Sequence[str]]] = {
    PUBLIC: KEY,
    PUBLIC_PROGRAMMES: [name for name in printed.KEY if name != "period_end"],
}
"""What two publications are compared by: a programme's whole period grows with each delivery."""


def attack(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Results that an attacker works out of the stored public table, per cohort."""
    return {
        protocol: recovered(
            _rows(connection, "quality.indicator", protocol),
            _rows(connection, PUBLIC, protocol),
            _rows(connection, "quality.disclosure_log", protocol),
            rule,
        )
        for protocol, rule in _rules(connection).items()
    }


def attack_programmes(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Counts that an attacker works out of the stored public programme table, per cohort."""
    return {
        name: programmes.recovered(
            {table: _rows(connection, table, name) for table in printed.TABLES},
            _rows(connection, PUBLIC_PROGRAMMES, name),
            protocol,
        )
        for name, protocol in _protocols(connection, PUBLIC_PROGRAMMES).items()
    }


def differences(connection: duckdb.DuckDBPyConnection, home: Home) -> dict[str, int]:
    """Results that differ by few people from those of the publication before, per cohort.

    Both publications show the result, and its numerator, its complement, its denominator or the
    missing have moved by 1 to `min_count` less 1: side by side they speak of those few people. A
    cohort that was not published before is not compared; neither is anything without a publication.
    """
    if not home.analysis.exists():
        return {}
    with explained(home, is_published=True):
        connection.execute(f"ATTACH {quoted(str(home.analysis.resolve()))} AS before (READ_ONLY)")
    try:
        found = connection.execute(
            "SELECT 'quality.' || table_name FROM duckdb_tables() "
            "WHERE database_name = 'before' AND schema_name = 'quality'"
        ).fetchall()
        moved: dict[str, int] = {}
        for table, key in COMPARED.items():
            if (table,) in found:
                for name, protocol in _protocols(connection, table).items():
                    old = _counts(connection, f"before.{table}", name)
                    new = _counts(connection, table, name)
                    few = moved_by_few(old, new, protocol.disclosure, key)
                    moved[name] = moved.get(name, 0) + few
        return moved
    finally:
        connection.execute("DETACH before")


def moved_by_few(
    before: pl.DataFrame, after: pl.DataFrame, rule: Disclosure, key: Sequence[str]
) -> int:
    """How many results two publications show that differ by fewer people than may be shown."""
    pairs = after.select(*key, *COUNTS).join(
        before.select(*key, *(pl.col(name).alias(f"old_{name}") for name in COUNTS)), on=key
    )
    moved = [
        pl.col("numerator") - pl.col("old_numerator"),
        pl.col("denominator") - pl.col("old_denominator"),
        pl.col("n_missing") - pl.col("old_n_missing"),
        (pl.col("denominator") - pl.col("numerator"))
        - (pl.col("old_denominator") - pl.col("old_numerator")),
    ]
    few = [(step.abs() > 0) & (step.abs() < rule.min_count) for step in moved]
    return pairs.filter(pl.any_horizontal(*few)).height


def _rules(connection: duckdb.DuckDBPyConnection) -> dict[str, Disclosure]:
    """The thresholds of every cohort that has public results."""
    return {name: one.disclosure for name, one in _protocols(connection, PUBLIC).items()}


def _protocols(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, Protocol]:
    """The protocol of every cohort that has rows in a table."""
    rows = connection.execute(
        "SELECT protocol, content FROM meta.protocol "
        f"WHERE protocol IN (SELECT protocol FROM {table}) ORDER BY protocol"
    ).fetchall()
    return {name: parse_protocol(content, name) for name, content in rows}


def _counts(connection: duckdb.DuckDBPyConnection, table: str, protocol: str) -> pl.DataFrame:
    """The rows with a numerator only where it counts people or events: a mean's is a sum."""
    is_count = ~pl.col("method").str.starts_with("mean")
    rows = _rows(connection, table, protocol)
    return rows.with_columns(pl.when(is_count).then("numerator").alias("numerator"))


def _rows(connection: duckdb.DuckDBPyConnection, table: str, protocol: str) -> pl.DataFrame:
    return pl.DataFrame(
        connection.sql(f"SELECT * FROM {table} WHERE protocol = ?", params=[protocol])
    )
