"""The public view of the programmes' tables: what pages may show, and the log of what not.

Belongs here: from the programmes' tables to quality.public_programme and quality.programme_log, and
the attacker's view of both. Does not belong here: which rows are printed (see `printed`), what adds
up to what (see `ties`), what is hidden of it (see `suppress`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.disclosure.attack import unsafe
from registry_pipeline.disclosure.cells import (
    COMPLEMENT,
    DENOMINATOR,
    MISSING,
    NUMERATOR,
    Cells,
    Row,
    counted,
)
from registry_pipeline.disclosure.family import Exposure, Family
from registry_pipeline.disclosure.printed import INVOLVEMENT, KEY, NUMBERS, RESULTS, listed
from registry_pipeline.disclosure.suppress import OWN_COUNT, SAME_LINE, suppress_counts
from registry_pipeline.disclosure.ties import tied
from registry_pipeline.version import as_table
from schemas.fields import describe
from schemas.protocol import Disclosure, Protocol
from schemas.quality.public import ProgrammeLog, PublicProgramme

_COLUMN: Final = {
    NUMERATOR: "numerator",
    COMPLEMENT: "numerator",
    DENOMINATOR: "denominator",
    MISSING: "n_missing",
}
"""A count to the column that prints it; the complement follows from the numerator."""

FEW: Final = "too few for a percentage"
SAME_ITEM: Final = "another number of the item is hidden"
LOW_COVERAGE: Final = "low_coverage"
_REASONS: Final = {
    OWN_COUNT: "small_count",
    FEW: "small_denominator",
    LOW_COVERAGE: LOW_COVERAGE,
}


def public_programmes(
    tables: Mapping[str, pl.DataFrame], protocol: Protocol
) -> dict[str, pl.DataFrame]:
    """quality.public_programme and quality.programme_log of one cohort.

    Args:
        tables: the programmes' tables of the cohort with true counts, and, where indicators count
            the same, quality.indicator and what is shown of it.
        protocol: the cohort; its thresholds, and the totals of its goals.

    Returns:
        Table name to frame, without as_of_delivery.
    """
    rows = listed(tables, protocol.id)
    told = rows.to_dicts()
    made = tied(told, protocol.programmes.totals)
    why = _why_hidden(made, protocol.disclosure)
    if any(row["hidden_reason"] == LOW_COVERAGE for row in told):
        of_row = [LOW_COVERAGE if any(counted(row).values()) else "" for row in told]
    else:
        each = [_why_row(row, n, made, why, protocol.disclosure) for n, row in enumerate(told)]
        of_row = _by_item(told, each)
    return {
        "quality.public_programme": _public(rows, of_row, made, why),
        "quality.programme_log": _log(rows, of_row, made, why),
    }


def recovered(tables: Mapping[str, pl.DataFrame], public: pl.DataFrame, protocol: Protocol) -> int:
    """How many counts of few people an attacker reads in the public table, or works out of it.

    The attacker knows every number that is shown and every sum among the counts.

    Args:
        tables: as for `public_programmes`.
        public: what is shown of them.
        protocol: the cohort.
    """
    names = list(_COLUMN.values())
    shown = public.select(*KEY, *(pl.col(name).alias(f"told_{name}") for name in set(names)))
    rows = listed(tables, protocol.id).join(shown, on=KEY, how="left", maintain_order="left")
    told = rows.to_dicts()
    made = tied(told, protocol.programmes.totals)
    known = {cell for cell, exposure in made.decided.items() if exposure == Exposure.SHOWN}
    known |= {
        cell
        for (number, count), cell in made.of_row.items()
        if told[number][f"told_{_COLUMN[count]}"] is not None
    }
    attacked = _with_few(made, protocol.disclosure)
    exposures = [
        np.array([Exposure.SHOWN if cell in known else Exposure.NOTHING for cell in members])
        for members, _ in attacked
    ]
    found = unsafe([one for _, one in attacked], exposures, protocol.disclosure)
    worked_out = {
        members[place]
        for (members, _), places in zip(attacked, found, strict=True)
        for place in places
    }
    return len(worked_out | (_few(made, protocol.disclosure) & known))


def _few(made: Cells, rule: Disclosure) -> set[int]:
    return {cell for cell, count in enumerate(made.counts) if 0 < count < rule.min_count}


def _with_few(made: Cells, rule: Disclosure) -> list[tuple[list[int], Family]]:
    """The counts that any sum ties to a count of few people; the others have nothing to protect."""
    few = _few(made, rule)
    return [
        (members, one)
        for members, one in made.families()
        if one.relations and not few.isdisjoint(members)
    ]


def _why_hidden(made: Cells, rule: Disclosure) -> dict[int, str]:
    """The counts that are hidden, and why."""
    attacked = _with_few(made, rule)
    own = dict.fromkeys(_few(made, rule), OWN_COUNT)
    verdicts = suppress_counts([one for _, one in attacked], rule)
    protected = {
        cell: why
        for (members, _), verdict in zip(attacked, verdicts, strict=True)
        for cell, why in zip(members, verdict.why, strict=True)
        if why
    }
    return own | protected


def _why_row(row: Row, number: int, made: Cells, why: Mapping[int, str], rule: Disclosure) -> str:
    """Why none of a row's numbers is shown; empty where all are."""
    counts = [name for name in counted(row) if name != MISSING]
    hidden = [why[made.of_row[number, name]] for name in counts if made.of_row[number, name] in why]
    if OWN_COUNT in hidden:
        return OWN_COUNT
    if DENOMINATOR in counts and 0 < row["denominator"] < rule.min_percentage_denominator:
        return FEW
    return hidden[0] if hidden else ""


def _by_item(rows: Sequence[Row], of_row: Sequence[str]) -> list[str]:
    """The answers to an item are shown together or not at all: a mean is made of all of them."""

    def item(row: Row) -> tuple[object, ...]:
        return (row["unit_id"], row["period_start"], row["subject"])

    lost = {
        item(row)
        for row, why in zip(rows, of_row, strict=True)
        if why and row["table_name"] == INVOLVEMENT
    }
    return [
        why or (SAME_ITEM if row["table_name"] == INVOLVEMENT and item(row) in lost else "")
        for row, why in zip(rows, of_row, strict=True)
    ]


def _public(
    rows: pl.DataFrame, of_row: Sequence[str], made: Cells, why: Mapping[int, str]
) -> pl.DataFrame:
    """The rows with hidden numbers null."""
    lost = [made.of_row.get((number, MISSING)) in why for number in range(rows.height)]
    hidden = pl.Series("why", of_row, dtype=pl.String)
    gone = pl.Series("gone", [bool(words) for words in of_row], dtype=pl.Boolean)
    reason = hidden.replace_strict(
        {"": None, LOW_COVERAGE: LOW_COVERAGE, FEW: "small_denominator"},
        default="protected",
        return_dtype=pl.String,
    )
    shown = rows.with_columns(
        *(pl.when(~gone).then(pl.col(name)).alias(name) for name in NUMBERS),
        hidden_reason=reason,
    ).with_columns(n_missing=pl.when(~pl.Series(lost, dtype=pl.Boolean)).then("n_missing"))
    shown = shown.filter(pl.col("table_name") != RESULTS)
    cohort = "" if rows.is_empty() else rows["protocol"][0]
    return as_table(shown, PublicProgramme, cohort=cohort, method=pl.col("method")).sort(KEY)


def _log(
    rows: pl.DataFrame, of_row: Sequence[str], made: Cells, why: Mapping[int, str]
) -> pl.DataFrame:
    """A row per number taken out."""
    lines = [
        {
            **{name: row[name] for name in KEY},
            "cell": count,
            "reason": _REASONS.get(note, "secondary"),
            "note": note,
        }
        for number, row in enumerate(rows.iter_rows(named=True))
        if row["table_name"] != RESULTS
        for count, note in _notes(row, number, of_row[number], made, why)
    ]
    return pl.DataFrame(lines, schema=describe(ProgrammeLog).dtypes).sort(
        describe(ProgrammeLog).key
    )


def _notes(
    row: Row, number: int, of_row: str, made: Cells, why: Mapping[int, str]
) -> Iterator[tuple[str, str]]:
    """Each count of a row that is hidden, and why: by itself, or with the row."""
    for count, value in counted(row).items():
        own = why.get(made.of_row[number, count], "")
        with_row = of_row if of_row in {LOW_COVERAGE, FEW, SAME_ITEM} else SAME_LINE
        if value and (own or of_row):
            yield count, own or with_row
