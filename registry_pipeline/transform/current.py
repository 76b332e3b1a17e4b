"""The current row of each key, among all that were ever delivered.

Belongs here: which delivery of a row counts. Does not belong here: whether it may enter core
(see `holding`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame
from schemas.fields import Table

ORDER: Final = ("quarter", "number", "delivery", "row_number")
"""What makes one row later than another, whatever the order of arrival. A retraction has
row_number 0: a row delivered together with its own retraction stands."""


def key_columns(table: Table) -> list[nw.Expr]:
    """The key of a form's row as `key_<column>`, with the fallback of a column that is null."""
    return [
        (
            nw.coalesce(nw.col(name), nw.col(table.key_fallback[name]))
            if name in table.key_fallback
            else nw.col(name)
        ).alias(f"key_{name}")
        for name in table.key
    ]


def current(rows: Frame, table: Table) -> Frame:
    """The rows that stand: per key the latest, and none where the latest takes the key back.

    Key out: the form's key; null in a key counts as a value. The window runs over key and
    provenance alone, so that a wide form costs no more than a narrow one.

    Args:
        rows: every row of a form ever taken in, with provenance; any columns beside the key.
        table: the form's table, for its key and key_fallback.
    """
    keys = [f"key_{name}" for name in table.key]
    winners = (
        rows.select(*key_columns(table), *ORDER, "is_retraction")
        .unique(keys, keep="last", order_by=ORDER)
        .select("delivery", "row_number")
    )
    return rows.filter(~nw.col("is_retraction")).join(
        winners, on=["delivery", "row_number"], how="semi"
    )
