"""A rule: a check type on a table and column, as two sums over rows.

Belongs here: what a rule and a pass are, and the rules that many tables share.
Does not belong here: the check types' words and thresholds (see `checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import narwhals as nw

from registry_pipeline.data_quality.checks import (
    MISSING,
    MISSING_OR_UNKNOWN,
    UNIT_KNOWN,
    Check,
)
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame
from schemas.fields import RegistryModel, describe
from schemas.protocol import Protocol


@dataclass(frozen=True)
class Rule:
    """One check of one table and column.

    Attributes:
        check: its type.
        table: the table it speaks of.
        column: the column, None for the table as a whole.
        n_checked: what a row adds to the rows looked at: true, false or a number.
        n_failed: what it adds to the rows that break the rule; null adds nothing.
        asked: the rule applies only in units where some row has this true, in the whole cohort
            where rows have no unit; None applies always.
        threshold: in the place of the check type's own.
    """

    check: Check
    table: str
    column: str | None
    n_checked: nw.Expr
    n_failed: nw.Expr
    asked: nw.Expr | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Pass:
    """Rules that are judged in one pass over the same rows."""

    rows: Callable[[Core, Protocol], Frame]
    rules: Callable[[Protocol], Sequence[Rule]]


def of_rows(
    check: Check,
    table: str,
    column: str | None,
    checked: nw.Expr,
    broken: nw.Expr,
    *,
    threshold: float | None = None,
) -> Rule:
    """A rule about rows: `broken` counts among the rows `checked`."""
    return Rule(check, table, column, checked, checked & broken, threshold=threshold)


def complete(
    model: type[RegistryModel],
    columns: Iterable[str],
    among: nw.Expr,
    *,
    threshold: float | None = None,
) -> list[Rule]:
    """Completeness twice for each column: nulls, and nulls with the codes for unknown.

    A column without a single value in a unit was not asked there: there is no question to be
    incomplete.

    Args:
        model: the columns' table.
        columns: which columns.
        among: rows that should have the value.
        threshold: in the place of the check types' own.
    """
    table = describe(model)
    rules = []
    for name in columns:
        codes = table.column(name).codes
        value = nw.col(name)
        null = value.is_null()
        missing, asked = among & null, among & ~null
        unstated = (
            among & (null | (value == "unknown")) if codes and "unknown" in codes.codes else missing
        )
        rules += [
            Rule(MISSING, table.full_name, name, among, missing, asked, threshold),
            Rule(MISSING_OR_UNKNOWN, table.full_name, name, among, unstated, asked, threshold),
        ]
    return rules


def known(check: Check, table: str, column: str, codes: Iterable[str]) -> Rule:
    """Stated values are among the protocol's codes; it does not apply where there are no codes."""
    value, allowed = nw.col(column), sorted(codes)
    checked = ~value.is_null() & nw.lit(bool(allowed))
    return of_rows(check, table, column, checked, ~value.is_in(allowed))


def unit_known(table: str, protocol: Protocol) -> Rule:
    """The unit_id of a table is one of the protocol's."""
    return known(UNIT_KNOWN, table, "unit_id", (unit.id for unit in protocol.units))
