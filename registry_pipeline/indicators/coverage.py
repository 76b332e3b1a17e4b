"""How much of the eligible the cohort covers, and the time it spans.

Belongs here: what indicators, programme tables and data-quality rules all ask of a cohort.
Does not belong here: what is done with the answer.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.deliveries import cutoffs
from registry_pipeline.transform.engine import Frame
from schemas.protocol import Protocol

SILENT: Final = timedelta(days=365)
"""A unit that is so far behind the latest has stopped delivering: nobody waits for it."""


def eligible(core: Core, protocol: Protocol) -> Frame:
    """One row: n_enrolled and n_eligible.

    Eligible are those of core.patient, and at least as many as the protocol says: a patients
    form without the people who declined does not read as full coverage.
    """
    patients = core["core.patient"].select(
        n_enrolled=nw.col("enrolled").cast(nw.Int64).sum().fill_null(0).cast(nw.Int64),
        n_delivered=nw.len().cast(nw.Int64),
    )
    told = nw.lit(protocol.eligible or 0, nw.Int64)
    return patients.select("n_enrolled", n_eligible=nw.max_horizontal("n_delivered", told))


def is_low(core: Core, protocol: Protocol) -> bool:
    """Whether coverage is known and below the protocol's threshold (60 % by default)."""
    row: pl.DataFrame = eligible(core, protocol).collect("polars").to_native()
    n_enrolled, n_eligible = map(int, row.row(0))
    return n_eligible > 0 and n_enrolled / n_eligible < protocol.disclosure.low_coverage


def whole_period(core: Core) -> tuple[date, date]:
    """From the cohort's first day to its cut-off.

    The first invitation, consent or interview, and the first stay of people with none of them; for
    a cohort without people the first delivery's cut-off. The last is the latest cut-off of a
    sender: no correction and no refused file moves it, unless there is nothing else.
    """
    asked = nw.min_horizontal("invited_date", "consent_date", "baseline_date")
    stays = core["core.episode"].group_by("patient_id").agg(began=nw.col("start_date").min())
    people = core["core.patient"].select("patient_id", asked=asked)
    known_by = people.join(stays, on="patient_id", how="left")
    days = known_by.select(nw.coalesce("asked", "began").min().alias("first"))
    deliveries = core["meta.delivery"]
    cuts = cutoffs(deliveries).select(nw.col("sender_cutoff_date").max())
    extracted = nw.col("extracted_on")
    told = deliveries.select(extracted.min().alias("first"), extracted.max().alias("last"))
    began: pl.DataFrame = days.collect("polars").to_native()
    known: pl.DataFrame = cuts.collect("polars").to_native()
    first, last = told.collect("polars").to_native().row(0)
    return min(began.item() or first, first), known.item() or last


def unit_ends(core: Core) -> pl.DataFrame:
    """The last day of data of each unit that has people, and of `all` units together.

    Senders have different cut-offs. A unit's is that of its people; all units together are known
    until the first of them ends, but for those that are silent (`SILENT`).

    Returns:
        unit_id, ends, and steps_end, of what steps of the process answer; no row where nobody's
        unit or cut-off is known.
    """
    cutoff, of_steps = nw.col("cutoff_date"), nw.col("step_cutoff_date")
    known = core["core.patient"].filter(~nw.col("unit_id").is_null(), ~cutoff.is_null())
    latest = known.group_by("unit_id").agg(
        ends=cutoff.max(), steps_end=nw.min_horizontal(cutoff, of_steps).max()
    )
    units: pl.DataFrame = latest.collect("polars").to_native()
    end = pl.col("ends", "steps_end")
    together = units.select(
        pl.lit("all").alias("unit_id"), end.filter(end > end.max() - SILENT).min()
    )
    return pl.concat([units, together.drop_nulls()])
