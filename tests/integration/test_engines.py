"""Every table of the whole sample is the same, in memory by Polars and in the database."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import polars as pl
import polars.testing
import pytest

from registry_pipeline.building import build
from registry_pipeline.building.layers import LAYERS
from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import connect
from schemas.catalog import TABLES

BUILT = [name for name in TABLES if name.startswith(("core.", "derived.", "quality."))]


def rebuilt(connection: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    connection.execute("DELETE FROM meta.built")  # or nothing would be made again
    made = build.build_core(connection)
    for name in LAYERS:
        made += build.build_layer(connection, name)
    assert not [one.error for one in made if one.error]
    frames = {name: connection.sql(f"SELECT * FROM {name}").pl() for name in BUILT}
    return {name: frame.sort(list(TABLES[name].key)) for name, frame in frames.items()}


def test_both_engines_make_the_same_tables(
    built: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    shutil.copy(built.database, home.database)
    with connect(home) as connection:
        in_memory = rebuilt(connection)
        monkeypatch.setattr(build, "IN_MEMORY_ROWS", -1)
        in_database = rebuilt(connection)
    assert all(in_memory[name].height for name in ("core.visit", "derived.retention_curve"))
    for name, frame in in_memory.items():
        pl.testing.assert_frame_equal(frame, in_database[name], rel_tol=1e-12, abs_tol=1e-12)
