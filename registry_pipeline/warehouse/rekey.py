"""The live database written anew under a rotated key.

Belongs here: which cells hold pseudonyms, and what becomes of them.
Does not belong here: the key file (`registry_pipeline.keys`) and the exchange (`rewrite`).
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import polars as pl

from registry_pipeline.gate.pseudonym import Key, renew
from registry_pipeline.home import Home
from registry_pipeline.warehouse.rewrite import Stored, rewrite
from registry_pipeline.warehouse.tables import quoted, registered

_ROW_KEY = (
    "CASE WHEN starts_with(row_key, renewed.old || '|') OR row_key = renewed.old "
    "THEN renewed.new || substr(row_key, length(renewed.old) + 1) ELSE row_key END AS row_key"
)
"""A row's key with its first cell renewed, where that is the person."""


def rekey(home: Home, key: Key) -> None:
    """Renews every pseudonym and tombstone by the newest key of the chain.

    Args:
        home: the home folder; its lock must be held and no connection be open in this process.
        key: the chain; all but its newest key made what is stored.
    """

    def plan(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Stored]) -> dict[str, str]:
        _renewed(connection, tables, key)
        return _chosen(tables, key)

    rewrite(home, plan)


def _renewed(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Stored], key: Key) -> None:
    """The temporary table `renewed`: every code that stands for a person, and its successor."""
    codes = " UNION ".join(
        [
            "SELECT tombstone AS old FROM meta.erasure",
            *(
                f"SELECT patient_id FROM {name} WHERE patient_id IS NOT NULL"
                for name, table in tables.items()
                if table.has_person and name.startswith("intake.")
            ),
        ]
    )
    old = connection.sql(codes).pl()["old"]
    frame = pl.DataFrame({"old": old, "new": renew(old, key.secrets[-1])})
    with registered(connection, frame) as rows:
        connection.execute(f"CREATE TEMP TABLE renewed AS SELECT * FROM {rows}")


def _chosen(tables: Mapping[str, Stored], key: Key) -> dict[str, str]:
    chosen = {
        name: f"SELECT kept.* REPLACE (renewed.new AS patient_id"
        f"{f', {_ROW_KEY}' if 'row_key' in table.columns else ''}) FROM {name} kept "
        "LEFT JOIN renewed ON renewed.old = kept.patient_id"
        for name, table in tables.items()
        if table.has_person
    }
    chosen["meta.erasure"] = (
        "SELECT kept.* REPLACE (renewed.new AS tombstone) FROM meta.erasure kept "
        "LEFT JOIN renewed ON renewed.old = kept.tombstone"
    )
    chosen["meta.key"] = (
        f"SELECT {quoted(key.key_id)} AS key_id, {quoted(key.check_value)} AS check_value"
    )
    if "meta.built" in tables:  # every row that it speaks of is another one now
        chosen["meta.built"] = "SELECT * FROM meta.built WHERE false"
    if "meta.held" in tables:
        chosen["meta.held"] = (
            f"SELECT kept.* REPLACE ({_ROW_KEY}) FROM meta.held kept "
            "LEFT JOIN renewed ON renewed.old = split_part(row_key, '|', 1)"
        )
    return chosen
