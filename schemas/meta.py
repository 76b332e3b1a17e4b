"""The meta tables: what came in, by which protocol, what was kept out, and what is published.

Belongs here: the ledger, protocols, quarantine, held rows, codebook, publication, key check,
erasures, and what the other tables were made from.
Does not belong here: anything about people's answers.
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
        "Name of the form; `delivery.toml` where the manifest itself was refused.",
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
    n_warning: pl.Int64 = shared.count(
        "Warnings", "Advarsler", "Soft rules broken by accepted rows."
    )
    n_erased: pl.Int64 = shared.count(
        "Erased",
        "Slettet",
        "Rows of erased people, taken out or never let in; the file held so many more.",
    )
    is_complete: pl.Boolean = field(
        "Complete",
        "No refused file of the delivery waits to be mended; the same on each of its rows.",
        nb="Komplett",
        null=_UNCOUNTED,
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
    column_name: pl.String = field("Column", "The column.", nb="Kolonne", null="the whole row")
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


class Codebook(RegistryModel):
    """One row per column of every published table: the models, as a table."""

    schema_name: pl.String = field("Schema", "Schema of the table.", nb="Skjema", required=True)
    table_name: pl.String = field("Table", "Name of the table.", nb="Tabell", required=True)
    column_name: pl.String = field("Column", "Name of the column.", nb="Kolonne", required=True)
    position: pl.Int32 = field(
        "Position", "1 for the table's first column.", nb="Plass", low=1, required=True
    )
    is_key: pl.Boolean = field(
        "Key", "The column is part of the table's key.", nb="Nøkkel", required=True
    )
    label: pl.String = field("Label", "English label.", nb="Engelsk etikett", required=True)
    label_nb: pl.String = field("Norwegian label", "Norwegian label.", nb="Etikett", required=True)
    description: pl.String = field(
        "Description", "What the value says.", nb="Beskrivelse", required=True
    )
    unit: pl.String = field("Unit", "Unit of measurement.", nb="Enhet", null="has no unit")
    type: pl.String = field(
        "Type",
        "Type of the value, in a word.",
        nb="Type",
        codes=result_codes.COLUMN_TYPE,
        required=True,
    )
    allowed: pl.String = field(
        "Allowed", "Allowed codes, range or pattern.", nb="Tillatt", null="any value of the type"
    )
    missing_meaning: pl.String = field(
        "Meaning of null", "What a null says.", nb="Betydning av tomt", required=True
    )
    source: pl.String = field(
        "Source",
        "Form, instrument or publication behind the value.",
        nb="Kilde",
        null="the registry itself, from the tables the table's comment names",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "meta.codebook",
            ["schema_name", "table_name", "column_name"],
            title="Codebook",
            nb="Kodebok",
        )


class Publication(RegistryModel):
    """One row: the publication this file is.

    No clock: a publication is known by its version, its run and the deliveries it stands on.
    """

    version: pl.Int64 = field(
        "Version",
        "1 for the first file this home published, one more for each one after.",
        nb="Versjon",
        low=1,
        required=True,
    )
    run_id: pl.String = field("Run", "Id of the run that published.", nb="Kjøring", required=True)
    as_of: pl.String = field(
        "As of",
        "The last quarter whose deliveries it holds.",
        nb="Per",
        pattern=QUARTER,
        null="nothing was accepted",
    )
    format_version: pl.Int32 = field(
        "Format version",
        "Rises when a published table or column changes its meaning.",
        nb="Formatversjon",
        low=1,
        required=True,
    )
    n_tables: pl.Int64 = shared.count("Tables", "Tabeller", "Published tables.")

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table("meta.publication", ["run_id"], title="Publication", nb="Publisering")


class Key(RegistryModel):
    """One row: which pseudonym key the store was made with.

    A run with another key, or without one, is refused by it. It does not give the key away.
    """

    key_id: pl.String = field("Key id", "Name of the key.", nb="Nøkkel-id", required=True)
    check_value: pl.String = field(
        "Check value", "A fixed text under the key.", nb="Kontrollverdi", required=True
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table("meta.key", ["key_id"], title="Pseudonym key", nb="Pseudonymnøkkel")


class Erasure(RegistryModel):
    """One row per person who is erased: the tombstone that keeps later deliveries out.

    The tombstone is a pseudonym in a namespace of its own, so it leads to no row of the person.
    The pseudonym itself stands here only until the rows are gone. Stays in the live file.
    """

    tombstone: pl.String = field(
        "Tombstone", "Keyed code of the person for this one use.", nb="Gravstein", required=True
    )
    pseudonym: pl.String = field(
        "Pseudonym", "The pseudonym to erase.", nb="Pseudonym", null="the rows are gone"
    )
    source: pl.String = field(
        "Source",
        "Where the request came from: `command`, or the delivery that carried it.",
        nb="Kilde",
        required=True,
    )
    requested_on: pl.Date = field(
        "Requested", "Day of the person's request.", nb="Forespurt", required=True
    )
    erased_at: pl.Datetime = field(
        "Erased at", "When the rows were gone, UTC.", nb="Slettet tidspunkt", null="still to do"
    )
    n_rows: pl.Int64 = shared.count(
        "Rows", "Rader", "Rows of intake that were erased.", null="still to do"
    )
    proved_at: pl.Datetime = field(
        "Proved at",
        "When the person was searched for and not found, UTC.",
        nb="Bevist tidspunkt",
        null="not proved yet",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table("meta.erasure", ["tombstone"], title="Erasures", nb="Slettinger")


class Built(RegistryModel):
    """One row per table that is made from others, and cohort: what its rows were made from.

    A cohort whose fingerprint is the same still is not derived again.
    """

    table_name: pl.String = field(
        "Table", "Schema and name of the table.", nb="Tabell", required=True
    )
    cohort: pl.String = shared.cohort()
    fingerprint: pl.String = field(
        "Fingerprint",
        "Hash of the ledger's lines, the protocol, the key's check value and the code.",
        nb="Fingeravtrykk",
        pattern=SHA256,
        required=True,
    )
    n_rows: pl.Int64 = shared.count("Rows", "Rader", "Rows of the cohort.")

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table("meta.built", ["table_name", "cohort"], title="Made from", nb="Laget av")


META: Final[tuple[type[RegistryModel], ...]] = (
    Delivery,
    ProtocolInUse,
    Quarantine,
    Held,
    Codebook,
    Publication,
    Key,
    Erasure,
    Built,
)
"""The meta tables."""
