"""What is owed: quarters and forms not delivered, files refused, interviews due and not there.

Belongs here: comparing the ledger with itself and with the visits.
Does not belong here: when someone looks (see `assets.automation`).
"""

from __future__ import annotations

import duckdb

from registry_pipeline.indicators.coverage import SILENT
from registry_pipeline.warehouse.database import scalar
from registry_pipeline.warehouse.refusals import open_refusals
from schemas.protocol import Disclosure

MIN_COUNT = Disclosure().min_count
_SENDERS = """
WITH whole AS (
    SELECT DISTINCT protocol, sender, quarter, form, extracted_on FROM meta.delivery
    WHERE status = 'accepted' AND kind = 'full'
), latest AS (
    SELECT protocol, sender, max(quarter) AS quarter,
        max(max(quarter)) OVER (PARTITION BY protocol) AS newest
    FROM whole GROUP BY protocol, sender
    QUALIFY max(extracted_on) > max(max(extracted_on)) OVER (PARTITION BY protocol) - $silent
)
"""
"""The accepted files, and the latest quarter of each sender that has not stopped delivering."""

_FORMS = f"""{_SENDERS}
SELECT protocol, sender, latest.quarter, form
FROM (SELECT DISTINCT protocol, sender, form FROM whole) known
JOIN latest USING (protocol, sender)
ANTI JOIN whole USING (protocol, sender, quarter, form)
ORDER BY ALL
"""

_QUARTERS = f"""{_SENDERS}
SELECT protocol, sender, quarter, newest FROM latest WHERE quarter < newest ORDER BY ALL
"""

_WAVES = """
SELECT cohort, wave, count(*) FILTER (status = 'missed' AND interview_date IS NULL), count(*)
FROM core.visit WHERE is_due GROUP BY ALL
HAVING count(*) FILTER (status = 'missed' AND interview_date IS NULL) > 0 ORDER BY ALL
"""


def owed(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """One sentence per thing owed, with counts; empty when nothing is.

    A sender that is a year behind the cohort has stopped delivering, and owes no file (ADR 53).

    Args:
        connection: to the live database, with the ledger prepared.
    """
    silent = {"silent": SILENT}
    sentences = [
        f"{protocol}, {sender}: {quarter} has no accepted {form}, earlier quarters had"
        for protocol, sender, quarter, form in connection.execute(_FORMS, silent).fetchall()
    ]
    sentences += [
        f"{protocol}, {sender}: nothing accepted for {', '.join(_between(last, newest))}, which "
        "another sender has delivered"
        for protocol, sender, last, newest in connection.execute(_QUARTERS, silent).fetchall()
    ]
    sentences += [f"refused and not mended: {reason}" for *_, reason in open_refusals(connection)]
    has_visits = scalar(
        connection,
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'core' AND table_name = 'visit'",
    )
    if has_visits:
        sentences += [
            f"{cohort}: wave {wave} lacks the interview row of {_part(missing, due)} due"
            for cohort, wave, missing, due in connection.execute(_WAVES).fetchall()
        ]
    return sentences


def _between(last: str, newest: str) -> list[str]:
    """The quarters after one, up to another and with it."""
    first, end = (4 * int(quarter[:4]) + int(quarter[-1]) - 1 for quarter in (last, newest))
    return [f"{place // 4}-Q{place % 4 + 1}" for place in range(first + 1, end + 1)]


def _part(n: int, whole: int) -> str:
    """A part of a whole as the event log may hold it: what it holds is exported and read by many.

    Nothing is said of 1 to 4 people, of the rest neither.
    """
    if 0 < whole - n < MIN_COUNT <= n:
        return f"all but fewer than {MIN_COUNT} of {whole}"
    return f"{_safe(n)} of {_safe(whole)}"


def _safe(n: int) -> str:
    return str(n) if n == 0 or n >= MIN_COUNT else f"fewer than {MIN_COUNT}"
