"""Control-C, and a polite kill, end the process at once.

Belongs here: leaving. Does not belong here: what a killed run leaves behind (see `home` and
`reconcile`).

Dagster turns either signal into an exception wherever the main thread is. Where that is a
destructor, or a callback of a library, the exception is lost and the run goes on to its end. Every
run survives being killed, at whatever moment, so we leave as one that is killed does.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM})


@contextmanager
def leaving_when_told(say: Callable[[int], None]) -> Iterator[None]:
    """While it lasts either signal ends the process, with 128 and its number, as shells have it.

    To be entered before any other thread is there, since threads that come later hear no signal.

    Args:
        say: given the signal, tells the person who ended it, just before.
    """
    over = threading.Event()

    def listen() -> None:
        told = signal.sigwait(SIGNALS)
        if not over.is_set():
            try:
                say(told)
            finally:
                os._exit(128 + told)

    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()
        if listener.ident is not None:
            signal.pthread_kill(listener.ident, signal.SIGINT)
        listener.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
