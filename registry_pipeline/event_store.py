"""Dagster's own storage in SQLite, with one open connection for each of its event files.

Belongs here: how the instance's event files are opened; `dagster.yaml` names this class.
Does not belong here: what is stored in them, and the registry's own database (`warehouse`).

As it ships, the storage makes an engine and a connection for each of a run's many events, and
SQLite waits for the disk at each commit and at each close, since the last connection to close
empties the write-ahead log. One connection that stays open spares most of that. In the mode NORMAL
a commit to a write-ahead log does not wait and cannot harm the file: a power failure may cost the
last events, never the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
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
        self._engines: dict[str, sa.Engine] = {}
        self._there: set[str] = set()
        super().__init__(base_dir, inst_data)

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

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> sa.Engine:
        if shard not in self._engines:
            if shard != INDEX_SHARD_NAME:
                for other in self._engines.keys() - {INDEX_SHARD_NAME}:
                    self._engines.pop(other).dispose()
            self._engines[shard] = sa.create_engine(
                self.conn_string_for_shard(shard),
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            sa.event.listen(self._engines[shard], "connect", _without_waiting)
        return self._engines[shard]

    def dispose(self) -> None:
        """Closes the files."""
        super().dispose()
        while self._engines:
            self._engines.popitem()[1].dispose()


def _without_waiting(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")


class Storage(DagsterSqliteStorage):
    """Dagster's SQLite storage of runs, events and schedules, with this event log."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        shipped = self._event_log_storage
        self._event_log_storage = EventLog(shipped._base_dir)  # noqa: SLF001 - has no public name

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Storage:
        """The storage that `dagster.yaml` describes."""
        return cls.from_local(inst_data=inst_data, **config_value)
