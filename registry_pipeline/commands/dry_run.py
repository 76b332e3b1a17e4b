"""A delivery judged and not stored: what would be taken in, quarantined and refused.

Belongs here: the walk of `registry run --dry-run` over a landing folder.
Does not belong here: the judging (`gate`) and storing (`deliveries.intake`).

Nothing is written, in the home or elsewhere: files are read where they lie, and pseudonyms are made
under a key that is thrown away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from rich.console import Console

from registry_pipeline.commands.printing import show
from registry_pipeline.deliveries.folders import deliveries, left_alone, partition_key, unannounced
from registry_pipeline.deliveries.opening import brought, opened
from registry_pipeline.deliveries.staging import sha256_of
from registry_pipeline.deliveries.taken import FileReport, line
from registry_pipeline.gate.errors import DeliveryError, RefusedFileError, counted
from registry_pipeline.gate.gate import read_form
from registry_pipeline.gate.manifest import MANIFEST, Manifest
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.pseudonym import new_key
from registry_pipeline.gate.retract import retracted_rows
from registry_pipeline.gate.selection import left_out_of
from registry_pipeline.home import Home
from registry_pipeline.warehouse import ledger, refusals
from registry_pipeline.warehouse.database import SCHEMAS, connect
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

    Each is judged as if those before it had been taken in. Keys in `[retract]` that were changed
    since are not noticed: what was taken back is known under the key alone.

    Args:
        home: knows the protocols in use and what was taken in before; may not be there yet.
        folders: delivery folders.
        protocol_text: a protocol given for this run.
    """
    with _ledger_in_memory(home) as connection:
        for folder in folders:
            yield from _tried_of(connection, home, folder, protocol_text)


def _tried_of(
    connection: duckdb.DuckDBPyConnection, home: Home, folder: Path, protocol_text: str | None
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
    persons = Persons(protocol, new_key(), is_production=home.is_production)
    for form in brought(found, manifest):
        path = found.files.get(form)
        place = f"{partition_key(folder)}/{path.name if path else form}"
        if form in found.refused:
            yield _refused(place, form, str(found.refused[form]))
        else:
            file = _File(place, folder.name, form, path, manifest, protocol, persons)
            yield _tried(connection, file)


@dataclass(frozen=True)
class _File:
    """A form of a delivery to be judged; without a path the manifest alone takes rows back."""

    place: str
    delivery: str
    form: str
    path: Path | None
    manifest: Manifest
    protocol: Protocol
    persons: Persons


def _tried(connection: duckdb.DuckDBPyConnection, file: _File) -> Tried:
    try:
        before = ledger.taken_in(connection, file.manifest, file.delivery, file.form)
        here, same = file.delivery in before, {sha for sha, _ in before.values()}
        sha = sha256_of(file.path, file.place, file.manifest) if file.path else None
        if sha in same or (here and file.path is None):
            return Tried(file.place, FileReport(file.form, "unchanged"))
        if here:
            refusals.refuse_other_bytes(file.place)
        tried = _judged(file)
    except RefusedFileError as error:
        return _refused(file.place, file.form, str(error), error.n_rows)
    ledger.record(connection, line(file.manifest, file.delivery, tried.report, sha))
    return tried


def _refused(place: str, form: str, message: str, rows: int = 0) -> Tried:
    refused = FileReport(form, "refused", n_received=rows, n_quarantined=rows, message=message)
    return Tried(place, refused)


def _judged(file: _File) -> Tried:
    form, protocol, manifest = file.form, file.protocol, file.manifest
    problems: Problems = Counter()
    accepted = quarantined = warnings = retracted = n_left_out = 0
    if file.path:
        for batch in read_form(file.path, form, protocol, manifest, file.persons, name=file.place):
            accepted += batch.accepted.height
            quarantined += batch.quarantined.height
            warnings += int(batch.warnings["n"].sum())
            n_left_out += batch.n_left_out
            problems.update(batch.problems.drop("row_number").iter_rows())
    if form in manifest.retract:
        whose = f"{protocol.id}/{file.delivery}"
        retracted = retracted_rows(form, protocol, manifest, file.persons, whose).height
    report = FileReport(
        form,
        "accepted",
        n_received=accepted + quarantined,
        n_accepted=accepted,
        n_quarantined=quarantined,
        n_warning=warnings,
        n_left_out=n_left_out,
        n_retracted=retracted,
    )
    return Tried(file.place, report, problems)


def print_dry_run(console: Console, home: Home, landing: Path, protocol: Path | None) -> bool:
    """Prints what would become of each file, and what would put rows into quarantine.

    Returns:
        Whether a file would be refused.
    """
    text = protocol.read_text(encoding="utf-8") if protocol else None
    tried = list(try_out(home, deliveries(landing), text))
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
    return connection
