"""The page on outcomes by pathway: pathways side by side, never an effect.

Belongs here: derived.outcome_by_pathway as it may be shown, drawn and put in words.
Does not belong here: what goes with coping (see `coping`), the outcomes' definitions (see
`schemas.outcomes`).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort, place
from registry_pipeline.charts.svg import (
    PLAIN,
    Spec,
    colour,
    hues,
    in_order,
    mark,
    name,
    number,
    percent,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    is_small,
    percentage_hidden,
    share_hidden,
    with_company,
    without,
)
from schemas.outcomes import OUTCOMES
from schemas.protocol import Disclosure

EVERYONE: Final = "everyone"
ACHIEVED: Final = ["Achieved (filled: of those observed,", "open: missing as not achieved)"]
RULES: Final = {"observed": "observed", "missing_is_failure": "missing counted as not achieved"}
ESTIMATE: Final = ["estimate", "ci_low", "ci_high"]
AT_DAYS: Final = (365, 731)
OF: Final = ["outcome", "wave", "missing_rule"]
TOLD_OF_ALL: Final = ("retained", "no_opioid", "no_illicit", "no_injection")
"""Outcomes of which other pages tell what everyone has: retention, and use by wave."""


def outcome_by_pathway(cohort: Cohort) -> Section:
    """Outcomes by the pathway at baseline, at about 12 and 24 months, by two missing rules."""
    rows = may_be_shown(cohort)
    return Section(
        words=(
            "The share that achieved each outcome, by the pathway people were in at baseline, at "
            "the scheduled days nearest 12 and 24 months. Filled: of those observed. Open: of "
            "everyone expected, missing counted as not achieved. Means (0 to 10, higher is "
            "better) are of those observed. The dead, withdrawn and moved are left out. "
            f"{text.ASSOCIATION}"
        ),
        norwegian=(
            "Utfall etter forløp ved start. Fylt: av dem som svarte. Åpen: av alle ventede, der "
            "manglende regnes som ikke oppnådd. Sammenheng, ikke effekt."
        ),
        table=_table(rows, cohort),
        chart=_chart,
        caution=text.CAUTION,
        shown=_drawn(rows, cohort),
        notes=(
            "A cell reads: achieved of counted, share and 95 % interval (Wilson).",
            (
                "An observed share is hidden where those who achieved it, did not, or are missing "
                "are few: with everyone expected beside it, any two give the third."
            ),
            (
                f"“{text.capital(EVERYONE)}” is left out where a pathway is hidden; where another "
                "page tells of everyone, another pathway is."
            ),
        ),
    )


def may_be_shown(cohort: Cohort) -> pl.DataFrame:
    """The rows of the page with `is_mean` and `hidden`; hidden numbers are null.

    Of a mean only the number observed is hidden where few are missing: with the number expected,
    which the shares give, it would tell how many. Everyone together would give a hidden pathway
    back; where another page tells of them, a second pathway is hidden instead.
    """
    rule = cohort.rule
    rows = cohort.rows(
        "derived.outcome_by_pathway",
        pathway_rule=["baseline"],
        stratum_by=["all"],
        wave=sorted({_nearest(cohort, day) for day in AT_DAYS}),
        missing_rule=list(RULES),
    ).with_columns(is_mean=pl.col("sum_score").is_not_null())
    n, is_mean, observed = pl.col("n"), pl.col("is_mean"), pl.col("missing_rule") == "observed"
    few_missing = observed & is_small(pl.col("n_missing"), rule)
    not_apart = share_hidden(pl.col("n_success"), n, rule) | (few_missing & ~is_mean)
    marked = (
        rows.filter(observed | ~is_mean, (pl.col("n_expected") > 0).any().over("pathway"))
        .with_columns(hidden=percentage_hidden(n, rule) | not_apart, n_hidden=few_missing & is_mean)
        .with_columns(_with_margin("n_hidden"))
    )
    protected = _with_pathways(marked, rule)
    safe = without(protected, pl.col(HIDDEN), [*ESTIMATE, "n_success"])
    return without(safe, pl.col(HIDDEN) | pl.col("n_hidden"), ["n", "sum_score"])


def _with_pathways(rows: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """Adds to `hidden` what a hidden pathway would follow from: everyone, or the next pathway."""
    of_all, told = pl.col("pathway") == "all", pl.col("outcome").is_in(TOLD_OF_ALL)
    parts = rows.filter(told & ~of_all).with_columns(n_not=pl.col("n") - pl.col("n_success"))
    parts = _with_next_pathway(_with_next_pathway(parts, "n_success", rule), "n_not", rule)
    seen = pl.col("missing_rule") == "observed"
    return pl.concat(
        [
            rows.filter(~told).with_columns(_with_margin(HIDDEN)),
            rows.filter(told & of_all).with_columns(pl.col(HIDDEN).any().over("outcome", "wave")),
            parts.filter(~seen).drop("n_not"),
            _with_next_pathway(parts.filter(seen), "n_missing", rule).drop("n_not"),
        ]
    )


def _with_next_pathway(parts: pl.DataFrame, count: str, rule: Disclosure) -> pl.DataFrame:
    """The pathways with company for the hidden ones, where the count is anybody's at all."""
    anybody = pl.col(count).sum().over(OF) > 0
    company = with_company(parts.filter(anybody), OF, count, pl.col(HIDDEN), rule)
    return pl.concat([parts.filter(~anybody), company])


def _with_margin(hidden: str) -> pl.Expr:
    """What is hidden, and everyone together where a pathway is: the margin gives it back."""
    is_margin = pl.col("pathway") == "all"
    return pl.col(hidden) | (is_margin & (pl.col(hidden) & ~is_margin).any().over(OF))


def _nearest(cohort: Cohort, day: int) -> int:
    """The wave whose nominal day is nearest; the later of two."""
    nominal = cohort.protocol.waves.nominal_days
    return min(range(len(nominal)), key=lambda wave: (abs(nominal[wave] - day), -wave))


def _pathways(cohort: Cohort) -> dict[str, str]:
    return {**cohort.pathways, "unknown": "no pathway at baseline", "all": EVERYONE}


def _drawn(rows: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """The estimates to draw, in words; a panel without any keeps its empty rows."""
    words = _pathways(cohort)
    outcomes = {code: f"{o.en}|{o.nb}" for code, o in OUTCOMES.items()}
    times = {wave: f"{time} {cohort.time_unit}" for wave, time in cohort.wave_time.items()}
    drawn = rows.filter(pl.col("estimate").is_not_null().any().over("outcome"))
    return drawn.sort(place("outcome", OUTCOMES), "wave", place("pathway", words)).select(
        *as_printed("is_mean"),
        "is_mean",
        outcome=pl.col("outcome").replace(outcomes),
        time=pl.col("wave").replace_strict(times, return_dtype=pl.String),
        pathway=pl.col("pathway").replace(words),
        rule=pl.col("missing_rule").replace(RULES),
    )


def as_printed(is_mean: str) -> list[pl.Expr]:
    """The estimate and its interval with the digits of the table: all would tell a hidden `n`."""
    every = (pl.col(name) for name in ESTIMATE)
    return [pl.when(is_mean).then(one.round(1)).otherwise(one.round(2)) for one in every]


def _chart(shown: pl.DataFrame) -> Spec:
    """Shares above, means below: a row per outcome, a column per time, a line per pathway."""
    drawn = shown.filter(pl.col("estimate").is_not_null())["pathway"].unique()
    pathways = [pathway for pathway in in_order(shown, "pathway") if pathway in drawn]
    colour_of = hues(pathways, EVERYONE)
    kinds = (
        (shown.filter(~pl.col("is_mean")), lambda field: percent(field, ACHIEVED)),
        (shown.filter("is_mean"), _of_ten),
    )
    blocks = [_block(part, across, colour_of) for part, across in kinds if part.height]
    return {"vconcat": blocks, "spacing": 30}


def _of_ten(field: str) -> Spec:
    return number(field, title="Mean, 0 to 10", scale={"domain": [0, 10]})


def _block(part: pl.DataFrame, across: Any, colour_of: dict[str, str]) -> Spec:
    """A grid of panels, outcomes down and times across."""
    estimate = {"x": across("estimate")}
    interval = {"x": across("ci_low"), "x2": {"field": "ci_high"}}
    beside = {
        "labelExpr": "split(datum.label, '|')",
        "labelAngle": 0,
        "labelAnchor": "middle",
        "labelFontWeight": "normal",
    }
    panel = {
        "width": 270,
        "height": 17 * len(colour_of),
        "view": {"fill": "#FAFAFA"},
        "encoding": {
            "y": name("pathway", list(colour_of), axis={**PLAIN, "labels": False}),
            "yOffset": name("rule", list(RULES.values())),
            "color": colour("pathway", colour_of),
        },
        "layer": [
            mark("rule", interval, only="isValid(datum.ci_low)", strokeWidth=1.6),
            mark("point", estimate, size=38, strokeWidth=1.6, fill="white"),
            mark("circle", estimate, only="datum.rule == 'observed'", size=44, opacity=1),
        ],
    }
    rows = {"field": "outcome", "type": "nominal", "sort": in_order(part, "outcome")}
    columns = {"field": "time", "type": "nominal", "sort": in_order(part, "time")}
    return {
        "transform": [{"filter": "datum.is_mean" if part["is_mean"][0] else "!datum.is_mean"}],
        "facet": {
            "row": {**rows, "title": None, "header": beside},
            "column": {**columns, "title": None},
        },
        "spacing": 8,
        "spec": panel,
    }


def _table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per outcome, time and missing rule, the pathways as columns."""
    present = rows["pathway"].unique()
    names = {code: word for code, word in _pathways(cohort).items() if code in present}
    in_place = rows.sort(place("outcome", OUTCOMES), "wave", place("missing_rule", RULES))
    lines = []
    for (outcome, wave, rule), part in in_place.group_by(OF, maintain_order=True):
        cells = {row["pathway"]: _cell(row) for row in part.iter_rows(named=True)}
        lines.append(
            [
                OUTCOMES[str(outcome)].en,
                cohort.wave_time[int(str(wave))],
                RULES[str(rule)],
                *(cells.get(code, text.MISSING) for code in names),
            ]
        )
    headers = ["Outcome", text.capital(cohort.time_unit), "Missing"]
    return text.table([*headers, *map(text.capital, names.values())], lines)


def _cell(row: dict[str, Any]) -> str:
    """Achieved of counted with share and interval, or a mean of so many."""
    estimate, low, high = (row[name] for name in ESTIMATE)
    if estimate is None:
        return text.HIDDEN if row[HIDDEN] else text.NOT_COMPUTABLE
    if row["is_mean"]:
        interval = "" if low is None else f" ({low:.1f}–{high:.1f})"
        return f"{estimate:.1f}{interval}, n = {text.HIDDEN if row['n'] is None else row['n']}"
    return f"{row['n_success']} of {row['n']}, {text.share(estimate, low, high)}"
