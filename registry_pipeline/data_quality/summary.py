"""The rules' results by dimension, for the checks people see.

Belongs here: quality.data_quality counted. Does not belong here: the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import duckdb

_COUNTED: Final = """
SELECT dimension,
    count(*) FILTER (status = 'passed'), count(*) FILTER (status = 'failed'),
    count(*) FILTER (status = 'not_applicable'), count(*) FILTER (status = 'error'),
    count(*) FILTER (status = 'failed' AND severity = 'error'),
    list(DISTINCT protocol || ': ' || rule_id || ' of ' || table_name
        || coalesce('.' || column_name, '') || ' ' || status || '.')
        FILTER (status IN ('failed', 'error'))
FROM quality.data_quality GROUP BY dimension
"""
SHOWN: Final = 12
"""So many rules are named; the table has the others."""


@dataclass(frozen=True)
class Summary:
    """One dimension's rules, counted by status over every cohort.

    Attributes:
        n_passed: rules that hold.
        n_failed: rules that do not.
        n_not_applicable: rules without a row to look at.
        n_error: rules that could not be computed.
        n_severe: failed rules that would mislead any use of the data.
        failed: a sentence for each rule that failed or broke.
    """

    n_passed: int = 0
    n_failed: int = 0
    n_not_applicable: int = 0
    n_error: int = 0
    n_severe: int = 0
    failed: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Something was checked, and nothing failed."""
        return self.n_passed > 0 and not self.n_failed and not self.n_error


def summaries(connection: duckdb.DuckDBPyConnection) -> Mapping[str, Summary]:
    """Dimension to its summary; a dimension without a rule is absent."""
    found = {}
    for row in connection.execute(_COUNTED).fetchall():
        dimension, passed, failed, idle, broken, severe, named = row
        sentences = sorted(named or [])
        more = len(sentences) - SHOWN
        shown = (*sentences[:SHOWN], f"And {more} more.") if more > 0 else tuple(sentences)
        found[dimension] = Summary(passed, failed, idle, broken, severe, shown)
    return found
