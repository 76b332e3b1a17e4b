"""Taking deliveries in: from a landing folder through the gate into the store.

Belongs here: which deliveries wait, and the order of work for one of them: stage, judge,
store, record, each file in one transaction of its own.
Does not belong here: how a file is judged (`gate`) and how rows are stored (`warehouse`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl

from registry_pipeline.gate.errors import DeliveryError, RefusedFileError
from registry_pipeline.gate.gate import read_form
from registry_pipeline.gate.manifest import Manifest, read_manifest
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.pseudonym import Key, KeyFileError, load_or_create_key
from registry_pipeline.gate.retract import retracted_rows
from registry_pipeline.home import Home
from registry_pipeline.warehouse import erasure, ledger
from registry_pipeline.warehouse.database import transaction
from registry_pipeline.warehouse.tables import Inserter, ensure, insert
from schemas.forms import FORMS, intake_table, quarantine_table
from schemas.protocol import Protocol, ProtocolError

SUFFIXES = (".csv", ".xlsx", ".parquet")
_COPY_BLOCK = 1 << 22


@dataclass(frozen=True)
class FileReport:
    """What became of one form of a delivery.

    Attributes:
        status: accepted, refused, or unchanged (the same bytes were taken in before).
        message: one clear sentence for a refusal.
    """

    form: str
    status: str
    n_received: int = 0
    n_accepted: int = 0
    n_quarantined: int = 0
    n_unchanged: int = 0
    n_warning: int = 0
    n_erased: int = 0
    message: str = ""


@dataclass
class DeliveryReport:
    """What became of one delivery: a report per form, and what is wrong with the delivery."""

    protocol: str
    delivery: str
    files: list[FileReport] = field(default_factory=list)
    message: str = ""

    @property
    def messages(self) -> list[str]:
        """Every refusal, one sentence each."""
        refused = [report.message for report in self.files if report.message]
        return [self.message, *refused] if self.message else refused


def deliveries(landing: Path) -> list[Path]:
    """The delivery folders of a landing folder that are whole, in the order they apply.

    A folder without `delivery.toml` is still being written, or is none: it waits.
    """
    folders = [path.parent for path in landing.glob("*/*/delivery.toml")]
    return sorted(folders, key=_order)


def partition_key(folder: Path) -> str:
    """`<protocol>/<delivery>`: the name of a delivery everywhere."""
    return f"{folder.parent.name}/{folder.name}"


def open_key(connection: duckdb.DuckDBPyConnection, home: Home) -> Key:
    """The pseudonym key, made when neither key nor data are there yet.

    Raises:
        KeyFileError: missing though the database was filled under one, unsafe, or another.
    """
    ledger.prepare(connection)
    if ledger.has_key(connection) and not home.key_file.exists():
        raise KeyFileError(
            f"{home.key_file}: the pseudonym key is missing and this database was filled under "
            "one; put the key file back before anything is taken in"
        )
    key = load_or_create_key(home.key_file)
    ledger.check_key(connection, key)
    return key


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
        manifest, protocol, text, files = _opened(connection, folder, protocol_text)
    except (DeliveryError, ProtocolError) as error:
        report.message = str(error)
        ledger.record_manifest_refused(connection, report.protocol, report.delivery, str(error))
        return report
    ledger.clear_manifest_refused(connection, report.protocol, report.delivery)
    ledger.store_protocol(connection, protocol.id, text)
    ensure(connection, [t for f in FORMS for t in (intake_table(f, protocol), quarantine_table(f))])
    erased = erasure.tombstones(connection)
    persons = Persons(protocol, key, erased, is_production=home.is_production)
    taking = _Taking(connection, home, folder, manifest, protocol, persons)
    for form in FORMS:
        if form in files or form in manifest.retract:
            report.files.append(taking.form(form, files.get(form)))
    return report


def _opened(
    connection: duckdb.DuckDBPyConnection, folder: Path, protocol_text: str | None
) -> tuple[Manifest, Protocol, str, dict[str, Path]]:
    """The manifest, the protocol with its text, and the file of each form."""
    manifest = read_manifest(folder)
    if manifest.protocol != folder.parent.name:
        raise DeliveryError(
            f"{partition_key(folder)}/delivery.toml: protocol is not the folder's, "
            f"{folder.parent.name}"
        )
    protocol, text = ledger.protocol_in_use(connection, manifest.protocol, protocol_text)
    if protocol.id != manifest.protocol:
        raise ProtocolError(f"{manifest.protocol}: the protocol given is {protocol.id}")
    return manifest, protocol, text, _files(folder, protocol, manifest)


@dataclass(frozen=True)
class _Taking:
    """One delivery being taken in; a person's id is judged and hashed once for all its forms."""

    connection: duckdb.DuckDBPyConnection
    home: Home
    folder: Path
    manifest: Manifest
    protocol: Protocol
    persons: Persons

    def form(self, form: str, path: Path | None) -> FileReport:
        """Takes one form in, or records its refusal."""
        sha: str | None = None
        staged: Path | None = None
        try:
            if path is not None:
                staged, sha = self._stage(path)
            here, same = ledger.taken_in(self.connection, self.manifest, self.folder.name, form)
            if sha in same:
                return FileReport(form, "unchanged")
            if here:
                return self._other_bytes(form, path)
            with transaction(self.connection):
                report = self._store(form, path, staged)
                ledger.record(self.connection, self._entry(report, sha))
        except RefusedFileError as error:
            rows = error.n_rows
            report = FileReport(
                form, "refused", n_received=rows, n_quarantined=rows, message=str(error)
            )
            with transaction(self.connection):
                ledger.record(self.connection, self._entry(report, sha))
        finally:
            if staged is not None:
                staged.unlink(missing_ok=True)
        return report

    def _other_bytes(self, form: str, path: Path | None) -> FileReport:
        """A delivery is what it was: other bytes under its name are a new delivery's business."""
        name = path.name if path else f"delivery.toml [retract.{form}]"
        return FileReport(
            form,
            "refused",
            message=f"{partition_key(self.folder)}/{name}: taken in before with other bytes; "
            "send a correction with the next number",
        )

    def _stage(self, path: Path) -> tuple[Path, str]:
        """Copies a file into the protected home under its hash: what is judged is what is kept."""
        name = f"{partition_key(self.folder)}/{path.name}"
        if path.is_symlink() or not path.is_file():
            raise RefusedFileError(name, "not_a_file", "is not a regular file")
        digest = hashlib.sha256()
        partial = self.home.staging / "incoming"
        try:
            with path.open("rb") as source, partial.open("wb") as target:
                while block := source.read(_COPY_BLOCK):
                    digest.update(block)
                    target.write(block)
        except OSError as error:
            raise RefusedFileError(name, "unreadable", "cannot be read") from error
        sha = digest.hexdigest()
        stated = self.manifest.sha256.get(path.name)
        if stated is not None and stated.lower() != sha:
            partial.unlink()
            raise RefusedFileError(
                name, "sha256_mismatch", "does not have the sha256 that delivery.toml states"
            )
        return partial.rename(self.home.staging / f"{sha}{path.suffix}"), sha

    def _store(self, form: str, path: Path | None, staged: Path | None) -> FileReport:
        table = intake_table(form, self.protocol)
        kept = quarantine_table(form)
        accepted = quarantined = warnings = erased = 0
        if path is not None and staged is not None:
            rows = Inserter(self.connection, table.full_name)
            for batch in read_form(
                staged,
                form,
                self.protocol,
                self.manifest,
                self.persons,
                name=f"{partition_key(self.folder)}/{path.name}",
            ):
                rows.add(self._of_intake(batch.accepted, is_retraction=False))
                insert(self.connection, kept.full_name, self._stamped(batch.quarantined))
                insert(self.connection, "meta.quarantine", self._stamped(batch.problems, form=form))
                accepted += batch.accepted.height
                quarantined += batch.quarantined.height
                warnings += int(batch.warnings["n"].sum())
                erased += batch.n_erased
                if form == "withdrawals":
                    self._request_erasure(batch.accepted)
            rows.close()
        if form in self.manifest.retract:
            name = f"{partition_key(self.folder)}/delivery.toml"
            retracted = retracted_rows(form, self.protocol, self.manifest, self.persons, name)
            insert(self.connection, table.full_name, self._of_intake(retracted, is_retraction=True))
        return FileReport(
            form,
            "accepted",
            n_received=accepted + quarantined,
            n_accepted=accepted,
            n_quarantined=quarantined,
            n_unchanged=ledger.unchanged(
                self.connection, table, self.protocol.id, self.folder.name
            ),
            n_warning=warnings,
            n_erased=erased,
        )

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

    def _of_intake(self, frame: pl.DataFrame, *, is_retraction: bool) -> pl.DataFrame:
        return self._stamped(
            frame, quarter=self.manifest.quarter, is_retraction=is_retraction
        ).with_columns(number=pl.lit(self.manifest.number, pl.Int32))

    def _stamped(self, frame: pl.DataFrame, **constants: str | bool) -> pl.DataFrame:
        return frame.with_columns(
            protocol=pl.lit(self.protocol.id),
            delivery=pl.lit(self.folder.name),
            **{name: pl.lit(value) for name, value in constants.items()},
        )

    def _entry(self, report: FileReport, sha: str | None) -> ledger.Entry:
        return ledger.Entry(
            protocol=self.protocol.id,
            delivery=self.folder.name,
            form=report.form,
            quarter=self.manifest.quarter,
            number=self.manifest.number,
            sender=self.manifest.sender,
            kind=self.manifest.kind,
            extracted_on=self.manifest.extracted_on,
            file_sha256=sha,
            status=report.status,
            n_received=report.n_received,
            n_accepted=report.n_accepted,
            n_quarantined=report.n_quarantined,
            n_unchanged=report.n_unchanged,
            n_warning=report.n_warning,
            n_erased=report.n_erased,
            reason=report.message or None,
        )


def _files(folder: Path, protocol: Protocol, manifest: Manifest) -> dict[str, Path]:
    """Form to the file it is read from.

    Raises:
        DeliveryError: a file that no form reads, two files for one form, or one that the
            manifest counts and the folder does not hold.
    """
    by_stem: dict[str, Path] = {}
    sources = {protocol.form(form).source or form for form in FORMS}
    for path in sorted(folder.iterdir()):
        if path.name == "delivery.toml":
            continue
        where = f"{partition_key(folder)}/{path.name}"
        if path.suffix.lower() not in SUFFIXES or path.stem not in sources:
            raise DeliveryError(f"{where}: no form of protocol {protocol.id} has this name")
        if path.stem in by_stem:
            raise DeliveryError(f"{where}: the form is there twice, as {by_stem[path.stem].name}")
        by_stem[path.stem] = path
    for stem in manifest.rows:
        if stem not in by_stem:
            raise DeliveryError(
                f"{partition_key(folder)}/delivery.toml: counts rows of {stem}, "
                "and the folder holds no such file"
            )
    pairs = {form: protocol.form(form).source or form for form in FORMS}
    return {form: by_stem[stem] for form, stem in pairs.items() if stem in by_stem}


def _order(folder: Path) -> tuple[str, str, int, str]:
    try:
        manifest = read_manifest(folder)
    except DeliveryError:
        return (folder.parent.name, folder.name, 0, folder.name)
    return (folder.parent.name, manifest.quarter, manifest.number, folder.name)
