"""What a suite is, and what becomes of it.

Belongs here: the shape of suites, the kinds of expectation they use, and their results.
Does not belong here: any suite (see `suites`), and Great Expectations itself (see `runner`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Expectation:
    """One expectation.

    Attributes:
        kind: class of expectation in Great Expectations.
        description: what is expected, in words; shown wherever it fails, and never a value.
        arguments: what the class is made with.
    """

    kind: str
    description: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """Expectations on one table.

    Attributes:
        name: name of the suite and its page.
        title: the suite in words.
        table: the table, whose asset shows the check.
        severity: warn, or error where a failure means that the table contradicts itself.
        query: the cells of counts it is judged on.
        expectations: what is expected of them.
    """

    name: str
    title: str
    table: str
    severity: str
    query: str
    expectations: tuple[Expectation, ...]


def between(
    column: str,
    low: float | None,
    high: float | None,
    description: str,
    *,
    mostly: float = 1.0,
) -> Expectation:
    """Values lie between two bounds, in at least the share `mostly` of the cells; null passes."""
    return Expectation(
        "ExpectColumnValuesToBeBetween",
        _with_tolerance(description, mostly),
        {"column": column, "min_value": low, "max_value": high, "mostly": mostly},
    )


def _with_tolerance(description: str, mostly: float) -> str:
    """The description, and the share of cells that must agree with it unless that is all."""
    if mostly == 1:
        return description
    return f"{description.removesuffix('.')}, in at least {100 * mostly:.0f} % of the cells."


def at_most(smaller: str, larger: str, description: str) -> Expectation:
    """One column is nowhere above another; a cell that lacks either passes."""
    return Expectation(
        "ExpectColumnPairValuesAToBeGreaterThanB",
        description,
        {
            "column_A": larger,
            "column_B": smaller,
            "or_equal": True,
            "ignore_row_if": "either_value_is_missing",
        },
    )


def in_set(column: str, codes: tuple[str, ...], description: str) -> Expectation:
    """Stated values are among the codes."""
    return Expectation(
        "ExpectColumnValuesToBeInSet", description, {"column": column, "value_set": list(codes)}
    )


def stated(column: str, description: str) -> Expectation:
    """The value is there."""
    return Expectation("ExpectColumnValuesToNotBeNull", description, {"column": column})


@dataclass(frozen=True)
class SuiteResult:
    """What became of a suite.

    Attributes:
        suite: the suite.
        status: error before not_applicable before failed before passed; a table without a cell
            to judge is not_applicable.
        n_failed: expectations that were not met.
        failed: their descriptions, and those that could not be evaluated; no value.
    """

    suite: Suite
    status: str
    n_failed: int = 0
    failed: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """The table the suite speaks of."""
        return self.suite.table

    @property
    def n_expectations(self) -> int:
        """How many expectations the suite has."""
        return len(self.suite.expectations)
