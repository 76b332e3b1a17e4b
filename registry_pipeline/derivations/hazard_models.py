"""A model of the hazard of leaving, from cells of people to the numbers of each term.

Belongs here: which model a hazard is fitted by, and what is said of it.
Does not belong here: which people and terms are in it (see `retention_hazard` and
`pathways_hazard`), the likelihoods (see `statistics.cox` and `statistics.subdistribution`).

Another way of leaving censors in the one, the hazard of those still there, and stays at risk in
the other, the hazard of the share that leaves so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import polars as pl

from registry_pipeline.derivations.pathways_models import Term, design
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.concordance import concordance
from registry_pipeline.statistics.cox import Fit, Stays, cox, proportional_hazards_test
from registry_pipeline.statistics.intervals import Z95
from registry_pipeline.statistics.subdistribution import fine_gray

CAUSE_SPECIFIC: Final = "cause_specific"
SUBDISTRIBUTION: Final = "subdistribution"
METHOD: Final = pl.col("hazard").replace_strict(
    {
        CAUSE_SPECIFIC: "cause-specific Cox regression, Efron ties, Wald",
        SUBDISTRIBUTION: "Fine-Gray regression, Efron ties, robust Wald",
    },
    return_dtype=pl.String,
)
CONCORDANCE: Final = ("concordance", "concordance_ci_low", "concordance_ci_high")
CHECK: Final = ("ph_statistic", "ph_df", "ph_p_value")


def stays_of(people: pl.DataFrame, terms: Sequence[Term]) -> Stays:
    """The cells put together that are alike in the model's factors.

    Args:
        people: factors, entry_day, exit_day, is_event and n people.
        terms: of the model.
    """
    factors = list(dict.fromkeys(term.factor for term in terms))
    combinations = people.select(factors).unique().sort(factors).with_row_index("which")
    days = ["entry_day", "exit_day", "is_event"]
    cells = people.join(combinations, on=factors).group_by("which", *days).agg(pl.col("n").sum())
    columns = cells.select(pl.exclude("is_event").cast(pl.Int64), "is_event")
    return Stays(
        terms=design(combinations, terms)[:, 1:],
        which=columns["which"].to_numpy(),
        entry_day=columns["entry_day"].to_numpy(),
        exit_day=columns["exit_day"].to_numpy(),
        is_event=columns["is_event"].to_numpy(),
        people=columns["n"].to_numpy(),
    )


def fitted(
    stays: Stays, terms: Sequence[Term], hazards: Sequence[str]
) -> dict[str, dict[Term, dict[str, Any]] | str]:
    """What the model of each hazard says of each of its terms, or why there is none.

    Args:
        stays: the people.
        terms: of the model, at least one.
        hazards: CAUSE_SPECIFIC, and SUBDISTRIBUTION, which is refused with delayed entry.
    """
    fit = cox(stays)
    if fit is None:
        return dict.fromkeys(hazards, reasons.NOT_COMPUTABLE)
    found: dict[str, dict[Term, dict[str, Any]] | str] = {
        CAUSE_SPECIFIC: _of_terms(fit, terms, _concordance(stays, fit))
    }
    if (stays.entry_day > 0).any():
        found[SUBDISTRIBUTION] = reasons.DELAYED_ENTRY
    elif SUBDISTRIBUTION in hazards:
        weighted = fine_gray(stays, near=fit.estimate)
        found[SUBDISTRIBUTION] = _of_terms(weighted, terms) if weighted else reasons.NOT_COMPUTABLE
    return found


def _of_terms(
    fit: Fit, terms: Sequence[Term], tells: Mapping[str, float] = MappingProxyType({})
) -> dict[Term, dict[str, Any]]:
    factors = dict.fromkeys(term.factor for term in terms)
    checks = {
        name: proportional_hazards_test(
            fit, [place for place, term in enumerate(terms) if term.factor == name]
        )
        for name in factors
    }
    return {
        term: _estimate(fit, place, checks[term.factor], tells) for place, term in enumerate(terms)
    }


def _concordance(stays: Stays, fit: Fit) -> dict[str, float]:
    """The concordance with its interval, where every term has an estimate."""
    found = concordance(stays, fit.estimate) if np.isfinite(fit.estimate).all() else None
    if found is None:
        return {}
    value, half = found[0], Z95 * found[1]
    return dict(
        zip(CONCORDANCE, (value, max(value - half, 0.0), min(value + half, 1.0)), strict=True)
    )


def _estimate(
    fit: Fit, place: int, check: tuple[float, int, float] | None, tells: Mapping[str, float]
) -> dict[str, Any]:
    """The hazard ratio of a term, the check of its factor, and the concordance of the model."""
    if np.isnan(fit.estimate[place]):
        return {"reason": reasons.NOT_COMPUTABLE}
    estimate, low, high = (
        float(np.exp(values[place])) for values in (fit.estimate, fit.low, fit.high)
    )
    whole = None if tells else reasons.NOT_COMPUTABLE
    return {
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
        "p_value": float(fit.p_value[place]),
        **tells,
        **dict(zip(CHECK, check or (None,) * 3, strict=True)),
        "reason": whole if check else reasons.NO_CHECK,
    }
