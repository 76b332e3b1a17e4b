"""Taking deliveries in: from a landing folder through the gate into the store.

Belongs here: the order of work for a delivery: stage, judge, store, record, each file in one
transaction of its own.
Does not belong here: what stands in a delivery's folder (`opening`), how a file is judged (`gate`)
and how rows are stored (`warehouse`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from registry_pipeline.deliveries.arriving import arrivals
from registry_pipeline.deliveries.folders import partition_key
from registry_pipeline.deliveries.opening import opened
from registry_pipeline.deliveries.staging import Arrival, staged_ahead
from registry_pipeline.deliveries.taken import DeliveryReport, FileReport, line, provenance
from registry_pipeline.gate.errors import DeliveryError, RefusedFileError, RepeatedKeysError
from registry_pipeline.gate.gate import Batch, read_form
from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.gate.persons import Persons, ways_of_writing
from registry_pipeline.gate.pseudonym import Key
from registry_pipeline.home import Home
from registry_pipeline.warehouse import erasure, in_use, ledger, refusals
from registry_pipeline.warehouse.changes import changes, unmet_retractions
from registry_pipeline.warehouse.database import transaction
from registry_pipeline.warehouse.mending import mend
from registry_pipeline.warehouse.tables import Constants, Inserter, ensure, insert
from registry_pipeline.warehouse.witness import remember
from schemas.fields import Table
from schemas.forms import FORMS, form_table, intake_table, quarantine_table
from schemas.protocol import Protocol


def take_in(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    folder: Path,
    key: Key,
    protocol_text: str | None = None,
) -> DeliveryReport:
    """Takes one delivery in, file by file; a refused file leaves the others untouched.

    Args:
        connection: a writing connection to the live database.
        home: where files are staged.
        folder: the delivery's folder.
        key: the pseudonym key.
        protocol_text: a protocol given for this run, in the place of the one in use.

    Returns:
        A report that names every form of the delivery and every refusal.
    """
    report = DeliveryReport(folder.parent.name, folder.name)
    try:
        manifest, protocol, text, found = opened(connection, folder, protocol_text)
    except DeliveryError as error:
        report.message = str(error)
        ledger.record_folder(connection, report.protocol, report.delivery, report.message)
        return report
    report.message = "; ".join(found.strays)
    ledger.record_folder(connection, report.protocol, report.delivery, report.message)
    in_use.store_protocol(connection, protocol.id, text)
    ledger.store_sender(connection, protocol.id, report.delivery, manifest.sender)
    ensure(connection, [t for f in FORMS for t in (intake_table(f, protocol), quarantine_table(f))])
    erased = erasure.tombstones(connection)
    persons = Persons(protocol, key, erased, is_production=home.is_production)
    taking = _Taking(connection, home, folder, manifest, protocol, persons)
    told = arrivals(
        connection, folder, found, manifest=manifest, protocol=protocol, persons=persons
    )
    with staged_ahead(home, manifest, [*told], taking.judged) as staged:
        report.files.extend(taking.form(arrival) for arrival in staged)
    report.leaving = taking.leaving
    return report


@dataclass(frozen=True)
class _Taking:
    """One delivery being taken in; a person's id is judged and hashed once for all its forms."""

    connection: duckdb.DuckDBPyConnection
    home: Home
    folder: Path
    manifest: Manifest
    protocol: Protocol
    persons: Persons
    leaving: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def form(self, arrival: Arrival) -> FileReport:
        """Takes one form in, or records its refusal."""
        form = arrival.form
        try:
            if arrival.refused:
                raise arrival.refused
            if arrival.is_same:
                self._the_right_bytes(form)
                return FileReport(form, "unchanged")
            if arrival.is_here:
                refusals.refuse_other_bytes(arrival.name)
            try:
                report = self._taken(arrival, arrival.batches)
            except RepeatedKeysError:
                report = self._taken(arrival, self.judged(arrival, at_one_look=False))
            remember(self.connection, self.home)
        except RefusedFileError as error:
            rows = error.n_rows
            report = FileReport(
                form, "refused", n_received=rows, n_quarantined=rows, message=str(error)
            )
            with transaction(self.connection):
                ledger.record(self.connection, self._line(report, arrival.sha))
        finally:
            if arrival.staged is not None:
                arrival.staged.unlink(missing_ok=True)
        return report

    def judged(self, arrival: Arrival, *, at_one_look: bool = True) -> Iterator[Batch]:
        """The judged rows of a staged file."""
        if arrival.staged is None:
            return iter(())
        return read_form(
            arrival.staged,
            arrival.form,
            self.protocol,
            self.manifest,
            self.persons,
            name=arrival.name,
            at_one_look=at_one_look,
        )

    def _taken(self, arrival: Arrival, batches: Iterable[Batch]) -> FileReport:
        """The form's rows, its quarantine and its line in the ledger: all of it, or nothing."""
        form = arrival.form
        with transaction(self.connection):
            report = self._store(form, batches, arrival.retracted)
            ledger.record(self.connection, self._line(report, arrival.sha))
            mend(
                self.connection,
                self.protocol.id,
                intake_table(form, self.protocol),
                form_table(form, self.protocol),
            )
        return report

    def _the_right_bytes(self, form: str) -> None:
        """What was accepted stands in the folder: an earlier refusal of other bytes is over."""
        with transaction(self.connection):
            refusals.clear_other_bytes(self.connection, self.protocol.id, self.folder.name, form)

    def _store(
        self, form: str, batches: Iterable[Batch], retracted: pl.DataFrame | None
    ) -> FileReport:
        table = intake_table(form, self.protocol)
        kept = quarantine_table(form)
        accepted = quarantined = warnings = erased = left_out = taken_back = unmet = 0
        told = partial(provenance, self.manifest, self.folder.name)
        rows = Inserter(self.connection, table.full_name, told(is_retraction=False))
        for batch in batches:
            rows.add(batch.accepted)
            insert(self.connection, kept.full_name, batch.quarantined, self._whose)
            of_form = {**self._whose, "form": form}
            insert(self.connection, "meta.quarantine", batch.problems, of_form)
            accepted += batch.accepted.height
            quarantined += batch.quarantined.height
            warnings += int(batch.warnings["n"].sum())
            erased += batch.n_erased
            left_out += batch.n_left_out
            if form == "withdrawals":
                self._request_erasure(batch.accepted)
        rows.close()
        if retracted is not None:
            insert(self.connection, table.full_name, retracted, told(is_retraction=True))
            taken_back = retracted.height
            unmet = unmet_retractions(self.connection, *self._compared(form))
        return FileReport(
            form,
            "accepted",
            n_received=accepted + quarantined,
            n_accepted=accepted,
            n_quarantined=quarantined,
            n_warning=warnings,
            n_erased=erased,
            n_left_out=left_out,
            n_retracted=taken_back,
            n_retracted_unmet=unmet,
            changes=changes(self.connection, *self._compared(form)),
        )

    def _compared(self, form: str) -> tuple[Table, Table, str, str]:
        """What of a delivery is compared with the others: see `warehouse.changes`."""
        table, key = intake_table(form, self.protocol), form_table(form, self.protocol)
        return table, key, self.protocol.id, self.folder.name

    def _request_erasure(self, withdrawals: pl.DataFrame) -> None:
        """Notes who is to be erased: they are kept out from here on, and taken out after intake."""
        wanted = withdrawals.filter(pl.col("scope") == "erase")
        if wanted.is_empty():
            return
        people = self.persons.tombstones_of(wanted["patient_id"])
        requests = wanted.join(people, left_on="patient_id", right_on="pseudonym").select(
            "tombstone",
            pseudonym="patient_id",
            source=pl.lit(partition_key(self.folder)),
            requested_on="withdrawn_date",
        )
        erasure.request(self.connection, requests)
        for pseudonym, normal, tombstone in people.iter_rows():
            self.leaving[tombstone] = ways_of_writing(normal)
            for word in self.leaving[tombstone]:
                erasure.claim_quarantined(self.connection, pseudonym, word)

    def _line(self, report: FileReport, sha: str | None) -> ledger.Entry:
        return line(self.manifest, self.folder.name, report, sha)

    @property
    def _whose(self) -> Constants:
        return {"protocol": self.protocol.id, "delivery": self.folder.name}
