"""The page on use of substances wave by wave.

Belongs here: derived.substance_trend drawn and put in words.
Does not belong here: moves between waves and whole courses (see `trajectories`), outcomes by
pathway (see `pathways`).
"""

from __future__ import annotations

from typing import Any, Final

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
    Spec,
    in_order,
    panels,
    stacked_by_wave,
)
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    parts_together,
    percentage_hidden,
    with_parts_hidden_along,
    without,
)

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
USE: Final = ("n_episodic", "n_regular")
OF: Final = ["substance", "wave"]
OBSERVED: Final = ["any_use", "any_use_ci_low", "any_use_ci_high"]
EXPECTED: Final = [name.replace("any_use", "any_use_missing_is_use") for name in OBSERVED]


def substance_trend(cohort: Cohort) -> Section:
    """States of use by wave, a panel per substance or group."""
    rows = cohort.rows("derived.substance_trend", stratum_by=["all"])
    parts = _states(rows, cohort)
    together = parts_together(parts, OF, "state", "n", text.TOGETHER, rule=cohort.rule)
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
            (
                "Use is non-prescribed use in the last 28 days; what lies between two recall "
                "periods is unseen. A group's state is the highest of its substances."
            ),
            text.parts_note(cohort.rule),
        ),
    )


def _states(rows: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """People by substance, wave and state, with `hidden`.

    The moves from a state over all waves are how often it was seen, so a wave is not hidden alone.
    Other pages tell how many use a group of substances, unless they are few.
    """
    parts = rows.unpivot(list(STATES), index=OF, variable_name="state", value_name="n")
    is_use, groups = pl.col("state").is_in(USE), [group.code for group in cohort.protocol.groups]
    users = pl.col("n").filter(is_use).sum().over(OF)
    is_told = pl.col("substance").is_in(groups) & (users >= cohort.rule.min_count)
    told = parts.with_columns(told=pl.when(is_told).then(is_use.cast(pl.String)).otherwise("state"))
    margins = (OF, ["substance", "state"], [*OF, "told"])
    return with_parts_hidden_along(told, margins, "n", cohort.rule)


def _chart(shown: pl.DataFrame) -> Spec:
    """A panel of stacked bars per substance."""
    bars = stacked_by_wave(shown, "Of the expected", COLOURS)
    panel = {"width": PANEL_WIDTH, "height": 105, **bars}
    return panels(panel, "panel", in_order(shown, "panel"))


def _table(rows: pl.DataFrame, parts: pl.DataFrame, cohort: Cohort) -> str:
    """A row per substance and measure, the waves as columns."""
    safe = _safe(rows, parts, cohort)
    cells = {(row["substance"], row["wave"]): _cells(row) for row in safe.iter_rows(named=True)}
    waves = sorted({wave for _, wave in cells})
    measures = next(iter(cells.values()), {})
    return text.table(
        ["Substance", "Measure", *(f"{cohort.wave_time[w]} {cohort.time_unit}" for w in waves)],
        (
            [label, measure, *(cells[code, wave][measure] for wave in waves)]
            for code, label in cohort.substances.items()
            for measure in measures
            if (code, waves[0]) in cells
        ),
    )


def _safe(rows: pl.DataFrame, parts: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """The rows with hidden numbers null: those that a hidden state would follow from, too."""
    rule = cohort.rule
    hidden = parts.pivot("state", index=OF, values=HIDDEN)
    marked = rows.join(hidden, on=OF, suffix="_hidden")
    no_use, missing = pl.col("n_abstinent_hidden"), pl.col("n_missing_hidden")
    few_seen, few = (percentage_hidden(pl.col(n), rule) for n in ("n_observed", "n_expected"))
    safe = without(marked, no_use | missing | few_seen, [*OBSERVED, "mean_days"])
    return without(without(safe, no_use | few, EXPECTED), missing, ["n_missing"])


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """Measure to its cell, for one substance and wave."""
    seen, expected = text.absent(row["n_observed"]), text.absent(row["n_expected"])
    share, low, high = (row[name] for name in OBSERVED)
    all_share, all_low, all_high = (row[name] for name in EXPECTED)
    return {
        "any use, of those who answered": text.share(share, low, high, seen),
        "any use, missing as use": text.share(all_share, all_low, all_high, expected),
        "mean days of 28": text.number(row["mean_days"], seen),
        "missing": text.HIDDEN if row["n_missing"] is None else str(row["n_missing"]),
    }
