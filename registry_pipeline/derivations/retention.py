"""Retention of one cohort: person by person, in curves, and by type of exit.

Belongs here: the group's entry point, which counts the rows once and hands the counts on.
Does not belong here: definitions (see `transform.retention`), estimates (`retention_curves`,
`retention_exits`).
"""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.retention_counts import (
    count_cells,
    count_people,
    count_reentries,
    counted,
)
from registry_pipeline.derivations.retention_curves import (
    curve_tables,
    days_read,
    on_days,
    sensitivity_days,
)
from registry_pipeline.derivations.retention_exits import exit_tables
from registry_pipeline.derivations.retention_grid import life_table_beside
from registry_pipeline.derivations.retention_rates import rate_table
from registry_pipeline.transform.engine import Frame, materialise
from registry_pipeline.transform.retention import (
    episode_time,
    followed_people,
    in_curves,
    retention_person,
)
from registry_pipeline.transform.stays import closed_stays
from registry_pipeline.version import ASSEMBLED, RULE_VERSION
from schemas.derived.retention import RetentionPerson
from schemas.fields import describe
from schemas.protocol import Protocol

NEVER_AT_RISK = "never_at_risk"
"""Why an episode that is number 1 is not in the curves: it ended on the day of a late entry."""


def retention_tables(
    core: Mapping[str, Frame], protocol: Protocol
) -> dict[str, Frame | pl.DataFrame]:
    """Every derived table of retention of one cohort, without `as_of_delivery`.

    Args:
        core: core.patient, core.episode, core.visit and core.event of the cohort.
        protocol: the cohort's protocol.

    Returns:
        derived.retention_person as a frame of rows; retention_curve, retention_at,
        retention_summary, retention_life_table, cumulative_incidence, retention_comparison,
        retention_hazard, retention_sensitivity, early_dropout and event_rate as estimates.
    """
    episodes = core["core.episode"]
    people = materialise(
        followed_people(core["core.patient"], core["core.event"], episodes, protocol)
    )
    stays = materialise(closed_stays(episodes, people))
    persons = materialise(retention_person(people, stays, core["core.visit"], protocol))
    strata = count_people(core["core.patient"])
    main = counted(count_cells(persons), strata, protocol)
    read = on_days(main, days_read(protocol.waves))
    own_gap, gaps = protocol.retention.gap_days, protocol.retention.sensitivity_gap_days
    by_gap = {
        gap: read if gap == own_gap else _under(gap, people, stays, strata, protocol)
        for gap in gaps
    }
    return {
        "derived.retention_person": _person_table(persons, protocol),
        **curve_tables(main, read, count_reentries(persons), protocol),
        **life_table_beside(main, read, protocol),
        **exit_tables(main, by_gap, protocol),
        "derived.event_rate": rate_table(people, persons, stays, core["core.event"], protocol),
    }


def _under(
    gap_days: int, people: Frame, stays: Frame, strata: pl.DataFrame, protocol: Protocol
) -> pl.DataFrame:
    """The curves under another gap rule, on the protocol's own clock, at 12 and 24 months."""
    rows = episode_time(people, stays, protocol, gap_days, main_clock=True)
    return on_days(counted(count_cells(rows), strata, protocol), sensitivity_days(protocol.waves))


def _person_table(persons: Frame, protocol: Protocol) -> Frame:
    """The rows with how they were made: merged over which gap, or from the interviews."""
    gap = nw.lit(f"stays merged over gaps of at most {protocol.retention.gap_days} days")
    study = nw.lit("last interview held before those not held")
    unseen = (nw.col("episode_no") == 1) & ~in_curves()
    columns = [name for name in describe(RetentionPerson).dtypes if name != ASSEMBLED]
    return persons.with_columns(
        method=nw.when(nw.col("kind") == "study").then(study).otherwise(gap),
        rule_version=nw.lit(RULE_VERSION),
        reason=nw.when(unseen).then(nw.lit(NEVER_AT_RISK)),
    ).select(columns)
