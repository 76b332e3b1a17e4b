"""What the result tables share: their common columns, each idea in one place.

Belongs here: base models and column makers that more than one derived, quality or meta table
uses, with the wording every one of them shows.
Does not belong here: a column of one table only, forms and core tables.
"""

from __future__ import annotations

from typing import Any, Final

import pandera.polars as pa
import polars as pl

from schemas import codes
from schemas.fields import RegistryModel, field

NOT_COMPUTABLE: Final = "not computable; `reason` says why"
ORIGIN: Final = {
    "method": "How the number was made: estimator and interval, in a word or two.",
    "rule_version": "Version of the definitions the row was made by; the changelog lists them.",
    "as_of_delivery": "The cohort's latest accepted delivery when the row was made.",
    "reason": (
        "Why a number in the row is null (`not_computable` for a zero denominator) or a unit too "
        "small to signal, in code words."
    ),
}
"""What the last four columns of every result say."""


class Result(RegistryModel):
    """Base of every result: how each row was made, shown after the numbers themselves."""

    method: pl.String = field("Method", ORIGIN["method"], nb="Metode", required=True)
    rule_version: pl.String = field(
        "Rule version", ORIGIN["rule_version"], nb="Regelversjon", required=True
    )
    as_of_delivery: pl.String = field(
        "As of delivery", ORIGIN["as_of_delivery"], nb="Per leveranse", required=True
    )
    reason: pl.String = field("Reason", ORIGIN["reason"], nb="Årsak", null="every number is there")

    @classmethod
    def to_schema(cls) -> pa.DataFrameSchema:
        """The schema with these four columns last: a reader looks for the numbers first."""
        schema = super().to_schema()
        last = {name: schema.columns[name] for name in ORIGIN}
        schema.columns = {
            **{name: column for name, column in schema.columns.items() if name not in last},
            **last,
        }
        return schema


class Stratified(Result):
    """Base of every result given for the whole cohort and for each of its strata."""

    cohort: pl.String = field("Cohort", "Id of the cohort's protocol.", nb="Kohort", required=True)
    stratum_by: pl.String = field(
        "Stratified by",
        "What the stratum is a value of; `all` is the whole cohort.",
        nb="Inndelt etter",
        codes=codes.STRATUM_BY,
        required=True,
    )
    stratum: pl.String = field(
        "Stratum",
        "Value of the stratifying variable, as text: `all` for the whole cohort, `unknown` "
        "where the person's value is missing.",
        nb="Stratum",
        required=True,
    )


def cohort() -> Any:
    """The cohort, for results that have no strata."""
    return field("Cohort", "Id of the cohort's protocol.", nb="Kohort", required=True)


def protocol() -> Any:
    """The protocol, as meta and quality tables call the cohort."""
    return field("Protocol", "Id of the protocol.", nb="Protokoll", required=True)


def patient_id() -> Any:
    """The pseudonym."""
    return field(
        "Person", "Keyed pseudonym of the person, in letters only.", nb="Person", required=True
    )


def unit_id() -> Any:
    """The unit of a result, or all of them."""
    return field(
        "Unit", "Id of the unit; `all` for every unit together.", nb="Enhet", required=True
    )


def substance() -> Any:
    """A substance or a group of substances."""
    return field(
        "Substance",
        "Code of a substance or of a group of substances in the protocol.",
        nb="Rusmiddel",
        required=True,
    )


def wave() -> Any:
    """The wave a result speaks of."""
    return field(
        "Wave",
        "Number of the scheduled interview; 0 is the baseline.",
        nb="Måling",
        low=0,
        required=True,
    )


def day(title: str, nb: str, description: str, *, null: str | None = None) -> Any:
    """A day number or a number of days, zero or more; required unless `null` is said."""
    return field(
        title,
        description,
        nb=nb,
        unit="days",
        low=0,
        required=null is None,
        null=null or "",
    )


def month() -> Any:
    """The scheduled day in whole months, for reading."""
    return field(
        "Month",
        "The day in whole months of 30.4375 days, for reading; schedules shorter than a month "
        "repeat it, so the day is the key.",
        nb="Måned",
        unit="months",
        low=0,
        required=True,
    )


def count(title: str, nb: str, description: str, *, null: str | None = None) -> Any:
    """A whole number of people, rows or events; required unless `null` is said."""
    return field(title, description, nb=nb, low=0, required=null is None, null=null or "")


def share(title: str, nb: str, description: str, *, source: str = "") -> Any:
    """A proportion or probability, 0 to 1."""
    return field(
        title,
        description,
        nb=nb,
        unit="share",
        low=0,
        high=1,
        null=NOT_COMPUTABLE,
        source=source,
    )


def number(title: str, nb: str, description: str, *, unit: str = "", source: str = "") -> Any:
    """An estimate on a scale of its own."""
    return field(title, description, nb=nb, unit=unit, null=NOT_COMPUTABLE, source=source)


def share_low(of: str = "the share") -> Any:
    """Lower limit of a proportion's interval."""
    return share("Lower limit", "Nedre grense", f"Lower limit of the 95 % interval of {of}.")


def share_high(of: str = "the share") -> Any:
    """Upper limit of a proportion's interval."""
    return share("Upper limit", "Øvre grense", f"Upper limit of the 95 % interval of {of}.")


def ci_low(of: str = "the estimate", *, unit: str = "") -> Any:
    """Lower limit of the interval of an estimate on a scale of its own."""
    text = f"Lower limit of the 95 % interval of {of}."
    return number("Lower limit", "Nedre grense", text, unit=unit)


def ci_high(of: str = "the estimate", *, unit: str = "") -> Any:
    """Upper limit of the interval of an estimate on a scale of its own."""
    text = f"Upper limit of the 95 % interval of {of}."
    return number("Upper limit", "Øvre grense", text, unit=unit)


def std_error(of: str, *, source: str) -> Any:
    """The standard error of an estimate."""
    return field(
        "Standard error",
        f"Standard error of {of}.",
        nb="Standardfeil",
        low=0,
        null=NOT_COMPUTABLE,
        source=source,
    )


def p_value(description: str = "Two-sided p value of the test.") -> Any:
    """A p value."""
    return field("p value", description, nb="p-verdi", low=0, high=1, null=NOT_COMPUTABLE)


def period_start() -> Any:
    """First day of the counted period."""
    return field("From", "First day counted.", nb="Fra", required=True)


def period_end() -> Any:
    """Last day of the counted period."""
    return field("To", "Last day counted.", nb="Til", required=True)
