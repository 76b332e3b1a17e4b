"""How people leave: exits by type, tests between strata, other gap rules, early drop-out.

Belongs here: the tables of `schemas.derived.exits` from counts.
Does not belong here: the curves (see `retention_curves`), formulas (see `statistics`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from registry_pipeline.derivations.retention_counts import CURVE, Counted, with_left_out
from registry_pipeline.derivations.retention_curves import (
    KAPLAN_MEIER,
    method,
    on_days,
    or_not_computable,
)
from registry_pipeline.derivations.strata import STRATA, roll_up
from registry_pipeline.derivations.version import as_table
from registry_pipeline.statistics.comparison import log_rank
from registry_pipeline.statistics.competing import cumulative_incidence, gray_test
from registry_pipeline.statistics.intervals import with_wilson
from schemas.codes import DROP_OUT
from schemas.derived.exits import (
    CumulativeIncidence,
    EarlyDropout,
    RetentionComparison,
    RetentionSensitivity,
)
from schemas.fields import describe
from schemas.protocol import Protocol, Waves

AALEN_JOHANSEN: Final = "Aalen-Johansen, log-log interval"
CHI_SQUARED: Final = "chi-squared score test"
WILSON: Final = "share of those followed from day 0 until the day or their exit, Wilson interval"

SENSITIVITY_MONTHS: Final = (12, 24)
HALF_A_MONTH: Final = 15
STRATIFIED_BY: Final = {by: "sex" if by == "age_group" else "age_group" for by in STRATA}
"""Compared variable to the one that the stratified log-rank test holds fixed."""

TEST: Final = ["kind", "origin", "stratum_by"]
KEYS: Final = [*TEST, "test", "exit_type"]
LEFT: Final = pl.col("exit_type").is_not_null()
N: Final = pl.col("n")


def exit_tables(
    counted: Counted, other_gaps: Mapping[int, Counted], protocol: Protocol
) -> dict[str, pl.DataFrame]:
    """The four tables of exits of one cohort.

    Args:
        counted: the counts under the protocol's gap rule.
        other_gaps: gap in days to the counts under that rule, without the kind study.
        protocol: the cohort's protocol.
    """
    early = [_early_dropout(counted, day) for day in protocol.retention.early_days]
    made = (
        (CumulativeIncidence, _incidence(counted), AALEN_JOHANSEN),
        (RetentionComparison, _comparison(counted), CHI_SQUARED),
        (RetentionSensitivity, _sensitivity(other_gaps, protocol.waves), KAPLAN_MEIER),
        (EarlyDropout, pl.concat(early), WILSON),
    )
    return {
        describe(model).full_name: as_table(frame, model, cohort=protocol.id, method=method(text))
        for model, frame, text in made
    }


def sensitivity_days(waves: Waves) -> dict[int, int]:
    """Day to month for 12 and 24 months: the nominal day of the month, else its own, half up."""
    days = {}
    for month in SENSITIVITY_MONTHS:
        own = (month * 487 + 8) // 16
        distance, nominal = min((abs(day - own), day) for day in waves.nominal_days)
        days[nominal if distance <= HALF_A_MONTH else own] = month
    return days


def _incidence(counted: Counted) -> pl.DataFrame:
    """Cumulative incidence of each exit type on the days with such an exit."""
    keys = [*CURVE, "exit_type", "day"]
    own = counted.exits.filter(LEFT).group_by(keys).agg(n_event=N.sum())
    rows = counted.estimate(cumulative_incidence).join(own.cast({"day": pl.Int64}), on=keys)
    return with_left_out(rows, counted.groups).sort(keys)


def _comparison(counted: Counted) -> pl.DataFrame:
    """Log-rank, stratified log-rank and Gray's tests of the known strata of each variable.

    The log-rank tests have a row for every kind, origin and variable, with a reason where there
    is nothing to compare; Gray's test has one per exit type that occurs.
    """
    known = (pl.col("stratum_by") != "all") & (pl.col("stratum") != "unknown")
    exits, entries = counted.exits.filter(known), counted.entries.filter(known)
    exits_within, entries_within = (
        _within(counted.cells, day) for day in ("exit_day", "entry_day")
    )
    any_exit = pl.lit("any").alias("exit_type")
    tests = [
        log_rank(exits, entries, TEST, "stratum").with_columns(any_exit),
        log_rank(exits_within, entries_within, TEST, "stratum", ["within"]).with_columns(any_exit),
        gray_test(exits, entries, TEST, "stratum"),
    ]
    columns = [*KEYS, "statistic", "df", "p_value", "n", "n_events", "reason"]
    made = pl.concat(test.select(columns) for test in tests)
    grid = counted.groups.filter(known).select(TEST).unique()
    names = pl.DataFrame({"test": ["log_rank", "stratified_log_rank"], "exit_type": ["any"] * 2})
    rows = pl.concat([grid.join(names, how="cross"), made.select(KEYS)]).unique()
    total = counted.exits.group_by(TEST).agg(n_total=N.sum())
    fixed = pl.col("stratum_by").replace_strict(STRATIFIED_BY, return_dtype=pl.String)
    return (
        rows.join(made, on=KEYS, how="left")
        .join(total, on=TEST, how="left")
        .with_columns(pl.col("n", "n_events", "n_total").fill_null(0))
        .with_columns(
            n_missing=pl.col("n_total") - N,
            stratified_by=pl.when(pl.col("test") == "stratified_log_rank").then(fixed),
            reason=or_not_computable("reason"),
        )
        .sort(KEYS)
    )


def _within(cells: pl.DataFrame, day: str) -> pl.DataFrame:
    """The cells by compared variable, its value and the value `within` of the one held fixed."""
    kept = [*TEST, "stratum", "within", "day", *(["exit_type"] if day == "exit_day" else [])]
    parts = [
        cells.with_columns(
            stratum_by=pl.lit(by), stratum=pl.col(by), within=pl.col(fixed), day=pl.col(day)
        )
        for by, fixed in STRATIFIED_BY.items()
    ]
    unknown = (pl.col("stratum") == "unknown") | (pl.col("within") == "unknown")
    return pl.concat(parts).filter(~unknown).group_by(kept).agg(N.sum())


def _sensitivity(other_gaps: Mapping[int, Counted], waves: Waves) -> pl.DataFrame:
    days = sensitivity_days(waves)
    parts = [
        on_days(counted, days).filter(pl.col("kind") != "study").with_columns(gap_days=pl.lit(gap))
        for gap, counted in other_gaps.items()
    ]
    return pl.concat(parts).sort(*CURVE, "gap_days", "day")


def _early_dropout(counted: Counted, day: int) -> pl.DataFrame:
    """Drop-out up to and including one day, among the episodes whose fate by then is known.

    It is not known of those censored before the day, nor of those who entered after day 0: had
    they left by then, they would not be here.
    """
    exit_type, by_then = pl.col("exit_type"), pl.col("exit_day") <= day
    late = pl.col("entry_day") > 0
    dropped, unknown = exit_type.is_in(DROP_OUT), exit_type == "unknown"
    fates = {
        "n_missing": late | (~LEFT & (pl.col("exit_day") < day)),
        "n_dropout": ~late & by_then & LEFT & dropped,
        "n_unknown_exit": ~late & by_then & LEFT & unknown,
        "n_other_exit": ~late & by_then & LEFT & ~dropped & ~unknown,
    }
    cells = counted.cells.with_columns(
        pl.when(fate.fill_null(value=False)).then("n").otherwise(0).alias(name)
        for name, fate in fates.items()
    )
    summed = roll_up(cells, ["kind", "origin"], ["n", *fates])
    rows = (
        counted.groups.select(CURVE)
        .join(summed, on=CURVE, how="left")
        .with_columns(pl.col("n", *fates).fill_null(0), day=pl.lit(day))
        .with_columns(denominator=N - pl.col("n_missing"), reason=pl.lit(None, dtype=pl.String))
    )
    shares = with_wilson(rows, "n_dropout", "denominator", estimate="share")
    told = shares.with_columns(reason=or_not_computable("reason", "denominator"))
    return with_left_out(told, counted.groups).sort(CURVE)
