"""Layers derived and pages drawn by other processes: the same as here, and here where they fail."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import polars as pl
import polars.testing
import pytest

from registry_pipeline import child
from registry_pipeline.building import beside, build
from registry_pipeline.building.layers import LAYERS, derived_in_memory
from registry_pipeline.charts import page
from registry_pipeline.charts.page import Chart, Page
from registry_pipeline.charts.svg import mark, number
from registry_pipeline.home import Home
from registry_pipeline.transform.engine import in_memory
from registry_pipeline.warehouse.database import connect


@pytest.fixture(autouse=True)
def of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes that no other test asks."""
    own: dict[str, child.Child] = {}
    monkeypatch.setattr(child, "_children", own)
    yield
    beside.clear()
    for process in own.values():
        process.stop()


@pytest.fixture
def task(built: Home) -> beside.Task:
    """Retention of one cohort of the sample."""
    with connect(built) as connection:
        protocol = build.cohorts(connection)[0]
        frames = build.stored_frames(connection, protocol, ())
        return "retention", {name: in_memory(frames[name]) for name in frames}, protocol


def same(answer: beside.Tables | None, task: beside.Task) -> None:
    assert answer is not None
    expected = derived_in_memory(*task)
    assert answer.keys() == expected.keys() == set(LAYERS["retention"].tables)
    for table, rows in expected.items():
        polars.testing.assert_frame_equal(answer[table], rows, check_row_order=False)


def test_what_was_not_laid_out_is_not_there() -> None:
    assert beside.fetched("retention", "made from this") is None


def test_the_other_process_derives_what_we_would(task: beside.Task) -> None:
    same(child.asked(beside.__name__, task), task)


def test_what_it_has_begun_is_fetched_once(task: beside.Task) -> None:
    beside.lay_out("made from this", task)
    same(beside.fetched("retention", "made from this"), task)
    assert beside.fetched("retention", "made from this") is None


@pytest.mark.parametrize("failing", ["this", "registry_pipeline.expectations.judge"])
def test_where_it_ends_or_fails_we_derive(
    task: beside.Task, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    monkeypatch.setattr(beside, "DERIVER", failing)
    beside.lay_out("made from this", task)
    same(beside.fetched("retention", "made from this"), task)


def test_an_error_there_is_no_answer(task: beside.Task) -> None:
    assert child.asked(beside.__name__, ("no layer", *task[1:])) is None
    same(child.asked(beside.__name__, task), task)


def test_who_would_wait_derives_what_is_due_next(
    task: beside.Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived: list[str] = []
    monkeypatch.setattr(beside, "derived_in_memory", lambda *task: derived.append(task[0]) or {})
    monkeypatch.setattr(beside, "asked", lambda *_: released.result())
    released, awaited = Future[None](), Future[None]()
    for layer in ("begun", "third", "second", "first"):
        beside.lay_out("made from this", (layer, *task[1:]))
    while not beside._line["begun", "made from this"][1].running():
        pass
    beside.work_until(awaited)
    assert derived == ["first", "second", "third"]
    released.set_result(None)


def test_pages_are_drawn_there_as_here(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = mark("point", {"x": number("n")})
    drawing = Page(["## Title", Chart(spec, pl.DataFrame({"n": [1, 2]}), "Numbers", ["Below"])])
    there = page.drawn(drawing)
    assert there == drawing.markdown()
    assert "image/svg+xml" in there
    monkeypatch.setattr(page, "DRAWER", "this")
    assert page.drawn(drawing) == there
