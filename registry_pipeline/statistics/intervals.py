"""Intervals for one share or mean per row, and those of a curve.

Belongs here: an estimate with its bounds from counts and sums in the same row.
Does not belong here: rates (see `rates`), comparisons of two rows, or anything cumulated over
rows.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from registry_pipeline.statistics import reasons

FloatArray = NDArray[np.float64]
Z95 = float(special.ndtri(0.975))
BOUNDARY = 1e-12
Scale = Literal["log_log", "complementary_log_log", "log", "plain"]


def with_wilson(
    frame: pl.DataFrame,
    numerator: str,
    denominator: str,
    *,
    estimate: str = "estimate",
    low: str = "ci_low",
    high: str = "ci_high",
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Adds a share with its Wilson score interval (Wilson 1927), one row in, one row out.

    Args:
        frame: one row per share, with the two counts.
        numerator: column of people with the property.
        denominator: column of people asked.
        estimate: name of the new share, null where the denominator is 0 or a count is null.
        low: name of the new lower bound, exactly 0 where the numerator is 0.
        high: name of the new upper bound, exactly 1 where numerator and denominator are equal.
        confidence: coverage of the interval.

    Returns:
        The frame with three Float64 columns more.

    Raises:
        ValueError: where a numerator is negative or above its denominator.
    """
    x, n = _share_counts(frame, numerator, denominator)
    z2 = float(special.ndtri((1 + confidence) / 2)) ** 2
    share = x / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    lower, upper = np.where(x == 0, 0.0, centre - half), np.where(x == n, 1.0, centre + half)
    return with_values(frame, {estimate: share, low: lower, high: upper})


def with_mean(
    frame: pl.DataFrame,
    n: str,
    total: str,
    total_squares: str,
    *,
    estimate: str = "estimate",
    low: str = "ci_low",
    high: str = "ci_high",
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Adds a mean with its Student t interval, from the number of values, their sum and squares.

    One row in, one row out. The mean is null where `n` is 0, the bounds where it is below 2 and
    where all values are alike: an interval without width would promise what two people cannot.
    """
    sums, count = positive(frame, total, n)
    mean = sums / count
    variance = sample_variance(frame, n, total, total_squares)
    variance[variance == 0] = np.nan
    half = special.stdtrit(count - 1, (1 + confidence) / 2) * np.sqrt(variance / count)
    return with_values(frame, {estimate: mean, low: mean - half, high: mean + half})


def why_no_mean(n: str, low: str = "ci_low") -> pl.Expr:
    """The reason why the mean of `with_mean`, or its interval, is null; null where both are there.

    not_computable below two values, no_variation where all are alike.
    """
    few = pl.when(pl.col(n) < 2).then(pl.lit(reasons.NOT_COMPUTABLE))
    return few.when(pl.col(low).is_null()).then(pl.lit(reasons.NO_VARIATION))


def sample_variance(frame: pl.DataFrame, n: str, total: str, total_squares: str) -> FloatArray:
    """The sample variance per row, NaN below two values; exact while the sums are integers."""
    count = pl.col(n).cast(pl.Int64)
    spread = count * pl.col(total_squares) - pl.col(total) ** 2
    variance = pl.when(count > 1).then(spread / (count * (count - 1)))
    values = frame.select(variance.cast(pl.Float64)).to_series()
    return np.asarray(np.maximum(values.to_numpy(), 0.0), dtype=np.float64)


def with_curve_interval(
    frame: pl.DataFrame, estimate: str, scale: Scale = "log_log"
) -> pl.DataFrame:
    """Adds `ci_low` and `ci_high`, the 95 % interval of a share on a curve, from its `std_error`.

    Null where the share is 0 or 1. The tables are on the log(-log) scale, which keeps to 0 and 1
    with few people; what others publish may be on another.
    Source: Kalbfleisch and Prentice 2002, section 1.4; `conf.type` of R's survfit.

    Args:
        frame: the curve; bounds it has already are replaced.
        estimate: the column of shares.
        scale: log(-log) of the share, or of its complement as in R's etm; its logarithm, R's own
            choice; or the share itself. The latter two are cut off at 0 and 1.
    """
    share, half = pl.col(estimate), Z95 * pl.col("std_error")
    inside = (share > BOUNDARY) & (share < 1 - BOUNDARY)
    if scale == "log":
        ratio = (half / share).exp()
        low, high = share / ratio, share * ratio
    elif scale == "plain":
        low, high = share - half, share + half
    elif scale == "log_log":
        low, high = _log_log(share, half)
    else:
        high, low = (1 - bound for bound in _log_log(1 - share, half))
    return frame.with_columns(
        ci_low=pl.when(inside).then(low.clip(lower_bound=0.0)),
        ci_high=pl.when(inside).then(high.clip(upper_bound=1.0)),
    )


def _log_log(share: pl.Expr, half: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    width = (half / (share * -share.log())).exp()
    return share.pow(width), share.pow(1 / width)


def boundary_reason(estimate: pl.Expr) -> pl.Expr:
    """The reason why the interval of a curve is null, null where it is not."""
    return (
        pl.when(estimate <= BOUNDARY)
        .then(pl.lit(reasons.AT_ZERO))
        .when(estimate >= 1 - BOUNDARY)
        .then(pl.lit(reasons.AT_ONE))
    )


def _share_counts(
    frame: pl.DataFrame, numerator: str, denominator: str
) -> tuple[FloatArray, FloatArray]:
    x, n = positive(frame, numerator, denominator)
    if bool(((x < 0) | (x > n)).any()):
        message = f"column {numerator} is negative or above column {denominator}"
        raise ValueError(message)
    return x, n


def positive(frame: pl.DataFrame, part: str, whole: str) -> tuple[FloatArray, FloatArray]:
    """Both columns as floats; NaN in both where either is null or the whole is not positive."""
    known = pl.col(part).is_not_null() & (pl.col(whole) > 0)
    columns = frame.select(
        part=pl.when(known).then(pl.col(part)).cast(pl.Float64),
        whole=pl.when(known).then(pl.col(whole)).cast(pl.Float64),
    )
    return columns["part"].to_numpy(), columns["whole"].to_numpy()


def with_values(frame: pl.DataFrame, columns: dict[str, FloatArray]) -> pl.DataFrame:
    """The frame with more Float64 columns; NaN becomes null."""
    return frame.with_columns(
        pl.Series(name, values, dtype=pl.Float64, nan_to_null=True)
        for name, values in columns.items()
    )


def floats(frame: pl.DataFrame, column: str) -> FloatArray:
    """A column as floats, NaN where it is null."""
    return frame[column].cast(pl.Float64).to_numpy()
