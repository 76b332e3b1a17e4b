"""What the code leans on in DuckDB's relations (see docs/adr/0015)."""

from __future__ import annotations

import duckdb
import pytest


def test_a_relation_knows_its_connection_and_its_text() -> None:
    connection = duckdb.connect()
    relation = connection.sql("SELECT 1 AS a").select("*, a + 1 AS b")
    assert relation._con is connection
    assert connection.execute(relation.sql_query()).fetchall() == [(1, 2)]


def test_a_result_read_in_part_keeps_the_connection_in_use() -> None:
    connection = duckdb.connect()
    relation = connection.sql("SELECT 1")
    connection.execute("SELECT * FROM range(3)").fetchone()
    with pytest.raises(duckdb.ResourceInUseException):
        relation.pl()


def test_a_replaced_table_comes_back_on_rollback() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    connection.execute("BEGIN")
    connection.execute("CREATE OR REPLACE TABLE t (b INTEGER NOT NULL)")
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_insert_by_name_matches_names_not_places() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (a INTEGER, b INTEGER)")
    connection.execute("INSERT INTO t BY NAME SELECT 2 AS b, 1 AS a")
    assert connection.execute("SELECT a, b FROM t").fetchall() == [(1, 2)]
