"""What the comparisons with published and R answers share: tolerance, and a count of figures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

COMPARED = pytest.StashKey[int]()
Figure = tuple[str, float | None, float | None]


@pytest.fixture
def answers(shared_data: Path) -> Callable[[str], dict[str, Any]]:
    """The answer key of a data set, by name."""
    return lambda name: json.loads((shared_data / "expected" / f"{name}.json").read_text())


@pytest.fixture
def agree(request: pytest.FixtureRequest) -> Callable[[Iterable[Figure]], None]:
    """Holds (name, ours, keyed) against each other to 1e-6; null agrees with null alone."""

    def compare(figures: Iterable[Figure]) -> None:
        figures = list(figures)
        wrong = [figure for figure in figures if not _close(*figure[1:])]
        request.config.stash[COMPARED] = request.config.stash.get(COMPARED, 0) + len(figures)
        assert figures
        assert not wrong

    return compare


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints how many keyed figures were compared."""
    compared = config.stash.get(COMPARED, 0)
    if compared:
        terminalreporter.write_line(f"{compared} keyed figures compared")


def _close(ours: float | None, keyed: float | None) -> bool:
    if ours is None or keyed is None:
        return ours is keyed
    return math.isclose(ours, keyed, rel_tol=1e-6, abs_tol=1e-6)
