"""What may be shown outside the house: results with small numbers taken out, and the log of it.

Belongs here: the public view of the indicators, and what was hidden and why.
Does not belong here: true counts (see `schemas.quality.indicators`).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from schemas import result_codes, shared
from schemas.fields import RegistryModel, field, table
from schemas.quality.indicators import indicator_id, period_type
from schemas.shared import Result

KEY = ["indicator_id", "protocol", "unit_id", "period_start", "period_end"]
ROW = [
    "table_name", "protocol", "unit_id", "period_start", "period_end", "measure", "subject",
    "group_by", "group",
]  # fmt: skip
"""What tells the rows of all programmes' tables apart."""

HIDDEN = "hidden; `hidden_reason` says why"


def _n_missing(description: str) -> Any:
    return shared.count(
        "Missing", "Manglende", description, null="hidden, to protect a small count"
    )


def _hidden_reason(description: str, *, null: str) -> Any:
    codes = result_codes.HIDDEN_REASON
    return field("Hidden because", description, nb="Skjult fordi", codes=codes, null=null)


def _cell() -> Any:
    """Which number of a row was taken out."""
    codes = result_codes.HIDDEN_CELL
    return field("Number", "Which number.", nb="Tall", codes=codes, required=True)


def _reason(description: str) -> Any:
    """Why it was taken out."""
    codes = result_codes.HIDDEN_REASON
    return field("Reason", description, nb="Årsak", codes=codes, required=True)


def _note() -> Any:
    """The same in words."""
    text = "What is small, or the sum that would give a small number back."
    return field("Note", text, nb="Merknad", required=True)


class PublicResult(Result):
    """One row per indicator, protocol, unit and period: what may be shown outside.

    The rows of quality.indicator with hidden numbers null. Percentages are of the counts that
    are shown. The same word stands for a small number and for one that would give a small number
    away, so that the word tells nothing. An attacker with a linear program tries every run to
    work hidden counts out of this table, and a run in which it succeeds publishes nothing.
    """

    indicator_id: pl.String = indicator_id()
    protocol: pl.String = shared.protocol()
    unit_id: pl.String = shared.unit_id()
    period_start: pl.Date = shared.period_start()
    period_end: pl.Date = shared.period_end()
    period_type: pl.String = period_type()
    numerator: pl.Int64 = shared.count("Numerator", "Teller", "Fulfilled.", null=HIDDEN)
    denominator: pl.Int64 = shared.count(
        "Denominator", "Nevner", "People or events counted.", null=HIDDEN
    )
    n_missing: pl.Int64 = _n_missing("Of the denominator, unknown or not answered.")
    value: pl.Float64 = shared.number("Value", "Verdi", "numerator of denominator.")
    ci_low: pl.Float64 = shared.ci_low("the value")
    ci_high: pl.Float64 = shared.ci_high("the value")
    value_known: pl.Float64 = shared.number(
        "Value among known", "Verdi blant kjente", "numerator of denominator less n_missing."
    )
    level: pl.String = field(
        "Level",
        "Against the targets, in the indicator's direction.",
        nb="Måloppnåelse",
        codes=result_codes.INDICATOR_LEVEL,
        null="no target, or no value shown",
    )
    hidden_reason: pl.String = _hidden_reason(
        "Why the value is not shown.", null="it is shown, or there is none: see reason"
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "quality.public_result", KEY, title="Public results", nb="Offentlige resultater"
        )


class DisclosureLog(RegistryModel):
    """One row per number taken out of quality.public_result, and why.

    For the registry's own eyes: the reasons tell which numbers are small.
    """

    indicator_id: pl.String = indicator_id()
    protocol: pl.String = shared.protocol()
    unit_id: pl.String = shared.unit_id()
    period_start: pl.Date = shared.period_start()
    period_end: pl.Date = shared.period_end()
    cell: pl.String = _cell()
    reason: pl.String = _reason(
        "small_count and small_denominator for its own sake, secondary to protect another; else "
        "the result was not to be shown at all."
    )
    note: pl.String = _note()

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "quality.disclosure_log",
            [*KEY, "cell"],
            title="What was hidden",
            nb="Hva som ble skjult",
        )


class ProgrammeRow(RegistryModel):
    """Base: a row of one of the programmes' tables, as it is printed."""

    table_name: pl.String = field("Table", "The programme's table.", nb="Tabell", required=True)
    protocol: pl.String = shared.protocol()
    unit_id: pl.String = shared.unit_id()
    period_start: pl.Date = shared.period_start()
    period_end: pl.Date = shared.period_end()
    measure: pl.String = field("Measure", "What the row measures.", nb="Mål", required=True)
    subject: pl.String = field(
        "Subject",
        "The item of an answer sheet, or the goal and step; else `all`.",
        nb="Gjelder",
        required=True,
    )
    group_by: pl.String = field(
        "Grouped by",
        "What the group is a value of, or the intervention of a chart; `all` for everyone.",
        nb="Gruppert etter",
        required=True,
    )
    group: pl.String = field(
        "Group",
        "The group the row speaks of, or the part of a chart; `all` for everyone.",
        nb="Gruppe",
        required=True,
    )


class PublicProgramme(ProgrammeRow, Result):
    """One row per row of a programme's table that a page prints: what may be shown of it.

    All units by group, and each unit for everyone, over the whole period; goals; and the quarters
    of the charts with the sum of each part. A row shows all of its numbers or none: what is hidden
    is small, or would give a small count back over units, groups, ages, quarters, measures that add
    up to each other, or tables that count the same. An attacker with a linear program tries every
    run to work a count out of it, and a run in which it succeeds publishes nothing.
    """

    numerator: pl.Int64 = shared.count(
        "Numerator", "Teller", "Those the measure counts; for a mean the sum.", null=HIDDEN
    )
    denominator: pl.Int64 = shared.count(
        "Denominator", "Nevner", "Those the value is of.", null=HIDDEN
    )
    n_missing: pl.Int64 = _n_missing("Members whose answer is unknown or missing.")
    value: pl.Float64 = shared.number(
        "Value", "Verdi", "numerator of denominator, or the measure's mean or median."
    )
    ci_low: pl.Float64 = shared.ci_low("the value")
    ci_high: pl.Float64 = shared.ci_high("the value")
    hidden_reason: pl.String = _hidden_reason(
        "Why the numbers are not shown.", null="they are shown, or there are none: see reason"
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "quality.public_programme",
            ROW,
            title="Public programme results",
            nb="Offentlige programresultater",
        )


class ProgrammeLog(ProgrammeRow):
    """One row per number taken out of quality.public_programme, and why.

    For the registry's own eyes: the reasons tell which numbers are small.
    """

    cell: pl.String = _cell()
    reason: pl.String = _reason(
        "small_count and small_denominator for its own sake, secondary to protect another, "
        "low_coverage where nothing of the cohort is shown."
    )
    note: pl.String = _note()

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "quality.programme_log",
            [*ROW, "cell"],
            title="What was hidden of the programmes",
            nb="Hva som ble skjult av programmene",
        )
