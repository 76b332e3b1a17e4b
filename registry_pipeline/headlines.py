"""The headline figure of each system: one line of what `registry run` ends with.

Belongs here: which row of which table is a system's headline, and how it is written.
Does not belong here: printing (see `report_card`), any number that is not read from a table.

Small numbers are hidden here too: a terminal is looked at over a shoulder.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import duckdb

from registry_pipeline.statistics.reasons import PERIODS_DIFFER
from schemas.protocol import Disclosure

Line = tuple[str, str, str, str, str]
"""System, cohort, what, estimate, of."""


@dataclass(frozen=True)
class Headline:
    """The row of a programme's table that stands for its system.

    Attributes:
        system: its name.
        table: `quality.<table>`.
        measure: the measure.
        what: the measure in words.
        noun: what the denominator counts.
        group: group_by and group.
        where: more that the row must be, in SQL.
        is_days: the value is a number of days, not a share.
    """

    system: str
    table: str
    measure: str
    what: str
    noun: str
    group: tuple[str, str] = ("all", "all")
    where: str = "true"
    is_days: bool = False


PROGRAMMES: Final = (
    Headline("Drop-out", "dropout", "dropout", "planned stays, unknown in", "stays"),
    Headline("Drop-out", "dropout", "dropout_known", "planned stays, end known", "stays"),
    Headline("Drop-out tools", "checklist_use", "checklist_used", "checklist early", "stays"),
    Headline("Appointments", "no_show", "no_show", "not kept", "appointments"),
    Headline("Feedback tools", "feedback_change", "off_track", "courses off track", "people"),
    Headline("Transitions", "transition_gap", "kept_in_time", "kept in time", "transitions"),
    Headline(
        "Co-occurring disorders",
        "co_occurring",
        "integrated_care",
        "both treated together",
        "people with both",
        ("co_occurring_disorder", "true"),
    ),
    Headline(
        "Bridging", "bridging_funnel", "centre_contact", "reached the centre", "conversations"
    ),
    Headline(
        "Bridging",
        "bridging_funnel",
        "centre_contact_followed",
        "reached, of those followed",
        "conversations",
    ),
    Headline("Detox", "detox_stay", "mean_days", "mean stay", "stays", is_days=True),
    Headline(
        "Involvement", "involvement", "top_two", "item 1, high degree", "answers", where="item = 1"
    ),
)
_ROW: Final = """
SELECT protocol, value, ci_low, ci_high, numerator, denominator, n_missing, hidden_reason, reason
FROM quality.{table}
WHERE measure = ? AND unit_id = 'all' AND group_by = ? AND "group" = ? AND {where}
  AND coalesce(reason, '') <> 'not_applicable'
QUALIFY row_number() OVER (PARTITION BY protocol ORDER BY period_end - period_start DESC) = 1
ORDER BY protocol
"""
_GOALS: Final = """
SELECT protocol, count(*) FILTER (numerator >= denominator)::VARCHAR, count(*) || ' counts'
FROM quality.goal_result WHERE measure = 'reached' AND denominator > 0
GROUP BY protocol ORDER BY protocol
"""
_INDICATORS: Final = """
SELECT protocol, count(DISTINCT indicator_id) FILTER (value IS NOT NULL)::VARCHAR,
       count(DISTINCT indicator_id) || ' indicators'
FROM quality.indicator GROUP BY protocol HAVING count(value) > 0 ORDER BY protocol
"""
_GUIDELINE: Final = """
SELECT protocol, count(DISTINCT recommendation) FILTER (value IS NOT NULL)::VARCHAR,
       count(DISTINCT recommendation) || ' in the guideline'
FROM quality.guideline_coverage GROUP BY protocol HAVING count(value) > 0 ORDER BY protocol
"""
_DATA_QUALITY: Final = """
SELECT protocol, count(*) FILTER (status = 'passed')::VARCHAR,
       count(*) FILTER (status IN ('passed', 'failed')) || ' checks'
FROM quality.data_quality GROUP BY protocol ORDER BY protocol
"""
_HIDDEN: Final = """
SELECT protocol, count(*) FILTER (numerator IS NULL)::VARCHAR, count(*) || ' results'
FROM quality.public_result WHERE period_type <> 'whole' GROUP BY protocol ORDER BY protocol
"""
COUNTED: Final = (
    ("Goals", "reached as planned", "goal_result", _GOALS),
    ("Indicators", "with a number", "indicator", _INDICATORS),
    ("Guideline", "recommendations measured", "guideline_coverage", _GUIDELINE),
    ("Data quality", "checks passed", "data_quality", _DATA_QUALITY),
    ("Disclosure control", "hidden outside", "public_result", _HIDDEN),
)
"""Systems whose headline is a count of rows: system, what, table, query."""

SMALLEST: Final = Disclosure().min_count
FEWEST: Final = Disclosure().min_percentage_denominator
PILOT: Final = "pilot cohort, low coverage"


def headlines(connection: duckdb.DuckDBPyConnection, present: Collection[str]) -> list[Line]:
    """A line per system and cohort that has rows in its table.

    Args:
        connection: the store.
        present: the tables it holds.
    """
    lines = []
    for one in PROGRAMMES:
        if f"quality.{one.table}" in present:
            query = _ROW.format(table=one.table, where=one.where)
            found = connection.execute(query, [one.measure, *one.group]).fetchall()
            lines += [_line(one, *row) for row in found]
    for system, what, table, query in COUNTED:
        if f"quality.{table}" in present:
            rows = connection.execute(query).fetchall()
            lines += [(system, cohort, what, number, of) for cohort, number, of in rows]
    return lines


def _line(
    one: Headline,
    cohort: str,
    value: float | None,
    low: float | None,
    high: float | None,
    *rest: str | int | None,
) -> Line:
    numerator, denominator, missing, hidden, reason = rest
    of = f"{denominator} {one.noun}"
    if int(missing or 0) >= SMALLEST:
        of += f", {missing} unknown"
    if hidden == "low_coverage":
        of += f"; {PILOT}"
    if reason == PERIODS_DIFFER:
        return one.system, cohort, one.what, "refused: periods differ", f"{numerator} and {of}"
    if value is None:
        return one.system, cohort, one.what, "not computable", of
    few = hidden == "low_coverage" and int(denominator or 0) < FEWEST
    if few or hidden not in (None, "low_coverage"):
        return one.system, cohort, one.what, "hidden: too few", one.noun
    if one.is_days:
        return one.system, cohort, one.what, f"{value:.1f} days", of
    return one.system, cohort, one.what, estimate(value, low, high), of


def estimate(value: float | None, low: float | None, high: float | None) -> str:
    """A share with its interval in per cent; without one the share alone."""
    if value is None:
        return "not computable"
    if low is None or high is None:
        return f"{100 * value:.1f} %"
    return f"{100 * value:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
