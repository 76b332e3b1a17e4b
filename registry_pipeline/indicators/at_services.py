"""Appointments and requests: kept, followed up, met.

Belongs here: indicators whose rows are appointments, requests or courses of tapering.
Does not belong here: no-show with its other denominators (see `derivations.quality_services`).
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
    always,
    registered,
)
from registry_pipeline.indicators.entries import (
    DEFAULTS,
    FOLLOWED,
    OWN,
    at_registering_units,
    people,
    process_indicator,
    with_home_unit,
)
from registry_pipeline.transform.engine import Frame, with_epoch_days
from schemas.protocol import Protocol

KEPT_OR_NOT: Final = ("attended", "no_show", "cancelled_late")
MISSED: Final = ("no_show", "cancelled_late")
FOLLOW_UP: Final = ("peer_outreach", "frame_changed")
DAY: Final = ["patient_id", "scheduled_date"]


def appointments(core: Core, protocol: Protocol) -> Frame:
    """Appointments attended, missed or cancelled late, and what followed a missed one.

    One row per appointment. is_followed is 1 where outreach or a changed frame came within the
    deadline of a no-show, else null.
    """
    scheduled = core["core.appointment"].filter(nw.col("status").is_in(KEPT_OR_NOT))
    missed = with_epoch_days(
        core["core.appointment"].filter(nw.col("status") == "no_show").select(*DAY).unique(DAY),
        ["scheduled_date"],
    )
    steps = with_epoch_days(
        core["core.process_event"].filter(nw.col("kind").is_in(FOLLOW_UP)), ["event_date"]
    ).select("patient_id", "event_date_epoch")
    after = nw.col("event_date_epoch") - nw.col("scheduled_date_epoch")
    followed = (
        missed.join(steps, on="patient_id")
        .filter(after >= 0, after <= protocol.deadlines.after_no_show)
        .select(*DAY)
        .unique(DAY)
        .with_columns(is_followed=nw.lit(1))
    )
    registered = at_registering_units(core).with_columns(is_registered=nw.lit(1))
    ends = (
        people(core)
        .select("patient_id", "steps_until_epoch")
        .join(registered, on="patient_id", how="left")
    )
    rows = with_epoch_days(
        scheduled.select(*DAY, "unit_id", "status", "appointment_type"), ["scheduled_date"]
    )
    return (
        rows.join(ends, on="patient_id")
        .join(followed, on=DAY, how="left")
        .with_columns(
            nw.col("scheduled_date").alias("marked_on"),
            observed_days=nw.col("steps_until_epoch") - nw.col("scheduled_date_epoch"),
        )
    )


def requests(core: Core, _: Protocol) -> Frame:
    """Requests for another therapist, with the days to the change; one row per request."""
    steps = with_epoch_days(core["core.process_event"], ["event_date"])
    asked = steps.filter(nw.col("kind") == "therapist_change_requested").unique(
        ["patient_id", "event_date"], keep="first", order_by=["unit_id", "method"]
    )
    made = steps.filter(nw.col("kind") == "therapist_change_made").select(
        "patient_id", made_epoch="event_date_epoch"
    )
    key = ["patient_id", "event_date_epoch"]
    days = nw.col("made_epoch") - nw.col("event_date_epoch")
    first = (
        asked.select(*key)
        .join(made, on="patient_id")
        .with_columns(days=days)
        .filter(nw.col("days") >= 0)
        .group_by(key)
        .agg(days_to_change=nw.col("days").min())
    )
    rows = asked.join(first, on=key, how="left").join(people(core), on="patient_id")
    return with_home_unit(rows).with_columns(
        nw.col("event_date").alias("marked_on"),
        observed_days=nw.col("steps_until_epoch") - nw.col("event_date_epoch"),
    )


def tapers(core: Core, _: Protocol) -> Frame:
    """People who began tapering, by their first step of it, and whether a plan stood by then."""
    steps = core["core.process_event"].filter(
        nw.col("kind").is_in(["medication_taper", "treatment_plan"])
    )
    kind, day = nw.col("kind"), nw.col("event_date")
    firsts = steps.group_by("patient_id").agg(
        marked_on=nw.when(kind == "medication_taper").then(day).min(),
        planned_on=nw.when(kind == "treatment_plan").then(day).min(),
    )
    return (
        firsts.filter(~nw.col("marked_on").is_null())
        .join(people(core), on="patient_id")
        .with_columns(nw.col("home_unit_id").alias("unit_id"))
    )


APPOINTMENT: Final = Basis(
    "appointment",
    appointments,
    order=("scheduled_date", "appointment_type"),
    followed=FOLLOWED,
)
REQUEST: Final = Basis(
    "request for another therapist", requests, order=("event_date",), followed=FOLLOWED
)
TAPER: Final = Basis("person who began tapering", tapers)


def no_show(_: Protocol) -> Mark:
    """Not attended without notice, or cancelled late."""
    return Mark(always(), nw.col("status").is_in(MISSED))


def no_show_followed_up(protocol: Protocol) -> Mark:
    """Outreach or a changed frame within the deadline of a no-show."""
    followed = nw.col("observed_days") >= protocol.deadlines.after_no_show
    missed = (nw.col("status") == "no_show") & (nw.col("is_registered") == 1)
    return Mark(missed & followed, nw.col("is_followed") == 1, looked_at=missed)


def therapist_changed(protocol: Protocol) -> Mark:
    """The change was made within the deadline of the request."""
    days = protocol.deadlines.therapist_change
    return Mark(nw.col("observed_days") >= days, nw.col("days_to_change") <= days)


def taper_planned(_: Protocol) -> Mark:
    """A treatment plan stood on or before the day tapering began."""
    return Mark(always(), nw.col("planned_on") <= nw.col("marked_on"))


AT_SERVICES: Final = (
    Indicator(
        process_indicator(
            "therapist_changed",
            title="Change of therapist when asked for",
            title_nb="Bytte av behandler når personen ber om det",
            numerator="The change was made within the deadline of the request.",
            denominator="Requests for another therapist whose deadline has passed.",
            period_rule="Day of the request.",
            guideline="2.3",
            due_days=DEFAULTS.therapist_change,
        ),
        REQUEST,
        registered("therapist_change_requested"),
        therapist_changed,
        "deadlines.therapist_change",
    ),
    Indicator(
        process_indicator(
            "taper_planned",
            title="Tapering by a plan",
            title_nb="Nedtrapping etter plan",
            numerator="A treatment plan was registered on or before the day tapering began.",
            denominator="People who began to taper a medicine.",
            period_rule="Day of the person's first step of tapering.",
            guideline="4.10",
        ),
        TAPER,
        registered("medication_taper"),
        taper_planned,
    ),
    Indicator(
        process_indicator(
            "no_show",
            title="No-show",
            title_nb="Ikke møtt",
            numerator="Not attended without notice, or cancelled late.",
            denominator="Appointments attended, missed or cancelled late; cancelled in time or by "
            "the unit is left out.",
            period_rule="Day of the appointment.",
            guideline=None,
            source=f"{OWN}; drop-out project",
            direction="lower",
        ),
        APPOINTMENT,
        (Ask("core.appointment", "status"),),
        no_show,
    ),
    Indicator(
        process_indicator(
            "no_show_followed_up",
            title="No-show followed up",
            title_nb="Uteblivelse fulgt opp",
            numerator="Outreach or a changed frame within the deadline of the no-show.",
            denominator="Appointments not attended without notice, whose deadline has passed, of "
            "people at units that register steps of the process.",
            period_rule="Day of the appointment.",
            guideline="5.1",
            due_days=DEFAULTS.after_no_show,
        ),
        APPOINTMENT,
        (Ask("core.appointment", "status", ("no_show",)), *registered(*FOLLOW_UP)),
        no_show_followed_up,
        "deadlines.after_no_show",
    ),
)
