"""The protocols in use, and the key that the database was filled under.

Belongs here: what `meta.protocol` and `meta.key` know.
Does not belong here: protocols as they are written (`schemas.protocol`), the key itself
(`gate.pseudonym`).
"""

from __future__ import annotations

import duckdb

from registry_pipeline.gate.pseudonym import Key, KeyFileError
from registry_pipeline.warehouse.database import scalar
from schemas.protocol import Protocol, parse_protocol, protocol_sha256, shipped_text


def protocol_in_use(
    connection: duckdb.DuckDBPyConnection, protocol_id: str, given: str | None = None
) -> tuple[Protocol, str]:
    """A protocol and its text: the given one, else the stored one, else the one that ships.

    Args:
        connection: to the live database.
        protocol_id: id of the protocol.
        given: a protocol given for this run, of this id or of another one.

    Raises:
        ProtocolError: unknown or unreadable.
    """
    if given and (protocol := parse_protocol(given, protocol_id)).id == protocol_id:
        return protocol, given
    stored = stored_protocols(connection)
    text = stored.get(protocol_id) or shipped_text(protocol_id, also_known=stored)
    return parse_protocol(text, protocol_id), text


def stored_protocols(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Protocol id to the text in use."""
    return dict(
        connection.execute("SELECT protocol, content FROM meta.protocol ORDER BY ALL").fetchall()
    )


def store_protocol(connection: duckdb.DuckDBPyConnection, protocol_id: str, text: str) -> None:
    """Makes a text the one in use for its protocol."""
    if stored_protocols(connection).get(protocol_id) == text:
        return
    connection.execute("DELETE FROM meta.protocol WHERE protocol = ?", [protocol_id])
    connection.execute(
        "INSERT INTO meta.protocol BY NAME SELECT ? AS protocol, ? AS sha256, ? AS content",
        [protocol_id, protocol_sha256(text), text],
    )


def check_key(connection: duckdb.DuckDBPyConnection, key: Key) -> None:
    """Compares the key with the one the database was filled under; the first is remembered.

    Raises:
        KeyFileError: it is another key: the pseudonyms would not meet.
    """
    stored = key_check_value(connection)
    if stored is None:
        connection.execute(
            "INSERT INTO meta.key BY NAME SELECT ? AS key_id, ? AS check_value",
            [key.key_id, key.check_value],
        )
    elif stored != key.check_value:
        raise KeyFileError(
            "the pseudonym key is not the one this database was filled under; "
            "put the right key file back before anything is taken in"
        )


def key_check_value(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The check value of the key the database was filled under; None before the first."""
    stored = scalar(connection, "SELECT check_value FROM meta.key")
    return None if stored is None else str(stored)


def key_id(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The name of the key the database was filled under; None before the first."""
    stored = scalar(connection, "SELECT key_id FROM meta.key")
    return None if stored is None else str(stored)
