"""Working the quarantine off: a later delivery that brings a row right empties it.

Belongs here: which quarantined rows still wait, and what becomes of those that do not.
Does not belong here: why a row is quarantined (see `gate`).

A row whose key could be read is set right by an accepted row with that key in a later delivery. A
row whose key could not be read is set right when a later delivery of the same sender and quarter
holds the form without a single bad row. Later is by quarter, number and id: the order of arrival
does not matter.
"""

from __future__ import annotations

import duckdb

from registry_pipeline.warehouse.database import scalar
from registry_pipeline.warehouse.proof import key_expressions
from schemas.fields import Table
from schemas.forms import quarantine_table

_MENDED = """
WITH line AS (
    SELECT *, row_number() OVER (ORDER BY quarter, number, delivery) AS place
    FROM meta.delivery WHERE protocol = $protocol AND form = $form AND status = 'accepted'
), waiting AS (
    SELECT bad.delivery, bad.row_number, bad.row_key, line.place, line.sender, line.quarter
    FROM {quarantine} bad JOIN line USING (delivery)
    WHERE bad.protocol = $protocol AND bad.mended_by IS NULL
), told AS (
    SELECT DISTINCT row_key, line.place, line.delivery AS mended_by
    FROM (SELECT delivery, {key} AS row_key FROM {intake} WHERE protocol = $protocol) good
    JOIN line USING (delivery) WHERE row_key IN (SELECT row_key FROM waiting)
), mended AS (
    SELECT waiting.delivery, row_number, mended_by, told.place
    FROM waiting JOIN told ON told.row_key = waiting.row_key AND told.place > waiting.place
    UNION ALL
    SELECT waiting.delivery, row_number, line.delivery, line.place
    FROM waiting JOIN line ON waiting.row_key IS NULL AND line.place > waiting.place
     AND line.sender = waiting.sender AND line.quarter = waiting.quarter AND line.n_quarantined = 0
)
SELECT delivery, row_number, arg_min(mended_by, place) AS mended_by FROM mended GROUP BY ALL
"""


def mend(connection: duckdb.DuckDBPyConnection, protocol: str, table: Table, key: Table) -> int:
    """Empties the quarantined rows of a form that a later delivery set right.

    They stay counted, so that received = accepted + quarantined; their text goes.

    Args:
        connection: to the live database, inside the transaction of the delivery's file.
        protocol: id of the protocol.
        table: the form's intake table.
        key: the form's own table, for its key.

    Returns:
        The number of rows emptied.
    """
    quarantine = quarantine_table(table.name)
    waits = f"SELECT 1 FROM {quarantine.full_name} WHERE protocol = ? AND mended_by IS NULL LIMIT 1"
    if scalar(connection, waits, [protocol]) is None:
        return 0
    cells = ", ".join(f"coalesce(({cell})::VARCHAR, '')" for cell in key_expressions(key))
    sql = _MENDED.format(
        quarantine=quarantine.full_name, intake=table.full_name, key=f"concat_ws('|', {cells})"
    )
    bound = {"protocol": protocol, "form": table.name}
    rows = connection.execute(sql, bound).fetchall()
    if rows:
        at = "protocol = ? AND delivery = ? AND row_number = ?"
        values = [[by, protocol, delivery, row] for delivery, row, by in rows]
        connection.executemany(
            f"UPDATE {quarantine.full_name} SET mended_by = ?, original = '{{}}' WHERE {at}", values
        )
        connection.executemany(
            f"UPDATE meta.quarantine SET mended_by = ? WHERE {at} AND form = ?",
            [[*value, table.name] for value in values],
        )
    return len(rows)
