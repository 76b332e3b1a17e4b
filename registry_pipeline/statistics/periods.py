"""A rate is of one period: where numerator and denominator are of two, it is refused.

Belongs here: the refusal, for every table of shares.
Does not belong here: who was looked for until when (see `indicators.engine`, and the
programmes' tables).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from registry_pipeline.statistics import reasons


def refused_over_two_periods(
    frame: pl.DataFrame, unseen: pl.Expr, values: Sequence[str] = ("value", "ci_low", "ci_high")
) -> pl.DataFrame:
    """No value, and `periods_differ`, where some of the denominator were not looked for.

    Whoever counts in a denominator and was not looked for over the whole time in which the
    numerator may come makes the two counts of different periods: 86 of 228, when 58 of the 228
    were asked about in other months, is no share of anything.

    Args:
        frame: shares, with `reason`.
        unseen: how many of the denominator are not fulfilled and were not looked for until the
            end of their time.
        values: the columns made null.
    """
    differ = (unseen > 0).fill_null(value=False)
    return frame.with_columns(
        pl.when(~differ).then(pl.col(values)),
        reason=pl.when(differ).then(pl.lit(reasons.PERIODS_DIFFER)).otherwise("reason"),
    )
