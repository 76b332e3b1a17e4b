"""Every quality table of one cohort: indicators, data quality, and the programmes' tables.

Belongs here: which table is made of what. Does not belong here: how (see
`registry_pipeline.indicators`, `registry_pipeline.data_quality` and the `quality_*` modules).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from registry_pipeline.data_quality.engine import data_quality
from registry_pipeline.derivations.quality_people import (
    checklist_use,
    detox_stay,
    feedback_change,
    transition_gap,
)
from registry_pipeline.derivations.quality_programmes import setting
from registry_pipeline.derivations.quality_services import (
    bridging_funnel,
    goal_result,
    involvement,
    no_show,
)
from registry_pipeline.indicators import INDICATORS
from registry_pipeline.indicators.engine import indicator_tables
from registry_pipeline.transform.engine import Frame
from schemas.protocol import Protocol


def quality_tables(
    core: Mapping[str, Frame], protocol: Protocol
) -> dict[str, Frame | pl.DataFrame]:
    """Every quality table, for one cohort.

    Args:
        core: the core tables, meta.delivery, meta.held and intake.interviews, restricted to the
            cohort; a form it does not deliver is an empty frame.
        protocol: the cohort's protocol.

    Returns:
        Table name to frame, with the columns of its model except as_of_delivery.
        quality.indicator_definition is the same for every cohort.
    """
    where = setting(core, protocol)
    return {
        **indicator_tables(INDICATORS, core, protocol),
        "quality.data_quality": data_quality(core, protocol),
        "quality.no_show": no_show(core, where),
        "quality.bridging_funnel": bridging_funnel(core, where),
        "quality.detox_stay": detox_stay(core, where),
        "quality.involvement": involvement(core, where),
        "quality.feedback_change": feedback_change(core, where),
        "quality.checklist_use": checklist_use(core, where),
        "quality.transition_gap": transition_gap(core, where),
        "quality.goal_result": goal_result(core, where),
    }
