"""The frame of interviews, and the guideline's indicators that interviews answer.

Belongs here: what a person said at an interview, at the first or at the last of a period.
Does not belong here: the four indicators of KVARUS (see `kvarus`), steps of the treatment process.
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
    answered,
)
from registry_pipeline.indicators.entries import (
    GUIDELINE,
    people,
    process_indicator,
    with_home_unit,
)
from registry_pipeline.transform.engine import Frame, with_date, with_epoch_days
from registry_pipeline.transform.people import HELD
from schemas.codes import NOT_EXPECTED
from schemas.protocol import Protocol

ENDED: Final = ("interrupted", "ended_mutual")
SUITABLE_HOUSING: Final = ("own", "rented")
OCCUPIED: Final = ("work", "education", "activity")
ANSWERS: Final = (
    "treatment_status",
    "treatment_plan",
    "crisis_plan",
    "treatment_benefit",
    "took_part_in_choice",
    "network_involved",
    "housing",
    "employment",
)
"""What the indicators read of an interview."""

LAST: Final = "Latest interview held in the quarter or year."


def interviews(core: Core, _: Protocol) -> Frame:
    """Interviews held, one row each, and which of the person's it is.

    is_first: the person's earliest; is_first_end: the earliest that says the treatment ended;
    is_last_of_quarter and is_last_of_year: the latest of a calendar period.
    """
    day, person = nw.col("interview_date"), "patient_id"
    ended = nw.when(nw.col("treatment_status").is_in(ENDED)).then(day)
    held = core["core.interview"].filter(nw.col("status").is_in(HELD))
    rows = held.select("patient_id", "interview_date", "unit_id", *ANSWERS).with_columns(
        quarter=day.dt.truncate("1q"), year=day.dt.truncate("1y"), ended_on=ended
    )
    home = core["core.patient"].select("patient_id", home_unit_id="unit_id")
    placed = rows.with_columns(
        is_first=day == day.min().over(person),
        is_first_end=(day == nw.col("ended_on").min().over(person)).fill_null(value=False),
        is_last_of_quarter=day == day.max().over(person, "quarter"),
        is_last_of_year=day == day.max().over(person, "year"),
    )
    return with_home_unit(placed.join(home, on="patient_id", how="left")).select(
        "patient_id",
        "unit_id",
        nw.col("interview_date").alias("marked_on"),
        *ANSWERS,
        "is_first",
        "is_first_end",
        "is_last_of_quarter",
        "is_last_of_year",
    )


def first_use(core: Core, _: Protocol) -> Frame:
    """What the baseline says of substances: one row per person who held the baseline interview.

    n_substances and n_answered of the protocol's substances; doping_answered 1 or 0.
    """
    stated = ~nw.col("days").is_null()
    baseline = core["core.substance_use"].filter(
        nw.col("wave") == 0,
        ~nw.col("is_group"),
        stated | (nw.col("state") == "not_asked"),
    )
    doping = stated & (nw.col("substance") == "doping")
    use = baseline.group_by("patient_id").agg(
        n_substances=nw.len().cast(nw.Int64),
        n_answered=nw.col("days").count().cast(nw.Int64),
        doping_answered=nw.when(doping).then(1).otherwise(0).max(),
    )
    who = people(core).select(
        "patient_id",
        nw.col("home_unit_id").alias("unit_id"),
        nw.col("baseline_date").alias("marked_on"),
    )
    return use.join(who, on="patient_id")


def visits(core: Core, _: Protocol) -> Frame:
    """Visits that were expected, each in the period of its due day; one row per visit."""
    dated = with_epoch_days(people(core), ["origin_date"]).select(
        "patient_id", "home_unit_id", "origin_date_epoch"
    )
    expected = core["core.visit"].filter(~nw.col("status").is_in(NOT_EXPECTED))
    rows = (
        expected.select("patient_id", "wave", "due_day", "status")
        .join(dated, on="patient_id")
        .with_columns(due_epoch=nw.col("origin_date_epoch") + nw.col("due_day"))
    )
    return with_date(rows, "due_epoch", "marked_on").with_columns(
        nw.col("home_unit_id").alias("unit_id")
    )


INTERVIEW: Final = Basis("interview held", interviews)
FIRST_USE: Final = Basis("person with a baseline interview", first_use)
VISIT: Final = Basis("expected visit", visits, order=("wave",))


def at_first(in_numerator: nw.Expr, is_missing: nw.Expr) -> Mark:
    """Of people whose first measurement point is active."""
    return Mark(
        in_denominator=nw.col("treatment_status") == "active",
        in_numerator=in_numerator,
        is_missing=is_missing,
        looked_at=nw.col("is_first"),
    )


def yes(column: str) -> tuple[nw.Expr, nw.Expr]:
    """A yes, and an answer that is missing or unknown."""
    answer = nw.col(column)
    return answer == "yes", answer.is_null() | (answer == "unknown")


def _at_last(in_numerator: nw.Expr, is_missing: nw.Expr) -> Mark:
    """Of people with an interview in the period, by the latest of it."""
    return Mark(
        in_denominator=nw.col("is_last_of_quarter"),
        in_numerator=in_numerator,
        is_missing=is_missing,
        looked_at=nw.col("is_last_of_quarter"),
        in_year=nw.col("is_last_of_year"),
    )


def _among(column: str, codes: tuple[str, ...]) -> tuple[nw.Expr, nw.Expr]:
    answer = nw.col(column)
    return answer.is_in(codes), answer.is_null() | (answer == "unknown")


def took_part_in_choice(_: Protocol) -> Mark:
    """First measurement point active, and took part in the choice of treatment."""
    return at_first(*yes("took_part_in_choice"))


def network_involved(_: Protocol) -> Mark:
    """Family or network is involved, by the latest interview of the period."""
    return _at_last(*yes("network_involved"))


def suitable_housing(_: Protocol) -> Mark:
    """Own or rented home, by the latest interview of the period."""
    return _at_last(*_among("housing", SUITABLE_HOUSING))


def occupied(_: Protocol) -> Mark:
    """Work, education or activity, by the latest interview of the period."""
    return _at_last(*_among("employment", OCCUPIED))


def substances_mapped(_: Protocol) -> Mark:
    """Every substance of the protocol has an answer at the baseline."""
    complete = nw.col("n_answered") == nw.col("n_substances")
    return Mark(always(), complete, ~complete)


def doping_mapped(_: Protocol) -> Mark:
    """The baseline has an answer on doping agents."""
    stated = nw.col("doping_answered") == 1
    return Mark(always(), stated, ~stated)


def waves_delivered(_: Protocol) -> Mark:
    """An expected interview was held, completed or partial."""
    return Mark(always(), nw.col("status").is_in(HELD))


AT_INTERVIEWS: Final = (
    Indicator(
        process_indicator(
            "took_part_in_choice",
            title="Took part in the choice of treatment",
            title_nb="Medvirket ved valg av behandling",
            numerator="Says to have taken part in the choice. Don't know and no answer are not "
            "fulfilled.",
            denominator="People whose first measurement point is active.",
            period_rule="Day of the person's first measurement point.",
            guideline="1.1",
        ),
        INTERVIEW,
        answered("treatment_status", "took_part_in_choice"),
        took_part_in_choice,
    ),
    Indicator(
        process_indicator(
            "waves_delivered",
            title="Expected interviews held",
            title_nb="Gjennomførte intervjuer av forventede",
            numerator="The interview was held, wholly or in part, also off its window.",
            denominator="Visits expected: not dead, withdrawn, moved or not yet due.",
            period_rule="Planned day of the visit; each visit counts once. A visit without an "
            "interview counts when its window has closed: until then the period is provisional.",
            guideline="2.10",
            target=(0.8, None),
        ),
        VISIT,
        answered("status"),
        waves_delivered,
        "waves.in_window_days",
    ),
    Indicator(
        process_indicator(
            "substances_mapped",
            title="Substance use mapped at baseline",
            title_nb="Rusmiddelbruk kartlagt ved start",
            numerator="Each of the protocol's substances has an answer.",
            denominator="People with a baseline interview.",
            period_rule="Day of the person's baseline interview.",
            guideline="3.1",
        ),
        FIRST_USE,
        (Ask("core.substance_use", "days"),),
        substances_mapped,
    ),
    Indicator(
        process_indicator(
            "doping_mapped",
            title="Doping agents mapped at baseline",
            title_nb="Dopingmidler kartlagt ved start",
            numerator="The baseline interview has an answer on doping agents.",
            denominator="People with a baseline interview.",
            period_rule="Day of the person's baseline interview.",
            guideline="10.2",
        ),
        FIRST_USE,
        (Ask("core.substance_use", "substance", ("doping",)),),
        doping_mapped,
    ),
    Indicator(
        process_indicator(
            "network_involved",
            title="Family or network involved",
            title_nb="Familie eller nettverk involvert",
            numerator="Family or network is involved. Don't know and no answer are not fulfilled.",
            denominator="People with an interview in the period.",
            period_rule=LAST,
            guideline="6.1",
        ),
        INTERVIEW,
        answered("network_involved"),
        network_involved,
    ),
    Indicator(
        process_indicator(
            "suitable_housing",
            title="Suitable housing",
            title_nb="Egnet bolig",
            numerator="Own or rented home. Unknown and no answer are not fulfilled.",
            denominator="People with an interview in the period.",
            period_rule=LAST,
            guideline="6.2",
            source=f"{GUIDELINE}; which homes count is this registry's choice",
        ),
        INTERVIEW,
        answered("housing"),
        suitable_housing,
    ),
    Indicator(
        process_indicator(
            "occupied",
            title="Work, school or activity",
            title_nb="Arbeid, skole eller aktivitet",
            numerator="Work, education or activity. Unknown and no answer are not fulfilled.",
            denominator="People with an interview in the period.",
            period_rule=LAST,
            guideline="6.4",
        ),
        INTERVIEW,
        answered("employment"),
        occupied,
    ),
)
