"""What came in: the ledger of deliveries, the protocols, and the rows that were kept out.

Belongs here: one model per table that says what became of a delivery.
Does not belong here: what intake adds to a form's own rows (see `schemas.forms.provenance`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from schemas import codes, result_codes, shared
from schemas.fields import RegistryModel, field, table

QUARTER: Final = r"^\d{4}-Q[1-4]$"
SHA256: Final = r"^[0-9a-f]{64}$"
_UNCOUNTED: Final = "not counted: rows were erased since, or an older version took it in"


class Delivery(RegistryModel):
    """One row per protocol, delivery, form and content of the file.

    The ledger. n_received = n_accepted + n_quarantined on every row; rows of erased people are
    in none of the three. The same bytes again change nothing; other bytes under the same name
    are a row of their own, so a refused file and its repaired successor both stand. file_sha256
    is null where there was no file to read: the key counts null as a value.
    """

    protocol: pl.String = shared.protocol()
    delivery: pl.String = field(
        "Delivery", "Name of the delivery's folder.", nb="Leveranse", required=True
    )
    form: pl.String = field(
        "Form",
        "Name of the form; `delivery.toml` where the manifest is refused, or a file of no form.",
        nb="Skjema",
        required=True,
    )
    file_sha256: pl.String = field(
        "SHA-256", "Hash of the file's bytes.", nb="SHA-256", pattern=SHA256, null="no file to read"
    )
    quarter: pl.String = field(
        "Quarter",
        "Quarter of the delivery.",
        nb="Kvartal",
        pattern=QUARTER,
        null="manifest refused",
    )
    number: pl.Int32 = field(
        "Number",
        "1 for the quarter's first delivery, 2, 3, ... for those after.",
        nb="Nummer",
        low=1,
        null="manifest refused",
    )
    sender: pl.String = field("Sender", "Who sent it.", nb="Avsender", null="manifest refused")
    kind: pl.String = field(
        "Kind",
        "full moves the cut-off, correction never does.",
        nb="Type",
        codes=result_codes.DELIVERY_KIND,
        null="manifest refused",
    )
    status: pl.String = field(
        "Status",
        "accepted, or refused as a whole.",
        nb="Status",
        codes=codes.FILE_STATUS,
        required=True,
    )
    reason: pl.String = field(
        "Reason",
        "Why the file was refused: row, column and rule, never a value.",
        nb="Årsak",
        null="accepted",
    )
    extracted_on: pl.Date = field(
        "Extracted on",
        "The data cut-off of the delivery.",
        nb="Uttrekksdato",
        null="manifest refused",
    )
    n_received: pl.Int64 = shared.count("Received", "Mottatt", "Rows in the file.")
    n_accepted: pl.Int64 = shared.count("Accepted", "Godkjent", "Rows stored in intake.")
    n_quarantined: pl.Int64 = shared.count(
        "Quarantined", "I karantene", "Rows kept out; all of them when refused."
    )
    n_unchanged: pl.Int64 = shared.count(
        "Unchanged", "Uendret", "Of n_accepted, rows that said what stood for their key already."
    )
    n_added: pl.Int64 = shared.count(
        "Added",
        "Nye",
        "Of n_accepted, rows of a key that no row stood for.",
        null=_UNCOUNTED,
    )
    n_replaced: pl.Int64 = shared.count(
        "Replaced",
        "Erstattet",
        "Of n_accepted, rows that took the place of another one; that one stays in the history.",
        null=_UNCOUNTED,
    )
    n_late: pl.Int64 = shared.count(
        "Late",
        "Forsinket",
        "Of n_accepted, rows of a key that a later delivery had told of: history only.",
        null=_UNCOUNTED,
    )
    n_retracted: pl.Int64 = shared.count(
        "Retracted", "Trukket tilbake", "Keys that the manifest takes back.", null=_UNCOUNTED
    )
    n_retracted_unmet: pl.Int64 = shared.count(
        "Retracted, not there",
        "Trukket tilbake, ikke der",
        "Of n_retracted, keys that no row of an earlier delivery had when the manifest came in.",
        null=_UNCOUNTED,
    )
    n_warning: pl.Int64 = shared.count(
        "Warnings", "Advarsler", "Soft rules broken by accepted rows."
    )
    n_erased: pl.Int64 = shared.count(
        "Erased",
        "Slettet",
        "Rows of erased people, taken out or never let in; the file held so many more.",
    )
    n_left_out: pl.Int64 = shared.count(
        "Left out",
        "Utelatt",
        "Rows that the protocol says are no form's, told by the first form of a file that several "
        "forms read; the file held so many more.",
        null=_UNCOUNTED,
    )
    is_complete: pl.Boolean = field(
        "Complete",
        "No refused file of the delivery waits to be mended; the same on each of its rows.",
        nb="Komplett",
        null=_UNCOUNTED,
    )
    closed_on: pl.Date = field(
        "Closed on",
        "The day on which someone said that a refused file will not be mended; it waits no more.",
        nb="Avsluttet dato",
        null="accepted, mended, or it still waits",
    )
    received_at: pl.Datetime = field(
        "Received at",
        "When the file was taken in, UTC: a clock that no other table is made from.",
        nb="Mottatt tidspunkt",
        required=True,
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "meta.delivery",
            ["protocol", "delivery", "form", "file_sha256"],
            title="Deliveries",
            nb="Leveranser",
        )


class ProtocolInUse(RegistryModel):
    """One row per protocol: the text in use, so that later runs and the UI have it."""

    protocol: pl.String = shared.protocol()
    sha256: pl.String = field(
        "SHA-256", "Hash of the text.", nb="SHA-256", pattern=SHA256, required=True
    )
    content: pl.String = field("Content", "The TOML text.", nb="Innhold", required=True)

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table("meta.protocol", ["protocol"], title="Protocols", nb="Protokoller")


class Quarantine(RegistryModel):
    """One row per rule broken by a row of a delivery.

    A row may break several rules, and is quarantined once: count rows, not lines. The row
    itself lies in `intake.quarantined_<form>`, inside the protected home only. column_name is
    null where the rule speaks of the whole row: the key counts null as a value.
    """

    protocol: pl.String = shared.protocol()
    delivery: pl.String = field(
        "Delivery", "The delivery it came in.", nb="Leveranse", required=True
    )
    form: pl.String = field("Form", "The form.", nb="Skjema", required=True)
    row_number: pl.Int64 = field(
        "Row", "Data row of the file, from 1.", nb="Rad", low=1, required=True
    )
    column_name: pl.String = field(
        "Column",
        "Our name of the column; the file's own where the row, or the column, is no form's.",
        nb="Kolonne",
        null="the whole row",
    )
    rule_id: pl.String = field("Rule", "Id of the rule.", nb="Regel", required=True)
    reason: pl.String = field(
        "Reason", "The rule in words, never the value.", nb="Årsak", required=True
    )
    mended_by: pl.String = field(
        "Mended by",
        "The first later delivery that set the row right.",
        nb="Rettet av",
        null="it waits to be set right",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "meta.quarantine",
            ["protocol", "delivery", "form", "row_number", "column_name", "rule_id"],
            title="Quarantine",
            nb="Karantene",
        )


class Held(RegistryModel):
    """One row per accepted row that a rule across forms holds back from core, and rule.

    Made anew at every run: the row comes in by itself when the missing piece arrives.
    """

    protocol: pl.String = shared.protocol()
    form: pl.String = field("Form", "The form.", nb="Skjema", required=True)
    row_key: pl.String = field(
        "Row key",
        "The row's key, its cells joined by `|`; the person as pseudonym.",
        nb="Radens nøkkel",
        required=True,
    )
    rule_id: pl.String = field("Rule", "Id of the rule.", nb="Regel", required=True)
    reason: pl.String = field("Reason", "The rule in words.", nb="Årsak", required=True)

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "meta.held",
            ["protocol", "form", "row_key", "rule_id"],
            title="Held back",
            nb="Holdt tilbake",
        )
