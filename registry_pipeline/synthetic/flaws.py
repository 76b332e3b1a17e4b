"""The sample's flaws: what goes wrong in real deliveries, put into clean ones on purpose.

Belongs here: each flaw of the committed sample, by the rule it meets, in one place.
Does not belong here: the clean cohort (see `cohort`), writing files (see `deliveries`).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from registry_pipeline.synthetic.deliveries import Delivery, Edit, quarter_of

Deliveries = dict[str, Delivery]

UNKNOWN_PERSON: Final = "LX-9001"
SYNTHETIC_IDENTITY_NUMBER: Final = "21857310281"
"""Month + 80 with valid check digits: of the series kept for test data, nobody's number."""
BAD_CELLS: Final = (
    ("2014-Q3", "interviews", 5, "status", None),
    ("2014-Q3", "interviews", 12, "housing", "hybel"),
    ("2015-Q1", "interviews", 7, "coping_score", "12"),
    ("2015-Q1", "interviews", 15, "interview_date", "2015-02-30"),
    ("2015-Q1", "interviews", 23, "cannabis_days", "31"),
    ("2015-Q3", "interviews", 9, "interview_date", "2015-10-09"),
    ("2015-Q3", "process_events", 4, "outcome", f"ringte {SYNTHETIC_IDENTITY_NUMBER}"),
    ("2016-Q1", "interviews", 6, "crime_days", "ca. 3"),
)
"""Delivery, form, place among the completed rows, column, text: a required value that is
missing, an unknown code, a number out of range, a day that does not exist, more days of use
than the recall period has, a date after the extraction, an identity number in a text, a number
that is not one. Each sends its row to the quarantine."""
CORRECTION: Final = "2015-Q1-2"
LAST_CORRECTION: Final = "2016-Q2-2"


def add_flaws(deliveries: Deliveries) -> None:
    """Puts every flaw into the quarterly deliveries and adds the two corrections, in place."""
    _late_rows(deliveries)
    _repeated_row(deliveries)
    _corrections(deliveries)
    _rows_held_back(deliveries)
    _odd_stays(deliveries)
    for delivery, form, place, column, text in BAD_CELLS:
        row = _completed(deliveries[delivery], form)[place]
        deliveries[delivery].edits.append(Edit(form, row, column, text))
    deliveries["2014-Q4"].older_export = True
    deliveries["2015-Q2"].formats["interviews"] = "xlsx"
    deliveries["2015-Q4"].formats["interviews"] = "parquet"


def _late_rows(deliveries: Deliveries) -> None:
    """The last two interviews of a quarter and a consenting person's row come a quarter late."""
    second = deliveries["2015-Q2"]
    last = second.tables["interviews"]["interview_date"].arg_sort().to_list()
    late = [row for row in last if row in _completed(second, "interviews")][-2:]
    _move(deliveries, "interviews", late, "2015-Q2", "2015-Q3")
    consents = (deliveries["2014-Q2"].tables["patients"]["consent"] == "consented").arg_true()
    _move(deliveries, "patients", [consents[10]], "2014-Q2", "2014-Q3")


def _move(deliveries: Deliveries, form: str, rows: list[int], old: str, new: str) -> None:
    table = deliveries[old].tables[form]
    _append(deliveries[new], form, table[rows])
    stay = ~pl.int_range(table.height, eager=True).is_in(rows)
    deliveries[old].tables[form] = table.filter(stay)


def _append(delivery: Delivery, form: str, rows: pl.DataFrame) -> None:
    delivery.tables[form] = pl.concat([delivery.tables[form], rows])


def _repeated_row(deliveries: Deliveries) -> None:
    """An interview already delivered is delivered again, unchanged."""
    _append(deliveries["2014-Q4"], "interviews", _interview(deliveries["2014-Q3"], 20))


def _corrections(deliveries: Deliveries) -> None:
    """A correction of 2015-Q1: a birth year and two answers changed, its bad rows put right."""
    first = deliveries["2014-Q2"].tables["patients"].filter(pl.col("consent") == "consented")
    source = deliveries["2015-Q1"]
    changed = pl.concat([_interview(source, place) for place in (2, 30)])
    mended = pl.concat(
        _interview(source, place)
        for quarter, form, place, *_ in BAD_CELLS
        if (quarter, form) == (source.quarter, "interviews")
    )
    deliveries[CORRECTION] = Delivery(
        quarter=source.quarter,
        number=2,
        extracted_on=date(2015, 5, 4),
        tables={
            "patients": first.slice(30, 1).with_columns(pl.col("birth_year") - 1),
            "interviews": pl.concat([_with(changed, alcohol_days=4, coping_score=6), mended]),
        },
    )


def _rows_held_back(deliveries: Deliveries) -> None:
    """Interviews of someone unknown, of someone who declined, and outside the person's time."""
    start = deliveries["2014-Q2"].tables
    declined = start["patients"].filter(pl.col("consent") == "declined")["patient_id"][0]
    person = start["patients"].filter(pl.col("consent") == "consented").row(5, named=True)
    early = person["consent_date"] - timedelta(days=6)
    dead, late = _after_death(deliveries)
    for quarter, changes in (
        ("2014-Q4", {"patient_id": UNKNOWN_PERSON}),
        ("2015-Q1", {"patient_id": declined}),
        ("2014-Q2", {"patient_id": person["patient_id"], "interview_date": early}),
        (quarter_of(late), {"patient_id": dead, "interview_date": late}),
    ):
        _append(
            deliveries[quarter], "interviews", _with(_interview(deliveries[quarter], 0), **changes)
        )
    after_cutoff = _with(_interview(deliveries["2016-Q2"], 0), interview_date=date(2016, 10, 6))
    deliveries[LAST_CORRECTION] = Delivery(
        quarter="2016-Q2",
        number=2,
        extracted_on=date(2016, 10, 12),
        tables={"interviews": after_cutoff},
    )


def _after_death(deliveries: Deliveries) -> tuple[str, date]:
    """The first person who died, and a day soon after."""
    events = pl.concat(
        delivery.tables["events"] for delivery in deliveries.values() if delivery.number == 1
    ).filter(pl.col("event_type").str.starts_with("death"))
    death = events.sort("event_date").row(0, named=True)
    return death["patient_id"], death["event_date"] + timedelta(days=20)


def _odd_stays(deliveries: Deliveries) -> None:
    """A stay that ends before it starts, and one registered twice that overlaps the first."""
    delivery = deliveries["2015-Q4"]
    stays = delivery.tables["episodes"].filter(pl.col("end_date").is_null())
    reversed_stay = _with(
        stays[:1],
        pathway="other_oat",
        start_date=date(2015, 11, 20),
        end_date=date(2015, 11, 2),
        exit_type="transfer_unit",
    )
    inner = _with(
        stays[1:2],
        start_date=date(2015, 10, 12),
        end_date=date(2015, 11, 9),
        exit_type="planned_mutual",
    )
    _append(delivery, "episodes", pl.concat([reversed_stay, inner]))


def _with(rows: pl.DataFrame, **values: Any) -> pl.DataFrame:
    """The rows with other values, of the same types."""
    return rows.with_columns(
        pl.lit(value).cast(rows.schema[name]).alias(name) for name, value in values.items()
    )


def _interview(delivery: Delivery, place: int) -> pl.DataFrame:
    """The completed interview at that place in the delivery, as a frame of one row."""
    return delivery.tables["interviews"][_completed(delivery, "interviews")[place]]


def _completed(delivery: Delivery, form: str) -> list[int]:
    """Row numbers of completed interviews; of every row in a form without a status."""
    table = delivery.tables[form]
    if "status" not in table.columns:
        return list(range(table.height))
    return (table["status"] == "completed").arg_true().to_list()
