"""The ways registries export: the same rows come out of every one of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
import xlsxwriter

from registry_pipeline.gate.errors import RefusedFileError
from schemas.protocol import FormMap, Protocol

HEADER = ("patient_id", "event_date", "kind", "unit_id", "score", "outcome")
ROWS = (
    ("P1", date(2014, 5, 1), "evaluation", "Ørsta", 3.5, None),
    ("P2", date(2014, 6, 30), "naloxone", None, None, 'told; "yes", twice'),
    ("P3", date(2014, 7, 2), "evaluation", "Ørsta", 12.0, "æøå"),
)
COLUMNS = ["row_number", *HEADER[1:]]
EXPECTED = [(place, *row[1:]) for place, row in enumerate(ROWS, start=1)]


def cell(value: object, delimiter: str, decimal: str, day: str) -> str:
    if isinstance(value, date):
        return value.strftime(day)
    text = "" if value is None else str(value)
    text = text.replace(".", decimal) if isinstance(value, float) else text
    return '"' + text.replace('"', '""') + '"' if {*text} & {delimiter, '"', "\n"} else text


def csv(delimiter: str = ",", decimal: str = ".", day: str = "%Y-%m-%d", end: str = "\n") -> str:
    lines = [HEADER, *ROWS]
    return "".join(
        delimiter.join(cell(value, delimiter, decimal, day) for value in line) + end
        for line in lines
    )


CSV = {
    "commas": csv().encode(),
    "no line end at the end": csv().removesuffix("\n").encode(),
    "byte order mark": csv().encode("utf-8-sig"),
    "CRLF": csv(end="\r\n").encode(),
    "semicolons, decimal comma, dd.mm.yyyy": csv(";", ",", "%d.%m.%Y").encode(),
    "the same in Windows-1252": csv(";", ",", "%d.%m.%Y", "\r\n").encode("cp1252"),
    "semicolons and decimal point": csv(";").encode(),
    "names in quotes, spaces around": csv().replace("patient_id,", '" patient_id ",', 1).encode(),
}


@pytest.mark.parametrize("kind", CSV)
def test_every_way_of_writing_a_csv(gate: Callable[..., Any], kind: str) -> None:
    judged = gate("process_events.csv", CSV[kind])
    assert judged.accepted.select(COLUMNS).rows() == EXPECTED
    assert judged.problems.is_empty()


def test_a_declared_format_settles_what_the_file_leaves_open(gate: Callable[..., Any]) -> None:
    said = {"encoding": "cp1252", "delimiter": ";", "decimal": ","}
    content = csv(";", ",").replace("Ørsta", "Ørsta – vest").encode("cp1252")
    judged = gate("process_events.csv", content, format=said)
    assert judged.accepted["unit_id"].to_list() == ["Ørsta – vest", None, "Ørsta – vest"]
    with pytest.raises(RefusedFileError, match="another encoding must be declared"):
        gate("process_events.csv", content)
    with pytest.raises(RefusedFileError, match="another decimal sign than the file's comma"):
        gate("process_events.csv", csv(";", "."), format=said)


def test_a_declared_decimal_comma_holds_in_a_comma_separated_file_too(
    gate: Callable[..., Any],
) -> None:
    said = {"decimal": ","}
    quoted = csv(",", ",")
    assert '"3,5"' in quoted
    judged = gate("process_events.csv", quoted, format=said)
    assert judged.accepted.select(COLUMNS).rows() == EXPECTED
    with pytest.raises(RefusedFileError, match="another decimal sign than the file's comma"):
        gate("process_events.csv", csv(), format=said)
    with pytest.raises(RefusedFileError, match="a decimal comma in a comma-separated file"):
        gate("process_events.csv", quoted.replace('"3,5"', "3,5"), format=said)


def test_a_header_with_commas_in_a_semicolon_file(
    gate: Callable[..., Any], lar_x: Protocol
) -> None:
    maps = {"process_events": FormMap(rename={"score, total": "score"})}
    protocol = lar_x.model_copy(update={"forms": maps})
    content = csv(";").replace("score", "score, total", 1)
    with pytest.raises(RefusedFileError, match="declare the delimiter"):
        gate("process_events.csv", content, protocol=protocol)
    judged = gate("process_events.csv", content, protocol=protocol, format={"delimiter": ";"})
    assert judged.accepted["score"].to_list() == [3.5, None, 12.0]


def test_columns_are_taken_by_name_whatever_their_order(gate: Callable[..., Any]) -> None:
    lines = [
        ";".join(reversed(line.split(";"))) for line in csv(";").splitlines() if '"' not in line
    ]
    judged = gate("process_events.csv", "\n".join(lines))
    assert judged.accepted.select(COLUMNS[1:]).rows() == [ROWS[0][1:], ROWS[2][1:]]


def test_ids_are_text_and_keep_their_leading_zeros(gate: Callable[..., Any]) -> None:
    text = "patient_id,withdrawn_date,scope\n007,2014-05-01,erase\n7,2014-05-01,erase\n"
    assert gate("withdrawals.csv", text).accepted["patient_id"].n_unique() == 2


def test_line_breaks_within_quotes_are_text(gate: Callable[..., Any]) -> None:
    content = csv().replace("æøå", '"æ\nø,\nå"')
    for block_bytes in (1 << 20, 130):
        judged = gate("process_events.csv", content, block_bytes=block_bytes)
        assert judged.accepted["outcome"].to_list()[2] == "æ\nø,\nå"
        assert judged.accepted["row_number"].to_list() == [1, 2, 3]


def test_a_clean_file_and_one_with_a_bad_row_give_the_same_good_rows(
    gate: Callable[..., Any],
) -> None:
    clean = gate("process_events.csv", csv()).accepted
    text = csv() + "P4,2014-08-01,evaluation,Ørsta,high,\n"
    slow = gate("process_events.csv", text)
    assert slow.rules == [(4, "score", "number_format")]
    assert slow.accepted.equals(clean)


def workbook(rows: list[tuple[object, ...]], name: str = "Sheet1") -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"default_date_format": "dd.mm.yyyy"})
    sheet = book.add_worksheet(name)
    for at, row in enumerate(rows):
        sheet.write_row(at, 0, row)
    sheet.set_row(1, None, None, {"hidden": True})
    book.add_worksheet("empty")
    book.close()
    return stream.getvalue()


def test_xlsx_as_excel_writes_it(gate: Callable[..., Any]) -> None:
    blank_end: tuple[object, ...] = ("", None)
    judged = gate("process_events.xlsx", workbook([HEADER, *ROWS, blank_end]))
    assert judged.accepted.select(COLUMNS).rows() == EXPECTED
    assert judged.problems.is_empty()


def test_whole_numbers_of_excel_are_whole_numbers(gate: Callable[..., Any]) -> None:
    rows = [
        ("patient_id", "interview_date", "status", "heroin_days", "prescribed_benzodiazepine"),
        (7, "01.05.2014", "completed", 3.0, True),
        (8, "02.05.2014", "completed", 3.25, "nei"),
        (9, "03.05.2014", "completed", "N/A", False),
    ]
    judged = gate("interviews.xlsx", workbook(rows))
    columns = ("interview_date", "heroin_days", "prescribed_benzodiazepine")
    assert judged.accepted.select(columns).rows() == [(date(2014, 5, 1), 3, True)]
    assert judged.rules == [
        (2, "heroin_days", "integer_format"),
        (3, "heroin_days", "integer_format"),
    ]


@pytest.mark.parametrize("at_one_look", [True, False])
@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("3.0", 3), ("0.0", 0), ("3.5", None), ("3.00", None), ("3.", None), (".0", None),
        ("1.000", None), ("3.0.0", None), ("-3.0", None), ("+3.0", None),
    ],
)  # fmt: skip
def test_a_whole_number_may_have_one_zero_after_the_sign(
    gate: Callable[..., Any], written: str, read: int | None, at_one_look: bool
) -> None:
    """As tools write it in a column with gaps; a thousands sign is never taken for it."""
    rows = f"A-1,2014-05-10,completed,{written}\nA-2,2014-05-10,completed,\n"
    header = "patient_id,interview_date,status,heroin_days\n"
    judged = gate("interviews.csv", header + rows, at_one_look=at_one_look)
    days = judged.accepted["heroin_days"].to_list()
    assert days == ([None] if read is None else [read, None])


def test_the_zero_stands_after_the_decimal_sign_of_the_file(gate: Callable[..., Any]) -> None:
    header = "patient_id;interview_date;status;heroin_days;ors_total\n"
    rows = "A-1;2014-05-10;completed;3,0;21,5\nA-2;2014-05-10;completed;3.0;21,5\n"
    judged = gate("interviews.csv", header + rows)
    assert judged.accepted["heroin_days"].to_list() == [3]
    assert judged.rules == [(2, "heroin_days", "integer_format")]


def test_an_excel_date_with_a_time_is_no_date(gate: Callable[..., Any]) -> None:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream)
    sheet = book.add_worksheet("events")
    sheet.write_row(0, 0, ["patient_id", "event_date", "event_type"])
    for row, number in enumerate((41760, 41760.5), start=1):
        sheet.write_string(row, 0, f"P{row}")
        sheet.write_number(row, 1, number, book.add_format({"num_format": "yyyy-mm-dd hh:mm"}))
        sheet.write_string(row, 2, "moved")
    book.close()
    judged = gate("events.xlsx", stream.getvalue())
    assert judged.accepted["event_date"].to_list() == [date(2014, 5, 1)]
    assert judged.rules == [(2, "event_date", "date_format")]


def parquet(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


def test_parquet_with_the_forms_own_types(gate: Callable[..., Any]) -> None:
    frame = pl.DataFrame(ROWS, schema=list(HEADER), orient="row")
    judged = gate("process_events.parquet", parquet(frame))
    assert judged.accepted.select(COLUMNS).rows() == EXPECTED


def test_bad_parquet_rows_are_named_and_kept_as_text(gate: Callable[..., Any]) -> None:
    frame = pl.DataFrame(
        [*ROWS, ("P4", date(2014, 5, 1), "dance", "", float("nan"), "")],
        schema=list(HEADER),
        orient="row",
    )
    judged = gate("process_events.parquet", parquet(frame))
    assert judged.accepted.select(COLUMNS).rows() == EXPECTED
    assert judged.rules == [(4, "kind", "unknown_code"), (4, "score", "number_format")]
    assert judged.quarantined["original"].to_list() == [
        '{"event_date":"2014-05-01","kind":"dance","unit_id":null,"score":"NaN","outcome":null}'
    ]


@pytest.mark.parametrize("width", [pl.Int8, pl.UInt8, pl.Int32, pl.Int64, pl.UInt64])
def test_whole_numbers_of_parquet_have_any_width(
    gate: Callable[..., Any], lar_x: Protocol, width: type[pl.DataType]
) -> None:
    frame = pl.DataFrame(
        {
            "patient_id": ["P1", "P2", "P3"],
            "interview_date": [date(2014, 5, 1)] * 3,
            "status": ["completed"] * 3,
            "heroin_days": pl.Series([3, None, 0], dtype=width),
            "treatment_plan": pl.Series([2, 1, None], dtype=width),
        }
    )
    maps = {"interviews": FormMap(recode={"treatment_plan": {"1": "no", "2": "yes"}})}
    protocol = lar_x.model_copy(update={"forms": maps})
    judged = gate("interviews.parquet", parquet(frame), protocol=protocol)
    assert judged.accepted.select("heroin_days", "treatment_plan").rows() == [
        (3, "yes"),
        (None, "no"),
        (0, None),
    ]


def test_a_number_of_parquet_beyond_the_column_is_its_rows_fault(gate: Callable[..., Any]) -> None:
    frame = pl.DataFrame(
        {
            "patient_id": ["P1", "P2", "P3"],
            "interview_date": [date(2014, 5, 1)] * 3,
            "status": ["completed"] * 3,
            "heroin_days": [3, 2**40, 4],
        }
    )
    judged = gate("interviews.parquet", parquet(frame))
    assert judged.accepted["heroin_days"].to_list() == [3, 4]
    assert judged.rules == [(2, "heroin_days", "integer_format")]
