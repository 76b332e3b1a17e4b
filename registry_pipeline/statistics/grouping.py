"""Numbers in place of texts, so that grouping is quick and every group is estimated in one pass.

Belongs here: the replacement and its way back. Does not belong here: any estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import polars as pl

GROUP = "group_id"
Estimator = TypeVar("Estimator", bound=Callable[..., pl.DataFrame])


def as_enums(frame: pl.DataFrame) -> pl.DataFrame:
    """The texts as categories in alphabetical order: sorting and grouping compare numbers."""
    return frame.with_columns(
        frame[name].cast(pl.Enum(frame[name].drop_nulls().unique().sort()))
        for name, dtype in frame.schema.items()
        if dtype == pl.String
    )


def one_key(estimator: Estimator) -> Estimator:
    """Lets `estimator(exits, entries, by, ...)` see a single integer grouping column.

    Sorting, joining and cumulating over five text columns costs ten times as much as over one
    integer. The result has the caller's columns again, and its order: groups sorted by `by`.
    """

    @wraps(estimator)
    def estimate(
        exits: pl.DataFrame, entries: pl.DataFrame, by: Sequence[str], *args: Any, **kwargs: Any
    ) -> pl.DataFrame:
        if list(by) == [GROUP]:  # one estimator calling another
            return estimator(exits, entries, by, *args, **kwargs)
        seen = pl.concat([exits.select(*by).unique(), entries.select(*by).unique()])
        groups = seen.unique().sort(*by).with_row_index(GROUP)
        coded = (
            frame.join(groups, on=list(by), nulls_equal=True).drop(*by)
            for frame in (exits, entries)
        )
        result = estimator(*coded, [GROUP], *args, **kwargs)
        return groups.join(result, on=GROUP, maintain_order="right").drop(GROUP)

    return cast("Estimator", estimate)
