"""The headline figure of each system: one line of what `registry run` ends with.

Belongs here: which row of which table is a system's headline, and how it is written.
Does not belong here: printing (see `report_card`), any number that is not read from a table.

Small numbers are hidden here too: a terminal is looked at over a shoulder.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import polars as pl

from registry_pipeline.disclosure.small_numbers import is_small, percentage_hidden, share_hidden
from registry_pipeline.statistics.reasons import PERIODS_DIFFER
from registry_pipeline.warehouse.in_use import stored_protocols
from schemas.protocol import Disclosure, parse_protocol

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
        subject: the item, in the words of quality.public_programme.
        is_days: the value is a number of days, not a share.
    """

    system: str
    table: str
    measure: str
    what: str
    noun: str
    group: tuple[str, str] = ("all", "all")
    subject: str = "all"
    is_days: bool = False


PROGRAMMES: Final = (
    Headline("Drop-out", "dropout", "dropout", "of all planned stays", "stays"),
    Headline("Drop-out", "dropout", "dropout_known", "of those of known end", "stays"),
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
        "Involvement", "involvement", "top_two", "item 1, high degree", "answers", subject="item 1"
    ),
)
_ROW: Final = """
SELECT protocol, told.value, told.ci_low, told.ci_high, told.numerator, told.denominator,
       shown.n_missing, shown.hidden_reason, told.reason
FROM quality.{table} told
JOIN quality.public_programme shown
  USING (protocol, unit_id, period_start, period_end, measure, group_by, "group")
WHERE table_name = 'quality.{table}' AND measure = ? AND unit_id = 'all' AND group_by = ?
  AND "group" = ? AND subject = ? AND {item}
ORDER BY protocol
"""
"""The numbers of the table, and what of them may be shown: of low coverage they are marked."""

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
SELECT protocol, count(*) FILTER (is_hidden)::VARCHAR, count(*) || ' results'
FROM (SELECT protocol, numerator IS NULL AS is_hidden FROM quality.public_result
      WHERE period_type <> 'whole'
      UNION ALL SELECT protocol, hidden_reason IS NOT NULL FROM quality.public_programme)
GROUP BY protocol ORDER BY protocol
"""
COUNTED: Final = (
    ("Goals", "reached as planned", "goal_result", _GOALS),
    ("Indicators", "with a number", "indicator", _INDICATORS),
    ("Guideline", "recommendations measured", "guideline_coverage", _GUIDELINE),
    ("Data quality", "checks passed", "data_quality", _DATA_QUALITY),
    ("Disclosure control", "hidden outside", "public_programme", _HIDDEN),
)
"""Systems whose headline is a count of rows: system, what, table, query."""

PILOT: Final = "pilot cohort, low coverage"
TOO_FEW: Final = "hidden: too few"


def headlines(connection: duckdb.DuckDBPyConnection, present: Collection[str]) -> list[Line]:
    """A line per system and cohort that has rows in its table.

    Args:
        connection: the store.
        present: the tables it holds.
    """
    lines: list[Line] = []
    rules = disclosure_rules(connection, present)
    for one in PROGRAMMES:
        if {f"quality.{one.table}", "quality.public_programme"} <= set(present):
            item = "true" if one.subject == "all" else "subject = 'item ' || item"
            query = _ROW.format(table=one.table, item=item)
            wanted = [one.measure, *one.group, one.subject]
            found = connection.execute(query, wanted).fetchall()
            lines += [_line(one, rules[row[0]], row) for row in found]
    for system, what, table, query in COUNTED:
        if f"quality.{table}" in present:
            rows = connection.execute(query).fetchall()
            lines += [(system, cohort, what, number, of) for cohort, number, of in rows]
    return lines


def disclosure_rules(
    connection: duckdb.DuckDBPyConnection, present: Collection[str]
) -> dict[str, Disclosure]:
    """Each cohort's thresholds; none where nothing was ever taken in."""
    texts = stored_protocols(connection) if "meta.protocol" in present else {}
    return {name: parse_protocol(text, name).disclosure for name, text in texts.items()}


def is_share_hidden(numerator: int | None, denominator: int | None, rule: Disclosure) -> bool:
    """Whether a share is one of few people, or speaks of few."""
    counts = pl.lit(numerator, dtype=pl.Int64), pl.lit(denominator, dtype=pl.Int64)
    return bool(pl.select(share_hidden(*counts, rule) | percentage_hidden(counts[1], rule)).item())


def _line(one: Headline, rule: Disclosure, row: tuple[Any, ...]) -> Line:
    cohort, value, low, high, numerator, denominator, missing, hidden, reason = row
    of = f"{denominator} {one.noun}"
    if missing:
        of += f", {missing} unknown"
    if hidden == "low_coverage":
        of += f"; {PILOT}"
    few = is_share_hidden(0 if one.is_days else numerator, denominator, rule) or bool(
        pl.select(is_small(pl.lit(missing or 0), rule)).item()
    )
    if few if hidden == "low_coverage" else hidden:
        return one.system, cohort, one.what, TOO_FEW, one.noun
    if reason == PERIODS_DIFFER:
        return one.system, cohort, one.what, "refused: periods differ", f"{numerator} and {of}"
    if value is None:
        return one.system, cohort, one.what, "not computable", of
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
