"""The derived tables: estimates and person-level results, one model per table.

Belongs here: the list of them. Does not belong here: columns (see the modules by subject) and
how the numbers are made (see `registry_pipeline.transform` and `registry_pipeline.statistics`).
"""

from __future__ import annotations

from typing import Final

from schemas.derived.comparisons import ComparisonWeight, CovariateBalance, OutcomeComparison
from schemas.derived.exits import (
    CumulativeIncidence,
    EarlyDropout,
    RetentionComparison,
    RetentionSensitivity,
)
from schemas.derived.hazards import RetentionHazard, RetentionLifeTable
from schemas.derived.participation import Enrolment, ResponseByWave
from schemas.derived.pathways import CopingAssociation, OutcomeByPathway
from schemas.derived.poly_use import PolyUse
from schemas.derived.rates import EventRate
from schemas.derived.retention import (
    RetentionAt,
    RetentionCurve,
    RetentionPerson,
    RetentionSummary,
)
from schemas.derived.substances import (
    SubstanceChange,
    SubstanceSlope,
    SubstanceTransition,
    SubstanceTrend,
)
from schemas.derived.trajectories import (
    SequenceMeasure,
    TimeToEvent,
    Trajectory,
    TrajectoryLatent,
    TrajectoryProfile,
)
from schemas.derived.units import ControlChart, Funnel
from schemas.fields import RegistryModel

DERIVED: Final[tuple[type[RegistryModel], ...]] = (
    RetentionPerson,
    RetentionCurve,
    RetentionAt,
    RetentionSummary,
    RetentionLifeTable,
    CumulativeIncidence,
    RetentionComparison,
    RetentionHazard,
    RetentionSensitivity,
    EarlyDropout,
    EventRate,
    Enrolment,
    ResponseByWave,
    SubstanceTrend,
    SubstanceSlope,
    PolyUse,
    SubstanceTransition,
    SubstanceChange,
    Trajectory,
    TrajectoryProfile,
    TrajectoryLatent,
    TimeToEvent,
    SequenceMeasure,
    OutcomeByPathway,
    OutcomeComparison,
    CovariateBalance,
    ComparisonWeight,
    CopingAssociation,
    ControlChart,
    Funnel,
)
"""The derived tables, in the order of the contract's subjects."""
