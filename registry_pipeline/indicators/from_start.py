"""What is due within so many days of a person's start: told, mapped, screened, offered.

Belongs here: the frame of people with the days to each step, and the indicators it carries.
Does not belong here: what recurs during treatment (see `in_treatment`).

A person starts on the day of the first interview held, else of the first stay begun. Whose
deadline comes after the cut-off, or after death or moving out of the country, is not counted;
whoever left treatment before it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import narwhals as nw

from registry_pipeline.indicators.definition import (
    STEPS,
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
)
from registry_pipeline.transform.engine import Frame, with_epoch_days
from schemas.protocol import Protocol

MAPPINGS: Final = (
    "mapping_mental",
    "mapping_cognitive",
    "mapping_somatic",
    "mapping_dental",
    "mapping_nutrition",
    "mapping_social",
)
OVERDOSE: Final = ("overdose_risk_talk", "naloxone")
SINGLE: Final = (
    "self_referral_agreement",
    "self_help_information",
    "dropout_checklist",
    "suicide_screen",
    "finance_help",
    "leisure_support",
    "family_therapy",
    "gender_adaptation",
    "language_adaptation",
)
METHODS: Final = {
    "motivational_interviewing": ("4.2", "Motivational interviewing", "Motiverende samtale"),
    "cognitive_therapy": ("4.3", "Cognitive therapy", "Kognitiv terapi"),
    "physical_activity": ("4.5", "Physical activity", "Fysisk aktivitet"),
    "music_therapy": ("4.6", "Music therapy", "Musikkterapi"),
    "twelve_step": ("4.7", "Twelve-step treatment", "Tolvtrinnsbehandling"),
}
METHOD_STEPS: Final = ("method_offered", "method_received")
YOUNG: Final = 25
START: Final = "Day the person starts: the first interview held, else the first stay begun."
PEOPLE: Final = "People at units that register steps of the process, followed until the deadline."


def starts(core: Core, _: Protocol) -> Frame:
    """Enrolled people who started, with the days from the start to the first step of each kind.

    One row per person at a unit that registers steps. `days_<kind>` and `days_<method>` are null
    without such a step on or after the start; observed_days runs until the cut-off of steps, death
    or moving out of the country.
    """
    stays = core["core.episode"].group_by("patient_id").agg(first_stay=nw.col("start_date").min())
    known = people(core).join(at_registering_units(core), on="patient_id")
    who = known.join(stays, on="patient_id", how="left")
    started = with_epoch_days(
        who.with_columns(start_date=nw.coalesce("baseline_date", "first_stay")), ["start_date"]
    ).filter(~nw.col("start_date").is_null())
    steps = with_epoch_days(core["core.process_event"], ["event_date"]).join(
        started.select("patient_id", "start_date_epoch"), on="patient_id"
    )
    after = nw.col("event_date_epoch") - nw.col("start_date_epoch")
    kind, method = nw.col("kind"), nw.col("method")
    firsts = {
        **{name: kind == name for name in (*SINGLE, *MAPPINGS, *OVERDOSE)},
        **{name: kind.is_in(METHOD_STEPS) & (method == name) for name in METHODS},
    }
    days = (
        steps.with_columns(after=after)
        .filter(nw.col("after") >= 0)
        .group_by("patient_id")
        .agg(
            nw.when(condition).then(nw.col("after")).min().alias(f"days_{name}")
            for name, condition in firsts.items()
        )
    )
    return started.join(days, on="patient_id", how="left").select(
        "patient_id",
        nw.col("home_unit_id").alias("unit_id"),
        nw.col("start_date").alias("marked_on"),
        *(f"days_{name}" for name in firsts),
        age=nw.col("start_date").dt.year() - nw.col("birth_year"),
        observed_days=nw.col("steps_until_epoch") - nw.col("start_date_epoch"),
    )


STARTED: Final = Basis("person who started", starts, followed=FOLLOWED)


def _within(
    deadline: str, done: Callable[[int], nw.Expr], among: nw.Expr | None = None
) -> Callable[[Protocol], Mark]:
    """Marks people followed until a deadline of the protocol; overdue counts as not done."""
    concerned = always() if among is None else among

    def mark(protocol: Protocol) -> Mark:
        days = int(getattr(protocol.deadlines, deadline))
        followed = nw.col("observed_days") >= days
        return Mark(followed & concerned, done(days), looked_at=concerned)

    return mark


def _any_of(*names: str) -> Callable[[int], nw.Expr]:
    """Any of the steps was taken by the day."""
    return lambda days: nw.any_horizontal(
        *((nw.col(f"days_{name}") <= days) for name in names), ignore_nulls=True
    )


def _all_of(*names: str) -> Callable[[int], nw.Expr]:
    """Every one of the steps was taken by the day."""
    return lambda days: nw.all_horizontal(
        *((nw.col(f"days_{name}") <= days).fill_null(value=False) for name in names),
        ignore_nulls=False,
    )


def _entry(
    indicator_id: str,
    titles: tuple[str, str],
    guideline: str | None,
    deadline: str,
    *,
    does: str,
    names: Sequence[str],
    asks: tuple[Ask, ...],
    denominator: str = PEOPLE,
    among: nw.Expr | None = None,
    everything: bool = False,
    target: tuple[float | None, float | None] = (None, None),
) -> Indicator:
    """An indicator of a step, or of several, within a deadline of the start."""
    days = int(getattr(DEFAULTS, deadline))
    done = _all_of(*names) if everything else _any_of(*names)
    return Indicator(
        process_indicator(
            indicator_id,
            title=titles[0],
            title_nb=titles[1],
            numerator=f"{does} within the deadline, on or after the start.",
            denominator=denominator,
            period_rule=START,
            guideline=guideline,
            due_days=days,
            source="National guideline (TSB)" if guideline else OWN,
            target=target,
        ),
        STARTED,
        asks,
        _within(deadline, done, among),
        f"deadlines.{deadline}",
    )


def _step(
    kind: str,
    titles: tuple[str, str],
    guideline: str,
    deadline: str,
    *,
    does: str,
    indicator_id: str = "",
) -> Indicator:
    """An indicator of one kind of step."""
    return _entry(
        indicator_id or kind,
        titles,
        guideline,
        deadline,
        does=does,
        names=[kind],
        asks=registered(kind),
    )


FROM_START: Final = (
    _step(
        "self_referral_agreement",
        ("Agreement on self-referred admission", "Avtale om brukerstyrt innleggelse"),
        "1.3",
        "information",
        does="An agreement was made",
    ),
    _step(
        "self_help_information",
        ("Told of self-help groups", "Informert om selvhjelpsgrupper"),
        "1.4",
        "information",
        does="The person was told",
    ),
    _step(
        "dropout_checklist",
        ("Risk of drop-out assessed", "Risiko for drop-out vurdert"),
        "3.2",
        "checklist",
        does="The drop-out checklist was filled in",
        indicator_id="dropout_risk_assessed",
    ),
    _entry(
        "mapping_complete",
        ("Mapping complete", "Fullstendig kartlegging"),
        "3.3",
        "mapping",
        does="Mental, cognitive, somatic, dental, nutritional and social mapping were all done",
        names=MAPPINGS,
        asks=registered(*MAPPINGS),
        everything=True,
    ),
    *(
        _entry(
            method,
            (english, norwegian),
            number,
            "method",
            does="The method was offered or received",
            names=[method],
            asks=(Ask(STEPS, "method", (method,)),),
        )
        for method, (number, english, norwegian) in METHODS.items()
    ),
    _step(
        "finance_help",
        ("Help with finances", "Hjelp med økonomi"),
        "6.3",
        "support",
        does="Help was given",
    ),
    _step(
        "leisure_support",
        ("Support for leisure", "Støtte til fritid"),
        "6.5",
        "support",
        does="Support was given",
    ),
    _entry(
        "family_therapy_young",
        ("Family therapy under 25", "Familieterapi under 25 år"),
        "7.4",
        "method",
        does="Family therapy was held",
        names=["family_therapy"],
        asks=registered("family_therapy"),
        denominator=f"{PEOPLE} Under 25 in the year they start.",
        among=(nw.col("age") < YOUNG).fill_null(value=False),
    ),
    _step(
        "suicide_screen",
        ("Suicide risk screened at start", "Selvmordsrisiko kartlagt ved start"),
        "8.1",
        "safety",
        does="The risk was screened",
        indicator_id="suicide_screen_start",
    ),
    _entry(
        "overdose_prevention",
        ("Overdose risk discussed, or naloxone", "Overdoserisiko tatt opp, eller nalokson"),
        "8.2",
        "safety",
        does="The risk was discussed or naloxone given",
        names=OVERDOSE,
        asks=registered(*OVERDOSE),
    ),
    _step(
        "gender_adaptation",
        ("Treatment adapted to gender", "Kjønnstilpasset behandling"),
        "9.1",
        "support",
        does="Treatment was adapted",
    ),
    _step(
        "language_adaptation",
        ("Treatment adapted to language", "Språktilpasset behandling"),
        "9.3",
        "support",
        does="Treatment was adapted",
    ),
)
