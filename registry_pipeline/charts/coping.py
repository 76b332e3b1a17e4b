"""The page on what goes with coping, retention and use: a forest plot.

Belongs here: derived.coping_association drawn and put in words.
Does not belong here: outcomes by pathway (see `pathways`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import BLUE, GREY, RED, chart, colours
from registry_pipeline.charts.text import Section, english
from registry_pipeline.disclosure.small_numbers import percentage_hidden, share_hidden, without
from schemas import codes, result_codes

if TYPE_CHECKING:
    import altair as alt

ESTIMATE: Final = ["estimate", "ci_low", "ci_high"]
MODELS: Final = {"univariable": BLUE, "adjusted": RED}
KINDS: Final = {"patient": "PATIENT CHARACTERISTICS", "structure": "TREATMENT STRUCTURES"}
WIDEST: Final = {"mean_difference": 4.0, "odds_ratio": 20.0}
"""How far from no association the axis reaches at most."""

OUTCOMES: Final = result_codes.COPING_OUTCOME


def coping_association(cohort: Cohort) -> Section:
    """Patient characteristics and treatment structures beside coping, retention and use."""
    rows = _safe(cohort)
    return Section(
        words=(
            "Which characteristics of the patients and which structures of the treatment go with "
            "coping (difference of mean score, 0 to 10), with being retained and with any use "
            "(odds ratios): each factor alone, and adjusted for the others where the numbers "
            "carry it. People count once per wave they answered; the intervals allow for that. "
            "People without the outcome or the factor are left out as missing. Many factors are "
            f"looked at, so read the adjusted p value. {text.ASSOCIATION}"
        ),
        norwegian=(
            "Hvilke kjennetegn ved pasientene og hvilke behandlingsstrukturer som henger sammen "
            "med mestring, retensjon og bruk. Sammenheng, ikke effekt."
        ),
        table=_table(rows, cohort),
        chart=_chart,
        shown=rows.filter(pl.col("estimate").is_not_null()).select(
            *ESTIMATE, "outcome", "measure", "model", "factor", "kind"
        ),
        notes=(
            f"`{text.NOT_COMPUTABLE}`: too few people or events for the factor, or for all "
            "factors in one model.",
            "An interval that reaches the edge of the chart may go on beyond it.",
        ),
    )


def _safe(cohort: Cohort) -> pl.DataFrame:
    """The rows with `hidden` and kind and factor in words; hidden estimates are null."""
    rule = cohort.rule
    events = share_hidden(pl.col("n_events"), pl.col("n_observations"), rule)
    rows = cohort.rows("derived.coping_association").with_columns(
        hidden=percentage_hidden(pl.col("n"), rule) | events,
        factor=_factor(cohort),
    )
    by_kind = pl.col("kind").cast(pl.Enum(list(KINDS)))
    safe = without(rows, pl.col("hidden"), [*ESTIMATE, "p_value_adjusted"])
    return safe.sort(by_kind, maintain_order=True).with_columns(pl.col("kind").replace(KINDS))


def _factor(cohort: Cohort) -> pl.Expr:
    """The factor and what is compared, in words."""
    lists = (codes.SEX, codes.AGE_GROUP, codes.OAT_MEDICINE)
    known = {code: word for each in lists for code, word in english(each).items()}
    words = {**known, **cohort.pathways, **cohort.units, "per_unit": "per unit"}
    level, reference = (pl.col(name).replace(words) for name in ("level", "reference"))
    against = pl.concat_str(pl.lit(" v. "), reference).fill_null("")
    factor = pl.col("factor").str.replace_all("_", " ")
    return pl.concat_str(factor, pl.lit(": "), level, against)


def _chart(shown: pl.DataFrame) -> alt.HConcatChart:
    """An outcome per column, patient characteristics above treatment structures."""
    import altair as alt  # noqa: PLC0415 - slow to import

    factors = []
    for (kind,), part in shown.group_by("kind", maintain_order=True):
        factors += [kind, *part["factor"].unique(maintain_order=True)]
    present = shown["outcome"].unique()
    outcomes = [outcome for outcome in OUTCOMES.codes if outcome in present]
    columns = [
        _column(shown.filter(outcome=outcome), factors, labels=place == 0)
        for place, outcome in enumerate(outcomes)
    ]
    return alt.hconcat(*columns, spacing=14)


def _column(part: pl.DataFrame, factors: list[str], *, labels: bool) -> alt.LayerChart:
    """One outcome: the factors down, the estimates with their intervals across."""
    import altair as alt  # noqa: PLC0415 - slow to import

    outcome, measure = part.select("outcome", "measure").row(0)
    nb, en = OUTCOMES.labels[outcome]
    axis = alt.Axis(labels=labels, ticks=False, domain=False, grid=True, labelLimit=330)
    base = (
        chart()
        .transform_filter(f"datum.outcome == '{outcome}'")
        .encode(
            y=alt.Y("factor:N", scale=alt.Scale(domain=factors), title=None, axis=axis),
            yOffset=alt.YOffset("model:N", scale=alt.Scale(domain=list(MODELS))),
            color=colours("model", MODELS),
        )
    )
    across = _across(part, measure)
    no_association = alt.datum(0 if measure == "mean_difference" else 1)
    return alt.layer(
        chart().mark_rule(color=GREY, strokeDash=[3, 3]).encode(x=no_association),
        base.mark_rule(strokeWidth=1.8).encode(x=alt.X("ci_low:Q", **across), x2="ci_high:Q"),
        base.mark_circle(size=46, opacity=1).encode(x=alt.X("estimate:Q", **across)),
    ).properties(
        width=165,
        height=alt.Step(12),
        title=alt.TitleParams(en.capitalize(), subtitle=nb.capitalize(), fontSize=13),
    )


def _across(part: pl.DataFrame, measure: str) -> dict[str, Any]:
    """Scale, axis and title: differences around 0, ratios around 1 on a logarithmic scale."""
    import altair as alt  # noqa: PLC0415 - slow to import

    low, high = part["ci_low"].drop_nulls(), part["ci_high"].drop_nulls()
    if measure == "mean_difference":
        widest = max(map(abs, [*low, *high, 1.0]))
        end = min(widest, WIDEST[measure])
        scale = alt.Scale(domain=[-end, end], clamp=True, nice=False)
        return {"scale": scale, "title": "Difference of means", "axis": alt.Axis(tickCount=5)}
    widest = max([*high, *(1 / value for value in low if value > 0), 2.0])
    end = min(widest, WIDEST["odds_ratio"])
    scale = alt.Scale(type="log", domain=[1 / end, end], clamp=True, nice=False)
    axis = alt.Axis(values=[0.1, 0.25, 0.5, 1, 2, 4, 10], format="~g")
    return {"scale": scale, "title": "Odds ratio", "axis": axis}


def _table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per outcome and factor, the two models side by side."""
    by: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows.iter_rows(named=True):
        by.setdefault((row["outcome"], row["factor"]), {})[row["model"]] = row
    headers = ["Outcome", "Factor", "Measure", "People", "Missing", "Alone", "p, adjusted"]
    return text.table(
        [*headers, "In one model", "p, adjusted"],
        (
            [
                OUTCOMES.label(outcome),
                factor,
                result_codes.MEASURE.label(next(iter(models.values()))["measure"]),
                *(_number(models, name, cohort) for name in ("n", "n_missing")),
                *(cell for model in MODELS for cell in _cells(models.get(model))),
            ]
            for (outcome, factor), models in by.items()
        ),
    )


def _number(models: dict[str, Any], name: str, cohort: Cohort) -> str:
    """A count of the first model the factor is in: the factor alone where there is one."""
    first = models.get("univariable") or next(iter(models.values()))
    return text.count(first[name], cohort.rule)


def _cells(row: dict[str, Any] | None) -> tuple[str, str]:
    """The estimate with its interval, and the adjusted p value."""
    if row is None:
        return text.MISSING, text.MISSING
    absent = text.HIDDEN if row["hidden"] else text.NOT_COMPUTABLE
    estimate, low, high = (row[name] for name in ESTIMATE)
    if estimate is None:
        return absent, absent
    interval = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
    p_value = row["p_value_adjusted"]
    return f"{estimate:.2f}{interval}", absent if p_value is None else f"{max(p_value, 0.001):.3f}"
