"""Small tables on the terminal.

Belongs here: how rows are printed, and which tables a database holds.
Does not belong here: what is printed (see `report_card`, `status` and `dry_run`).
"""

from __future__ import annotations

from typing import Any, Literal

import duckdb
from rich.console import Console
from rich.table import Table


def tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables of a database, as `schema.name`."""
    rows = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
    return {f"{schema}.{name}" for schema, name in rows}


def show(console: Console, title: str, columns: tuple[str, ...], rows: list[Any]) -> None:
    """Prints a small table; without rows one line says so."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    numeric = [all(isinstance(row[i], int) for row in rows) for i in range(len(columns))]
    for name, is_number in zip(columns, numeric, strict=True):
        justify: Literal["left", "right"] = "right" if is_number and rows else "left"
        table.add_column(name, justify=justify, overflow="fold")  # a number cut short is another
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell or "") for cell in row))
    console.print(table if rows else f"{title}: none")
