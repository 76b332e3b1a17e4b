"""Deliveries: a cohort cut into quarters, and the folders that carry it.

Belongs here: what a quarter's delivery carries, the manifest, and the file formats.
Does not belong here: the cohort (see `people` and its neighbours), flaws (see `flaws`).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import polars as pl
import xlsxwriter

from registry_pipeline.deliveries.landing import write_manifest
from registry_pipeline.synthetic.people import FIRST_LETTER, LAST_BASELINE
from schemas.protocol import Protocol

SENDER: Final = "helse-bergen"
DATE_OF: Final = {
    "interviews": "interview_date",
    "events": "event_date",
    "process_events": "event_date",
    "toxicology": "sample_date",
}
"""The date that decides which quarter a row is reported in."""
FORMS: Final = ("patients", "interviews", "episodes", "events", "process_events", "toxicology")
"""The forms of a synthetic cohort."""
FORMAT: Final = {"encoding": "windows-1252", "delimiter": ";", "decimal": ","}
"""The `[format]` of a delivery as an older Norwegian system exports it, dates as dd.mm.yyyy."""


@dataclass(frozen=True)
class Period:
    """The days one full delivery reports: from `since` up to, not including, `until`."""

    quarter: str
    since: date
    until: date


@dataclass(frozen=True)
class Edit:
    """One cell of a file that is written otherwise than it should be: text at a row."""

    form: str
    row: int
    column: str
    text: str | None


@dataclass
class Delivery:
    """One delivery before it is written.

    Attributes:
        quarter: such as 2014-Q3.
        extracted_on: the data cut-off.
        tables: form name to frame.
        number: 1, or 2, 3, ... for corrections.
        edits: cells to write as given; in CSV files only.
        older_export: CSV files are written as `FORMAT` says.
        formats: forms that come as XLSX or Parquet.
        sender: who sends it.
        suffix: what the folder's name ends in, where several senders deliver in a quarter.
    """

    quarter: str
    extracted_on: date
    tables: dict[str, pl.DataFrame]
    number: int = 1
    edits: list[Edit] = field(default_factory=list)
    older_export: bool = False
    formats: dict[str, Literal["xlsx", "parquet"]] = field(default_factory=dict)
    sender: str = SENDER
    suffix: str = ""

    @property
    def id(self) -> str:
        """The name of the delivery's folder."""
        numbered = self.quarter if self.number == 1 else f"{self.quarter}-{self.number}"
        return f"{numbered}-{self.suffix}" if self.suffix else numbered

    def write_manifest(self, folder: Path, protocol_id: str, rows: Mapping[str, int]) -> None:
        """Writes this delivery's `delivery.toml` beside its files."""
        write_manifest(
            folder,
            protocol=protocol_id,
            quarter=self.quarter,
            extracted_on=self.extracted_on,
            sender=self.sender,
            rows=rows,
            number=self.number,
            kind="full" if self.number == 1 else "correction",
            file_format=FORMAT if self.older_export else None,
        )


def periods(protocol: Protocol, deliveries: int | None = None) -> list[Period]:
    """The quarters from the first letter until the last wave's window is closed.

    Args:
        protocol: gives the length of the follow-up.
        deliveries: at most so many, the last ones; the first then holds everything before.
    """
    waves = protocol.waves
    end = LAST_BASELINE + timedelta(days=waves.nominal_days[-1] + waves.in_window_days)
    cuts = [_next_quarter(FIRST_LETTER)]
    while cuts[-1] <= end:
        cuts.append(_next_quarter(cuts[-1]))
    cuts = cuts[-deliveries:] if deliveries else cuts
    return [
        Period(quarter_of(until - timedelta(days=1)), since, until)
        for since, until in zip([date.min, *cuts], cuts, strict=False)
    ]


def quarter_of(day: date) -> str:
    """The quarter of a day, such as 2014-Q3."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


def _next_quarter(day: date) -> date:
    months = day.year * 12 + (day.month - 1) // 3 * 3 + 3
    return date(months // 12, months % 12 + 1, 1)


def carried(cohort: Mapping[str, pl.DataFrame], period: Period) -> dict[str, pl.DataFrame]:
    """What a full delivery carries of a cohort: the new, the changed, and every open stay.

    A disorder that becomes known later is not yet known, an end that lies ahead is not there.
    """

    def within(column: str) -> pl.Expr:
        return pl.col(column).is_between(period.since, period.until, closed="left")

    ahead = pl.col("end_date") >= period.until
    return {
        "patients": cohort["patients"]
        .filter(within("invited_date") | within("changed_date"))
        .with_columns(
            pl.when(pl.col("changed_date") >= period.until)
            .then(pl.lit(value=False))
            .otherwise("co_occurring_disorder")
            .alias("co_occurring_disorder")
        )
        .drop("changed_date"),
        "episodes": cohort["episodes"]
        .filter(
            pl.col("start_date") < period.until,
            pl.col("end_date").is_null() | (pl.col("end_date") >= period.since),
        )
        .with_columns(
            pl.when(ahead.not_()).then("end_date").alias("end_date"),
            pl.when(ahead.not_()).then("exit_type").alias("exit_type"),
        ),
        **{form: cohort[form].filter(within(column)) for form, column in DATE_OF.items()},
    }


def write_delivery(landing: Path, protocol_id: str, delivery: Delivery) -> None:
    """Writes `<landing>/<protocol>/<delivery>/`, the manifest last.

    Raises:
        FileExistsError: the folder is there already; nothing is overwritten.
    """
    folder = landing / protocol_id / delivery.id
    folder.mkdir(parents=True)
    for form in delivery.tables:
        kind = delivery.formats.get(form, "csv")
        content = {"csv": _csv, "xlsx": _xlsx, "parquet": _parquet}[kind](delivery, form)
        (folder / f"{form}.{kind}").write_bytes(content)
    rows = {form: table.height for form, table in delivery.tables.items()}
    delivery.write_manifest(folder, protocol_id, rows)


def _csv(delivery: Delivery, form: str) -> bytes:
    table = delivery.tables[form]
    for edit in (edit for edit in delivery.edits if edit.form == form):
        column = table[edit.column].cast(pl.String)
        table = table.with_columns(column.scatter(edit.row, edit.text))
    if not delivery.older_export:
        return table.write_csv().encode("utf-8")
    text = table.write_csv(
        separator=FORMAT["delimiter"], decimal_comma=True, date_format="%d.%m.%Y"
    )
    return text.encode(FORMAT["encoding"])


def _parquet(delivery: Delivery, form: str) -> bytes:
    buffer = io.BytesIO()
    delivery.tables[form].write_parquet(buffer, compression="uncompressed")
    return buffer.getvalue()


def _xlsx(delivery: Delivery, form: str) -> bytes:
    """A workbook of one sheet, with dates as date cells; the same bytes every time."""
    table, buffer = delivery.tables[form], io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"default_date_format": "yyyy-mm-dd"}) as book:
        book.set_properties({"created": datetime(2014, 1, 1)})  # noqa: DTZ001
        sheet = book.add_worksheet(form)
        for row, cells in enumerate([table.columns, *table.iter_rows()]):
            sheet.write_row(row, 0, cells)
    return _stored(buffer.getvalue())


def _stored(archive: bytes) -> bytes:
    """The zip archive without compression, whose bytes depend on the zlib at hand."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for item in old.infolist():
            new.writestr(zipfile.ZipInfo(item.filename), old.read(item))
    return buffer.getvalue()
