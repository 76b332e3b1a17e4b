"""Adjusted comparisons of pathways: one regression per outcome and wave, over observed answers.

Belongs here: who is in the model, which terms, when it is refused, and what is read off it.
Does not belong here: unadjusted contrasts (see `pathways_comparison`), weights (see
`pathways_weighted`), imputed answers (see `pathways_imputed`), the fitting itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from registry_pipeline.derivations.pathways_counts import MEANS, NOT_ASKED, TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import (
    Term,
    design,
    known_covariates,
    most_terms,
    others,
    pathway_model,
    reference_of,
    tells_apart,
)
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import FloatArray, floats
from registry_pipeline.statistics.regression import Fit, People, regress
from registry_pipeline.statistics.standardisation import Standardised, bootstrap, standardise
from schemas.protocol import Protocol
from schemas.protocol_comparison import Comparison

CONTRAST: Final = ["outcome", "wave", "missing_rule"]
SHOWN: Final = ("estimate", "ci_low", "ci_high", "p_value")
Fitted = dict[str, dict[str, float]]
"""Pathway to the values of `SHOWN`."""

SCHEMA: Final = {
    "outcome": pl.String,
    "wave": pl.Int32,
    "missing_rule": pl.String,
    "pathway": pl.String,
    "measure": pl.String,
    "adjusted": pl.Boolean,
    "covariates": pl.String,
    "n": pl.Int64,
    "n_missing": pl.Int64,
    "n_events": pl.Int64,
    "effective_n": pl.Float64,
    "estimate": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "p_value": pl.Float64,
    "method": pl.String,
    "reason": pl.String,
}
"""The columns of a contrast that differ from row to row."""


def adjusted_contrasts(observed: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Contrasts with the reference, adjusted for the covariates.

    A score has mean differences. A share has odds ratios and, from the same model, standardised
    risk differences and ratios: everyone in the model as if in each pathway in turn.

    Args:
        observed: rows of `under_each_rule` with rule observed, by pathway and covariates.
        protocol: the cohort's protocol.

    Returns:
        The columns of `SCHEMA`, one row per outcome, wave, measure and pathway but the reference.
    """
    rows: list[dict[str, Any]] = []
    for keys, part in observed.partition_by(CONTRAST, as_dict=True, maintain_order=True).items():
        contrast = dict(zip(CONTRAST, keys, strict=True))
        rows.extend(contrast | row for row in _one_outcome(part, str(keys[0]), protocol))
    return pl.DataFrame(rows, schema=SCHEMA)


def _one_outcome(part: pl.DataFrame, outcome: str, protocol: Protocol) -> list[dict[str, Any]]:
    """One row per measure and pathway but the reference, from one model, or refused."""
    is_mean, reference = outcome in MEANS, reference_of(protocol)
    named = part.filter(pl.col("pathway").is_in([reference, *others(protocol)]))
    covariates = known_covariates(named)
    known = pl.all_horizontal(pl.lit(value=True), pl.col(covariates).is_not_null())
    complete = named.filter(known & (pl.col("n") > 0))
    varied = varied_pathways(complete, is_mean=is_mean)
    model = complete.filter(pl.col("pathway").is_in(varied))
    terms = pathway_model(model, covariates, reference)
    n_events = None if is_mean else int(model["total"].sum())
    expected, n = per_pathway(named, "n_expected"), per_pathway(complete, "n")
    successes = per_pathway(complete, "total")
    fitted: dict[str, Fitted] = {}
    refusal = None
    if not part["is_asked"].all():
        refusal = NOT_ASKED
    elif not n[reference]:
        refusal = reasons.NOT_COMPUTABLE
    elif reference not in varied:
        refusal = reasons.SPARSE_CELLS
    elif len(terms) > most_terms(int(model["n"].sum()), n_events):
        refusal = TOO_FEW_FOR_TERMS
    elif not tells_apart(model, terms):
        refusal = reasons.SPARSE_CELLS
    else:
        fitted = _fit(model, terms, protocol.comparison, is_mean=is_mean)
        refusal = None if any(fitted.values()) or not is_mean else reasons.NO_VARIATION
    return [
        {
            "pathway": code,
            "measure": measure,
            "adjusted": True,
            "covariates": ",".join(covariates) or None,
            "n": n[code] + n[reference],
            "n_missing": expected[code] + expected[reference] - n[code] - n[reference],
            "n_events": None if is_mean else successes[code] + successes[reference],
            "method": method,
            "reason": why_null(code, n, fitted.get(measure, {}), refusal),
            **fitted.get(measure, {}).get(code, {}),
        }
        for measure, method in _methods(protocol.comparison, is_mean=is_mean).items()
        for code in others(protocol)
    ]


def _methods(comparison: Comparison, *, is_mean: bool) -> dict[str, str]:
    """Measure to method."""
    if is_mean:
        return {"mean_difference": "linear regression, t"}
    draws = comparison.bootstrap_draws
    interval = f"{draws} bootstrap draws, percentile" if draws else "delta"
    standardised = f"g-computation, {interval}"
    return {
        "odds_ratio": "logistic regression, Wald",
        "risk_difference": standardised,
        "risk_ratio": standardised,
    }


def varied_pathways(complete: pl.DataFrame, *, is_mean: bool) -> list[str]:
    """The pathways that people in the model are in; for a share, with successes and failures."""
    sums = complete.group_by("pathway").agg(pl.col("n", "total").sum()).sort("pathway")
    both = (pl.col("total") > 0) & (pl.col("total") < pl.col("n"))
    return sums.filter((pl.col("n") > 0) & (both | is_mean))["pathway"].to_list()


def cells_of(model: pl.DataFrame, terms: Sequence[Term]) -> People:
    """The people of a model, one row each: `n`, and their `total` and `squares`."""
    people = floats(model, "n")
    return People(
        terms=design(model, terms),
        people=people,
        rows=np.ones(model.height),
        total=floats(model, "total") / people,
        squares=floats(model, "squares"),
    )


def _fit(
    model: pl.DataFrame, terms: Sequence[Term], comparison: Comparison, *, is_mean: bool
) -> dict[str, Fitted]:
    """Measure to what the model says of each pathway."""
    cells = cells_of(model, terms)
    fit = regress(cells, logistic=not is_mean, clustered=False)
    bounds = [fit.estimate[1:], fit.low[1:], fit.high[1:]]
    if is_mean:
        return {"mean_difference": pathway_estimates(terms, (*bounds, fit.p_value[1:]))}
    ratios = [np.exp(values) for values in bounds]
    found = {"odds_ratio": pathway_estimates(terms, (*ratios, fit.p_value[1:]))}
    own = [term for term in terms if term.factor == "pathway"]
    if own and fit.is_whole:
        risks = _standardised(cells, fit, len(own), comparison)
        for name, contrast in (
            ("risk_difference", risks.difference),
            ("risk_ratio", risks.ratio),
        ):
            shown = (contrast.estimate, contrast.low, contrast.high, contrast.p_value)
            found[name] = pathway_estimates(own, shown)
    return found


def _standardised(cells: People, fit: Fit, n_groups: int, comparison: Comparison) -> Standardised:
    """Risks of the pathways, whose terms follow the constant, with the protocol's interval."""
    groups = range(1, n_groups + 1)
    if not comparison.bootstrap_draws:
        return standardise(cells, fit, groups)
    draws, seed = comparison.bootstrap_draws, comparison.seed
    return bootstrap(cells, fit, groups, draws=draws, seed=seed)


def pathway_estimates(terms: Sequence[Term], values: Sequence[FloatArray]) -> Fitted:
    """What a model says of each pathway, from one value per term; absent where it says nothing."""
    return {
        term.level: {name: float(value[place]) for name, value in zip(SHOWN, values, strict=True)}
        for place, term in enumerate(terms)
        if term.factor == "pathway" and np.isfinite(values[0][place])
    }


def why_null(code: str, n: Counter[str], fitted: Fitted, refusal: str | None) -> str | None:
    """Why a pathway has no estimate: not asked, nobody there, the model refused, or too sparse."""
    if code in fitted:
        return None
    if refusal != NOT_ASKED and not n[code]:
        return reasons.NOT_COMPUTABLE
    return refusal or reasons.SPARSE_CELLS


def per_pathway(frame: pl.DataFrame, column: str) -> Counter[str]:
    """A count summed over the cells of each pathway; 0 where nobody is."""
    return Counter(dict(frame.group_by("pathway").agg(pl.col(column).sum()).iter_rows()))
