"""Exits by type as competing risks, from counts per day: cumulative incidence and Gray's test.

Belongs here: everything that tells one exit type from another.
Does not belong here: curves that do not (`survival`). The frames are those of `survival`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.comparison import answers, chi_square_test, matrix, panel
from registry_pipeline.statistics.grouping import one_key
from registry_pipeline.statistics.intervals import FloatArray, boundary_reason, with_curve_interval
from registry_pipeline.statistics.survival import kaplan_meier

ESTIMATES = ("incidence", "std_error", "ci_low", "ci_high")


@one_key
def cumulative_incidence(
    exits: pl.DataFrame,
    entries: pl.DataFrame,
    by: Sequence[str],
    *,
    min_at_risk: int = 0,
) -> pl.DataFrame:
    """Share that has left by each day through each exit type (Aalen and Johansen 1978).

    The error is of the Greenwood form, as R's `etm` gives it; without delayed entry it is the
    infinitesimal jackknife of `survfit` too. The interval is log-log.

    Returns:
        One row per group, exit type seen in the group, and day with an exit of any type or a
        censoring: `*by`, `exit_type`, `day`, `n_at_risk`, `n_event` (of the type), `incidence`
        (share with exit day <= `day`), `std_error`, `ci_low`, `ci_high`, `reason`. Only days with
        `n_event` above 0 change an estimate. On every day the incidences and `retained` of
        `kaplan_meier` add up to 1. A group without exits has no row; one that never has
        `min_at_risk` people at risk has a row of nulls per type.
    """
    curve = kaplan_meier(exits, entries, by, min_at_risk=min_at_risk)
    own = _on_exits(exits, curve, by)
    days = curve.select(*by, "day", "n_at_risk")
    types = exits.drop_nulls("exit_type").select(*by, "exit_type").unique()
    carried = pl.col("incidence", "variance").forward_fill().over(*by, "exit_type")
    cells = (
        types.join(days, on=list(by), nulls_equal=True)
        .join(
            own.select(*by, "exit_type", "day", "n_own", "incidence", "variance"),
            on=[*by, "exit_type", "day"],
            how="left",
            nulls_equal=True,
        )
        .sort(*by, "exit_type", "day")
        .with_columns(carried, pl.col("n_own").fill_null(0))
    )
    speaks = pl.col("day").is_not_null()
    never_yet = pl.when(speaks).then(pl.col("incidence", "variance").fill_null(0.0))
    return _estimates(cells.with_columns(never_yet), by)


def incidence_on_exits(exits: pl.DataFrame, curve: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """The rows of `cumulative_incidence` that change an estimate, beside a curve known already.

    Args:
        exits: people per exit day and type.
        curve: `kaplan_meier` of the same people.
        by: grouping columns, at least one.
    """
    return _estimates(_on_exits(exits, curve, by), by)


def _estimates(cells: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    silent = pl.when(pl.col("day").is_null()).then(pl.lit(reasons.NOT_COMPUTABLE))
    # A running sum of shares may end a rounding error above 1 where everyone leaves in one way.
    incidence = cells.with_columns(
        pl.col("incidence").clip(upper_bound=1),
        std_error=pl.col("variance").clip(lower_bound=0).sqrt(),
        reason=pl.coalesce(silent, boundary_reason(pl.col("incidence"))),
    )
    return with_curve_interval(incidence, "incidence").select(
        *by, "exit_type", "day", "n_at_risk", *ESTIMATES, "reason", n_event=pl.col("n_own")
    )


@one_key
def gray_test(
    exits: pl.DataFrame, entries: pl.DataFrame, by: Sequence[str], group: str
) -> pl.DataFrame:
    """Gray's test (1988, rho = 0) of equal cumulative incidence, one test per exit type.

    Returns:
        One row per `by` and exit type: `*by`, `exit_type`, `test` (gray), `statistic`, `df`,
        `p_value`, `n`, `n_events` (of the type), `reason`. Refused where anyone entered after
        day 0: the test is not defined for delayed entry.
    """
    happened = exits.filter(pl.col("exit_type").is_not_null())
    n = pl.col("n").cast(pl.Int64).sum()
    own = happened.group_by(*by, "exit_type", "day", group).agg(n_own=n)
    types = happened.group_by(*by, "exit_type").agg(n_events=n)
    delayed = entries.group_by(*by).agg(delayed=(pl.col("day") > 0).any())
    prompt = delayed.filter(~pl.col("delayed"))
    cells = (
        panel(exits, entries, by, group)
        .join(prompt, on=list(by), how="semi", nulls_equal=True)
        .join(types, on=list(by), nulls_equal=True)
        .join(own, on=[*by, "exit_type", "day", group], how="left", nulls_equal=True)
        .with_columns(pl.col("n_own").fill_null(0))
        .sort(*by, "exit_type", "day", group)
    )
    parts = cells.partition_by(*by, "exit_type", as_dict=True)
    tests = [(*key, *_gray_test(part, group)) for key, part in parts.items()]
    keys = [*by, "exit_type"]
    return (
        types.join(exits.group_by(*by).agg(n), on=list(by), nulls_equal=True)
        .join(delayed, on=list(by), nulls_equal=True)
        .join(answers(tests, exits, keys), on=keys, how="left", nulls_equal=True)
        .with_columns(
            test=pl.lit("gray"),
            reason=pl.when("delayed").then(pl.lit(reasons.DELAYED_ENTRY)).otherwise("reason"),
        )
        .select(*keys, "test", "statistic", "df", "p_value", "n", "n_events", "reason")
        .sort(*keys)
    )


def _on_exits(exits: pl.DataFrame, curve: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Incidence and variance of each exit type on the days with such an exit, sorted.

    With increments of the exit type's hazard h_k, all exits' hazard h, the share S before the day
    and n at risk, the variance at t is the sum over s <= t of S^2/n times the multinomial variance
    of 1{type k} - phi 1{any}, phi = (F(t) - F(s)) / (S (1 - h)), zero where nobody is left; it is
    expanded in powers of F(t) so that three running sums give it on every day at once. Between two
    such days F does not move, so what the days between add to the sums is F times what they add
    to Greenwood's.

    Returns:
        `*by`, exit_type, day, n_at_risk, n_own (exits of the type), incidence, variance.
    """
    keys = [*by, "exit_type"]
    n, n_event, before = pl.col("n_at_risk"), pl.col("n_event"), pl.col("before")
    # Nobody is left after a day on which all leave, so nothing later depends on it.
    greenwood = pl.when(n_event < n).then(n_event / n / ((1 - n_event / n) * n)).otherwise(0.0)
    days = curve.drop_nulls("day").select(
        *by,
        "day",
        "n_at_risk",
        "n_event",
        before=pl.col("retained").shift(1, fill_value=1.0).over(by),
        greenwood=greenwood,
        square=greenwood.cum_sum().over(by),
    )
    own, added = pl.col("n_own") / n, pl.col("greenwood")
    mixed = pl.when(n_event < n).then(before * own / n).otherwise(0.0)
    incidence, earlier = pl.col("incidence"), pl.col("earlier")
    quiet = pl.col("square") - added - pl.col("square").shift(1, fill_value=0.0).over("type_id")
    constant = before**2 * own * (1 - own) / n + 2 * incidence * mixed + incidence**2 * added
    linear = mixed + incidence * added
    return (
        exits.drop_nulls("exit_type")
        .group_by(*keys, pl.col("day").cast(pl.Int64))
        .agg(n_own=pl.col("n").cast(pl.Int64).sum())
        .filter(pl.col("n_own") > 0)
        .join(days, on=[*by, "day"], nulls_equal=True)
        .sort(*keys, "day")
        .with_columns(type_id=pl.struct(keys).rle_id())
        .with_columns(incidence=(before * own).cum_sum().over("type_id"))
        .with_columns(earlier=incidence - before * own, quiet=quiet)
        .with_columns(
            constant=(constant + earlier**2 * pl.col("quiet")).cum_sum().over("type_id"),
            linear=(linear + earlier * pl.col("quiet")).cum_sum().over("type_id"),
        )
        .with_columns(
            variance=pl.col("constant")
            - 2 * incidence * pl.col("linear")
            + incidence**2 * pl.col("square")
        )
    )


def _gray_test(
    part: pl.DataFrame, group: str
) -> tuple[float | None, int | None, float | None, str | None]:
    """The test of one exit type from days x groups, in the notation of Gray's section 2.

    The score compares own exits with those expected under a common subdistribution hazard; the
    variance sums, per day and group, the squared weight that an own exit (`first`) or an exit of
    another type (`second`) has in the score at the end.
    """
    at_risk, events, own = (matrix(part, group, name) for name in ("n_at_risk", "n_event", "n_own"))
    others, n_own = events - own, own.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        present = at_risk > 0
        stay: FloatArray = np.where(present, 1 - events / at_risk, 1.0)
        after: FloatArray = np.cumprod(stay, axis=0, dtype=np.float64)
        before = _lagged(after, 1.0)
        rise: FloatArray = np.where(present, before * own / at_risk, 0.0)
        left = _lagged(np.cumsum(rise, axis=0), 0.0)
        h = np.where(present, at_risk / before, 0.0)
        total, expecting = h.sum(axis=1, keepdims=True), h * (1 - left)
        pooled = np.cumsum(n_own / total, axis=0)
        score = (own - n_own * expecting / expecting.sum(axis=1, keepdims=True)).sum(axis=0)

        weight = h[:, :, None] * (np.eye(h.shape[1]) - (h / total)[:, None, :])
        hazard = n_own / (total * (1 - _lagged(pooled, 0.0)))
        drift = np.cumsum(weight * hazard[:, :, None], axis=0)
        drift = drift[-1] - drift
        gap = np.where(after > 0, (1 - pooled) / after, 0.0)
        ties = np.where(n_own > 1, 1 - (n_own - 1) / (total * before - 1), 1.0)
        first = np.where(present & (n_own > 0), ties * before * n_own / (total * at_risk), 0.0)
        ties = np.where(others > 1, 1 - (others - 1) / (at_risk - 1), 1.0)
        second = np.where((after > 0) & (others > 0), ties * before**2 * others / at_risk**2, 0.0)
    own_weight = weight + (1 - gap)[:, None, :] * drift
    other_weight = gap[:, None, :] * drift
    covariance = np.einsum("tk,tik,tjk->ij", first, own_weight, own_weight) + np.einsum(
        "tk,tik,tjk->ij", second, other_weight, other_weight
    )
    return chi_square_test(score[:-1], covariance[:-1, :-1])


def _lagged(values: FloatArray, first: float) -> FloatArray:
    """Each day's value before the day."""
    return np.vstack([np.full_like(values[:1], first), values[:-1]])
