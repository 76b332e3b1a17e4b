"""A delivery as it stands in its folder, beside what is known of it already.

Belongs here: manifest, protocol and files, and whether they can be used at all.
Does not belong here: what is in the files (`gate`), taking them in (`intake`).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from registry_pipeline.deliveries.folders import Contents, contents, partition_key
from registry_pipeline.gate.errors import DeliveryError
from registry_pipeline.gate.manifest import MANIFEST, Manifest, read_manifest
from registry_pipeline.warehouse import in_use, ledger
from schemas.forms import FORMS
from schemas.protocol import Protocol, ProtocolError


def opened(
    connection: duckdb.DuckDBPyConnection, folder: Path, protocol_text: str | None
) -> tuple[Manifest, Protocol, str, Contents]:
    """The manifest, the protocol with its text, and what stands in the folder.

    Raises:
        DeliveryError: the manifest or its protocol cannot be used, so nothing of the delivery can.
    """
    manifest = read_manifest(folder)
    place = f"{partition_key(folder)}/{MANIFEST}"
    if manifest.protocol != folder.parent.name:
        raise DeliveryError(f"{place}: protocol is not the folder's, {folder.parent.name}")
    try:
        protocol, text = in_use.protocol_in_use(connection, manifest.protocol, protocol_text)
    except ProtocolError as error:
        raise DeliveryError(f"{place}: {error}") from error
    ledger.refuse_other_manifest(connection, manifest, folder.name)
    taken = ledger.forms_taken_in(connection, protocol.id, folder.name)
    return manifest, protocol, text, contents(folder, protocol, manifest, taken)


def brought(found: Contents, manifest: Manifest) -> list[str]:
    """The forms that a delivery brings, in their order: a file, its refusal, or a retraction."""
    return [form for form in FORMS if form in {*found.files, *found.refused, *manifest.retract}]
