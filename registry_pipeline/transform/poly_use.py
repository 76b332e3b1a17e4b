"""Use of several substances at a wave: how many, any illicit, injection, the primary substance.

Belongs here: one row per person and wave, every answer as a number that can be counted.
Does not belong here: shares (see `derivations.trajectories_poly`), use of one substance.

Days are non-prescribed days: a prescribed medicine is never use.
"""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw

from registry_pipeline.transform.engine import Frame
from registry_pipeline.transform.outcomes import PERSON_WAVE, flag
from registry_pipeline.transform.people import HELD
from schemas.codes import NOT_EXPECTED, USED_STATES
from schemas.protocol import Protocol

ANSWERS = ("n_used", "n_unanswered", "illicit", "injection", "primary")


def poly_use_rows(core: Mapping[str, Frame], protocol: Protocol) -> Frame:
    """What each person used at each wave, over all substances.

    Grain: enrolled person and wave; one row per row of core.visit.

    Args:
        core: core.patient, core.visit, core.interview and core.substance_use of one cohort.
        protocol: its substances and the illicit group.

    Returns:
        patient_id, wave, is_expected; n_used and n_unanswered (substances, groups left out;
        null without a substance asked of anyone); illicit, injection and primary (1 used, 0 not,
        null without an answer; primary also where no primary substance is known).
    """
    own, observed = ~nw.col("is_group"), nw.col("state").is_in(USED_STATES)
    used = flag(nw.col("days") > 0, observed)
    primary = core["core.patient"].select("patient_id", "primary_substance")
    use = (
        core["core.substance_use"]
        .join(primary, on="patient_id", how="left")
        .with_columns(used=used, answered=flag(observed))
        .group_by(PERSON_WAVE)
        .agg(
            n_used=nw.when(own).then(nw.col("used").fill_null(0)).sum(),
            n_unanswered=nw.when(own).then(1 - nw.col("answered")).sum(),
            illicit=nw.when(nw.col("substance") == (protocol.illicit_group or ""))
            .then(nw.col("used"))
            .max(),
            primary=nw.when(nw.col("substance") == nw.col("primary_substance"))
            .then(nw.col("used"))
            .max(),
        )
    )
    held = ~nw.col("wave").is_null() & nw.col("status").is_in(HELD)
    injected = (
        core["core.interview"]
        .filter(held)
        .select(*PERSON_WAVE, injection=flag(nw.col("injection_days") > 0))
    )
    return (
        core["core.visit"]
        .select(*PERSON_WAVE, is_expected=~nw.col("status").is_in(NOT_EXPECTED))
        .join(use, on=PERSON_WAVE, how="left")
        .join(injected, on=PERSON_WAVE, how="left")
        .select(*PERSON_WAVE, "is_expected", *(nw.col(name).cast(nw.Int32) for name in ANSWERS))
    )
