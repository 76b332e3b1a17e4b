"""Whole courses counted: how many follow each class, and how soon an event comes.

Belongs here: derived.trajectory_profile and derived.time_to_event.
Does not belong here: reading a word (see `registry_pipeline.transform.trajectories`).
"""

from __future__ import annotations

import math
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.strata import STRATA, roll_up
from registry_pipeline.derivations.trajectories_columns import GROUP
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import with_wilson
from registry_pipeline.statistics.survival import at_days
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.transform.trajectories import abstinence_times, relapse_times
from registry_pipeline.version import as_table
from schemas.codes import TRAJECTORY_CLASS, USED_STATES
from schemas.derived.trajectories import TimeToEvent, TrajectoryProfile
from schemas.protocol import Protocol, Waves
from schemas.result_codes import WAVE_EVENT

BY: Final = [*GROUP, "event"]


def class_counts(courses: Frame) -> pl.DataFrame:
    """People per `GROUP` and class; every class has a row, also with nobody in it.

    Returns:
        `GROUP`, trajectory_class, n, and mean_complexity of those with two observed waves.
    """
    spread = ["n_changes", *(f"n_{state}" for state in USED_STATES)]
    cells = counts(courses, [*STRATA, "substance", "trajectory_class", *spread])
    n, complexity = pl.col("n"), _complexity()
    known = cells.select(
        *STRATA,
        "substance",
        "trajectory_class",
        "n",
        n_known=n * complexity.is_not_null(),
        total=(n * complexity).fill_null(0.0),
    )
    rolled = roll_up(known, ["substance", "trajectory_class"], ["n", "n_known", "total"])
    classes = pl.DataFrame({"trajectory_class": TRAJECTORY_CLASS.codes})
    of_some = pl.when(pl.col("n_known") > 0).then(pl.col("total") / pl.col("n_known"))
    return (
        rolled.select(GROUP)
        .unique()
        .join(classes, how="cross")
        .join(rolled, on=[*GROUP, "trajectory_class"], how="left")
        .with_columns(n.fill_null(0), mean_complexity=of_some)
        .drop("n_known", "total")
        .sort(*GROUP, "trajectory_class")
    )


def _complexity() -> pl.Expr:
    """Root of changes per step times the entropy of a person's own states.

    The entropy is relative to an even spread over the three; null with fewer than two observed
    waves. Source: Gabadinho et al. 2010.
    """
    waves = pl.sum_horizontal(f"n_{state}" for state in USED_STATES)
    shares = [pl.col(f"n_{state}") / waves for state in USED_STATES]
    entropy = pl.sum_horizontal(
        pl.when(share > 0).then(-share * share.log()).otherwise(0.0) for share in shares
    )
    squared = pl.col("n_changes") / (waves - 1) * entropy / math.log(len(USED_STATES))
    return pl.when(waves > 1).then(squared.sqrt())


def trajectory_profile(classes: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """derived.trajectory_profile: the share of each class among everyone of the group."""
    few = pl.col("n").filter(pl.col("trajectory_class") == "insufficient_data")
    table = classes.with_columns(
        denominator=pl.col("n").sum().over(GROUP), n_missing=few.sum().over(GROUP)
    )
    shares = with_wilson(table, "n", "denominator", estimate="share").with_columns(
        reason=pl.when(pl.col("mean_complexity").is_null()).then(pl.lit(reasons.NOT_COMPUTABLE))
    )
    return as_table(shares, TrajectoryProfile, cohort=protocol.id, method="share; Wilson")


def time_to_event(courses: Frame, groups: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """derived.time_to_event: the share with the event by each scheduled day.

    What happened is known at the waves and only there, so time runs in whole waves, the k-th wave
    after the start standing on the protocol's k-th nominal day, and the product-limit estimate is
    a life table over them: whoever is last seen at a wave was at risk there.

    Args:
        courses: rows of `words` with the columns of `STRATA`.
        groups: `GROUP` and n_people, the groups that get rows, also where nobody was at risk.
        protocol: the cohort's protocol.

    Returns:
        A row per group, event and nominal day; null with a reason where nobody was at risk,
        beyond the last wave observed, and (interval only) where the share is 0 or 1.
    """
    times = nw.concat(
        [
            relapse_times(courses, protocol.states).with_columns(event=nw.lit("relapse")),
            abstinence_times(courses, protocol.states).with_columns(
                event=nw.lit("sustained_abstinence")
            ),
        ]
    )
    cell = ["substance", "event", "waves", "has_event"]
    exits = _exits(roll_up(counts(times, [*STRATA, *cell]), cell), protocol.waves)
    people = exits.group_by(BY).agg(pl.col("n").sum())
    curve = at_days(
        exits,
        people.with_columns(day=pl.lit(0, pl.Int64)),
        BY,
        protocol.waves.nominal_days,
    )
    grid = (
        groups.join(pl.DataFrame({"event": WAVE_EVENT.codes}), how="cross")
        .join(people, on=BY, how="left")
        .join(_schedule(protocol.waves), how="cross")
    )
    table = grid.join(curve, on=[*BY, "day"], how="left").sort(*BY, "day")
    return as_table(
        _as_events(table), TimeToEvent, cohort=protocol.id, method="life table; log-log"
    )


def _schedule(waves: Waves) -> pl.DataFrame:
    return pl.DataFrame(
        {"waves": range(len(waves.nominal_days)), "day": waves.nominal_days, "month": waves.months},
        schema={"waves": pl.Int32, "day": pl.Int64, "month": pl.Int32},
    )


def _exits(rolled: pl.DataFrame, waves: Waves) -> pl.DataFrame:
    """People per group, day and kind of exit, as the survival functions take them."""
    event = pl.when("has_event").then(pl.col("event"))
    return rolled.join(_schedule(waves), on="waves").select(
        *BY, "day", event.alias("exit_type"), "n"
    )


def _as_events(table: pl.DataFrame) -> pl.DataFrame:
    """The share still without the event turned into the share with it, absent groups as zero."""
    nobody = pl.col("n").is_null()
    at_bound = {reasons.AT_ONE: reasons.AT_ZERO, reasons.AT_ZERO: reasons.AT_ONE}
    return table.with_columns(
        pl.col("n", "n_at_risk", "n_event_cum").fill_null(0),
        n_left_out=pl.col("n_people") - pl.col("n").fill_null(0),
        share=1 - pl.col("retained"),
        ci_low=1 - pl.col("ci_high"),
        ci_high=1 - pl.col("ci_low"),
        reason=pl.when(nobody)
        .then(pl.lit(reasons.NOT_COMPUTABLE))
        .otherwise(pl.col("reason").replace(at_bound)),
    )
