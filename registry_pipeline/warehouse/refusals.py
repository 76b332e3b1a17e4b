"""Refusals: which are open, and what ends one beside a mended file.

Belongs here: what of `meta.delivery` waits for someone. Does not belong here: why a file is refused
(`gate`), writing the lines (`ledger`).
"""

from __future__ import annotations

from datetime import date
from typing import Final, NoReturn

import duckdb

from registry_pipeline.gate.errors import RefusedFileError

OTHER_BYTES: Final = "other_bytes"
"""The rule that refuses other bytes under the name of a file that was accepted: the one refusal
that an accepted file does not mend."""

_OTHER_BYTES: Final = f"status = 'refused' AND suffix(reason, '({OTHER_BYTES})')"
_OPEN: Final = f"""
    status = 'refused' AND closed_on IS NULL AND ({_OTHER_BYTES} OR NOT EXISTS (
        FROM meta.delivery AS mended WHERE mended.status = 'accepted'
        AND mended.protocol = refused.protocol AND mended.delivery = refused.delivery
        AND mended.form = refused.form))
"""


def refuse_other_bytes(name: str) -> NoReturn:
    """A delivery is what it was: other bytes under its name are a new delivery's business.

    Raises:
        RefusedFileError: always; `name` is the file as messages name it.
    """
    what = (
        "taken in before with other bytes or other [retract] keys; send a correction with the "
        "next number"
    )
    raise RefusedFileError(name, OTHER_BYTES, what)


def clear_other_bytes(
    connection: duckdb.DuckDBPyConnection, protocol: str, delivery: str, form: str
) -> None:
    """Takes back that other bytes stood under a delivery's name: the right ones stand there."""
    gone = connection.execute(
        f"DELETE FROM meta.delivery WHERE {_OTHER_BYTES} AND protocol = ? AND delivery = ? "
        "AND form = ? RETURNING form",
        [protocol, delivery, form],
    ).fetchall()
    if gone:
        mark_complete(connection, protocol, delivery)


def open_refusals(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, str]]:
    """Refusals not mended by an accepted file, nor closed: protocol, delivery, form, reason."""
    return connection.execute(
        f"SELECT protocol, delivery, form, reason FROM meta.delivery AS refused WHERE {_OPEN} "
        "ORDER BY ALL"
    ).fetchall()


def close(
    connection: duckdb.DuckDBPyConnection, protocol: str, delivery: str, day: date
) -> list[str]:
    """Closes the open refusals of a delivery that nobody will mend; the lines stay.

    A run that finds the delivery in its landing folder judges it anew, which may open them again.

    Args:
        connection: to the live database, with the ledger prepared.
        protocol: id of the protocol.
        delivery: id of the delivery.
        day: the day on which it was said.

    Returns:
        The reason of each refusal that was open.
    """
    rows = connection.execute(
        f"UPDATE meta.delivery AS refused SET closed_on = ? WHERE protocol = ? AND delivery = ? "
        f"AND {_OPEN} RETURNING reason",
        [day, protocol, delivery],
    ).fetchall()
    mark_complete(connection, protocol, delivery)
    return sorted(reason for (reason,) in rows)


def mark_complete(connection: duckdb.DuckDBPyConnection, protocol: str, delivery: str) -> None:
    """Says on every line of a delivery whether a refusal of it is open."""
    connection.execute(
        "UPDATE meta.delivery SET is_complete = NOT EXISTS (FROM meta.delivery AS refused WHERE "
        f"refused.protocol = $protocol AND refused.delivery = $delivery AND {_OPEN}) "
        "WHERE protocol = $protocol AND delivery = $delivery",
        {"protocol": protocol, "delivery": delivery},
    )
