"""Use of substances wave by wave: the trend, the spread of states and the spread at baseline.

Belongs here: what is estimated from cells of state, days and recall period.
Does not belong here: what compares two waves (see `trajectories_moves`) or a whole course.
"""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from registry_pipeline.derivations.strata import STRATA, roll_up
from registry_pipeline.derivations.trajectories_columns import GROUP
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import as_enums
from registry_pipeline.statistics.intervals import (
    sample_variance,
    why_no_mean,
    with_mean,
    with_wilson,
)
from registry_pipeline.statistics.transitions import entropy
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.version import as_table
from schemas.codes import NOT_EXPECTED, USE_STATE, USED_STATES
from schemas.derived.substances import SubstanceTrend
from schemas.derived.trajectories import SequenceMeasure
from schemas.protocol import Protocol

CELL: Final = ["substance", "wave", "state", "days", "recall_days"]
BY: Final = [*GROUP, "wave"]
N: Final = pl.col("n")


def use_cells(use: Frame, people: Frame) -> pl.DataFrame:
    """People per cell of strata, substance, wave, state, days and recall period.

    Args:
        use: core.substance_use of one cohort.
        people: patient_id and the columns of `STRATA`.

    Returns:
        STRATA, the columns of `CELL`, n; and `value`, days on a whole-number scale that is the
        same for all recall periods, with `unit`, how much of it is a day of 28.
    """
    rows = use.join(people, on="patient_id", how="inner")
    cells = counts(rows, [*STRATA, *CELL], in_order=False)
    scale = math.lcm(*cells["recall_days"].drop_nulls().unique().to_list())
    value = pl.col("days").cast(pl.Int64) * (scale // pl.col("recall_days"))
    valued = cells.with_columns(
        value=pl.when(pl.col("state").is_in(USED_STATES)).then(value), unit=pl.lit(scale / 28)
    )
    return as_enums(valued)


def substance_trend(cells: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """derived.substance_trend: level and shares of use at each wave, for each stratum.

    Means and medians come from whole numbers; the median of an even number is the middle of the
    two in the middle. The mean's interval is Student's t, over people.
    """
    rolled = roll_up(cells, ["substance", "wave", "state", "value"])
    rolled = rolled.with_columns(unit=pl.lit(cells["unit"].first(), pl.Float64))
    table = _with_shares(_counted(rolled).join(_medians(rolled), on=BY, how="left"))
    table = with_mean(
        table,
        "n_observed",
        "total",
        "total_squares",
        estimate="mean_days",
        low="mean_days_ci_low",
        high="mean_days_ci_high",
    )
    table = table.with_columns(
        pl.col("^(mean|median)_days.*$") / pl.col("unit"),
        reason=why_no_mean("n_observed", "mean_days_ci_low"),
    )
    method = "counts; Student t, Wilson"
    return as_table(table, SubstanceTrend, cohort=protocol.id, method=method)


def _counted(rolled: pl.DataFrame) -> pl.DataFrame:
    """People and sums of `value` per wave."""
    state, value = pl.col("state"), pl.col("value")
    return rolled.group_by(BY, maintain_order=True).agg(
        pl.col("unit").first(),
        *(N.filter(state == name).sum().alias(f"n_{name}") for name in USED_STATES),
        n_expected=N.filter(~state.is_in(NOT_EXPECTED)).sum(),
        n_observed=N.filter(state.is_in(USED_STATES)).sum(),
        total=(N * value).sum(),
        total_squares=(N * value**2).sum(),
    )


def _with_shares(waves: pl.DataFrame) -> pl.DataFrame:
    """Adds n_missing, the share of each observed state, and any use by both missing rules."""
    observed = pl.col("n_observed")
    missing = pl.col("n_expected") - observed
    users = pl.col("n_episodic") + pl.col("n_regular")
    table = waves.with_columns(
        *(
            pl.when(observed > 0).then(pl.col(f"n_{name}") / observed).alias(name)
            for name in USED_STATES
        ),
        n_missing=missing,
        users=users,
        users_or_missing=users + missing,
    )
    for name, part, whole in (
        ("any_use", "users", "n_observed"),
        ("any_use_missing_is_use", "users_or_missing", "n_expected"),
    ):
        low, high = f"{name}_ci_low", f"{name}_ci_high"
        table = with_wilson(table, part, whole, estimate=name, low=low, high=high)
    return table


def _medians(rolled: pl.DataFrame) -> pl.DataFrame:
    """`BY` and `median_days` on the scale of `value`; groups with nobody observed have no row."""
    value, below = pl.col("value"), 2 * N.cum_sum()
    lower, upper = value.filter(below >= N.sum()).first(), value.filter(below > N.sum()).first()
    return (
        rolled.filter(value.is_not_null())
        .group_by(*BY, "value")
        .agg(N.sum())
        .sort("value")
        .group_by(BY, maintain_order=True)
        .agg(median_days=(lower + upper) / 2)
    )


def reliable_thresholds(cells: pl.DataFrame, protocol: Protocol) -> dict[str, float]:
    """Days of 28 that a reliable change exceeds, per substance or group.

    1.96 x SD x sqrt(2) x sqrt(1 - r), with SD of everyone's answers at baseline and r the
    protocol's reliability. Where fewer than two answered, or all alike, there is none.
    Source: Jacobson and Truax 1991; domain notes, section 3.
    """
    value = pl.col("value")
    baseline = (
        cells.filter((pl.col("wave") == 0) & value.is_not_null())
        .group_by("substance", "unit")
        .agg(N.sum(), total=(N * value).sum(), total_squares=(N * value**2).sum())
    )
    variances = sample_variance(baseline, "n", "total", "total_squares")
    factor = 1.96 * math.sqrt(2 * (1 - protocol.states.reliability))
    return {
        substance: factor * math.sqrt(variance) / unit
        for substance, unit, variance in zip(
            baseline["substance"], baseline["unit"], variances, strict=True
        )
        if variance > 0
    }


def sequence_measure(cells: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """derived.sequence_measure: everyone enrolled spread over all states, and the entropy."""
    rolled = roll_up(cells, ["substance", "wave", "state"])
    state = pl.col("state")
    waves = rolled.group_by(BY, maintain_order=True).agg(
        N.sum(),
        n_observed=N.filter(state.is_in(USED_STATES)).sum(),
        n_missing=N.filter(~state.is_in([*USED_STATES, *NOT_EXPECTED])).sum(),
        **{f"n_of_{name}": N.filter(state == name).sum() for name in USE_STATE.codes},
    )
    for name in USE_STATE.codes:
        low, high = f"{name}_ci_low", f"{name}_ci_high"
        waves = with_wilson(waves, f"n_of_{name}", "n", estimate=name, low=low, high=high)
    observed = entropy(rolled.filter(state.is_in(USED_STATES)), BY).drop("n_total")
    at_most = math.log(len(USED_STATES))
    table = waves.join(observed, on=BY, how="left").with_columns(
        (pl.col("entropy", "ci_low", "ci_high") / at_most).clip(upper_bound=1.0),
        reason=pl.when(pl.col("entropy").is_null())
        .then(pl.lit(reasons.NOT_COMPUTABLE))
        .otherwise("reason"),
    )
    return as_table(
        table,
        SequenceMeasure,
        cohort=protocol.id,
        method="shares, Wilson; Shannon entropy, delta interval",
    )
