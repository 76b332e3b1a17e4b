"""Dagster's SQLite files, written without a wait for the disk after every event.

Belongs here: how this process opens the instance's databases while a run goes on.
Does not belong here: what is stored in them, and the registry's own database (`warehouse`).

Dagster opens a new connection for each of a run's many events. SQLite then waits for the disk at
the commit, and again at the close, since the last connection to close empties the write-ahead log.
In the mode NORMAL a commit to a write-ahead log needs no wait and cannot harm the file: a power
failure may cost the last events, never the database. One connection that stays open spares the
rest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


@contextmanager
def quick_events() -> Iterator[None]:
    """While the block runs, this process writes Dagster's SQLite files without waiting."""
    kept: dict[str, sqlite3.Connection] = {}

    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        if path not in kept:
            kept[path] = sqlite3.connect(path, check_same_thread=False)
        # A look holds the write-ahead log open, once there is one.
        kept[path].execute("SELECT count(*) FROM sqlite_master").fetchone()

    sa.event.listen(sa.engine.Engine, "connect", on_connect)
    try:
        yield
    finally:
        sa.event.remove(sa.engine.Engine, "connect", on_connect)
        for connection in kept.values():
            connection.close()
