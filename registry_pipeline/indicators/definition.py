"""What an indicator is: its definition in words, the rows it looks at, and the function that marks.

Belongs here: the shape every indicator has and the table of definitions.
Does not belong here: any indicator and its rows (see the programmes' modules), counting (see
`engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import attrgetter
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.transform.engine import Frame
from schemas.fields import describe
from schemas.guideline import with_grade
from schemas.protocol import Protocol
from schemas.quality.indicators import IndicatorDefinition

Core = Mapping[str, Frame]
"""Stored tables of one cohort by name."""

STEPS: Final = "core.process_event"
"""The steps of the process, which are known until a day of their own."""


def always() -> nw.Expr:
    """True for every row: every row is of a person."""
    return ~nw.col("patient_id").is_null()


@dataclass(frozen=True, kw_only=True)
class Definition:
    """The columns of quality.indicator_definition, each said explicitly: none has a default."""

    indicator_id: str
    title: str
    title_nb: str
    indicator_type: str
    numerator: str
    denominator: str
    period_rule: str
    guideline: str | None
    source: str
    direction: str
    target_green: float | None
    target_yellow: float | None
    due_days: int | None
    min_denominator: int | None


@dataclass(frozen=True)
class Ask:
    """What must have been delivered for an indicator to apply: a value in a column.

    Attributes:
        table: the core table.
        column: its column.
        values: one of these; empty for any value at all.
    """

    table: str
    column: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Mark:
    """The booleans of an indicator over the rows of its basis; null reads as false.

    Attributes:
        in_denominator: is counted.
        in_numerator: is fulfilled.
        is_missing: the answer is unknown or missing; null where it never is.
        looked_at: the indicator looks at the row at all, in the row's quarter; null for every row.
        in_year: of those, the row stands for the person or event in the calendar year too; null
            for every one.
        due_days: days within which a row is to be fulfilled; null for those of the deadline.
    """

    in_denominator: nw.Expr
    in_numerator: nw.Expr
    is_missing: nw.Expr | None = None
    looked_at: nw.Expr | None = None
    in_year: nw.Expr | None = None
    due_days: nw.Expr | None = None


@dataclass(frozen=True)
class Basis:
    """One frame that many indicators mark side by side, read once for all of them.

    Attributes:
        name: what a row is.
        rows: makes the frame of a cohort: patient_id, unit_id, marked_on (the date that puts the
            row in a period), and what the marks read.
        order: columns that number the rows of one person and quarter; empty where there is one.
        followed: the column of days for which a row was followed; null where nothing comes after.
    """

    name: str
    rows: Callable[[Core, Protocol], Frame]
    order: tuple[str, ...] = ()
    followed: str | None = None


@dataclass(frozen=True)
class Indicator:
    """One indicator: an entry and one function.

    Attributes:
        definition: what it counts, in words.
        basis: the rows it looks at.
        asks: what must have been delivered; else the indicator is not applicable to the cohort.
        mark: gives the booleans, knowing the protocol.
        deadline: the field of the protocol within which it is due, as `deadlines.checklist`.
    """

    definition: Definition
    basis: Basis
    asks: tuple[Ask, ...]
    mark: Callable[[Protocol], Mark]
    deadline: str | None = None

    @cached_property
    def id(self) -> str:
        """The definition's id."""
        return self.definition.indicator_id

    @property
    def is_answered_by_steps(self) -> bool:
        """Whether steps of the process answer it, which may be known to an earlier day."""
        return any(ask.table == STEPS for ask in self.asks)

    def due_days(self, protocol: Protocol) -> int:
        """Days after marked_on until it is due; 0 where it is no matter of days."""
        return int(attrgetter(self.deadline)(protocol)) if self.deadline else 0


def answered(*columns: str) -> tuple[Ask, ...]:
    """Each of the columns of core.interview has an answer somewhere."""
    return tuple(Ask("core.interview", column) for column in columns)


def registered(*kinds: str) -> tuple[Ask, ...]:
    """A process step of one of these kinds was registered by anyone."""
    return (Ask(STEPS, "kind", kinds),)


def definition_table(indicators: Iterable[Indicator]) -> pl.DataFrame:
    """quality.indicator_definition: the same for every cohort."""
    rows = [
        {**asdict(one.definition), "guideline": with_grade(one.definition.guideline)}
        for one in indicators
    ]
    return pl.DataFrame(rows, schema=describe(IndicatorDefinition).dtypes)
