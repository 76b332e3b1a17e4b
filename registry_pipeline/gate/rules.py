"""Judging typed rows: Pandera for single columns, the row rules for what stands between columns.

Belongs here: running both cheaply over a batch, and turning what they say into rule ids.
Does not belong here: the rules themselves (`schemas.forms`, `schemas.rules`).

Pandera costs some milliseconds per column and call, however few the rows, so a batch is judged in
two steps. First its extremes: smallest and largest number, distinct codes, a null where there is
one. A column whose extremes pass has no bad cell, since Pandera's checks on these models are
ranges, closed sets and patterns, each cell by itself. Only a column whose extremes fail is judged
cell by cell, to name the bad rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache, partial
from typing import Final

import pandera.polars as pa
import polars as pl
from pandera.config import get_config_context
from pandera.errors import SchemaErrors

from registry_pipeline.gate.convert import NO_FAULTS
from schemas.fields import Column, Table
from schemas.rules import RowContext, RowRule, row_rules

_RULE_OF_CHECK: Final = {
    "not_nullable": "missing_required",
    "isin": "unknown_code",
    "greater_than_or_equal_to": "out_of_range",
    "less_than_or_equal_to": "out_of_range",
    "str_matches": "text_pattern",
}

WARNINGS: Final = {"column_name": pl.String(), "rule_id": pl.String(), "n": pl.Int64()}


class ValidationOffError(RuntimeError):
    """Pandera let a known-bad row pass: validation is switched off in this environment."""


def canary() -> None:
    """Proves that Pandera judges values in this process, once per configuration of it.

    Raises:
        ValidationOffError: it does not; `PANDERA_VALIDATION_ENABLED` or
            `PANDERA_VALIDATION_DEPTH` switches it off.
    """
    config = get_config_context()
    _prove(config.validation_enabled, config.validation_depth)


@cache
def _prove(*_: object) -> None:
    schema = pa.DataFrameSchema({"canary": pa.Column(pl.Int32, pa.Check.le(0))})
    try:
        schema.validate(pl.DataFrame({"canary": [1]}, schema={"canary": pl.Int32}), lazy=True)
    except SchemaErrors:
        return
    raise ValidationOffError("Pandera lets a known-bad row pass: its validation is switched off")


class ColumnJudge:
    """Pandera's judgement of the columns of one form, batch by batch.

    What has passed is remembered: a batch whose extremes are among those of the batches before it,
    of this file or another, costs no call.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._passed: dict[str, set[object]] = {}

    def faults(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The cells that break a rule of their column; see `NO_FAULTS` for the columns."""
        if not frame.height:
            return NO_FAULTS
        new = {
            name: values
            for name, values in _extremes(frame, self._table).items()
            if name not in self._passed or not values <= self._passed[name]
        }
        if not new:
            return NO_FAULTS
        failed = set(self._cases(_as_frame(new, frame))["column"])
        for name in new.keys() - failed:
            self._passed.setdefault(name, set()).update(new[name])
        return self._by_cell(frame.select(sorted(failed))) if failed else NO_FAULTS

    def _by_cell(self, frame: pl.DataFrame) -> pl.DataFrame:
        check = pl.col("check").str.extract(r"^(\w+)")
        return self._cases(frame).select(
            pl.col("index").cast(pl.UInt32),
            column_name="column",
            rule_id=check.replace_strict(_RULE_OF_CHECK),
        )

    def _schema(self, names: Sequence[str]) -> pa.DataFrameSchema:
        """The model's own columns; Pandera's `select_columns` copies all of it at each call."""
        return pa.DataFrameSchema({name: self._table.schema.columns[name] for name in names})

    def _cases(self, frame: pl.DataFrame) -> pl.DataFrame:
        try:
            self._schema(frame.columns).validate(frame, lazy=True)
        except SchemaErrors as errors:
            cases: pl.DataFrame = errors.failure_cases.select("column", "check", "index")
        else:
            return pl.DataFrame(
                schema={"column": pl.String, "check": pl.String, "index": pl.UInt32}
            )
        if cases["index"].null_count():
            # Structure is proved before: a failure without a row is a mistake in the gate.
            structural = ", ".join(cases.filter(pl.col("index").is_null())["check"].unique())
            raise RuntimeError(f"{self._table.full_name}: {structural}")
        return cases


@cache
def column_judge(table: Table) -> ColumnJudge:
    """The one judge of a table's columns in this process."""
    return ColumnJudge(table)


def _extremes(frame: pl.DataFrame, table: Table) -> dict[str, set[object]]:
    """Per column the values that decide for all: see the module's paragraph."""
    listed = [name for name in frame.columns if _is_listed(table.column(name))]
    ranged = [name for name in frame.columns if frame.schema[name].is_numeric()]
    lows, highs = frame.select(pl.col(ranged).min()), frame.select(pl.col(ranged).max())
    codes = frame.select(pl.col(listed).unique().implode())
    found: dict[str, set[object]] = {name: set() for name in frame.columns}
    for name in ranged:
        found[name] = {lows[name].item(), highs[name].item()} - {None}
    for name in listed:
        found[name] = set(codes[name].item()) - {None}
    nulls = frame.null_count().row(0, named=True)
    return {name: values | ({None} if nulls[name] else set()) for name, values in found.items()}


def _is_listed(column: Column) -> bool:
    return bool(column.codes or column.pattern)


def _as_frame(extremes: dict[str, set[object]], frame: pl.DataFrame) -> pl.DataFrame:
    """The extremes as columns of one height; any value of the batch where none decides."""
    height = max(1, *(len(values) for values in extremes.values()))
    columns = []
    for name, values in extremes.items():
        filled = list(values) or [frame[name][0]]
        filled += filled[-1:] * (height - len(filled))
        columns.append(pl.Series(name, filled, dtype=frame.schema[name]))
    return pl.DataFrame(columns)


class RowJudge:
    """The row rules of one form under one protocol and cut-off, over the columns of one file."""

    def __init__(
        self, form: str, table: Table, delivered: Collection[str], context: RowContext
    ) -> None:
        """Takes the rules that speak of delivered columns; the rest have nothing to judge."""
        rules = [*row_rules(form, context.protocol), *_soft_ranges(table)]
        self._rules = [rule for rule in rules if rule.needs[0] in delivered]
        self._bad = [rule.bad(context).fill_null(value=False) for rule in self._rules]
        self.reasons = {(rule.id, rule.column): rule.reason for rule in self._rules}

    def faults(self, frame: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        """The rows that break a hard rule; see `NO_FAULTS` for the columns.

        Args:
            frame: typed rows of the form; a rule that needs a column it lacks rests.
            known: faults found before: a rule rests for a row whose needed cells are among them.
        """
        found = [NO_FAULTS]
        for rule, bad, n in self._counted(frame, "hard"):
            if n:
                spoilt = known.filter(pl.col("column_name").is_in(rule.needs))
                rows = frame.select(index=pl.arg_where(bad))
                found.append(
                    rows.join(spoilt, on="index", how="anti").with_columns(
                        column_name=pl.lit(rule.column), rule_id=pl.lit(rule.id)
                    )
                )
        return pl.concat(found)

    def warnings(self, frame: pl.DataFrame) -> pl.DataFrame:
        """How many rows break each soft rule: column_name, rule_id, n > 0."""
        counts = [(r.column, r.id, n) for r, _, n in self._counted(frame, "soft") if n]
        return pl.DataFrame(counts, schema=WARNINGS, orient="row")

    def _counted(self, frame: pl.DataFrame, severity: str) -> list[tuple[RowRule, pl.Expr, int]]:
        chosen = [
            (rule, bad)
            for rule, bad in zip(self._rules, self._bad, strict=True)
            if rule.severity == severity and set(rule.needs) <= set(frame.columns)
        ]
        sums = frame.select(bad.sum().alias(str(at)) for at, (_, bad) in enumerate(chosen))
        return [(rule, bad, sums[str(at)].item()) for at, (rule, bad) in enumerate(chosen)]


def _soft_ranges(table: Table) -> list[RowRule]:
    """The soft range of each column that has one, as a rule."""
    return [
        RowRule(
            "unusual_value",
            column.name,
            "unusual; please check",
            partial(_outside, column),
            (column.name,),
            "soft",
        )
        for column in table.columns
        if column.soft_low is not None or column.soft_high is not None
    ]


def _outside(column: Column, _: RowContext) -> pl.Expr:
    value = pl.col(column.name)
    low = value < column.soft_low if column.soft_low is not None else pl.lit(value=False)
    high = value > column.soft_high if column.soft_high is not None else pl.lit(value=False)
    return low | high
