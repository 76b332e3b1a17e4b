"""The page on outcomes by pathway: pathways side by side, never an effect.

Belongs here: derived.outcome_by_pathway as it may be shown, drawn and put in words.
Does not belong here: what goes with coping (see `coping`), the outcomes' definitions (see
`schemas.outcomes`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import GREY, PALETTE, chart, colours, percent_axis
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import (
    is_small,
    percentage_hidden,
    share_hidden,
    without,
)
from schemas.outcomes import OUTCOMES

if TYPE_CHECKING:
    import altair as alt

ALL: Final = "everyone"
RULES: Final = {"observed": "observed", "missing_is_failure": "missing counted as not achieved"}
ESTIMATE: Final = ["estimate", "ci_low", "ci_high"]
AT_DAYS: Final = (365, 731)
OF: Final = ["outcome", "wave", "missing_rule"]


def outcome_by_pathway(cohort: Cohort) -> Section:
    """Outcomes by the pathway at baseline, at about 12 and 24 months, by two missing rules."""
    rows = _safe(cohort)
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
        table=_table(cohort, rows),
        chart=_chart,
        shown=_drawn(cohort, rows),
        notes=(
            "A cell reads: achieved of counted, share and 95 % interval (Wilson).",
            "An observed share is hidden where those who achieved it, did not, or are missing "
            "are few: with everyone expected beside it, any two give the third.",
            f"“{ALL.capitalize()}” is left out where a pathway is hidden: it would give it back.",
        ),
    )


def _safe(cohort: Cohort) -> pl.DataFrame:
    """The rows of the page with `is_mean` and `hidden`; hidden numbers are null.

    Of a mean only the number observed is hidden where few are missing: with the number expected,
    which the shares give, it would tell how many.
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
        .with_columns(hidden=percentage_hidden(n, rule) | not_apart, n_hidden=few_missing)
        .with_columns(_with_margin("hidden"), _with_margin("n_hidden"))
    )
    safe = without(marked, pl.col("hidden"), [*ESTIMATE, "n_success"])
    return without(safe, pl.col("hidden") | pl.col("n_hidden"), ["n", "sum_score"])


def _with_margin(hidden: str) -> pl.Expr:
    """What is hidden, and everyone together where a pathway is."""
    is_all = pl.col("pathway") == "all"
    return pl.col(hidden) | (is_all & (pl.col(hidden) & ~is_all).any().over(OF))


def _nearest(cohort: Cohort, day: int) -> int:
    """The wave whose nominal day is nearest; the later of two."""
    nominal = cohort.protocol.waves.nominal_days
    return min(range(len(nominal)), key=lambda wave: (abs(nominal[wave] - day), -wave))


def _pathways(cohort: Cohort) -> dict[str, str]:
    return {**cohort.pathways, "unknown": "no pathway at baseline", "all": ALL}


def _drawn(cohort: Cohort, rows: pl.DataFrame) -> pl.DataFrame:
    """The estimates to draw, in words; a panel without any keeps an empty row."""
    words = _pathways(cohort)
    outcomes = {code: f"{o.en}|{o.nb}" for code, o in OUTCOMES.items()}
    times = {wave: f"{time} {cohort.time_unit}" for wave, time in cohort.wave_time.items()}
    drawn = rows.filter(pl.col("estimate").is_not_null().any().over("outcome"))
    return drawn.select(
        *ESTIMATE,
        "is_mean",
        outcome=pl.col("outcome").replace(outcomes),
        outcome_place=_place("outcome", OUTCOMES),
        time=pl.col("wave").replace_strict(times, return_dtype=pl.String),
        pathway=pl.col("pathway").replace(words),
        pathway_place=_place("pathway", words),
        rule=pl.col("missing_rule").replace(RULES),
    ).sort("outcome_place", "time", "pathway_place", maintain_order=True)


def _place(name: str, order: Iterable[str]) -> pl.Expr:
    places = {code: place for place, code in enumerate(order)}
    return pl.col(name).replace_strict(places, return_dtype=pl.Int32)


def _chart(shown: pl.DataFrame) -> alt.VConcatChart:
    """Shares above, means below: a row per outcome, a column per time, a line per pathway."""
    import altair as alt  # noqa: PLC0415 - slow to import

    there = shown.filter(pl.col("estimate").is_not_null()).sort("pathway_place")
    names = [name for name in there["pathway"].unique(maintain_order=True) if name != ALL]
    colour_of = {**dict(zip(names, PALETTE, strict=False)), ALL: GREY}
    ten = {"title": "Mean, 0 to 10", "scale": alt.Scale(domain=[0, 10])}
    blocks = [
        _block(part, axis, colour_of)
        for part, axis in (
            (shown.filter(~pl.col("is_mean")), percent_axis("Achieved")),
            (shown.filter("is_mean"), ten),
        )
        if part.height
    ]
    return alt.vconcat(*blocks, spacing=30)


def _block(part: pl.DataFrame, axis: dict[str, Any], colour_of: dict[str, str]) -> alt.FacetChart:
    """A grid of panels, outcomes down and times across."""
    import altair as alt  # noqa: PLC0415 - slow to import

    plain = alt.Axis(labels=False, ticks=False, domain=False, grid=False)
    lines = alt.Scale(domain=list(colour_of))
    base = chart().encode(
        x=alt.X("estimate:Q", **axis),
        y=alt.Y("pathway:N", sort=list(colour_of), scale=lines, title=None, axis=plain),
        yOffset=alt.YOffset("rule:N", sort=list(RULES.values())),
        color=colours("pathway", colour_of),
    )
    interval = base.mark_rule(strokeWidth=1.6).encode(x=alt.X("ci_low:Q", **axis), x2="ci_high:Q")
    ring = base.mark_point(size=38, strokeWidth=1.6, fill="white")
    disc = base.transform_filter("datum.rule == 'observed'").mark_circle(size=44, opacity=1)
    outcomes, times = (
        part[name].unique(maintain_order=True).to_list() for name in ("outcome", "time")
    )
    beside = alt.Header(
        labelExpr="split(datum.label, '|')", labelAngle=0, labelAlign="left",
        labelAnchor="middle", labelFontWeight="normal",
    )  # fmt: skip
    return (
        alt.layer(interval, ring, disc, view=alt.ViewBackground(fill="#FAFAFA"))
        .transform_filter("datum.is_mean" if part["is_mean"][0] else "!datum.is_mean")
        .properties(width=270, height=17 * len(colour_of))
        .facet(
            row=alt.Row("outcome:N", sort=outcomes, header=beside, title=None),
            column=alt.Column("time:N", sort=times, title=None),
            spacing=8,
        )
    )


def _table(cohort: Cohort, rows: pl.DataFrame) -> str:
    """A row per outcome, time and missing rule, the pathways as columns."""
    cells = {
        (row["outcome"], row["wave"], row["missing_rule"], row["pathway"]): _cell(row)
        for row in rows.iter_rows(named=True)
    }
    names = {
        code: word for code, word in _pathways(cohort).items() if code in rows["pathway"].unique()
    }
    keys = list(dict.fromkeys((outcome, wave, rule) for outcome, wave, rule, _ in cells))
    order = list(OUTCOMES)
    keys.sort(key=lambda key: (order.index(key[0]), key[1], list(RULES).index(key[2])))
    return text.table(
        ["Outcome", cohort.time_unit.capitalize(), "Missing", *names.values()],
        (
            [
                OUTCOMES[outcome].en,
                cohort.wave_time[wave],
                RULES[rule],
                *(cells.get((outcome, wave, rule, code), text.MISSING) for code in names),
            ]
            for outcome, wave, rule in keys
        ),
    )


def _cell(row: dict[str, Any]) -> str:
    """Achieved of counted with share and interval, or a mean of so many."""
    estimate, low, high = (row[name] for name in ESTIMATE)
    if row["hidden"] or estimate is None:
        return text.HIDDEN if row["hidden"] else text.NOT_COMPUTABLE
    if row["is_mean"]:
        interval = "" if low is None else f" ({low:.1f}–{high:.1f})"
        return f"{estimate:.1f}{interval}, n = {text.HIDDEN if row['n'] is None else row['n']}"
    return f"{row['n_success']} of {row['n']}, {text.share(estimate, low, high)}"
