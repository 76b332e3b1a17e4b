"""Pathways made alike by weights: each with the reference, by the inverse probability of its own.

Belongs here: who is weighed and when it is refused, the weights, the balance they bring, and the
weighted contrasts. Does not belong here: the formulas (see `statistics.weighting`).

A pathway and the reference are weighed as a pair, at the baseline, whatever was answered later:
the same weights serve every outcome and wave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from registry_pipeline.derivations.pathways_adjusted import (
    CONTRAST,
    SCHEMA,
    SHOWN,
    per_pathway,
    varied_pathways,
)
from registry_pipeline.derivations.pathways_counts import MEANS, NOT_ASKED, TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import (
    Term,
    against,
    design,
    known_covariates,
    levels_of,
    most_terms,
    others,
    reference_of,
)
from registry_pipeline.derivations.version import as_table
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import FloatArray, floats
from registry_pipeline.statistics.weighting import (
    Weighing,
    effective_size,
    weigh,
    weighted_contrasts,
)
from schemas.derived.comparisons import ComparisonWeight
from schemas.fields import describe
from schemas.protocol import Protocol

METHOD: Final = "inverse-probability weights, logistic"
SANDWICH: Final = "inverse-probability weights, sandwich"
BOTH: Final = 2


@dataclass(frozen=True)
class Pair:
    """A pathway beside the reference.

    Attributes:
        pathway: code of the pathway.
        reference: code of the reference.
        covariates: what the two are made alike in.
        cells: people (n) per pathway and covariates, all of these known.
        everyone: people per pathway, also those with a covariate missing.
        weighing: the weights of the cells; null where refused.
        reason: why they were refused.
    """

    pathway: str
    reference: str
    covariates: Sequence[str]
    cells: pl.DataFrame
    everyone: Counter[str]
    weighing: Weighing | None
    reason: str | None


def pairs(people: pl.DataFrame, protocol: Protocol) -> list[Pair]:
    """Every pathway but the reference, weighed beside it or refused.

    Refused where either has nobody with all covariates known, where the smaller of the two does
    not carry the terms, and where some level is found in one of them alone: nobody there is like
    the others, and no weight can make them so.

    Args:
        people: people (n) per pathway and covariates.
        protocol: the cohort's protocol.
    """
    return [_pair(people, code, reference_of(protocol)) for code in others(protocol)]


def _pair(people: pl.DataFrame, code: str, reference: str) -> Pair:
    both = people.filter(pl.col("pathway").is_in([code, reference]))
    covariates = known_covariates(both)
    keys = ["pathway", *covariates]
    known = both.filter(pl.all_horizontal(pl.col(keys).is_not_null()))
    cells = known.group_by(keys).agg(pl.col("n").sum()).sort(keys)
    terms: list[Term] = []
    for name in covariates:
        terms += against(name, levels_of(cells, name), [])
    n = per_pathway(cells, "n")
    weighing, reason = None, None
    if not n[code] or not n[reference]:
        reason = reasons.NOT_COMPUTABLE
    elif len(terms) + 1 > most_terms(n[code] + n[reference], n[code]):
        reason = TOO_FEW_FOR_TERMS  # the pathway itself is a term
    else:
        in_group = floats(cells.select(pl.col("pathway") == code), "pathway")
        weighing = weigh(design(cells, terms), in_group, floats(cells, "n"))
        if not weighing.fit.is_whole:
            weighing, reason = None, reasons.SPARSE_CELLS
    everyone = per_pathway(both, "n")
    return Pair(code, reference, covariates, cells, everyone, weighing, reason)


def comparison_weight(weighed: Sequence[Pair], protocol: Protocol) -> pl.DataFrame:
    """derived.comparison_weight: two rows per pair."""
    rows = [
        {
            "pathway": pair.pathway,
            "reference": pair.reference,
            "arm": arm,
            "covariates": ",".join(pair.covariates) or None,
            "n": n[arm],
            "n_missing": pair.everyone[arm] - n[arm],
            **_sizes(pair, arm),
            "reason": pair.reason,
        }
        for pair in weighed
        for n in [per_pathway(pair.cells, "n")]
        for arm in (pair.pathway, pair.reference)
    ]
    names = ("pathway", "reference", "arm", "covariates", "reason")
    numbers = dict.fromkeys(("mean_weight", "max_weight", "effective_n"), pl.Float64)
    schema = {**dict.fromkeys(names, pl.String), "n": pl.Int64, "n_missing": pl.Int64, **numbers}
    table = pl.DataFrame(rows, schema=schema)
    made = as_table(table, ComparisonWeight, cohort=protocol.id, method=METHOD)
    return made.sort(describe(ComparisonWeight).key)


def _sizes(pair: Pair, arm: str) -> dict[str, float]:
    """Mean and largest weight and effective size of one of the two; nothing where refused."""
    if pair.weighing is None:
        return {}
    there = (pair.cells["pathway"] == arm).to_numpy()
    people, weight = pair.weighing.people[there], pair.weighing.weight[there]
    return {
        "mean_weight": float(people @ weight / people.sum()),
        "max_weight": float(weight.max()),
        "effective_n": effective_size(people, weight),
    }


def weighted_shares(weighed: Sequence[Pair]) -> pl.DataFrame:
    """pathway, covariate, level, and its weighted share in the pathway (w1) and the reference (w0).

    No rows of a pair that was refused.
    """
    rows: list[dict[str, Any]] = []
    for pair in weighed:
        if pair.weighing is None:
            continue
        mass = pair.cells.with_columns(mass=pl.Series(pair.weighing.people * pair.weighing.weight))
        whole = mass.group_by("pathway").agg(pl.col("mass").sum())
        sums = dict(whole.iter_rows())
        for name in pair.covariates:
            held = mass.group_by("pathway", name).agg(pl.col("mass").sum())
            found = {(level, code): part for code, level, part in held.iter_rows()}
            rows.extend(
                {
                    "pathway": pair.pathway,
                    "covariate": name,
                    "level": level,
                    "w1": found.get((level, pair.pathway), 0.0) / sums[pair.pathway],
                    "w0": found.get((level, pair.reference), 0.0) / sums[pair.reference],
                }
                for level in sorted({level for level, _ in found if level is not None})
            )
    names = ("pathway", "covariate", "level")
    schema = {**dict.fromkeys(names, pl.String), "w1": pl.Float64, "w0": pl.Float64}
    return pl.DataFrame(rows, schema=schema)


def weighted_comparison(observed: pl.DataFrame, weighed: Sequence[Pair]) -> pl.DataFrame:
    """Risk differences and ratios, and differences of means, of the weighted pairs.

    Args:
        observed: rows of `under_each_rule` with rule observed, by pathway and covariates.
        weighed: the pairs.

    Returns:
        The columns of `pathways_adjusted.SCHEMA`, a row per outcome, wave, measure and pathway
        but the reference.
    """
    rows: list[dict[str, Any]] = []
    for keys, part in observed.partition_by(CONTRAST, as_dict=True, maintain_order=True).items():
        contrast = dict(zip(CONTRAST, keys, strict=True))
        for pair in weighed:
            rows.extend(contrast | row for row in _contrasts(part, str(keys[0]), pair))
    return pl.DataFrame(rows, schema=SCHEMA)


def _contrasts(part: pl.DataFrame, outcome: str, pair: Pair) -> Iterator[dict[str, Any]]:
    """The measures of one outcome in one pair."""
    is_mean = outcome in MEANS
    both = part.filter(pl.col("pathway").is_in([pair.pathway, pair.reference]))
    keys = ["pathway", *pair.covariates]
    answers = both.group_by(keys).agg(pl.col("n", "total", "squares").sum())
    cells = pair.cells.drop("n").join(answers, on=keys, how="left", maintain_order="left")
    cells = cells.with_columns(pl.col("n", "total", "squares").fill_null(0))
    n, successes = per_pathway(cells, "n"), per_pathway(cells, "total")
    used = n[pair.pathway] + n[pair.reference]
    refusal = pair.reason if part["is_asked"].all() else NOT_ASKED
    if refusal is None:
        refusal = _why_refused(cells, n[pair.pathway], n[pair.reference], is_mean=is_mean)
    measures = ("mean_difference",) if is_mean else ("risk_difference", "risk_ratio")
    values = {} if refusal else _estimates(cells, pair, measures)
    for measure in measures:
        yield {
            "pathway": pair.pathway,
            "measure": measure,
            "adjusted": True,
            "covariates": ",".join(pair.covariates) or None,
            "n": used,
            "n_missing": int(both["n_expected"].sum()) - used,
            "n_events": None if is_mean else successes[pair.pathway] + successes[pair.reference],
            "method": SANDWICH,
            "reason": None if measure in values else refusal or reasons.SPARSE_CELLS,
            **values.get(measure, {}),
        }


def _why_refused(cells: pl.DataFrame, n: int, n_reference: int, *, is_mean: bool) -> str | None:
    """Why an outcome does not carry a weighted contrast, from those who answered; null if it does.

    The errors are those of large samples: as many people of either pathway, and as many successes
    and failures, as one term of a model needs.
    """
    if not n or not n_reference:
        return reasons.NOT_COMPUTABLE
    if len(varied_pathways(cells, is_mean=is_mean)) < BOTH:
        return reasons.SPARSE_CELLS
    if is_mean and not _varies(cells):
        return reasons.NO_VARIATION
    events = None if is_mean else int(cells["total"].sum())
    carried = min(most_terms(n + n_reference, events), most_terms(n + n_reference, n))
    return None if carried else TOO_FEW_FOR_TERMS


def _varies(cells: pl.DataFrame) -> bool:
    """Whether a score differs between people of the same pathway."""
    sums = cells.group_by("pathway").agg(pl.col("n", "total", "squares").sum())
    spread = pl.col("n") * pl.col("squares") - pl.col("total") ** 2
    return bool(sums.select((spread > 0).any()).item())


def _estimates(
    cells: pl.DataFrame, pair: Pair, measures: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Measure to its values; a measure without a finite interval is left out."""
    assert pair.weighing is not None  # noqa: S101 - not refused
    answered, total = floats(cells, "n"), floats(cells, "total")
    squares = floats(cells, "squares") if measures[0] == "mean_difference" else total
    contrasts = weighted_contrasts(pair.weighing, answered, total, squares)[1:]
    size = sum(
        effective_size(answered[there], pair.weighing.weight[there])
        for there in (pair.weighing.in_group == arm for arm in (1, 0))
    )
    found = {}
    for measure, contrast in zip(measures, contrasts, strict=False):
        shown: Sequence[FloatArray] = (
            contrast.estimate, contrast.low, contrast.high, contrast.p_value,
        )  # fmt: skip
        if all(np.isfinite(value[0]) for value in shown):
            numbers = {name: float(value[0]) for name, value in zip(SHOWN, shown, strict=True)}
            found[measure] = {**numbers, "effective_n": size}
    return found
