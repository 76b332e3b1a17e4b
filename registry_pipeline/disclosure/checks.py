"""The checks on what is published: attacks on the stored public tables, and publications compared.

Belongs here: reading the stored and the published tables for both.
Does not belong here: the attack itself (see `attack`) and what is hidden (see `release`).
"""

from __future__ import annotations

from typing import Final

import duckdb
import polars as pl

from registry_pipeline.disclosure import programmes
from registry_pipeline.disclosure.printed import TABLES
from registry_pipeline.disclosure.release import KEY, recovered
from registry_pipeline.home import Home
from registry_pipeline.warehouse.tables import quoted
from schemas.protocol import Disclosure, Protocol, parse_protocol

PUBLIC: Final = "quality.public_result"
PUBLIC_PROGRAMMES: Final = "quality.public_programme"
COUNTS: Final = ("numerator", "denominator")


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
            {table: _rows(connection, table, name) for table in TABLES},
            _rows(connection, PUBLIC_PROGRAMMES, name),
            protocol,
        )
        for name, protocol in _protocols(connection, PUBLIC_PROGRAMMES).items()
    }


def differences(connection: duckdb.DuckDBPyConnection, home: Home) -> dict[str, int]:
    """Results that differ by few people from those of the publication before, per cohort.

    Both publications show the result, and its numerator, its complement or its denominator has
    moved by 1 to `min_count` less 1: side by side they speak of those few people. A cohort that
    was not published before is not compared; neither is anything without a publication.
    """
    if not home.analysis.exists():
        return {}
    connection.execute(f"ATTACH {quoted(str(home.analysis.resolve()))} AS before (READ_ONLY)")
    try:
        known = connection.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = 'before' AND "
            "schema_name = 'quality' AND table_name = 'public_result'"
        ).fetchall()
        if not known:
            return {}
        return {
            protocol: moved_by_few(
                _rows(connection, f"before.{PUBLIC}", protocol),
                _rows(connection, PUBLIC, protocol),
                rule,
            )
            for protocol, rule in _rules(connection).items()
        }
    finally:
        connection.execute("DETACH before")


def moved_by_few(before: pl.DataFrame, after: pl.DataFrame, rule: Disclosure) -> int:
    """How many results two publications show that differ by fewer people than may be shown."""
    pairs = after.select(*KEY, *COUNTS).join(
        before.select(*KEY, *(pl.col(name).alias(f"old_{name}") for name in COUNTS)), on=KEY
    )
    moved = [
        pl.col("numerator") - pl.col("old_numerator"),
        pl.col("denominator") - pl.col("old_denominator"),
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


def _rows(connection: duckdb.DuckDBPyConnection, table: str, protocol: str) -> pl.DataFrame:
    return pl.DataFrame(
        connection.sql(f"SELECT * FROM {table} WHERE protocol = ?", params=[protocol])
    )
