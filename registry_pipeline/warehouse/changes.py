"""What a delivery changed: which of its rows are new, replace another, repeat it, or come late.

Belongs here: comparing the rows and retractions of one delivery with what stood for their keys.
Does not belong here: which row of a key is current in core (see `transform.current`, whose order of
deliveries this follows).
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import polars as pl

from registry_pipeline.warehouse.database import scalar
from registry_pipeline.warehouse.proof import key_expressions
from registry_pipeline.warehouse.tables import registered
from schemas.fields import Table
from schemas.forms import FORMS
from schemas.forms.provenance import PROVENANCE

_COMPARED = """
WITH arrival AS (
    SELECT delivery, row_number() OVER (ORDER BY quarter, number, delivery) AS place
    FROM (SELECT DISTINCT delivery, quarter, number FROM {name} WHERE protocol = $protocol)
), told AS (
    SELECT hash({key}) AS key, hash({said}) AS said
    FROM {name} WHERE protocol = $protocol AND delivery = $delivery AND NOT is_retraction
), stood AS (
    SELECT hash({key}) AS key, max(place) AS place,
           arg_max(CASE WHEN is_retraction THEN 0::UBIGINT ELSE hash({said}) END,
                   place * 1_000_000_000 + row_number) AS said
    FROM {name} JOIN arrival USING (delivery)
    WHERE protocol = $protocol AND delivery <> $delivery AND hash({key}) IN (SELECT key FROM told)
    GROUP BY ALL
), judged AS (
    SELECT CASE WHEN stood.said = told.said THEN 'unchanged'
                WHEN stood.place > (SELECT place FROM arrival WHERE delivery = $delivery)
                THEN 'late'
                WHEN coalesce(stood.said, 0) = 0 THEN 'added'
                ELSE 'replaced' END AS change
    FROM told LEFT JOIN stood USING (key)
)
SELECT count(*) FILTER (change = 'added'), count(*) FILTER (change = 'replaced'),
       count(*) FILTER (change = 'unchanged'), count(*) FILTER (change = 'late')
FROM judged
"""

_UNMET = """
WITH keyed AS (
    SELECT hash({key}) AS key, delivery, is_retraction, row(quarter, number, delivery) AS place
    FROM {name} WHERE protocol = $protocol
), taken AS (
    SELECT key, place FROM keyed WHERE delivery = $delivery AND is_retraction
)
SELECT count(*) FROM taken WHERE NOT EXISTS (
    FROM keyed WHERE keyed.key = taken.key AND NOT is_retraction AND keyed.place < taken.place)
"""


@dataclass(frozen=True)
class Changes:
    """Rows of a form of a delivery, by what became of their keys; all together they are accepted.

    Attributes:
        added: no row stood for the key.
        replaced: the row that stood for the key says something else, and is history now.
        unchanged: the row that stood for the key says the same.
        late: a later delivery told of the key before this one arrived.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    late: int = 0


def changes(
    connection: duckdb.DuckDBPyConnection, table: Table, key: Table, protocol: str, delivery: str
) -> Changes:
    """Compares a stored delivery of a form with every other one of the protocol.

    Args:
        connection: to the live database, inside the transaction that stored the rows.
        table: the form's intake table.
        key: the form's own table, for its key.
        protocol: id of the protocol.
        delivery: id of the delivery.
    """
    bound = {"protocol": protocol, "delivery": delivery}
    counted = f"SELECT count(*) FROM {table.full_name} WHERE protocol = $protocol"
    if not scalar(connection, f"{counted} AND delivery <> $delivery", bound):
        here = f"{counted} AND delivery = $delivery AND NOT is_retraction"
        return Changes(added=scalar(connection, here, bound))
    said = (f'"{column.name}"' for column in table.columns if column.name not in PROVENANCE)
    sql = _COMPARED.format(
        name=table.full_name, key=", ".join(key_expressions(key)), said=", ".join(said)
    )
    return Changes(*connection.execute(sql, bound).fetchall()[0])


def taken_back(
    connection: duckdb.DuckDBPyConnection, table: Table, key: Table, protocol: str, delivery: str
) -> pl.DataFrame:
    """The keys that a stored delivery took back of a form. Arguments as in `changes`."""
    wanted = ", ".join(f'"{column}"' for column in (*key.key, *key.key_fallback.values()))
    sql = (
        f"SELECT DISTINCT {wanted} FROM {table.full_name} WHERE protocol = $protocol "
        "AND delivery = $delivery AND is_retraction"
    )
    keys: pl.DataFrame = connection.sql(
        sql, params={"protocol": protocol, "delivery": delivery}
    ).pl()
    return keys


def copy_retractions(source: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection) -> None:
    """Copies what was taken back, of every form, into a database that has no intake tables."""
    wanted = "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'intake' AND table_name = ?"
    for form in FORMS:
        if scalar(source, wanted, [form]):
            rows = source.sql(f"SELECT * FROM intake.{form} WHERE is_retraction").pl()
            with registered(target, rows) as name:
                target.execute(f"CREATE TABLE intake.{form} AS FROM {name}")


def unmet_retractions(
    connection: duckdb.DuckDBPyConnection, table: Table, key: Table, protocol: str, delivery: str
) -> int:
    """How many keys a delivery takes back of which no earlier delivery told, as far as is known.

    Not an error: such a row may arrive later, and is taken back then. Arguments as in `changes`.
    """
    sql = _UNMET.format(name=table.full_name, key=", ".join(key_expressions(key)))
    return int(scalar(connection, sql, {"protocol": protocol, "delivery": delivery}))
