"""Every quality table of one cohort: indicators, data quality, and the programmes' tables.

Belongs here: which table is made of what. Does not belong here: how (see
`registry_pipeline.indicators`, `registry_pipeline.data_quality` and the `quality_*` modules).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from registry_pipeline.data_quality.engine import data_quality
from registry_pipeline.derivations.quality_co_occurring import co_occurring
from registry_pipeline.derivations.quality_detox import detox_stay
from registry_pipeline.derivations.quality_dropout import dropout, programme_chart
from registry_pipeline.derivations.quality_people import feedback_change, transition_gap
from registry_pipeline.derivations.quality_programmes import setting
from registry_pipeline.derivations.quality_services import (
    bridging_funnel,
    goal_result,
    involvement,
    no_show,
)
from registry_pipeline.derivations.quality_stays import stay_rows
from registry_pipeline.derivations.quality_tools import checklist_use
from registry_pipeline.derivations.worklist import worklist
from registry_pipeline.disclosure.programmes import public_programmes
from registry_pipeline.disclosure.release import public_tables
from registry_pipeline.indicators import INDICATORS
from registry_pipeline.indicators.engine import indicator_tables
from registry_pipeline.indicators.guideline import guideline_coverage
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
    stays = stay_rows(core)
    no_shows = no_show(core, stays, where)
    dropouts = dropout(stays, where)
    indicators = indicator_tables(INDICATORS, core, protocol)
    programmes = {
        "quality.no_show": no_shows,
        "quality.bridging_funnel": bridging_funnel(core, where),
        "quality.detox_stay": detox_stay(core, stays, where),
        "quality.involvement": involvement(core, where),
        "quality.feedback_change": feedback_change(core, where),
        "quality.checklist_use": checklist_use(core, stays, where),
        "quality.transition_gap": transition_gap(stays, where),
        "quality.goal_result": goal_result(core, where),
        "quality.dropout": dropouts,
        "quality.co_occurring": co_occurring(core, stays, where),
        "quality.programme_chart": programme_chart(no_shows, dropouts, where),
    }
    public = public_tables(indicators.results, protocol.disclosure)
    counted = {**programmes, "quality.indicator": indicators.results, **public}
    return {
        **indicators.by_name,
        **public,
        "quality.guideline_coverage": guideline_coverage(INDICATORS, indicators.results, protocol),
        "quality.data_quality": data_quality(core, protocol),
        **programmes,
        **public_programmes(counted, protocol),
        "core.worklist": worklist(core, stays, protocol),
    }
