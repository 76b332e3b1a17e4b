"""A process of our own for work that goes on meanwhile: started early, asked late, gone with us.

Belongs here: starting one, asking it, and its side of the line. Does not belong here: any work.

A process is a module that is run, and lives at the other end of a pipe. That line is its lifetime:
when it closes, however we end, the process leaves. It is kept for whoever asks next.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final

DERIVER: Final = "registry_pipeline.building.beside"
DRAWER: Final = "registry_pipeline.charts.drawer"
JUDGE: Final = "registry_pipeline.expectations.judge"
PROCESSES: Final = {DERIVER: 1, DRAWER: 2, JUDGE: 1}
"""The modules that are run, and by how many processes; by name, since they import for seconds.

A step waits for its charts, so both cores are free to draw.
"""

PATIENCE_SECONDS: Final = 300.0
"""How long one may take to be ready, and to answer."""

_LEAVE_SECONDS: Final = 1


class Child:
    """The process that runs a module, and the line to it."""

    def __init__(self, module: str) -> None:
        self._line, there = Pipe()
        with there:
            self._process = subprocess.Popen(  # noqa: S603 - a module of ours
                [sys.executable, "-m", module, str(there.fileno())],
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

    def ask(self, question: Any) -> Any:
        """What the process answers.

        Raises:
            EOFError, OSError: it ended.
            TimeoutError: it neither answers nor ends.
        """
        if not self._is_ready:
            self._heard()
            self._is_ready = True
        self._line.send(question)
        return self._heard()

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


_children: dict[tuple[str, int], Child] = {}


def start_all() -> None:
    """Starts every process that does not run: each is ready by the time it is asked."""
    for module, n in PROCESSES.items():
        for number in range(n):
            started(module, number)


def started(module: str, number: int = 0) -> Child:
    """The process that runs a module, one of them by its number: started unless it runs."""
    one = module, number
    if one not in _children or not _children[one].is_alive:
        _children[one] = Child(module)
        atexit.register(_children[one].stop)
    return _children[one]


def asked(module: str, question: Any, number: int = 0) -> Any:
    """What a process that runs a module answers; None where it does not, and it is ended."""
    process = started(module, number)
    try:
        return process.ask(question)
    except (EOFError, OSError):
        process.stop()
        return None


def serve(answer: Callable[[Any], Any]) -> None:
    """The process's side: says that it is ready, then answers until nobody is left."""
    line = Connection(int(sys.argv[1]))
    with suppress(EOFError, ConnectionError):
        line.send("ready")
        while True:
            line.send(answer(line.recv()))
    os._exit(0)  # whoever hung up waits: libraries take half a second to take leave
