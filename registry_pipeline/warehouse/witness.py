"""A witness beside the database: how many files were taken in, so that a lost commit shows.

Belongs here: the number outside the database, and the proof at the start of a run that the store
still holds everything it acknowledged.
Does not belong here: the ledger itself (see `ledger`).

A deleted or damaged write-ahead log drops commits in silence, the ledger's lines together with the
rows: nothing inside the file can tell. Accepted lines never go, so fewer of them than the witness
saw means a loss.
"""

from __future__ import annotations

import duckdb

from registry_pipeline.home import Home
from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.database import connect, scalar
from registry_pipeline.warehouse.faults import DamagedStoreError

_PREPARED = """
SELECT 1 FROM duckdb_tables() WHERE schema_name = 'meta' AND table_name = 'delivery'
"""
_ACCEPTED = "SELECT count(*) FROM meta.delivery WHERE status = 'accepted'"


def remember(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Writes down how many accepted files the ledger holds; called after each commit."""
    partial = home.witness.with_suffix(".tmp")
    partial.write_text(str(scalar(connection, _ACCEPTED)), encoding="utf-8")
    partial.replace(home.witness)


def prove_whole(home: Home) -> None:
    """Compares the ledger with the witness and with the tables, before anything is opened to write.

    Opened to read only: whoever writes replays what can be read of a damaged log, and removes it.

    Raises:
        DamagedStoreError: accepted files are gone, or the tables hold other rows than the ledger
            says; nothing is repaired.
    """
    said = home.witness.read_text(encoding="utf-8") if home.witness.exists() else ""
    seen = int(said or 0)
    holds, wrong = _ledger(home) if home.database.exists() else (0, [])
    if holds < seen:
        raise DamagedStoreError(
            f"{home.database}: {seen} files were taken in and the ledger holds {holds}: the "
            "database or its write-ahead log was lost or damaged; nothing was changed: restore "
            "the home from a backup"
        )
    if wrong:
        raise DamagedStoreError(
            f"{home.database}: the ledger and the tables differ; nothing was changed: restore the "
            f"home from a backup; {'; '.join(wrong)}"
        )


def _ledger(home: Home) -> tuple[int, list[str]]:
    """How many accepted files the ledger holds, and where it differs from the tables."""
    with connect(home, read_only=True) as connection:
        if not scalar(connection, _PREPARED):
            return 0, []
        return scalar(connection, _ACCEPTED), ledger.discrepancies(connection)
