"""Rates: what happens to people while they are followed, in treatment and out of it.

Belongs here: events per person-year. Does not belong here: when a treatment ends and how (see
`schemas.derived.retention` and `schemas.derived.exits`).
"""

from __future__ import annotations

import polars as pl

from schemas import result_codes, shared
from schemas.fields import field, table
from schemas.shared import Stratified

PER_100_YEARS = "per 100 person-years"


class EventRate(Stratified):
    """One row per cohort, setting, event and stratum.

    Deaths, overdoses survived and hospital admissions per 100 person-years of observation: from
    the first day a person is followed to the cut-off, death or moving out of the country. In
    treatment is every day of a treatment episode (merged over gaps as in retention, cover
    included, the day of leaving too), out of treatment every other one, save the days after a stay
    was last seen without an exit: those are in neither, until the next stay. Who left treatment
    before the first day is out of it. People without any stay, and those whose last one was lost
    from sight before the first day, are in neither and counted as n_missing. Overdoses of which
    only an interview tells are not among the events. A difference between the settings is an
    association, never an effect. Made from core.patient, derived.retention_person and core.event.
    """

    setting: pl.String = field(
        "Setting",
        "Where the time was spent: in treatment, out of it, or both.",
        nb="Situasjon",
        codes=result_codes.SETTING,
        required=True,
    )
    event: pl.String = field(
        "Event",
        "What is counted; a person has one death, and may have several of the others.",
        nb="Hendelse",
        codes=result_codes.RATED_EVENT,
        required=True,
    )
    n: pl.Int64 = shared.count("People", "Personer", "People followed whose setting is known.")
    n_missing: pl.Int64 = shared.count(
        "Setting unknown",
        "Ukjent situasjon",
        "People followed without any stay, or last seen in one before, without an exit.",
    )
    n_people: pl.Int64 = shared.count(
        "People with the event", "Personer med hendelsen", "People with at least one event."
    )
    n_event: pl.Int64 = shared.count("Events", "Hendelser", "Events in the time.")
    person_years: pl.Float64 = field(
        "Person-years",
        "The denominator: days of observation / 365.25.",
        nb="Personår",
        unit="years",
        low=0,
        required=True,
    )
    rate: pl.Float64 = shared.number(
        "Rate", "Rate", "n_event per 100 person-years.", unit=PER_100_YEARS
    )
    ci_low: pl.Float64 = shared.ci_low("rate", unit=PER_100_YEARS)
    ci_high: pl.Float64 = shared.ci_high("rate", unit=PER_100_YEARS)

    class Config(Stratified.Config):
        """Table name and key."""

        metadata = table(
            "derived.event_rate",
            ["cohort", "setting", "event", "stratum_by", "stratum"],
            title="Deaths, overdoses and admissions per person-year",
            nb="Dødsfall, overdoser og innleggelser per personår",
        )
