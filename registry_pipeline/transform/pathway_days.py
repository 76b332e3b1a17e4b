"""How each person's time up to a wave divides over the pathways.

Belongs here: days in each pathway and the weight they give a person there.
Does not belong here: outcomes, and the merged episodes of retention (see `retention`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame

WHOLE: Final = 1_000_000
"""A person's full weight. Weights are whole numbers, so that sums are the same on every engine."""

STAY: Final = ("patient_id", "pathway")


def pathway_weights(core: Mapping[str, Frame]) -> Frame:
    """Each person's time from day 0 to a wave's nominal day, divided over pathways.

    Grain: person, wave after the baseline, pathway with at least a day in it. Overlapping stays
    of one pathway count each day once; side by side, two pathways share the days. A person
    without a day in any pathway has no row.

    Args:
        core: core.visit and core.episode of one cohort.

    Returns:
        patient_id, wave, pathway, `weight`: days in the pathway of days in any, in millionths,
        rounded down.
    """
    until = nw.coalesce("end_day", "last_seen_day")
    order = ["start_day", "until"]
    reach = nw.col("until").cum_max().over(*STAY, order_by=order)
    stays = (
        core["core.episode"]
        .select(*STAY, "start_day", until=until)
        .filter(nw.col("until") > nw.col("start_day"))
        .with_columns(reach=reach)
        .with_columns(reach=nw.col("reach").shift(1).over(*STAY, order_by=order))
        .select(*STAY, "until", start=nw.max_horizontal("start_day", "reach", nw.lit(0)))
    )
    visits = core["core.visit"].filter(nw.col("wave") > 0).select("patient_id", "wave", "due_day")
    days = nw.min_horizontal("until", "due_day") - nw.col("start")
    return (
        visits.join(stays, on="patient_id", how="inner")
        .with_columns(days=days)
        .filter(nw.col("days") > 0)
        .group_by("patient_id", "wave", "pathway")
        .agg(days=nw.col("days").sum().cast(nw.Int64))
        .with_columns(all_days=nw.col("days").sum().over("patient_id", "wave").cast(nw.Int64))
        .select(
            "patient_id",
            "wave",
            "pathway",
            weight=(nw.col("days") * WHOLE // nw.col("all_days")).cast(nw.Int64),
        )
    )
