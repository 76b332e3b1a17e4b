"""Outcomes by pathway of one cohort: the outcome tables, comparisons, associations and charts.

Belongs here: which table is made of what. Does not belong here: how (see `pathways_outcomes`,
`pathways_comparison`, `pathways_weighted`, `pathways_hazard`, `pathways_coping`,
`pathways_charts`).

Pathways are chosen by patients and clinicians: every table speaks of association, never of effect.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from registry_pipeline.derivations.pathways_charts import control_chart, funnel
from registry_pipeline.derivations.pathways_comparison import covariate_balance, outcome_comparison
from registry_pipeline.derivations.pathways_coping import coping_association
from registry_pipeline.derivations.pathways_hazard import hazard_ratios
from registry_pipeline.derivations.pathways_models import COVARIATES
from registry_pipeline.derivations.pathways_outcomes import outcome_by_pathway, outcome_counts
from registry_pipeline.derivations.pathways_weighted import comparison_weight, pairs
from registry_pipeline.derivations.strata import strata_columns
from registry_pipeline.transform.baseline import baseline_factors
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.transform.outcomes import outcomes
from schemas.protocol import Protocol


def pathway_tables(core: Mapping[str, Frame], protocol: Protocol) -> dict[str, pl.DataFrame]:
    """Every derived table on outcomes by pathway, for one cohort.

    Args:
        core: core.patient, core.visit, core.interview, core.substance_use, core.episode,
            core.process_event and derived.retention_person, restricted to the cohort.
        protocol: the cohort's protocol.

    Returns:
        Table name to rows, with the columns of its model except as_of_delivery.
    """
    rows = outcomes(core, protocol)
    factors = baseline_factors(core, rows, protocol)
    people = core["core.patient"].select("patient_id", *strata_columns())
    counted = outcome_counts(rows, people, core, protocol)
    at_baseline = counts(factors, ["pathway", *COVARIATES])
    weighed = pairs(at_baseline, protocol)
    hazards = hazard_ratios(core, factors, protocol)
    return {
        "derived.outcome_by_pathway": outcome_by_pathway(counted, protocol),
        "derived.outcome_comparison": outcome_comparison(rows, factors, hazards, weighed, protocol),
        "derived.covariate_balance": covariate_balance(at_baseline, weighed, protocol),
        "derived.comparison_weight": comparison_weight(weighed, protocol),
        "derived.coping_association": coping_association(rows, factors, protocol),
        "derived.control_chart": control_chart(core, rows, protocol),
        "derived.funnel": funnel(core, rows, protocol),
    }
