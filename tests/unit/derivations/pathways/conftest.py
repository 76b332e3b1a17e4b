"""Small cohorts, person by person, for the tests of outcomes by pathway."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.derivations.pathways import pathway_tables
from schemas.core import (
    Episode,
    Interview,
    Patient,
    ProcessEvent,
    SubstanceUse,
    Visit,
)
from schemas.derived import RetentionPerson
from schemas.fields import describe
from schemas.protocol import Protocol, parse_protocol

Tables = dict[str, pl.DataFrame]
Person = dict[str, Any]

DAYS = (0, 182, 365)
PROTOCOL = parse_protocol(
    f"""
id = "trial"
title_nb = "Prøve"
title_en = "Trial"
opioid_group = "heroin"
illicit_group = "heroin"
reference_pathway = "gp"

[waves]
interval = 6
nominal_days = {list(DAYS)}

[[substances]]
code = "heroin"
nb = "Heroin"
en = "Heroin"

[[pathways]]
code = "gp"
nb = "Fastlege"
en = "GP"
treatment = true

[[pathways]]
code = "clinic"
nb = "Klinikk"
en = "Clinic"
treatment = true

[[pathways]]
code = "nobody_took"
nb = "Ingen"
en = "Nobody took"
treatment = true
""",
    "trial",
)
MODELS = {
    "core.patient": Patient,
    "core.visit": Visit,
    "core.interview": Interview,
    "core.substance_use": SubstanceUse,
    "core.episode": Episode,
    "core.process_event": ProcessEvent,
    "derived.retention_person": RetentionPerson,
}
MAY_1 = date(2014, 5, 1)
KEY = {"cohort": "trial"}


def frames_of(people: Sequence[Person]) -> Tables:
    """Core tables of people.

    A person is a dict of columns of core.patient and, all optional: `n` (so many alike, default
    1), `waves` (wave to answers, or to the word of a missed visit; `heroin` is days of 28; a
    wave left out is missed), `at_wave` (wave to pathway, else the one at baseline), `treatment`
    (entry, exit, exit type: one episode of retention), `stays` (pathway, start, end), `events`
    (kind, day).
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in MODELS}
    everyone = [person for person in people for _ in range(person.get("n", 1))]
    for number, person in enumerate(everyone):
        who = KEY | {"patient_id": f"p{number}"}
        columns = describe(Patient).dtypes
        patient = {name: value for name, value in person.items() if name in columns}
        rows["core.patient"].append(who | PATIENT | patient)
        for wave, due_day in enumerate(DAYS):
            _add_visit(rows, who, wave, due_day, person)
        if "treatment" in person:
            entry, leave, exit_type = person["treatment"]
            episode = {"entry_day": entry, "exit_day": leave, "exit_type": exit_type}
            unit = {"unit_id": patient.get("unit_id")}
            rows["derived.retention_person"].append(who | EPISODE | episode | unit | {
                "is_dropout": exit_type == "patient_absent"
            })  # fmt: skip
        for pathway, start, end in person.get("stays", []):
            stay = {"pathway": pathway, "start_day": start, "end_day": end, "last_seen_day": 400}
            rows["core.episode"].append(who | stay)
        for kind, day in person.get("events", []):
            rows["core.process_event"].append(who | {"kind": kind, "event_day": day})
    return {
        name: pl.DataFrame(rows[name], schema=describe(model).dtypes)
        for name, model in MODELS.items()
    }


PATIENT = {
    "enrolled": True,
    "sex": "male",
    "age_group": "age_30_39",
    "unit_id": "north",
    "baseline_pathway": "gp",
    "origin_date": MAY_1,
    "retention_origin_date": MAY_1,
    "cutoff_date": date(2015, 6, 30),
    "cutoff_day": 425,
}
EPISODE = {"kind": "treatment", "origin": "baseline", "episode_no": 1, "cutoff_day": 425}


def _add_visit(
    rows: dict[str, list[dict[str, Any]]],
    who: dict[str, Any],
    wave: int,
    due_day: int,
    person: Person,
) -> None:
    answers = person.get("waves", {}).get(wave, "missed")
    held = isinstance(answers, dict)
    status = "completed" if held else answers
    pathway = person.get("at_wave", {}).get(wave, person.get("baseline_pathway", "gp"))
    visit = {"wave": wave, "due_day": due_day, "status": status, "pathway": pathway}
    rows["core.visit"].append(who | visit | {"days_from_nominal": 0 if held else None})
    use = {"wave": wave, "substance": "heroin", "state": status}
    if held:
        said = {name: value for name, value in answers.items() if name != "heroin"}
        rows["core.interview"].append(who | {"wave": wave, "status": "completed"} | said)
        days = answers.get("heroin")
        state = "not_asked" if days is None else "regular" if days else "abstinent"
        use |= {"state": state, "days": days, "recall_days": 28, "days_28": days}
    rows["core.substance_use"].append(who | use)


def pathways(
    people: Sequence[Person], *, engine: str = "polars", protocol: Protocol = PROTOCOL
) -> Tables:
    """Every table on pathways of these people."""
    with duckdb.connect() as connection:
        core = {
            name: nw.from_native(
                frame.lazy() if engine == "polars" else connection.from_arrow(frame.to_arrow())
            )
            for name, frame in frames_of(people).items()
        }
        return pathway_tables(core, protocol)


@pytest.fixture(scope="session", name="pathways")
def _pathways() -> Callable[..., Tables]:
    """The function that makes every table on pathways from people."""
    return pathways


@pytest.fixture(scope="session")
def protocol() -> Protocol:
    """The protocol of these cohorts: baseline, 6 and 12 months; gp is the reference."""
    return PROTOCOL
