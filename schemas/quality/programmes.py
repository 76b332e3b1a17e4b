"""The programmes' own tables: one shape, one table per system.

Belongs here: drop-out work, bridging, detox, involvement, feedback, transitions and goals.
Does not belong here: indicators with targets (see `schemas.quality.indicators`).

A numerator and a denominator always speak of the same period; where a source has them from
different periods the value is null and the reason says periods_differ. The whole period runs from
the cohort's first day to its cut-off, and what was before it is in no row. A form the protocol
does not use leaves one row per measure over the cohort's whole period: `all` for unit, group,
goal and step, counts of 0, and the reason not_applicable.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from schemas import codes, programme_codes, result_codes, shared
from schemas.codes import CodeList
from schemas.fields import field, table
from schemas.shared import Result

KEY: Final = [
    "protocol",
    "unit_id",
    "period_start",
    "period_end",
    "measure",
    "group_by",
    "group",
]


def measure(measures: CodeList) -> Any:
    """What a row of a programme's table measures."""
    return field("Measure", "What the row measures.", nb="Mål", codes=measures, required=True)


class ProgrammeTable(Result):
    """Base of the programmes' tables: a measure of one group at one unit in one period."""

    protocol: pl.String = shared.protocol()
    unit_id: pl.String = shared.unit_id()
    period_start: pl.Date = shared.period_start()
    period_end: pl.Date = shared.period_end()
    group_by: pl.String = field(
        "Grouped by",
        "What the group is a value of, a column or a step; `all` for everyone.",
        nb="Gruppert etter",
        required=True,
    )
    group: pl.String = field(
        "Group", "The group the row speaks of; `all` for everyone.", nb="Gruppe", required=True
    )
    n: pl.Int64 = shared.count("Group size", "Gruppens størrelse", "Members of the group.")
    n_missing: pl.Int64 = shared.count(
        "Missing", "Manglende", "Members whose answer is unknown or missing."
    )
    numerator: pl.Int64 = shared.count(
        "Numerator",
        "Teller",
        "Those the measure counts; for a mean the sum.",
        null="a median and an empty group have none",
    )
    denominator: pl.Int64 = shared.count("Denominator", "Nevner", "Those the value is of.")
    value: pl.Float64 = shared.number(
        "Value", "Verdi", "numerator of denominator, or the measure's mean or median."
    )
    ci_low: pl.Float64 = shared.ci_low("the value")
    ci_high: pl.Float64 = shared.ci_high("the value")
    hidden_reason: pl.String = field(
        "Hidden because",
        "Why the result is not shown outside; the number itself is true.",
        nb="Skjult fordi",
        codes=result_codes.HIDDEN_REASON,
        null="may be shown",
    )


class NoShow(ProgrammeTable):
    """One row per protocol, unit, period, measure and group of appointments.

    `no_show` is no-show and cancelled late, of attended, no-show and cancelled late;
    cancelled in time or by the unit is left out. The other measures have other denominators,
    because the denominator changes the answer. `never_met` is of planned stays, apart from
    drop-out of a started one. Groups are ages and the co-occurring disorder. Made from
    core.appointment, core.episode and core.patient.
    """

    measure: pl.String = measure(programme_codes.NO_SHOW_MEASURE)

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table("quality.no_show", KEY, title="No-show", nb="Ikke møtt")


class BridgingFunnel(ProgrammeTable):
    """One row per protocol, unit, period, step and group of people identified.

    Conversation, declined and unable are of the identified and must add up to them; referred
    and centre_contact are of the conversations of the same period. Where some of those were not
    followed to the centre the share is refused (periods_differ), and centre_contact_followed is
    of the others alone. Contacts before identification do not count. Made from
    core.outreach_contact.
    """

    measure: pl.String = measure(programme_codes.BRIDGING_STEP)

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table(
            "quality.bridging_funnel", KEY, title="Bridging to treatment", nb="Brobygging"
        )


class DetoxStay(ProgrammeTable):
    """One row per protocol, unit, period, measure and group of planned detox stays.

    Readmitted is back in detox unplanned, or in hospital for a cause that is not said to be
    unrelated; readmissions for an unrelated cause are a measure of their own. Nothing before the
    day of discharge is a readmission. Only stays that did not end in death and were followed for
    as many days as the protocol says count: a death afterwards is no return. Made from
    core.episode and core.event.
    """

    measure: pl.String = measure(programme_codes.DETOX_MEASURE)

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table("quality.detox_stay", KEY, title="Detox stays", nb="Avrusningsopphold")


class Involvement(ProgrammeTable):
    """One row per protocol, unit, period, item, measure and group of answer sheets.

    With measure `level` the group is the level, 1 to 5. Few sheets are the rule: the internal
    view shows them, hidden_reason keeps them in the house. Made from core.involvement_response.
    """

    item: pl.Int32 = field(
        "Item", "Number of the item, 1 to 6.", nb="Spørsmål", low=1, high=6, required=True
    )
    measure: pl.String = measure(programme_codes.INVOLVEMENT_MEASURE)

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table(
            "quality.involvement", [*KEY, "item"], title="Patient involvement", nb="Medvirkning"
        )


class FeedbackChange(ProgrammeTable):
    """One row per protocol, unit, period, measure and group of people with a feedback tool.

    Change is from a person's first to last ORS total, reliable from 5 points; alliance is a
    concern when the last SRS total is below 36. A course is off track when the last ORS total is
    reliably worse, or, after the sessions the protocol names, below the cut-off without reliable
    improvement. Licensed scales: totals only. Made from core.interview.
    """

    measure: pl.String = measure(programme_codes.FEEDBACK_MEASURE)

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table(
            "quality.feedback_change", KEY, title="Feedback tools", nb="Tilbakemeldingsverktøy"
        )


class ChecklistUse(ProgrammeTable):
    """One row per protocol, unit, period, measure and group of stays.

    Use of the drop-out programme's tools, and what happened: drop-out by the checklist's risk
    level (calibration), attendance with and without a pre-admission call, return with and
    without peer outreach. An association, never an effect. Made from core.process_event and
    core.episode.
    """

    measure: pl.String = measure(programme_codes.CHECKLIST_MEASURE)

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table(
            "quality.checklist_use", KEY, title="Drop-out programme", nb="Drop-out-tiltak"
        )


class TransitionGap(ProgrammeTable):
    """One row per protocol, unit, period, measure and group of transitions between units.

    A transition is a stay that ended as transferred, and the person's next stay at another unit;
    the group is the level left, or level to level (`none` without a next stay). One whose time
    has not passed by the cut-off is left out, also where the next stay has begun: else only those
    kept would count of the last days. Made from core.episode.
    """

    measure: pl.String = measure(programme_codes.TRANSITION_MEASURE)

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table(
            "quality.transition_gap", KEY, title="Transitions", nb="Overganger mellom enheter"
        )


class GoalResult(ProgrammeTable):
    """One row per protocol, unit, period, goal, step, measure and group.

    What was reached (numerator) of what was planned (denominator, 0 where nothing was). Measure
    `adds_up` compares the parts of a total (numerator) with the total (denominator), as the
    protocol lists them; its value is the difference, and the check fails where it is not 0. Made
    from core.goal_count.
    """

    goal_id: pl.String = field("Goal", "Id of the goal.", nb="Delmål", required=True)
    step: pl.String = field("Step", "What was counted.", nb="Trinn", required=True)
    measure: pl.String = measure(programme_codes.GOAL_MEASURE)
    source_type: pl.String = field(
        "Data source",
        "How the number was found.",
        nb="Datakilde",
        codes=codes.GOAL_SOURCE,
        null="not stated",
    )
    responsible: pl.String = field(
        "Responsible", "The role that answers for the goal.", nb="Ansvarlig", null="not stated"
    )

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table(
            "quality.goal_result", [*KEY, "goal_id", "step"], title="Goals", nb="Måloppnåelse"
        )
