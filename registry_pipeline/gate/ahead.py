"""One step of work ahead of the one who asks for it.

Belongs here: the overlap of making an item, a block or a file, with what the caller does with the
item before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
_END: Final = object()


def ahead(items: Iterator[T], most: int = 1) -> Generator[T]:
    """The items in order, each made while the caller works on those before.

    An error shows when its item is asked for. At most `most` items wait.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="gate") as worker:
        coming = deque(worker.submit(next, items, _END) for _ in range(most))
        try:
            while (item := coming.popleft().result()) is not _END:
                coming.append(worker.submit(next, items, _END))
                yield item  # type: ignore[misc]  # the sentinel never gets here
        finally:
            for unmade in coming:
                unmade.cancel()
