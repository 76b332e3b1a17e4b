"""The pages on use over all waves and all substances: change per month, several substances.

Belongs here: derived.substance_slope and derived.poly_use drawn and put in words.
Does not belong here: one substance wave by wave (see `substances`).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort, place
from registry_pipeline.charts.svg import (
    BLUE,
    GREY,
    PANEL_WIDTH,
    Spec,
    in_order,
    mark,
    number,
    panels,
    percent,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import (
    is_small,
    percentage_hidden,
    share_hidden,
    without,
)
from schemas.result_codes import POLY_MEASURE, SLOPE_MODEL

SLOPE: Final = ["estimate", "ci_low", "ci_high"]
FILLED: Final = ["missing_is_use", "missing_is_use_ci_low", "missing_is_use_ci_high"]
SHARES: Final = ("any_illicit", "two_or_more", "injection", "primary_substance")
"""The measures that are shown: the rest could be taken apart by subtraction."""


def substance_slope(cohort: Cohort) -> Section:
    """Change of use per month, substance by substance."""
    rows = cohort.rows("derived.substance_slope", stratum_by=["all"])
    answers, users = pl.col("n_observations"), pl.col("n_events")
    hidden = share_hidden(users, answers, cohort.rule) | percentage_hidden(pl.col("n"), cohort.rule)
    safe = without(rows.with_columns(hidden=hidden), pl.col("hidden"), [*SLOPE, "p_value"])
    cells = {(row["substance"], row["model"]): row for row in safe.iter_rows(named=True)}
    return Section(
        words=(
            "How use changes per month over the waves, along a straight line through everyone's "
            "answers: days of 28 by two models, and the odds of any use. A person's answers "
            "belong together, and the intervals allow for that. An interval that holds 0 days, "
            "or odds of 1, does not tell a change from none. Missing answers are left out; the "
            "mixed model asks less of why they are missing."
        ),
        norwegian="Endring i bruk per måned, i dager av 28 og i odds for noe bruk.",
        table=text.table(
            ["Substance", *(text.capital(SLOPE_MODEL.label(model)) for model in SLOPE_MODEL.codes)],
            (
                [label, *(_slope_cell(cells.get((code, model))) for model in SLOPE_MODEL.codes)]
                for code, label in cohort.substances.items()
                if (code, SLOPE_MODEL.codes[0]) in cells
            ),
        ),
        notes=(
            (
                f"`{text.NOT_COMPUTABLE}`: fewer than 15 people, fewer than 10 answers of a kind, "
                "or answers that no line can be fitted to."
            ),
        ),
    )


def _slope_cell(row: dict[str, Any] | None) -> str:
    """The change per month with its interval."""
    if row is None:
        return text.MISSING
    if row["estimate"] is None:
        return text.HIDDEN if row["hidden"] else text.NOT_COMPUTABLE
    sign = "" if row["measure"] == "odds_ratio" else "+"
    value, low, high = (format(row[name], f"{sign}.3f") for name in SLOPE)
    return f"{value} ({low} to {high})"


def poly_use(cohort: Cohort) -> Section:
    """Any illicit substance, two or more, injection and the primary one, wave by wave."""
    rows = _shares(cohort)
    labels = {code: f"{text.capital(en)}|{text.capital(nb)}" for code, (nb, en) in _words().items()}
    drawn = rows.filter(pl.col("estimate").is_not_null()).select(
        pl.col(*SLOPE, "missing").round(2),  # all digits of a share would tell its denominator
        panel=pl.col("measure").replace(labels),
        x=pl.col("wave").replace_strict(
            {wave: float(time) for wave, time in cohort.wave_time.items()},
            return_dtype=pl.Float64,
        ),
        unit=pl.lit(cohort.time_unit),
    )
    return Section(
        words=(
            "Use over all substances asked about, of those who answered: any illicit substance, "
            "two or more substances, injection, and the person's primary substance, with the "
            "95 % interval as a band. The dashed line is the share missing of those expected; "
            "the table also counts the missing as use."
        ),
        norwegian="Bruk av flere rusmidler, injisering og hovedrusmiddel, med andelen som mangler.",
        table=_table(rows, cohort),
        chart=_chart,
        shown=drawn,
        notes=("Prescribed medicine is never use; alcohol counts as a substance.",),
    )


def _words() -> dict[str, tuple[str, str]]:
    return {code: POLY_MEASURE.labels[code] for code in SHARES}


def _shares(cohort: Cohort) -> pl.DataFrame:
    """derived.poly_use for everyone, hidden numbers null; `missing` is the share missing.

    Where users are few the missing are hidden too: other pages tell both together.
    """
    rule = cohort.rule
    rows = cohort.rows("derived.poly_use", stratum_by=["all"], measure=SHARES)
    few_seen, few = (percentage_hidden(pl.col(n), rule) for n in ("n_observed", "n_expected"))
    split = share_hidden(pl.col("numerator"), pl.col("n_observed"), rule)
    small = is_small(pl.col("n_missing"), rule)
    share = pl.when(pl.col("n_expected") > 0).then(pl.col("n_missing") / pl.col("n_expected"))
    marked = rows.with_columns(missing=share, split=split | few_seen, small=small | few)
    safe = without(marked, pl.col("split"), SLOPE)
    safe = without(safe, pl.col("split") | pl.col("small"), FILLED)
    safe = without(safe, pl.col("split") | pl.col("small"), ["missing", "n_missing"])
    return safe.sort(place("measure", SHARES), "wave", maintain_order=True)


def _chart(shown: pl.DataFrame) -> Spec:
    """A panel per measure: the share with its band, the missing share dashed."""
    ticks = shown["x"].unique().sort().to_list()
    title = f"{text.capital(shown['unit'][0])} since baseline"
    x = number("x", title=title, axis={"values": ticks, "format": ".0f", "grid": False})
    observed = {"y": percent("estimate", "Share")}
    band = {"y": percent("ci_low", "Share"), "y2": {"field": "ci_high"}}
    missing = {"y": percent("missing", "Share")}
    panel = {
        "width": PANEL_WIDTH,
        "height": 120,
        "encoding": {"x": x},
        "layer": [
            mark("area", band, color=BLUE, opacity=0.18),
            mark("line", observed, color=BLUE, strokeWidth=2.2),
            mark("circle", observed, color=BLUE, size=30, opacity=1),
            mark("line", missing, color=GREY, strokeDash=[4, 3],
                 only="isValid(datum.missing)"),
        ],
    }  # fmt: skip
    return panels(panel, "panel", in_order(shown, "panel"), columns=2)


def _table(rows: pl.DataFrame, cohort: Cohort) -> str:
    """A row per measure and missing rule, the waves as columns."""
    waves = sorted(rows["wave"].unique())
    cells = {(row["measure"], row["wave"]): row for row in rows.iter_rows(named=True)}
    lines = []
    for code, (_, label) in _words().items():
        of_wave = [cells[code, wave] for wave in waves if (code, wave) in cells]
        if of_wave:
            lines += [
                [text.capital(label), what, *(cell(row, cohort) for row in of_wave)]
                for what, cell in (
                    ("of those who answered", _observed),
                    ("missing as use", _filled),
                    ("missing", _missing),
                )
            ]
    times = (f"{cohort.wave_time[wave]} {cohort.time_unit}" for wave in waves)
    return text.table(["Measure", "Share", *times], lines)


def _observed(row: dict[str, Any], _: Cohort) -> str:
    share, low, high = (row[name] for name in SLOPE)
    return text.share(share, low, high, text.absent(row["n_observed"]))


def _filled(row: dict[str, Any], _: Cohort) -> str:
    share, low, high = (row[name] for name in FILLED)
    return text.share(share, low, high, text.absent(row["n_expected"]))


def _missing(row: dict[str, Any], cohort: Cohort) -> str:
    return text.count(row["n_missing"], cohort.rule)
