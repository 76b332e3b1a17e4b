"""The version of the definitions, and how a result is brought to its table's columns.

Belongs here: `RULE_VERSION` and `as_table`, the last step of every estimate.
Does not belong here: the definitions themselves (see `transform` and the derivations).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from schemas.fields import RegistryModel, describe

RULE_VERSION: Final = "1.0"
"""Version of the definitions; the changelog says what each one changed."""

ASSEMBLED: Final = "as_of_delivery"
"""The one column that the assembler of the derived tables adds."""


def as_table(
    frame: pl.DataFrame, model: type[RegistryModel], *, cohort: str, method: str | pl.Expr
) -> pl.DataFrame:
    """The frame with exactly the model's columns and types, save `as_of_delivery`.

    Args:
        frame: every other column of the model; what more it has is dropped.
        model: the table.
        cohort: the protocol's id.
        method: how the numbers were made, in all rows or as an expression per row.

    Raises:
        polars.exceptions.ColumnNotFoundError: the frame lacks a column of the model.
    """
    stamped = frame.with_columns(
        cohort=pl.lit(cohort),
        method=pl.lit(method) if isinstance(method, str) else method,
        rule_version=pl.lit(RULE_VERSION),
    )
    columns = {name: dtype for name, dtype in describe(model).dtypes.items() if name != ASSEMBLED}
    return stamped.select(pl.col(name).cast(dtype) for name, dtype in columns.items())
