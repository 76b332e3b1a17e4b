"""The registry as it stood after a quarter's deliveries, less the people erased since.

Belongs here: what was known then, built into a database of its own, and where it is published.
Does not belong here: how tables are built (`build`) and published (`warehouse.publish`).

Built anew from the rows as received, not kept from then: so a corrected definition holds for all
quarters alike, whoever was erased is in none of them, and no later delivery can change the result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

from registry_pipeline.building.build import build_core, build_layer
from registry_pipeline.building.layers import LAYERS
from registry_pipeline.home import WAIT_SECONDS, Home, Say
from registry_pipeline.warehouse.database import connect, scalar
from registry_pipeline.warehouse.publish import opens_in_a_new_process, publish
from registry_pipeline.warehouse.tables import quoted
from schemas.catalog import TABLES
from schemas.forms import FORMS

MADE: Final = ("meta.held", "meta.built", "meta.codebook", "meta.publication")
"""Tables of meta that a build or a publication makes."""

_LAST: Final = "SELECT max(quarter) FROM live.meta.delivery WHERE status = 'accepted'"


class AsOfError(ValueError):
    """The registry as of a quarter cannot be made; the message says why."""


def write_as_of(
    home: Home, quarter: str, *, wait_seconds: float = WAIT_SECONDS, say: Say = lambda _: None
) -> Path:
    """Writes every table as of a quarter to `published/analysis-<quarter>.duckdb`.

    Deliveries of the quarter and of those before it count, corrections of the quarter included,
    in the order they apply. The protocols are those in use. The live database is only read.

    Args:
        home: a home folder with something taken in; its lock is held meanwhile.
        quarter: for instance `2015-Q2`.
        wait_seconds: how long to wait for a run on the home.
        say: told at once who is waited for.

    Returns:
        The file, replaced in one step.

    Raises:
        AsOfError: nothing was taken in by then, or of it or later; or a table breaks its model.
        HomeBusyError: another run holds the home.
    """
    target = home.published / f"analysis-{quarter}.duckdb"
    work = home.spill / "as_of.duckdb"
    with home.lock(wait_seconds, f"the tables as of {quarter}", say):
        home.prepare()
        try:
            with connect(home, path=work) as connection:
                _copy_known(connection, home, quarter)
                _build(connection)
                publish(connection, home, f"as-of-{quarter}", target)
        finally:
            for leftover in home.spill.glob(f"{work.name}*"):
                leftover.unlink()
    if problem := opens_in_a_new_process(target):
        raise AsOfError(problem)
    return target


def _copy_known(connection: duckdb.DuckDBPyConnection, home: Home, quarter: str) -> None:
    """Copies what had been delivered by the quarter from the live database."""
    connection.execute(f"ATTACH {quoted(str(home.database.resolve()))} AS live (READ_ONLY)")
    columns: dict[str, set[str]] = {}
    for schema, table, column in connection.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() "
        "WHERE database_name = 'live' AND NOT internal"
    ).fetchall():
        columns.setdefault(f"{schema}.{table}", set()).add(column)
    meta = [name for name in TABLES if name.startswith("meta.") and name not in MADE]
    for name in (*meta, *(f"intake.{form}" for form in FORMS)):
        if name in columns:
            where = _known_by(columns[name])
            connection.execute(
                f"CREATE TABLE {name} AS FROM live.{name} given WHERE {where}",
                {"quarter": quarter} if "$quarter" in where else None,
            )
    last = scalar(connection, _LAST)
    connection.execute("DETACH live")
    if last and quarter > last:
        raise AsOfError(f"{quarter}: {last} is the last quarter of which anything was taken in")
    connection.execute(
        "UPDATE meta.quarantine SET mended_by = NULL WHERE NOT EXISTS (FROM meta.delivery line "
        "WHERE line.protocol = quarantine.protocol AND line.delivery = quarantine.mended_by)"
    )
    if not scalar(connection, "SELECT count(*) FROM meta.delivery WHERE status = 'accepted'"):
        raise AsOfError(f"{quarter}: nothing was taken in of this quarter or an earlier one")


def _known_by(columns: set[str]) -> str:
    """Which rows of a table were known by the quarter, of people who are not to be erased."""
    conditions = ["true"]
    if "quarter" in columns:
        conditions.append("given.quarter <= $quarter")
    elif {"protocol", "delivery"} <= columns:
        conditions.append(
            "EXISTS (FROM live.meta.delivery line WHERE line.quarter <= $quarter "
            "AND line.protocol = given.protocol AND line.delivery = given.delivery)"
        )
    if "patient_id" in columns:
        conditions.append(
            "NOT EXISTS (FROM live.meta.erasure gone WHERE gone.pseudonym = given.patient_id)"
        )
    return " AND ".join(conditions)


def _build(connection: duckdb.DuckDBPyConnection) -> None:
    """Builds every layer; the first table that breaks its model ends it."""
    for built in (
        *build_core(connection),
        *(b for n in LAYERS for b in build_layer(connection, n)),
    ):
        if built.error:
            raise AsOfError(f"{built.table}: {built.error}")
