"""Units over time and side by side: control charts and funnels.

Belongs here: a measure by unit, with the limits chance alone would give.
Does not belong here: indicators and their targets (see `schemas.quality`).
"""

from __future__ import annotations

import polars as pl

from schemas import result_codes, shared
from schemas.fields import field, table
from schemas.shared import Result


class ControlChart(Result):
    """One row per cohort, measure, unit, chart and period.

    A period without data keeps its row with a null value: it is not skipped and not zero.
    Made from core.visit, core.appointment and derived.retention_person.
    """

    cohort: pl.String = shared.cohort()
    measure: pl.String = field("Measure", "Code of the measure charted.", nb="Mål", required=True)
    unit_id: pl.String = shared.unit_id()
    chart: pl.String = field(
        "Chart", "Kind of chart.", nb="Diagram", codes=result_codes.CHART, required=True
    )
    period: pl.String = field(
        "Period", "The period, 2014-Q3 for a quarter; sorts in time.", nb="Periode", required=True
    )
    numerator: pl.Int64 = shared.count(
        "Numerator", "Teller", "Events counted.", null="the measure is no share"
    )
    denominator: pl.Int64 = shared.count(
        "Denominator", "Nevner", "People or events looked at.", null="the measure is no share"
    )
    n_missing: pl.Int64 = shared.count("Missing", "Manglende", "Of those expected, unknown.")
    value: pl.Float64 = shared.number("Value", "Verdi", "The measure in the period.")
    centre: pl.Float64 = shared.number(
        "Centre line", "Senterlinje", "Mean of the chart; median of a run chart."
    )
    lower: pl.Float64 = shared.number(
        "Lower limit", "Nedre grense", "Lower control limit, 3 sigma; null on a run chart."
    )
    upper: pl.Float64 = shared.number(
        "Upper limit", "Øvre grense", "Upper control limit, 3 sigma; null on a run chart."
    )
    signal: pl.String = field(
        "Signal",
        "The value lies outside the limits.",
        nb="Signal",
        codes=result_codes.POINT_SIGNAL,
        null="within the limits, or no limits",
    )
    runs_signal: pl.Boolean = field(
        "Runs signal",
        "The chart as a whole has an unusually long run on one side of the centre, or unusually "
        "few crossings; the same on each of its rows.",
        nb="Seriesignal",
        null="fewer than two values off the centre line",
        source="Anhøj and Olesen 2014",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.control_chart",
            ["cohort", "measure", "unit_id", "chart", "period"],
            title="Control charts",
            nb="Kontrolldiagrammer",
        )


class Funnel(Result):
    """One row per cohort, measure and unit.

    Exact binomial limits around the share of all units together. A unit with fewer than 10
    carries no signal. Made from derived.retention_person and derived.outcome_by_pathway.
    """

    cohort: pl.String = shared.cohort()
    measure: pl.String = field("Measure", "Code of the measure compared.", nb="Mål", required=True)
    unit_id: pl.String = field("Unit", "Id of the unit.", nb="Enhet", required=True)
    n: pl.Int64 = shared.count("People", "Personer", "Denominator of the unit.")
    numerator: pl.Int64 = shared.count("Numerator", "Teller", "Events of the unit.")
    n_missing: pl.Int64 = shared.count("Missing", "Manglende", "People of the unit left out.")
    value: pl.Float64 = shared.share("Value", "Verdi", "numerator of n.")
    ci_low: pl.Float64 = shared.share_low("the value")
    ci_high: pl.Float64 = shared.share_high("the value")
    centre: pl.Float64 = shared.share("Centre", "Senter", "Share of all units together.")
    lower_95: pl.Float64 = shared.share(
        "Lower 95 %", "Nedre 95 %", "Lower exact binomial limit for n.", source="Spiegelhalter 2005"
    )
    upper_95: pl.Float64 = shared.share(
        "Upper 95 %", "Øvre 95 %", "Upper exact binomial limit for n.", source="Spiegelhalter 2005"
    )
    lower_998: pl.Float64 = shared.share(
        "Lower 99.8 %", "Nedre 99,8 %", "Lower exact limit for n.", source="Spiegelhalter 2005"
    )
    upper_998: pl.Float64 = shared.share(
        "Upper 99.8 %", "Øvre 99,8 %", "Upper exact limit for n.", source="Spiegelhalter 2005"
    )
    over_dispersion: pl.Float64 = field(
        "Over-dispersion",
        "Mean squared z-score over all units of the measure; well above 1, the limits are too "
        "narrow.",
        nb="Overspredning",
        low=0,
        null=shared.NOT_COMPUTABLE,
        source="Spiegelhalter 2005",
    )
    over_dispersion_p: pl.Float64 = shared.p_value(
        "p value of no over-dispersion: the squared z-scores of the units against chi-square."
    )
    signal: pl.String = field(
        "Signal",
        "The value lies outside a limit; on a limit is within it.",
        nb="Signal",
        codes=result_codes.FUNNEL_SIGNAL,
        null="within the limits, or fewer than 10 people",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.funnel",
            ["cohort", "measure", "unit_id"],
            title="Funnel",
            nb="Traktdiagram",
        )
