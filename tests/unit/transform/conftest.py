"""Both engines, and small cohorts as they lie in intake."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from registry_pipeline.transform.engine import Frame
from schemas.fields import describe
from schemas.forms import FORMS, intake_table
from schemas.meta.ledger import Delivery
from schemas.protocol import load_shipped

Frames = dict[str, pl.DataFrame]
Both = Callable[..., Any]
Cohort = Callable[..., Frames]

LAR_X = load_shipped("lar_x")


@pytest.fixture(scope="session")
def both_engines() -> Iterator[Both]:
    """`both(fn, **frames)`: what fn gives on Polars, after the same came out of DuckDB.

    fn takes the frames by name, as lazy frames, and returns one or a dict of them. Rows are
    compared whatever their order, types included, and come back sorted.
    """
    with duckdb.connect(config={"python_enable_replacements": False}) as connection:

        def both(fn: Callable[..., Any], **frames: pl.DataFrame) -> Any:
            on_polars = fn(**{name: nw.from_native(rows.lazy()) for name, rows in frames.items()})
            on_duckdb = fn(
                **{name: in_duckdb(connection, name, rows) for name, rows in frames.items()}
            )
            if not isinstance(on_polars, Mapping):
                return _same(on_polars, on_duckdb)
            assert list(on_polars) == list(on_duckdb)
            return {name: _same(frame, on_duckdb[name]) for name, frame in on_polars.items()}

        yield both


def in_duckdb(connection: duckdb.DuckDBPyConnection, name: str, rows: pl.DataFrame) -> Frame:
    connection.register("given", rows)
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given")
    connection.unregister("given")
    frame: Frame = nw.from_native(connection.sql(f"SELECT * FROM {name}"))
    return frame


def _same(on_polars: Frame | pl.DataFrame, on_duckdb: Frame | pl.DataFrame) -> pl.DataFrame:
    left, right = _sorted(on_polars), _sorted(on_duckdb)
    assert_frame_equal(left, right, check_exact=True)
    return left


def _sorted(frame: Frame | pl.DataFrame) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    rows: pl.DataFrame = frame.collect("polars").to_native()
    return rows.sort(rows.columns, nulls_last=True)


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    """`cohort(patients=[...], interviews=[...])`: every form of LAR X as intake holds it.

    A row says what matters; the rest is null, and it came in the first delivery, 2014-Q3.
    `cohort(interviews=[...])` alone gives empty frames for the other forms.
    """
    return build_cohort


def build_cohort(**forms: list[dict[str, Any]]) -> Frames:
    return {form: intake_rows(form, forms.get(form, [])) for form in FORMS}


def intake_rows(form: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    came = {
        "protocol": "lar_x",
        "delivery": "2014-Q3",
        "quarter": "2014-Q3",
        "number": 1,
        "is_retraction": False,
    }
    numbered = [came | {"row_number": place} | row for place, row in enumerate(rows, start=1)]
    return pl.DataFrame(numbered, schema=intake_table(form, LAR_X).dtypes)


@pytest.fixture(scope="session")
def ledger() -> Callable[..., pl.DataFrame]:
    """`ledger(("2014-Q3", 1, "full", date), ...)`: the lines of meta.delivery of one sender."""

    def build(
        *lines: tuple[str, int, str, Any],
        sender: str = "helse-bergen",
        forms: tuple[str, ...] = tuple(FORMS),
        status: str = "accepted",
    ) -> pl.DataFrame:
        rows = [
            {
                "protocol": "lar_x",
                "delivery": quarter if number == 1 else f"{quarter}-{number}",
                "form": form,
                "quarter": quarter,
                "number": number,
                "sender": sender,
                "kind": kind,
                "status": status,
                "extracted_on": extracted_on,
            }
            for quarter, number, kind, extracted_on in lines
            for form in forms
        ]
        return pl.DataFrame(rows, schema=describe(Delivery).dtypes)

    return build
