"""What a run looks like to the person at the terminal.

Belongs here: the short tables that `registry run` ends with, and its faults.
Does not belong here: how a home stands (see `status`), any number that is not read from a table or
the run itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote

import duckdb
import polars as pl
from rich.console import Console

from registry_pipeline.commands.headlines import (
    TOO_FEW,
    disclosure_rules,
    estimate,
    headlines,
    is_share_hidden,
)
from registry_pipeline.commands.operate import Outcome
from registry_pipeline.commands.printing import show, tables
from registry_pipeline.disclosure.small_numbers import curve_hidden
from registry_pipeline.gate.errors import counted
from registry_pipeline.gate.selection import left_out_of
from registry_pipeline.home import Home
from registry_pipeline.warehouse import ledger, refusals
from registry_pipeline.warehouse.database import DatabaseBusyError, connect, connect_published
from registry_pipeline.warehouse.faults import StoreError

_RECEIVED = """
SELECT protocol, count(DISTINCT delivery), count(*) FILTER (status = 'refused'),
       sum(n_received)::BIGINT, sum(n_accepted)::BIGINT, sum(n_quarantined)::BIGINT,
       (SELECT count(DISTINCT (form, row_key)) FROM meta.held
        WHERE held.protocol = delivery.protocol)
FROM meta.delivery GROUP BY protocol ORDER BY protocol
"""
_ENROLLED = """
SELECT cohort, n, denominator, share, ci_low, ci_high FROM derived.enrolment
WHERE "group" = 'consented' AND sex = 'all' AND age_group = 'all' AND n > 0 ORDER BY cohort
"""
_RETAINED = """
SELECT cohort, kind, month, retained, ci_low, ci_high, n_event_cum, n_at_risk, n
FROM derived.retention_at
WHERE origin = 'baseline' AND stratum_by = 'all' AND retained IS NOT NULL AND day > 0
  AND n_at_risk > 0
  AND (month = 12 OR day = (SELECT max(day) FROM derived.retention_at last
       WHERE last.cohort = retention_at.cohort AND last.kind = retention_at.kind
         AND last.retained IS NOT NULL))
ORDER BY cohort, list_position(['treatment', 'pathway', 'study'], kind), day
"""
_KINDS = {"treatment": "in treatment", "pathway": "in the index pathway", "study": "in the study"}
_TAKEN_IN = (
    "cohort",
    "deliveries",
    "files refused",
    "rows received",
    "accepted",
    "quarantined",
    "held back",
)
_NOT_SHOWN = ("kind", "retracted_unmet", "left_out")
"""What of a `Changed` has no column of its own."""
_CHANGED = """
SELECT protocol, delivery, any_value(kind), count(*) FILTER (status = 'accepted'),
       count(*) FILTER (status = 'refused'), sum(n_received)::BIGINT, sum(n_added)::BIGINT,
       sum(n_replaced)::BIGINT, sum(n_unchanged)::BIGINT, sum(n_late)::BIGINT,
       sum(n_retracted)::BIGINT, sum(n_quarantined)::BIGINT,
       coalesce(sum(n_retracted_unmet), 0)::BIGINT, coalesce(sum(n_left_out), 0)::BIGINT
FROM meta.delivery WHERE received_at >= ?
GROUP BY protocol, delivery
ORDER BY protocol, any_value(quarter), any_value(number), delivery
"""


@dataclass(frozen=True)
class Changed:
    """What a delivery of the run changed, over its forms; a refused file's rows are quarantined.

    Attributes:
        retracted_unmet: of `retracted`, keys that no earlier delivery has told of.
        left_out: rows beside those received that the protocol says are no form's.
    """

    cohort: str
    delivery: str
    kind: str | None
    files: int
    refused: int
    received: int
    added: int
    replaced: int
    unchanged: int
    late: int
    retracted: int
    quarantined: int
    retracted_unmet: int
    left_out: int

    @property
    def remarks(self) -> list[str]:
        """What is no fault and should be looked at, one sentence each."""
        place, found = f"{self.cohort}/{self.delivery}", []
        if n := self.retracted_unmet:
            of = f"{n} of {counted(self.retracted, 'row')} to be taken back"
            found.append(f"{place}: {of} {'is' if n == 1 else 'are'} not there")
        if self.left_out:
            found.append(left_out_of(place, self.left_out))
        return found


def changes_since(home: Home, outcome: Outcome) -> list[Changed]:
    """What the deliveries that a run took in changed; empty when it took none in."""
    began = datetime.fromtimestamp(outcome.since, UTC).replace(tzinfo=None)
    with _stored(home) as connection:
        if not outcome.began or "meta.delivery" not in tables(connection):
            return []
        return [Changed(*row) for row in connection.execute(_CHANGED, [began]).fetchall()]


def print_changes(console: Console, changed: list[Changed]) -> None:
    """Prints a line per delivery that was taken in, and what is to be looked at."""
    if not changed:
        return
    columns = tuple(name for name in Changed.__dataclass_fields__ if name not in _NOT_SHOWN)
    rows = [tuple(getattr(one, name) for name in columns) for one in changed]
    show(console, "Changed by this run", columns, rows)
    for sentence in (remark for one in changed for remark in one.remarks):
        console.print(sentence, markup=False, soft_wrap=True)


def print_report_card(console: Console, home: Home) -> None:
    """Prints what a run built and where to look."""
    with _stored(home) as connection:
        present = tables(connection)
        if {"meta.delivery", "meta.held"} <= present:
            show(console, "Taken in", _TAKEN_IN, connection.execute(_RECEIVED).fetchall())
        if {"derived.enrolment", "derived.retention_at"} <= present:
            columns = ("cohort", "what", "estimate", "of")
            show(console, "Results", columns, _results(connection, present))
        if lines := headlines(connection, present):
            show(console, "Systems", ("system", "cohort", "what", "estimate", "of"), lines)
    if home.analysis.exists():
        try:
            with connect_published(home) as published:
                n_tables = len(tables(published))
        except StoreError:
            return  # as the run told
        for line in (
            f"{n_tables} tables. To query: duckdb -readonly {quote(str(home.analysis))}",
            f"To look: registry ui --home {quote(str(home.path))}",
        ):
            console.print(line, markup=False, soft_wrap=True)


def faults(home: Home, outcome: Outcome) -> list[tuple[str, str]]:
    """Everything wrong with a run, as kind (refused, red_check, error) and sentence.

    Of the deliveries the run saw every open refusal counts, also one of an earlier run.
    """
    refused = [*outcome.left_alone]
    with _stored(home) as connection:
        if "meta.delivery" in tables(connection):
            refused += [
                reason
                for protocol, delivery, _, reason in refusals.open_refusals(connection)
                if f"{protocol}/{delivery}" in outcome.deliveries
            ]
            refused += [sentence for _, sentence in ledger.without_patients(connection)]
    return [
        *(("refused", sentence) for sentence in refused),
        *(("error", sentence) for sentence in outcome.errors),
        *(("red_check", sentence) for sentence in outcome.red_checks),
    ]


@contextmanager
def _stored(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The live database; an empty one where it is not there or cannot be read, as the run told."""
    with ExitStack() as opened:
        try:
            live = home.database.exists() and connect(home, read_only=True)
            connection = opened.enter_context(live) if live else duckdb.connect()
        except (StoreError, DatabaseBusyError):
            connection = duckdb.connect()
        yield connection


def _results(
    connection: duckdb.DuckDBPyConnection, present: Collection[str]
) -> list[tuple[str, str, str, str]]:
    """The figures of each cohort; one that speaks of few people is hidden, as on the pages."""
    rules = disclosure_rules(connection, present)
    rows = [
        (cohort, "consented", TOO_FEW, "people")
        if is_share_hidden(n, of, rules[cohort])
        else (cohort, "consented", estimate(share, low, high), f"{n} of {of}")
        for cohort, n, of, share, low, high in connection.execute(_ENROLLED).fetchall()
    ]
    for cohort, kind, month, *shown, left, at_risk, n in connection.execute(_RETAINED).fetchall():
        what = f"{_KINDS[kind]} at {month} months"
        counts = pl.lit(left), pl.lit(at_risk), pl.lit(n)
        if pl.select(curve_hidden(*counts, rules[cohort])).item():
            rows.append((cohort, what, TOO_FEW, "people"))
        else:
            of = f"{n} people, {at_risk} at risk then"
            rows.append((cohort, what, estimate(*shown), of))
    return rows
