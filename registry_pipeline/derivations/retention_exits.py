"""How people leave: exits by type, retention under other gap rules, early drop-out.

Belongs here: the tables of `schemas.derived.exits` from counts.
Does not belong here: the curves (see `retention_curves`), tests between strata (see
`retention_comparison`), formulas (see `statistics`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from registry_pipeline.derivations.hazard_models import METHOD as HAZARD_METHOD
from registry_pipeline.derivations.retention_comparison import comparison
from registry_pipeline.derivations.retention_counts import Counted
from registry_pipeline.derivations.retention_curves import (
    KAPLAN_MEIER,
    at,
    method,
    or_not_computable,
    sensitivity_days,
)
from registry_pipeline.derivations.retention_hazard import hazards
from registry_pipeline.derivations.strata import roll_up
from registry_pipeline.statistics.competing import incidence_on_exits
from registry_pipeline.statistics.grouping import GROUP
from registry_pipeline.statistics.intervals import with_wilson
from registry_pipeline.version import as_table
from schemas.codes import DROP_OUT
from schemas.derived.exits import (
    CumulativeIncidence,
    EarlyDropout,
    RetentionComparison,
    RetentionSensitivity,
)
from schemas.derived.hazards import RetentionHazard
from schemas.fields import describe
from schemas.protocol import Protocol, Waves

AALEN_JOHANSEN: Final = "Aalen-Johansen, log-log interval"
CHI_SQUARED: Final = "chi-squared score test"
WILSON: Final = "share of those followed from day 0 until the day or their exit, Wilson interval"

N: Final = pl.col("n")


def exit_tables(
    counted: Counted, by_gap: Mapping[int, pl.DataFrame], protocol: Protocol
) -> dict[str, pl.DataFrame]:
    """The five tables of exits of one cohort.

    Exits by type and the log-rank test are given on every clock, the rest on the protocol's own.

    Args:
        counted: the counts under the protocol's gap rule.
        by_gap: gap in days to the curves `on_days` under that rule, at least on its own clock.
        protocol: the cohort's protocol.
    """
    early = [_early_dropout(counted, day) for day in protocol.retention.early_days]
    made = (
        (CumulativeIncidence, _incidence(counted), AALEN_JOHANSEN),
        (RetentionComparison, comparison(counted), CHI_SQUARED),
        (RetentionHazard, hazards(counted, protocol), HAZARD_METHOD),
        (RetentionSensitivity, _sensitivity(by_gap, protocol.waves), KAPLAN_MEIER),
        (EarlyDropout, pl.concat(early), WILSON),
    )
    return {
        describe(model).full_name: as_table(frame, model, cohort=protocol.id, method=method(text))
        for model, frame, text in made
    }


def _incidence(counted: Counted) -> pl.DataFrame:
    """Cumulative incidence of each exit type on the days with such an exit."""
    return counted.labelled(incidence_on_exits(counted.exits, counted.curve, [GROUP]))


def _sensitivity(by_gap: Mapping[int, pl.DataFrame], waves: Waves) -> pl.DataFrame:
    """Retention in treatment and pathway at 12 and 24 months under each gap rule."""
    days = sensitivity_days(waves)
    rows = [at(read, days).with_columns(gap_days=pl.lit(gap)) for gap, read in by_gap.items()]
    return pl.concat(rows).filter(pl.col("is_main") & (pl.col("kind") != "study"))


def _early_dropout(counted: Counted, day: int) -> pl.DataFrame:
    """Drop-out up to and including one day, among the episodes whose fate by then is known.

    It is not known of those censored before the day, nor of those who entered after day 0: had
    they left by then, they would not be here.
    """
    exit_type, left_by_then = pl.col("exit_type"), pl.col("exit_day") <= day
    late, left = pl.col("entry_day") > 0, pl.col("exit_type").is_not_null()
    gone, dropped = left & left_by_then & ~late, exit_type.is_in(DROP_OUT)
    fates = {
        "n_missing": late | (~left & (pl.col("exit_day") < day)),
        "n_dropout": gone & dropped,
        "n_unknown_exit": gone & (exit_type == "unknown"),
        "n_other_exit": gone & ~dropped & (exit_type != "unknown"),
    }
    cells = counted.cells.with_columns(
        pl.when(fate).then("n").otherwise(0).alias(name) for name, fate in fates.items()
    )
    summed = roll_up(cells, ["kind", "origin"], list(fates))
    keys = ["kind", "origin", "stratum_by", "stratum"]
    rows = (
        counted.groups.filter("is_main")
        .select(GROUP, *keys, "n")
        .join(summed, on=keys, how="left", maintain_order="left")
        .with_columns(pl.col(*fates).fill_null(0), day=pl.lit(day), reason=pl.lit(None, pl.String))
        .with_columns(denominator=N - pl.col("n_missing"))
        .drop(keys)
    )
    shares = with_wilson(rows, "n_dropout", "denominator", estimate="share")
    return counted.labelled(shares.with_columns(reason=or_not_computable("reason", "denominator")))
