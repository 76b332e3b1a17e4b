"""Dagster's own storage in SQLite, with one open connection for each of its event files.

Belongs here: how the instance's event files are opened; `dagster.yaml` names this class.
Does not belong here: what is stored in them, and the registry's own database (`warehouse`).

As it ships, the storage makes an engine and a connection for each of a run's many events, and
SQLite waits for the disk at each commit and at each close, since the last connection to close
empties the write-ahead log. One connection that stays open spares most of that, and what a run
plans is written at once. In the mode NORMAL a commit to a write-ahead log does not wait and cannot
harm the file: a power failure may cost the last events, never the file.

The daemon's threads, its runs and the command line write to the same files. Dagster waits for the
event log's longer than for those of runs and schedules, which on a busy machine are locked for
longer than SQLite waits by itself; all are waited for alike.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData


class EventLog(SqliteEventLogStorage):
    """Dagster's event log; the index and the run asked for last stay open.

    What the index is made of is asked for at each event; what is there is there to stay.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._open: dict[str, sa.Connection] = {}
        self._there: set[str] = set()
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # a batch nests

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table."""
        return self._is_there(table_name, lambda: super(EventLog, self).has_table(table_name))

    def has_secondary_index(self, name: str) -> bool:
        """Whether the index has a part that Dagster added later."""
        return self._is_there(name, lambda: super(EventLog, self).has_secondary_index(name))

    def _has_asset_key_col_on_connection(self, conn: sa.Connection, column_name: str) -> bool:
        ask = super()._has_asset_key_col_on_connection
        return self._is_there(column_name, lambda: ask(conn, column_name))

    def _is_there(self, name: str, ask: Callable[[], bool]) -> bool:
        if name not in self._there and ask():
            self._there.add(name)
        return name in self._there

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores events of one run in one transaction of each file."""
        with self._connect(events[0].run_id), self._connect(INDEX_SHARD_NAME):
            for event in events:
                self.store_event(event)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            connection = self._connection(shard)
            if connection.in_transaction():
                yield connection
            else:
                with connection.begin():
                    yield connection

    def _connection(self, shard: str) -> sa.Connection:
        if shard not in self._open:
            if shard != INDEX_SHARD_NAME:
                for other in self._open.keys() - {INDEX_SHARD_NAME}:
                    _close(self._open.pop(other))
            engine = sa.create_engine(
                self.conn_string_for_shard(shard),
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            sa.event.listen(engine, "connect", _without_waiting)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            self._open[shard] = engine.connect()
        return self._open[shard]

    def dispose(self) -> None:
        """Closes the files."""
        super().dispose()
        while self._open:
            _close(self._open.popitem()[1])


def _close(connection: sa.Connection) -> None:
    connection.close()
    connection.engine.dispose()


def _without_waiting(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")


class Storage(DagsterSqliteStorage):
    """Dagster's SQLite storage of runs, events and schedules, with this event log."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        for storage in (self._run_storage, self._schedule_storage):
            storage._conn_string += f"?timeout={SQLITE_BUSY_TIMEOUT_SECONDS}"  # noqa: SLF001
        shipped = self._event_log_storage
        self._event_log_storage = EventLog(shipped._base_dir)  # noqa: SLF001 - has no public name

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Storage:
        """The storage that `dagster.yaml` describes."""
        return cls.from_local(inst_data=inst_data, **config_value)
