"""A whole run without Dagster, in a process that dies where it is told to.

    python one_run.py HOME LANDING LAYERS [CALL [MILLISECONDS]]

LAYERS are names with commas, or `all`. It dies by SIGKILL so many milliseconds after it began its
CALL-th call of those that touch the disk: statements, files opened, renamed and removed. CALL may
also be the beginning of a statement, with `@` and the number of such a statement. Without CALL it
ends by itself and prints how many such calls there were. A fault of the store is its last line on
standard error, after the fault's class.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb

from registry_pipeline.building.build import build_core, build_layer
from registry_pipeline.building.layers import LAYERS
from registry_pipeline.deliveries.folders import deliveries
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse import database
from registry_pipeline.warehouse.faults import StoreError
from registry_pipeline.warehouse.publish import publish
from registry_pipeline.warehouse.witness import prove_whole

STATEMENTS = frozenset({"execute", "executemany", "sql", "close"})
FILES = ("open", "rename", "replace", "unlink", "link", "fsync")


class Death:
    """Counts the calls that touch the disk, and kills the process after one of them began."""

    def __init__(self, call: str, milliseconds: float) -> None:
        self.n = 0
        self._text, _, number = call.rpartition("@")
        self._left = int(number or 0)
        self._seconds = milliseconds / 1000
        self._is_dying = self._left == 0

    def watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, counted."""

        def call(*values: Any, **named: Any) -> Any:
            self._touch(str(values[0]) if values else "")
            return function(*values, **named)

        return call

    def _touch(self, given: str) -> None:
        self.n += 1
        if given.startswith(self._text):
            self._left -= 1
        if self._left != 0 or self._is_dying:
            return
        self._is_dying = True
        if self._seconds == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        killer = threading.Timer(self._seconds, os.kill, (os.getpid(), signal.SIGKILL))
        killer.daemon = True
        killer.start()


class WatchedConnection:
    """A DuckDB connection whose statements are counted."""

    def __init__(self, inner: duckdb.DuckDBPyConnection, death: Death) -> None:
        self._inner = inner
        self._death = death

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._death.watched(found) if name in STATEMENTS else found


def watch(death: Death) -> None:
    """Counts every statement of the store and every change of a file from now on."""
    connect = duckdb.connect

    def watched_connect(*values: Any, **named: Any) -> Any:
        return WatchedConnection(connect(*values, **named), death)

    database.duckdb.connect = watched_connect  # type: ignore[assignment]
    for name in FILES:
        setattr(os, name, death.watched(getattr(os, name)))


def whole_run(home: Home, landing: Path, layers: Iterable[str]) -> None:
    """Intake, core, layers and publication, each with a connection of its own."""
    with home.lock():
        home.prepare()
        prove_whole(home)
        with database.connect(home) as connection:
            key = open_key(connection, home)
            for folder in deliveries(landing):
                take_in(connection, home, folder, key)
        with database.connect(home) as connection:
            built = build_core(connection)
        for name in layers:
            with database.connect(home) as connection:
                built += build_layer(connection, name)
        if wrong := [one.error for one in built if one.error]:
            raise RuntimeError("; ".join(wrong))
        with database.connect(home) as connection:
            publish(connection, home, "a run")


def main(home: str, landing: str, layers: str, call: str = "", milliseconds: str = "0") -> None:
    """Runs, and dies or prints the number of calls."""
    death = Death(call, float(milliseconds))
    watch(death)
    names = LAYERS if layers == "all" else filter(None, layers.split(","))
    try:
        whole_run(Home(Path(home)), Path(landing), names)
    except StoreError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    print(death.n)  # noqa: T201 - what it is asked for


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # without the teardown, where DuckDB's wheel reports its own constants as leaked
