"""Strata: every result for all, and by sex, age group, pathway and co-occurring disorder.

Belongs here: naming a person's strata and rolling cells of counts up to them.
Does not belong here: estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import narwhals as nw
import numpy as np
import polars as pl
from polars import selectors as cs

from registry_pipeline.statistics.grouping import Places, places, sums

STRATA: Final = ("sex", "age_group", "pathway", "co_occurring_disorder")
"""The stratifying columns a counted frame carries, as text without nulls."""


def strata_columns(pathway: str = "baseline_pathway") -> list[nw.Expr]:
    """The four stratifying columns of a core.patient frame, as text, null as `unknown`."""
    flag = nw.col("co_occurring_disorder")
    return [
        nw.col("sex").fill_null("unknown").alias("sex"),
        nw.col("age_group").fill_null("unknown").alias("age_group"),
        nw.col(pathway).fill_null("unknown").alias("pathway"),
        nw.when(flag)
        .then(nw.lit("true"))
        .when(~flag)
        .then(nw.lit("false"))
        .otherwise(nw.lit("unknown"))
        .alias("co_occurring_disorder"),
    ]


def roll_up(
    cells: pl.DataFrame, keys: Sequence[str], values: Sequence[str] = ("n",)
) -> pl.DataFrame:
    """Cells of counts rolled up to strata.

    Args:
        cells: one row per combination of `STRATA` and `keys`; each person or row in one cell.
        keys: the columns kept beside the stratum.
        values: the counts that are summed.

    Returns:
        [*keys, stratum_by, stratum, *values], sorted; a row per key and stratum that occurs.
        Categories, which are rolled up faster, have become texts again.
    """
    rows, counted = _as_texts(places(cells, keys)), cells.select(values)
    everyone = Places(pl.DataFrame({"stratum": ["all"]}), np.zeros_like(rows.of_row))
    parts = []
    for by in sorted(("all", *STRATA)):
        own = everyone if by == "all" else _as_texts(places(cells.select(stratum=by), ["stratum"]))
        found, summed = sums(own.of_row * rows.keys.height + rows.of_row, counted)
        stratum, row = np.divmod(found, rows.keys.height)
        labels = pl.DataFrame({"stratum_by": pl.repeat(by, len(found), eager=True)})
        labels = labels.with_columns(own.keys["stratum"].gather(stratum))
        parts.append(pl.concat([rows.keys[row], labels, summed], how="horizontal"))
    return pl.concat(parts)


def _as_texts(rows: Places) -> Places:
    return replace(rows, keys=rows.keys.with_columns(cs.enum().cast(pl.String)))
