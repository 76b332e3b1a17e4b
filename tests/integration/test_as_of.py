"""The registry as of a quarter: what was known then, whatever came later, without the erased."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import duckdb
import polars as pl
import polars.testing
import pytest

from registry_pipeline.building.as_of import AsOfError, write_as_of
from registry_pipeline.building.build import build_core, build_layer
from registry_pipeline.building.layers import LAYERS
from registry_pipeline.deliveries.folders import deliveries
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse.database import connect
from registry_pipeline.warehouse.publish import publish
from registry_pipeline.withdrawal.withdraw import drop_copies
from schemas.catalog import published_tables

QUARTER = "2015-Q2"
WITHDRAWAL = Path(__file__).parents[2] / "data" / "sample" / "withdrawal"
CLOCK = {"meta.delivery": ["received_at"], "meta.publication": ["run_id"]}


def fill(home: Home, folders: Iterable[Path]) -> Home:
    """A home that has taken in some deliveries."""
    home.prepare()
    with connect(home) as connection:
        key = open_key(connection, home)
        for folder in folders:
            report = take_in(connection, home, folder, key)
            assert report.messages == []
    return home


def tables(path: Path) -> dict[str, pl.DataFrame]:
    """Every published table, without the clock, in an order of its own."""
    with duckdb.connect(path, read_only=True) as connection:
        frames = {name: connection.sql(f"SELECT * FROM {name}").pl() for name in published_tables()}
    told = {name: frame.drop(CLOCK.get(name, [])) for name, frame in frames.items()}
    return {name: frame.sort(frame.columns, nulls_last=True) for name, frame in told.items()}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Home:
    """A home with every delivery of the LAR X sample, and its tables as of a quarter."""
    place = fill(Home(tmp_path_factory.mktemp("all") / "home"), deliveries(sample))
    assert write_as_of(place, QUARTER).name == "analysis-2015-Q2.duckdb"
    return place


def as_of(home: Home) -> dict[str, pl.DataFrame]:
    return tables(home.published / f"analysis-{QUARTER}.duckdb")


def test_it_is_what_was_published_then(
    home: Home, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same tables as of a home that never saw the later deliveries."""
    monkeypatch.setenv("REGISTRY_KEY_FILE", str(home.key_file))
    for folder in (sample / "lar_x").iterdir():
        if folder.name[:7] <= QUARTER:
            shutil.copytree(folder, tmp_path / "landing" / "lar_x" / folder.name)
    then = fill(Home(tmp_path / "home"), deliveries(tmp_path / "landing"))
    with connect(then) as connection:
        for built in (build_core(connection), *(build_layer(connection, n) for n in LAYERS)):
            assert [one.error for one in built if one.error] == []
        publish(connection, then, "then")
    known, published = as_of(home), tables(then.analysis)
    assert known.keys() == published.keys()
    for name, frame in published.items():
        pl.testing.assert_frame_equal(frame, known[name], rel_tol=1e-12, abs_tol=1e-12)
    assert known["derived.retention_at"].height > 0
    assert set(known["derived.retention_at"]["as_of_delivery"]) == {"2015-Q2"}


def test_a_later_delivery_changes_nothing_but_an_erasure_does(home: Home, tmp_path: Path) -> None:
    later = Home(tmp_path / "home")
    shutil.copytree(home.path, later.path)
    before = as_of(later)
    fill(later, deliveries(WITHDRAWAL))
    write_as_of(later, QUARTER)
    after = as_of(later)
    [gone] = set(before["core.patient"].filter("enrolled")["patient_id"]) - set(
        after["core.patient"]["patient_id"]
    )
    for name, frame in after.items():
        if "patient_id" in frame.columns:
            assert gone not in frame["patient_id"], name
    assert after["meta.delivery"].equals(before["meta.delivery"])


def test_a_withdrawal_removes_the_files_that_hold_the_person(home: Home, tmp_path: Path) -> None:
    later = Home(tmp_path / "home")
    shutil.copytree(home.path, later.path)
    person = as_of(later)["core.patient"].filter("enrolled")["patient_id"][0]
    drop_copies(later, [person])
    assert not (later.published / f"analysis-{QUARTER}.duckdb").exists()
    assert later.database.exists()


def test_the_live_file_is_only_read_and_nothing_is_left_behind(home: Home) -> None:
    live = home.database.read_bytes()
    write_as_of(home, "2014-Q3")
    assert home.database.read_bytes() == live
    assert list(home.spill.iterdir()) == []
    assert sorted(path.name for path in home.published.glob("*.duckdb*")) == [
        "analysis-2014-Q3.duckdb",
        "analysis-2015-Q2.duckdb",
    ]


def test_before_the_first_delivery_there_is_nothing(home: Home) -> None:
    with pytest.raises(AsOfError, match="2013-Q4: nothing was taken in of this quarter"):
        write_as_of(home, "2013-Q4")
    assert not (home.published / "analysis-2013-Q4.duckdb").exists()


def test_after_the_last_delivery_there_is_nothing_new(home: Home) -> None:
    with pytest.raises(AsOfError, match=r"2030-Q1: 2016-Q3 is the last quarter"):
        write_as_of(home, "2030-Q1")
    assert not (home.published / "analysis-2030-Q1.duckdb").exists()
