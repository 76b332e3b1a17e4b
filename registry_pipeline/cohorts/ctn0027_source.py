"""Reading the tables of public.ctn0094data that the START trial needs.

Belongs here: which tables and columns are read, as which type, the error of each flaw, and
how the visit table tells attended from missed.
Does not belong here: what the columns mean for a form (`ctn0027`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

Tables = dict[str, pl.DataFrame]

NUMBERS: Final = {"who": pl.Int64, "when": pl.Int64, "age": pl.Int64, "amount": pl.Float64}
"""Columns that are numbers, in every table; the others are text."""

COLUMNS: Final = {
    "everybody": ("who", "project"),
    "randomization": ("who", "treatment", "which", "when"),
    "demographics": ("who", "age", "is_male"),
    "psychiatric": (
        "who",
        "has_schizophrenia",
        "has_major_dep",
        "has_bipolar",
        "has_anx_pan",
    ),
    "site_masked": ("who", "site_masked"),
    "treatment": ("who", "amount", "when"),
    "tlfb": ("who", "what", "when"),
    "uds": ("who", "what", "when"),
    "visit": (
        "who",
        "visit",
        "what",
        "when",
        "is_in_jail",
        "is_in_hospital",
        "is_missing_14_consecutive",
        "is_left_study",
    ),
}


class SourceError(ValueError):
    """A source that cannot be imported; the message names table and column, never a value."""


def read_tables(source: Path) -> Tables:
    """The tables of `COLUMNS`, with those columns alone; an empty cell or NA is null.

    Args:
        source: folder with `<table>.csv` or `<table>.csv.gz` as the package exports them.

    Raises:
        SourceError: a table or a column is missing, or a file or a number cannot be read.
    """
    return {name: _read_table(source, name) for name in COLUMNS}


def _read_table(source: Path, name: str) -> pl.DataFrame:
    files = [
        path for ending in ("csv", "csv.gz") if (path := source / f"{name}.{ending}").is_file()
    ]
    if not files:
        raise SourceError(f"{name}: neither {name}.csv nor {name}.csv.gz is in the source folder")
    path = files[0]
    try:
        frame = pl.read_csv(path, infer_schema=False, null_values=["", "NA"])
    except (pl.exceptions.PolarsError, OSError):
        # The reader's own message quotes the file's content.
        raise SourceError(f"{path.name}: not a readable CSV file") from None
    for column in COLUMNS[name]:
        if column not in frame.columns:
            raise SourceError(f"{path.name}: column {column} is missing")
    return frame.select(
        _number(path.name, frame[column]) if column in NUMBERS else frame[column]
        for column in COLUMNS[name]
    )


def _number(file: str, text: pl.Series) -> pl.Series:
    """The column as numbers; null stays null.

    Raises:
        SourceError: a cell is no number; its line is named.
    """
    number = text.cast(NUMBERS[text.name], strict=False)
    wrong = (number.is_null() & text.is_not_null()).arg_true()
    if len(wrong):
        raise SourceError(f"{file}: line {wrong[0] + 2}, column {text.name} is not a number")
    return number


def attended(tables: Tables) -> pl.DataFrame:
    """The attended visits: who, when (several visits of one day are several rows)."""
    return tables["visit"].filter(pl.col("what") == "visit").select("who", "when")


def missed_visits(tables: Tables, reasons: list[str]) -> pl.DataFrame:
    """One row per missed visit and stated reason: who, planned_day from randomisation, reason.

    A missed visit has no day of its own; the visit of week 12 (WK12) was planned on day 84.
    """
    week = pl.col("visit").str.extract(r"^WK(\d+)$").cast(pl.Int64)
    return (
        tables["visit"]
        .filter(pl.col("what") == "no visit")
        .with_columns(planned_day=7 * week)
        .unpivot(reasons, index=["who", "planned_day"], variable_name="reason")
        .filter(pl.col("value") == "1", pl.col("planned_day").is_not_null())
        .select("who", "planned_day", "reason")
        .unique()
    )
