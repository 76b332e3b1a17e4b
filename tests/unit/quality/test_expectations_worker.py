"""The process of Great Expectations: a death or silence is an error with a reason, never a hang."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

from registry_pipeline import child
from registry_pipeline.child import JUDGE, started
from registry_pipeline.expectations import worker
from registry_pipeline.expectations.suite import Suite, stated

SUITE = Suite("one", "One", "core.patient", "warn", "SELECT 1 AS n", (stated("n", "It is."),))
ASKED = [(SUITE, pl.DataFrame({"n": [1]}))]


@pytest.fixture
def of_its_own(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process that no other test asks."""
    monkeypatch.setattr(child, "_children", {})
    return monkeypatch


def told() -> str:
    (page,) = worker.judged(ASKED)
    assert (page.result.status, page.sections) == ("error", None)
    (reason,) = page.result.failed
    return reason


def test_one_that_ends_unasked_for_is_an_error(of_its_own: pytest.MonkeyPatch) -> None:
    of_its_own.setattr(worker, "JUDGE", "this")
    assert told() == "Great Expectations' process did not answer and ended (exit code 0)"


def test_one_that_is_silent_is_ended(of_its_own: pytest.MonkeyPatch) -> None:
    of_its_own.setattr(child, "PATIENCE_SECONDS", 0)
    of_its_own.setattr(child, "_LEAVE_SECONDS", 0)
    process = started(JUDGE)
    assert told() == "Great Expectations' process did not answer in time (exit code -9)"
    assert not process.is_alive


def test_it_is_started_once_and_replaced_when_it_died(of_its_own: pytest.MonkeyPatch) -> None:
    of_its_own.setattr(child, "_LEAVE_SECONDS", 0)
    first = started(JUDGE)
    assert started(JUDGE) is first
    first.stop()
    second = started(JUDGE)
    assert second is not first
    second.stop()


LEAVE = """
import os
from registry_pipeline.child import JUDGE, started

started(JUDGE)
os._exit(0)
"""


def test_it_ends_with_the_process_that_started_it() -> None:
    """What both write errors to is closed once both have ended."""
    left = subprocess.run(
        [sys.executable, "-c", LEAVE], stderr=subprocess.PIPE, text=True, timeout=60, check=True
    )
    assert left.stderr == ""
