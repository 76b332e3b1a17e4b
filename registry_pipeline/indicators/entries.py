"""What the entries of the national guideline and pathway share.

Belongs here: the words and defaults that several programmes' entries have in common.
Does not belong here: any indicator.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.indicators.definition import Core, Definition
from registry_pipeline.transform.engine import Frame, with_epoch_days
from schemas.protocol_deadlines import Deadlines

GUIDELINE: Final = "National guideline (TSB)"
PATHWAY: Final = "National pathway (TSB), time limits"
OWN: Final = "This registry"
FOLLOWED: Final = "observed_days"
"""The column of days for which a row was followed, from its own day on."""

DEFAULTS: Final = Deadlines()
"""The deadlines of a protocol that sets none: the days that the definitions tell."""


def process_indicator(
    indicator_id: str,
    *,
    title: str,
    title_nb: str,
    numerator: str,
    denominator: str,
    period_rule: str,
    guideline: str | None,
    due_days: int | None = None,
    source: str = GUIDELINE,
    direction: str = "higher",
    target: tuple[float | None, float | None] = (None, None),
) -> Definition:
    """The definition of a process indicator: a share, hidden below five."""
    return Definition(
        indicator_id=indicator_id,
        title=title,
        title_nb=title_nb,
        indicator_type="fraction",
        numerator=numerator,
        denominator=denominator,
        period_rule=period_rule,
        guideline=guideline,
        source=source,
        direction=direction,
        target_green=target[0],
        target_yellow=target[1],
        due_days=due_days,
        min_denominator=5,
    )


def people(core: Core) -> Frame:
    """Enrolled people with the days their observation ends, in days since 1970.

    One row per enrolled person: patient_id, home_unit_id, birth_year, origin_date, baseline_date,
    until_epoch: the cut-off, or the day of death or of moving out of the country before it; and
    steps_until_epoch: the same by the cut-off of the sender's steps, which may lie before.
    Who is not followed until a deadline is not counted. Who stopped the interviews is followed:
    stays, events and steps are told on.
    """
    origin = nw.col("origin_date_epoch")
    ends = [origin + nw.col(f"{name}_day") for name in ("death", "moved")]
    until = nw.min_horizontal(nw.col("cutoff_date_epoch"), *ends)
    enrolled = core["core.patient"].filter(nw.col("enrolled"))
    dated = with_epoch_days(enrolled, ["origin_date", "cutoff_date", "step_cutoff_date"])
    return dated.select(
        "patient_id",
        "birth_year",
        "origin_date",
        "baseline_date",
        nw.col("unit_id").alias("home_unit_id"),
        until_epoch=until,
        steps_until_epoch=nw.min_horizontal(until, "step_cutoff_date_epoch"),
    )


def at_registering_units(core: Core) -> Frame:
    """Enrolled people at units that register steps of the process for anyone: patient_id.

    At the others a step that is not there says nothing.
    """
    enrolled = core["core.patient"].filter(nw.col("enrolled"))
    of_unit = enrolled.select("patient_id", unit_key=nw.col("unit_id").fill_null("unknown"))
    steps = core["core.process_event"].select("patient_id").unique()
    registering = steps.join(of_unit, on="patient_id").select("unit_key").unique()
    return of_unit.join(registering, on="unit_key").select("patient_id")


def with_home_unit(rows: Frame) -> Frame:
    """The row's own unit, else the person's; rows carry unit_id and home_unit_id."""
    return rows.with_columns(unit_id=nw.coalesce("unit_id", "home_unit_id"))
