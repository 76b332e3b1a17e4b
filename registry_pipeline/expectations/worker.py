"""The process in which Great Expectations lives: started early, asked late, gone with this one.

Belongs here: starting it, asking it, and what is said where it does not answer.
Does not belong here: what it does (see `judge`).

Importing Great Expectations takes seconds. A process of its own does so on another core while the
tables are built. It is kept for the next run of this process, and ends with it, however that ends:
its end of the line is closed then.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from multiprocessing import Pipe
from typing import Any, Final

import polars as pl

from registry_pipeline.expectations.docs import Page
from registry_pipeline.expectations.suite import Suite, SuiteResult

PATIENCE_SECONDS: Final = 300.0
"""How long it may take to be ready, and to answer."""

_MODULE: Final = "registry_pipeline.expectations.judge"
_LEAVE_SECONDS: Final = 1


def start() -> Worker:
    """Starts the process, unless it runs."""
    if not _worker().is_alive:
        _worker.cache_clear()
    return _worker()


def judged(asked: Sequence[tuple[Suite, pl.DataFrame]]) -> list[Page]:
    """A page per suite and its cells; where the process does not answer, each is an error."""
    worker = start()
    try:
        return worker.ask(asked)
    except (EOFError, OSError) as error:
        words = "in time" if isinstance(error, TimeoutError) else "and ended"
        told = f"Great Expectations' process did not answer {words} (exit code {worker.stop()})"
        return [Page(SuiteResult(suite, "error", failed=(told,))) for suite, _ in asked]


class Worker:
    """The process, and the line to it."""

    def __init__(self) -> None:
        self._line, there = Pipe()
        with there:
            self._process = subprocess.Popen(  # noqa: S603 - a module of ours
                [sys.executable, "-m", _MODULE, str(there.fileno())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt at the terminal is for us
            )
        self._is_ready = False

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def ask(self, asked: Sequence[tuple[Suite, pl.DataFrame]]) -> list[Page]:
        """The process's pages.

        Raises:
            EOFError, OSError: it ended.
            TimeoutError: it neither answers nor ends.
        """
        if not self._is_ready:
            self._heard()
            self._is_ready = True
        self._line.send(asked)
        pages: list[Page] = self._heard()
        return pages

    def stop(self) -> int:
        """Hangs up, and ends the process where it does not leave; its exit code."""
        self._line.close()
        try:
            return self._process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _heard(self) -> Any:
        if not self._line.poll(PATIENCE_SECONDS):
            raise TimeoutError
        return self._line.recv()


@cache
def _worker() -> Worker:
    worker = Worker()
    atexit.register(worker.stop)
    return worker
