"""The quality tables: indicators, data quality, and one table per programme.

Belongs here: the list of them. Does not belong here: columns (see the modules by subject),
the indicators' rules and the checks (see `registry_pipeline`).
"""

from __future__ import annotations

from typing import Final

from schemas.fields import RegistryModel
from schemas.quality.care import CoOccurring, Dropout, ProgrammeChart
from schemas.quality.guideline import GuidelineCoverage
from schemas.quality.indicators import (
    DataQuality,
    Indicator,
    IndicatorDefinition,
    IndicatorPerson,
)
from schemas.quality.programmes import (
    BridgingFunnel,
    ChecklistUse,
    DetoxStay,
    FeedbackChange,
    GoalResult,
    Involvement,
    NoShow,
    TransitionGap,
)
from schemas.quality.public import DisclosureLog, ProgrammeLog, PublicProgramme, PublicResult

QUALITY: Final[tuple[type[RegistryModel], ...]] = (
    Indicator,
    IndicatorDefinition,
    IndicatorPerson,
    PublicResult,
    DisclosureLog,
    GuidelineCoverage,
    DataQuality,
    NoShow,
    BridgingFunnel,
    DetoxStay,
    Involvement,
    FeedbackChange,
    ChecklistUse,
    TransitionGap,
    GoalResult,
    Dropout,
    CoOccurring,
    ProgrammeChart,
    PublicProgramme,
    ProgrammeLog,
)
"""The quality tables, in the order of the contract."""
