"""What the comparisons with published and R answers share: the keys, and the tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.backtest.keys import COMPARED, Keyed, close, read

Figure = tuple[str, float | None, float | None]


@pytest.fixture(scope="session")
def answers(shared_data: Path) -> Callable[[str], dict[str, Any]]:
    """The answer key of a data set, by name."""
    return lambda name: read(name, shared_data / "expected")


@pytest.fixture
def agree(request: pytest.FixtureRequest) -> Callable[[Iterable[Figure]], None]:
    """Holds (name, ours, keyed) against each other to 1e-6; null agrees with null alone."""

    def compare(figures: Iterable[Figure]) -> None:
        figures = list(figures)
        wrong = [figure for figure in figures if not close(*figure[1:])]
        paths = [path for *_, keyed in figures if isinstance(keyed, Keyed) for path in keyed.paths]
        request.node.user_properties.append((COMPARED, paths))
        assert figures
        assert not wrong

    return compare
