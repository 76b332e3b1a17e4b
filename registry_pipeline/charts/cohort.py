"""What a page knows of a cohort: its protocol, its stored rows, its words and its coverage.

Belongs here: reading stored tables of one cohort, and the protocol's codes in plain words.
Does not belong here: charts, and any table of persons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import duckdb
import polars as pl

from registry_pipeline.charts.text import capital
from schemas import codes
from schemas.catalog import TABLES, cohort_column
from schemas.codes import CodeList
from schemas.protocol import Disclosure, Origin, Protocol, parse_protocol

_Day = TypeVar("_Day", float, pl.Expr)

_DAYS_PER: Final = {"months": 30.4375, "weeks": 7, "days": 1}
_STRATA: Final[dict[str, CodeList]] = {"sex": codes.SEX, "age_group": codes.AGE_GROUP}
WHAT: Final = {
    "sex": "sex",
    "age_group": "age",
    "pathway": "pathway",
    "co_occurring_disorder": "co-occurring disorder",
}
_DISORDER: Final = {"true": "co-occurring disorder", "false": "no co-occurring disorder"}


class NotYetStoredError(LookupError):
    """A page asks for a table that is about to be stored anew."""


class Store:
    """The tables that pages are made from, while some of them are still to come."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, awaited: Collection[str]) -> None:
        self.connection = connection
        self._awaited = set(awaited)
        self._stored = {
            f"{schema}.{name}"
            for schema, name in connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() "
                "WHERE database_name = current_database()"
            ).fetchall()
        }

    def arrived(self, table: str, *, is_new: bool) -> None:
        """Notes that a table is awaited no more; where it is not new, it stays as it was."""
        self._awaited.discard(table)
        if is_new:
            self._stored.add(table)

    def has(self, table: str) -> bool:
        """Whether a table is stored.

        Raises:
            NotYetStoredError: it is about to be stored anew.
        """
        if table in self._awaited:
            raise NotYetStoredError(table)
        return table in self._stored


@dataclass(frozen=True)
class Cohort:
    """One cohort of a store.

    Attributes:
        store: its tables; asking for one that is awaited raises `NotYetStoredError`.
        protocol: the cohort's protocol, which chose its codes, schedule and thresholds.
    """

    store: Store
    protocol: Protocol

    @property
    def rule(self) -> Disclosure:
        """The cohort's thresholds for small numbers."""
        return self.protocol.disclosure

    def rows(self, table: str, **only: Collection[str | int]) -> pl.DataFrame:
        """The cohort's rows of a stored table, in the order of its key.

        Args:
            table: `schema.table`; one that is not stored yet has no rows.
            only: per column, the values that are read.
        """
        model = TABLES[table]
        if not self.store.has(table):
            return pl.DataFrame(schema=model.dtypes)
        given = {cohort_column(model): [self.protocol.id], **{k: list(v) for k, v in only.items()}}
        where = " AND ".join(f'list_contains(?, "{name}")' for name in given)
        names = ", ".join(f'"{name}"' for name in model.dtypes)
        key = ", ".join(f'"{name}" NULLS FIRST' for name in model.key)
        query = f"SELECT {names} FROM {table} WHERE {where} ORDER BY {key}"
        return pl.DataFrame(self.store.connection.sql(query, params=list(given.values())))

    def as_of(self, table: str) -> str | None:
        """The delivery the stored rows of a table speak of; None where the cohort has none."""
        if not self.store.has(table):
            return None
        query = f"SELECT max(as_of_delivery) FROM {table} WHERE {cohort_column(TABLES[table])} = ?"
        found: str | None
        ((found,),) = self.store.connection.execute(query, [self.protocol.id]).fetchall()
        return found

    @cached_property
    def has_low_coverage(self) -> bool:
        """Whether fewer of the eligible are enrolled than the protocol's limit.

        Enrolled by consent or by not opting out; eligible are those delivered, and at least as many
        as the protocol says, as indicators have it. False where either is not known.
        """
        response = self.rows("derived.response_by_wave", stratum_by=["all"], wave=[0])
        known = self.rows("derived.enrolment", group=["eligible"], sex=["all"], age_group=["all"])
        eligible = max([self.protocol.eligible or 0, *known["n"]])
        enrolled = response["n_enrolled"].to_list()
        return bool(enrolled) and enrolled[0] < self.rule.low_coverage * eligible

    @property
    def clocks(self) -> list[str]:
        """The origins of the main curves: treatment start only where the protocol says so."""
        from_start = self.protocol.retention.origin is Origin.TREATMENT_START
        return ["baseline", "treatment_start"] if from_start else ["baseline"]

    @property
    def time_unit(self) -> str:
        """What the schedule is counted in: months, weeks or days."""
        return self.protocol.waves.interval_unit

    def time(self, day: _Day) -> _Day:
        """A day, or a number of days, in the schedule's unit."""
        return day / _DAYS_PER[self.time_unit]

    @property
    def wave_time(self) -> dict[int, str]:
        """Wave to its nominal day in the schedule's unit, for reading."""
        unit = _DAYS_PER[self.time_unit]
        return {w: f"{day / unit:.0f}" for w, day in enumerate(self.protocol.waves.nominal_days)}

    @property
    def last_day(self) -> int:
        """The last nominal day."""
        return self.protocol.waves.nominal_days[-1]

    @property
    def substances(self) -> dict[str, str]:
        """Code to English label, groups first."""
        return {s.code: s.en for s in (*self.protocol.groups, *self.protocol.substances)}

    def by_substance(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows in the order of `substances`, with `panel`: the heading of the substance."""
        items = (*self.protocol.groups, *self.protocol.substances)
        headings = {item.code: f"{capital(item.en)}|{capital(item.nb)}" for item in items}
        panel = pl.col("substance").replace(headings)
        return rows.with_columns(panel=panel).sort(
            place("substance", headings), maintain_order=True
        )

    @property
    def pathways(self) -> dict[str, str]:
        """Code to English label, in the protocol's order."""
        return {pathway.code: pathway.en for pathway in self.protocol.pathways}

    @cached_property
    def indicators(self) -> pl.DataFrame:
        """What each indicator is called, and which way is better.

        Returns:
            indicator_id, label (its English and Norwegian title, `|` between them), direction.
        """
        model = TABLES["quality.indicator_definition"]
        names = ["indicator_id", "title", "title_nb", "direction"]
        rows = pl.DataFrame(schema={name: model.dtypes[name] for name in names})
        if self.store.has(model.full_name):
            query = f"SELECT {', '.join(names)} FROM {model.full_name}"
            rows = pl.DataFrame(self.store.connection.sql(query))
        label = pl.concat_str("title", "title_nb", separator="|")
        return rows.select("indicator_id", "direction", label=label)

    @property
    def units(self) -> dict[str, str]:
        """Unit id to name, `all` included."""
        return {"all": "all units", **{unit.id: unit.name for unit in self.protocol.units}}

    def stratum(self, by: str, code: str) -> str:
        """A stratum in words; of who is unknown, what of them is."""
        if code == "unknown":
            return f"{WHAT[by]} unknown"
        if by in _STRATA:
            return _STRATA[by].label(code)
        words = self.pathways if by == "pathway" else _DISORDER
        return words.get(code, code)


def cohorts(store: Store) -> list[Cohort]:
    """The cohorts of a store, by id."""
    rows = store.connection.execute(
        "SELECT protocol, content FROM meta.protocol ORDER BY protocol"
    ).fetchall()
    return [Cohort(store, parse_protocol(content, name)) for name, content in rows]


def place(column: str, order: Iterable[str]) -> pl.Expr:
    """Where a column's value stands in an order; what is not in it comes last."""
    places = {code: place for place, code in enumerate(order)}
    return pl.col(column).replace_strict(places, default=len(places), return_dtype=pl.Int32)
