"""Hazard ratios of leaving treatment, each pathway against the reference, plain and adjusted.

Belongs here: Cox regression of the first episode of treatment up to the last wave.
Does not belong here: curves and tests of retention (see `derivations.retention`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import narwhals as nw
import numpy as np
import polars as pl

from registry_pipeline.derivations.hazard_models import stays_of
from registry_pipeline.derivations.pathways_adjusted import (
    SCHEMA,
    Fitted,
    pathway_estimates,
    per_pathway,
    why_null,
)
from registry_pipeline.derivations.pathways_counts import RETAINED, TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import (
    COVARIATES,
    EVENTS_PER_TERM,
    Term,
    known_covariates,
    others,
    pathway_model,
    reference_of,
)
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.comparison import MIN_EXPECTED
from registry_pipeline.statistics.cox import cox
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.transform.outcomes import treatment_stays
from registry_pipeline.transform.retention import in_curves
from schemas.protocol import Protocol

TIME: Final = ["entry_day", "exit_day", "is_event"]


def hazard_ratios(core: Mapping[str, Frame], factors: Frame, protocol: Protocol) -> pl.DataFrame:
    """Hazard of any exit from treatment, of each pathway relative to the reference.

    Above 1, people of the pathway leave sooner. First episodes, followed to the last nominal day
    of the protocol; all pathways in one model. A pathway with fewer than 5 exits is refused as
    sparse; so is the adjusted model where the exits do not carry its terms.

    Args:
        core: derived.retention_person.
        factors: the rows of `transform.baseline.baseline_factors`.
        protocol: the cohort's protocol.

    Returns:
        The columns of `pathways_adjusted.SCHEMA`: two rows per pathway but the reference.
    """
    people = _first_episodes(core, factors, protocol)
    models = {False: [], True: known_covariates(people)}
    rows = [
        row | {"adjusted": adjusted}
        for adjusted, covariates in models.items()
        for row in _one_model(people, covariates, protocol)
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _first_episodes(core: Mapping[str, Frame], factors: Frame, protocol: Protocol) -> pl.DataFrame:
    """People (n) per pathway, covariates, entry_day, exit_day and is_event; null without a stay."""
    horizon = protocol.waves.nominal_days[-1]
    exit_day, within = nw.col("exit_day"), nw.col("exit_day") <= horizon
    stays = (
        treatment_stays(core, protocol)
        .filter(in_curves() & (nw.col("entry_day") < horizon))
        .select(
            "patient_id",
            "entry_day",
            exit_day=nw.when(within).then(exit_day).otherwise(nw.lit(horizon)),
            is_event=within & ~nw.col("exit_type").is_null(),
        )
    )
    compared = factors.filter(
        nw.col("pathway").is_in([reference_of(protocol), *others(protocol)])
    ).select("patient_id", "pathway", *COVARIATES)
    rows = compared.join(stays, on="patient_id", how="left")
    return counts(rows, ["pathway", *COVARIATES, *TIME])


def _one_model(
    people: pl.DataFrame, covariates: Sequence[str], protocol: Protocol
) -> list[dict[str, Any]]:
    """One row per pathway but the reference, estimated in one model or refused."""
    reference = reference_of(protocol)
    complete = people.filter(pl.all_horizontal(pl.col("exit_day", *covariates).is_not_null()))
    exits = complete.filter(pl.col("is_event"))
    everyone, n, n_exits = (per_pathway(frame, "n") for frame in (people, complete, exits))
    codes = [reference, *others(protocol)]
    dense = [code for code in codes if n_exits[code] >= MIN_EXPECTED]
    model = complete.filter(pl.col("pathway").is_in(dense))
    terms = pathway_model(model, covariates, reference)
    most = sum(n_exits[code] for code in dense) // EVENTS_PER_TERM
    fitted: Fitted = {}
    refusal = None
    if not n[reference]:
        refusal = reasons.NOT_COMPUTABLE
    elif reference not in dense:
        refusal = reasons.SPARSE_CELLS
    elif covariates and len(terms) > most:
        refusal = TOO_FEW_FOR_TERMS
    elif len(dense) > 1:
        fitted = _cox(model, terms)
    return [
        {
            "outcome": RETAINED,
            "wave": len(protocol.waves.nominal_days) - 1,
            "missing_rule": "observed",
            "pathway": code,
            "measure": "hazard_ratio",
            "covariates": ",".join(covariates) or None,
            "n": n[code] + n[reference],
            "n_missing": everyone[code] + everyone[reference] - n[code] - n[reference],
            "n_events": n_exits[code] + n_exits[reference],
            "method": "Cox regression, Efron ties, Wald",
            "reason": why_null(code, n, fitted, refusal),
            **fitted.get(code, {}),
        }
        for code in others(protocol)
    ]


def _cox(model: pl.DataFrame, terms: Sequence[Term]) -> Fitted:
    """Cox regression of the people; nothing is said where a term has no finite estimate."""
    fit = cox(stays_of(model, terms))
    if fit is None or not np.isfinite(fit.estimate).all():
        return {}
    ratios = (np.exp(values) for values in (fit.estimate, fit.low, fit.high))
    return pathway_estimates(terms, (*ratios, fit.p_value))
