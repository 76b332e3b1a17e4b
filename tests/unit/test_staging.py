"""The next file is judged while this one is stored: begun early, refused in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event

import polars as pl
import pytest

from registry_pipeline.deliveries.staging import Arrival, staged_ahead
from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.gate import Batch
from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.home import Home

FORMS = ("patients", "interviews", "events")
BATCH = Batch(*[pl.DataFrame()] * 4, n_erased=0)


class Gate:
    """Judges every file as two batches, and tells what it began and what it was made to end."""

    def __init__(self, refused: str = "") -> None:
        self.begun = {form: Event() for form in FORMS}
        self.ended: list[str] = []
        self._refused = refused

    def judged(self, arrival: Arrival) -> Iterator[Batch]:
        try:
            if arrival.form == self._refused:
                raise RefusedFileError(arrival.name, "no_rows", "a header, and no row under it")
            self.begun[arrival.form].set()
            yield BATCH
            yield BATCH
        finally:
            self.ended.append(arrival.form)


@pytest.fixture
def manifest() -> Manifest:
    return Manifest.model_validate(
        {
            "protocol": "lar_x",
            "quarter": "2014-Q3",
            "number": 1,
            "kind": "full",
            "extracted_on": date(2014, 10, 1),
            "sender": "helse-bergen",
        }
    )


@pytest.fixture
def arrivals(tmp_path: Path) -> list[Arrival]:
    made = []
    for form in FORMS:
        path = tmp_path / f"{form}.csv"
        path.write_text(form)
        made.append(Arrival(form, path, path.name, is_here=False, same=set()))
    return made


def test_one_file_is_begun_while_the_one_before_is_stored(
    home: Home, manifest: Manifest, arrivals: list[Arrival]
) -> None:
    gate = Gate()
    with staged_ahead(home, manifest, arrivals, gate.judged) as staged:
        first = next(staged)
        assert gate.begun["interviews"].wait(timeout=20)
        assert not gate.begun["events"].is_set()
        assert len(list(first.batches)) == 2
        assert [len(list(arrival.batches)) for arrival in staged] == [2, 2]
    assert gate.ended == list(FORMS)


def test_forms_of_the_same_bytes_have_a_copy_each(
    home: Home, manifest: Manifest, arrivals: list[Arrival]
) -> None:
    shared = [replace(arrival, path=arrivals[0].path) for arrival in arrivals]
    gate = Gate()
    with staged_ahead(home, manifest, shared, gate.judged) as staged:
        first = next(staged)
        assert first.staged
        assert gate.begun["interviews"].wait(timeout=20)
        first.staged.unlink()
        others = list(staged)
    assert {arrival.sha for arrival in others} == {first.sha}
    assert len({first.staged, *(arrival.staged for arrival in others)}) == len(FORMS)


def test_a_file_refused_at_its_start_is_refused_in_its_place(
    home: Home, manifest: Manifest, arrivals: list[Arrival]
) -> None:
    gate = Gate(refused="interviews")
    with staged_ahead(home, manifest, arrivals, gate.judged) as staged:
        told = [(arrival.form, arrival.refused is None, bool(arrival.sha)) for arrival in staged]
    assert told == [("patients", True, True), ("interviews", False, True), ("events", True, True)]


def test_an_intake_that_breaks_off_leaves_no_copy_and_no_work(
    home: Home, manifest: Manifest, arrivals: list[Arrival]
) -> None:
    gate = Gate()

    def broken() -> None:
        with staged_ahead(home, manifest, arrivals, gate.judged) as staged:
            next(staged)
            assert gate.begun["interviews"].wait(timeout=20)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        broken()
    assert sorted(gate.ended) == ["interviews", "patients"]
    assert not list(home.staging.iterdir())
