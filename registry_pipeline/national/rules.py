"""The platform's rules on a delivery, each checked before anything is written.

Belongs here: one function per rule, from the frames to what is wrong with them.
Does not belong here: making the frames (see `delivery`).

Source: the national publishing platform (SKDE; mong/imongr). Column by column its upload takes a
context, a year, a known organisation number, a known indicator, a value and a denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

COLUMNS: Final = ("context", "year", "orgnr", "ind_id", "var", "denominator")
CONTEXTS: Final = ("caregiver", "resident")
METADATA: Final = (
    "id",
    "title",
    "type",
    "min_denominator",
    "level_green",
    "level_yellow",
    "level_direction",
    "dg_id",
)
FRACTION: Final = "andel"
TYPES: Final = {"fraction": FRACTION, "mean": "gjennomsnitt", "median": "median"}
"""Our indicator types as the platform names them; coverage is its `dg`."""

COVERAGE_TYPE: Final = "dg"
NOTHING: Final = (
    "there is nothing to deliver: no unit has both anyone counted in the year and data until its "
    "end"
)
_ROW: Final = ["context", "year", "orgnr", "ind_id"]
_ORGNR: Final = r"^\d{9}$"


@dataclass(frozen=True)
class Delivery:
    """What is delivered.

    Attributes:
        rows: `COLUMNS`, true counts.
        indicators: `METADATA`, one row per indicator.
        known_orgnr: organisation numbers of the cohort's units.
        year: the year asked for.
    """

    rows: pl.DataFrame
    indicators: pl.DataFrame
    known_orgnr: Collection[str]
    year: int


Rule = Callable[[Delivery], int]
"""How many rows break it."""


def problems(delivery: Delivery) -> list[str]:
    """One sentence per rule that is broken, with the number of rows; empty for a good delivery.

    Where the columns are not the platform's nothing else is asked.
    """
    if tuple(delivery.rows.columns) != COLUMNS:
        return [f"the columns are not {', '.join(COLUMNS)}, in that order"]
    if tuple(delivery.indicators.columns) != METADATA:
        return [f"the columns of the indicators are not {', '.join(METADATA)}, in that order"]
    if not delivery.rows.height:
        return [NOTHING]
    return list(_broken(delivery))


def _broken(delivery: Delivery) -> Iterator[str]:
    for words, rule in RULES:
        if n := rule(delivery):
            yield f"{words}: {n} row{'s' if n > 1 else ''}"


def nulls(delivery: Delivery) -> int:
    """Rows with an empty cell."""
    return delivery.rows.filter(pl.any_horizontal(pl.all().is_null())).height


def other_context(delivery: Delivery) -> int:
    """Rows of a context the platform does not know."""
    return delivery.rows.filter(~pl.col("context").is_in(CONTEXTS)).height


def other_year(delivery: Delivery) -> int:
    """Rows of another year than the one asked for."""
    return delivery.rows.filter(pl.col("year") != delivery.year).height


def bad_orgnr(delivery: Delivery) -> int:
    """Rows whose organisation number is not nine digits."""
    return delivery.rows.filter(~pl.col("orgnr").str.contains(_ORGNR)).height


def unknown_orgnr(delivery: Delivery) -> int:
    """Rows of an organisation number that no unit has."""
    return delivery.rows.filter(~pl.col("orgnr").is_in(sorted(delivery.known_orgnr))).height


def unknown_indicator(delivery: Delivery) -> int:
    """Rows of an indicator that is not described."""
    return delivery.rows.filter(~pl.col("ind_id").is_in(delivery.indicators["id"].to_list())).height


def fraction_not_natural(delivery: Delivery) -> int:
    """Fractions whose value is not a natural number, or whose denominator is not above 0."""
    value, whole = pl.col("var"), pl.col("denominator")
    natural = (value >= 0) & (value == value.floor()) & (whole == whole.floor())
    return _fractions(delivery).filter(~natural | (whole <= 0)).height


def fraction_above_denominator(delivery: Delivery) -> int:
    """Fractions of more than there are."""
    return _fractions(delivery).filter(pl.col("var") > pl.col("denominator")).height


def not_numeric(delivery: Delivery) -> int:
    """Rows whose value is no number, of any type."""
    return delivery.rows.filter(
        pl.col("var").is_nan() | pl.col("var").is_infinite() | (pl.col("denominator") < 1)
    ).height


def duplicates(delivery: Delivery) -> int:
    """Rows that stand more than once."""
    return delivery.rows.filter(pl.struct(_ROW).is_duplicated()).height


def levels_in_disorder(delivery: Delivery) -> int:
    """Indicators whose green level is not the better one."""
    green, yellow = pl.col("level_green"), pl.col("level_yellow")
    better = (
        pl.when(pl.col("level_direction") == 1).then(green >= yellow).otherwise(green <= yellow)
    )
    return delivery.indicators.filter(~better.fill_null(value=True)).height


def unknown_type(delivery: Delivery) -> int:
    """Indicators of a type the platform does not know."""
    known = [*TYPES.values(), COVERAGE_TYPE]
    return delivery.indicators.filter(~pl.col("type").is_in(known)).height


def _fractions(delivery: Delivery) -> pl.DataFrame:
    kinds = delivery.indicators.select(ind_id="id", type="type")
    return delivery.rows.join(kinds, on="ind_id").filter(
        pl.col("type").is_in([FRACTION, COVERAGE_TYPE])
    )


RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("a cell is empty", nulls),
    (f"the context is not {' or '.join(CONTEXTS)}", other_context),
    ("the year is not the one asked for", other_year),
    ("the organisation number is not nine digits", bad_orgnr),
    ("the organisation number belongs to no unit of the protocol", unknown_orgnr),
    ("the indicator is not described", unknown_indicator),
    ("a fraction needs a natural number of a natural number above 0", fraction_not_natural),
    ("a fraction is of more than its denominator", fraction_above_denominator),
    ("the value is no number, or the denominator below 1", not_numeric),
    ("context, year, organisation and indicator stand more than once", duplicates),
    ("the green level of an indicator is not its better one", levels_in_disorder),
    ("the type of an indicator is unknown", unknown_type),
)
"""Every rule after the columns, in words."""
