"""The ledger against the tables."""

from __future__ import annotations

import duckdb

from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.database import SCHEMAS


def test_accepted_and_quarantined_rows_that_the_ledger_does_not_know_are_told_together() -> None:
    connection = duckdb.connect()
    for schema in SCHEMAS:
        connection.execute(f"CREATE SCHEMA {schema}")
    ledger.prepare(connection)
    lost = "SELECT 'lar_x' AS protocol, '2014-Q2' AS delivery"
    connection.execute(
        f"CREATE TABLE intake.patients AS {lost}, false AS is_retraction FROM range(2)"
    )
    connection.execute(f"CREATE TABLE intake.quarantined_patients AS {lost} FROM range(3)")
    assert ledger.discrepancies(connection) == [
        "lar_x/2014-Q2 patients: 5 rows stored that the ledger does not know"
    ]
