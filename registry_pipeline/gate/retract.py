"""Retractions: rows that a later manifest takes back by key.

Belongs here: from the keys in `[retract]` to rows of keys. Does not belong here: what a retraction
does to the current rows (see `transform.current`).
"""

from __future__ import annotations

import polars as pl

from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.gate.persons import Persons
from schemas.forms import form_table
from schemas.protocol import Protocol


def retracted_rows(
    form: str, protocol: Protocol, manifest: Manifest, persons: Persons, name: str
) -> pl.DataFrame:
    """One row per key that the manifest takes back of a form, but for those of erased people.

    Args:
        form: a form in `manifest.retract`.
        protocol: says what a person's id is.
        manifest: names the keys.
        persons: turn the id into the pseudonym that is stored.
        name: the manifest as a message names it.

    Returns:
        The key columns (with the column that stands for a null one) as text or date, and row_number
        0: no form has a key of another type.

    Raises:
        RefusedFileError: a key lacks a column, has another, or holds no usable value.
    """
    table = form_table(form, protocol)
    columns = [*table.key, *table.key_fallback.values()]
    keys = manifest.retract[form]
    wrong = [
        place
        for place, key in enumerate(keys, start=1)
        if not set(key) <= set(columns)
        or any(column not in key and column not in table.key_fallback for column in table.key)
    ]
    if wrong:
        raise RefusedFileError(
            name, "retract_key", f"a key of {form} is {', '.join(table.key)}", rows=wrong
        )
    texts = pl.DataFrame(
        {
            column: [str(key[column]) if column in key else None for key in keys]
            for column in columns
        },
        schema=dict.fromkeys(columns, pl.String),
    )
    typed = texts.with_columns(
        pl.col(column).str.to_date("%Y-%m-%d", strict=False)
        for column in columns
        if table.column(column).dtype == pl.Date
    )
    if "patient_id" in columns:
        judged = persons.apply(texts["patient_id"])
        typed = typed.with_columns(patient_id=judged["pseudonym"])
    lost = (typed.null_count() - texts.null_count()).select(pl.sum_horizontal(pl.all())).item()
    if lost:
        raise RefusedFileError(name, "retract_key", f"{lost} keys of {form} hold no usable value")
    if "patient_id" in columns:
        typed = typed.filter(~persons.is_erased(texts["patient_id"]))
    return typed.with_columns(row_number=pl.lit(0, pl.Int64))
