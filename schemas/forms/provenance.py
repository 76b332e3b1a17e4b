"""Where an intake row came from, and what a quarantined row keeps.

Belongs here: the columns that intake adds to a form's own.
Does not belong here: the forms; the ledger of deliveries (see `schemas.meta`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from schemas.fields import RegistryModel, field, table


class Provenance(RegistryModel):
    """The columns before a form's own in `intake.<form>`.

    Grain: row of a delivered file, append-only. Key: protocol, delivery, row_number, form key.
    (quarter, number, delivery) is the order that decides which row of a key is current. A
    retraction is a row of its own, with the key and nothing else.
    """

    protocol: pl.String = field("Protocol", "Id of the protocol.", nb="Protokoll", required=True)
    delivery: pl.String = field("Delivery", "Id of the delivery.", nb="Leveranse", required=True)
    quarter: pl.String = field(
        "Quarter", "Quarter of the delivery, as 2014-Q3.", nb="Kvartal", required=True
    )
    number: pl.Int32 = field(
        "Number", "Number of the delivery in its quarter.", nb="Nummer", low=1, required=True
    )
    row_number: pl.Int64 = field(
        "Row", "Data row of the file, from 1; 0 for a retraction.", nb="Rad", low=0, required=True
    )
    is_retraction: pl.Boolean = field(
        "Retraction", "The row takes its key back.", nb="Tilbaketrukket", required=True
    )

    class Config(RegistryModel.Config):
        """Name and key; the store puts these columns into a table per form."""

        metadata = table(
            "intake.provenance",
            ["protocol", "delivery", "row_number"],
            title="Provenance",
            nb="Opphav",
        )


PROVENANCE: Final = frozenset(Provenance.to_schema().columns)
"""The names of these columns."""


class Quarantined(RegistryModel):
    """One row per quarantined row of a form, kept inside the protected home only.

    Grain: row of a delivered file. Key: protocol, delivery, row_number. The reasons stand in
    meta.quarantine. A row that a later delivery set right stays counted, and its text is emptied.
    """

    protocol: pl.String = field("Protocol", "Id of the protocol.", nb="Protokoll", required=True)
    delivery: pl.String = field("Delivery", "Id of the delivery.", nb="Leveranse", required=True)
    row_number: pl.Int64 = field(
        "Row", "Data row of the file, from 1.", nb="Rad", low=1, required=True
    )
    patient_id: pl.String = field(
        "Person", "Keyed pseudonym, where the id could be read.", nb="Person", null="no usable id"
    )
    row_key: pl.String = field(
        "Row key",
        "The row's key, its cells joined by `|`; the person as pseudonym.",
        nb="Radens nøkkel",
        null="a cell of the key is missing or at fault",
    )
    mended_by: pl.String = field(
        "Mended by",
        "The first later delivery that set the row right.",
        nb="Rettet av",
        null="it waits to be set right",
    )
    original: pl.String = field(
        "Original",
        "JSON of the row's other cells as delivered, identity numbers blanked; empty once mended.",
        nb="Opprinnelig",
        required=True,
    )

    class Config(RegistryModel.Config):
        """Name and key; the store names one such table per form."""

        metadata = table(
            "intake.quarantined",
            ["protocol", "delivery", "row_number"],
            title="Quarantined rows",
            nb="Rader i karantene",
        )
