"""Retention compared between strata: log-rank, stratified log-rank and Gray's test.

Belongs here: derived.retention_comparison from counts. An association, never an effect.
Does not belong here: the tests themselves (see `statistics`), hazard ratios.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from registry_pipeline.derivations.retention_counts import Counted
from registry_pipeline.derivations.retention_curves import or_not_computable
from registry_pipeline.derivations.strata import STRATA
from registry_pipeline.statistics.comparison import log_rank
from registry_pipeline.statistics.competing import gray_test
from registry_pipeline.statistics.grouping import GROUP

STRATIFIED_BY: Final = {by: "sex" if by == "age_group" else "age_group" for by in STRATA}
"""Compared variable to the one that the stratified log-rank test holds fixed."""

COMPARED: Final = ["kind", "origin", "stratum_by"]
TEST: Final = [GROUP, "test", "exit_type"]
ANY_EXIT: Final = pl.lit("any").alias("exit_type")
N: Final = pl.col("n")


def comparison(counted: Counted) -> pl.DataFrame:
    """The tests of the known strata of each variable, with the columns of the table's numbers.

    The log-rank test has a row for every kind, clock and variable, with a reason where there is
    nothing to compare. On the protocol's own clock it is also stratified (see `STRATIFIED_BY`),
    and Gray's test has a row per exit type that occurs.
    """
    named = counted.groups.filter(pl.col("stratum_by") != "all")
    strata = pl.Enum(named["stratum"].unique().sort())
    named = named.with_columns(pl.col("stratum").cast(strata))
    compared = named.group_by(*COMPARED, "is_main").agg(n_total=N.sum()).sort(COMPARED)
    compared = compared.with_row_index(GROUP)
    own_clock = compared.filter("is_main")
    exits, entries = (
        _by_test(frame, named, compared) for frame in (counted.exits, counted.entries)
    )
    own_exits, own_entries = (
        frame.join(own_clock, on=GROUP, how="semi") for frame in (exits, entries)
    )
    by_type = gray_test(own_exits, own_entries, [GROUP], "stratum")
    within = log_rank(*_within(counted.cells, own_clock, strata), [GROUP], "stratum", ["within"])
    made = [
        log_rank(exits, entries, [GROUP], "stratum").with_columns(ANY_EXIT),
        within.with_columns(ANY_EXIT),
        by_type,
    ]
    asked = [
        compared.select(GROUP, ANY_EXIT, test=pl.lit("log_rank")),
        own_clock.select(GROUP, ANY_EXIT, test=pl.lit("stratified_log_rank")),
        by_type.select(TEST),
    ]
    fixed = pl.col("stratum_by").replace_strict(STRATIFIED_BY, return_dtype=pl.String)
    return (
        pl.concat(asked, how="diagonal")
        .join(pl.concat(made, how="diagonal"), on=TEST, how="left")
        .join(compared, on=GROUP)
        .with_columns(pl.col("n", "n_events").fill_null(0))
        .with_columns(
            n_missing=pl.col("n_total") - N,
            stratified_by=pl.when(pl.col("test") == "stratified_log_rank").then(fixed),
            reason=or_not_computable("reason"),
        )
        .sort(TEST)
    )


def _by_test(moves: pl.DataFrame, named: pl.DataFrame, compared: pl.DataFrame) -> pl.DataFrame:
    """Exits or entries of the known strata, by the test they go into (group_id) and stratum."""
    known = named.filter(pl.col("stratum") != "unknown").rename({GROUP: "curve_id"})
    members = known.join(compared, on=COMPARED).select("curve_id", GROUP, "stratum")
    return moves.rename({GROUP: "curve_id"}).join(members, on="curve_id").drop("curve_id")


def _within(
    cells: pl.DataFrame, compared: pl.DataFrame, strata: pl.Enum
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Exits and entries by test, stratum, and the value `within` of the variable held fixed."""
    tests = compared.select(GROUP, *COMPARED)
    parts = []
    for by, fixed in STRATIFIED_BY.items():
        labels = {"stratum": pl.col(by).cast(strata), "within": pl.col(fixed).cast(strata)}
        known = [pl.col(name) != "unknown" for name in (by, fixed)]
        rows = cells.filter(*known).join(tests.filter(stratum_by=by), on=["kind", "origin"])
        parts.append(rows.select(GROUP, "entry_day", "exit_day", "exit_type", "n", **labels))
    rows = pl.concat(parts)
    keys = [GROUP, "stratum", "within"]
    return (
        rows.group_by(*keys, "exit_type", day="exit_day").agg(N.sum()),
        rows.group_by(*keys, day="entry_day").agg(N.sum()),
    )
