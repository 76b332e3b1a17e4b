"""The XLSX parser's process and what is made of its output."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from registry_pipeline.gate import xlsx, xlsx_child
from registry_pipeline.gate.errors import RefusedFileError

BOOK = """<workbook xmlns="main" xmlns:r="r"><sheets>
  <sheet name="before" sheetId="1" r:id="rId1"/><sheet name="A &amp; B" sheetId="2" r:id="rId7"/>
</sheets></workbook>"""
LINKS = """<Relationships xmlns="links">
  <Relationship Id="rId1" Target="worksheets/other.xml"/><Relationship Id="rId7" Target="{}"/>
</Relationships>"""


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("", None),
        ("x", "x"),
        (True, "true"),
        (False, "false"),
        (3.0, "3"),
        (3.25, "3.25"),
        (-0.5, "-0.5"),
        (2.0**53, "9007199254740992.0"),
        (15076500565.0, "15076500565"),
        (dt.date(2014, 5, 1), "2014-05-01"),
        (dt.datetime(2014, 5, 1), "2014-05-01"),  # noqa: DTZ001 -- Excel knows no time zone
        (dt.datetime(2014, 5, 1, 13, 30), "2014-05-01T13:30:00"),  # noqa: DTZ001
        (dt.time(13, 30), "13:30:00"),
    ],
)
def test_a_cell_as_text(cell: object, text: str | None) -> None:
    assert xlsx_child.as_text(cell) == text


def test_a_cell_longer_than_excel_writes_stops_the_parser() -> None:
    assert xlsx_child.as_text("x" * xlsx_child.MAX_CELL)
    with pytest.raises(ValueError, match="longer than any"):
        xlsx_child.as_text("x" * (xlsx_child.MAX_CELL + 1))


@pytest.mark.parametrize(
    ("cells", "row"),
    [
        ('<row r="2"><c r="A2" t="s"><v>0</v></c></row>', 0),
        ('<row r="2"><c r="A2" t="e"><v>#N/A</v></c></row>', 2),
        ('<x:row x="" r="7"><x:c r="A7" t="e"><x:v>#REF!</x:v></x:c></x:row>', 7),
        ('<row r="3"><c r="A3"><f>1+1</f></c></row>', 3),
        ('<row r="3"><c r="A3"><f>1+1</f><v></v></c></row>', 3),
        ('<row r="3"><c r="A3"><f>1+1</f><v/></c></row>', 3),
        ('<row r="3"><c r="A3"><f>1+1</f><v>2</v></c></row>', 0),
    ],
)
def test_cells_that_would_read_as_empty(tmp_path: Path, cells: str, row: int) -> None:
    path = tmp_path / "book.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/sharedStrings.xml", '<c t="e">')
        archive.writestr("xl/workbook.xml", BOOK)
        archive.writestr("xl/_rels/workbook.xml.rels", LINKS.format("worksheets/sheet1.xml"))
        archive.writestr("xl/worksheets/sheet1.xml", f"<sheetData>{cells}</sheetData>")
    assert xlsx_child.first_hollow_row(str(path), "A & B") == row


@pytest.mark.parametrize(
    "target",
    [
        "worksheets/own.xml",
        "/xl/worksheets/own.xml",
        "xl/worksheets/own.xml",
        "Worksheets\\own.xml",
    ],
)
def test_the_part_of_a_sheet_is_found_by_its_id(target: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("xl/workbook.xml", BOOK)
        archive.writestr("xl/_rels/workbook.xml.rels", LINKS.format(target))
        archive.writestr("xl/worksheets/own.xml", "")
        archive.writestr("xl/worksheets/other.xml", "")
        assert xlsx_child.sheet_member(archive, "A & B") == "xl/worksheets/own.xml"


def test_an_error_on_another_sheet_is_not_the_forms(gate: Callable[..., Any]) -> None:
    for where, told in (("notes", None), ("withdrawals", "an Excel error")):
        stream = io.BytesIO()
        book = xlsxwriter.Workbook(stream)
        sheets = {name: book.add_worksheet(name) for name in ("before", "withdrawals", "notes")}
        sheets["withdrawals"].write_row(0, 0, ["patient_id", "withdrawn_date", "scope"])
        sheets["withdrawals"].write_row(1, 0, ["P1", "2014-05-01", "erase"])
        sheets[where].write_formula(4, 0, "=1/0", None, "#DIV/0!")
        book.close()
        if told is None:
            assert gate("withdrawals.xlsx", stream.getvalue()).accepted.height == 1
        else:
            with pytest.raises(RefusedFileError, match=f"row 4: {told}"):
                gate("withdrawals.xlsx", stream.getvalue())


def test_a_sheet_is_named_like_the_form_in_any_case_as_excel_has_it(
    gate: Callable[..., Any],
) -> None:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream)
    book.add_worksheet("notes").write(0, 0, "n")
    sheet = book.add_worksheet("Withdrawals")
    sheet.write_row(0, 0, ["patient_id", "withdrawn_date", "scope"])
    sheet.write_row(1, 0, ["P1", "2014-05-01", "erase"])
    book.close()
    assert gate("withdrawals.xlsx", stream.getvalue()).accepted.height == 1


def test_a_sheet_is_named_like_its_file_where_that_has_capitals(tmp_path: Path) -> None:
    path = tmp_path / "Eksport.xlsx"
    book = xlsxwriter.Workbook(path)
    for name in ("notes", "Eksport"):
        book.add_worksheet(name).write(0, 0, name)
    book.close()
    header, _ = xlsx.read_xlsx(path, path.stem, path.name)
    assert header == ("Eksport",)


def test_rows_come_in_bounded_batches_and_an_empty_row_between_is_a_bad_row(
    gate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "_BATCH_ROWS", 2)
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream)
    sheet = book.add_worksheet("withdrawals")
    sheet.write_row(0, 0, ["patient_id", "withdrawn_date", "scope"])
    for at in (1, 2, 4, 5):
        sheet.write_row(at, 0, [f"P{at}", "2014-05-01", "erase"])
    sheet.write_row(8, 0, ["", " ".strip()])
    book.close()
    judged = gate("withdrawals.xlsx", stream.getvalue())
    assert judged.accepted["row_number"].to_list() == [1, 2, 4, 5]
    assert {(row, rule) for row, _, rule in judged.rules} == {(3, "missing_required")}
    assert judged.n_batches == 3


def test_a_parser_that_dies_in_the_middle_of_a_row(
    gate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    xlsxwriter.Workbook(stream).close()
    dying = tmp_path / "dying.py"
    for ending in ('print(\'["P1", "2014\', end="")', "raise SystemExit(3)"):
        dying.write_text(f'print(\'["rows", "0"]\\n["patient_id"]\'); {ending}')
        monkeypatch.setattr(xlsx, "_CHILD", dying)
        with pytest.raises(RefusedFileError, match="not a readable workbook"):
            gate("withdrawals.xlsx", stream.getvalue())
