"""What an intermediate result leaves behind."""

import duckdb
import narwhals as nw

from registry_pipeline.transform.engine import forget_steps, materialise


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
