"""What an intermediate result leaves behind, and rows from a range."""

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.transform.engine import each_number, forget_steps, materialise


def test_steps_are_forgotten_and_nothing_else() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TEMP TABLE other AS SELECT 1 AS x")
        connection.execute("CREATE TABLE step_of_its_own AS SELECT 2 AS x")
        rows = nw.from_native(connection.sql("SELECT * FROM range(3) AS t(x)"))
        kept = materialise(materialise(rows).filter(nw.col("x") > 0))
        assert kept.collect("polars").to_native()["x"].to_list() == [1, 2]
        forget_steps(connection)
        left = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    assert left == [("other",), ("step_of_its_own",)]


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_a_row_for_each_number_of_a_range(engine: str) -> None:
    ranges = pl.DataFrame(
        {"who": list("abcde"), "low": [2, 5, 1, None, 3], "high": [4, 5, 0, 9, None]},
        schema_overrides={"low": pl.Int32, "high": pl.Int64},
    )
    with duckdb.connect() as connection:
        native = ranges.lazy() if engine == "polars" else connection.from_arrow(ranges.to_arrow())
        made = each_number(nw.from_native(native), "number", "low", "high")
        rows = made.select("who", "number").collect("polars").to_native()
    assert sorted(rows.rows()) == [("a", 2), ("a", 3), ("a", 4), ("b", 5)]
