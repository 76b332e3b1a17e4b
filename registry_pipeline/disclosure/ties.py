"""What adds up to what among the counts of the programmes' tables.

Belongs here: the sums over units, groups, ages, quarters, measures and tables.
Does not belong here: the counts themselves (see `cells`), what is hidden (see `programmes`).

A sum that does not hold in the rows is none. Where parts fall short of their total, what is left is
a count nobody prints, and the years between two ages are another: neither must follow either.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from registry_pipeline.disclosure.cells import (
    COMPLEMENT,
    DENOMINATOR,
    MISSING,
    NUMERATOR,
    Cells,
    Row,
    counted,
    measure_of,
    place_of,
    told_twice,
)
from registry_pipeline.disclosure.family import ALL_UNITS, Exposure
from registry_pipeline.disclosure.printed import (
    CHART,
    CHARTED,
    FUNNEL,
    GOALS,
    INVOLVEMENT,
    RESULTS,
)
from schemas.protocol_programmes import Total

Named = tuple[str, str]
"""A measure and one of its counts."""

SUMS: Final[Mapping[str, Sequence[tuple[Named, Sequence[Named]]]]] = {
    FUNNEL: [
        (
            ("identified", NUMERATOR),
            [(step, NUMERATOR) for step in ("conversation", "declined", "unable")],
        ),
        (
            ("centre_contact", DENOMINATOR),
            [("centre_contact_followed", DENOMINATOR), ("centre_contact", MISSING)],
        ),
    ],
    "quality.dropout": [
        (
            ("dropout", DENOMINATOR),
            [("dropout_known", DENOMINATOR), ("unknown_end", NUMERATOR)],
        ),
        *(
            ((name, COMPLEMENT), [(name, MISSING)])
            for name in ("early_dropout", "dropped_out_later")
        ),
    ],
    "quality.checklist_use": [(("dropout_observed", COMPLEMENT), [("dropout_observed", MISSING)])],
    "quality.co_occurring": [(("integrated_care", COMPLEMENT), [("integrated_care", MISSING)])],
    "quality.no_show": [
        (
            ("no_show", count),
            [("no_show_strict", count), ("cancelled_late", NUMERATOR)],
        )
        for count in (NUMERATOR, DENOMINATOR)
    ],
    "quality.feedback_change": [
        (("sessions_per_person", DENOMINATOR), [(measure, DENOMINATOR), (measure, MISSING)])
        for measure in ("off_track", "alliance_concern")
    ],
    "quality.detox_stay": [
        (
            ("next_treatment", DENOMINATOR),
            [("median_days_to_next", DENOMINATOR), ("median_days_to_next", MISSING)],
        ),
    ],
    "quality.transition_gap": [
        (("kept_in_time", DENOMINATOR), [("median_days", DENOMINATOR), ("median_days", MISSING)]),
    ],
    INVOLVEMENT: [
        (("top_two", DENOMINATOR), [(f"level_{level}", NUMERATOR) for level in range(1, 6)]),
        (("top_two", NUMERATOR), [("level_4", NUMERATOR), ("level_5", NUMERATOR)]),
    ],
}
"""Counts of one table, unit, period and group that add up: the total, and its parts. Where a
measure counts the missing in its denominator, they leave of the complement those who are known."""


def tied(rows: Sequence[Row], totals: Sequence[Total]) -> Cells:
    """The counts of the rows that pages print, and every sum among them.

    Args:
        rows: see `printed.listed`; the number of a row here is its place.
        totals: the protocol's counts by hand that must add up.
    """
    made = Cells()
    same = told_twice(rows)
    before = _told_before(rows)
    places: dict[Hashable, dict[Named, int]] = {}
    for number, row in enumerate(rows):
        for count, value in counted(row).items():
            named = (row["table_name"], measure_of(row), row["subject"], count)
            name = before.get((row["measure"], count, place_of(row), value))
            cell = made.add(name or (*same.get(named, named), place_of(row)), value)
            made.of_row[number, count] = cell
            if row["table_name"] == RESULTS:
                shown = row["shown_denominator" if count == DENOMINATOR else "shown_numerator"]
                made.decided[cell] = Exposure.NOTHING if shown is None else Exposure.SHOWN
            where = (row["table_name"], row["subject"], place_of(row))
            places.setdefault(where, {})[measure_of(row), count] = cell
    for number in range(len(rows)):
        _tie_share(made, number)
    _tie_margins(made, rows)
    _tie_sums(made, rows, places)
    _tie_charts(made, rows)
    _tie_results(made, rows)
    _tie_goals(made, rows, totals)
    return made


def _told_before(rows: Sequence[Row]) -> dict[Hashable, Hashable]:
    """The counts of public indicators: the same count of the same unit and period is that one."""
    return {
        (row["measure"], count, place_of(row), value): (
            RESULTS,
            row["measure"],
            count,
            place_of(row),
        )
        for row in rows
        if row["table_name"] == RESULTS
        for count, value in counted(row).items()
    }


def _tie_share(made: Cells, number: int) -> None:
    parts = [made.of_row.get((number, name)) for name in (NUMERATOR, COMPLEMENT)]
    known = [part for part in parts if part is not None]
    if len(known) == len(parts):
        total = made.of_row[number, DENOMINATOR]
        for cell in (total, *known):
            made.lines.setdefault(cell, set()).update(known)
        made.tie(total, known, "numerator and complement add up to the denominator")


def _tie_margins(made: Cells, rows: Sequence[Row]) -> None:
    """Units and groups add up to everyone; ages, and days of follow-up, lie within each other."""
    margins: dict[Hashable, dict[str, list[int]]] = {}
    for number, row in enumerate(rows):
        if row["table_name"] in {GOALS, CHART}:
            continue
        is_level = row["table_name"] == INVOLVEMENT
        by = "all" if is_level else row["group_by"]
        if row["unit_id"] != ALL_UNITS:
            by = "units"
        period = (row["period_start"], row["period_end"])
        where = (row["table_name"], measure_of(row), row["subject"], period)
        margins.setdefault(where, {}).setdefault(by, []).append(number)
    for splits in margins.values():
        for whole in splits.pop("all", []):
            for by, parts in splits.items():
                for count in counted(rows[whole]):
                    _tie_split(made, whole, parts, by, count)
        followed = [made.of_row[number, DENOMINATOR] for number in splits.get("by_day", [])]
        _tie_nested(made, followed, "those followed longer lie within the others")


def _tie_split(made: Cells, whole: int, parts: Sequence[int], by: str, count: str) -> None:
    total = made.of_row[whole, count]
    known = [made.of_row[part, count] for part in parts if (part, count) in made.of_row]
    if by == "age":
        _tie_nested(made, [total, *known], "an age lies within the next")
        return
    words = "units add up to all units" if by == "units" else "groups add up to everyone"
    made.tie(total, known, words)


def _tie_nested(made: Cells, nested: Sequence[int], words: str) -> None:
    """Each count lies within the next larger one; who is in between must not follow."""
    ordered = sorted(nested, key=lambda cell: -made.counts[cell])
    for outer, inner in pairwise(ordered):
        made.tie(outer, [inner], words)


def _tie_sums(
    made: Cells, rows: Sequence[Row], places: Mapping[Hashable, Mapping[Named, int]]
) -> None:
    for where in {(r["table_name"], r["subject"], place_of(r)): None for r in rows}:
        here = places.get(where, {})
        for total, parts in SUMS.get(str(where[0]), []):
            if total in here and all(part in here for part in parts):
                made.tie(here[total], [here[part] for part in parts], "measures add up to another")


def _tie_charts(made: Cells, rows: Sequence[Row]) -> None:
    """The quarters of a chart add up to each part of it, and with the rest to the table's whole."""
    quarters: dict[Hashable, list[int]] = {}
    for number, row in enumerate(rows):
        if row["table_name"] == CHART and row["group_by"] == "all":
            quarters.setdefault((row["measure"], row["unit_id"]), []).append(number)
    for number, row in enumerate(rows):
        of_chart = row["table_name"] == CHART and row["group_by"] != "all"
        of_whole = CHARTED.get(row["measure"]) == row["table_name"] and row["group_by"] == "all"
        if not (of_chart or of_whole):
            continue
        inside = [
            part
            for part in quarters.get((row["measure"], row["unit_id"]), [])
            if row["period_start"] <= rows[part]["period_start"]
            and rows[part]["period_end"] <= row["period_end"]
        ]
        for count in (NUMERATOR, COMPLEMENT, DENOMINATOR):
            known = [made.of_row[part, count] for part in inside if (part, count) in made.of_row]
            if (number, count) in made.of_row:
                made.tie(made.of_row[number, count], known, "quarters add up to the whole")


def _tie_results(made: Cells, rows: Sequence[Row]) -> None:
    """What an indicator counts as well: years of a table, quarters of a chart."""
    spans: dict[Hashable, dict[tuple[Any, Any], int]] = {}
    for number, row in enumerate(rows):
        if row["table_name"] == RESULTS:
            period = (row["period_start"], row["period_end"])
            spans.setdefault((row["measure"], row["unit_id"]), {})[period] = number
    for number, row in enumerate(rows):
        if row["table_name"] not in {RESULTS, CHART, CHARTED.get(row["measure"])} or (
            row["group_by"] != "all"
        ):
            continue
        first, last = row["period_start"], row["period_end"]
        inside = {
            period: part
            for period, part in spans.get((row["measure"], row["unit_id"]), {}).items()
            if first <= period[0] and period[1] <= last and part != number
        }
        longest = [
            part
            for (start, end), part in inside.items()
            if not any((a, b) != (start, end) and a <= start and end <= b for a, b in inside)
        ]
        for count in (NUMERATOR, COMPLEMENT, DENOMINATOR):
            parts = [made.of_row[part, count] for part in longest]
            if (number, count) in made.of_row:
                made.tie(made.of_row[number, count], parts, "an indicator counts the same")


def _tie_goals(made: Cells, rows: Sequence[Row], totals: Sequence[Total]) -> None:
    """Parts add up to their total; a count by hand of the bridge is the funnel's, where equal."""
    funnel = {
        row["measure"]: made.of_row[number, NUMERATOR]
        for number, row in enumerate(rows)
        if row["table_name"] == FUNNEL and row["unit_id"] == ALL_UNITS
        and (number, NUMERATOR) in made.of_row
    }  # fmt: skip
    for number, row in enumerate(rows):
        total = funnel.get(row["step"]) if row["table_name"] == GOALS else None
        cell = made.of_row.get((number, NUMERATOR))
        if total is not None and cell is not None and made.counts[cell] == made.counts[total]:
            made.tie(total, [cell], "two tables count the same")
    steps: dict[tuple[Any, ...], dict[str, int]] = {}
    for number, row in enumerate(rows):
        if row["table_name"] == GOALS:
            where = (row["goal_id"], row["unit_id"], row["period_start"], row["period_end"])
            steps.setdefault(where, {})[row["step"]] = made.of_row[number, NUMERATOR]
    for where, here in steps.items():
        for one in totals:
            if one.goal == where[0] and {one.whole, *one.parts} <= set(here):
                parts = [here[part] for part in one.parts]
                made.tie(here[one.whole], parts, "the parts add up to the total")
