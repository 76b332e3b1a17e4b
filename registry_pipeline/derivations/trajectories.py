"""Use and trajectories of one cohort: every table on substances, row-level and estimated.

Belongs here: which table is made of what. Does not belong here: how (see `trajectories_use`,
`trajectories_moves`, `trajectories_courses` and `registry_pipeline.transform`).
"""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.strata import strata_columns
from registry_pipeline.derivations.trajectories_columns import GROUP, row_table
from registry_pipeline.derivations.trajectories_courses import (
    class_counts,
    time_to_event,
    trajectory_profile,
)
from registry_pipeline.derivations.trajectories_latent import trajectory_latent
from registry_pipeline.derivations.trajectories_moves import substance_transition
from registry_pipeline.derivations.trajectories_poly import poly_use
from registry_pipeline.derivations.trajectories_slopes import substance_slope
from registry_pipeline.derivations.trajectories_use import (
    reliable_thresholds,
    sequence_measure,
    substance_trend,
    use_cells,
)
from registry_pipeline.transform.change import change_from_baseline
from registry_pipeline.transform.engine import Frame, materialise
from registry_pipeline.transform.trajectories import (
    answered,
    pooled,
    with_class,
    with_spread,
    words,
)
from schemas.derived.substances import SubstanceChange
from schemas.derived.trajectories import Trajectory
from schemas.protocol import Protocol


def trajectory_tables(
    core: Mapping[str, Frame], protocol: Protocol
) -> dict[str, Frame | pl.DataFrame]:
    """Every derived table on substance use, for one cohort.

    Args:
        core: core.patient, core.visit, core.interview and core.substance_use of the cohort.
        protocol: the cohort's protocol.

    Returns:
        Table name to frame, with the columns of its model except as_of_delivery: the row-level
        substance_change and trajectory stay in the engine, the others are estimates.
    """
    use = core["core.substance_use"]
    people = core["core.patient"].select("patient_id", *strata_columns())
    cells = use_cells(use, people)
    courses = _courses(use, core["core.visit"], people, len(protocol.waves.nominal_days))
    classes = class_counts(courses)
    change = change_from_baseline(use, protocol.states, reliable_thresholds(cells, protocol))
    return {
        "derived.substance_trend": substance_trend(cells, protocol),
        "derived.substance_slope": substance_slope(courses, use, cells, protocol),
        "derived.poly_use": poly_use(core, people, protocol),
        "derived.substance_transition": substance_transition(courses, protocol),
        "derived.substance_change": row_table(change, SubstanceChange, "integer shares"),
        "derived.trajectory": row_table(courses, Trajectory, "rule classes"),
        "derived.trajectory_profile": trajectory_profile(classes, protocol),
        "derived.trajectory_latent": trajectory_latent(courses, protocol),
        "derived.time_to_event": time_to_event(
            courses, classes.group_by(GROUP).agg(n_people=pl.col("n").sum()), protocol
        ),
        "derived.sequence_measure": sequence_measure(cells, protocol),
    }


def _courses(use: Frame, visits: Frame, people: Frame, n_waves: int) -> Frame:
    """One row per person and substance: word, class, strata; computed once, read many times."""
    spelled = words(use, visits, n_waves, _described)
    return materialise(spelled.join(people, on="patient_id", how="inner"))


def _described(courses: Frame) -> Frame:
    """What is read off a course, whoever followed it."""
    word = nw.col("word")
    return with_spread(with_class(courses)).with_columns(
        pooled=pooled(word), answered=answered(word), reason=nw.lit(None, dtype=nw.String)
    )
