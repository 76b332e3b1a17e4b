"""The START trial (CTN-0027) as one delivery: `registry import-ctn0027`.

Belongs here: how the trial's days, doses, reports and missed visits become patients,
interviews, episodes and events, by the definitions under which its answers were published.
Does not belong here: reading the package's tables (`ctn0027_source`), the two drop-out rules
(`ctn0027_stays`), any estimate: the delivery passes the same gate and derivations as others.

The source counts days from consent and has no calendar. Every date is therefore artificial:
consent is 1 May 2006 for everyone, and the cut-off lies after the last day of the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from registry_pipeline.cohorts.ctn0027_source import (
    SourceError,
    Tables,
    attended,
    missed_visits,
    read_tables,
)
from registry_pipeline.cohorts.ctn0027_stays import STAYS, DropOut
from registry_pipeline.deliveries.landing import write_manifest
from schemas.protocol import load_shipped

CONSENT: Final = date(2006, 5, 1)
CUT_OFF: Final = date(2009, 12, 31)
DELIVERY: Final = "2009-Q4"
SENDER: Final = "public.ctn0094data"
PROTOCOL: Final = load_shipped("ctn0027")

PATHWAYS: Final = {"Methadone": "methadone", "Outpatient BUP": "buprenorphine"}
SUBSTANCES: Final = {
    "heroin": "opioid",
    "opioid": "opioid",
    "methadone": "opioid",
    "buprenorphine": "opioid",
    "alcohol": "alcohol",
    "thc": "cannabis",
    "benzodiazepine": "benzodiazepine",
    "amphetamine": "amphetamine",
    "cocaine": "cocaine",
}
"""Name in the daily reports to ours; the rest (0.5 % of the rows, mostly medicines) is left out."""

DIAGNOSES: Final = ("has_schizophrenia", "has_major_dep", "has_bipolar", "has_anx_pan")
EVENTS: Final = {"is_in_jail": "incarceration", "is_in_hospital": "hospital_admission"}
WAVE_DAYS: Final = 28


@dataclass(frozen=True)
class ImportSummary:
    """What an import wrote.

    Attributes:
        folder: the delivery's folder, `<out>/ctn0027/2009-Q4`.
        rows: rows by form.
    """

    folder: Path
    rows: dict[str, int]


def import_ctn0027(source: Path, out: Path, drop_out: DropOut = "last-dose") -> ImportSummary:
    """Write the trial as a delivery of protocol `ctn0027`; the same input gives the same bytes.

    Args:
        source: folder with the package's tables as `<table>.csv` or `<table>.csv.gz`.
        out: the landing folder; the delivery is replaced where it already stands.
        drop_out: what ends a stay: the day of the last dose, which covers one day; or the first
            of four weeks in a row without visit and opioid urine (none: the stay is censored).

    Raises:
        SourceError: a table or column is missing or cannot be read, or nobody was randomised,
            or to another arm, or there is no such rule.
    """
    if drop_out not in STAYS:
        raise SourceError(f"drop-out rule must be one of: {', '.join(STAYS)}")
    tables = read_tables(source)
    people = _people(tables)
    forms = {
        "patients": _patients(people),
        "interviews": _interviews(people, tables),
        "episodes": _episodes(people, STAYS[drop_out](people, tables)),
        "events": _events(people, tables),
    }
    folder = out / PROTOCOL.id / DELIVERY
    _write_delivery(forms, folder)
    return ImportSummary(folder, {form: frame.height for form, frame in forms.items()})


def _people(tables: Tables) -> pl.DataFrame:
    """One row per person of project 27 at the first randomisation.

    Columns of every form that follows: who, patient_id, pathway, unit_id, randomised (days
    from consent), start_date (that day); and what the patients form alone needs.
    """
    randomised = tables["randomization"].filter(pl.col("which") == "1")
    project = tables["everybody"].filter(pl.col("project") == "27")
    people = randomised.join(project, on="who", how="semi").sort("who")
    if people.is_empty():
        raise SourceError("randomization: nobody of project 27 is randomised")
    if not people["treatment"].is_in(list(PATHWAYS)).all():
        raise SourceError(f"randomization: column treatment must be {' or '.join(PATHWAYS)}")
    for name in ("demographics", "psychiatric", "site_masked"):
        people = people.join(tables[name], on="who", how="left", maintain_order="left")
    return people.select(
        "who",
        _day(pl.col("when")).alias("start_date"),
        patient_id=pl.col("who").cast(pl.String),
        pathway=pl.col("treatment").replace_strict(PATHWAYS),
        unit_id="site_" + pl.col("site_masked").str.zfill(2),
        randomised="when",
        sex=pl.col("is_male").replace_strict({"Yes": "male", "No": "female"}, default="unknown"),
        birth_year=CONSENT.year - pl.col("age"),
        co_occurring_disorder=_any_diagnosis(),
    )


def _any_diagnosis() -> pl.Expr:
    """True with any diagnosis of the psychiatric history, null when no question is answered."""
    answers = [pl.col(name) for name in DIAGNOSES]
    return (
        pl.when(pl.any_horizontal(answer == "Yes" for answer in answers))
        .then(statement=True)
        .when(pl.any_horizontal(answer == "No" for answer in answers))
        .then(statement=False)
    )


def _patients(people: pl.DataFrame) -> pl.DataFrame:
    return people.select(
        "patient_id",
        "sex",
        "birth_year",
        "unit_id",
        pl.col("pathway").alias("assigned_pathway"),
        pl.lit("opioid").alias("primary_substance"),
        pl.lit("consented").alias("consent"),
        pl.lit(CONSENT).alias("consent_date"),
        pl.col("start_date").alias("treatment_start_date"),
        "co_occurring_disorder",
    )


def _interviews(people: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """One row per person and wave; the interview looks back on the 28 days that end with it.

    A window with an attended visit or a daily report is a completed interview: a substance
    without a report then was not used. A window with neither is missed, and its days are null.
    """
    days = pl.concat([attended(tables), tables["tlfb"].select("who", "when")])
    held = _with_wave(people, days).select("who", "wave", held=True).unique()
    nominal = PROTOCOL.waves.nominal_days
    waves = pl.DataFrame({"wave": range(len(nominal)), "nominal_day": nominal})
    use = (pl.when("held").then(pl.col(name).fill_null(0)) for name in PROTOCOL.substance_columns)
    return (
        people.join(waves, how="cross")
        .join(held, on=["who", "wave"], how="left")
        .join(_use_days(people, tables), on=["who", "wave"], how="left")
        .sort("who", "wave")
        .select(
            "patient_id",
            _day(pl.col("randomised") + pl.col("nominal_day")).alias("interview_date"),
            pl.when("held").then(pl.lit("completed")).otherwise(pl.lit("missed")).alias("status"),
            "unit_id",
            pl.lit(WAVE_DAYS).alias("recall_days"),
            pl.col("wave").alias("planned_wave"),
            *use,
        )
    )


def _use_days(people: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Distinct days of use by person, wave and substance, one column per substance."""
    substance = pl.col("what").str.to_lowercase().replace_strict(SUBSTANCES, default=None)
    reports = tables["tlfb"].with_columns(substance=substance)
    return (
        _with_wave(people, reports)
        .group_by("who", "wave")
        .agg(
            pl.col("when").filter(pl.col("substance") == item.code).n_unique().alias(column)
            for item, column in zip(PROTOCOL.substances, PROTOCOL.substance_columns, strict=True)
        )
    )


def _with_wave(people: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a wave: 0 is day -27 to 0 from randomisation, 1 is day 1 to 28, and so on."""
    day = pl.col("when") - pl.col("randomised")
    return (
        rows.join(people.select("who", "randomised"), on="who")
        .with_columns(wave=(day + WAVE_DAYS - 1) // WAVE_DAYS)
        .filter(pl.col("wave").is_between(0, len(PROTOCOL.waves.nominal_days) - 1))
    )


def _episodes(people: pl.DataFrame, stays: pl.DataFrame) -> pl.DataFrame:
    """One stay per person, `stay_days` long from randomisation, with its exit and cover."""
    return (
        people.join(stays, on="who", how="left")
        .sort("who")
        .select(
            "patient_id",
            "pathway",
            "unit_id",
            "start_date",
            _day(pl.col("randomised") + pl.col("stay_days")).alias("end_date"),
            "exit_type",
            "cover_days",
        )
    )


def _events(people: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Prison and hospital as stated for missed visits, on the day the visit was planned.

    The same reason at visits of adjacent weeks is one event.
    """
    since = pl.col("planned_day").diff().over("who", "reason", order_by="planned_day")
    return (
        missed_visits(tables, list(EVENTS))
        .filter(since.is_null() | (since > 7))
        .join(people, on="who")
        .sort("who", "planned_day", "reason")
        .select(
            "patient_id",
            _day(pl.col("randomised") + pl.col("planned_day")).alias("event_date"),
            pl.col("reason").replace_strict(EVENTS, return_dtype=pl.String).alias("event_type"),
            "unit_id",
        )
    )


def _day(days_from_consent: pl.Expr) -> pl.Expr:
    return pl.lit(CONSENT) + pl.duration(days=days_from_consent)


def _write_delivery(forms: dict[str, pl.DataFrame], folder: Path) -> None:
    """The forms as CSV, and last the manifest, with which the delivery is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for form, frame in forms.items():
        (folder / f"{form}.csv").write_bytes(frame.write_csv().encode())
    write_manifest(
        folder,
        protocol=PROTOCOL.id,
        quarter=DELIVERY,
        extracted_on=CUT_OFF,
        sender=SENDER,
        rows={form: frame.height for form, frame in forms.items()},
    )
