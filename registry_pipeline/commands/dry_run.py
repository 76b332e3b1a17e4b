"""A delivery judged and not stored: what would be taken in, quarantined and refused.

Belongs here: the walk of `registry run --dry-run` over a landing folder.
Does not belong here: the judging (`gate`) and storing (`deliveries.intake`).

Nothing is written, in the home or elsewhere: files are read where they lie. Pseudonyms are made in
memory, under the home's key, or before it has one under a key that is thrown away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
from rich.console import Console

from registry_pipeline.commands.printing import show
from registry_pipeline.deliveries.arriving import arrivals
from registry_pipeline.deliveries.folders import deliveries, left_alone, partition_key, unannounced
from registry_pipeline.deliveries.opening import opened
from registry_pipeline.deliveries.staging import Arrival, sha256_of
from registry_pipeline.deliveries.taken import FileReport, line, provenance
from registry_pipeline.gate.errors import DeliveryError, RefusedFileError, counted
from registry_pipeline.gate.gate import read_form
from registry_pipeline.gate.manifest import MANIFEST, Manifest
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.pseudonym import Key, KeyFileError, new_key
from registry_pipeline.gate.selection import left_out_of
from registry_pipeline.home import Home
from registry_pipeline.keys import standing_key
from registry_pipeline.warehouse import erasure, ledger, refusals
from registry_pipeline.warehouse.changes import copy_retractions
from registry_pipeline.warehouse.database import SCHEMAS, connect
from registry_pipeline.warehouse.tables import ensure, insert
from schemas.forms import FORMS, intake_table
from schemas.protocol import Protocol

Problems = Counter[tuple[str | None, str, str]]


@dataclass(frozen=True)
class Tried:
    """What would become of one file.

    Attributes:
        place: protocol, delivery and file.
        report: as intake would give it; without what the rows change.
        problems: column (None for the row), rule and reason to the number of rows.
    """

    place: str
    report: FileReport
    problems: Problems = field(default_factory=Counter)


def try_out(home: Home, folders: list[Path], protocol_text: str | None) -> Iterator[Tried]:
    """Judges deliveries as a run would, in order, and stores nothing.

    Each is judged as if those before it had been taken in.

    Args:
        home: knows the protocols in use and what was taken in before; may not be there yet.
        folders: delivery folders.
        protocol_text: a protocol given for this run.

    Raises:
        KeyFileError: the home's key cannot be used.
    """
    with _ledger_in_memory(home) as connection:
        key = standing_key(connection, home) or new_key()
        for folder in folders:
            yield from _tried_of(connection, home, folder, key, protocol_text)


def _tried_of(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    folder: Path,
    key: Key,
    protocol_text: str | None,
) -> Iterator[Tried]:
    """Judges one delivery, form by form."""
    manifest_name = f"{partition_key(folder)}/{MANIFEST}"
    try:
        manifest, protocol, _, found = opened(connection, folder, protocol_text)
    except DeliveryError as error:
        yield _refused(manifest_name, MANIFEST, str(error))
        return
    if found.strays:
        yield _refused(manifest_name, MANIFEST, "; ".join(found.strays))
    ensure(connection, [intake_table(form, protocol) for form in FORMS])
    erased = erasure.tombstones(connection)
    persons = Persons(protocol, key, erased, is_production=home.is_production)
    trying = _Trying(connection, folder.name, manifest, protocol, persons)
    for arrival in arrivals(
        connection, folder, found, manifest=manifest, protocol=protocol, persons=persons
    ):
        yield trying.form(arrival)


@dataclass(frozen=True)
class _Trying:
    """One delivery being judged."""

    connection: duckdb.DuckDBPyConnection
    delivery: str
    manifest: Manifest
    protocol: Protocol
    persons: Persons

    def form(self, brought: Arrival) -> Tried:
        """Judges one form as intake would, and notes it in the ledger."""
        form, name, path = brought.form, brought.name, brought.path
        try:
            if brought.refused:
                raise brought.refused
            sha = sha256_of(path, name, self.manifest) if path else None
            if replace(brought, sha=sha).is_same:
                return Tried(name, FileReport(form, "unchanged"))
            if brought.is_here:
                refusals.refuse_other_bytes(name)
            tried = self._judged(brought)
        except RefusedFileError as error:
            return _refused(name, form, str(error), error.n_rows)
        ledger.record(self.connection, line(self.manifest, self.delivery, tried.report, sha))
        self._note_retracted(brought)
        return tried

    def _note_retracted(self, brought: Arrival) -> None:
        if brought.retracted is not None:
            whose = provenance(self.manifest, self.delivery, is_retraction=True)
            table = intake_table(brought.form, self.protocol)
            insert(self.connection, table.full_name, brought.retracted, whose)

    def _judged(self, brought: Arrival) -> Tried:
        form, protocol, manifest = brought.form, self.protocol, self.manifest
        problems: Problems = Counter()
        accepted = quarantined = warnings = n_left_out = 0
        if brought.path:
            batches = read_form(
                brought.path, form, protocol, manifest, self.persons, name=brought.name
            )
            for batch in batches:
                accepted += batch.accepted.height
                quarantined += batch.quarantined.height
                warnings += int(batch.warnings["n"].sum())
                n_left_out += batch.n_left_out
                problems.update(batch.problems.drop("row_number").iter_rows())
        report = FileReport(
            form,
            "accepted",
            n_received=accepted + quarantined,
            n_accepted=accepted,
            n_quarantined=quarantined,
            n_warning=warnings,
            n_left_out=n_left_out,
            n_retracted=0 if brought.retracted is None else brought.retracted.height,
        )
        return Tried(brought.name, report, problems)


def _refused(place: str, form: str, message: str, rows: int = 0) -> Tried:
    refused = FileReport(form, "refused", n_received=rows, n_quarantined=rows, message=message)
    return Tried(place, refused)


def print_dry_run(console: Console, home: Home, landing: Path, protocol: Path | None) -> bool:
    """Prints what would become of each file, and what would put rows into quarantine.

    Returns:
        Whether a file would be refused.
    """
    text = protocol.read_text(encoding="utf-8") if protocol else None
    try:
        tried = list(try_out(home, deliveries(landing), text))
    except KeyFileError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return True
    rows = [
        (
            one.place,
            one.report.form,
            one.report.status,
            one.report.n_received,
            one.report.n_accepted,
            one.report.n_quarantined,
            one.report.n_retracted,
        )
        for one in tried
    ]
    columns = ("file", "form", "would be", "received", "accepted", "quarantined", "retracted")
    show(console, "Nothing was stored", columns, rows)
    for one in tried:
        for (column, rule_id, reason), n in sorted(one.problems.items(), key=str):
            where = f"{one.place}, column {column}" if column else one.place
            said = f"{where}: {counted(n, 'row')}: {reason} ({rule_id})"
            console.print(said, markup=False, soft_wrap=True)
        if one.report.n_left_out:
            said = left_out_of(one.place, one.report.n_left_out)
            console.print(said, markup=False, soft_wrap=True)
    for sentence in unannounced(landing):
        console.print(sentence, markup=False, soft_wrap=True)
    refused = [one.report.message for one in tried if one.report.message]
    refused += left_alone(landing)
    for sentence in refused:
        console.print(sentence, style="red", markup=False, soft_wrap=True)
    return bool(refused)


def _ledger_in_memory(home: Home) -> duckdb.DuckDBPyConnection:
    """A copy of what the home knows of deliveries and protocols; the home is left as it is."""
    connection = duckdb.connect(":memory:")
    for schema in SCHEMAS:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    ledger.prepare(connection)
    if home.database.exists():
        with connect(home, read_only=True) as live:
            ledger.copy(live, connection)
            copy_retractions(live, connection)
    return connection
