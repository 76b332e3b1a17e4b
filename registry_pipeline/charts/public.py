"""The pages on public results, the guideline and data quality.

Belongs here: units beside each other, the trend by quarter, recommendations and rules, each from
numbers that may be shown. Does not belong here: all units in the latest year (see `quality`).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort, place
from registry_pipeline.charts.svg import (
    INK,
    MIDDLE,
    PLAIN,
    TWO_LINES,
    Spec,
    colour,
    in_order,
    mark,
    name,
    number,
)
from registry_pipeline.charts.text import Section
from schemas.codes import CHECK_STATUS
from schemas.guideline import GRADE
from schemas.result_codes import DIMENSION, GUIDELINE_STATUS, INDICATOR_LEVEL

NO_TARGET: Final = "no target"
LEVELS: Final = {
    "L, low": "#F6C6A5", "M, moderate": "#FBEBB5", "H, high": "#BBD9EE", NO_TARGET: "#ECECEC",
}  # fmt: skip
STATUSES: Final = {
    "passed": "#BBD9EE", "failed": "#D55E00", "error": "#222222", "not applicable": "#ECECEC",
}  # fmt: skip
QUARTERS: Final = 6
FAILED: Final = 30
ABREAST: Final = 9
"""Units side by side that fit a page 900 pixels wide; more go below."""


def public_result(cohort: Cohort) -> Section:
    """Indicators by unit in the latest year that may be shown, and all units by quarter."""
    rows = _labelled(cohort.rows("quality.public_result"), cohort)
    units = pl.col("unit_id").replace(cohort.units)
    shown = rows.filter(pl.col("value").is_not_null()).with_columns(unit=units)
    years = shown.filter(pl.col("period_type") == "year")
    latest = years.filter(pl.col("period_end") == pl.col("period_end").max().over("indicator_id"))
    log = cohort.rows("quality.disclosure_log")
    hidden = log.filter(pl.col("cell") == "numerator").height
    counted = rows.filter(pl.col("denominator").is_null() | (pl.col("denominator") > 0)).height
    return Section(
        words=(
            "Each indicator at each unit in its latest year that may be shown, with its level "
            "(H high, M moderate, L low; none without a target), how many it speaks of and the "
            "year. The table has all units "
            f"together in the last {QUARTERS} quarters, with how many they speak of. "
            f"Of {counted} results {hidden} are hidden."
        ),
        norwegian="Indikatorene per enhet i siste år som kan vises, og utviklingen per kvartal.",
        table=_trend(rows),
        chart=_matrix,
        shown=_cells(latest, cohort),
        notes=(
            (
                "A hidden result speaks of few people, or would give the number of few away: over "
                "units, quarters and years; an attack by linear programming found no way back."
            ),
        ),
    )


def guideline_coverage(cohort: Cohort) -> Section:
    """Every recommendation of the guideline, and how the cohort stands."""
    rows = cohort.rows("quality.guideline_coverage")
    public = cohort.rows("quality.public_result", unit_id=["all"]).select(
        "indicator_id", "period_start", "period_end", "value", "ci_low", "ci_high", "level",
        why="hidden_reason",
    )  # fmt: skip
    joined = (
        _labelled(rows.drop("value", "ci_low", "ci_high", "level"), cohort)
        .join(public, on=["indicator_id", "period_start", "period_end"], how="left")
        .with_columns(
            at=pl.col("recommendation").str.split(".").list.eval(pl.element().cast(pl.Int32))
        )
        .sort(pl.col("at").list.get(0), pl.col("at").list.get(1), "indicator_id")
    )
    counts = joined.unique("recommendation")["status"].value_counts()
    told = dict.fromkeys(GUIDELINE_STATUS.codes, 0) | dict(counts.iter_rows())
    return Section(
        words=(
            "The recommendations of the national guideline, each with its indicators' latest "
            f"closed year. Of {sum(told.values())} recommendations {told['measured']} are "
            f"measured here, {told['not_applicable']} could be if the cohort delivered what they "
            f"need, {told['not_measured']} cannot be measured in this registry, for want of the "
            f"datum named, and {told['by_number']} are known by their number alone."
        ),
        norwegian="Anbefalingene i nasjonal retningslinje, med siste avsluttede år for hver.",
        table=text.table(
            ["No.", "In short", "Grade", "Indicator, or why none", "Value (95 %)", "Level"],
            (_recommendation(row) for row in joined.iter_rows(named=True)),
        ),
    )


def data_quality(cohort: Cohort) -> Section:
    """The rules by dimension, and those that failed."""
    rows = cohort.rows("quality.data_quality")
    failed = rows.filter(pl.col("status").is_in(["failed", "error"])).sort(
        place("dimension", DIMENSION.codes), "rule_id", "table_name", "column_name"
    )
    drawn = rows.group_by("dimension", "status", maintain_order=True).agg(n=pl.len()).with_columns(
        dimension=pl.col("dimension").replace(text.english(DIMENSION)),
        status=pl.col("status").replace(text.english(CHECK_STATUS)),
    )  # fmt: skip
    return Section(
        words=(
            "The rules of data quality by dimension and outcome. A rule over no rows is not "
            "applicable, never passed. The table has the rules that failed."
        ),
        norwegian="Reglene for datakvalitet etter dimensjon, og de som ikke er oppfylt.",
        table=text.table(
            ["Rule", "Where", "Checked", "Failed", "At most", "What holds"],
            (
                [
                    row["rule_id"],
                    ".".join(part for part in (row["table_name"], row["column_name"]) if part),
                    text.count(row["n_checked"], cohort.rule),
                    _broken(row, cohort),
                    text.percent(row["threshold"], text.MISSING),
                    row["note"],
                ]
                for row in failed.head(FAILED).iter_rows(named=True)
            ),
        ),
        chart=_bars,
        shown=drawn.sort(place("dimension", text.english(DIMENSION).values())),
        notes=[f"And {failed.height - FAILED} more rules."] if failed.height > FAILED else (),
    )


def _broken(row: dict[str, Any], cohort: Cohort) -> str:
    """The rows that break a rule; hidden where few do, or all but few."""
    if 0 < row["n_checked"] - row["n_failed"] < cohort.rule.min_count:
        return text.HIDDEN
    return text.count(row["n_failed"], cohort.rule)


def _labelled(rows: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """The rows with `label`, what their indicator is called."""
    names = cohort.indicators.select("indicator_id", "label")
    joined = rows.join(names, on="indicator_id", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("label", "indicator_id"))


def _cells(latest: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """What the matrix draws: indicator, unit, level and result in words; all units first."""
    percent = (100 * pl.col("value")).round().cast(pl.Int64)
    result = pl.concat_str(pl.format("{} %", percent), "level", separator=" ", ignore_nulls=True)
    levels = {code: f"{code}, {word}" for code, word in text.english(INDICATOR_LEVEL).items()}
    return (
        latest.with_columns(
            written=pl.format(
                "{}|of {}, {}", result, "denominator", pl.col("period_start").dt.year()
            ),
            band=pl.col("level").replace(levels).fill_null(NO_TARGET),
            at=place("unit", cohort.units.values()),
        )
        .sort("indicator_id", "at")
        .select("label", "unit", "band", "written", "at")
    )


def _matrix(shown: pl.DataFrame) -> Spec:
    """A row per indicator, a column per unit; where units are many, matrices below each other."""
    units = in_order(shown.sort("at"), "unit")
    parts = [units[at : at + ABREAST] for at in range(0, len(units), ABREAST)]
    drawn = [_abreast(shown.filter(pl.col("unit").is_in(part)), part) for part in parts]
    return drawn[0] if len(drawn) == 1 else {"vconcat": drawn, "spacing": 24}


def _abreast(shown: pl.DataFrame, units: list[str]) -> Spec:
    """The matrix of some units: `shown` are their rows."""
    encoding = {
        "x": name("unit", units, axis={**PLAIN, "orient": "top", "labelAngle": -35}),
        "y": name("label", in_order(shown, "label"), axis=TWO_LINES),
    }
    return {
        "transform": [{"filter": {"field": "unit", "oneOf": units}}],
        "width": {"step": 74},
        "height": {"step": 32},
        "encoding": encoding,
        "layer": [
            mark("rect", {"color": colour("band", LEVELS)}, stroke="white"),
            mark(
                "text",
                {"text": {"field": "written"}},
                color=INK,
                fontSize=10,
                lineBreak="|",
                dy=MIDDLE,
            ),
        ],
    }  # fmt: skip


def _bars(shown: pl.DataFrame) -> Spec:
    """A bar per dimension, in parts by status."""
    encoding = {
        "y": name("dimension", in_order(shown, "dimension"), axis=PLAIN),
        "x": number("n", title="Rules", stack="zero"),
        "color": colour("status", STATUSES),
    }
    return {"width": 420, "height": {"step": 26}, **mark("bar", encoding, stroke="white")}


def _trend(rows: pl.DataFrame) -> str:
    """All units together, a column per quarter, the latest last.

    A quarter in which nobody was counted has no row, and nothing in it is hidden.
    """
    is_shown = pl.col("value").is_not_null()
    of_all = rows.filter(pl.col("unit_id") == "all", pl.col("period_type") == "quarter")
    of_all = of_all.filter(is_shown.any().over("indicator_id")).sort("indicator_id")
    quarters = sorted(of_all.filter(is_shown)["period_start"].unique().to_list())[-QUARTERS:]
    told: dict[str, dict[Any, str]] = {}
    for row in of_all.iter_rows(named=True):
        label = row["label"].replace("|", " / ")
        told.setdefault(label, {})[row["period_start"]] = _quarter(row)
    if not told:
        return ""
    heads = [f"{day.year}-Q{(day.month + 2) // 3}" for day in quarters]
    return text.table(
        ["Indicator", *heads],
        (
            [one, *(by.get(day, text.NOT_COMPUTABLE) for day in quarters)]
            for one, by in told.items()
        ),
    )


def _quarter(row: dict[str, Any]) -> str:
    """What an indicator was in a quarter, or why that is not told."""
    if row["value"] is None:
        return text.HIDDEN if row["hidden_reason"] else text.REFUSED
    level = f", {row['level']}" if row["level"] else ""
    return f"{text.percent(row['value'])} of {row['denominator']}{level}"


def _recommendation(row: dict[str, Any]) -> list[str]:
    """One recommendation and indicator as cells."""
    absent = text.HIDDEN if row["why"] else GUIDELINE_STATUS.label(row["status"])
    value = text.share(row["value"], row["ci_low"], row["ci_high"], absent)
    return [
        row["recommendation"],
        f"{row['text']} / {row['text_nb']}" if row["text"] else text.MISSING,
        GRADE.label(row["grade"], "nb") if row["grade"] else text.MISSING,
        (row["label"] or "").replace("|", " / ") or row["not_measured"] or text.MISSING,
        value,
        INDICATOR_LEVEL.label(row["level"]) if row["level"] else text.MISSING,
    ]
