"""The core tables of one cohort, from everything ever taken in.

Belongs here: the order of the steps, and which intermediate result is kept.
Does not belong here: the steps themselves (see `registry_pipeline.transform`).

Interviews are wide and many: the steps carry their keys, dates and status alone, and the answers
join again by (delivery, row_number) where a table is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.transform.current import current
from registry_pipeline.transform.deliveries import files
from registry_pipeline.transform.engine import Frame, is_empty, materialise
from registry_pipeline.transform.episodes import core_episodes, covers, episode_rows, last_seen
from registry_pipeline.transform.holding import death_dates, held, judge, kept, standing
from registry_pipeline.transform.people import known_dates, people, with_baseline_pathway
from registry_pipeline.transform.scores import scores
from registry_pipeline.transform.services import SERVICES, service_rows, unit_rows
from registry_pipeline.transform.shape import shaped
from registry_pipeline.transform.substances import substance_rows, use_by_visit
from registry_pipeline.transform.visits import visit_grid, visit_rows, with_waves
from schemas.core.people import Episode, Patient
from schemas.core.visits import Interview, SubstanceUse, Visit
from schemas.fields import Table, describe
from schemas.forms import FORMS, form_table
from schemas.protocol import Protocol

Rows = dict[str, Frame]

_STEPS: Final = ("patient_id", "interview_date", "status", "planned_wave")
"""What the steps need of an interview, beside where its row came from."""

_PASSED: Final = ("protocol", "quarter", "number", "is_retraction")
"""What no step needs once the current row of a key is found."""


def core_tables(
    intake: Mapping[str, Frame], deliveries: Frame, protocol: Protocol
) -> dict[str, Frame | pl.DataFrame]:
    """Every core table and meta.held of one cohort.

    Args:
        intake: form name to every row of intake.<form> of this protocol; an empty frame for a
            form that was never delivered. Columns the protocol does not ask for are left alone.
        deliveries: meta.delivery of this protocol.
        protocol: the cohort's protocol.

    Returns:
        "core.patient" and so on, and "meta.held", each with exactly its model's columns. Frames
        are lazy: store one before reading it twice.
    """
    # Steps are not built for forms that nobody delivers; those of events ask for deaths and moves.
    served = {service.form for service in SERVICES} - {"events"}
    absent = {form for form in served if is_empty(intake[form])}
    tables = {form: form_table(form, protocol) for form in FORMS if form not in absent}
    ledger = materialise(files(deliveries))
    patients, judged = _judged(intake, ledger, tables)
    fit = {form: kept(form, rows) for form, rows in judged.items()}
    seen = last_seen(intake["episodes"], _of(ledger, "episodes"), tables["episodes"])
    stays = materialise(episode_rows(fit["episodes"], seen, tables["episodes"], protocol))
    clock = materialise(_people(patients, fit, stays, ledger, protocol))
    covered = materialise(covers(stays, clock, protocol))
    waves = materialise(with_waves(fit["interviews"], clock, protocol.waves))
    grid = materialise(visit_grid(clock, waves, protocol.waves))
    visits = materialise(visit_rows(grid, covered, protocol))
    patients = with_baseline_pathway(clock, covered, protocol)
    return {
        "core.patient": shaped(patients, describe(Patient), protocol.id),
        "core.unit": unit_rows(protocol),
        "core.interview": _interviews(intake["interviews"], waves, protocol),
        "core.visit": shaped(visits, describe(Visit), protocol.id),
        "core.substance_use": _substance_use(visits, intake["interviews"], protocol),
        "core.episode": shaped(core_episodes(stays, clock), describe(Episode), protocol.id),
        **{
            describe(service.model).full_name: (
                service_rows(service, fit[service.form], clock, protocol)
                if service.form in fit
                else pl.DataFrame(schema=describe(service.model).dtypes)
            )
            for service in SERVICES
        },
        "meta.held": nw.concat(
            [held(form, rows, tables[form], protocol.id) for form, rows in judged.items()]
        ),
    }


def _judged(
    intake: Mapping[str, Frame], ledger: Frame, tables: Mapping[str, Table]
) -> tuple[Frame, Rows]:
    """Current rows of patients with death_date, and of the other forms with every verdict.

    A death is itself a row that rules judge, so events and stays are judged first without one.
    """
    rows = {form: current(intake[form], table).drop(_PASSED) for form, table in tables.items()}
    rows["interviews"] = rows["interviews"].select("delivery", "row_number", *_STEPS)
    patients = materialise(rows.pop("patients"))
    alive = standing(patients).with_columns(death_date=nw.lit(None, nw.Date))
    told = {
        form: kept(form, judge(form, rows[form], alive, _of(ledger, form)))
        for form in ("events", "episodes")
    }
    deaths = death_dates(told["events"], told["episodes"])
    facts = materialise(standing(patients).join(deaths, on="patient_id", how="left"))
    return (
        patients.join(facts.select("patient_id", "death_date"), on="patient_id", how="left"),
        {form: judge(form, rows[form], facts, _of(ledger, form)) for form in rows},
    )


def _people(patients: Frame, fit: Rows, stays: Frame, ledger: Frame, protocol: Protocol) -> Frame:
    dates = known_dates(fit["interviews"], stays, fit["events"], fit["withdrawals"])
    return people(patients, dates, _of(ledger, "patients"), _known_until(ledger), protocol)


def _known_until(ledger: Frame) -> Frame:
    """One row per sender: the cut-offs of its interviews and its steps, null where it has none."""
    form, cutoff = nw.col("form"), nw.col("cutoff_date")
    return ledger.group_by("sender").agg(
        interview_cutoff_date=nw.when(form == "interviews").then(cutoff).max(),
        step_cutoff_date=nw.when(form == "process_events").then(cutoff).max(),
    )


def _interviews(rows: Frame, waves: Frame, protocol: Protocol) -> Frame:
    """core.interview: the rows that hold a place in `waves`, with their answers and scores."""
    placed = waves.select(
        "delivery",
        "row_number",
        "interview_day",
        "wave",
        "wave_reason",
        "days_from_nominal",
        "visit_window",
    )
    answered = rows.join(placed, on=["delivery", "row_number"]).with_columns(*scores())
    return shaped(answered, describe(Interview), protocol.id)


def _substance_use(visits: Frame, rows: Frame, protocol: Protocol) -> Frame | pl.DataFrame:
    table = describe(SubstanceUse)
    if not protocol.substances:
        return pl.DataFrame(schema=table.dtypes)
    uses = use_by_visit(visits, rows, protocol)
    return shaped(substance_rows(uses, protocol), table, protocol.id)


def _of(ledger: Frame, form: str) -> Frame:
    return ledger.filter(nw.col("form") == form)
