"""Deaths, overdoses and admissions per person-year, in treatment and out of it.

Belongs here: derived.event_rate. Does not belong here: whose time it is and what falls into it
(see `transform.event_time`), the formulas of the intervals (see `statistics.rates`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.strata import STRATA, roll_up, strata_columns
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.rates import with_clustered_rate, with_poisson_rate
from registry_pipeline.transform.engine import Frame, materialise
from registry_pipeline.transform.event_time import (
    ALL,
    followed,
    observed_days,
    observed_events,
    treatment_spells,
)
from registry_pipeline.version import as_table
from schemas.derived.rates import EventRate
from schemas.protocol import Protocol
from schemas.result_codes import RATED_EVENT, SETTING

EXACT: Final = "events per person-year, exact Poisson interval"
CLUSTERED: Final = "events per person-year, log interval robust to several events of a person"
STRATUM: Final = ["stratum_by", "stratum"]
DAYS_OF_100_YEARS: Final = 36_525
TIME: Final = ["n", "days", "days_squared"]
EVENTS: Final = ["n_people", "n_event", "events_squared", "events_by_days"]


def rate_table(
    people: Frame, persons: Frame, stays: Frame, events: Frame, protocol: Protocol
) -> pl.DataFrame:
    """derived.event_rate of one cohort, without `as_of_delivery`.

    Args:
        people: `retention.followed_people`.
        persons: rows of derived.retention_person.
        stays: `stays.closed_stays`.
        events: core.event.
        protocol: the cohort's protocol.
    """
    observed = materialise(followed(people))
    spells = materialise(treatment_spells(persons, stays, observed, protocol))
    days = materialise(observed_days(observed, spells))
    found = observed_events(observed, spells, events).join(days, on=["patient_id", "setting"])
    rows = _with_every_event(_time(days), _happened(found))
    return as_table(_rated(rows), EventRate, cohort=protocol.id, method=pl.col("method"))


def _time(days: Frame) -> pl.DataFrame:
    """People and their days per setting and stratum."""
    day = nw.col("days")
    cells = _summed(days, ["setting"], n=nw.len(), days=day.sum(), days_squared=(day * day).sum())
    return roll_up(cells, ["setting"], TIME)


def _happened(found: Frame) -> pl.DataFrame:
    """People with an event and their events, per setting, event and stratum."""
    cells = _summed(
        found,
        ["setting", "event"],
        n_people=nw.len(),
        n_event=nw.col("n").sum(),
        events_squared=(nw.col("n") * nw.col("n")).sum(),
        events_by_days=(nw.col("n") * nw.col("days")).sum(),
    )
    return roll_up(cells, ["setting", "event"], EVENTS)


def _summed(rows: Frame, by: list[str], **sums: nw.Expr) -> pl.DataFrame:
    """Sums per stratum and `by`, of rows with the columns of a person."""
    named = rows.with_columns(*strata_columns("pathway")).group_by([*STRATA, *by])
    whole = {name: expression.cast(nw.Int64) for name, expression in sums.items()}
    cells: pl.DataFrame = named.agg(**whole).collect("polars").to_native()
    return cells.sort(*STRATA, *by)


def _with_every_event(time: pl.DataFrame, happened: pl.DataFrame) -> pl.DataFrame:
    """A row per stratum that anyone is in, setting and event, also where nothing happened."""
    everyone = time.filter(setting=ALL)
    settings = pl.DataFrame({"setting": list(SETTING.labels)})
    events = pl.DataFrame({"event": list(RATED_EVENT.labels)})
    return (
        everyone.select(*STRATUM, everyone="n")
        .join(settings, how="cross")
        .join(time, on=[*STRATUM, "setting"], how="left")
        .join(events, how="cross")
        .join(happened, on=[*STRATUM, "setting", "event"], how="left")
        .with_columns(pl.col(*TIME, *EVENTS).fill_null(0))
        .with_columns(n_missing=pl.col("everyone") - pl.col("n"))
    )


def _rated(rows: pl.DataFrame) -> pl.DataFrame:
    """The rates: exact where nobody has the event twice, else robust to those who have."""
    exposed = rows.with_columns(
        person_years=pl.col("days") * 100 / DAYS_OF_100_YEARS,
        exposure=pl.col("days") / DAYS_OF_100_YEARS,
        exposure_squared=pl.col("days_squared") / DAYS_OF_100_YEARS**2,
        events_by_exposure=pl.col("events_by_days") / DAYS_OF_100_YEARS,
    )
    again = pl.col("n_event") > pl.col("n_people")
    once = with_poisson_rate(exposed.filter(~again), "n_event", "exposure")
    several = with_clustered_rate(
        exposed.filter(again),
        "n_event",
        "exposure",
        people="n",
        events_squared="events_squared",
        events_by_exposure="events_by_exposure",
        exposure_squared="exposure_squared",
    )
    named = [
        once.with_columns(method=pl.lit(EXACT)),
        several.with_columns(method=pl.lit(CLUSTERED)),
    ]
    none = pl.col("ci_low").is_null()
    return (
        pl.concat(named)
        .sort("setting", "event", *STRATUM)
        .rename({"estimate": "rate"})
        .with_columns(reason=pl.when(none).then(pl.lit(reasons.NOT_COMPUTABLE)))
    )
