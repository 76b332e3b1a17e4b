"""The proof of a table: its extremes speak for all rows, hashes for all keys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.warehouse import proof
from registry_pipeline.warehouse.proof import FEW_ROWS, InvalidTableError, prove
from registry_pipeline.warehouse.tables import create_sql, insert
from schemas.catalog import TABLES
from schemas.fields import Table

USE = TABLES["core.substance_use"]
WORDS = TABLES["derived.trajectory"]
CELL_BY_CELL = {"greater_than_or_equal_to", "less_than_or_equal_to", "isin", "str_matches"}


@pytest.fixture(scope="module", params=[0, FEW_ROWS], ids=["as many", "as few"], autouse=True)
def taken_for(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every table here is proved in the way of a large one, and in that of a small one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "FEW_ROWS", request.param)
        yield


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        for schema in ("core", "derived"):
            opened.execute(f"CREATE SCHEMA {schema}")
        yield opened


def uses(days: list[int | None], **other: object) -> pl.DataFrame:
    """Rows of core.substance_use that differ in days and wave alone."""
    rows = pl.DataFrame({"days": days}, schema={"days": pl.Int32}).with_row_index("wave")
    return rows.with_columns(
        pl.col("wave").cast(pl.Int32),
        cohort=pl.lit("lar_x"),
        patient_id=pl.lit("aa"),
        substance=pl.lit("heroin"),
        is_group=pl.lit(value=False),
        recall_days=pl.lit(28, pl.Int32),
        state=pl.lit("regular"),
    ).with_columns(**{name: pl.lit(value) for name, value in other.items()})


def stored(connection: duckdb.DuckDBPyConnection, table: Table, rows: pl.DataFrame) -> Table:
    connection.execute(create_sql(table))
    insert(connection, table.full_name, rows)
    return table


@pytest.mark.parametrize("name", TABLES)
def test_every_check_of_every_table_is_decided_by_the_extremes(name: str) -> None:
    schema = TABLES[name].schema
    kinds = {check.name for column in schema.columns.values() for check in column.checks}
    assert kinds <= CELL_BY_CELL
    assert not schema.checks
    assert not any(column.unique for column in schema.columns.values())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.integers(-2, 92), min_size=1, max_size=40))
def test_a_table_is_refused_exactly_when_a_row_is_bad(
    connection: duckdb.DuckDBPyConnection, days: list[int | None]
) -> None:
    n_low, n_high = (sum(d is not None and bad(d) for d in days) for bad in (_low, _high))
    stored(connection, USE, uses(days))
    if not n_low + n_high:
        assert prove(connection, USE) == len(days)
        return
    with pytest.raises(InvalidTableError) as refused:
        prove(connection, USE)
    said = dict(re.findall(r"days (\w+): (\d+) rows", str(refused.value)))
    expected = {"greater_than_or_equal_to": n_low, "less_than_or_equal_to": n_high}
    assert said == {rule: str(n) for rule, n in expected.items() if n}


def _low(days: int) -> bool:
    return days < 0


def _high(days: int) -> bool:
    return days > 90


def test_an_empty_table_is_sound(connection: duckdb.DuckDBPyConnection) -> None:
    assert prove(connection, stored(connection, USE, uses([]))) == 0


def test_one_unknown_code_among_many_is_found(connection: duckdb.DuckDBPyConnection) -> None:
    rows = pl.concat([uses([1] * 50), uses([None], state="asleep")])
    with pytest.raises(InvalidTableError, match=r"breaks its model: state isin: 1 rows$"):
        prove(connection, stored(connection, USE, rows))


def test_not_a_number_is_out_of_range(connection: duckdb.DuckDBPyConnection) -> None:
    rows = uses([1, 1], use_share=float("nan"))
    with pytest.raises(InvalidTableError, match="use_share less_than_or_equal_to: 2 rows"):
        prove(connection, stored(connection, USE, rows))


def test_every_text_is_held_against_its_pattern(connection: duckdb.DuckDBPyConnection) -> None:
    names = [column.name for column in WORDS.columns if not column.nullable]
    fill = {pl.String: "ended", pl.Int32: 1, pl.Int64: 1, pl.Boolean: False}
    row = {name: fill[type(WORDS.column(name).dtype)] for name in names}
    rows = pl.DataFrame(
        [{**row, "word": word} for word in ("AAE", "A5E", "mm_")],
        schema_overrides={name: WORDS.column(name).dtype for name in names},
    )
    with pytest.raises(InvalidTableError, match="word str_matches: 1 rows"):
        prove(connection, stored(connection, WORDS, rows))


def test_a_double_key_is_counted(connection: duckdb.DuckDBPyConnection) -> None:
    stored(connection, USE, pl.concat([uses([1, 2, 3]), uses([4, 5])]))
    with pytest.raises(InvalidTableError, match="holds 2 keys more than once"):
        prove(connection, USE)


APPOINTMENT = TABLES["core.appointment"]
words = st.none() | st.sampled_from([f"type_{place}" for place in range(70)])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), words), min_size=1, max_size=30),
    st.sampled_from([3, 70]),
)
def test_a_key_is_refused_exactly_when_it_stands_twice(
    connection: duckdb.DuckDBPyConnection, keys: list[tuple[str, str | None]], n_types: int
) -> None:
    """With few values in the last column, and with more than there are bits; null is a value."""
    filled = [("c", f"type_{place}") for place in range(n_types)]
    rows = pl.DataFrame(
        [*keys, *filled], schema=["patient_id", "appointment_type"], orient="row"
    ).with_columns(
        pl.lit(value).alias(name)
        for name, value in {
            "cohort": "tsb",
            "unit_id": "u",
            "scheduled_date": date(2014, 5, 1),
            "status": "attended",
        }.items()
    )
    stored(connection, APPOINTMENT, rows.select(set(rows.columns) & set(APPOINTMENT.dtypes)))
    twice = len([n for n in Counter([*keys, *filled]).values() if n > 1])
    if not twice:
        prove(connection, APPOINTMENT)
        return
    with pytest.raises(InvalidTableError, match=f"holds {twice} keys more than once"):
        prove(connection, APPOINTMENT)
