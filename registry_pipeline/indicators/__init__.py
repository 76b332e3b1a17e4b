"""Indicators: one engine, and one module per kind of row with its definitions.

Belongs here: what is counted, for whom, and against which target.
Does not belong here: checks of data quality (see `data_quality`), suppression of small numbers
(see `disclosure`).
"""

from __future__ import annotations

from typing import Final

from registry_pipeline.indicators.at_interviews import AT_INTERVIEWS
from registry_pipeline.indicators.at_services import AT_SERVICES
from registry_pipeline.indicators.at_stays import AT_STAYS
from registry_pipeline.indicators.definition import Indicator
from registry_pipeline.indicators.from_start import FROM_START
from registry_pipeline.indicators.in_treatment import DURING_TREATMENT
from registry_pipeline.indicators.kvarus import KVARUS

INDICATORS: Final[tuple[Indicator, ...]] = (
    *KVARUS,
    *AT_INTERVIEWS,
    *FROM_START,
    *DURING_TREATMENT,
    *AT_STAYS,
    *AT_SERVICES,
)
"""Every indicator, in the order of the tables. A new one is an entry here by its programme."""
