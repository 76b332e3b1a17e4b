"""Indicators and data quality: results, definitions, and the rows behind them.

Belongs here: tables every programme shares.
Does not belong here: the programmes' own tables (see `schemas.quality.programmes`).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from schemas import codes, result_codes, shared
from schemas.fields import RegistryModel, field, table
from schemas.shared import Result


def indicator_id() -> Any:
    """Which indicator."""
    return field(
        "Indicator",
        "Id of the indicator, in quality.indicator_definition.",
        nb="Indikator",
        required=True,
    )


def period_type() -> Any:
    """How long the period is."""
    return field(
        "Period",
        "A calendar quarter, a calendar year, or the cohort's whole period where nobody was "
        "counted in any.",
        nb="Periode",
        codes=result_codes.PERIOD_TYPE,
        required=True,
    )


class Indicator(Result):
    """One row per indicator, protocol, unit and period: each quarter (the trend) and each year.

    Overdue counts as failure, not yet due is left out, unknown and missing stay in the
    denominator as not fulfilled and are also counted on their own: value is of denominator,
    value_known of denominator_known. Numerator and denominator are two marks of one row, so
    they are always of the same period. Numbers are true counts; hidden_reason says that they
    must not be shown outside, and quality.public_result is what may. Made from the same marks
    as quality.indicator_person.
    """

    indicator_id: pl.String = indicator_id()
    protocol: pl.String = shared.protocol()
    unit_id: pl.String = shared.unit_id()
    period_start: pl.Date = shared.period_start()
    period_end: pl.Date = shared.period_end()
    period_type: pl.String = period_type()
    numerator: pl.Int64 = shared.count(
        "Numerator", "Teller", "Fulfilled; for a mean the sum of the values."
    )
    denominator: pl.Int64 = shared.count("Denominator", "Nevner", "People or events counted.")
    n_missing: pl.Int64 = shared.count(
        "Missing", "Manglende", "Of the denominator, unknown or not answered."
    )
    denominator_known: pl.Int64 = shared.count("Known", "Kjent", "denominator less n_missing.")
    value: pl.Float64 = shared.number("Value", "Verdi", "numerator of denominator.")
    ci_low: pl.Float64 = shared.ci_low("the value")
    ci_high: pl.Float64 = shared.ci_high("the value")
    value_known: pl.Float64 = field(
        "Value among known",
        "numerator of denominator_known.",
        nb="Verdi blant kjente",
        null=f"denominator_known is 0, or {shared.NOT_COMPUTABLE}",
    )
    level: pl.String = field(
        "Level",
        "Against the targets, in the indicator's direction.",
        nb="Måloppnåelse",
        codes=result_codes.INDICATOR_LEVEL,
        null="no target, or no value",
        source="national publishing platform (SKDE)",
    )
    target_green: pl.Float64 = field(
        "Target", "From here the level is high.", nb="Mål", null="no target"
    )
    target_yellow: pl.Float64 = field(
        "Lower target",
        "From here the level is moderate.",
        nb="Nedre mål",
        null="as target_green, or no target",
    )
    hidden_reason: pl.String = field(
        "Hidden because",
        "Why the result is not shown outside.",
        nb="Skjult fordi",
        codes=result_codes.HIDDEN_REASON,
        null="may be shown",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "quality.indicator",
            ["indicator_id", "protocol", "unit_id", "period_start", "period_end"],
            title="Indicators",
            nb="Indikatorer",
        )


class IndicatorDefinition(RegistryModel):
    """One row per indicator.

    What each indicator counts, in plain language. A change of a definition is a new rule
    version and a line in the changelog.
    """

    indicator_id: pl.String = field(
        "Indicator", "Id of the indicator.", nb="Indikator", required=True
    )
    title: pl.String = field("Title", "English title.", nb="Engelsk tittel", required=True)
    title_nb: pl.String = field("Norwegian title", "Norwegian title.", nb="Tittel", required=True)
    indicator_type: pl.String = field(
        "Type", "What the value is.", nb="Type", codes=result_codes.INDICATOR_TYPE, required=True
    )
    numerator: pl.String = field(
        "Numerator", "Who or what is fulfilled, in words.", nb="Teller", required=True
    )
    denominator: pl.String = field(
        "Denominator", "Who or what is counted, in words.", nb="Nevner", required=True
    )
    period_rule: pl.String = field(
        "Period rule",
        "Which date puts a person or event in a period, and how long a period is.",
        nb="Perioderegel",
        required=True,
    )
    guideline: pl.String = field(
        "Guideline",
        "Number and grade of the recommendation in the national guideline.",
        nb="Anbefaling",
        null="not from the guideline",
    )
    source: pl.String = field(
        "Source", "Where the definition comes from.", nb="Kilde", required=True
    )
    direction: pl.String = field(
        "Direction",
        "Which way is better.",
        nb="Retning",
        codes=result_codes.DIRECTION,
        required=True,
    )
    target_green: pl.Float64 = field(
        "Target", "Default target; a protocol may set its own.", nb="Mål", null="no target"
    )
    target_yellow: pl.Float64 = field(
        "Lower target", "Default lower target.", nb="Nedre mål", null="as target_green, or none"
    )
    due_days: pl.Int64 = shared.count(
        "Due within",
        "Frist",
        "Days within which it is due, counted from the date of the period rule, by default; of "
        "what recurs, how far back of it counts. A protocol may set its own. Who is not due by "
        "the cut-off is left out.",
        null="not a matter of days",
    )
    min_denominator: pl.Int64 = shared.count(
        "Smallest denominator",
        "Minste nevner",
        "A result of fewer is hidden.",
        null="no limit of its own",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "quality.indicator_definition",
            ["indicator_id"],
            title="Indicator definitions",
            nb="Indikatordefinisjoner",
        )


class IndicatorPerson(RegistryModel):
    """One row per indicator, protocol, person, unit, period and item of the person.

    The two booleans every indicator is counted from, on one frame. An indicator of people has
    item 1 alone; an indicator of events numbers the person's events of the quarter. A person may
    stand in several quarters of a year and count in one of them for the year: see in_year. For
    analysts with access to core only.
    """

    indicator_id: pl.String = indicator_id()
    protocol: pl.String = shared.protocol()
    patient_id: pl.String = shared.patient_id()
    unit_id: pl.String = field(
        "Unit",
        "Unit of the person or event; `unknown` where none is stated.",
        nb="Enhet",
        required=True,
    )
    period_start: pl.Date = shared.period_start()
    period_end: pl.Date = shared.period_end()
    item_no: pl.Int32 = field(
        "Item", "1, 2, ... among the person's events.", nb="Nr.", low=1, required=True
    )
    in_denominator: pl.Boolean = field(
        "In the denominator", "Is counted.", nb="I nevneren", required=True
    )
    in_numerator: pl.Boolean = field(
        "In the numerator",
        "Is fulfilled; unknown and missing are false.",
        nb="I telleren",
        null="not in the denominator",
    )
    in_year: pl.Boolean = field(
        "Counts in the year",
        "Is counted in the calendar year too: for a state, the person's last of the year.",
        nb="Teller i året",
        required=True,
    )
    is_missing: pl.Boolean = field(
        "Missing", "The answer is unknown or missing.", nb="Manglende", required=True
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "quality.indicator_person",
            [
                "indicator_id",
                "protocol",
                "patient_id",
                "unit_id",
                "period_start",
                "period_end",
                "item_no",
            ],
            title="Indicators, person by person",
            nb="Indikatorer per person",
        )


class DataQuality(RegistryModel):
    """One row per rule, protocol, table, column and period.

    A rule over no rows is not_applicable, never passed; a rule that crashed is error. The
    column is null where the rule speaks of the table, the period where it speaks of the whole
    store: the key counts null as a value.
    """

    rule_id: pl.String = field("Rule", "Id of the rule.", nb="Regel", required=True)
    protocol: pl.String = shared.protocol()
    table_name: pl.String = field(
        "Table", "Table the rule reads, with its schema.", nb="Tabell", required=True
    )
    column_name: pl.String = field(
        "Column", "Column the rule reads.", nb="Kolonne", null="the table as a whole"
    )
    period_start: pl.Date = field(
        "From", "First day of the quarter checked.", nb="Fra", null="the whole store"
    )
    dimension: pl.String = field(
        "Dimension",
        "Dimension of data quality, as Norwegian registries report it.",
        nb="Dimensjon",
        codes=result_codes.DIMENSION,
        required=True,
    )
    kahn_category: pl.String = field(
        "Kahn category",
        "Category of the check.",
        nb="Kahn-kategori",
        codes=result_codes.KAHN_CATEGORY,
        required=True,
        source="Kahn 2016",
    )
    severity: pl.String = field(
        "Severity",
        "What a failure means: a warning, or an error that blocks.",
        nb="Alvorlighet",
        codes=result_codes.SEVERITY,
        required=True,
    )
    n_checked: pl.Int64 = shared.count("Checked", "Kontrollert", "Rows the rule looked at.")
    n_failed: pl.Int64 = shared.count("Failed", "Feilet", "Rows that break the rule.")
    share: pl.Float64 = field(
        "Share",
        "n_failed of n_checked.",
        nb="Andel",
        unit="share",
        low=0,
        high=1,
        null="nothing was checked",
    )
    threshold: pl.Float64 = field(
        "Threshold",
        "The largest share that passes.",
        nb="Terskel",
        unit="share",
        low=0,
        high=1,
        null="no threshold: the rule only counts",
    )
    status: pl.String = field(
        "Status",
        "First that holds: error, not_applicable, failed, passed.",
        nb="Status",
        codes=codes.CHECK_STATUS,
        required=True,
    )
    note: pl.String = field(
        "Note", "The rule in words, or why it does not apply.", nb="Merknad", required=True
    )
    as_of_delivery: pl.String = field(
        "As of delivery",
        shared.ORIGIN["as_of_delivery"],
        nb="Per leveranse",
        null="nothing was accepted",
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "quality.data_quality",
            ["rule_id", "protocol", "table_name", "column_name", "period_start"],
            title="Data quality",
            nb="Datakvalitet",
        )
