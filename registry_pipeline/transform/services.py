"""Rows of services as core carries them, and the units of the protocol.

Belongs here: which form becomes which core table, and the days counted from the origin.
Does not belong here: indicators made of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from registry_pipeline.transform.engine import Frame
from registry_pipeline.transform.shape import shaped, with_days
from schemas.core.people import Event, Unit
from schemas.core.services import (
    Appointment,
    GoalCount,
    InvolvementResponse,
    OutreachContact,
    ProcessEvent,
    Toxicology,
)
from schemas.fields import RegistryModel, describe
from schemas.protocol import Protocol


@dataclass(frozen=True)
class Service:
    """A form that goes into core as it stands.

    Attributes:
        form: the form.
        model: the core table.
        days: date column to the column of days from the origin.
    """

    form: str
    model: type[RegistryModel]
    days: dict[str, str] = field(default_factory=dict)


SERVICES: Final = (
    Service("events", Event, {"event_date": "event_day"}),
    Service("toxicology", Toxicology, {"sample_date": "sample_day"}),
    Service("appointments", Appointment, {"scheduled_date": "scheduled_day"}),
    Service("process_events", ProcessEvent, {"event_date": "event_day"}),
    Service("outreach", OutreachContact),
    Service("involvement", InvolvementResponse),
    Service("goal_counts", GoalCount),
)


def service_rows(service: Service, rows: Frame, clock: Frame, protocol: Protocol) -> Frame:
    """The core table of a service form: one row per row that no rule holds."""
    dated = with_days(rows, clock, service.days) if service.days else rows
    return shaped(dated, describe(service.model), protocol.id)


def unit_rows(protocol: Protocol) -> pl.DataFrame:
    """core.unit: one row per unit of the protocol."""
    table = describe(Unit)
    rows = [
        {"cohort": protocol.id, "unit_id": unit.id, **unit.model_dump(exclude={"id"})}
        for unit in protocol.units
    ]
    return pl.DataFrame(rows, schema=table.dtypes)
