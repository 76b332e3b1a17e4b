"""Movements between states and the entropy of a wave, from counts.

Belongs here: shares of a row with their intervals, and the entropy of a wave.
Does not belong here: what a state is, or which waves are adjacent.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.intervals import BOUNDARY, Z95, with_wilson


def row_shares(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Share that moves to each state among all who were in the state before.

    Args:
        frame: `*by`, `from_state`, `to_state`, `n`; one row per pair of states.
        by: grouping columns, none for one table.

    Returns:
        The frame, sorted, with `n_from`, `probability`, `ci_low`, `ci_high` (Wilson) and
        `reason`: not_computable where nobody was in `from_state`.
    """
    group = [*by, "from_state"]
    totals = frame.sort(*group, "to_state").with_columns(
        n_from=pl.col("n").cast(pl.Int64).sum().over(group)
    )
    return with_wilson(totals, "n", "n_from", estimate="probability").with_columns(
        reason=pl.when(pl.col("probability").is_null()).then(pl.lit(reasons.NOT_COMPUTABLE))
    )


def entropy(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Shannon entropy of the state distribution, in nats: 0 where all are in one state.

    The interval is normal, its error by the delta method (Basharin 1959), and not below 0.

    Args:
        frame: `*by`, `state`, `n`; one row per state.
        by: grouping columns, at least one.

    Returns:
        One row per group: `*by`, `n_total`, `entropy`, `ci_low`, `ci_high`, `reason`
        (not_computable where n is 0; no_variation where the states seen are equally frequent, so
        that the error would be 0).
    """
    share = pl.col("n") / pl.col("n").sum()
    seen, log, total = pl.col("n") > 0, share.log(), pl.col("n_total")
    spread = (pl.col("squares") - pl.col("entropy") ** 2) / total
    half = pl.when(spread > BOUNDARY / total).then(Z95 * spread.sqrt())
    return (
        frame.sort(*by, "state")
        .group_by(*by, maintain_order=True)
        .agg(
            n_total=pl.col("n").cast(pl.Int64).sum(),
            entropy=pl.when(seen).then(-share * log).sum(),
            squares=pl.when(seen).then(share * log**2).sum(),
        )
        .with_columns(entropy=pl.when(total > 0).then(pl.col("entropy")))
        .with_columns(
            ci_low=(pl.col("entropy") - half).clip(lower_bound=0.0),
            ci_high=pl.col("entropy") + half,
        )
        .with_columns(
            reason=pl.when(total == 0)
            .then(pl.lit(reasons.NOT_COMPUTABLE))
            .when(pl.col("ci_low").is_null())
            .then(pl.lit(reasons.NO_VARIATION))
        )
        .drop("squares")
    )
