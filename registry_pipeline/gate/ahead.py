"""One step of work ahead of the one who asks for it.

Belongs here: the overlap of judging a block with whatever the caller does with the block before.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
_END: Final = object()


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The items in order, each made while the caller works on the one before.

    An error shows when its item is asked for. At most one item waits.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="gate") as worker:
        coming = worker.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = worker.submit(next, items, _END)
            yield item  # type: ignore[misc]  # the sentinel never gets here
