"""What a page knows of a cohort: its protocol, its stored rows, its words and its coverage.

Belongs here: reading stored tables of one cohort, and the protocol's codes in plain words.
Does not belong here: charts, and any table of persons.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import duckdb
import polars as pl

from schemas import codes
from schemas.catalog import TABLES
from schemas.codes import CodeList
from schemas.fields import Table
from schemas.protocol import Disclosure, Protocol

_DAYS_PER: Final = {"months": 30.4375, "weeks": 7, "days": 1}
_STRATA: Final[dict[str, CodeList]] = {"sex": codes.SEX, "age_group": codes.AGE_GROUP}
_DISORDER: Final = {"true": "co-occurring disorder", "false": "no co-occurring disorder"}


@dataclass(frozen=True)
class Cohort:
    """One cohort of a store.

    Attributes:
        connection: the store.
        protocol: the cohort's protocol, which chose its codes, schedule and thresholds.
    """

    connection: duckdb.DuckDBPyConnection
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
        if not is_stored(self.connection, model):
            return pl.DataFrame(schema=model.dtypes)
        given = {cohort_column(model): [self.protocol.id], **{k: list(v) for k, v in only.items()}}
        where = " AND ".join(f'list_contains(?, "{name}")' for name in given)
        names = ", ".join(f'"{name}"' for name in model.dtypes)
        key = ", ".join(f'"{name}" NULLS FIRST' for name in model.key)
        query = f"SELECT {names} FROM {table} WHERE {where} ORDER BY {key}"
        return pl.DataFrame(self.connection.sql(query, params=list(given.values())))

    @property
    def coverage(self) -> float | None:
        """Consenting people of the eligible; null where nobody is known to be eligible."""
        row = self.rows(
            "derived.enrolment", group=["consented"], sex=["all"], age_group=["all"]
        ).to_dicts()
        eligible = self.protocol.eligible or (row[0]["denominator"] if row else 0)
        return row[0]["n"] / eligible if row and eligible else None

    @property
    def time_unit(self) -> str:
        """What the schedule is counted in: months, weeks or days."""
        return self.protocol.waves.interval_unit

    def time(self, day: pl.Expr) -> pl.Expr:
        """A day in the schedule's unit."""
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
    def substances(self) -> dict[str, tuple[str, str]]:
        """Code to English and Norwegian label, groups first."""
        items = (*self.protocol.groups, *self.protocol.substances)
        return {item.code: (item.en, item.nb) for item in items}

    @property
    def substance_panels(self) -> dict[str, str]:
        """Code to the heading of its panel, English and Norwegian."""
        return {code: f"{en}|{nb}" for code, (en, nb) in self.substances.items()}

    def by_substance(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows in the order of `substances`, with the column `panel`."""
        place = {code: place for place, code in enumerate(self.substances)}
        code = pl.col("substance")
        return rows.with_columns(panel=code.replace(self.substance_panels)).sort(
            code.replace_strict(place, return_dtype=pl.Int32), maintain_order=True
        )

    @property
    def pathways(self) -> dict[str, str]:
        """Code to English label, in the protocol's order."""
        return {item.code: item.en for item in self.protocol.pathways}

    @property
    def units(self) -> dict[str, str]:
        """Unit id to name, `all` included."""
        return {"all": "all units", **{unit.id: unit.name for unit in self.protocol.units}}

    def stratum(self, by: str, code: str) -> str:
        """A stratum in words."""
        if by in _STRATA:
            return _STRATA[by].label(code)
        words = self.pathways if by == "pathway" else _DISORDER
        return words.get(code, code)


def is_stored(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Whether the table is in the store."""
    found = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ? "
        "AND database_name = current_database()",
        [table.schema_name, table.name],
    ).fetchall()
    return bool(found)


def cohort_column(table: Table) -> str:
    """The column that names the cohort: quality tables call it the protocol."""
    return "cohort" if "cohort" in table.dtypes else "protocol"
