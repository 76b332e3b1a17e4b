"""What a protocol may ask of courses beyond the rules.

Belongs here: latent classes, a second opinion that is off unless asked for.
Does not belong here: states, runs and the rules (see `schemas.protocol`).
"""

from __future__ import annotations

from pydantic import Field

from schemas.protocol_part import Part


class Trajectories(Part):
    """Latent classes of courses beside the classes by rules.

    Attributes:
        latent_classes: at most so many are fitted; 0 for none.
        latent_starts: random starts of each fit.
    """

    latent_classes: int = Field(default=0, ge=0, le=3)
    latent_starts: int = Field(default=20, ge=1)
