"""Change of a person's use from the baseline: verdicts and reliable change.

Belongs here: one verdict per person, substance and wave after the baseline, in integers.
Does not belong here: the spread at baseline that reliable change is measured by (it comes from
counts, see `registry_pipeline.derivations.trajectories_use`) and courses over several waves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import narwhals as nw

from registry_pipeline.statistics import reasons
from registry_pipeline.transform.engine import Frame
from schemas.codes import USED_STATES
from schemas.protocol import States

Ratio = tuple[int, int]

ATOP_IMPROVED: Final[Ratio] = (7, 10)
ATOP_DETERIORATED: Final[Ratio] = (13, 10)
"""The 30 % rule of the Australian Treatment Outcomes Profile."""


def change_from_baseline(use: Frame, states: States, thresholds: Mapping[str, float]) -> Frame:
    """Change of use from the person's own baseline (wave 0), in days of 28.

    Grain: person, substance and wave after the baseline; one row per row of `use` with wave > 0.

    Args:
        use: core.substance_use of one cohort.
        states: the protocol's cut points of change.
        thresholds: substance to the days of 28 a reliable change exceeds; absent where
            the cohort has no spread at baseline.

    Returns:
        cohort, patient_id, substance, wave, baseline_days_28, days_28, change, change_30_percent,
        reliable, reason. The verdicts are null where the wave or the baseline has no answer;
        `reason` is then the wave's kind of missing, else `baseline_` and the baseline's.
    """
    keys = ("patient_id", "substance")
    baseline = use.filter(nw.col("wave") == 0).select(
        *keys,
        baseline_days="days",
        baseline_recall="recall_days",
        baseline_days_28="days_28",
        baseline_state="state",
    )
    asked = nw.col("state").is_in(USED_STATES)
    asked_before = nw.col("baseline_state").is_in(USED_STATES)
    threshold = nw.coalesce(
        nw.lit(None, dtype=nw.Float64),
        *(
            nw.when(nw.col("substance") == code).then(nw.lit(days))
            for code, days in thresholds.items()
        ),
    )
    change = verdict(states.improved_share, states.deteriorated_share, states.deteriorated_days_28)
    both = asked & asked_before
    return (
        use.filter(nw.col("wave") > 0)
        .join(baseline, on=list(keys), how="inner")
        .with_columns(threshold=threshold)
        .with_columns(
            change=nw.when(both).then(change),
            change_30_percent=nw.when(both).then(verdict(ATOP_IMPROVED, ATOP_DETERIORATED, 0)),
            reliable=nw.when(both).then(_difference_28() > nw.col("threshold")),
            reason=nw.when(~asked)
            .then(nw.col("state"))
            .when(~asked_before)
            .then(nw.concat_str(nw.lit("baseline_"), nw.col("baseline_state")))
            .when(nw.col("threshold").is_null())
            .then(nw.lit(reasons.NO_VARIATION)),
        )
        .select(
            "cohort", *keys, "wave", "baseline_days_28", "days_28", "change",
            "change_30_percent", "reliable", "reason",
        )
    )  # fmt: skip


def verdict(improved: Ratio, deteriorated: Ratio, more_days_28: int) -> nw.Expr:
    """The verdict from days and recall period at baseline and at the wave.

    First that holds (domain notes, section 3): none at either, not_able_to_improve; use after
    none, deteriorated; none now, abstinent; at most `improved` of the baseline's share, improved;
    at least `deteriorated` of it and `more_days_28` days of 28 more, deteriorated; else unchanged.
    Shares are compared by multiplying out, so recall periods may differ and nothing is rounded.
    """
    before, now = nw.col("baseline_days"), nw.col("days")
    share_before, share_now = before * nw.col("recall_days"), now * nw.col("baseline_recall")
    unit = nw.col("recall_days") * nw.col("baseline_recall")
    much_more = (share_now * deteriorated[1] >= share_before * deteriorated[0]) & (
        (share_now - share_before) * 28 >= unit * more_days_28
    )
    return (
        nw.when((before == 0) & (now == 0))
        .then(nw.lit("not_able_to_improve"))
        .when(before == 0)
        .then(nw.lit("deteriorated"))
        .when(now == 0)
        .then(nw.lit("abstinent"))
        .when(share_now * improved[1] <= share_before * improved[0])
        .then(nw.lit("improved"))
        .when(much_more)
        .then(nw.lit("deteriorated"))
        .otherwise(nw.lit("unchanged"))
    )


def _difference_28() -> nw.Expr:
    """Absolute difference of the two shares, in days of 28."""
    now = nw.col("days") * nw.col("baseline_recall")
    before = nw.col("baseline_days") * nw.col("recall_days")
    return (now - before).abs() * 28 / (nw.col("recall_days") * nw.col("baseline_recall"))
