"""Intake as an analyst would script it: pandas, Pandera and DuckDB.

Belongs here: the script, with the same types, ranges, codes and pseudonyms as the gate.
Does not belong here: what such a script leaves out: proof of the file's structure, identity
numbers, rules across columns, warnings, a ledger.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd
import pandera.pandas as pa
import polars as pl

from benchmarks.landing import PROTOCOL, delivery_of
from benchmarks.measure import timed
from registry_pipeline.gate.manifest import read_manifest
from schemas.fields import Column, Table
from schemas.forms import form_table
from schemas.protocol import load_shipped

KEY: Final = b"a key of the benchmark, 32 bytes"
DTYPES: Final = {
    pl.String: "str",
    pl.Int32: "Int32",
    pl.Float64: "float64",
    pl.Boolean: "boolean",
}


pa.DataFrameSchema({}).validate(pd.DataFrame())  # loads Pandera's back end, as every import


def pandas(source: Path, out: Path) -> dict[str, float]:
    """Reads, validates, pseudonymises and stores every form; bad rows go to their own table."""
    protocol = load_shipped(PROTOCOL)
    folder = delivery_of(source)
    counts = read_manifest(folder).rows
    tables = {form: form_table(form, protocol) for form in counts}
    accepted = quarantined = 0
    with timed() as numbers, duckdb.connect(out / "pandas.duckdb") as connection:
        for form, table in tables.items():
            rows = _read(folder / f"{form}.csv", table)
            if len(rows) != counts[form]:
                raise ValueError(f"{form}: the control total differs")
            good, bad = _judged(rows, _schema(table, list(rows.columns)))
            accepted, quarantined = accepted + len(good), quarantined + len(bad)
            for name, frame in ((form, good), (f"quarantined_{form}", bad)):
                stored = frame.assign(patient_id=_pseudonyms(frame["patient_id"]))
                connection.register("rows", stored)
                connection.execute(f"CREATE TABLE {name} AS SELECT * FROM rows")
                connection.unregister("rows")
    return {**numbers, "accepted": accepted, "quarantined": quarantined}


def _read(path: Path, table: Table) -> pd.DataFrame:
    header = pd.read_csv(path, nrows=0).columns
    kinds = {column.name: type(column.dtype) for column in table.columns if column.name in header}
    dates = [name for name, kind in kinds.items() if kind is pl.Date]
    dtypes = {name: DTYPES[kind] for name, kind in kinds.items() if name not in dates}
    return pd.read_csv(path, dtype=dtypes, parse_dates=dates, date_format="%Y-%m-%d")


def _schema(table: Table, delivered: list[str]) -> pa.DataFrameSchema:
    columns = {name: _column(table.column(name)) for name in delivered}
    return pa.DataFrameSchema(columns, strict=True)


def _column(column: Column) -> pa.Column:
    checks = []
    if column.codes:
        checks.append(pa.Check.isin(list(column.codes.codes)))
    if column.low is not None:
        checks.append(pa.Check.ge(column.low))
    if column.high is not None:
        checks.append(pa.Check.le(column.high))
    dtype = DTYPES.get(type(column.dtype), "datetime64[us]")
    return pa.Column(dtype, checks, nullable=column.nullable)


def _judged(rows: pd.DataFrame, schema: pa.DataFrameSchema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Good rows and bad rows."""
    try:
        return schema.validate(rows, lazy=True), rows.iloc[:0]
    except pa.errors.SchemaErrors as errors:
        bad = errors.failure_cases["index"].dropna().astype("int64").unique()
        return rows.drop(index=bad), rows.loc[bad]


def _pseudonyms(ids: pd.Series) -> pd.Series:
    return ids.map({text: _pseudonym(text) for text in ids.unique()})


def _pseudonym(text: str) -> str:
    return hmac.new(KEY, f"{PROTOCOL}\x1f{text}".encode(), hashlib.sha256).hexdigest()[:32]
