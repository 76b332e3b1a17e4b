"""Rules across forms: which accepted rows may not enter core yet, and why.

Belongs here: rules that need another form or the ledger, judged on the whole store at every run,
so that the order of deliveries does not matter.
Does not belong here: rules on one row or one form, which the gate decides for good. Overlapping
stays are not held: they are merged and counted in `retention`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import narwhals as nw

from registry_pipeline.transform.current import key_columns
from registry_pipeline.transform.engine import Frame, materialise
from schemas.codes import DEATHS
from schemas.fields import Table


@dataclass(frozen=True)
class Rule:
    """One rule across forms.

    Attributes:
        rule_id: its name in meta.held.
        forms: the forms it judges.
        reason: what meta.held says, in words; never a value.
        broken: true where a row breaks it; false or null where it does not.
    """

    rule_id: str
    forms: tuple[str, ...]
    reason: str
    broken: nw.Expr


DATED: Final[dict[str, tuple[str, ...]]] = {
    "interviews": ("interview_date",),
    "episodes": ("start_date", "planned_start_date"),
    "events": ("event_date",),
    "toxicology": ("sample_date",),
    "appointments": ("scheduled_date",),
    "process_events": ("event_date",),
    "outreach": ("identified_date",),
    "involvement": ("answered_on",),
    "goal_counts": ("period_start",),
    "withdrawals": ("withdrawn_date",),
}
"""The day of a form's row: the first of these that is not null. A stay's is its first day: a
later end stands, and observation is closed at death and cut-off in `retention`."""

PERSONAL: Final = (
    "interviews",
    "episodes",
    "events",
    "toxicology",
    "appointments",
    "process_events",
    "outreach",
    "withdrawals",
)
"""Forms whose rows are about a person; a contact of outreach need not be."""

_BEGUN: Final = tuple(form for form in PERSONAL if form != "episodes")
_KNOWN_UNTIL: Final = tuple(form for form in DATED if form != "withdrawals")

RULES: Final = (
    Rule(
        "unknown_person",
        PERSONAL,
        "the person has no row in patients",
        ~nw.col("patient_id").is_null() & nw.col("is_enrolled").is_null(),
    ),
    Rule(
        "not_consented",
        PERSONAL,
        "the person has not consented, and is not in on an opt-out basis",
        ~nw.col("is_enrolled"),
    ),
    Rule(
        "interview_before_consent",
        ("interviews",),
        "the interview is dated before the consent",
        nw.col("row_date") < nw.col("consented_on"),
    ),
    Rule(
        "after_death",
        _BEGUN,
        "the row is dated after the person's death",
        nw.col("row_date") > nw.col("death_date"),
    ),
    Rule(
        "after_death",
        ("episodes",),
        "the stay begins after the person's death",
        nw.col("start_date") > nw.col("death_date"),
    ),
    Rule(
        "after_cutoff",
        _KNOWN_UNTIL,
        "the row is dated after the cut-off of its form and sender",
        nw.col("row_date") > nw.col("cutoff_date"),
    ),
)
"""Every rule across forms. A death is never held for itself: it is not after itself. A
withdrawal counts from the day it is known, so no cut-off holds it."""


def enrolled() -> nw.Expr:
    """Whether a row of patients is of a person whose other rows may enter core.

    Consented, or on an opt-out basis without having opted out or declined.
    """
    stays_in = ~nw.col("consent").is_in(["opt_out", "declined"])
    by_default = (nw.col("legal_basis").fill_null("consent") == "opt_out") & stays_in
    return (nw.col("consent") == "consented") | by_default


def standing(patients: Frame) -> Frame:
    """What rules ask of a person: one row per current row of patients.

    Returns:
        [patient_id, is_enrolled, consented_on].
    """
    return patients.select("patient_id", is_enrolled=enrolled(), consented_on="consent_date")


def death_dates(events: Frame, episodes: Frame) -> Frame:
    """The day of death: the earliest death event, else the earliest stay that ended by death.

    Args:
        events: events that no rule but after_death judges; patient_id, event_date, event_type.
        episodes: stays likewise, with exit_type, end_date and the cutoff_date of their sender:
            a death after the cut-off is not known yet.

    Returns:
        [patient_id, death_date]: one row per person who is dead, as far as delivered.
    """
    stated = events.filter(_is_death("event_type")).select("patient_id", event="event_date")
    known = ~(nw.col("end_date") > nw.col("cutoff_date"))
    ended = episodes.filter(_is_death("exit_type") & known).select("patient_id", exit="end_date")
    no_day = nw.lit(None, nw.Date)
    both = nw.concat(
        [
            stated.with_columns(exit=no_day),
            ended.with_columns(event=no_day).select("patient_id", "event", "exit"),
        ]
    )
    first = both.group_by("patient_id").agg(nw.col("event").min(), nw.col("exit").min())
    return first.select("patient_id", death_date=nw.coalesce("event", "exit"))


def judge(form: str, rows: Frame, people: Frame, deliveries: Frame) -> Frame:
    """The rows with cutoff_date, and for each rule of the form whether it is broken.

    One row in, one row out; computed once, for `kept` and `held` both read it.

    Args:
        form: the rows' form.
        rows: current rows: key, delivery, and what the form's rules name.
        people: one row per person: `standing` and death_date.
        deliveries: the form's deliveries, with sender and cutoff_date.
    """
    known = deliveries.select("delivery", "cutoff_date")
    facts = rows.join(known, on="delivery", how="left").with_columns(
        row_date=nw.coalesce(*DATED[form])
    )
    asked = ["row_date"]
    if form in PERSONAL:
        facts = facts.join(people, on="patient_id", how="left")
        asked += ["is_enrolled", "consented_on", "death_date"]
    verdicts = (rule.broken.fill_null(value=False).alias(rule.rule_id) for rule in rules_of(form))
    return materialise(facts.with_columns(*verdicts).drop(asked))


def kept(form: str, judged: Frame) -> Frame:
    """The judged rows that break no rule, with cutoff_date: they may enter core."""
    rules = [rule.rule_id for rule in rules_of(form)]
    return judged.filter(~nw.any_horizontal(*rules, ignore_nulls=False)).drop(rules)


def held(form: str, judged: Frame, table: Table, protocol: str) -> Frame:
    """One row of meta.held per held row and rule it breaks.

    Args:
        form: the rows' form.
        judged: `judge`.
        table: the form's table, for its key.
        protocol: id of the protocol.

    Returns:
        [protocol, form, row_key, rule_id, reason]; row_key joins the key's cells by `|`.
    """
    cells = [key.cast(nw.String).fill_null("") for key in key_columns(table)]
    return nw.concat(
        [
            judged.filter(nw.col(rule.rule_id)).select(
                nw.lit(protocol).alias("protocol"),
                nw.lit(form).alias("form"),
                nw.concat_str(cells, separator="|").alias("row_key"),
                nw.lit(rule.rule_id).alias("rule_id"),
                nw.lit(rule.reason).alias("reason"),
            )
            for rule in rules_of(form)
        ]
    )


def rules_of(form: str) -> list[Rule]:
    """The rules that judge a form's rows."""
    return [rule for rule in RULES if form in rule.forms]


def _is_death(column: str) -> nw.Expr:
    return nw.col(column).is_in(sorted(DEATHS))
