"""A form that a delivery brings, beside what was taken in of it before.

Belongs here: whether a form is known, by its bytes and by the keys that the manifest takes back.
Does not belong here: reading the file (`staging`), taking it in (`intake`), judging it without
(`commands.dry_run`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl

from registry_pipeline.deliveries.folders import Contents, partition_key
from registry_pipeline.deliveries.opening import brought
from registry_pipeline.deliveries.staging import Arrival
from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.manifest import MANIFEST, Manifest
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.retract import retracted_rows
from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.changes import taken_back
from schemas.forms import form_table, intake_table
from schemas.protocol import Protocol


def arrivals(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    found: Contents,
    *,
    manifest: Manifest,
    protocol: Protocol,
    persons: Persons,
) -> Iterator[Arrival]:
    """The forms that a delivery brings, in order, and what the ledger has of each when it is asked.

    Args:
        connection: to a database that has the ledger, and the forms' intake tables.
        folder: the delivery's folder.
        found: what stands in it.
        manifest: the delivery's.
        protocol: the delivery's.
        persons: under the key that the database was filled under.
    """
    for form in brought(found, manifest):
        yield _arrival(
            connection,
            folder,
            form,
            found=found,
            manifest=manifest,
            protocol=protocol,
            persons=persons,
        )


def _arrival(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    form: str,
    *,
    found: Contents,
    manifest: Manifest,
    protocol: Protocol,
    persons: Persons,
) -> Arrival:
    """A form that a delivery brings, and what the ledger has of it. Arguments as in `arrivals`."""
    path, refused = found.files.get(form), found.refused.get(form)
    place = partition_key(folder)
    name = f"{place}/{path.name if path else f'{MANIFEST} [retract.{form}]'}"
    before = ledger.taken_in(connection, manifest, folder.name, form)
    arrival = Arrival(form, path, name, folder.name in before, set(), refused=refused)
    retracted = None
    if form in manifest.retract:
        try:
            retracted = retracted_rows(form, protocol, manifest, persons, place)
        except RefusedFileError as error:
            return replace(arrival, refused=error)
    same = {
        None if path is None and delivery == folder.name else sha
        for delivery, (sha, n_retracted) in before.items()
        if _took_back(
            connection,
            form,
            protocol,
            delivery=delivery,
            n_retracted=n_retracted,
            retracted=retracted,
        )
    }
    return replace(arrival, same=same, retracted=retracted)


def _took_back(
    connection: duckdb.DuckDBPyConnection,
    form: str,
    protocol: Protocol,
    *,
    delivery: str,
    n_retracted: int,
    retracted: pl.DataFrame | None,
) -> bool:
    """Whether an accepted delivery took the same keys of a form back as this one does."""
    if retracted is None or not n_retracted:
        return retracted is None and not n_retracted
    table, key = intake_table(form, protocol), form_table(form, protocol)
    before = taken_back(connection, table, key, protocol.id, delivery)
    columns = before.columns
    one, other = (
        rows.select(pl.col(columns).cast(pl.String)).unique().sort(columns)
        for rows in (before, retracted)
    )
    return one.equals(other)
