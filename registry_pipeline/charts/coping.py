"""The page on what goes with coping, retention and use: a forest plot.

Belongs here: derived.coping_association drawn and put in words.
Does not belong here: outcomes by pathway (see `pathways`).
"""

from __future__ import annotations

import math
from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort, place
from registry_pipeline.charts.svg import (
    BLUE,
    GREY,
    PLAIN,
    RED,
    Spec,
    colour,
    in_order,
    mark,
    name,
    number,
)
from registry_pipeline.charts.text import Section, english
from registry_pipeline.disclosure.small_numbers import (
    is_small,
    percentage_hidden,
    share_hidden,
    without,
)
from schemas import codes, result_codes

ESTIMATE: Final = ["estimate", "ci_low", "ci_high"]
MODELS: Final = {"univariable": BLUE, "adjusted": RED}
KINDS: Final = {"patient": "PATIENT CHARACTERISTICS", "structure": "TREATMENT STRUCTURES"}
WIDEST: Final = {"mean_difference": 4.0, "odds_ratio": 20.0}
"""How far from no association the axis reaches at most, but for an estimate beyond."""

TICKS: Final = (
    (9, (0.25, 0.5, 1, 2, 4)),
    (40, (0.1, 0.3, 1, 3, 10)),
    (math.inf, (0.01, 0.1, 1, 10, 100)),
)
"""Odds ratios that the axis names, by how far it reaches."""

NAMES: Final[Spec] = {**PLAIN, "grid": True, "labelLimit": 420}

OUTCOMES: Final = result_codes.COPING_OUTCOME


def coping_association(cohort: Cohort) -> Section:
    """Patient characteristics and treatment structures beside coping, retention and use."""
    rows = _safe(cohort)
    return Section(
        words=(
            "Which characteristics of the patients and which structures of the treatment go with "
            "coping (difference of mean score, 0 to 10), with being retained and with any use "
            "(odds ratios): each factor alone, and adjusted for all others, or for as many of age, "
            "sex, baseline use and distress as the numbers carry. People count once per wave they "
            "answered; the intervals allow for that. People without the outcome or the factor are "
            "left out as missing. Many factors are looked at, so read the adjusted p value. "
            f"{text.ASSOCIATION}"
        ),
        norwegian=(
            "Hvilke kjennetegn ved pasientene og hvilke behandlingsstrukturer som henger sammen "
            "med mestring, retensjon og bruk. Sammenheng, ikke effekt."
        ),
        table=_table(rows, cohort),
        chart=_chart,
        caution=text.CAUTION,
        shown=rows.filter(pl.col("estimate").is_not_null()).select(
            *ESTIMATE, "outcome", "measure", "model", "factor", "kind"
        ),
        notes=(
            (
                f"`{text.NOT_COMPUTABLE}`: too few people or events for the factor, or for all "
                "factors in one model."
            ),
            "An interval that reaches the edge of the chart may go on beyond it.",
        ),
    )


def _safe(cohort: Cohort) -> pl.DataFrame:
    """The rows with `hidden` and kind and factor in words; hidden estimates are null.

    Counted and missing add up to everyone, so where few are missing `n` is null too.
    """
    rule = cohort.rule
    events = share_hidden(pl.col("n_events"), pl.col("n_observations"), rule)
    by_age = place("level", codes.AGE_GROUP.codes)
    stored = cohort.rows("derived.coping_association").sort("factor", by_age, maintain_order=True)
    rows = stored.with_columns(
        hidden=percentage_hidden(pl.col("n"), rule) | events,
        factor=_factor(cohort),
    )
    in_place = place("outcome", OUTCOMES.codes), place("kind", KINDS)
    safe = without(rows, pl.col("hidden"), [*ESTIMATE, "p_value_adjusted"])
    safe = without(safe, is_small(pl.col("n_missing"), rule), ["n"])
    return safe.sort(*in_place, maintain_order=True).with_columns(pl.col("kind").replace(KINDS))


_FACTORS: Final = {
    "age_group": "age group",
    "co_occurring_disorder": "co-occurring disorder",
    "stable_housing": "stable housing",
    "work_or_activity": "work or activity",
    "drug_free_network": "drug-free network",
    "baseline_use_days": "one more day of use at baseline",
    "baseline_hscl10": "one more point of HSCL-10 at baseline",
    "unit_id": "unit",
    "treatment_plan": "treatment plan",
    "crisis_plan": "crisis plan",
    "gp_contact": "contact with the GP",
    "coordination_meeting": "coordination meeting",
    "oat_medicine": "OAT medicine",
}
"""What is compared; a number by its unit, and the others say their level."""


def _factor(cohort: Cohort) -> pl.Expr:
    """The factor and what is compared, in words."""
    lists = (codes.SEX, codes.AGE_GROUP, codes.OAT_MEDICINE)
    known = {code: word for each in lists for code, word in english(each).items()}
    words = {**known, **cohort.pathways, **cohort.units}
    level, reference = (pl.col(name).replace(words) for name in ("level", "reference"))
    against = pl.concat_str(pl.lit(" v. "), reference).fill_null("")
    factor = pl.col("factor").replace(_FACTORS)
    compared = pl.concat_str(factor, pl.lit(": "), level, against)
    return pl.when(pl.col("level") == "per_unit").then(factor).otherwise(compared)


def _chart(shown: pl.DataFrame) -> Spec:
    """An outcome per column, patient characteristics above treatment structures."""
    factors: list[str] = []
    for (kind,), part in shown.group_by("kind", maintain_order=True):
        factors += [str(kind), *in_order(part, "factor")]
    present = shown["model"].unique()
    models = {model: hue for model, hue in MODELS.items() if model in present}
    columns = [
        _column(shown.filter(outcome=outcome), factors, models, labels=not column)
        for column, outcome in enumerate(in_order(shown, "outcome"))
    ]
    return {"hconcat": columns, "spacing": 14}


def _column(
    part: pl.DataFrame, factors: list[str], models: dict[str, str], *, labels: bool
) -> Spec:
    """One outcome: the factors down, the estimates with their intervals across."""
    outcome, measure = part.select("outcome", "measure").row(0)
    nb, en = OUTCOMES.labels[outcome]
    across = _across(part, measure)
    no_association = {"datum": 0 if measure == "mean_difference" else 1}
    of_factor = {
        "y": name("factor", factors, axis={**NAMES, "labels": labels}),
        "yOffset": name("model", list(models)),
        "color": colour("model", models),
    }
    interval = {"x": number("ci_low", **across), "x2": {"field": "ci_high"}, **of_factor}
    estimate = {"x": number("estimate", **across), **of_factor}
    this = f"datum.outcome == '{outcome}'"
    return {
        "width": 165,
        "height": {"step": 24 / len(models)},
        "title": {
            "text": text.capital(en), "subtitle": text.capital(nb), "frame": "group",
            "fontSize": 13, "subtitleFontSize": 12,
        },
        "layer": [
            mark("rule", {"x": no_association}, color=GREY, strokeDash=[3, 3]),
            mark("rule", interval, only=f"{this} && isValid(datum.ci_low)", strokeWidth=1.8),
            mark("circle", estimate, only=this, size=46, opacity=1),
        ],
    }  # fmt: skip


def _across(part: pl.DataFrame, measure: str) -> Spec:
    """Scale, axis and title: differences around 0, ratios around 1 on a logarithmic scale.

    As wide as the intervals are, up to a limit, but every estimate has its place.
    """
    low, high, at = (part[name].drop_nulls() for name in ("ci_low", "ci_high", "estimate"))
    if measure == "mean_difference":
        end = max(min(max(map(abs, [*low, *high, 1.0])), WIDEST[measure]), *map(abs, at))
        scale = {"domain": [-end, end], "clamp": True, "nice": False}
        return {"scale": scale, "title": "Difference of means", "axis": {"tickCount": 5}}
    end = min(max([*high, *(1 / value for value in low if value > 0), 2.0]), WIDEST[measure])
    end = max(end, *at, *(1 / value for value in at if value > 0))
    scale = {"type": "log", "domain": [1 / end, end], "clamp": True, "nice": False}
    ticks = next(ticks for most, ticks in TICKS if end < most)
    return {"scale": scale, "title": "Odds ratio", "axis": {"values": [*ticks], "format": "~g"}}


def _table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per outcome and factor, the two models side by side."""
    by: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows.iter_rows(named=True):
        by.setdefault((row["outcome"], row["factor"]), {})[row["model"]] = row
    headers = ["Outcome", "Factor", "Measure", "People", "Missing", "Alone", "p, adjusted"]
    return text.table(
        [*headers, "Adjusted", "p, adjusted"],
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
    return f"{estimate:.2f}{interval}", text.p_value(row["p_value_adjusted"], absent)
