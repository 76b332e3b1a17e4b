"""What the tables of outcomes are estimated from: counts per outcome, under each missing rule.

Belongs here: summing the row-level outcomes into cells, and what a missing answer counts as.
Does not belong here: what success is (see `transform.outcomes`), estimates and intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.transform.engine import Frame
from schemas.codes import MISSING_RULE
from schemas.core.visits import Interview
from schemas.fields import describe
from schemas.outcomes import OUTCOMES

MEANS: Final = [code for code, outcome in OUTCOMES.items() if outcome.kind == "mean"]
SCORE: Final = {"life_satisfaction": "life_satisfaction", "coping": "coping_score"}
"""Outcomes that are means, and the score of core.interview whose scale they have."""

RETAINED: Final = "retained"
NOT_AT_BASELINE: Final = "primary_substance_reduced"

NOT_ASKED: Final = "not_asked"
DESCRIPTIVE: Final = "descriptive"
TOO_FEW_FOR_TERMS: Final = "too_few_for_terms"
"""Reasons beside those of `statistics.reasons`: nobody in the cohort was asked; no interval for a
description that looks ahead; more terms in the model than the data carry."""

PEOPLE: Final = ["n_expected", "n_excluded", "n_stay_expected", "n_stay_excluded"]
SUMS: Final = [
    *PEOPLE,
    *(f"n_{code}" for code in OUTCOMES),
    *(f"sum_{code}" for code in OUTCOMES),
    *(f"squares_{code}" for code in MEANS),
]
"""The summed columns of a cell."""

WEIGHTS: Final = [f"weight_{name}" for name in SUMS if not name.startswith("squares")]
"""The same, each person counted with a weight."""


def cells(rows: Frame, by: Sequence[str], *, weight: str | None = None) -> pl.DataFrame:
    """Sums of the outcomes over people: one row per combination of `by`.

    Args:
        rows: the rows of `transform.outcomes.outcomes` with the columns of `by`.
        by: grouping columns.
        weight: column of whole-number weights.

    Returns:
        `by` and `SUMS`; with a weight also `WEIGHTS`. n_<outcome> counts the answered.
    """
    one = {name: nw.col(f"is_{name.removeprefix('n_')}") for name in PEOPLE}
    parts: dict[str, nw.Expr] = {
        name: nw.when(holds).then(nw.lit(1))
        for name, holds in {
            **one,
            **{f"n_{code}": ~nw.col(code).is_null() for code in OUTCOMES},
        }.items()
    }
    parts |= {f"sum_{code}": nw.col(code) for code in OUTCOMES}
    parts |= {f"squares_{code}": nw.col(code) * nw.col(code) for code in MEANS}
    if weight:
        parts |= {name: parts[name.removeprefix("weight_")] * nw.col(weight) for name in WEIGHTS}
    summed = rows.group_by(list(by)).agg(
        **{name: part.sum().fill_null(0).cast(nw.Int64) for name, part in parts.items()}
    )
    result: pl.DataFrame = summed.collect("polars").to_native()
    return result.sort(by, nulls_last=True)


def by_outcome(wide: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The cells one outcome per row.

    Returns:
        `keys`, outcome, n_expected, n_excluded, n_observed, total, squares (null for a
        proportion), and the weighted weight_expected, weight_observed, weight_total, which are
        the counts themselves where the cells have no weights. Where the outcome is `retained`,
        people without a stay are not expected but left out. No row where an outcome is not
        defined at the wave.
    """
    prefix = "weight_" if WEIGHTS[0] in wide.columns else ""
    parts = []
    for code in OUTCOMES:
        of = "n_stay_" if code == RETAINED else "n_"
        expected = f"{of}expected"
        part = wide.select(
            *keys,
            outcome=pl.lit(code),
            n_expected=pl.col(expected),
            n_excluded=pl.col(f"{of}excluded"),
            n_observed=pl.col(f"n_{code}"),
            total=pl.col(f"sum_{code}"),
            squares=pl.col(f"squares_{code}") if code in MEANS else pl.lit(None, pl.Int64),
            weight_expected=pl.col(f"{prefix}{expected}"),
            weight_observed=pl.col(f"{prefix}n_{code}"),
            weight_total=pl.col(f"{prefix}sum_{code}"),
        )
        parts.append(part.filter(pl.col("wave") > 0) if code == NOT_AT_BASELINE else part)
    return pl.concat(parts)


def under_each_rule(counted: pl.DataFrame) -> pl.DataFrame:
    """The rows of `by_outcome` under each missing rule, four rows out per row in.

    Observed counts the answered; the others count everyone expected, with a missing answer at
    the worse end (missing_is_failure, worst) or the better end (best) of the outcome: not
    achieved or achieved, for a score its lowest or highest value. An outcome that nobody in the
    frame ever answered was not asked and counts nobody.

    Returns:
        The frame with missing_rule, n_missing, and per rule n, total, squares, weight, and
        weighted_total; is_asked.
    """
    asked = (pl.col("n_observed").sum() > 0).over("outcome") | (
        (pl.col("n_expected").sum() == 0).over("outcome")
    )
    missing = pl.when("is_asked").then(pl.col("n_expected") - pl.col("n_observed")).otherwise(0)
    weight = pl.when("is_asked").then(pl.col("weight_expected") - pl.col("weight_observed"))
    base = (
        counted.with_columns(is_asked=asked)
        .with_columns(filled=missing, weight_filled=weight.otherwise(0))
        .join(_ends(), on="outcome", how="left", maintain_order="left")
    )
    value = pl.col("value")
    return pl.concat(
        base.with_columns(
            missing_rule=pl.lit(rule),
            value=pl.col("better" if rule == "best" else "worse"),
            used=pl.lit(0 if rule == "observed" else 1),
        ).with_columns(
            n_missing=pl.col("n_expected") - pl.col("n_observed"),
            n=pl.col("n_observed") + pl.col("used") * pl.col("filled"),
            total=pl.col("total") + pl.col("used") * pl.col("filled") * value,
            squares=pl.col("squares") + pl.col("used") * pl.col("filled") * value**2,
            weight=pl.col("weight_observed") + pl.col("used") * pl.col("weight_filled"),
            weighted_total=pl.col("weight_total")
            + pl.col("used") * pl.col("weight_filled") * value,
        )
        for rule in MISSING_RULE.codes
    ).drop("filled", "weight_filled", "value", "used", "better", "worse")


def _ends() -> pl.DataFrame:
    """Outcome, and the values at its worse and better end."""
    answers = describe(Interview)
    ends = []
    for code, outcome in OUTCOMES.items():
        scale = answers.column(SCORE[code]) if outcome.kind == "mean" else None
        low, high = (int(scale.low or 0), int(scale.high or 0)) if scale else (0, 1)
        worse, better = (low, high) if outcome.direction == "higher" else (high, low)
        ends.append((code, worse, better))
    schema = {"outcome": pl.String, "worse": pl.Int64, "better": pl.Int64}
    return pl.DataFrame(ends, schema=schema, orient="row")
