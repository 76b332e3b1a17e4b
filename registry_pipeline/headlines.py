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
SELECT protocol, count(*) FILTER (numerator >= denominator), count(*)
FROM quality.goal_result WHERE measure = 'reached' AND denominator > 0
GROUP BY protocol ORDER BY protocol
"""
_INDICATORS: Final = """
SELECT protocol, count(DISTINCT indicator_id) FILTER (value IS NOT NULL),
       count(DISTINCT indicator_id),
       count(DISTINCT guideline) FILTER (value IS NOT NULL)
FROM quality.indicator JOIN quality.indicator_definition USING (indicator_id)
GROUP BY protocol HAVING count(value) > 0 ORDER BY protocol
"""
_DATA_QUALITY: Final = """
SELECT protocol, count(*) FILTER (status = 'passed'),
       count(*) FILTER (status IN ('passed', 'failed'))
FROM quality.data_quality GROUP BY protocol ORDER BY protocol
"""
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
    if "quality.goal_result" in present:
        for cohort, reached, planned in connection.execute(_GOALS).fetchall():
            lines.append(("Goals", cohort, "reached as planned", str(reached), f"{planned} counts"))
    if {"quality.indicator", "quality.indicator_definition"} <= set(present):
        for cohort, known, n, recommendations in connection.execute(_INDICATORS).fetchall():
            lines += [
                ("Indicators", cohort, "with a number", str(known), f"{n} indicators"),
                ("Guideline", cohort, "recommendations measured", str(recommendations), ""),
            ]
    if "quality.data_quality" in present:
        for cohort, passed, judged in connection.execute(_DATA_QUALITY).fetchall():
            lines.append(("Data quality", cohort, "checks passed", str(passed), f"{judged} checks"))
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
    if missing:
        of += f", {missing} unknown"
    if hidden == "low_coverage":
        of += f"; {PILOT}"
    if reason == "periods_differ":
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
