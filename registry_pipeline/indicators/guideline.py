"""quality.guideline_coverage: every recommendation, its indicators, and how they stand.

Belongs here: the catalogue joined to the results. Does not belong here: any count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from registry_pipeline.indicators.definition import Indicator
from registry_pipeline.indicators.results import NOT_APPLICABLE
from registry_pipeline.version import as_table
from schemas.guideline import NO_TEXT, RECOMMENDATIONS
from schemas.protocol import Protocol
from schemas.quality.guideline import GuidelineCoverage

ALSO: Final = {"2.5": ("goals_recent",)}
"""Recommendations that an indicator measures beside the one it names."""

_SHOWN: Final = (
    "period_start", "period_end", "numerator", "denominator", "value", "ci_low", "ci_high",
    "level", "hidden_reason", "reason",
)  # fmt: skip


def guideline_coverage(
    indicators: Sequence[Indicator], results: pl.DataFrame, protocol: Protocol
) -> pl.DataFrame:
    """quality.guideline_coverage of one cohort, without as_of_delivery.

    Args:
        indicators: every indicator.
        results: quality.indicator of the cohort.
        protocol: the cohort.
    """
    is_open = pl.col("hidden_reason").eq_missing(pl.lit("provisional"))
    latest = (
        results.filter(pl.col("unit_id") == "all", pl.col("period_type") != "quarter")
        .sort(is_open, pl.col("period_end"), descending=[False, True])
        .unique("indicator_id", keep="first", maintain_order=True)
    )
    rows = catalogue(indicators).join(
        latest.select("indicator_id", *_SHOWN), on="indicator_id", how="left"
    )
    counted = pl.col("denominator") > 0
    status = (
        pl.when(pl.col("not_measured") == NO_TEXT)
        .then(pl.lit("by_number"))
        .when(pl.col("not_measured").is_not_null())
        .then(pl.lit("not_measured"))
        .when(counted)
        .then(pl.lit("measured"))
        .otherwise(pl.lit(NOT_APPLICABLE))
    )
    numbers = [pl.when(counted).then(pl.col(name)).alias(name) for name in _SHOWN[:-1]]
    shaped = rows.with_columns(
        *numbers, status=status, protocol=pl.lit(protocol.id),
        reason=pl.coalesce("reason", pl.when(~counted | counted.is_null()).then(status)),
    )  # fmt: skip
    return as_table(shaped, GuidelineCoverage, cohort=protocol.id, method="share; Wilson")


def catalogue(indicators: Sequence[Indicator]) -> pl.DataFrame:
    """A row per recommendation and indicator of it, one without where there is none."""
    measured: dict[str, list[str]] = {number: list(ids) for number, ids in ALSO.items()}
    for indicator in indicators:
        if indicator.definition.guideline:
            measured.setdefault(indicator.definition.guideline, []).append(indicator.id)
    return pl.DataFrame(
        [
            {
                "recommendation": item.number,
                "indicator_id": indicator_id,
                "chapter": item.chapter,
                "grade": item.grade,
                "text": item.en,
                "text_nb": item.nb,
                "not_measured": item.not_measured,
            }
            for item in RECOMMENDATIONS
            for indicator_id in measured.get(item.number, [None])
        ],
        schema={
            "recommendation": pl.String, "indicator_id": pl.String, "chapter": pl.Int32,
            "grade": pl.String, "text": pl.String, "text_nb": pl.String, "not_measured": pl.String,
        },
    )  # fmt: skip
