"""The tables of the drop-out project and of pathways for co-occurring disorders.

Belongs here: drop-out, charts before and after an intervention, care of two disorders at once.
Does not belong here: the other programmes' tables, of the same shape (see `programmes`).
"""

from __future__ import annotations

import polars as pl

from schemas import programme_codes, result_codes, shared
from schemas.fields import field, table
from schemas.quality.programmes import KEY, ProgrammeTable, measure
from schemas.shared import Result


class Dropout(ProgrammeTable):
    """One row per protocol, unit, period, measure and group of planned stays.

    The stays are those planned, at the levels and from the age that the protocol names. Of those
    that ended in the period `dropout` counts the unknown ends in its denominator, as the national
    indicator does, and `dropout_known` leaves them out; `unknown_end` is their share. Early
    drop-out is of stays begun in the period and followed that long, never_met and
    dropped_out_later of stays planned to begin in it. Made from core.episode and core.patient.
    """

    measure: pl.String = measure(programme_codes.DROPOUT_MEASURE)

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table("quality.dropout", KEY, title="Drop-out", nb="Drop-out")


class CoOccurring(ProgrammeTable):
    """One row per protocol, unit, period, measure and group: everyone, and by the flag.

    The flag is whether a co-occurring disorder is known: true, false or unknown. People count at
    the unit responsible for them, stays at their own. Made from core.patient, core.episode,
    core.process_event, core.visit, core.interview and core.substance_use.
    """

    measure: pl.String = measure(programme_codes.CO_OCCURRING_MEASURE)

    class Config(ProgrammeTable.Config):
        """Table name and key."""

        metadata = table(
            "quality.co_occurring",
            KEY,
            title="Co-occurring disorders",
            nb="Samtidig rus- og psykisk lidelse",
        )


class ProgrammeChart(Result):
    """One row per protocol, measure, unit, intervention and quarter: a p chart.

    With intervention `none` the limits are those of the whole series; else each part, before and
    after the intervention began, has its own. A quarter in which it began has no limits. A
    difference between the parts is an association: what else changed is not known. Made from
    quality.no_show and quality.dropout.
    """

    protocol: pl.String = shared.protocol()
    measure: pl.String = field("Measure", "What is charted.", nb="Mål", required=True)
    unit_id: pl.String = shared.unit_id()
    intervention: pl.String = field(
        "Intervention",
        "What began, a code of the protocol; `none` for a chart of the whole series.",
        nb="Tiltak",
        required=True,
    )
    period_start: pl.Date = shared.period_start()
    period_end: pl.Date = shared.period_end()
    segment: pl.String = field(
        "Segment",
        "Where the quarter lies.",
        nb="Del",
        codes=programme_codes.SEGMENT,
        required=True,
    )
    numerator: pl.Int64 = shared.count("Numerator", "Teller", "Those the measure counts.")
    denominator: pl.Int64 = shared.count("Denominator", "Nevner", "Those the value is of.")
    n_missing: pl.Int64 = shared.count("Missing", "Manglende", "Unknown among them.")
    value: pl.Float64 = shared.share("Value", "Verdi", "numerator of denominator.")
    centre: pl.Float64 = shared.share("Centre line", "Senterlinje", "Share of the segment.")
    lower: pl.Float64 = shared.share("Lower limit", "Nedre grense", "Three sigma below.")
    upper: pl.Float64 = shared.share("Upper limit", "Øvre grense", "Three sigma above.")
    signal: pl.String = field(
        "Signal",
        "The value lies outside the limits.",
        nb="Signal",
        codes=result_codes.POINT_SIGNAL,
        null="within the limits, or no limits",
    )
    runs_signal: pl.Boolean = field(
        "Runs signal",
        "The segment has an unusually long run on one side, or unusually few crossings.",
        nb="Seriesignal",
        null="fewer than two values off the centre line",
        source="Anhøj and Olesen 2014",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "quality.programme_chart",
            ["protocol", "measure", "unit_id", "intervention", "period_start"],
            title="Charts of the drop-out programme",
            nb="Diagrammer for drop-out-tiltakene",
        )
