"""Small deliveries for the tests of their faults: written, taken in, and counted.

Belongs here: what the tests of deliveries, folder contents and retractions share.
Does not belong here: any expectation.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.deliveries.landing import write_manifest
from registry_pipeline.deliveries.taken import DeliveryReport
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse import refusals

PATIENTS = "patient_id,sex,birth_year,consent,consent_date\nA-1,male,1970,consented,2014-05-02\n"
INTERVIEWS = "patient_id,interview_date,status,heroin_days\nA-1,2014-05-10,completed,0\n"


def deliver(
    landing: Path, delivery: str = "2014-Q2", protocol: str = "lar_x", **given: Any
) -> Path:
    """Writes a delivery; a file's text is given under its form's name."""
    folder = landing / protocol / delivery
    folder.mkdir(parents=True)
    files = {form: given.pop(form) for form in ("patients", "interviews") if form in given}
    rows = given.pop("rows", {form: text.count("\n") - 1 for form, text in files.items()})
    for form, text in files.items():
        (folder / f"{form}.csv").write_text(text)
    quarter, _, number = delivery[:7], delivery[7:8], delivery[8:] or "1"
    write_manifest(
        folder,
        protocol=given.pop("manifest_protocol", protocol),
        quarter=quarter,
        number=int(number),
        kind="full" if number == "1" else "correction",
        extracted_on=given.pop("extracted_on", date(2014, 7, 1)),
        sender=given.pop("sender", "helse-bergen"),
        rows=rows,
    )
    text = given.pop("append", "")
    with (folder / "delivery.toml").open("a") as manifest:
        manifest.write(text)
    return folder


def take(connection: duckdb.DuckDBPyConnection, home: Home, folder: Path) -> DeliveryReport:
    return take_in(connection, home, folder, open_key(connection, home))


def stored(connection: duckdb.DuckDBPyConnection, form: str = "interviews") -> int:
    return int(connection.execute(f"SELECT count(*) FROM intake.{form}").fetchall()[0][0])


def refused(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Form and reason of every refusal that is open."""
    return [(form, reason) for _, _, form, reason in refusals.open_refusals(connection)]


HEADER = "patient_id,interview_date,status,heroin_days\n"


def interviews(*rows: str) -> str:
    return HEADER + "".join(f"A-1,{row}\n" for row in rows)
