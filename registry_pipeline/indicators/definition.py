"""What an indicator is: its definition in words, and the function that marks who counts.

Belongs here: the shape every indicator has and the table of definitions.
Does not belong here: any indicator, and counting (see `engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.transform.engine import Frame
from schemas.fields import describe
from schemas.quality.indicators import IndicatorDefinition

Core = Mapping[str, Frame]
"""Stored tables of one cohort by name."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """The columns of quality.indicator_definition, each said explicitly: none has a default."""

    indicator_id: str
    title: str
    title_nb: str
    indicator_type: str
    numerator: str
    denominator: str
    period_rule: str
    guideline: str | None
    source: str
    direction: str
    target_green: float | None
    target_yellow: float | None
    min_denominator: int | None


@dataclass(frozen=True)
class Indicator:
    """One indicator.

    Attributes:
        definition: what it counts, in words.
        asks: columns of core.interview it reads; a cohort that never answered one of them was
            not asked, and the indicator is not applicable to it.
        mark: gives `MARKS` for one cohort: a row per person or event, whether it counts and
            whether it is fulfilled, on one frame. Its core.interview holds the interviews held,
            with patient_id, interview_date, unit_id and what indicators ask.
    """

    definition: Definition
    asks: tuple[str, ...]
    mark: Callable[[Core], Frame]


MARKS: Final = (
    "patient_id",
    "unit_id",
    "marked_on",
    "item_no",
    "in_denominator",
    "in_numerator",
    "is_missing",
)
"""What `mark` returns. marked_on puts the row in a period. A null among the booleans reads as
false: nobody counts, is fulfilled or is missing by a null."""


def marked(
    rows: Frame, *, on: str, in_denominator: nw.Expr, in_numerator: nw.Expr, is_missing: nw.Expr
) -> Frame:
    """`MARKS` of an indicator of people.

    Args:
        rows: one row per person, with patient_id, unit_id and the date `on`.
        on: the date that puts the person in a period.
        in_denominator: is counted.
        in_numerator: is fulfilled.
        is_missing: the answer is unknown or missing.
    """
    return rows.select(
        "patient_id",
        "unit_id",
        nw.col(on).alias("marked_on"),
        nw.lit(1, nw.Int32).alias("item_no"),
        in_denominator.alias("in_denominator"),
        in_numerator.alias("in_numerator"),
        is_missing.alias("is_missing"),
    )


def definition_table(indicators: Iterable[Indicator]) -> pl.DataFrame:
    """quality.indicator_definition: the same for every cohort."""
    rows = [asdict(indicator.definition) for indicator in indicators]
    return pl.DataFrame(rows, schema=describe(IndicatorDefinition).dtypes)
