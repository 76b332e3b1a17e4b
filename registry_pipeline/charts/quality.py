"""The page on quality indicators: each one's latest value against its targets.

Belongs here: the public results drawn and put in words, for all units together.
Does not belong here: units side by side and the trend (see `public`), the programmes' own tables.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import (
    INK,
    TWO_LINES,
    Spec,
    colour,
    in_order,
    mark,
    name,
    percent,
)
from registry_pipeline.charts.text import Section
from schemas.catalog import TABLES
from schemas.result_codes import HIDDEN_REASON, INDICATOR_LEVEL

BANDS: Final = {"L low": "#F6C6A5", "M moderate": "#FBEBB5", "H high": "#BBD9EE"}
VALUE: Final = ["value", "ci_low", "ci_high"]
TARGETS: Final = ["target_green", "target_yellow"]
PERIODS: Final = 4
FULFILLED: Final = "Share fulfilled"


def indicator(cohort: Cohort) -> Section:
    """Indicators with their target bands, all units together."""
    rows = _safe(cohort)
    latest = rows.group_by("indicator_id", maintain_order=True).head(1)
    return Section(
        words=(
            "Each indicator in its latest period, all units together: the share fulfilled, with "
            "its 95 % interval, on the bands of its targets (H high, M moderate, L low). Unknown "
            "and missing answers stay in the denominator as not fulfilled; how many they are "
            f"stands in the table, with the last {PERIODS} periods."
        ),
        norwegian="Hver indikator i siste periode mot sine mål: H høy, M moderat, L lav.",
        table=_table(rows, cohort),
        chart=_chart,
        shown=_drawn(latest),
        notes=(
            (
                "Hidden results: too few people, or low coverage, as on the national platform, "
                "which shows no unit whose coverage is below its limit."
            ),
        ),
    )


def _safe(cohort: Cohort) -> pl.DataFrame:
    """The public results with targets and definitions, newest first; hidden numbers are null."""
    among = {"unit_id": ["all"], "period_type": ["year", "whole"]}
    key = list(TABLES["quality.public_result"].key)
    targets = cohort.rows("quality.indicator", **among).select(*key, *TARGETS)
    return (
        cohort.rows("quality.public_result", **among)
        .join(targets, on=key, how="left")
        .join(cohort.indicators, on="indicator_id", how="left")
        .with_columns(pl.coalesce("label", "indicator_id"))
        .sort("indicator_id", "period_end", "period_start", descending=[False, True, False])
    )


def _drawn(latest: pl.DataFrame) -> pl.DataFrame:
    """The values to draw and the bands behind them, as rows of one frame."""
    values = latest.filter(pl.col("value").is_not_null())
    green, yellow = pl.col("target_green"), pl.coalesce("target_yellow", "target_green")
    lower_is_better = pl.col("direction") == "lower"
    ends = [pl.lit(0.0), yellow, green, pl.lit(1.0)]
    mirrored = [pl.lit(1.0), yellow, green, pl.lit(0.0)]
    bands = [
        values.filter(green.is_not_null()).select(
            "label",
            band=pl.lit(band),
            start=pl.when(lower_is_better).then(mirrored[step]).otherwise(ends[step]),
            end=pl.when(lower_is_better).then(mirrored[step + 1]).otherwise(ends[step + 1]),
        )
        for step, band in enumerate(BANDS)
    ]
    rounded = (100 * pl.col("value")).round().cast(pl.Int64)
    written = pl.concat_str(pl.format("{} %", rounded), "level", separator="  ", ignore_nulls=True)
    return pl.concat([*bands, values.select("label", *VALUE, written=written)], how="diagonal")


def _chart(shown: pl.DataFrame) -> Spec:
    """A row per indicator: bands, value, interval."""
    value = {"x": percent("value", FULFILLED)}
    interval = {"x": percent("ci_low", FULFILLED), "x2": {"field": "ci_high"}}
    band = {
        "x": percent("start", FULFILLED),
        "x2": {"field": "end"},
        "color": colour("band", BANDS),
    }
    written = {**value, "text": {"field": "written"}}
    there = "isValid(datum.value)"
    return {
        "width": 480,
        "height": {"step": 46},
        "encoding": {"y": name("label", in_order(shown, "label"), axis=TWO_LINES)},
        "layer": [
            mark("bar", band, only="isValid(datum.band)", height=30),
            mark("rule", interval, only=there, color=INK, strokeWidth=1.6),
            mark("circle", value, only=there, color=INK, size=70, opacity=1),
            mark("text", written, only=there, dy=-12, fontSize=11, fontWeight="bold"),
        ],
    }


def _table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per indicator and period, newest first."""
    recent = rows.group_by("indicator_id", maintain_order=True).head(PERIODS)
    headers = ["Indicator", "Period", "Value (95 %)", "Fulfilled", "Of", "Missing"]
    return text.table(
        [*headers, "Target", "Level"],
        (
            [
                row["label"].split("|")[0],
                f"{row['period_start']} to {row['period_end']}",
                text.share(row["value"], row["ci_low"], row["ci_high"], _absent(row)),
                text.count(row["numerator"], cohort.rule),
                text.count(row["denominator"], cohort.rule),
                text.count(row["n_missing"], cohort.rule),
                *_target_cells(row),
            ]
            for row in recent.iter_rows(named=True)
        ),
    )


def _absent(row: dict[str, Any]) -> str:
    """Why a row has no value: nothing to compute it of, or hidden, and for which reason."""
    if row["hidden_reason"]:
        return f"{text.HIDDEN}: {HIDDEN_REASON.label(row['hidden_reason'])}"
    return text.NOT_COMPUTABLE


def _target_cells(row: dict[str, Any]) -> list[str]:
    """Target and level; the level tells the value, so it is hidden with it."""
    target = text.percent(row["target_green"], text.MISSING)
    if row["level"]:
        return [target, INDICATOR_LEVEL.label(row["level"])]
    return [target, text.HIDDEN if row["hidden_reason"] else text.MISSING]
