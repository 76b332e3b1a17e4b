"""Column makers that more than one core table uses.

Belongs here: columns counted from the person's origin, and the unit of a row.
Does not belong here: what result tables share (see `schemas.shared`).
"""

from __future__ import annotations

from typing import Any

from schemas.fields import field


def unit(null: str = "not stated") -> Any:
    """The unit a row belongs to."""
    return field("Unit", "Id of the unit, see core.unit.", nb="Enhet", null=null)


def day_from_origin(title: str, what: str, nb: str, null: str) -> Any:
    """A day counted from the person's origin, day 0 of the wave clock."""
    return field(title, f"{what}, in days from the person's origin.", nb=nb, unit="days", null=null)
