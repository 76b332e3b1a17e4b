"""The pages on the hazard of leaving: by characteristic, and between the interviews.

Belongs here: derived.retention_hazard and derived.retention_life_table drawn and put in words.
Does not belong here: the curves (see `retention`), exits by type (see `exits`).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.curves import scheduled_points
from registry_pipeline.charts.retention import CLOCK, KIND_PANELS, KINDS, by_kind
from registry_pipeline.charts.svg import (
    BLUE,
    GREY,
    PANEL_WIDTH,
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
from registry_pipeline.charts.text import Section
from registry_pipeline.derivations.pathways_counts import TOO_FEW_FOR_TERMS
from registry_pipeline.disclosure.small_numbers import percentage_hidden, share_hidden, without
from registry_pipeline.statistics.reasons import SPARSE_CELLS
from schemas.codes import STRATUM_BY
from schemas.result_codes import HAZARD, HAZARD_EXIT

CAUSE_SPECIFIC: Final = "cause_specific"
RATIO: Final = ["estimate", "ci_low", "ci_high"]
MODELS: Final = {"univariable": BLUE, "adjusted": RED}
SHOWN_EXITS: Final = ("any", "dropout")
WHY: Final = {
    SPARSE_CELLS: f"{text.NOT_COMPUTABLE}: fewer than 5 exits in a group",
    TOO_FEW_FOR_TERMS: f"{text.NOT_COMPUTABLE}: fewer than 10 exits per ratio",
}
"""Why there is no ratio; one without a line here has no more to say."""

LIFE_TABLE: Final = ["retained", "ci_low", "ci_high", "retained_curve"]
WIDEST: Final = 20.0
"""A hazard ratio further from 1 than this reaches the edge of the chart."""


def retention_hazard(cohort: Cohort) -> Section:
    """Hazard ratios of any exit and of drop-out, alone and adjusted, with their check."""
    rows = _ratios(cohort)
    return Section(
        words=(
            "How much sooner people of one group leave than those of the reference, among those "
            "still there: 1 is alike, above 1 is sooner. Each characteristic alone, and all in "
            "one model where the exits carry it. Any exit is drawn; drop-out is in the table, also "
            "as it tells in the share that drops out, where people who left in another way count "
            "as not dropped out (Fine and Gray). Concordance is how often the model says rightly "
            "which of two people leaves first: 0.5 tells nothing. The check asks whether the ratio "
            "changes with time: where its p value is small, one number does not tell the whole. "
            f"{text.ASSOCIATION}"
        ),
        norwegian=(
            "Hvor mye tidligere en gruppe avslutter enn referansen (hasardratio), med test av om "
            "forholdet er det samme over tid, og hvor godt modellen skiller (konkordans). "
            "Sammenheng, ikke effekt."
        ),
        table=_ratio_table(rows),
        chart=_forest,
        caution=text.CAUTION,
        shown=rows.filter(
            pl.col("estimate").is_not_null(), exit_type="any", hazard=CAUSE_SPECIFIC
        ).select(*RATIO, "model", "factor", kind=pl.col("kind").replace(KIND_PANELS)),
        notes=(
            "People of a group with fewer than 5 exits are left out of the model.",
            "An interval that reaches the edge of the chart may go on beyond it.",
            (
                "Each p value speaks of its own ratio; among so many, some are small by chance "
                "alone. They are not adjusted for that."
            ),
        ),
    )


def _ratios(cohort: Cohort) -> pl.DataFrame:
    """derived.retention_hazard with the factor in words; estimates of few people are null.

    A subdistribution hazard that was not estimated is no row of the page.
    """
    rows = by_kind(cohort.rows("derived.retention_hazard", exit_type=SHOWN_EXITS))
    events, people = pl.col("n_level_events"), pl.col("n_level")
    hidden = share_hidden(events, people, cohort.rule) | percentage_hidden(people, cohort.rule)
    words = [
        f"{STRATUM_BY.label(factor)}: {' v. '.join(_level(cohort, factor, code) for code in codes)}"
        for factor, *codes in rows.select("factor", "level", "reference").iter_rows()
    ]
    hidden &= pl.col("estimate").is_not_null()
    marked = rows.with_columns(hidden=hidden, factor=pl.Series(words, dtype=pl.String))
    marked = marked.filter((pl.col("hazard") == CAUSE_SPECIFIC) | pl.col("estimate").is_not_null())
    return without(marked, pl.col("hidden"), [*RATIO, "p_value", "ph_p_value", "concordance"])


def _level(cohort: Cohort, factor: str, code: str) -> str:
    return {"true": "yes", "false": "no"}.get(code) or cohort.stratum(factor, code)


def _forest(shown: pl.DataFrame) -> Spec:
    """A panel per kind of retention: the factors down, the ratios with their intervals across."""
    factors, models = in_order(shown, "factor"), [m for m in MODELS if m in set(shown["model"])]
    bounds = [*shown["ci_high"], *(1 / low for low in shown["ci_low"] if low > 0), 2.0]
    end = min(max(bounds), WIDEST)
    ticks = [tick for tick in (0.1, 0.25, 0.5, 1, 2, 4, 10) if 1 / end <= tick <= end]
    scale = {"type": "log", "domain": [1 / end, end], "clamp": True, "nice": False}
    across = {"scale": scale, "title": "Hazard ratio", "axis": {"values": ticks, "format": "~g"}}
    beside = {"yOffset": name("model", models)} if len(models) > 1 else {}
    of_factor = {
        "y": name("factor", factors, axis={**PLAIN, "grid": True}),
        "color": colour("model", {model: MODELS[model] for model in models}),
        **beside,
    }
    interval = {"x": number("ci_low", **across), "x2": {"field": "ci_high"}, **of_factor}
    estimate = {"x": number("estimate", **across), **of_factor}
    panel = {
        "width": PANEL_WIDTH,
        "height": 24 * len(factors),
        "layer": [
            mark("rule", {"x": {"datum": 1}}, color=GREY, strokeDash=[3, 3]),
            mark("rule", interval, strokeWidth=1.8),
            mark("circle", estimate, size=46, opacity=1),
        ],
    }
    return panels(panel, "kind", list(KIND_PANELS.values()), columns=1)


def _ratio_table(rows: pl.DataFrame) -> str:
    """A row per kind, exit, hazard and factor, the two models side by side."""
    keys = ("kind", "exit_type", "hazard", "factor")
    by: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows.iter_rows(named=True):
        by.setdefault(tuple(row[key] for key in keys), {})[row["model"]] = row
    headers = ["Retention", "Exit", "Hazard", "Characteristic"]
    of_model = ["p", "p, check", "Concordance"]
    return text.table(
        [*headers, "Alone (95 %)", *of_model, "In one model (95 %)", *of_model],
        (
            [
                KINDS[kind],
                HAZARD_EXIT.label(exit_type),
                HAZARD.label(hazard),
                factor,
                *(cell for model in MODELS for cell in _ratio_cells(models.get(model))),
            ]
            for (kind, exit_type, hazard, factor), models in by.items()
        ),
    )


def _ratio_cells(row: dict[str, Any] | None) -> tuple[str, ...]:
    """The ratio with its interval, its p value, that of the check, and the concordance."""
    if row is None:
        return (text.MISSING,) * 4
    if row["estimate"] is None:
        absent = text.HIDDEN if row["hidden"] else text.NOT_COMPUTABLE
        return WHY.get(row["reason"], absent), absent, absent, absent
    ratio, low, high = (row[name] for name in RATIO)
    p_value, check = (text.p_value(row[name]) for name in ("p_value", "ph_p_value"))
    concordance = text.MISSING if row["concordance"] is None else f"{row['concordance']:.2f}"
    return f"{ratio:.2f} ({low:.2f} to {high:.2f})", p_value, check, concordance


def retention_life_table(cohort: Cohort) -> Section:
    """The life table beside the curve, on the scheduled days where the curve may be shown."""
    keys = ["kind", "origin", "day"]
    points = scheduled_points(cohort, ["all"]).select(*keys, "hidden", "not_computable")
    rows = by_kind(
        cohort.rows("derived.retention_life_table", stratum_by=["all"]).join(
            points, on=keys, how="left", maintain_order="left"
        )
    )
    unseen = pl.col("hidden").fill_null(value=True)
    waves = zip(cohort.protocol.waves.nominal_days, cohort.wave_time.values(), strict=True)
    times = dict(waves)
    return Section(
        words=(
            "Retention by the intervals between interviews, for exits whose day is not known: a "
            "drop-out noticed at an interview took place at some time since the one before. "
            "People who are lost from sight within an interval count as half in it. The curve, "
            "which puts each exit on the day it was noticed, stands beside it."
        ),
        norwegian="Andelen igjen etter hvert intervall mellom målingene, ved siden av kurven.",
        table=text.table(
            ["Retention", "Since", text.capital(cohort.time_unit), "Life table (95 %)", "Curve"],
            (
                [KINDS[row["kind"]], CLOCK[row["origin"]], times[row["day"]], *_life_cells(row)]
                for row in without(rows, unseen, LIFE_TABLE).iter_rows(named=True)
            ),
        ),
        notes=("A day on which the curve is hidden is hidden here.",),
    )


def _life_cells(row: dict[str, Any]) -> tuple[str, str]:
    absent = text.NOT_COMPUTABLE if row["not_computable"] else text.HIDDEN
    retained, low, high, curve = (row[name] for name in LIFE_TABLE)
    return text.share(retained, low, high, absent), text.percent(curve, absent)
