"""What a quarter still owes, as the event log may hold it."""

from __future__ import annotations

import duckdb
import pytest

from registry_pipeline.deliveries.owed import owed
from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.database import SCHEMAS


@pytest.mark.parametrize(
    ("missing", "due", "said"),
    [
        (10, 30, "10 of 30"),
        (30, 30, "30 of 30"),
        (2, 30, "fewer than 5 of 30"),
        (28, 30, "all but fewer than 5 of 30"),
        (2, 3, "fewer than 5 of fewer than 5"),
        (4, 6, "fewer than 5 of 6"),
    ],
)
def test_few_people_are_not_counted_in_the_log_on_either_side(
    missing: int, due: int, said: str
) -> None:
    connection = duckdb.connect()
    for schema in SCHEMAS:
        connection.execute(f"CREATE SCHEMA {schema}")
    ledger.prepare(connection)
    connection.execute(
        "CREATE TABLE core.visit AS SELECT 'lar_x' AS cohort, 1 AS wave, true AS is_due, "
        "if(range < ?, 'missed', 'completed') AS status, "
        "if(range < ?, NULL, DATE '2014-08-01') AS interview_date FROM range(?)",
        [missing, missing, due],
    )
    assert owed(connection) == [f"lar_x: wave 1 lacks the interview row of {said} due"]
