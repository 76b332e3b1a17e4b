"""A whole synthetic cohort, simulated in batches and written in bounded memory.

Belongs here: putting the parts of the simulation together, and the landing folder of any size.
Does not belong here: the parts themselves, the sample's flaws (see `flaws`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.answers import draw_interviews
from registry_pipeline.synthetic.care import draw_process_events, draw_toxicology
from registry_pipeline.synthetic.course import draw_course
from registry_pipeline.synthetic.deliveries import (
    FORMS,
    Delivery,
    Period,
    carried,
    periods,
)
from registry_pipeline.synthetic.people import draw_people, eligible_people, start_pathways
from registry_pipeline.synthetic.visits import draw_visits
from schemas.protocol import Protocol

BATCH: Final = 14_000
"""Consented people simulated at a time; a multiple of 70, so that the margins stay exact."""


@dataclass(frozen=True)
class Summary:
    """What was written: the deliveries, in order, and the rows of each form over all of them."""

    deliveries: tuple[str, ...]
    rows: dict[str, int]


def simulate(
    protocol: Protocol, first: int, patients: int, rng: np.random.Generator
) -> dict[str, pl.DataFrame]:
    """One batch of a cohort as clean forms, with no end in sight.

    Args:
        protocol: the schedule, substances, pathways and units.
        first: number of eligible people simulated before, which the ids continue.
        patients: how many people consent; the eligible others come on top.
        rng: the source of chance.

    Returns:
        Form name to frame; patients with `changed_date` beside the form's columns.
    """
    form, people = draw_people(protocol, first, patients, rng)
    course = draw_course(protocol, people, rng)
    visits = draw_visits(protocol, people, course, rng)
    interviews = draw_interviews(protocol, people, course, visits, rng)
    return {
        "patients": form,
        "interviews": interviews,
        "episodes": course.episodes,
        "events": course.events,
        "process_events": draw_process_events(protocol, people, course, rng),
        "toxicology": draw_toxicology(protocol, interviews, rng),
    }


def write_cohort(
    out: Path, protocol: Protocol, patients: int, seed: int, deliveries: int | None = None
) -> Summary:
    """Writes the clean landing folder `<out>/<protocol>/<delivery>/` of a synthetic cohort.

    The same protocol, patients and seed give the same files. Memory does not grow with the
    number of people.

    Args:
        out: the landing folder to be.
        protocol: the schedule, substances, pathways and units.
        patients: how many people consent; the eligible others come on top, 328 for 70.
        seed: the seed of all chance.
        deliveries: at most so many full deliveries, the first holding everything before it;
            by default one per quarter.

    Raises:
        ValueError: fewer than one person or one delivery is asked for, or the protocol has no
            substances, no treatment pathways or no follow-up to draw from.
        FileExistsError: a delivery folder is there already; nothing is overwritten.
    """
    if patients < 1 or (deliveries is not None and deliveries < 1):
        raise ValueError("a cohort has at least one consented person and one delivery")
    if not protocol.substances or not start_pathways(protocol):
        raise ValueError(f"{protocol.id}: a cohort needs substances and a treatment pathway")
    if len(protocol.waves.nominal_days) < 2:
        raise ValueError(f"{protocol.id}: a cohort needs a wave after the baseline")
    quarters = periods(protocol, deliveries)
    folders = {period.quarter: out / protocol.id / period.quarter for period in quarters}
    for folder in folders.values():
        folder.mkdir(parents=True)
    rows: dict[str, Counter[str]] = {quarter: Counter() for quarter in folders}
    with ExitStack() as stack:
        files = {
            (quarter, form): stack.enter_context((folder / f"{form}.csv").open("wb"))
            for quarter, folder in folders.items()
            for form in FORMS
        }
        first = 0
        for batch, start in enumerate(range(0, patients, BATCH)):
            people = min(BATCH, patients - start)
            cohort = simulate(protocol, first, people, np.random.default_rng([seed, batch]))
            first += eligible_people(protocol, people)
            for period in quarters:
                _append(files, rows[period.quarter], cohort, period)
    for period in quarters:
        quarter = period.quarter
        delivery = Delivery(quarter, period.until, tables={})
        delivery.write_manifest(folders[quarter], protocol.id, rows[quarter])
    total: Counter[str] = sum(rows.values(), Counter())
    return Summary(tuple(folders), {form: total[form] for form in FORMS})


def _append(
    files: Mapping[tuple[str, str], BinaryIO],
    rows: Counter[str],
    cohort: dict[str, pl.DataFrame],
    period: Period,
) -> None:
    """Appends what the period carries; the first batch brings the header."""
    for form, table in carried(cohort, period).items():
        table.write_csv(files[period.quarter, form], include_header=form not in rows)
        rows[form] += table.height
