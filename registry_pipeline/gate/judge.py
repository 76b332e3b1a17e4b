"""The judgement of a block of rows, from delivered cells to typed columns and faults.

Belongs here: the order in which cells are recoded, converted,
pseudonymised, scanned and judged, and the words for each fault.
Does not belong here: the walk over the file and what becomes of faulty rows (`gate`), which rows
are the form's (`selection`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from registry_pipeline.gate.convert import REASONS, FileStyle, convert
from registry_pipeline.gate.header import Plan
from registry_pipeline.gate.identity import find_identity
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.rules import RowJudge, column_judge
from registry_pipeline.gate.selection import STRAY
from schemas.fields import Column, Table
from schemas.rules import RowContext

ROW: Final = " row"
"""The row number beside delivered columns; their names are trimmed, so none begins with a space."""

LABEL_LENGTH: Final = 64
"""Signs of the longest id or label, as of the longest local id of a person."""

NO_FORM: Final = "no_form"
"""The rule that quarantines a row of a file that no form of the file takes."""

_REASONS: Final = {
    **REASONS,
    "missing_required": "missing, and never may be",
    "unknown_code": "not among the codes of this column",
    "text_pattern": "not written as this column is",
    "identity_number": "holds a national identity number",
    "invalid_person_id": "not a valid id of a person",
    "synthetic_number": "an identity number made for tests, and this registry is in production",
    "free_text": f"longer than {LABEL_LENGTH} signs: free text is not taken in",
    NO_FORM: "no form takes the row, and the protocol does not leave it out",
    "duplicate_key": "another row of the file has the same key",
}


@dataclass(frozen=True)
class Judged:
    """A block of rows of one form.

    Attributes:
        typed: row_number, then every column of the form; a column the file lacks is null.
        faults: see `NO_FAULTS`; index is the place in `typed`, column_name null for the key.
    """

    typed: pl.DataFrame
    faults: pl.DataFrame

    @property
    def is_bad(self) -> pl.Series:
        """For each row, whether it has a fault."""
        places = pl.int_range(self.typed.height, dtype=pl.UInt32, eager=True)
        return places.is_in(self.faults["index"].implode())

    @property
    def n_strays(self) -> int:
        """How many rows are no form's, which speaks of the protocol and not of the file."""
        return int((self.faults["rule_id"] == NO_FORM).sum())


class FormJudge:
    """Judges the blocks of one file as rows of one form; what it learns of the file, it keeps."""

    def __init__(
        self,
        form: str,
        table: Table,
        plan: Plan,
        context: RowContext,
        style: FileStyle,
        *,
        persons: Persons | None,
    ) -> None:
        self._table = table
        self._plan = plan
        self._persons = persons
        self._style = style
        self._columns = [column for column in table.columns if column.name in plan.columns]
        self._column_judge = column_judge(table)
        self.row_judge = RowJudge(form, table, plan.columns, context)

    @property
    def integers(self) -> frozenset[str]:
        """Delivered columns that may be parsed as whole numbers without being seen as text.

        Not those with a recode map, which speaks of texts, nor those without an upper bound, in
        which an identity number could pass for a number.
        """
        numbers = {
            column.name
            for column in self._columns
            if column.dtype == pl.Int32
            and column.high is not None
            and column.name not in self._plan.recode
        }
        texts = {theirs for ours, theirs in self._plan.columns.items() if ours not in numbers}
        return frozenset(self._plan.columns[name] for name in numbers) - texts

    @property
    def key_columns(self) -> list[str]:
        """Delivered columns that decide which rows are the form's and what their key is."""
        wanted = set(self.key_parts)
        if self._persons is not None and self._persons.any_erased:
            wanted.add("patient_id")
        mine = [theirs for ours, theirs in self._plan.columns.items() if ours in wanted]
        return list(dict.fromkeys([*mine, *self._plan.selection.columns]))

    def rows(self, frame: pl.DataFrame, first_row: int) -> pl.DataFrame:
        """The rows of the block that the form receives, numbered in `ROW`."""
        numbered = frame.select(
            pl.int_range(first_row, first_row + pl.len(), dtype=pl.Int64).alias(ROW), pl.all()
        )
        return self._plan.selection.rows(numbered)

    def received(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows less those of erased people, which are not received at all."""
        person = self._plan.columns.get("patient_id")
        if self._persons is None or person is None or not self._persons.any_erased:
            return rows
        return rows.filter(~self._persons.is_erased(rows[person]))

    def keys(self, delivered: pl.DataFrame) -> pl.DataFrame:
        """row_number and the key of each row but strays, the fallback in the place of a null."""
        columns = [column for column in self._columns if column.name in self.key_parts]
        ours = delivered.select(self._recoded(column.name) for column in columns)
        typed, _ = convert(ours, columns, self._style, delivered[ROW])
        if self._persons is not None and "patient_id" in ours.columns:
            typed = typed.with_columns(patient_id=self._persons.normalised(ours["patient_id"]))
        parts = [self._table.column(name) for name in dict.fromkeys(self.key_parts)]
        keyed = self.keyed(self._complete(delivered, typed, parts))
        if STRAY not in delivered.columns:
            return keyed
        required = pl.col(self.key_required)
        return keyed.with_columns(pl.when(~delivered[STRAY]).then(required).name.keep())

    def keyed(self, typed: pl.DataFrame) -> pl.DataFrame:
        """row_number and the key of typed rows."""
        fallback = self._table.key_fallback
        return typed.select(
            "row_number",
            *(pl.coalesce(name, fallback.get(name, name)).alias(name) for name in self._table.key),
        )

    @property
    def key_required(self) -> list[str]:
        """Key columns without which a row has no key."""
        fallback = self._table.key_fallback
        return [k for k in self._table.key if k in fallback or not self._table.column(k).nullable]

    @property
    def key_parts(self) -> list[str]:
        """Our names of the columns a key is made of, fallbacks included."""
        return [*self._table.key, *self._table.key_fallback.values()]

    @property
    def row_key(self) -> pl.Expr:
        """The key's cells joined by `|`, as in meta.held; null where a needed one is missing."""
        fallback = self._table.key_fallback
        cells = {
            name: pl.coalesce(name, fallback.get(name, name)).cast(pl.String)
            for name in self._table.key
        }
        whole = pl.all_horizontal(cells[name].is_not_null() for name in self.key_required)
        text = pl.concat_str([cell.fill_null("") for cell in cells.values()], separator="|")
        return pl.when(whole).then(text)

    def judge(self, delivered: pl.DataFrame, repeated: pl.Series) -> Judged:
        """Judges every cell and row of `rows`.

        Args:
            delivered: rows of the form, as text or typed by the reader.
            repeated: row numbers whose key stands more than once in the file.
        """
        typed, faults = self.judge_cells(delivered)
        frame = self._complete(delivered, typed, list(self._table.columns))
        by_row = self.row_judge.faults(frame, faults)
        doubles = _marked(frame["row_number"].is_in(repeated.implode()), None, "duplicate_key")
        faults = pl.concat([faults, by_row, doubles])
        return Judged(frame, self._without_strays(delivered, faults))

    def judge_cells(self, delivered: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The delivered columns in their types, and the faults of each cell by itself."""
        typed, faults = self._typed(delivered, self._columns)
        faults = pl.concat([faults, *self._identities(delivered), *self._free_texts(delivered)])
        by_column = self._column_judge.faults(typed)
        known = ["index", "column_name"]
        return typed, pl.concat([faults, by_column.join(faults, on=known, how="anti")])

    def reason(self, rule_id: str, column_name: str | None) -> str:
        """What a rule says of a column, in words and without the value."""
        if rule_id == "out_of_range" and column_name is not None:
            return f"outside {self._table.column(column_name).allowed}"
        return _REASONS.get(rule_id) or self.row_judge.reasons[(rule_id, column_name or "")]

    def our_name(self, delivered: str) -> str:
        """Our name of a delivered column; its own where the form does not take it."""
        ours = {theirs: name for name, theirs in self._plan.columns.items()}
        return ours.get(delivered, delivered)

    def _without_strays(self, delivered: pl.DataFrame, faults: pl.DataFrame) -> pl.DataFrame:
        """The faults; of a row that is no form's that it is none, and nothing else.

        It is told of under the file's column: what that is called here is one form's own name.
        """
        if STRAY not in delivered.columns or not delivered[STRAY].any():
            return faults
        column, *_ = self._plan.selection.mine
        strays = _marked(delivered[STRAY], column, NO_FORM)
        return pl.concat([faults.join(strays, on="index", how="anti"), strays])

    def _typed(
        self, delivered: pl.DataFrame, columns: list[Column]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        ours = delivered.select(self._recoded(column.name) for column in columns)
        typed, faults = convert(ours, columns, self._style, delivered[ROW])
        if self._persons is None or "patient_id" not in ours.columns:
            return typed, faults
        persons = self._persons.apply(ours["patient_id"])
        wrong = [
            _marked((persons["fault"] == rule_id).fill_null(value=False), "patient_id", rule_id)
            for rule_id in persons["fault"].unique().drop_nulls().sort()
        ]
        return typed.with_columns(patient_id=persons["pseudonym"]), pl.concat([faults, *wrong])

    def _recoded(self, name: str) -> pl.Expr:
        cell = pl.col(self._plan.columns[name])
        codes = self._plan.recode.get(name)
        if codes:
            cell = cell.replace({old: new or None for old, new in codes.items()})
        return cell.alias(name)

    def _identities(self, delivered: pl.DataFrame) -> list[pl.DataFrame]:
        """Faults of the cells that could hold an identity number though they pass their column.

        A code of a closed set, a bounded number and a date cannot; a row that fails one of those
        is scanned whole when it is quarantined.
        """
        open_columns = {
            self._plan.columns[column.name]: column.name
            for column in self._columns
            if column.name != "patient_id"
            and (column.open_text or (column.dtype.is_numeric() and column.high is None))
        }
        scanned = {**open_columns, **{name: name for name in self._plan.dropped}}
        masks = {ours: find_identity(delivered[theirs]) for theirs, ours in scanned.items()}
        return [_marked(mask, name, "identity_number") for name, mask in masks.items()]

    def _free_texts(self, delivered: pl.DataFrame) -> list[pl.DataFrame]:
        """Faults of the cells that hold more than an id or a label does."""
        cells = {
            column.name: delivered[self._plan.columns[column.name]]
            for column in self._columns
            if column.open_text and column.dtype == pl.String and column.name != "patient_id"
        }
        return [
            _marked((cell.str.len_chars() > LABEL_LENGTH).fill_null(value=False), name, "free_text")
            for name, cell in cells.items()
            if (cell.str.len_bytes() > LABEL_LENGTH).any()
        ]

    def _complete(
        self, delivered: pl.DataFrame, typed: pl.DataFrame, columns: Sequence[Column]
    ) -> pl.DataFrame:
        present = set(typed.columns)
        return typed.select(
            delivered[ROW].alias("row_number"),
            *(
                pl.col(column.name)
                if column.name in present
                else pl.lit(None, column.dtype).alias(column.name)
                for column in columns
            ),
        )


def _marked(mask: pl.Series, column_name: str | None, rule_id: str) -> pl.DataFrame:
    """One fault for each true cell of a mask."""
    return pl.DataFrame({"index": mask.arg_true()}).with_columns(
        column_name=pl.lit(column_name, pl.String), rule_id=pl.lit(rule_id)
    )
