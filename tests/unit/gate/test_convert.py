"""Which texts are which values; everything else is null and named."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from registry_pipeline.gate.convert import REASONS, FileStyle, convert
from registry_pipeline.gate.errors import RefusedFileError
from schemas.fields import Column
from schemas.forms import form_table
from schemas.protocol import load_shipped

LAR_X = load_shipped("lar_x")
INTEGER = form_table("interviews", LAR_X).column("heroin_days")
NUMBER = form_table("process_events", LAR_X).column("score")
DAY = form_table("interviews", LAR_X).column("interview_date")
FLAG = form_table("patients", LAR_X).column("co_occurring_disorder")

MAY_1 = date(2014, 5, 1)
VALUES: list[tuple[Column, str | None, object]] = [
    *((column, None, None) for column in (INTEGER, NUMBER, DAY, FLAG)),
    *((INTEGER, text, value) for text, value in [("7", 7), ("-7", -7), ("007", 7), ("-0", 0)]),
    *((INTEGER, text, value) for text, value in [("7.0", 7), ("-7.0", -7)]),
    *((NUMBER, text, value) for text, value in [("7", 7.0), ("-7.25", -7.25), ("0.1", 0.1)]),
    (DAY, "2014-05-01", MAY_1),
    (DAY, "2012-02-29", date(2012, 2, 29)),
    *((FLAG, text, True) for text in ("true", "TRUE", "True", "1", "ja", "Ja", "yes")),
    *((FLAG, text, False) for text in ("false", "FALSE", "0", "nei", "NO")),
]
FAULTS: list[tuple[Column, str, str]] = [
    *(
        (INTEGER, text, "integer_format")
        for text in (" 7", "7 ", " 7 ", "+7", "1e3", "0x10", "1_000", "1.5", "7.00", "1,000", "１")
    ),
    *((INTEGER, text, "integer_format") for text in ("NaN", "inf", "-", "2147483648", "x")),
    *(
        (NUMBER, text, "number_format")
        for text in (" 7.5", "7.5 ", "+7.5", "1e3", "1.5E-3", "NaN", "inf", ".5", "5.", "1_0.5")
    ),
    *((NUMBER, text, "number_format") for text in ("1.234.5", "--1", "1 234", "x")),
    *((DAY, text, "impossible_date") for text in ("2014-02-29", "2014-13-01", "2014-00-10")),
    *(
        (DAY, text, "date_format")
        for text in ("2014-5-1", " 2014-05-01", "14-05-01", "0014-05-01", "2014/05/01", "1.2.24")
    ),
    *((DAY, text, "date_format") for text in ("01-05-2014", "2014-05-01T00:00:00", "May 1 2014")),
    *((DAY, text, "date_style") for text in ("01.05.2014", "31.02.2014")),
    *((DAY, text, "date_serial_number") for text in ("41760", "41760.5", "20140501")),
    *((FLAG, text, "flag_format") for text in ("2", "y", " true", "true ", "maybe")),
]


def convert_all(
    frame: pl.DataFrame, column: Column, style: FileStyle
) -> tuple[pl.DataFrame, pl.DataFrame]:
    return convert(frame, [column], style, pl.int_range(1, frame.height + 1, eager=True))


def converted(column: Column, text: str | None) -> tuple[object, list[str]]:
    frame = pl.DataFrame({column.name: [text]}, schema={column.name: pl.String})
    typed, faults = convert_all(frame, column, FileStyle("file.csv", ".", "iso"))
    assert typed.schema[column.name] == column.dtype
    return typed[column.name][0], faults["rule_id"].to_list()


@pytest.mark.parametrize(("column", "text", "value"), VALUES)
def test_a_text_that_is_a_value(column: Column, text: str | None, value: object) -> None:
    assert converted(column, text) == (value, [])


@pytest.mark.parametrize(("column", "text", "rule_id"), FAULTS)
def test_a_text_that_is_none(column: Column, text: str, rule_id: str) -> None:
    assert converted(column, text) == (None, [rule_id])
    assert REASONS[rule_id]


def test_a_file_with_dd_mm_yyyy() -> None:
    texts = ["01.05.2014", "31.12.2014", "2014-05-01", "1.5.2014", "31.02.2014"]
    frame = pl.DataFrame({"interview_date": texts})
    typed, faults = convert_all(frame, DAY, FileStyle("file.csv"))
    assert typed["interview_date"].to_list() == [MAY_1, date(2014, 12, 31), None, None, None]
    assert faults["rule_id"].to_list() == ["date_style", "date_format", "impossible_date"]


def test_a_style_once_learned_is_kept_and_a_tie_is_no_style() -> None:
    style = FileStyle("file.csv")
    for texts in (["x"], ["01.05.2014"], ["2014-05-01", "2014-05-02"]):
        convert_all(pl.DataFrame({"interview_date": texts}), DAY, style)
    assert style.date == "nordic"
    tie = pl.DataFrame({"interview_date": ["2014-05-01", "01.05.2014"]})
    with pytest.raises(RefusedFileError, match="as many dates written"):
        convert_all(tie, DAY, FileStyle("file.csv"))


def test_the_decimal_sign_is_one_per_file() -> None:
    style = FileStyle("file.csv")
    typed, _ = convert_all(pl.DataFrame({"score": ["3", "3,5", None]}), NUMBER, style)
    assert typed["score"].to_list() == [3.0, 3.5, None]
    with pytest.raises(RefusedFileError, match="another decimal sign than the file's comma"):
        convert_all(pl.DataFrame({"score": ["3.5"]}), NUMBER, style)


def test_typed_columns_pass_but_for_numbers_that_are_none() -> None:
    frame = pl.DataFrame({"score": [3.5, float("nan"), float("inf"), None]})
    typed, faults = convert_all(frame, NUMBER, FileStyle("file.parquet", "."))
    assert typed["score"].to_list() == [3.5, None, None, None]
    assert faults.rows() == [(1, "score", "number_format"), (2, "score", "number_format")]
