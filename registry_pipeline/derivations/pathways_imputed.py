"""Adjusted comparisons of pathways over imputed answers, where the protocol asks for them.

Belongs here: what is imputed from what, the models of the completed data, and their refusal.
Does not belong here: chained equations (see `statistics.imputation`), Rubin's rules (see
`statistics.contrasts`). No published count holds an imputed number.

Everyone expected at the wave is in the model. A missing outcome or covariate is drawn from the
pathway, the covariates and the outcome: right where what is missing depends on these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import narwhals as nw
import numpy as np
import polars as pl

from registry_pipeline.derivations.pathways_adjusted import (
    SCHEMA,
    Fitted,
    cells_of,
    pathway_estimates,
    per_pathway,
    varied_pathways,
    why_null,
)
from registry_pipeline.derivations.pathways_counts import (
    MEANS,
    NOT_ASKED,
    NOT_AT_BASELINE,
    RETAINED,
    TOO_FEW_FOR_TERMS,
)
from registry_pipeline.derivations.pathways_models import (
    COVARIATES,
    Term,
    known_covariates,
    most_terms,
    others,
    pathway_model,
    reference_of,
    tells_apart,
)
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.contrasts import pool, with_interval
from registry_pipeline.statistics.imputation import completed
from registry_pipeline.statistics.intervals import FloatArray
from registry_pipeline.statistics.regression import regress
from registry_pipeline.statistics.standardisation import standardise
from registry_pipeline.transform.engine import Frame, counts
from schemas.outcomes import OUTCOMES
from schemas.protocol import Protocol
from schemas.protocol_comparison import Comparison

ANSWER: Final = "answer"
RULE: Final = "imputed"


def imputed_contrasts(at_waves: Frame, protocol: Protocol) -> pl.DataFrame:
    """The contrasts of `pathways_adjusted`, pooled over completed data sets.

    Args:
        at_waves: the rows of `transform.outcomes.outcomes` at the waves compared, with pathway
            and covariates.
        protocol: the cohort's protocol; without imputations there are no rows.

    Returns:
        The columns of `SCHEMA`. n is everyone expected, n_missing those with an answer or a
        covariate imputed, n_events the observed events.
    """
    rows: list[dict[str, Any]] = []
    for code in OUTCOMES if protocol.comparison.imputations else ():
        asked_of = nw.col("is_stay_expected" if code == RETAINED else "is_expected")
        if code == NOT_AT_BASELINE:
            asked_of = asked_of & (nw.col("wave") > 0)
        people = counts(
            at_waves.filter(asked_of).with_columns(nw.col(code).alias(ANSWER)),
            ["wave", "pathway", *COVARIATES, ANSWER],
        )
        is_asked = people.is_empty() or people[ANSWER].count() > 0
        for (wave,), part in people.partition_by("wave", as_dict=True).items():
            own = {"outcome": code, "wave": wave, "missing_rule": RULE}
            rows.extend(own | row for row in _one_outcome(part, code, protocol, is_asked=is_asked))
    return pl.DataFrame(rows, schema=SCHEMA)


def _one_outcome(
    part: pl.DataFrame, outcome: str, protocol: Protocol, *, is_asked: bool
) -> list[dict[str, Any]]:
    """One row per measure and pathway but the reference, pooled or refused."""
    is_mean, reference = outcome in MEANS, reference_of(protocol)
    named = part.filter(pl.col("pathway").is_in([reference, *others(protocol)]))
    covariates = known_covariates(named)
    observed = _summed(named.drop_nulls(ANSWER), [])
    varied = varied_pathways(observed, is_mean=is_mean)
    model = named.filter(pl.col("pathway").is_in(varied))
    terms = pathway_model(model, covariates, reference)
    events = per_pathway(observed, "total")
    whole = pl.all_horizontal(pl.col([*covariates, ANSWER]).is_not_null())
    n, known = per_pathway(named, "n"), per_pathway(named.filter(whole), "n")
    n_observed = per_pathway(observed, "n")
    carried = most_terms(
        sum(n_observed[code] for code in varied),
        None if is_mean else sum(events[code] for code in varied),
    )
    fitted: dict[str, Fitted] = {}
    refusal = None
    if not is_asked:
        refusal = NOT_ASKED
    elif not n_observed[reference]:
        refusal = reasons.NOT_COMPUTABLE
    elif reference not in varied:
        refusal = reasons.SPARSE_CELLS
    elif len(terms) > carried:
        refusal = TOO_FEW_FOR_TERMS
    elif not tells_apart(model, terms):
        refusal = reasons.SPARSE_CELLS
    else:
        fitted = _pooled(model, covariates, terms, protocol.comparison, is_mean=is_mean)
        refusal = None if any(fitted.values()) or not is_mean else reasons.NO_VARIATION
    copies = protocol.comparison.imputations
    return [
        {
            "pathway": code,
            "measure": measure,
            "adjusted": True,
            "covariates": ",".join(covariates) or None,
            "n": n[code] + n[reference],
            "n_missing": n[code] + n[reference] - known[code] - known[reference],
            "n_events": None if is_mean else events[code] + events[reference],
            "method": f"{method}; {copies} imputations, Rubin",
            "reason": why_null(code, n_observed, fitted.get(measure, {}), refusal),
            **fitted.get(measure, {}).get(code, {}),
        }
        for measure, method in _methods(is_mean=is_mean).items()
        for code in others(protocol)
    ]


def _methods(*, is_mean: bool) -> dict[str, str]:
    """Measure to method."""
    if is_mean:
        return {"mean_difference": "linear regression, t"}
    return {
        "odds_ratio": "logistic regression, t on logs",
        "risk_difference": "g-computation, delta",
        "risk_ratio": "g-computation, delta on logs",
    }


def _summed(answered: pl.DataFrame, covariates: Sequence[str]) -> pl.DataFrame:
    """n, total and squares per pathway and covariates."""
    n, answer = pl.col("n"), pl.col(ANSWER)
    return (
        answered.group_by("pathway", *covariates)
        .agg(n=n.sum(), total=(n * answer).sum(), squares=(n * answer**2).sum())
        .sort("pathway", *covariates)
    )


def _pooled(
    model: pl.DataFrame,
    covariates: Sequence[str],
    terms: Sequence[Term],
    comparison: Comparison,
    *,
    is_mean: bool,
) -> dict[str, Fitted]:
    """Measure to the pooled estimates of each pathway; none where a completed model has none."""
    kind = pl.Float64 if is_mean else pl.String
    copies = completed(
        model.with_columns(pl.col(ANSWER).cast(kind)),
        ["pathway", *covariates, ANSWER],
        copies=comparison.imputations,
        seed=comparison.seed,
    )
    own = [term for term in terms if term.factor == "pathway"]
    found: dict[str, list[tuple[FloatArray, FloatArray]]] = {}
    for copy in copies:
        summed = _summed(copy.with_columns(pl.col(ANSWER).cast(pl.Float64)), covariates)
        for measure, one in _completed_model(summed, terms, len(own), is_mean=is_mean).items():
            found.setdefault(measure, []).append(one)
    df = float(model["n"].sum() - len(terms) - 1)
    fitted = {}
    for measure, each in found.items():
        values, variances = (np.array(part) for part in zip(*each, strict=True))
        pooled = pool(values, variances, df)
        ratio = measure in ("odds_ratio", "risk_ratio")
        shown = with_interval(pooled.estimate, pooled.variance, ratio=ratio, df=pooled.df)
        bounds = (shown.estimate, shown.low, shown.high, shown.p_value)
        fitted[measure] = pathway_estimates(own, bounds)
    return fitted


def _completed_model(
    summed: pl.DataFrame, terms: Sequence[Term], n_groups: int, *, is_mean: bool
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Measure to the pathways' values and variances in one completed data set."""
    cells = cells_of(summed, terms)
    fit = regress(cells, logistic=not is_mean, clustered=False)
    groups = slice(1, n_groups + 1)
    own = (fit.estimate[groups], np.diag(fit.covariance)[groups])
    if is_mean:
        return {"mean_difference": own}
    if not fit.is_whole:
        nothing = np.full(n_groups, np.nan)
        return dict.fromkeys(_methods(is_mean=False), (nothing, nothing))
    risks = standardise(cells, fit, range(1, n_groups + 1))
    return {
        "odds_ratio": own,
        "risk_difference": (risks.difference.value, risks.difference.variance),
        "risk_ratio": (risks.ratio.value, risks.ratio.variance),
    }
