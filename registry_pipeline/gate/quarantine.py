"""What is kept of a row that is not accepted.

Belongs here: the original text of quarantined rows without a person's id or an identity number,
and the problem list that goes with them. Does not belong here: why a row is bad (`judge`).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from registry_pipeline.gate.identity import find_identity
from registry_pipeline.gate.judge import NO_FORM, FormJudge, Judged

QUARANTINED = {
    "row_number": pl.Int64(),
    "patient_id": pl.String(),
    "row_key": pl.String(),
    "original": pl.String(),
}
PROBLEMS = {
    "row_number": pl.Int64(),
    "column_name": pl.String(),
    "rule_id": pl.String(),
    "reason": pl.String(),
}


def quarantine(
    judged: Judged, cells: pl.DataFrame, judge: FormJudge, people: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The quarantined rows and their problems.

    Every cell of a quarantined row is scanned, whatever it was quarantined for, and a cell that
    holds an identity number is emptied.

    Args:
        judged: the block.
        cells: the delivered columns of its bad rows, in order, as text.
        judge: names the columns and the reasons.
        people: the delivered columns of persons' ids, which are left out altogether.

    Returns:
        One row per bad row (`QUARANTINED`); one or more per bad row (`PROBLEMS`), in order.
    """
    bad = judged.is_bad.arg_true()
    cells = cells.drop(people)
    masks = {column.name: find_identity(column) for column in cells.iter_columns()}
    blanked = cells.with_columns(
        column.set(masks[column.name], "")
        for column in cells.iter_columns()
        if masks[column.name].any()
    )
    found = [
        pl.DataFrame({"index": bad.filter(mask)}).with_columns(
            column_name=pl.lit(judge.our_name(name)), rule_id=pl.lit("identity_number")
        )
        for name, mask in masks.items()
        if mask.any()
    ]
    faults = pl.concat([judged.faults, *found]).unique()
    has_person = "patient_id" in judged.typed.columns
    person = pl.col("patient_id") if has_person else pl.lit(None, pl.String)
    rows = _with_keys(judged, judge).gather(bad).select("row_number", "row_key", patient_id=person)
    original = blanked.select(pl.struct(pl.all()).struct.json_encode()).to_series()
    kept = rows.with_columns(original=original).select(list(QUARANTINED))
    return kept, _problems(faults, judged, judge)


def _with_keys(judged: Judged, judge: FormJudge) -> pl.DataFrame:
    """The typed rows with row_key: null where a cell of the key is itself at fault or missing.

    Null too where the row is no form's, whose key is not this form's.
    By the key a later row is known as the one that sets a quarantined row right.
    """
    is_keyless = pl.col("column_name").is_in(judge.key_parts) | (pl.col("rule_id") == NO_FORM)
    at_fault = judged.faults.filter(is_keyless.fill_null(value=False))["index"]
    keyed = judged.typed.with_columns(row_key=judge.row_key).with_row_index("index")
    return keyed.with_columns(
        row_key=pl.when(~pl.col("index").is_in(at_fault.unique().implode())).then("row_key")
    ).drop("index")


def _problems(faults: pl.DataFrame, judged: Judged, judge: FormJudge) -> pl.DataFrame:
    kinds = faults.select("rule_id", "column_name").unique()
    reasons = kinds.with_columns(
        reason=pl.Series([judge.reason(*kind) for kind in kinds.iter_rows()], dtype=pl.String)
    )
    rows = faults.select(
        pl.exclude("index"), row_number=judged.typed["row_number"][faults["index"]]
    )
    named = rows.join(reasons, on=["rule_id", "column_name"], nulls_equal=True)
    return named.select(list(PROBLEMS)).sort(list(PROBLEMS))
