"""Control-C ends a run at once, also where the exception Dagster makes of it would be lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from registry_pipeline.commands.leaving import leaving_when_told

DEAF = """
import signal, sys, time
from registry_pipeline.commands.leaving import leaving_when_told
with leaving_when_told(lambda _: print("told", flush=True)):
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: None)  # as where an exception is swallowed
    print("ready", flush=True)
    for _ in range(600):
        time.sleep(0.1)
print("went on", flush=True)
"""


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_would_not_hear_leaves(told: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        one.send_signal(told)
        assert one.stdout.read() == "told\n"
    assert one.returncode == 128 + told


def test_afterwards_everything_is_as_it_was() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with leaving_when_told(lambda _: os.abort()):
        pass
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    # What a shell starts in the background ignores the signal, and so do its children.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, usual)
