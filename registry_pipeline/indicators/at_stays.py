"""Referral, start and end of stays: how soon treatment, assessment and the next level of care come.

Belongs here: indicators whose rows are stays.
Does not belong here: drop-out and the transitions of the programmes (see `derivations`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.indicators.definition import (
    Ask,
    Basis,
    Core,
    Indicator,
    Mark,
    registered,
)
from registry_pipeline.indicators.entries import (
    DEFAULTS,
    FOLLOWED,
    PATHWAY,
    at_registering_units,
    people,
    process_indicator,
    with_home_unit,
)
from registry_pipeline.transform.engine import Frame, with_epoch_days
from schemas.protocol import Protocol

NOT_LEAVING: Final = ("death_overdose", "death_other", "incarcerated", "moved")
"""Ends after which nobody is offered the next level of care."""

NEXT: Final = {"day_after": "day", "ambulatory_after": "ambulatory"}
STAY: Final = ["patient_id", "pathway", "start_date_epoch"]
ORDER: Final = ("pathway", "start_date_epoch")
LEVELS: Final = {"inpatient": "assessment_inpatient", "outpatient": "assessment_outpatient"}


def _stays(core: Core) -> Frame:
    """Stays with their dates in days since 1970, the unit, and until when they are followed."""
    dates = ["start_date", "end_date", "referred_date", "cutoff_date"]
    dated = with_epoch_days(core["core.episode"], dates)
    return with_home_unit(dated.join(people(core), on="patient_id")).with_columns(
        until_epoch=nw.min_horizontal("until_epoch", "cutoff_date_epoch"),
        steps_until_epoch=nw.min_horizontal("steps_until_epoch", "cutoff_date_epoch"),
    )


def referrals(core: Core, _: Protocol) -> Frame:
    """Referred stays, begun or not; one row per stay, in the period of the referral."""
    referred = nw.col("referred_date_epoch")
    return (
        _stays(core)
        .filter(~nw.col("referred_date").is_null())
        .with_columns(
            nw.col("referred_date").alias("marked_on"),
            waited=nw.col("start_date_epoch") - referred,
            observed_days=nw.col("until_epoch") - referred,
            planned_epoch=nw.coalesce("start_date_epoch", "referred_date_epoch"),
        )
    )


def assessments(core: Core, _: Protocol) -> Frame:
    """Inpatient and outpatient stays begun, with the days to the first assessment after it."""
    stays = (
        _stays(core)
        .filter(
            nw.col("level").is_in(list(LEVELS)),
            ~nw.col("start_date").is_null(),
        )
        .join(at_registering_units(core), on="patient_id")
    )
    done = with_epoch_days(
        core["core.process_event"].filter(nw.col("kind") == "assessment_done"), ["event_date"]
    ).select("patient_id", "event_date_epoch")
    days = nw.col("event_date_epoch") - nw.col("start_date_epoch")
    first = (
        stays.select(*STAY)
        .join(done, on="patient_id")
        .with_columns(days=days)
        .filter(nw.col("days") >= 0)
        .group_by(STAY)
        .agg(days_to_assessment=nw.col("days").min())
    )
    return stays.join(first, on=STAY, how="left").with_columns(
        nw.col("start_date").alias("marked_on"),
        observed_days=nw.col("steps_until_epoch") - nw.col("start_date_epoch"),
    )


def inpatients_leaving(core: Core, protocol: Protocol) -> Frame:
    """Inpatient stays that ended, and whether day or ambulatory treatment began soon after.

    An end without an exit type is where the person was lost from sight: nobody knows that they
    left.
    """
    ended = _stays(core).filter(
        nw.col("level") == "inpatient",
        ~nw.col("start_date").is_null(),
        ~nw.col("end_date").is_null(),
        ~nw.col("exit_type").is_null(),
        ~nw.col("exit_type").is_in(NOT_LEAVING),
    )
    later = with_epoch_days(
        core["core.episode"].filter(nw.col("level").is_in(list(NEXT.values()))), ["start_date"]
    ).select("patient_id", next_level="level", next_epoch="start_date_epoch")
    after = nw.col("next_epoch") - nw.col("end_date_epoch")
    found = (
        ended.select(*STAY, "end_date_epoch")
        .join(later, on="patient_id")
        .filter(after >= 0, after <= protocol.deadlines.after_inpatient)
        .group_by(STAY)
        .agg(
            nw.when(nw.col("next_level") == level).then(1).max().alias(name)
            for name, level in NEXT.items()
        )
    )
    return ended.join(found, on=STAY, how="left").with_columns(
        nw.col("end_date").alias("marked_on"),
        observed_days=nw.col("until_epoch") - nw.col("end_date_epoch"),
    )


REFERRAL: Final = Basis(
    "referred stay", referrals, order=("pathway", "planned_epoch"), followed=FOLLOWED
)
ASSESSED_STAY: Final = Basis("stay begun", assessments, order=ORDER, followed=FOLLOWED)
LEAVING: Final = Basis(
    "inpatient stay that ended", inpatients_leaving, order=ORDER, followed=FOLLOWED
)


def started_in_time(protocol: Protocol) -> Mark:
    """The stay began within the deadline of the referral."""
    days = protocol.deadlines.treatment_start
    return Mark(nw.col("observed_days") >= days, nw.col("waited") <= days)


def assessed_in_time(protocol: Protocol) -> Mark:
    """The assessment was done within the deadline of the level of care."""
    limits = protocol.deadlines
    inpatient = nw.col("level") == "inpatient"
    days = (
        nw.when(inpatient)
        .then(nw.lit(limits.assessment_inpatient))
        .otherwise(nw.lit(limits.assessment_outpatient))
    )
    done = nw.col("days_to_assessment") <= days
    return Mark(nw.col("observed_days") >= days, done, due_days=days)


def _next_level(flag: str, protocol: Protocol) -> Mark:
    followed = nw.col("observed_days") >= protocol.deadlines.after_inpatient
    return Mark(followed, nw.col(flag) == 1)


def day_after_inpatient(protocol: Protocol) -> Mark:
    """Day treatment began within the deadline of leaving."""
    return _next_level("day_after", protocol)


def ambulatory_after_inpatient(protocol: Protocol) -> Mark:
    """Ambulatory treatment began within the deadline of leaving."""
    return _next_level("ambulatory_after", protocol)


LEFT: Final = "Inpatient stays that ended, not by death, prison or moving, followed until then."
AT_STAYS: Final = (
    Indicator(
        process_indicator(
            "started_in_time",
            title="Treatment started in time",
            title_nb="Behandling startet i tide",
            numerator="The stay began within the deadline of the referral.",
            denominator="Stays with a day of referral, begun or not, whose deadline has passed.",
            period_rule="Day of the referral.",
            guideline="2.1",
            due_days=DEFAULTS.treatment_start,
        ),
        REFERRAL,
        (Ask("core.episode", "referred_date"),),
        started_in_time,
        "deadlines.treatment_start",
    ),
    Indicator(
        process_indicator(
            "assessed_in_time",
            title="Assessment done in time",
            title_nb="Utredning ferdig i tide",
            numerator="The assessment was done within the deadline of inpatient or of outpatient "
            "stays (7 and 21 days unless the protocol says otherwise).",
            denominator="Inpatient and outpatient stays whose deadline has passed, of people at "
            "units that register steps of the process.",
            period_rule="First day of the stay.",
            guideline=None,
            due_days=DEFAULTS.assessment_outpatient,
            source=PATHWAY,
        ),
        ASSESSED_STAY,
        registered("assessment_done"),
        assessed_in_time,
        "deadlines.assessment_outpatient",
    ),
    Indicator(
        process_indicator(
            "day_after_inpatient",
            title="Day treatment after an inpatient stay",
            title_nb="Dagbehandling etter døgnopphold",
            numerator="Day treatment began within the deadline of leaving.",
            denominator=LEFT,
            period_rule="Day of leaving the inpatient stay.",
            guideline="5.3",
            due_days=DEFAULTS.after_inpatient,
        ),
        LEAVING,
        (Ask("core.episode", "level", ("inpatient",)), Ask("core.episode", "level", ("day",))),
        day_after_inpatient,
        "deadlines.after_inpatient",
    ),
    Indicator(
        process_indicator(
            "ambulatory_after_inpatient",
            title="Ambulatory care after an inpatient stay",
            title_nb="Ambulant tilbud etter døgnopphold",
            numerator="Ambulatory treatment began within the deadline of leaving.",
            denominator=LEFT,
            period_rule="Day of leaving the inpatient stay.",
            guideline="5.4",
            due_days=DEFAULTS.after_inpatient,
        ),
        LEAVING,
        (
            Ask("core.episode", "level", ("inpatient",)),
            Ask("core.episode", "level", ("ambulatory",)),
        ),
        ambulatory_after_inpatient,
        "deadlines.after_inpatient",
    ),
)
