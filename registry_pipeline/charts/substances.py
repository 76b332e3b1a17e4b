"""The page on use of substances wave by wave.

Belongs here: derived.substance_trend drawn and put in words.
Does not belong here: moves between waves and whole courses (see `trajectories`), outcomes by
pathway (see `pathways`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import (
    GREY,
    ORANGE,
    PALE,
    PANEL_WIDTH,
    RED,
    SKY,
    panels,
    stacked_by_wave,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    parts_together,
    percentage_hidden,
    with_parts_hidden,
    without,
)

if TYPE_CHECKING:
    import altair as alt

STATES: Final = {
    "n_abstinent": "no use",
    "n_episodic": "single episodes",
    "n_regular": "regular use",
    "n_missing": "missing",
}
"""The counts that add up to n_expected."""

COLOURS: Final = dict(
    zip((*STATES.values(), text.TOGETHER), (SKY, ORANGE, RED, GREY, PALE), strict=True)
)
OF: Final = ["substance", "wave"]
OBSERVED: Final = ["any_use", "any_use_ci_low", "any_use_ci_high", "mean_days"]
EXPECTED: Final = [
    "any_use_missing_is_use", "any_use_missing_is_use_ci_low", "any_use_missing_is_use_ci_high",
]  # fmt: skip


def substance_trend(cohort: Cohort) -> Section:
    """States of use by wave, a panel per substance or group."""
    rows = cohort.rows("derived.substance_trend", stratum_by=["all"])
    parts = rows.unpivot(list(STATES), index=OF, variable_name="state", value_name="n")
    together = parts_together(parts, OF, "state", "n", cohort.rule, text.TOGETHER)
    return Section(
        words=(
            "Of the people an interview is expected of at each wave, how many had no use, single "
            "episodes or regular use in the last 28 days, and how many are missing (missed, "
            "refused, not asked, or out of treatment). The table gives any use of those who "
            "answered, and of everyone expected with missing counted as use."
        ),
        norwegian="Rusmiddelbruk siste 28 dager ved hver måling, med manglende svar for seg.",
        table=_table(rows, parts, cohort),
        chart=_chart,
        shown=cohort.by_substance(together)
        .filter(~percentage_hidden(pl.col("whole"), cohort.rule))
        .select(
            "panel",
            "wave",
            share=pl.col("n") / pl.col("whole"),
            time=pl.col("wave").replace_strict(cohort.wave_time, return_dtype=pl.String),
            unit=pl.lit(cohort.time_unit),
            part=pl.col("state").replace(STATES),
        ),
        notes=(
            "Use is non-prescribed use in the last 28 days; what lies between two recall periods "
            "is unseen. A group's state is the highest of its substances.",
            text.parts_note(cohort.rule),
        ),
    )


def _chart(shown: pl.DataFrame) -> alt.FacetChart:
    """A panel of stacked bars per substance."""
    bars = stacked_by_wave(shown, "Of the expected", COLOURS)
    substances = shown["panel"].unique(maintain_order=True).to_list()
    return bars.properties(width=PANEL_WIDTH, height=105).facet(
        panels("panel", substances), columns=3, spacing=18
    )


def _table(rows: pl.DataFrame, parts: pl.DataFrame, cohort: Cohort) -> str:
    """A row per substance and measure, the waves as columns."""
    cells = {(row["substance"], row["wave"]): _cells(row) for row in _safe(rows, parts, cohort)}
    waves = sorted({wave for _, wave in cells})
    measures = next(iter(cells.values()), {})
    return text.table(
        ["Substance", "Measure", *(f"{cohort.wave_time[w]} {cohort.time_unit}" for w in waves)],
        (
            [label, measure, *(cells[code, wave][measure] for wave in waves)]
            for code, (label, _) in cohort.substances.items()
            if (code, waves[0]) in cells
            for measure in measures
        ),
    )


def _safe(rows: pl.DataFrame, parts: pl.DataFrame, cohort: Cohort) -> list[dict[str, Any]]:
    """The rows with hidden numbers null: those that a hidden state would follow from, too."""
    rule = cohort.rule
    hidden = with_parts_hidden(parts, OF, "n", rule).pivot("state", index=OF, values=HIDDEN)
    marked = rows.join(hidden, on=OF, suffix="_hidden")
    no_use, missing = pl.col("n_abstinent_hidden"), pl.col("n_missing_hidden")
    few_seen, few = (percentage_hidden(pl.col(n), rule) for n in ("n_observed", "n_expected"))
    safe = without(marked, no_use | missing | few_seen, OBSERVED)
    return without(without(safe, no_use | few, EXPECTED), missing, ["n_missing"]).to_dicts()


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """Measure to its cell, for one substance and wave."""
    seen = text.HIDDEN if row["n_observed"] else text.NOT_COMPUTABLE
    expected = text.HIDDEN if row["n_expected"] else text.NOT_COMPUTABLE
    days = row["mean_days"]
    any_use, low, high, _ = (row[name] for name in OBSERVED)
    return {
        "any use, of those who answered": text.share(any_use, low, high, seen),
        "any use, missing as use": text.share(*(row[name] for name in EXPECTED), absent=expected),
        "mean days of 28": seen if days is None else f"{days:.1f}",
        "missing": text.HIDDEN if row["n_missing"] is None else str(row["n_missing"]),
    }
