"""The national guideline beside the indicators: what is measured of it, and how it stands.

Belongs here: the coverage view.
Does not belong here: the recommendations (see `schemas.guideline`).
"""

from __future__ import annotations

import polars as pl

from schemas import guideline, result_codes, shared
from schemas.fields import field, table
from schemas.shared import Result


class GuidelineCoverage(Result):
    """One row per protocol, recommendation of the guideline and indicator of it.

    Every recommendation 1.1 to 10.2 has a row: with the indicator's latest year, all units
    together, or with why the registry does not measure it. A year that is closed goes before one
    that is provisional. Numbers are true counts; hidden_reason as in quality.indicator.
    """

    protocol: pl.String = shared.protocol()
    recommendation: pl.String = field(
        "Recommendation", "Its number in the guideline.", nb="Anbefaling", required=True
    )
    indicator_id: pl.String = field(
        "Indicator",
        "Id of the indicator, in quality.indicator_definition.",
        nb="Indikator",
        null="no indicator measures it",
    )
    chapter: pl.Int32 = field(
        "Chapter", "Chapter of the guideline.", nb="Kapittel", low=1, high=10, required=True
    )
    grade: pl.String = field(
        "Grade",
        "How strongly the guideline puts it.",
        nb="Grad",
        codes=guideline.GRADE,
        null="its wording was not found",
    )
    text: pl.String = field(
        "In short", "The recommendation in our words, English.", nb="Kort, engelsk",
        null="its wording was not found",
    )  # fmt: skip
    text_nb: pl.String = field(
        "In short, Norwegian", "The recommendation in our words, Norwegian.", nb="Kort",
        null="its wording was not found",
    )  # fmt: skip
    status: pl.String = field(
        "Status",
        "Whether the registry measures it, and this cohort has the data.",
        nb="Status",
        codes=result_codes.GUIDELINE_STATUS,
        required=True,
    )
    not_measured: pl.String = field(
        "Not measured because", "Which datum is lacking, or that its text was not found.",
        nb="Måles ikke fordi",
        null="an indicator does",
    )  # fmt: skip
    period_start: pl.Date = field("From", "First day counted.", nb="Fra", null="nothing counted")
    period_end: pl.Date = field("To", "Last day counted.", nb="Til", null="nothing counted")
    numerator: pl.Int64 = shared.count("Numerator", "Teller", "Fulfilled.", null="nothing counted")
    denominator: pl.Int64 = shared.count(
        "Denominator", "Nevner", "People or events counted.", null="nothing counted"
    )
    value: pl.Float64 = shared.number("Value", "Verdi", "numerator of denominator.")
    ci_low: pl.Float64 = shared.ci_low("the value")
    ci_high: pl.Float64 = shared.ci_high("the value")
    level: pl.String = field(
        "Level",
        "Against the targets, in the indicator's direction.",
        nb="Måloppnåelse",
        codes=result_codes.INDICATOR_LEVEL,
        null="no target, or no value",
    )
    hidden_reason: pl.String = field(
        "Hidden because",
        "Why the result is not shown outside.",
        nb="Skjult fordi",
        codes=result_codes.HIDDEN_REASON,
        null="may be shown, or there is nothing",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "quality.guideline_coverage",
            ["protocol", "recommendation", "indicator_id"],
            title="Guideline",
            nb="Retningslinje",
        )
