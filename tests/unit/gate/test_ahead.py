"""Work one step ahead: order, errors in their place, never more than one item waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry_pipeline.gate.ahead import ahead


def counted(made: list[int], fail_at: int | None = None) -> Iterator[int]:
    for number in range(5):
        if number == fail_at:
            raise ValueError("no third item")
        made.append(number)
        yield number


def test_items_come_in_order_one_ahead() -> None:
    made: list[int] = []
    for number in ahead(counted(made)):
        assert len(made) <= number + 2
    assert made == [0, 1, 2, 3, 4]
    assert list(ahead(iter([]))) == []


def test_an_error_comes_when_its_item_is_asked_for() -> None:
    items = ahead(counted([], fail_at=2))
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(ValueError, match="no third item"):
        next(items)


def test_a_reader_that_stops_early_leaves_no_thread_behind() -> None:
    made: list[int] = []
    items = ahead(counted(made))
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert made in ([0], [0, 1])
