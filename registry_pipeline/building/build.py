"""Building the tables: each layer's derivations run for every cohort and stored.

Belongs here: from which frames a cohort's layer is made, here or beside; and which cohorts have not
changed since their tables were made (`warehouse.built` says from what).
Does not belong here: what a layer is (`layers`), DDL and proof (`warehouse`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import duckdb
import narwhals as nw

from registry_pipeline.building import beside
from registry_pipeline.building.layers import CORE_TABLES, LAYERS, Tables
from registry_pipeline.derivations.core import core_tables
from registry_pipeline.transform.engine import Frame, forget_steps, in_memory
from registry_pipeline.warehouse import built, ledger
from registry_pipeline.warehouse.database import scalar
from registry_pipeline.warehouse.proof import InvalidTableError
from registry_pipeline.warehouse.tables import Part, replace
from schemas.catalog import COHORT, TABLES
from schemas.fields import Table
from schemas.forms import FORMS, intake_table
from schemas.protocol import Protocol, parse_protocol

IN_MEMORY_ROWS: Final = 200_000
"""A cohort of no more accepted rows is derived in memory by Polars, a larger one in the database.

Both engines give the same tables. DuckDB's share of a step is the time to bind it, which for a few
thousand rows is most of a run; its memory does not grow with the registry.
"""


@dataclass(frozen=True)
class Built:
    """One table of a layer: its rows, or why the new contents were not stored.

    Attributes:
        n_kept: cohorts that had not changed, whose rows were kept.
    """

    table: str
    rows: int
    error: str = ""
    n_kept: int = 0


def build_core(connection: duckdb.DuckDBPyConnection) -> list[Built]:
    """Builds the core tables and `meta.held` from intake, of every cohort that has changed."""
    work = _work(connection, CORE_TABLES)
    parts: dict[str, list[Part]] = {name: [] for name in CORE_TABLES}
    for protocol in work.derived:
        own = _Own(connection, protocol)
        intake = {form: own.intake(form) for form in FORMS}
        lines = own.rows("meta.delivery")
        for name, frame in core_tables(intake, lines, protocol).items():
            parts[name].append(Part(frame))
    return [*_store(connection, parts, work)]


def build_layer(connection: duckdb.DuckDBPyConnection, name: str) -> Iterator[Built]:
    """Builds one layer's tables of every cohort that has changed, from core and what it reads.

    Each table is yielded as soon as it is stored.
    """
    layer, work = LAYERS[name], _layer_work(connection, name)
    parts: dict[str, list[Part]] = {table: [] for table in layer.tables}
    for protocol in work.derived:
        made = beside.fetched(name, work.prints.get(protocol.id, "")) or layer.derived(
            stored_frames(connection, protocol, layer.reads), protocol
        )
        constants = {"as_of_delivery": as_of(connection, protocol)}
        for table, frame in made.items():
            columns = TABLES[table].dtypes
            part = Part(frame, constants if "as_of_delivery" in columns else {})
            if COHORT.isdisjoint(columns):  # the same for every cohort
                parts[table] = [part]
            else:
                parts[table].append(part)
    yield from _store(connection, parts, work)


def lay_out(
    connection: duckdb.DuckDBPyConnection, layers: Iterable[str], reads: tuple[str, ...]
) -> None:
    """Lays small cohorts' layers out, for another process to begin with (see `beside`).

    Args:
        connection: to the live database.
        layers: those that are going to be built. Of steps that are ready the first by name is taken
            first, so the last by name are laid out first.
        reads: the layers that are stored now; those that read others wait.
    """
    names = [name for name in sorted(layers, reverse=True) if LAYERS[name].reads == reads]
    rows: dict[str, Tables] = {}
    for name in names:
        work = _layer_work(connection, name)
        for protocol in work.derived:
            if protocol.id in work.prints and _Own(connection, protocol).is_small:
                if protocol.id not in rows:
                    frames = stored_frames(connection, protocol, reads)
                    rows[protocol.id] = {table: in_memory(frames[table]) for table in frames}
                task = (name, rows[protocol.id], protocol)
                beside.lay_out(work.prints[protocol.id], task)


@dataclass(frozen=True)
class _Work:
    """Which cohorts are derived.

    Attributes:
        derived: protocols of the cohorts to derive.
        kept: cohorts whose stored rows are what deriving would give.
        prints: what the derived rows are made from; without those that stand on tables of another
            state, which are not kept the next time.
    """

    derived: list[Protocol]
    kept: frozenset[str]
    prints: dict[str, str]


def _work(
    connection: duckdb.DuckDBPyConnection, tables: Collection[str], before: Collection[str] = ()
) -> _Work:
    """Which cohorts need the tables derived, given the tables they are derived from."""
    every = cohorts(connection)
    prints = {protocol.id: built.fingerprint(connection, protocol.id) for protocol in every}
    if before:
        sound = built.current(connection, before, prints)
        prints = {cohort: made_from for cohort, made_from in prints.items() if cohort in sound}
    kept = built.current(connection, tables, prints)
    return _Work(
        [protocol for protocol in every if protocol.id not in kept],
        kept,
        {cohort: made_from for cohort, made_from in prints.items() if cohort not in kept},
    )


def _layer_work(connection: duckdb.DuckDBPyConnection, name: str) -> _Work:
    layer = LAYERS[name]
    return _work(connection, layer.tables, [*CORE_TABLES, *_tables_of(layer.reads)])


def _tables_of(layers: Iterable[str]) -> list[str]:
    return [table for name in layers for table in LAYERS[name].tables]


def cohorts(connection: duckdb.DuckDBPyConnection) -> list[Protocol]:
    """The protocols of which something was accepted, by id."""
    ledger.prepare(connection)
    rows = connection.execute(
        "SELECT protocol, content FROM meta.protocol WHERE protocol IN "
        "(SELECT protocol FROM meta.delivery WHERE status = 'accepted') ORDER BY protocol"
    ).fetchall()
    return [parse_protocol(content, protocol_id) for protocol_id, content in rows]


def as_of(connection: duckdb.DuckDBPyConnection, protocol: Protocol) -> str:
    """The cohort's latest accepted delivery, in the order deliveries apply."""
    return str(
        scalar(
            connection,
            "SELECT delivery FROM meta.delivery WHERE protocol = ? AND status = 'accepted' "
            "ORDER BY quarter DESC, number DESC, delivery DESC LIMIT 1",
            [protocol.id],
        )
    )


def stored_frames(
    connection: duckdb.DuckDBPyConnection, protocol: Protocol, layers: Iterable[str] = LAYERS
) -> Mapping[str, Frame]:
    """Every stored table of core and of some layers, restricted to one cohort, read when asked.

    Timeliness alone looks past core: at the deliveries that carried an interview.
    """
    hidden = {*_tables_of(LAYERS)} - {*_tables_of(layers)}
    stored = {
        f"{schema}.{name}"
        for schema, name in connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables()"
        ).fetchall()
    }
    named = {name for name in stored & TABLES.keys() if not COHORT.isdisjoint(TABLES[name].dtypes)}
    own = _Own(connection, protocol)
    make = {name: partial(own.rows, name) for name in named - hidden}
    return _Frames({**make, "intake.interviews": partial(own.intake, "interviews")})


class _Frames(Mapping[str, Frame]):
    """Frames by table, each made when it is first asked for."""

    def __init__(self, make: Mapping[str, Callable[[], Frame]]) -> None:
        self._make = make
        self._made: dict[str, Frame] = {}

    def __getitem__(self, name: str) -> Frame:
        if name not in self._made:
            self._made[name] = self._make[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)


class _Own:
    """A cohort's rows: in memory where the cohort is small, else in the database."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, protocol: Protocol) -> None:
        self._connection, self._protocol = connection, protocol
        accepted = scalar(
            connection,
            "SELECT sum(n_accepted) FROM meta.delivery WHERE protocol = ? AND status = 'accepted'",
            [protocol.id],
        )
        self.is_small = (accepted or 0) <= IN_MEMORY_ROWS

    def intake(self, form: str) -> Frame:
        """Every row of a form that was ever taken in."""
        return self.rows(f"intake.{form}", intake_table(form, self._protocol))

    def rows(self, name: str, table: Table | None = None) -> Frame:
        """The rows of a table; the cohort's id is a value to the engine, no part of a query."""
        columns = (table or TABLES[name]).dtypes
        (whose,) = COHORT & columns.keys()
        names = ", ".join(f'"{column}"' for column in columns)
        every = f"SELECT {names} FROM {name}"
        if self.is_small:
            own = self._connection.sql(f'{every} WHERE "{whose}" = ?', params=[self._protocol.id])
            rows: Frame = nw.from_native(own.pl().lazy())
            return rows
        relation: Frame = nw.from_native(self._connection.sql(every))
        return relation.filter(nw.col(whose) == self._protocol.id)


def _store(
    connection: duckdb.DuckDBPyConnection, parts: Mapping[str, list[Part]], work: _Work
) -> Iterator[Built]:
    """Replaces each table; one that breaks its model keeps its old contents and is named."""
    for name, frames in parts.items():
        table = TABLES[name]
        try:
            if work.derived or not work.kept:
                rows = replace(connection, table, frames, work.prints, work.kept)
            else:
                rows = int(scalar(connection, f"SELECT count(*) FROM {name}"))
            yield Built(name, rows, n_kept=len(work.kept))
        except InvalidTableError as error:
            yield Built(name, 0, str(error))
    forget_steps(connection)
