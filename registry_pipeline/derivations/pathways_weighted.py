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
)
from registry_pipeline.derivations.pathways_counts import MEANS, NOT_ASKED, TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import (
    covariate_terms,
    design,
    known_covariates,
    most_terms,
    others,
    reference_of,
)
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import places
from registry_pipeline.statistics.intervals import FloatArray, floats
from registry_pipeline.statistics.weighting import (
    Weighing,
    effective_size,
    weigh,
    weighted_contrasts,
)
from registry_pipeline.version import as_table
from schemas.derived.comparisons import ComparisonWeight
from schemas.fields import describe
from schemas.protocol import Protocol

METHOD: Final = "inverse-probability weights, logistic"
SANDWICH: Final = "inverse-probability weights, sandwich"


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
    terms = covariate_terms(cells, covariates)
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
    contrasts = places(observed, CONTRAST)
    rows = observed.with_columns(
        contrast=pl.Series(contrasts.of_row), is_asked=pl.col("is_asked").cast(pl.Int64)
    )
    told = [
        contrast | row
        for pair in weighed
        for contrast, answers in zip(
            contrasts.keys.to_dicts(), _answers(rows, pair, contrasts.keys.height), strict=True
        )
        for row in _contrasts(answers, contrast["outcome"], pair)
    ]
    return pl.DataFrame(told, schema=SCHEMA)


@dataclass(frozen=True)
class _Answers:
    """What the cells of a pair answered to one outcome at one wave.

    Attributes:
        n: people with an answer, per cell; total and squares of their answers.
        n_expected: people of both pathways, also those not weighed.
        is_asked: whether anyone was asked.
    """

    n: FloatArray
    total: FloatArray
    squares: FloatArray
    n_expected: int
    is_asked: bool


def _answers(rows: pl.DataFrame, pair: Pair, n_contrasts: int) -> Iterator[_Answers]:
    """The answers of a pair in every contrast, from rows with the number of their contrast."""
    both = rows.filter(pl.col("pathway").is_in([pair.pathway, pair.reference]))
    n_expected = np.bincount(both["contrast"], both["n_expected"], n_contrasts)
    is_asked = np.bincount(rows["contrast"], 1 - rows["is_asked"], n_contrasts) == 0
    cells = pair.cells.drop("n").with_row_index("cell")
    known = both.join(cells, on=["pathway", *pair.covariates])
    place = known["contrast"].to_numpy() * cells.height + known["cell"].to_numpy()
    sums = [
        np.bincount(place, known[name].fill_null(0), n_contrasts * cells.height)
        for name in ("n", "total", "squares")
    ]
    table = np.array(sums).reshape(3, n_contrasts, cells.height)
    for parts, expected, asked in zip(table.swapaxes(0, 1), n_expected, is_asked, strict=True):
        n, total, squares = parts
        yield _Answers(n, total, squares, int(expected), bool(asked))


def _contrasts(answers: _Answers, outcome: str, pair: Pair) -> Iterator[dict[str, Any]]:
    """The measures of one outcome in one pair."""
    is_mean = outcome in MEANS
    arms = np.array([pair.cells["pathway"] == code for code in (pair.pathway, pair.reference)])
    n, total, squares = (arms @ part for part in (answers.n, answers.total, answers.squares))
    used, events = int(n.sum()), None if is_mean else int(total.sum())
    refusal = pair.reason if answers.is_asked else NOT_ASKED
    if refusal is None:
        refusal = _why_refused(n, total, squares, is_mean=is_mean)
    measures = ("mean_difference",) if is_mean else ("risk_difference", "risk_ratio")
    values = {} if refusal else _estimates(answers, pair, measures)
    for measure in measures:
        yield {
            "pathway": pair.pathway,
            "measure": measure,
            "adjusted": True,
            "covariates": ",".join(pair.covariates) or None,
            "n": used,
            "n_missing": answers.n_expected - used,
            "n_events": events,
            "method": SANDWICH,
            "reason": None if measure in values else refusal or reasons.SPARSE_CELLS,
            **values.get(measure, {}),
        }


def _why_refused(
    n: FloatArray, total: FloatArray, squares: FloatArray, *, is_mean: bool
) -> str | None:
    """Why an outcome does not carry a weighted contrast, from those who answered; null if it does.

    The errors are those of large samples: as many people of either pathway, and as many successes
    and failures, as one term of a model needs.

    Args:
        n: people with an answer in the pathway and the reference.
        total: the sum of their answers.
        squares: the sum of their squares.
        is_mean: whether the outcome is a score.
    """
    if not n.all():
        return reasons.NOT_COMPUTABLE
    if not is_mean and not ((total > 0) & (total < n)).all():
        return reasons.SPARSE_CELLS
    if is_mean and not (n * squares > total**2).any():
        return reasons.NO_VARIATION
    everyone, events = int(n.sum()), None if is_mean else int(total.sum())
    carried = min(most_terms(everyone, events), most_terms(everyone, int(n[0])))
    return None if carried else TOO_FEW_FOR_TERMS


def _estimates(
    answers: _Answers, pair: Pair, measures: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Measure to its values; a measure without a finite interval is left out."""
    assert pair.weighing is not None  # noqa: S101 - not refused
    squares = answers.squares if measures[0] == "mean_difference" else answers.total
    contrasts = weighted_contrasts(pair.weighing, answers.n, answers.total, squares)[1:]
    size = sum(
        effective_size(answers.n[there], pair.weighing.weight[there])
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
