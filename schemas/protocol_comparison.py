"""The part of a protocol that says how pathways are compared.

Belongs here: the parameters, their defaults and checks. Does not belong here: the comparisons
themselves (see `registry_pipeline.derivations.pathways_comparison`).
"""

from __future__ import annotations

from typing import Final

from pydantic import Field, model_validator

from schemas.protocol_part import Part

MIN_DRAWS: Final = 200
MIN_IMPUTATIONS: Final = 2
"""Fewer draws say nothing of a 2.5 % point, one completed data set nothing of what is missing."""


class Comparison(Part):
    """How pathways are compared.

    Attributes:
        bootstrap_draws: draws behind the intervals of standardised risks; 0 for delta intervals.
        imputations: completed data sets the comparisons are also pooled over; 0 for none.
        seed: of both kinds of draws, so that a run can be repeated to the digit.
    """

    bootstrap_draws: int = Field(default=0, ge=0, le=100_000)
    imputations: int = Field(default=0, ge=0, le=1000)
    seed: int = Field(default=2014, ge=0)

    @model_validator(mode="after")
    def _enough(self) -> Comparison:
        if 0 < self.bootstrap_draws < MIN_DRAWS:
            raise ValueError(f"bootstrap_draws is 0 or at least {MIN_DRAWS}")
        if 0 < self.imputations < MIN_IMPUTATIONS:
            raise ValueError(f"imputations is 0 or at least {MIN_IMPUTATIONS}")
        return self
