"""Indicators: one engine, and one module per programme with its definitions.

Belongs here: what is counted, for whom, and against which target.
Does not belong here: checks of data quality (see `data_quality`), suppression of small numbers
(see `disclosure`).
"""

from __future__ import annotations

from typing import Final

from registry_pipeline.indicators.definition import Indicator
from registry_pipeline.indicators.kvarus import KVARUS

INDICATORS: Final[tuple[Indicator, ...]] = (*KVARUS,)
"""Every indicator, in the order of the tables. A new one is an entry here by its programme."""
