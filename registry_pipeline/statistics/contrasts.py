"""Contrasts of groups with a reference: estimate, 95 % interval, p value, and pooling of several.

Belongs here: what a contrast is, its normal interval, and Rubin's rules.
Does not belong here: where estimate and variance come from (see `standardisation`, `weighting`,
`regression`), or the completed data (see `imputation`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from registry_pipeline.statistics.intervals import FloatArray


@dataclass(frozen=True)
class Contrast:
    """Groups against the reference on one measure, one element per group; NaN: no estimate.

    `value` and `variance` are on the scale of the interval, the logarithm for a ratio.
    """

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    value: FloatArray
    variance: FloatArray


@dataclass(frozen=True)
class Pooled:
    """Several estimates of one thing as one, by Rubin's rules, element by element.

    Attributes:
        estimate: their mean.
        within: mean of their variances.
        between: variance of the estimates.
        variance: of the pooled estimate.
        df: degrees of freedom of its t interval.
        increase: relative increase of the variance by the missing data.
        missing_information: fraction of information that is missing.
    """

    estimate: FloatArray
    within: FloatArray
    between: FloatArray
    variance: FloatArray
    df: FloatArray
    increase: FloatArray
    missing_information: FloatArray


def with_interval(
    value: FloatArray, variance: FloatArray, *, ratio: bool, df: FloatArray | float = np.inf
) -> Contrast:
    """A contrast with a normal interval, Student's t where the degrees of freedom are finite.

    A ratio comes in as its logarithm and goes out as a ratio.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(variance)
        half = _quantile(df) * error
        p_value = 2 * _lower_tail(df, -np.abs(value / error))
    shown = (value, value - half, value + half)
    estimate, low, high = (np.exp(part) if ratio else part for part in shown)
    return Contrast(estimate, low, high, p_value, value, variance)


def pool(values: FloatArray, variances: FloatArray, df_complete: float = np.inf) -> Pooled:
    """Rubin's rules over completed data sets (rows), one pooled estimate per column.

    Args:
        values: the estimate in each data set.
        variances: its squared error there.
        df_complete: degrees of freedom the complete data would have had.

    Returns:
        The pooled estimates; NaN where any data set has none. Source: Rubin 1987; degrees of
        freedom Barnard and Rubin 1999.
    """
    m = len(values)
    within, between = variances.mean(axis=0), values.var(axis=0, ddof=1)
    variance = within + (1 + 1 / m) * between
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = (1 + 1 / m) * between / variance
        df = (m - 1) / lost**2
        if np.isfinite(df_complete):
            observed = (df_complete + 1) / (df_complete + 3) * df_complete * (1 - lost)
            df = np.where(lost > 0, df * observed / (df + observed), observed)
        increase = (1 + 1 / m) * between / within
        missing = (increase + 2 / (df + 3)) / (increase + 1)
    return Pooled(values.mean(axis=0), within, between, variance, df, increase, missing)


def _quantile(df: FloatArray | float) -> FloatArray:
    """The 97.5 % point of Student's t; normal at infinity."""
    t = special.stdtrit(np.where(np.isinf(df), 1.0, df), 0.975)
    return np.asarray(np.where(np.isinf(df), special.ndtri(0.975), t), dtype=np.float64)


def _lower_tail(df: FloatArray | float, score: FloatArray) -> FloatArray:
    t = special.stdtr(np.where(np.isinf(df), 1.0, df), score)
    return np.asarray(np.where(np.isinf(df), special.ndtr(score), t), dtype=np.float64)
