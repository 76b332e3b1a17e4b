"""Core tables: current, typed, pseudonymised rows with every holding rule applied.

Belongs here: one model per core table; `*_day` columns count days from the person's origin,
day 0 of the wave clock. Does not belong here: estimates (see `schemas.derived`).
"""

from __future__ import annotations

from typing import Final

from schemas.core.people import Episode, Event, Patient, Unit
from schemas.core.services import (
    Appointment,
    GoalCount,
    InvolvementResponse,
    OutreachContact,
    ProcessEvent,
    Toxicology,
)
from schemas.core.visits import Interview, SubstanceUse, Visit
from schemas.core.worklist import Worklist
from schemas.fields import RegistryModel

CORE: Final[tuple[type[RegistryModel], ...]] = (
    Patient,
    Unit,
    Interview,
    Visit,
    SubstanceUse,
    Episode,
    Event,
    Toxicology,
    Appointment,
    ProcessEvent,
    OutreachContact,
    InvolvementResponse,
    GoalCount,
    Worklist,
)
"""Every core table, in the order they are built."""
