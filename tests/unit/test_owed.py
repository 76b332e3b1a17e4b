"""What a quarter still owes, as the event log may hold it."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from registry_pipeline.deliveries.owed import owed
from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.database import SCHEMAS


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    """A database with an empty ledger."""
    made = duckdb.connect()
    for schema in SCHEMAS:
        made.execute(f"CREATE SCHEMA {schema}")
    ledger.prepare(made)
    return made


def deliver(
    connection: duckdb.DuckDBPyConnection,
    sender: str,
    quarter: str,
    extracted_on: date,
    *forms: str,
    **more: str,
) -> None:
    for form in forms:
        line = {
            "protocol": "tsb", "delivery": f"{quarter}-{sender}", "quarter": quarter, "number": 1,
            "sender": sender, "kind": "full", "form": form, "status": "accepted",
            "extracted_on": extracted_on, "received_at": extracted_on, "reason": "why",
            "n_received": 0, "n_accepted": 0, "n_quarantined": 0, "n_unchanged": 0,
            "n_warning": 0, "n_erased": 0, **more,
        }  # fmt: skip
        names, places = ", ".join(line), ", ".join("?" * len(line))
        connection.execute(
            f"INSERT INTO meta.delivery ({names}) VALUES ({places})", list(line.values())
        )


def test_a_sender_that_stops_delivering_owes_what_the_others_have_delivered(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    deliver(connection, "north", "2024-Q3", date(2024, 10, 1), "patients")
    deliver(connection, "south", "2024-Q3", date(2024, 10, 1), "patients")
    assert owed(connection) == []
    deliver(connection, "south", "2025-Q1", date(2025, 4, 1), "patients")
    deliver(connection, "north", "2025-Q1", date(2025, 4, 1), "patients", kind="correction")
    deliver(connection, "north", "2025-Q1", date(2025, 4, 1), "patients", status="refused")
    owing = "tsb, north: nothing accepted for 2024-Q4, 2025-Q1, which another sender has delivered"
    assert owed(connection)[0] == owing


def test_a_sender_that_is_a_year_behind_has_stopped_and_owes_nothing(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    deliver(connection, "north", "2024-Q2", date(2024, 7, 1), "patients", "interviews")
    deliver(connection, "north", "2024-Q3", date(2024, 10, 1), "patients")
    deliver(connection, "south", "2025-Q2", date(2025, 7, 1), "patients")
    assert [said.split(": ")[1][:26] for said in owed(connection)] == [
        "2024-Q3 has no accepted in",
        "nothing accepted for 2024-",
    ]
    deliver(connection, "south", "2025-Q3", date(2025, 10, 1), "patients")
    assert owed(connection) == []


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
    connection: duckdb.DuckDBPyConnection, missing: int, due: int, said: str
) -> None:
    connection.execute(
        "CREATE TABLE core.visit AS SELECT 'lar_x' AS cohort, 1 AS wave, true AS is_due, "
        "if(range < ?, 'missed', 'completed') AS status, "
        "if(range < ?, NULL, DATE '2014-08-01') AS interview_date FROM range(?)",
        [missing, missing, due],
    )
    assert owed(connection) == [f"lar_x: wave 1 lacks the interview row of {said} due"]
