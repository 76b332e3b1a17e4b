"""How a home stands, on one screen, for a person on call.

Belongs here: what `registry status` prints: the last run, deliveries, what waits for someone,
waves, red checks, warnings. Does not belong here: what a run built (see `report_card`).
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from typing import Any

import dagster as dg
import duckdb
import sqlalchemy
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from rich.console import Console

from registry_pipeline.commands.printing import show, tables
from registry_pipeline.gate.errors import counted
from registry_pipeline.home import Home
from registry_pipeline.operation.instance import prepare_instance
from registry_pipeline.operation.reconcile import was_killed
from registry_pipeline.operation.run_names import run_name
from registry_pipeline.warehouse import erasure, refusals
from registry_pipeline.warehouse.database import DatabaseBusyError, connect, connect_published
from registry_pipeline.warehouse.faults import StoreError
from registry_pipeline.withdrawal.proof import TO_COMPLETE, lacks_id, proof_file

MOST = 8
"""Lines of a list before it says how many more there are."""

_COHORTS = """
WITH cutoff AS (
    SELECT protocol, sender, arg_max(extracted_on, (quarter, number, delivery)) AS day
    FROM meta.delivery WHERE status = 'accepted' AND kind = 'full' GROUP BY ALL
)
SELECT protocol, count(DISTINCT delivery) FILTER (status = 'accepted'),
       count(DISTINCT delivery) FILTER (NOT is_complete),
       arg_max(delivery, (quarter, number, delivery)) FILTER (status = 'accepted'),
       (SELECT max(day) FROM cutoff WHERE cutoff.protocol = line.protocol),
       sum(n_received)::BIGINT, sum(n_accepted)::BIGINT, sum(n_quarantined)::BIGINT,
       sum(n_unchanged)::BIGINT
FROM meta.delivery AS line GROUP BY protocol ORDER BY protocol
"""
_COHORT_COLUMNS = (
    "cohort",
    "deliveries",
    "incomplete",
    "last",
    "cut-off",
    "received",
    "accepted",
    "quarantined",
    "unchanged",
)
_QUARANTINE = """
SELECT protocol, form, rule_id, count(DISTINCT (delivery, row_number))
FROM meta.quarantine WHERE mended_by IS NULL GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3
"""
_HELD = """
SELECT protocol, form, rule_id, count(*) FROM meta.held GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3
"""
_WAVES = """
SELECT cohort, string_agg(done || '/' || due, '  ' ORDER BY wave) FROM (
    SELECT cohort, wave, count(*) FILTER (is_due) AS due,
           count(*) FILTER (status IN ('completed', 'partial')) AS done
    FROM core.visit GROUP BY ALL) GROUP BY cohort ORDER BY cohort
"""
_LEDGER = """
SELECT protocol, delivery, form, status, n_received, n_quarantined, n_added, n_replaced,
       n_unchanged, n_late
FROM meta.delivery ORDER BY protocol, quarter, number, delivery, form
"""
_LEDGER_COLUMNS = (
    "cohort",
    "delivery",
    "form",
    "status",
    "received",
    "quarantined",
    "added",
    "replaced",
    "unchanged",
    "late",
)
_CHECK_COLUMNS = ("table", "check", "blocks", "last time")
_WARNED = _CHECK_COLUMNS[:2]
_RULES = ("cohort", "form", "rule", "rows")


def print_status(console: Console, home: Home) -> None:
    """Prints one screen: how the home stands and what waits for someone.

    Where the records of runs do not open, a full disk most often, the rest is printed first.
    """
    fault: Exception | None = None
    try:
        prepare_instance(home)
        with dg.DagsterInstance.get() as instance:
            last, (red, warnings) = _last_run(home, instance), _checks(home, instance)
    except (sqlalchemy.exc.DatabaseError, sqlite3.DatabaseError, OSError) as error:
        fault, last = error, "not known, see below"
    _print_home(console, home, last)
    with _readable(console, home) as connection:
        _print_tables(console, home, connection)
    if fault:
        raise fault
    _print_some(console, "Red checks", _CHECK_COLUMNS, red)
    _print_some(console, "Warnings, to be reviewed", _WARNED, warnings)


def print_ledger(console: Console, home: Home) -> None:
    """Prints every form of every delivery."""
    with _readable(console, home) as connection:
        rows = connection.execute(_LEDGER).fetchall() if _has(connection, "meta.delivery") else []
        show(console, "Deliveries", _LEDGER_COLUMNS, rows)


def _last_run(home: Home, instance: dg.DagsterInstance) -> str:
    runs = instance.get_run_records(limit=1)
    return "none" if not runs else f"{_became(home, runs[0].dagster_run)}, {_words(runs[0])}"


def _print_home(console: Console, home: Home, last: str) -> None:
    free = shutil.disk_usage(home.path).free >> 20
    size = home.database.stat().st_size >> 20
    lines = [
        ("Home", f"{home.path}: {size:,} MiB, {free:,} MiB free on its disk"),
        ("Held by", home.holder or "nobody"),
        ("Last run", last),
        ("Published", _published(home)),
    ]
    for name, said in lines:
        console.print(f"{name:<10} {said}", markup=False, soft_wrap=True)


def _became(home: Home, run: dg.DagsterRun) -> str:
    if not was_killed(run, home):
        return run.status.value
    return f"{'STOPPED' if home.was_stopped(run.run_id) else 'KILLED'} (the next run goes on)"


def _words(record: dg.RunRecord) -> str:
    began = record.start_time and record.create_timestamp
    at = f"{began:%Y-%m-%d %H:%M} UTC" if began else "not begun"
    return f"{run_name(record.dagster_run)}, {at}, run {record.dagster_run.run_id}"


def _published(home: Home) -> str:
    if not home.analysis.exists():
        return "nothing yet"
    try:
        with connect_published(home) as connection:
            rows = connection.execute("SELECT version, as_of FROM meta.publication").fetchall()
    except StoreError as error:
        return str(error)
    kept = len(list(home.snapshots.glob("*.duckdb")))
    version, as_of = rows[0]
    return f"version {version}, as of {as_of or 'no delivery'}; {kept} older kept"


def _print_tables(console: Console, home: Home, connection: duckdb.DuckDBPyConnection) -> None:
    if _has(connection, "meta.delivery"):
        show(console, "Deliveries", _COHORT_COLUMNS, connection.execute(_COHORTS).fetchall())
        refused = [(reason,) for *_, reason in refusals.open_refusals(connection)]
        _print_some(console, "Refused", ("why",), refused)
        if refused:
            close = f"registry close --home {quote(str(home.path))} --delivery COHORT/DELIVERY"
            said = f"Have it mended and put in the same folder; what nobody will mend: {close}"
            console.print(said, markup=False, soft_wrap=True)
    if _has(connection, "meta.erasure"):
        proofs = [proof_file(home, one) for one in erasure.tombstones(connection)]
        if n := sum(map(lacks_id, proofs)):
            said = f"{counted(n, 'erasure')} proved without a search for the id: {TO_COMPLETE}"
            console.print(said, markup=False, soft_wrap=True)
    if _has(connection, "meta.quarantine"):
        waiting = connection.execute(_QUARANTINE).fetchall()
        _print_some(console, "Quarantine", _RULES, waiting)
    if _has(connection, "meta.held"):
        _print_some(console, "Held back", _RULES, connection.execute(_HELD).fetchall())
    if _has(connection, "core.visit"):
        waves = connection.execute(_WAVES).fetchall()
        show(console, "Waves, done/due from wave 0 on", ("cohort", "waves"), waves)


def _print_some(
    console: Console, title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    show(console, title, columns, rows[:MOST])
    if len(rows) > MOST:
        console.print(f"and {len(rows) - MOST} more")


@contextmanager
def _readable(console: Console, home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The live database, or the published file while a run has the live one."""
    try:
        live = connect(home, read_only=True, wait_seconds=0)
        with live as connection:
            yield connection
    except DatabaseBusyError:
        published = home.analysis if home.analysis.exists() else None
        what = "of the published file" if published else "known when it ends: nothing is published"
        console.print(f"A run goes on: what follows is {what}.")
        with duckdb.connect(published or ":memory:", read_only=published is not None) as connection:
            yield connection
    except duckdb.BinderException:  # a column that came since: a run adds it
        said = f"{home.path}: filled by an older version: registry run brings it up to date"
        console.print(said, markup=False, soft_wrap=True)


def _has(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    return table in tables(connection)


def _checks(
    home: Home, instance: dg.DagsterInstance
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Of the checks when last asked: those red, the blocking ones first, and those that warn.

    One that was not reached, since another stopped the run, is red until it is asked.
    """
    from registry_pipeline.definitions import build_defs  # noqa: PLC0415 - imports every asset

    graph = build_defs(home.path).resolve_asset_graph()
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        list(graph.asset_check_keys)
    )
    red: list[tuple[str, ...]] = []
    warned: list[tuple[str, ...]] = []
    for key, record in latest.items():
        name = (key.asset_key.to_user_string().replace("/", "."), key.name)
        became = _became_of(record, is_running=bool(home.holder))
        if became == "warns":
            warned.append(name)
        elif became:
            red.append((*name, "yes" if graph.get(key).blocking else "no", became))
    red.sort(key=lambda check: (check[3] == "not reached", check[2] == "no", check))
    return red, sorted(warned)


def _became_of(record: AssetCheckExecutionRecord, *, is_running: bool) -> str:
    """Why a check is told of; empty where it passed, or may still be asked."""
    asked = record.evaluation
    if not isinstance(asked, dg.AssetCheckEvaluation):
        return "" if is_running else "not reached"
    if asked.passed:
        return ""
    return "failed" if asked.severity is dg.AssetCheckSeverity.ERROR else "warns"
