"""Rules across the columns of one row: data that the gate applies.

Belongs here: what must hold between the cells of a row of a form, and which dates tell of
something that happened. Does not belong here: what one column allows (the models of
`schemas.forms`), rules across rows, forms or deliveries, and the applying
(`registry_pipeline.gate.rules`).

A rule is true where a row is bad. A null in a needed column never makes a row bad by itself, but
where the rule says so: an unanswered question is no contradiction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import polars as pl

from schemas.protocol import Protocol


@dataclass(frozen=True)
class RowContext:
    """What a rule may know beside the row: the protocol, and the delivery's cut-off."""

    protocol: Protocol
    extracted_on: date


@dataclass(frozen=True)
class RowRule:
    """One rule on a row.

    Attributes:
        id: the rule's name in quarantine and warnings.
        column: the column that the problem is shown at.
        reason: what is wrong, in plain words, for a reader who does not see the value.
        bad: the Polars expression that is true where the row breaks the rule.
        needs: the columns the expression reads; the rule rests where the file lacks the first.
        severity: `hard` sends the row to quarantine, `soft` warns and counts.
    """

    id: str
    column: str
    reason: str
    bad: Callable[[RowContext], pl.Expr]
    needs: tuple[str, ...]
    severity: Literal["hard", "soft"] = "hard"


HAPPENED: Final[dict[str, tuple[str, ...]]] = {
    "patients": ("invited_date", "consent_date", "treatment_start_date"),
    "interviews": ("interview_date",),
    "episodes": ("start_date", "end_date", "referred_date"),
    "events": ("event_date",),
    "toxicology": ("sample_date",),
    "process_events": ("event_date",),
    "outreach": ("identified_date", "conversation_date", "referred_date", "centre_contact_date"),
    "involvement": ("answered_on",),
    "withdrawals": ("withdrawn_date",),
}
"""Date columns that tell of something that happened, so never after the delivery's extracted_on.
Left out, since they may lie ahead: planned_start_date, an appointment's scheduled_date (but see
`attendance_after_extraction`), centre_observed_until and the period of a goal count."""


def row_rules(form: str, protocol: Protocol) -> tuple[RowRule, ...]:
    """All row rules of a form under a protocol."""
    use = ("injection_days", "crime_days", *protocol.substance_columns)
    return (
        *(_not_after_extraction(column) for column in HAPPENED.get(form, ())),
        *(_within_recall(column) for column in use if form == "interviews"),
        *ROW_RULES.get(form, ()),
    )


def _not_after_extraction(column: str) -> RowRule:
    return RowRule(
        "after_extraction",
        column,
        "a day after the delivery's extracted_on",
        lambda context: pl.col(column) > context.extracted_on,
        (column,),
    )


def _within_recall(column: str) -> RowRule:
    return RowRule(
        "days_over_recall",
        column,
        "more days than the recall period has",
        lambda context: (
            pl.col(column) > pl.col("recall_days").fill_null(context.protocol.waves.recall_days)
        ),
        (column, "recall_days"),
    )


def _zero_two_four(column: str) -> RowRule:
    return RowRule(
        "unknown_score",
        column,
        "this item is scored 0, 2 or 4",
        lambda _: ~pl.col(column).is_in([0, 2, 4]),
        (column,),
    )


def _of_protocol(column: str, rule_id: str, kind: str) -> RowRule:
    def bad(context: RowContext) -> pl.Expr:
        listed = getattr(context.protocol, kind)
        return ~pl.col(column).is_in([item.code for item in listed]) & bool(listed)

    return RowRule(rule_id, column, f"not among the protocol's {kind}", bad, (column,))


def _ends_before(start: str, end: str) -> RowRule:
    return RowRule(
        "end_before_start",
        end,
        f"before {start}",
        lambda _: pl.col(end) < pl.col(start),
        (end, start),
    )


_NEVER_MET = pl.col("exit_type").eq_missing(pl.lit("never_met"))

ROW_RULES: Final[dict[str, tuple[RowRule, ...]]] = {
    "patients": (
        RowRule(
            "birth_after_extraction",
            "birth_year",
            "a year after the delivery's extracted_on",
            lambda context: pl.col("birth_year") > context.extracted_on.year,
            ("birth_year",),
        ),
        _of_protocol("assigned_pathway", "unknown_pathway", "pathways"),
        _of_protocol("primary_substance", "unknown_substance", "substances"),
        RowRule(
            "consent_without_date",
            "consent_date",
            "consented, but the day is not given",
            lambda _: (pl.col("consent") == "consented") & pl.col("consent_date").is_null(),
            ("consent_date", "consent"),
            "soft",
        ),
    ),
    "interviews": (
        RowRule(
            "unknown_recall_period",
            "recall_days",
            "the recall period is 28, 30 or 90 days",
            lambda _: ~pl.col("recall_days").is_in([28, 30, 90]),
            ("recall_days",),
        ),
        _zero_two_four("dudit_10"),
        _zero_two_four("dudit_11"),
        RowRule(
            "wave_not_in_protocol",
            "planned_wave",
            "the protocol has no wave of that number",
            lambda context: pl.col("planned_wave") >= len(context.protocol.waves.nominal_days),
            ("planned_wave",),
            "soft",
        ),
    ),
    "episodes": (
        _of_protocol("pathway", "unknown_pathway", "pathways"),
        _ends_before("start_date", "end_date"),
        RowRule(
            "start_missing",
            "start_date",
            "only a stay that was never_met has no start",
            lambda _: pl.col("start_date").is_null() & ~_NEVER_MET,
            ("start_date", "exit_type"),
        ),
        RowRule(
            "never_met_not_planned",
            "planned_start_date",
            "a stay that was never_met needs its planned start",
            lambda _: _NEVER_MET & pl.col("planned_start_date").is_null(),
            ("exit_type", "planned_start_date"),
        ),
        RowRule(
            "exit_without_end",
            "exit_type",
            "the stay has ended, but the day is not given",
            lambda _: (
                pl.col("exit_type").is_not_null() & ~_NEVER_MET & pl.col("end_date").is_null()
            ),
            ("exit_type", "end_date"),
            "soft",
        ),
    ),
    "appointments": (
        RowRule(
            "attendance_after_extraction",
            "scheduled_date",
            "attended or missed on a day after the delivery's extracted_on",
            lambda context: (
                (pl.col("scheduled_date") > context.extracted_on)
                & pl.col("status").is_in(["attended", "no_show"])
            ),
            ("scheduled_date", "status"),
        ),
    ),
    "goal_counts": (_ends_before("period_start", "period_end"),),
}
"""Rules of a form that are the same under every protocol, by form."""
