"""Erased people in the database: requests, tombstones, and the file written anew without them.

Belongs here: `meta.erasure`, and what of each table stays when a person leaves.
Does not belong here: from an id to a tombstone (`gate.persons`), what lies outside the database,
and the proof (`registry_pipeline.withdrawal`).

Rows of erased people are in none of received, accepted and quarantined: the ledger counts them
beside, and still agrees with the tables to the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb
import polars as pl

from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import scalar
from registry_pipeline.warehouse.proof import key_expressions
from registry_pipeline.warehouse.rewrite import Stored, rewrite
from registry_pipeline.warehouse.tables import registered
from schemas.catalog import COHORT, is_derived
from schemas.fields import describe
from schemas.forms import FORMS
from schemas.forms.provenance import PROVENANCE

_GONE = "(SELECT pseudonym FROM meta.erasure WHERE pseudonym IS NOT NULL)"
_IS_GONE = f"patient_id IN {_GONE}"
_STAYS = f"(patient_id IS NULL OR patient_id NOT IN {_GONE})"
_UNTOUCHED = "NOT IN (SELECT protocol FROM gone_rows)"


@dataclass(frozen=True)
class Request:
    """A person who is to be erased, as `meta.erasure` has it."""

    tombstone: str
    pseudonym: str | None
    source: str
    requested_on: date
    erased_at: datetime | None
    n_rows: int | None
    proved_at: datetime | None


def tombstones(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The tombstones of everyone who is erased or about to be."""
    rows = connection.execute("SELECT tombstone FROM meta.erasure").fetchall()
    return frozenset(row[0] for row in rows)


def requests(connection: duckdb.DuckDBPyConnection) -> dict[str, Request]:
    """Every request, by tombstone."""
    rows = connection.execute(
        "SELECT tombstone, pseudonym, source, requested_on, erased_at, n_rows, proved_at "
        "FROM meta.erasure ORDER BY requested_on, tombstone"
    ).fetchall()
    return {row[0]: Request(*row) for row in rows}


def request(connection: duckdb.DuckDBPyConnection, people: pl.DataFrame) -> None:
    """Notes people to be erased; who is noted already stays as noted.

    Args:
        connection: to the live database, with the ledger prepared.
        people: tombstone, pseudonym, source, requested_on.
    """
    with registered(connection, people) as rows:
        connection.execute(
            f"INSERT INTO meta.erasure BY NAME SELECT * FROM {rows} "
            "WHERE tombstone NOT IN (SELECT tombstone FROM meta.erasure)"
        )


def request_again(connection: duckdb.DuckDBPyConnection, people: pl.DataFrame) -> None:
    """Has people leave once more who were erased; the first request stays as noted.

    Args:
        connection: to the live database, with the ledger prepared.
        people: tombstone, pseudonym.
    """
    with registered(connection, people) as rows:
        connection.execute(
            "UPDATE meta.erasure SET pseudonym = people.pseudonym, proved_at = NULL "
            f"FROM {rows} people WHERE erasure.tombstone = people.tombstone"
        )


def rows_of(connection: duckdb.DuckDBPyConnection, pseudonym: str) -> int:
    """How many rows of intake and quarantine are a person's."""
    return sum(
        int(scalar(connection, f"SELECT count(*) FROM {name} WHERE patient_id = ?", [pseudonym]))
        for name in _person_tables(connection)
    )


def claim_quarantined(connection: duckdb.DuckDBPyConnection, pseudonym: str, word: str) -> None:
    """Gives quarantined rows nobody could be told from to the person whose id stands in a cell."""
    for name in _person_tables(connection):
        if name.startswith("intake.quarantined_"):
            connection.execute(
                f"UPDATE {name} SET patient_id = ? "
                "WHERE patient_id IS NULL AND contains(original, ?)",
                [pseudonym, f'"{word}"'],
            )


def erase(home: Home) -> None:
    """Writes the database anew without the people to be erased, and without their pseudonyms."""
    rewrite(home, _without_the_erased)


def mark_proved(connection: duckdb.DuckDBPyConnection, tombstone: str, at: datetime) -> None:
    """Notes when the absence of a person was proved."""
    connection.execute(
        "UPDATE meta.erasure SET proved_at = ? WHERE tombstone = ?",
        [at.replace(tzinfo=None), tombstone],
    )


def _person_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_columns() "
        "WHERE schema_name = 'intake' AND column_name = 'patient_id' ORDER BY ALL"
    ).fetchall()
    return [row[0] for row in rows]


def _without_the_erased(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Stored]
) -> dict[str, str]:
    """The SELECT of every table that a person's leaving changes.

    What is derived from core is derived again: of the person's cohorts nothing of it is copied.
    """
    forms = {form: tables[f"intake.{form}"] for form in FORMS if f"intake.{form}" in tables}
    _count_gone(connection, tables, forms)
    now = datetime.now(UTC).replace(tzinfo=None).isoformat()
    chosen = {
        name: f"SELECT * FROM {name} WHERE {_STAYS}"
        for name, table in tables.items()
        if table.has_person
    }
    chosen |= {
        name: f"SELECT * FROM {name} WHERE {whose} {_UNTOUCHED}"
        for name, table in tables.items()
        if is_derived(name)
        for whose in COHORT.intersection(table.columns)
    }
    chosen["meta.delivery"] = """
        SELECT delivery.* REPLACE (
            n_received - coalesce(accepted, 0) - coalesce(quarantined, 0) AS n_received,
            n_accepted - coalesce(accepted, 0) AS n_accepted,
            n_quarantined - coalesce(quarantined, 0) AS n_quarantined,
            n_unchanged - coalesce(unchanged, 0) AS n_unchanged,
            CASE WHEN coalesce(accepted, 0) = 0 THEN n_added END AS n_added,
            CASE WHEN coalesce(accepted, 0) = 0 THEN n_replaced END AS n_replaced,
            CASE WHEN coalesce(accepted, 0) = 0 THEN n_late END AS n_late,
            n_erased + coalesce(accepted, 0) + coalesce(quarantined, 0) AS n_erased)
        FROM meta.delivery LEFT JOIN gone_rows ON status = 'accepted'
            AND gone_rows.protocol = delivery.protocol AND gone_rows.delivery = delivery.delivery
            AND gone_rows.form = delivery.form"""
    chosen["meta.quarantine"] = (
        "SELECT * FROM meta.quarantine ANTI JOIN gone_quarantined "
        "USING (protocol, delivery, form, row_number)"
    )
    chosen["meta.erasure"] = f"""
        SELECT * REPLACE (NULL AS pseudonym, coalesce(erased_at, TIMESTAMP '{now}') AS erased_at,
            coalesce(n_rows, 0) + (SELECT coalesce(sum(n), 0)::BIGINT FROM gone_people
                WHERE gone_people.pseudonym = erasure.pseudonym) AS n_rows)
        FROM meta.erasure"""
    if "meta.built" in tables:
        chosen["meta.built"] = f"SELECT * FROM meta.built WHERE cohort {_UNTOUCHED}"
    if "meta.held" in tables:
        chosen["meta.held"] = (
            f"SELECT * FROM meta.held WHERE split_part(row_key, '|', 1) NOT IN {_GONE}"
        )
    return chosen


def _count_gone(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Stored],
    forms: Mapping[str, Stored],
) -> None:
    """Temporary tables of what leaves: rows per delivery and form, per person, quarantined rows."""
    personal = {form: table for form, table in forms.items() if table.has_person}
    kept = [form for form in personal if f"intake.quarantined_{form}" in tables]
    connection.execute(
        "CREATE TEMP TABLE gone_quarantined (protocol VARCHAR, delivery VARCHAR, form VARCHAR, "
        "row_number BIGINT, patient_id VARCHAR)"
    )
    for form in kept:
        connection.execute(
            f"INSERT INTO gone_quarantined SELECT protocol, delivery, '{form}', row_number, "
            f"patient_id FROM intake.quarantined_{form} WHERE {_IS_GONE}"
        )
    connection.execute(
        "CREATE TEMP TABLE gone_accepted (protocol VARCHAR, delivery VARCHAR, form VARCHAR, "
        "patient_id VARCHAR, is_unchanged BOOLEAN)"
    )
    for form, table in personal.items():
        connection.execute(f"INSERT INTO gone_accepted {_accepted(form, table)}")
    connection.execute(
        "CREATE TEMP TABLE gone_rows AS SELECT protocol, delivery, form, "
        "sum(accepted)::BIGINT AS accepted, sum(quarantined)::BIGINT AS quarantined, "
        "sum(unchanged)::BIGINT AS unchanged FROM ("
        "SELECT protocol, delivery, form, count(*) AS accepted, 0 AS quarantined, "
        "count(*) FILTER (is_unchanged) AS unchanged FROM gone_accepted GROUP BY ALL UNION ALL "
        "SELECT protocol, delivery, form, 0, count(*), 0 FROM gone_quarantined GROUP BY ALL"
        ") GROUP BY ALL"
    )
    connection.execute(
        "CREATE TEMP TABLE gone_people AS SELECT patient_id AS pseudonym, count(*) AS n FROM "
        "(SELECT patient_id FROM gone_accepted UNION ALL SELECT patient_id FROM gone_quarantined) "
        "GROUP BY ALL"
    )


def _accepted(form: str, table: Stored) -> str:
    """The accepted rows that leave, and whether the ledger counts each as unchanged.

    It does where the row that stood for its key when it arrived said the same.
    """
    key = ", ".join(key_expressions(describe(FORMS[form])))
    said = ", ".join(f'"{name}"' for name in table.columns if name not in PROVENANCE)
    return f"""
        WITH own AS (
            SELECT protocol, delivery, quarter, number, row_number, patient_id, is_retraction,
                hash({key}) AS key,
                CASE WHEN is_retraction THEN 0::UBIGINT ELSE hash({said}) END AS said,
                (SELECT received_at FROM meta.delivery line WHERE status = 'accepted'
                    AND line.protocol = rows.protocol AND line.delivery = rows.delivery
                    AND line.form = '{form}') AS received_at
            FROM intake.{form} rows WHERE {_IS_GONE}
        ), judged AS (
            SELECT new.protocol, new.delivery, new.patient_id, new.said = stood.said AS same
            FROM own new LEFT JOIN own stood ON stood.protocol = new.protocol
                AND stood.key = new.key AND stood.delivery <> new.delivery
                AND stood.received_at < new.received_at
            WHERE NOT new.is_retraction
            QUALIFY row_number() OVER (
                PARTITION BY new.protocol, new.delivery, new.row_number
                ORDER BY stood.quarter DESC, stood.number DESC, stood.delivery DESC,
                    stood.row_number DESC) = 1
        )
        SELECT protocol, delivery, '{form}' AS form, patient_id,
            coalesce(same, false) AS is_unchanged FROM judged"""
