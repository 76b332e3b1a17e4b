"""The indicators of KVARUS, the national registry of treatment of substance use disorders.

Belongs here: its four indicators, each an entry and a function.
Does not belong here: counting, levels and hiding (see `engine`).

The first three look at a person's first measurement point: the earliest interview held. A person
whose first measurement point is not active is outside the denominator, now and later.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.indicators.definition import Core, Definition, Indicator, marked
from registry_pipeline.transform.engine import Frame

SOURCE: Final = "KVARUS (Rapporteket/kvarus)"
AT_FIRST: Final = "People whose first measurement point is active."
FIRST_YEAR: Final = "Calendar year of the person's first measurement point."
LARGE_BENEFIT: Final = 4
ENDED: Final = ("interrupted", "ended_mutual")


def treatment_plan_early(core: Core) -> Frame:
    """First measurement point active, and a treatment plan."""
    return _yes_at_first(core, "treatment_plan")


def crisis_plan_early(core: Core) -> Frame:
    """First measurement point active, and a crisis plan."""
    return _yes_at_first(core, "crisis_plan")


def large_benefit(core: Core) -> Frame:
    """First measurement point active, and a benefit of 4 or 5 of 5."""
    benefit = nw.col("treatment_benefit")
    return _at_first(core, benefit >= LARGE_BENEFIT, benefit.is_null())


def ended_by_mutual_agreement(core: Core) -> Frame:
    """The first interview that says the treatment has ended, and says by agreement.

    Later interviews repeat the status, so a person counts once.
    """
    ended = _earliest(core, nw.col("treatment_status").is_in(ENDED))
    return marked(
        ended,
        on="interview_date",
        in_denominator=nw.lit(value=True),
        in_numerator=nw.col("treatment_status") == "ended_mutual",
        is_missing=nw.lit(value=False),
    )


def _yes_at_first(core: Core, column: str) -> Frame:
    answer = nw.col(column)
    return _at_first(core, answer == "yes", answer.is_null() | (answer == "unknown"))


def _at_first(core: Core, in_numerator: nw.Expr, is_missing: nw.Expr) -> Frame:
    return marked(
        _earliest(core),
        on="interview_date",
        in_denominator=nw.col("treatment_status") == "active",
        in_numerator=in_numerator,
        is_missing=is_missing,
    )


def _earliest(core: Core, *where: nw.Expr) -> Frame:
    """Each person's earliest interview held, with its unit, else the person's own."""
    home = core["core.patient"].select("patient_id", home_unit_id="unit_id")
    held = core["core.interview"].filter(*where) if where else core["core.interview"]
    first = held.unique(["patient_id"], keep="first", order_by=["interview_date"])
    return first.join(home, on="patient_id", how="left").with_columns(
        unit_id=nw.coalesce("unit_id", "home_unit_id")
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
            period_rule=FIRST_YEAR,
            guideline="2.4",
            source=SOURCE,
            direction="higher",
            target_green=0.8,
            target_yellow=0.6,
            min_denominator=5,
        ),
        ("treatment_status", "treatment_plan"),
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
            period_rule=FIRST_YEAR,
            guideline="2.7",
            source=SOURCE,
            direction="higher",
            target_green=0.6,
            target_yellow=0.4,
            min_denominator=5,
        ),
        ("treatment_status", "crisis_plan"),
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
            period_rule=FIRST_YEAR,
            guideline=None,
            source=SOURCE,
            direction="higher",
            target_green=0.8,
            target_yellow=0.6,
            min_denominator=5,
        ),
        ("treatment_status", "treatment_benefit"),
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
            period_rule="Calendar year of the first interview that says the treatment ended.",
            guideline="2.9",
            source=f"{SOURCE}, unpublished branch; targets are the protocol's",
            direction="higher",
            target_green=0.8,
            target_yellow=0.6,
            min_denominator=5,
        ),
        ("treatment_status",),
        ended_by_mutual_agreement,
    ),
)
