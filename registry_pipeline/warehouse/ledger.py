"""The ledger of deliveries.

Belongs here: what `meta.delivery` knows, and the proof that the ledger and the intake tables tell
the same numbers.
Does not belong here: reading files (`gate`), the order of work (`deliveries.intake`),
which refusals are open (`refusals`), the protocols and the key that the tables were filled under
(`in_use`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import duckdb

from registry_pipeline.gate.errors import DeliveryError
from registry_pipeline.gate.manifest import MANIFEST, Manifest
from registry_pipeline.warehouse.changes import Changes
from registry_pipeline.warehouse.database import transaction
from registry_pipeline.warehouse.refusals import mark_complete
from registry_pipeline.warehouse.tables import ensure, insert
from schemas.catalog import TABLES
from schemas.forms import FORMS

DELIVERY = TABLES["meta.delivery"]
_LIVE: Final = tuple(
    TABLES[f"meta.{name}"]
    for name in ("delivery", "protocol", "quarantine", "key", "erasure", "built")
)
"""The tables that a live file has before anything is taken in."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: a form of a delivery."""

    protocol: str
    delivery: str
    form: str
    quarter: str
    number: int
    sender: str
    kind: str
    extracted_on: date
    file_sha256: str | None
    status: str
    n_received: int
    n_accepted: int
    n_quarantined: int
    n_warning: int
    n_erased: int
    n_left_out: int
    n_retracted: int
    n_retracted_unmet: int
    changes: Changes
    reason: str | None


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Creates the ledger's tables where they are missing."""
    ensure(connection, _LIVE)


def copy(source: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection) -> None:
    """Copies what is known of deliveries and people from one database into another, prepared one.

    The ledger, the protocols in use, the key's check value, and who is erased.
    """
    for name in ("meta.delivery", "meta.protocol", "meta.key", "meta.erasure"):
        insert(target, name, source.sql(f"SELECT * FROM {name}").pl())


def record(connection: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    """Writes a line, in the place of an earlier refusal of the same bytes of the same form."""
    connection.execute(
        "DELETE FROM meta.delivery WHERE protocol = ? AND delivery = ? AND form = ? "
        "AND status = 'refused' AND file_sha256 IS NOT DISTINCT FROM ?",
        [entry.protocol, entry.delivery, entry.form, entry.file_sha256],
    )
    row = asdict(entry)
    row |= {f"n_{change}": n for change, n in row.pop("changes").items()}
    _insert(connection, row)
    mark_complete(connection, entry.protocol, entry.delivery)


def record_folder(
    connection: duckdb.DuckDBPyConnection, protocol: str, delivery: str, reason: str
) -> None:
    """Writes what is wrong with a delivery's folder beside its files, in the place of before.

    A refusal that read no bytes spoke of the folder as it was: every look begins anew.

    Args:
        connection: to the live database.
        protocol: id of the protocol.
        delivery: id of the delivery.
        reason: of the manifest, or of files that no form reads; empty when nothing is wrong.
    """
    with transaction(connection):
        gone = connection.execute(
            "DELETE FROM meta.delivery WHERE protocol = ? AND delivery = ? AND status = 'refused' "
            "AND file_sha256 IS NULL RETURNING form",
            [protocol, delivery],
        ).fetchall()
        if reason:
            row = {
                "protocol": protocol,
                "delivery": delivery,
                "form": MANIFEST,
                "status": "refused",
                "reason": reason,
                **{name: 0 for name in DELIVERY.dtypes if name.startswith("n_")},
            }
            _insert(connection, row)
        if gone or reason:
            mark_complete(connection, protocol, delivery)


def store_sender(
    connection: duckdb.DuckDBPyConnection, protocol: str, delivery: str, sender: str
) -> None:
    """Makes the sender that a delivery's manifest names now the one its lines name."""
    connection.execute(
        "UPDATE meta.delivery SET sender = ? WHERE protocol = ? AND delivery = ? AND sender <> ?",
        [sender, protocol, delivery, sender],
    )


def refuse_other_manifest(
    connection: duckdb.DuckDBPyConnection, manifest: Manifest, delivery: str
) -> None:
    """A delivery is what it was: its order, kind and cut-off stay those its files came in with.

    Raises:
        DeliveryError: the manifest says another quarter, number, kind or extracted_on now.
    """
    facts = ("quarter", "number", "kind", "extracted_on")
    wanted = ", ".join(f"bool_or({fact} <> ?)" for fact in facts)
    ((*others,),) = connection.execute(
        f"SELECT {wanted} FROM meta.delivery WHERE status = 'accepted' AND protocol = ? "
        "AND delivery = ?",
        [*(getattr(manifest, fact) for fact in facts), manifest.protocol, delivery],
    ).fetchall()
    changed = [fact for fact, is_other in zip(facts, others, strict=True) if is_other]
    if changed:
        raise DeliveryError(
            f"{manifest.protocol}/{delivery}/{MANIFEST}: {', '.join(changed)} not as when files of "
            "this delivery were taken in; put the manifest back, or deliver again with the "
            "next number (other_manifest)"
        )


def without_patients(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Protocols of which rows came in and no patients form ever did, each with its sentence."""
    rows = connection.execute(
        "SELECT protocol FROM meta.delivery WHERE status = 'accepted' GROUP BY protocol "
        "HAVING count(*) FILTER (form = 'patients') = 0 ORDER BY protocol"
    ).fetchall()
    return [
        (protocol, f"{protocol}: no patients form was ever taken in, so every row is held back")
        for (protocol,) in rows
    ]


def taken_in(
    connection: duckdb.DuckDBPyConnection, manifest: Manifest, delivery: str, form: str
) -> dict[str, tuple[str | None, int]]:
    """What the ledger has of a form already.

    Returns:
        Hash and number of retracted keys by the id of each delivery that was accepted: this one,
        and any of the same quarter, number, sender, kind and cut-off.
    """
    rows = connection.execute(
        "SELECT delivery, file_sha256, n_retracted FROM meta.delivery WHERE protocol = ? "
        "AND form = ? AND status = 'accepted' AND (delivery = ? OR (quarter = ? AND number = ? AND "
        "sender = ? AND kind = ? AND extracted_on = ?))",
        [
            manifest.protocol,
            form,
            delivery,
            manifest.quarter,
            manifest.number,
            manifest.sender,
            manifest.kind,
            manifest.extracted_on,
        ],
    ).fetchall()
    return {id_: (sha, n_retracted) for id_, sha, n_retracted in rows}


def forms_taken_in(
    connection: duckdb.DuckDBPyConnection, protocol: str, delivery: str
) -> frozenset[str]:
    """The forms that were accepted of a delivery."""
    rows = connection.execute(
        "SELECT form FROM meta.delivery WHERE protocol = ? AND delivery = ? "
        "AND status = 'accepted'",
        [protocol, delivery],
    ).fetchall()
    return frozenset(form for (form,) in rows)


def _insert(connection: duckdb.DuckDBPyConnection, row: dict[str, Any]) -> None:
    row |= {"received_at": datetime.now(UTC).replace(tzinfo=None)}
    cells = ", ".join(f'? AS "{name}"' for name in row)
    connection.execute(f"INSERT INTO meta.delivery BY NAME SELECT {cells}", [*row.values()])


def discrepancies(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Where received is not accepted + quarantined, or tables and ledger differ.

    Returns:
        One sentence per form of a delivery; empty when all agree.
    """
    present = {
        row[0]
        for row in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'intake'"
        ).fetchall()
    }
    found = []
    for form in FORMS:
        stored = _per_delivery(connection, form, present, "NOT is_retraction")
        held = _per_delivery(connection, f"quarantined_{form}", present, "true")
        lines = connection.execute(
            "SELECT protocol, delivery, n_received, n_accepted, n_quarantined "
            "FROM meta.delivery WHERE form = ? AND status = 'accepted' ORDER BY ALL",
            [form],
        ).fetchall()
        for protocol, delivery, received, accepted, quarantined in lines:
            have = (stored.pop((protocol, delivery), 0), held.pop((protocol, delivery), 0))
            if received != accepted + quarantined or have != (accepted, quarantined):
                found.append(
                    f"{protocol}/{delivery} {form}: received {received}, accepted {accepted} "
                    f"(stored {have[0]}), quarantined {quarantined} (stored {have[1]})"
                )
        found += [
            f"{protocol}/{delivery} {form}: {n} rows stored that the ledger does not know"
            for (protocol, delivery), n in (Counter(held) + Counter(stored)).items()
        ]
    return found


def _per_delivery(
    connection: duckdb.DuckDBPyConnection, table: str, present: set[str], where: str
) -> dict[tuple[str, str], int]:
    if table not in present:
        return {}
    rows = connection.execute(
        f"SELECT protocol, delivery, count(*) FROM intake.{table} WHERE {where} GROUP BY ALL"
    ).fetchall()
    return {(protocol, delivery): n for protocol, delivery, n in rows}
