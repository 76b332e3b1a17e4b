"""Retractions: rows that a later manifest takes back by key.

Belongs here: from the keys in `[retract]` to rows of keys, judged as the cells of a delivered row
are. Does not belong here: what a retraction does to the current rows (see `transform.current`).
"""

from __future__ import annotations

import polars as pl

from registry_pipeline.gate.convert import FileStyle
from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.header import Plan
from registry_pipeline.gate.judge import ROW, FormJudge
from registry_pipeline.gate.manifest import MANIFEST, Manifest
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.selection import Selection
from schemas.fields import Table
from schemas.forms import form_table
from schemas.protocol import Protocol
from schemas.rules import RowContext


def retracted_rows(
    form: str, protocol: Protocol, manifest: Manifest, persons: Persons, delivery: str
) -> pl.DataFrame:
    """One row per key that the manifest takes back of a form, but for those of erased people.

    An entry is written with our names of the columns and the sender's own cells: they are recoded
    and judged as those of a delivered row are, and an empty text is an empty cell.

    Args:
        form: a form in `manifest.retract`.
        protocol: recode maps, codes, what a person's id is.
        manifest: names the keys.
        persons: turn the id into the pseudonym that is stored.
        delivery: protocol and delivery, as a message names them.

    Returns:
        The key columns (with the column that stands for a null one) in their types, and row_number
        0.

    Raises:
        RefusedFileError: an entry lacks a column, has another, or a cell of it breaks a rule.
    """
    place = f"{delivery}/{MANIFEST} [retract.{form}]"
    table = form_table(form, protocol)
    columns = [*table.key, *table.key_fallback.values()]
    _refuse_other_columns(manifest, form, table, place)
    texts = pl.DataFrame(
        {column: [_text(key.get(column)) for key in manifest.retract[form]] for column in columns},
        schema=dict.fromkeys(columns, pl.String),
    ).select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(ROW), pl.all())
    recode = protocol.form(form).recode
    judge = FormJudge(
        form,
        table,
        Plan(dict(zip(columns, columns, strict=True)), (), recode, Selection({}), ()),
        RowContext(protocol, manifest.extracted_on),
        FileStyle(place),
        persons=persons,
    )
    typed, faults = judge.judge_cells(texts)
    faults = pl.concat([faults, judge.row_judge.faults(typed, faults)])
    if not faults.is_empty():
        column, rule_id = (
            faults.sort("index", "column_name").select("column_name", "rule_id").row(0)
        )
        alike = faults.filter(column_name=column, rule_id=rule_id)
        entries = texts[ROW].gather(alike["index"].sort()).to_list()
        what = judge.reason(rule_id, column)
        raise RefusedFileError(place, rule_id, what, rows=entries, column=column, noun="entry")
    keyless = texts[ROW].filter(typed.select(judge.row_key.is_null()).to_series())
    if not keyless.is_empty():
        _refuse_keys(table, keyless.to_list(), place)
    if "patient_id" in columns:
        typed = typed.filter(~persons.is_erased(texts["patient_id"]))
    return typed.with_columns(row_number=pl.lit(0, pl.Int64))


def _text(cell: object) -> str | None:
    """A cell as a file would hold it."""
    return None if cell in (None, "") else str(cell)


def _refuse_other_columns(manifest: Manifest, form: str, table: Table, place: str) -> None:
    """Each entry has the columns of the key, and no other one."""
    known = {*table.key, *table.key_fallback.values()}
    needed = set(table.key) - set(table.key_fallback)
    wrong = [
        entry
        for entry, key in enumerate(manifest.retract[form], start=1)
        if not needed <= set(key) <= known
    ]
    if wrong:
        _refuse_keys(table, wrong, place)


def _refuse_keys(table: Table, entries: list[int], place: str) -> None:
    what = f"a key of {table.name} is {', '.join(table.key)}"
    raise RefusedFileError(place, "retract_key", what, rows=entries, noun="entry")
