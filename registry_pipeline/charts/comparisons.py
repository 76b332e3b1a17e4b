"""The pages on pathways compared: differences plain, adjusted and weighted, and the balance.

Belongs here: derived.outcome_comparison and derived.covariate_balance drawn and put in words.
Does not belong here: the pathways' own outcomes (see `pathways`), hazards (see `retention`).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort, place
from registry_pipeline.charts.pathways import OF, as_printed, may_be_shown
from registry_pipeline.charts.svg import (
    BLUE,
    GREEN,
    GREY,
    PLAIN,
    RED,
    Spec,
    colour,
    in_order,
    mark,
    name,
    number,
    panels,
)
from registry_pipeline.charts.text import Section, english
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    percentage_hidden,
    share_hidden,
    without,
)
from schemas import codes
from schemas.outcomes import OUTCOMES

ESTIMATE: Final = ["estimate", "ci_low", "ci_high"]
WAYS: Final = {
    "two groups": "plain",
    "g-computation": "adjusted",
    "linear regression": "adjusted",
    "inverse-probability weights": "weighted",
}
"""How a method begins, and what it is called on the page."""

COLOURS: Final = {"plain": BLUE, "adjusted": RED, "weighted": GREEN}
MEASURES: Final = {
    "risk_difference": "Difference of shares",
    "mean_difference": "Difference of means, 0 to 10",
}
WEIGHTING: Final = {"before weighting": BLUE, "after weighting": RED}
BALANCED: Final = 0.1


def outcome_comparison(cohort: Cohort) -> Section:
    """Each pathway against the reference: plain, adjusted and weighted differences."""
    rows = _safe(cohort)
    reference = cohort.pathways.get(cohort.protocol.reference_pathway or "", "the reference")
    return Section(
        words=(
            f"How far each pathway lies from {reference}, by the pathway at baseline, of those "
            "observed: plain; adjusted for age, sex, baseline use, time in treatment and "
            "co-occurring disorder; and weighted so that the two are alike in these. Where few "
            "people or events do not carry an adjustment, it is not made. "
            f"{text.ASSOCIATION}"
        ),
        norwegian=(
            "Forskjell mellom hvert forløp og referansen: ujustert, justert og vektet. "
            "Sammenheng, ikke effekt."
        ),
        table=_table(rows, cohort),
        chart=_chart,
        caution=text.CAUTION,
        shown=_drawn(rows, cohort),
        notes=(
            "A cell reads: difference and 95 % interval. Risk ratios, odds ratios, hazard ratios "
            "and other missing rules are in the table derived.outcome_comparison.",
            f"`{text.NOT_COMPUTABLE}`: too few people or events for the comparison.",
            "A difference is hidden where either pathway's own share or mean is.",
        ),
    )


def _safe(cohort: Cohort) -> pl.DataFrame:
    """Observed differences with `way` and `hidden`; hidden numbers are null.

    With the share of one pathway on its own page, the difference gives the share of the other.
    """
    arms = may_be_shown(cohort).filter(missing_rule="observed").select(*OF, "pathway", HIDDEN)
    rows = cohort.rows(
        "derived.outcome_comparison", measure=list(MEASURES), missing_rule=["observed"]
    )
    ways = pl.coalesce(
        pl.when(pl.col("method").str.starts_with(method)).then(pl.lit(way))
        for method, way in WAYS.items()
    )
    reference = arms.rename({"pathway": "reference", HIDDEN: "hidden_reference"})
    known = rows.with_columns(way=ways).join(arms, on=[*OF, "pathway"], how="inner")
    both = known.join(reference, on=[*OF, "reference"], how="inner")
    marked = both.with_columns(
        pl.col(HIDDEN) | pl.col("hidden_reference") | percentage_hidden(pl.col("n"), cohort.rule)
    )
    return without(marked, pl.col(HIDDEN), ESTIMATE)


def _drawn(rows: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """The differences to draw, in words."""
    outcomes = {code: f"{o.en}|{o.nb}" for code, o in OUTCOMES.items()}
    times = {wave: f"{time} {cohort.time_unit}" for wave, time in cohort.wave_time.items()}
    in_place = rows.filter(pl.col("estimate").is_not_null()).sort(
        place("outcome", OUTCOMES), "wave", place("pathway", cohort.pathways), place("way", COLOURS)
    )
    is_mean = pl.col("measure") == "mean_difference"
    return in_place.with_columns(is_mean=is_mean).select(
        *as_printed("is_mean"),
        "measure",
        "way",
        outcome=pl.col("outcome").replace(outcomes),
        time=pl.col("wave").replace_strict(times, return_dtype=pl.String),
        pathway=pl.col("pathway").replace(cohort.pathways),
    )


def _chart(shown: pl.DataFrame) -> Spec:
    """Differences of shares above, of means below: outcomes down, times across."""
    blocks = [
        _block(part, measure)
        for measure in MEASURES
        if (part := shown.filter(measure=measure)).height
    ]
    return {"vconcat": blocks, "spacing": 30}


def _block(part: pl.DataFrame, measure: str) -> Spec:
    """A grid of panels around no difference."""
    bounds = pl.concat([part["ci_low"].drop_nulls(), part["ci_high"].drop_nulls()])
    end = min(max([*bounds.abs(), 0.2]), 1.0 if measure == "risk_difference" else 10.0)
    axis = {"tickCount": 5, "format": "+.0%" if measure == "risk_difference" else "+.1f"}
    scale = {"domain": [-end, end], "clamp": True, "nice": False}
    across = {"title": MEASURES[measure], "axis": axis, "scale": scale}
    used = part["way"].unique()
    ways = {way: hue for way, hue in COLOURS.items() if way in used}
    pathways = in_order(part, "pathway")
    down = {
        "y": name("pathway", pathways, axis=PLAIN),
        "yOffset": name("way", list(ways)),
        "color": colour("way", ways),
    }
    interval = {"x": number("ci_low", **across), "x2": {"field": "ci_high"}, **down}
    estimate = {"x": number("estimate", **across), **down}
    panel = {
        "width": 250,
        "height": 15 * len(ways) * len(pathways),
        "view": {"fill": "#FAFAFA"},
        "layer": [
            mark("rule", {"x": {"datum": 0}}, color=GREY, strokeDash=[3, 3]),
            mark("rule", interval, only="isValid(datum.ci_low)", strokeWidth=1.6),
            mark("circle", estimate, size=44, opacity=1),
        ],
    }
    beside = {
        "labelExpr": "split(datum.label, '|')",
        "labelAngle": 0,
        "labelAnchor": "middle",
        "labelFontWeight": "normal",
    }
    rows = {"field": "outcome", "type": "nominal", "sort": in_order(part, "outcome")}
    columns = {"field": "time", "type": "nominal", "sort": in_order(part, "time")}
    return {
        "transform": [{"filter": f"datum.measure == '{measure}'"}],
        "facet": {
            "row": {**rows, "title": None, "header": beside},
            "column": {**columns, "title": None},
        },
        "spacing": 8,
        "spec": panel,
    }


def _table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per outcome, time and pathway somebody took, the ways side by side."""
    taken = rows.filter((pl.col("estimate").is_not_null() | pl.col(HIDDEN)).any().over("pathway"))
    in_place = taken.sort(
        place("outcome", OUTCOMES), "wave", place("pathway", cohort.pathways), maintain_order=True
    )
    lines = []
    for key, part in in_place.group_by("outcome", "wave", "pathway", maintain_order=True):
        outcome, wave, pathway = key
        cells = {row["way"]: _cell(row) for row in part.iter_rows(named=True)}
        lines.append(
            [
                OUTCOMES[str(outcome)].en,
                cohort.wave_time[int(str(wave))],
                cohort.pathways.get(str(pathway), str(pathway)),
                *(cells.get(way, text.MISSING) for way in COLOURS),
            ]
        )
    ways = [text.capital(way) for way in COLOURS]
    return text.table(["Outcome", text.capital(cohort.time_unit), "Pathway", *ways], lines)


def _cell(row: dict[str, Any]) -> str:
    """A difference with its interval; shares in percentage points."""
    if row["estimate"] is None:
        return text.HIDDEN if row[HIDDEN] else text.NOT_COMPUTABLE
    is_share = row["measure"] == "risk_difference"
    scale, unit, digits = (100, " pp", 0) if is_share else (1, "", 1)
    value, low, high = (
        None if row[part] is None else f"{scale * row[part]:+.{digits}f}" for part in ESTIMATE
    )
    return f"{value}{unit}" if low is None else f"{value}{unit} ({low} to {high})"


def covariate_balance(cohort: Cohort) -> Section:
    """How alike each pathway and the reference began, before and after weighting."""
    rows = _safe_balance(cohort)
    return Section(
        words=(
            "How far each pathway and the reference lie apart at baseline, in standard "
            "deviations, before weighting and, where the numbers carry weights, after it. Beyond "
            f"{BALANCED} either way is the usual sign that two groups differ. {text.ASSOCIATION}"
        ),
        norwegian=(
            "Hvor like forløpene var ved start, før og etter vekting, i standardavvik. "
            "Sammenheng, ikke effekt."
        ),
        table=_balance_table(rows, cohort),
        chart=_balance_chart,
        caution=text.CAUTION,
        shown=rows.unpivot(
            ["difference_before", "difference_after"],
            index=["pathway", "row"],
            variable_name="when",
            value_name="difference",
        )
        .filter(pl.col("difference").is_not_null())
        .with_columns(
            pathway=pl.col("pathway").replace(cohort.pathways),
            when=pl.col("when").str.strip_prefix("difference_") + " weighting",
        ),
        notes=(
            "A covariate is hidden where a pathway or the reference has few people at one of its "
            "levels, or too few to give a percentage of.",
        ),
    )


def _safe_balance(cohort: Cohort) -> pl.DataFrame:
    """The rows of pathways somebody took with `row`, the covariate and level in words.

    A difference tells the share at a level, and the other levels tell the last: where one is
    small, the covariate is hidden for that pathway.
    """
    rows = cohort.rows("derived.covariate_balance").filter((pl.col("n") > 0).any().over("pathway"))
    few = pl.lit(value=False)
    for n, whole in (("n_level", "n"), ("n_level_reference", "n_reference")):
        few = few | percentage_hidden(pl.col(whole), cohort.rule)
        few = few | share_hidden(pl.col(n), pl.col(whole), cohort.rule)
    few = few.any().over("pathway", "covariate")
    covariate = pl.col("covariate").str.replace_all("_", " ")
    lists = (codes.SEX, codes.AGE_GROUP, codes.USE_STATE)
    words = {code: word for each in lists for code, word in english(each).items()}
    level = pl.col("level").replace(words).str.replace_all("_", " ")
    worded = rows.with_columns(few.alias(HIDDEN), row=pl.concat_str(covariate, pl.lit(": "), level))
    return without(worded, pl.col(HIDDEN), ["difference_before", "difference_after"])


def _balance_chart(shown: pl.DataFrame) -> Spec:
    """A panel per pathway, the levels down and the differences across."""
    end = max([*shown["difference"].abs(), 0.5])
    across = {"title": "Standard deviations", "scale": {"domain": [-end, end]}}
    limits = [
        mark("rule", {"x": {"datum": value}}, color=GREY, strokeDash=[3, 3])
        for value in (-BALANCED, BALANCED)
    ]
    used = shown["when"].unique()
    hues = {when: hue for when, hue in WEIGHTING.items() if when in used}
    encoding = {
        "x": number("difference", **across),
        "y": name("row", in_order(shown, "row"), axis={**PLAIN, "grid": True}),
        "color": colour("when", hues),
    }
    panel = {
        "width": 260,
        "height": {"step": 18},
        "layer": [*limits, mark("circle", encoding, size=48, opacity=1)],
    }
    return panels(panel, "pathway", in_order(shown, "pathway"), columns=2)


def _balance_table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per pathway and level."""
    return text.table(
        ["Pathway", "Covariate", "People", "Reference", "Missing", "Before", "After"],
        (
            [
                cohort.pathways.get(row["pathway"], row["pathway"]),
                row["row"],
                *(text.count(row[n], cohort.rule) for n in ("n", "n_reference", "n_missing")),
                *(_difference(row, name) for name in ("difference_before", "difference_after")),
            ]
            for row in rows.iter_rows(named=True)
        ),
    )


def _difference(row: dict[str, Any], column: str) -> str:
    if row[column] is None:
        return text.HIDDEN if row[HIDDEN] else text.NOT_COMPUTABLE
    return f"{row[column]:+.2f}"
