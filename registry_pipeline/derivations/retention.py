"""Retention of one cohort: person by person, in curves, and by type of exit.

Belongs here: the group's entry point, which counts the rows once and hands the counts on.
Does not belong here: definitions (see `transform.retention`), estimates (`retention_curves`,
`retention_exits`).
"""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.retention_counts import count_cells, count_people, counted
from registry_pipeline.derivations.retention_curves import curve_tables
from registry_pipeline.derivations.retention_exits import exit_tables
from registry_pipeline.derivations.version import ASSEMBLED, RULE_VERSION
from registry_pipeline.transform.engine import Frame
from registry_pipeline.transform.retention import in_curves, retention_person
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
        retention_summary, cumulative_incidence, retention_comparison, retention_sensitivity and
        early_dropout as estimates.
    """
    persons = retention_person(core, protocol)
    people = count_people(core["core.patient"])
    main = counted(count_cells(persons), people, protocol)
    other_gaps = {
        gap: counted(count_cells(retention_person(core, protocol, gap)), people, protocol)
        for gap in protocol.retention.sensitivity_gap_days
    }
    return {
        "derived.retention_person": _person_table(persons, protocol),
        **curve_tables(main, protocol),
        **exit_tables(main, other_gaps, protocol),
    }


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
