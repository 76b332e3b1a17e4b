"""Layers that another process derives while this one derives others.

Belongs here: what is laid out for both, and fetching it. Does not belong here: which cohorts and
layers (see `build`), deriving them (see `layers`), processes as such (`registry_pipeline.child`).

A small cohort's layer is a function of a few thousand rows: Python's time, one core's. So layers
are laid out in a line, the other process takes from the front and we from the end, until they meet.
What it has not begun when we come to it, or does not answer, we derive ourselves.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

from registry_pipeline.building.layers import Tables, derived_in_memory
from registry_pipeline.child import DERIVER, asked, serve
from schemas.protocol import Protocol

_talking: Final = ThreadPoolExecutor(1)

Task = tuple[str, Tables, Protocol]
"""A layer, the rows it is made from, and whose they are."""

_line: Final[dict[tuple[str, str], tuple[Task, Future[Tables | None]]]] = {}


def lay_out(made_from: str, task: Task) -> None:
    """Puts a task at the end of the line.

    Args:
        made_from: the fingerprint of everything the tables depend on (see `warehouse.built`).
        task: the task.
    """
    _line[task[0], made_from] = (task, _talking.submit(asked, DERIVER, task))


def fetched(layer: str, made_from: str) -> Tables | None:
    """A cohort's rows of a layer's tables; None where that was not laid out."""
    if (layer, made_from) not in _line:
        return None
    task, answer = _line.pop((layer, made_from))
    tables = None if answer.cancel() else answer.result()
    return tables or derived_in_memory(*task)


def work_until(awaited: Future[Any]) -> None:
    """Derives what nobody has begun, instead of waiting; what is due next is taken first."""
    while not awaited.done():
        free = (laid_out for laid_out in reversed(_line) if _line[laid_out][1].cancel())
        if (mine := next(free, None)) is None:
            return
        task, answer = _line[mine][0], Future[Tables | None]()
        answer.set_result(derived_in_memory(*task))
        _line[mine] = (task, answer)


def clear() -> None:
    """Takes back what was laid out and not fetched."""
    while _line:
        _, (_, answer) = _line.popitem()
        answer.cancel()


def _answer(task: Any) -> Tables | None:
    """The other process's answer; None where it fails, for whoever asked then hears why."""
    with suppress(Exception):
        return derived_in_memory(*task)
    return None


if __name__ == "__main__":
    serve(_answer)
