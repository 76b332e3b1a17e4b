"""What a run and a home look like to the person at the terminal.

Belongs here: the short tables that `registry run` and `registry status` print.
Does not belong here: any number that is not read from a table or the run itself.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
import duckdb
from rich.console import Console
from rich.table import Table

from registry_pipeline.home import Home
from registry_pipeline.operate import Outcome, prepare_instance
from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.database import connect

_RECEIVED = """
SELECT protocol, count(DISTINCT delivery), count(*) FILTER (status = 'refused'),
       sum(n_received)::BIGINT, sum(n_accepted)::BIGINT, sum(n_quarantined)::BIGINT,
       (SELECT count(DISTINCT (form, row_key)) FROM meta.held
        WHERE held.protocol = delivery.protocol)
FROM meta.delivery GROUP BY protocol ORDER BY protocol
"""
_ENROLLED = """
SELECT cohort, n, denominator, share, ci_low, ci_high FROM derived.enrolment
WHERE "group" = 'consented' AND sex = 'all' AND age_group = 'all' ORDER BY cohort
"""
_RETAINED = """
SELECT cohort, kind, month, retained, ci_low, ci_high, n, n_at_risk
FROM derived.retention_at
WHERE origin = 'baseline' AND stratum_by = 'all' AND retained IS NOT NULL
  AND (month = 12 OR day = (SELECT max(day) FROM derived.retention_at last
       WHERE last.cohort = retention_at.cohort AND last.kind = retention_at.kind
         AND last.retained IS NOT NULL))
ORDER BY cohort, list_position(['treatment', 'pathway', 'study'], kind), day
"""
_KINDS = {"treatment": "in treatment", "pathway": "in the index pathway", "study": "in the study"}
_DELIVERIES = """
SELECT protocol, delivery, kind, extracted_on, form, status,
       n_received, n_accepted, n_quarantined, n_unchanged
FROM meta.delivery ORDER BY protocol, quarter, number, delivery, form
"""
_TAKEN_IN = (
    "cohort",
    "deliveries",
    "files refused",
    "rows received",
    "accepted",
    "quarantined",
    "held back",
)
_LEDGER = (
    "cohort",
    "delivery",
    "kind",
    "cut-off",
    "form",
    "status",
    "received",
    "accepted",
    "quarantined",
    "unchanged",
)
_QUARANTINE = """
SELECT protocol, form, rule_id, count(DISTINCT (delivery, row_number))
FROM meta.quarantine GROUP BY ALL ORDER BY ALL
"""
_HELD = "SELECT protocol, form, rule_id, count(*) FROM meta.held GROUP BY ALL ORDER BY ALL"
_WAVES = """
SELECT cohort, wave, count(*) FILTER (is_due), count(*) FILTER (status IN ('completed', 'partial'))
FROM core.visit GROUP BY ALL ORDER BY ALL
"""


def print_report_card(console: Console, home: Home, outcome: Outcome) -> list[str]:
    """Prints what a run built and where to look.

    Returns:
        One sentence per refused file of the deliveries the run saw, and per cohort whose
        patients are missing.
    """
    if not home.database.exists():
        return []
    with connect(home, read_only=True) as connection:
        present = _tables(connection)
        if "meta.delivery" not in present:
            return []
        if "meta.held" in present:
            _print(
                console,
                "Taken in",
                (
                    "cohort",
                    "deliveries",
                    "files refused",
                    "rows received",
                    "accepted",
                    "quarantined",
                    "held back",
                ),
                connection.execute(_RECEIVED).fetchall(),
            )
        if {"derived.enrolment", "derived.retention_at"} <= present:
            _print(console, "Results", ("cohort", "what", "estimate", "of"), _results(connection))
        wrong = [
            reason
            for protocol, delivery, _, reason in ledger.open_refusals(connection)
            if f"{protocol}/{delivery}" in outcome.deliveries
        ]
        wrong += [sentence for _, sentence in ledger.without_patients(connection)]
    if home.analysis.exists():
        console.print(f"{len(present)} tables. To query: duckdb -readonly {home.analysis}")
        console.print(f"To look: registry ui --home {home.path}")
    return wrong


def print_status(console: Console, home: Home) -> None:
    """Prints deliveries, rows, waves due and done, the last run and red checks."""
    with connect(home, read_only=True) as connection:
        present = _tables(connection)
        queries = [
            (
                "Deliveries",
                (
                    "cohort",
                    "delivery",
                    "kind",
                    "cut-off",
                    "form",
                    "status",
                    "received",
                    "accepted",
                    "quarantined",
                    "unchanged",
                ),
                "meta.delivery",
                _DELIVERIES,
            ),
            ("Quarantine", ("cohort", "form", "rule", "rows"), "meta.quarantine", _QUARANTINE),
            ("Held back", ("cohort", "form", "rule", "rows"), "meta.held", _HELD),
            ("Waves", ("cohort", "wave", "due", "done"), "core.visit", _WAVES),
        ]
        for title, columns, table, query in queries:
            if table in present:
                _print(console, title, columns, connection.execute(query).fetchall())
    _print(console, "Last run", ("run", "job", "status"), _last_run(home))
    _print(console, "Red checks", ("table", "check"), _red_checks(home))


def _results(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, str]]:
    rows = [
        (cohort, "consented", _estimate(share, low, high), f"{n} of {of}")
        for cohort, n, of, share, low, high in connection.execute(_ENROLLED).fetchall()
    ]
    rows += [
        (
            cohort,
            f"{_KINDS[kind]} at {month} months",
            _estimate(retained, low, high),
            f"{n} people, {at_risk} at risk then",
        )
        for cohort, kind, month, retained, low, high, n, at_risk in connection.execute(
            _RETAINED
        ).fetchall()
    ]
    return rows


def _estimate(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "not computable"
    if low is None or high is None:
        return f"{100 * value:.1f} %"
    return f"{100 * value:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def _last_run(home: Home) -> list[tuple[str, str, str]]:
    prepare_instance(home)
    with dg.DagsterInstance.get() as instance:
        return [(run.run_id, run.job_name, run.status.value) for run in instance.get_runs(limit=1)]


def _red_checks(home: Home) -> list[tuple[str, str]]:
    prepare_instance(home)
    from registry_pipeline.definitions import build_defs  # noqa: PLC0415 - imports every asset

    graph = build_defs(home.path).resolve_asset_graph()
    with dg.DagsterInstance.get() as instance:
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(
            list(graph.asset_check_keys)
        )
    return sorted(
        (key.asset_key.to_user_string().replace("/", "."), key.name)
        for key, record in latest.items()
        if record.evaluation is not None and not record.evaluation.passed
    )


def _tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
    return {f"{schema}.{name}" for schema, name in rows}


def _print(console: Console, title: str, columns: tuple[str, ...], rows: list[Any]) -> None:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    numeric = [all(isinstance(row[i], int) for row in rows) for i in range(len(columns))]
    for name, is_number in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if is_number and rows else "left")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell or "") for cell in row))
    console.print(table if rows else f"{title}: none")
