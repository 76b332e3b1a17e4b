"""Small numbers: which cells of a table, parts of a whole and points of a curve are hidden.

Belongs here: the rules within one table, as expressions and frame functions that say what is
hidden. Does not belong here: the thresholds (see `schemas.protocol.Disclosure`), what two tables
or two publications give away together, and how a hidden cell is written.

A cell is a count of people or events. With the default threshold a count of 1 to 4 is small; 0
is not, since nobody is behind it, but it is hidden where showing it would give another cell away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from schemas.protocol import Disclosure

HIDDEN: Final = "hidden"
"""The column of booleans the functions add."""


def is_small(count: pl.Expr, rule: Disclosure) -> pl.Expr:
    """Whether a count is more than nothing and below the threshold; null where it is null."""
    return (count > 0) & (count < rule.min_count)


def share_hidden(numerator: pl.Expr, denominator: pl.Expr, rule: Disclosure) -> pl.Expr:
    """Whether the numerator of a share is hidden: it, its complement or the denominator is small.

    None of a denominator, and all of it, are shown where the denominator itself is.
    """
    parts = (numerator, denominator - numerator, denominator)
    return pl.any_horizontal(is_small(part, rule) for part in parts).fill_null(value=False)


def percentage_hidden(denominator: pl.Expr, rule: Disclosure) -> pl.Expr:
    """Whether a denominator, unless it is 0, is too small to print a percentage or a mean of."""
    return ((denominator > 0) & (denominator < rule.min_percentage_denominator)).fill_null(
        value=False
    )


def with_company(
    frame: pl.DataFrame, by: Sequence[str], n: str, hidden: pl.Expr, rule: Disclosure
) -> pl.DataFrame:
    """Adds `hidden`: the cells hidden for their own sake, and those hidden to protect them.

    The cells of a group add up to a total that is known. One hidden cell is the total less the
    others, so the next smallest cells are hidden too, nonzero ones first, until at least two are
    hidden, their sum is not small itself, and it is more than one for each (else all are ones).
    Where even all cells do not reach that, all are hidden. This stops subtraction; it does not
    stop reasoning about which cells the rule would have picked.

    Args:
        frame: one row per cell; columns `by` and `n` (a count; null counts as 0).
        by: columns of the group whose total is known, at least one.
        n: the column of counts.
        hidden: the cells hidden for their own sake.
        rule: the thresholds.

    Returns:
        The rows in their order, with `hidden`.
    """
    count, place = pl.col(n).fill_null(0), pl.int_range(1, pl.len() + 1).over(by)
    hidden_sum = count.cum_sum().over(by)
    enough = (
        (place >= pl.max_horizontal(pl.lit(2), pl.col(HIDDEN).sum().over(by)))
        & (hidden_sum >= rule.min_count)
        & (hidden_sum > place)
    ).cast(pl.Int32)
    return (
        frame.with_row_index("row")
        .with_columns(hidden.fill_null(value=False).alias(HIDDEN))
        .sort(pl.col(HIDDEN).not_(), count == 0, count, "row")
        .with_columns(enough_before=(enough.cum_sum().over(by) - enough) > 0)
        .with_columns((pl.col(HIDDEN).any().over(by) & ~pl.col("enough_before")).alias(HIDDEN))
        .sort("row")
        .drop("row", "enough_before")
    )


def with_parts_hidden(
    frame: pl.DataFrame, by: Sequence[str], n: str, rule: Disclosure
) -> pl.DataFrame:
    """Adds `hidden` to the parts of a whole: small ones, their company, all of a small whole.

    Args:
        frame: one row per part; the `n` of a group add up to its whole.
        by: columns of the group.
        n: the column of counts.
        rule: the thresholds.

    Returns:
        The rows in their order, with `hidden`. What is hidden may be shown as one sum.
    """
    whole = pl.col(n).sum().over(by)
    return with_company(frame, by, n, is_small(pl.col(n), rule) | is_small(whole, rule), rule)


def with_parts_hidden_along(
    frame: pl.DataFrame, margins: Sequence[Sequence[str]], n: str, rule: Disclosure
) -> pl.DataFrame:
    """As `with_parts_hidden`, of cells that add up to known totals in more ways than one.

    Company hidden along a row of a table may be alone in its column, and the other way round, so
    each way is asked in turn until none hides more.

    Args:
        frame: one row per cell.
        margins: columns of the groups whose `n` add up to a known total, a list per way; small
            cells are looked for along the first.
        n: the column of counts.
        rule: the thresholds.
    """
    marked = with_parts_hidden(frame, margins[0], n, rule)
    while True:
        before = marked[HIDDEN]
        for by in (*margins[1:], margins[0]):
            marked = with_company(marked, by, n, pl.col(HIDDEN), rule)
        if marked[HIDDEN].equals(before):
            return marked


def parts_together(
    frame: pl.DataFrame, by: Sequence[str], part: str, n: str, name: str, *, rule: Disclosure
) -> pl.DataFrame:
    """The parts of a whole with the hidden ones put together as one part.

    Args:
        frame: one row per part; the `n` of a group add up to its whole. What `hidden` marks is
            put together where it stands; parts that are few and their company, where it does not.
        by: columns of the group.
        part: the column that names the part.
        n: the column of counts.
        name: what the hidden parts are called together.
        rule: the thresholds.

    Returns:
        `by`, part, n and whole: what may be drawn, parts that nobody is in left out. A group
        whose whole is small has no rows.
    """
    named = pl.when(HIDDEN).then(pl.lit(name)).otherwise(pl.col(part)).alias(part)
    whole = pl.col(n).sum().over(by)
    marked = frame if HIDDEN in frame.columns else with_parts_hidden(frame, by, n, rule)
    return (
        marked.filter((whole >= rule.min_count) & (pl.col(n) > 0))
        .group_by(*by, named, maintain_order=True)
        .agg(pl.col(n).sum())
        .with_columns(whole=whole)
    )


def curve_hidden(events: pl.Expr, at_risk: pl.Expr, observed: pl.Expr, rule: Disclosure) -> pl.Expr:
    """Whether a point of a curve is hidden: few events so far, few left, few censored, or no data.

    Args:
        events: events up to and including the day.
        at_risk: people at risk on the day.
        observed: people the curve is estimated from; a curve of too few for a percentage is
            hidden whole.
        rule: the thresholds.
    """
    few_censored = (events == 0) & is_small(observed - at_risk, rule)
    few = (at_risk < rule.min_count) | (observed < rule.min_percentage_denominator)
    return (is_small(events, rule) | few_censored | few).fill_null(value=True)


def with_tells_of_few(
    frame: pl.DataFrame, line: Sequence[str], together: Sequence[str], n: str, rule: Disclosure
) -> pl.DataFrame:
    """Adds `tells`: a count so far gives away that it was few on a day before.

    All together are known on each day, so those few were at least the count of now less everyone
    who left since, and at most that of now: a range narrower than that of a small count.

    Args:
        frame: a row per count so far and `day`; null before the first.
        line: columns of the counts that go on from day to day.
        together: columns of the counts that add up to a known total, the day among them.
        n: the column of counts.
        rule: the thresholds.

    Returns:
        The rows in their order.
    """
    few, every = is_small(pl.col(n), rule), pl.col(n).sum().over(together)
    before = (
        frame.with_row_index("row")
        .with_columns(every=every)
        .with_columns(before=pl.when(few & (pl.col("every") >= rule.min_count)).then("every"))
        .sort("day", maintain_order=True)
        .with_columns(pl.col("before").forward_fill().over(line))
    )
    left_since = pl.col("every") - pl.col("before")
    tells = (pl.col(n) >= rule.min_count) & (left_since < rule.min_count - 2)
    return (
        before.with_columns(tells=tells.fill_null(value=False))
        .sort("row")
        .drop("row", "every", "before")
    )


def without(frame: pl.DataFrame, hidden: pl.Expr, columns: Sequence[str]) -> pl.DataFrame:
    """The frame with null in `columns` where `hidden`: what is drawn or written holds no more."""
    return frame.with_columns(
        pl.when(hidden).then(None).otherwise(pl.col(name)).alias(name) for name in columns
    )
