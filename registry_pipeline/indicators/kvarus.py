"""The indicators of KVARUS, the national registry of treatment of substance use disorders.

Belongs here: its four indicators, each an entry and a function.
Does not belong here: the frame of interviews (see `at_interviews`), counting (see `engine`).

The first three look at a person's first measurement point: the earliest interview held. A person
whose first measurement point is not active is outside the denominator, now and later.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.indicators.at_interviews import INTERVIEW, at_first, yes
from registry_pipeline.indicators.definition import Definition, Indicator, Mark, always, answered
from schemas.protocol import Protocol

SOURCE: Final = "KVARUS (Rapporteket/kvarus)"
AT_FIRST: Final = "People whose first measurement point is active."
FIRST_DAY: Final = "Day of the person's first measurement point."
LARGE_BENEFIT: Final = 4


def treatment_plan_early(_: Protocol) -> Mark:
    """First measurement point active, and a treatment plan."""
    return at_first(*yes("treatment_plan"))


def crisis_plan_early(_: Protocol) -> Mark:
    """First measurement point active, and a crisis plan."""
    return at_first(*yes("crisis_plan"))


def large_benefit(_: Protocol) -> Mark:
    """First measurement point active, and a benefit of 4 or 5 of 5."""
    benefit = nw.col("treatment_benefit")
    return at_first(benefit >= LARGE_BENEFIT, benefit.is_null())


def ended_by_mutual_agreement(_: Protocol) -> Mark:
    """The first interview that says the treatment has ended, and says by agreement.

    Later interviews repeat the status, so a person counts once.
    """
    return Mark(
        in_denominator=always(),
        in_numerator=nw.col("treatment_status") == "ended_mutual",
        looked_at=nw.col("is_first_end"),
    )


KVARUS: Final = (
    Indicator(
        Definition(
            indicator_id="treatment_plan_early",
            title="Treatment plan early",
            title_nb="Behandlingsplan tidlig i forløpet",
            indicator_type="fraction",
            numerator="First measurement point active, and a treatment plan. "
            "Don't know and no answer are not fulfilled.",
            denominator=AT_FIRST,
            period_rule=FIRST_DAY,
            guideline="2.4",
            source=SOURCE,
            direction="higher",
            target_green=0.8,
            target_yellow=0.6,
            due_days=None,
            min_denominator=5,
        ),
        INTERVIEW,
        answered("treatment_status", "treatment_plan"),
        treatment_plan_early,
    ),
    Indicator(
        Definition(
            indicator_id="crisis_plan_early",
            title="Crisis plan early",
            title_nb="Kriseplan tidlig i forløpet",
            indicator_type="fraction",
            numerator="First measurement point active, and a crisis plan. "
            "Don't know and no answer are not fulfilled.",
            denominator=AT_FIRST,
            period_rule=FIRST_DAY,
            guideline="2.7",
            source=SOURCE,
            direction="higher",
            target_green=0.6,
            target_yellow=0.4,
            due_days=None,
            min_denominator=5,
        ),
        INTERVIEW,
        answered("treatment_status", "crisis_plan"),
        crisis_plan_early,
    ),
    Indicator(
        Definition(
            indicator_id="large_benefit",
            title="Large benefit of treatment",
            title_nb="Stort utbytte av behandlingen",
            indicator_type="fraction",
            numerator="First measurement point active, and a benefit of 4 or 5 of 5. "
            "No answer is not fulfilled.",
            denominator=AT_FIRST,
            period_rule=FIRST_DAY,
            guideline=None,
            source=SOURCE,
            direction="higher",
            target_green=0.8,
            target_yellow=0.6,
            due_days=None,
            min_denominator=5,
        ),
        INTERVIEW,
        answered("treatment_status", "treatment_benefit"),
        large_benefit,
    ),
    Indicator(
        Definition(
            indicator_id="ended_by_mutual_agreement",
            title="Ended by mutual agreement",
            title_nb="Avsluttet etter felles avtale",
            indicator_type="fraction",
            numerator="Treatment ended by mutual agreement.",
            denominator="People whose treatment ended, interrupted or by mutual agreement, as "
            "the first interview that says so has it.",
            period_rule="Day of the first interview that says the treatment ended.",
            guideline="2.9",
            source=f"{SOURCE}, unpublished branch; targets are the protocol's",
            direction="higher",
            target_green=0.8,
            target_yellow=0.6,
            due_days=None,
            min_denominator=5,
        ),
        INTERVIEW,
        answered("treatment_status"),
        ended_by_mutual_agreement,
    ),
)
