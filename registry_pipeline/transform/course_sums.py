"""A person's answers about a substance summed up: all that a straight line over the waves needs.

Belongs here: sums over a person's waves. Does not belong here: sums over people, the fitting.
"""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw

from registry_pipeline.transform.engine import Frame
from registry_pipeline.transform.shape import by_value
from schemas.codes import USED_STATES
from schemas.protocol import Waves

SUMS = ("y", "day_y", "y_squares", "used", "day_used")


def course_sums(use: Frame, words: Frame, scale: Mapping[int, int], waves: Waves) -> Frame:
    """Sums of the days of use and of any use, over the waves a person answered at.

    Grain: person and substance or group with at least one answer. Everything is an integer, so
    that both engines give the same.

    Args:
        use: core.substance_use of one cohort.
        words: rows of `trajectories.words`, with any other columns.
        scale: recall period to what a day of it is on the common scale of all periods.
        waves: the protocol's schedule; a wave stands on its nominal day.

    Returns:
        The columns of `words`; y, day_y and y_squares (days of use on the common scale, times the
        nominal day, squared); used and day_used (waves with any use, the same times the nominal
        day).
    """
    day = by_value(nw.col("wave"), dict(enumerate(waves.nominal_days))).cast(nw.Int64)
    value = nw.col("days").cast(nw.Int64) * by_value(nw.col("recall_days"), scale)
    sums = (
        use.filter(nw.col("state").is_in(USED_STATES) & (nw.col("days") > 0))
        .with_columns(day_used=day, y=value, used=nw.lit(1, dtype=nw.Int64))
        .with_columns(day_y=nw.col("day_used") * nw.col("y"), y_squares=nw.col("y") * nw.col("y"))
        .group_by("patient_id", "substance")
        .agg(nw.col(*SUMS).sum())
    )
    answering = words.filter(nw.col("n_observed") > 0)
    return answering.join(sums, on=["patient_id", "substance"], how="left").with_columns(
        nw.col(*SUMS).fill_null(0).cast(nw.Int64)
    )
