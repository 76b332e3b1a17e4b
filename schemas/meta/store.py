"""What the store says of itself: codebook, publication, key, erasures, what tables were made from.

Belongs here: one model per table about the database as a whole.
Does not belong here: deliveries (see `ledger`).
"""

from __future__ import annotations

import polars as pl

from schemas import result_codes, shared
from schemas.fields import RegistryModel, field, table
from schemas.meta.ledger import QUARTER, SHA256


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
    key_id: pl.String = field(
        "Key id",
        "Name of the key that made the pseudonyms: those of another key do not meet them.",
        nb="Nøkkel-id",
        null="nothing was ever delivered",
    )
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
