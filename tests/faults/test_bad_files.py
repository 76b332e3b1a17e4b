"""Bad files and bad rows: each gets one clear sentence, and no value is ever in it.

A refused file is told of by file, row, column and rule; a bad row is quarantined by itself.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

from registry_pipeline.gate import xlsx
from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.gate import Batch, read_form
from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.pseudonym import Key
from registry_pipeline.gate.structure import CsvFile
from schemas.protocol import FormMap, Protocol, load_shipped

HEADER = "patient_id,sex,birth_year,consent,consent_date"
GOOD = "P1,male,1980,consented,2014-05-01"
SCORES = "patient_id,event_date,kind,score"


def manifest(**said: object) -> Manifest:
    fixed = {"protocol": "lar_x", "quarter": "2014-Q3", "number": 1, "kind": "full"}
    return Manifest.model_validate(
        {**fixed, "extracted_on": date(2014, 10, 1), "sender": "helse-bergen", **said}
    )


@dataclass
class Judged:
    accepted: list[int]
    problems: list[tuple[int, str | None, str]]
    originals: list[str]


def persons_of(protocol: Protocol) -> Persons:
    return Persons(protocol, Key((bytes(32),)))


@dataclass(frozen=True)
class Intake:
    folder: Path
    protocol: Protocol

    def batches(self, name: str, content: bytes | str, **said: object) -> list[Batch]:
        path = self.folder / "staged"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        form = name.split(".", maxsplit=1)[0]
        persons = persons_of(self.protocol)
        return list(read_form(path, form, self.protocol, manifest(**said), persons, name=name))

    def refusal(self, name: str, content: bytes | str, **said: object) -> RefusedFileError:
        with pytest.raises(RefusedFileError) as refused:
            self.batches(name, content, **said)
        return refused.value

    def rows(self, name: str, content: bytes | str, **said: object) -> Judged:
        batches = self.batches(name, content, **said)
        columns = ("row_number", "column_name", "rule_id")
        return Judged(
            [row for batch in batches for row in batch.accepted["row_number"]],
            [row for batch in batches for row in batch.problems.select(columns).iter_rows()],
            [text for batch in batches for text in batch.quarantined["original"]],
        )


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    lenient = load_shipped("lar_x").model_copy(update={"max_quarantine_share": 1.0})
    return Intake(tmp_path, lenient)


def csv(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


REFUSED_CSV: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "patients.csv: the file is empty (empty_file)"),
    "only a byte order mark": (
        b"\xef\xbb\xbf",
        "patients.csv: the file is empty (empty_file)",
    ),
    "header only": (csv(), "patients.csv: a header, and no row under it (no_rows)"),
    "missing required column": (
        csv("P1,male", header="patient_id,sex"),
        "patients.csv, column consent: missing column consent (missing_column)",
    ),
    "unknown column": (
        csv(GOOD + ",x", header=HEADER + ",shoe_size"),
        (
            "patients.csv, column shoe_size: unknown column shoe_size; "
            "rename or ignore it in the protocol (unknown_column)"
        ),
    ),
    "unknown column that may be a person's": (
        csv(GOOD + ",x", header=HEADER + ",15076500565"),
        (
            "patients.csv, column number 6: unknown column number 6; "
            "rename or ignore it in the protocol (unknown_column)"
        ),
    ),
    "no header": (
        csv(GOOD, header=GOOD),
        "patients.csv, row header: the first row names none of the form's columns (no_header)",
    ),
    "duplicate header": (
        csv(GOOD + ",x", header=HEADER + ", Sex "),
        "patients.csv, row header, column Sex: the column stands twice (duplicate_header)",
    ),
    "nameless column": (
        csv(GOOD + ",x", header=HEADER + ","),
        "patients.csv, row header, column 6: the column has no name (unnamed_column)",
    ),
    "short rows": (
        csv(GOOD, "P2,male", GOOD, "P3,male"),
        "patients.csv, rows 2, 4: 2 fields where the header has 5 (ragged_row)",
    ),
    "seven short rows": (
        csv(*["P2,male"] * 7),
        "patients.csv, rows 1, 2, 3, 4, 5 and more: 2 fields where the header has 5 (ragged_row)",
    ),
    "one long row and one short": (
        csv("P1,male,1980,consented,2014-05-01,x", "P2,male,1980,consented"),
        (
            "patients.csv, rows 1, 2: 6 fields where the header has 5; "
            "a decimal comma in a comma-separated file does this (ragged_row)"
        ),
    ),
    "blank line between rows": (
        csv(GOOD, "", GOOD.replace("P1", "P2")),
        "patients.csv, row 2: 1 field where the header has 5 (ragged_row)",
    ),
    "separated by tabs": (
        csv(GOOD).replace(",", "\t"),
        (
            "patients.csv, row header: the header is one column; comma or semicolon, as declared, "
            "must separate columns (wrong_delimiter)"
        ),
    ),
    "commas and semicolons": (
        csv(GOOD).replace("sex,", "sex;"),
        (
            "patients.csv, row header: the header holds commas and semicolons; "
            "declare the delimiter in [format] (wrong_delimiter)"
        ),
    ),
    "UTF-16": (
        csv(GOOD).encode("utf-16"),
        "patients.csv, row header: NUL bytes: a binary file, or text in UTF-16 (nul_bytes)",
    ),
    "NUL in a row": (
        csv(GOOD, "P2,ma\0le,1980,consented,2014-05-01"),
        "patients.csv, row 2: NUL bytes: a binary file, or text in UTF-16 (nul_bytes)",
    ),
    "bytes that may be one of several encodings": (
        csv(GOOD.replace("P1", "BÆ")).encode("cp865"),
        (
            "patients.csv, row 1: not UTF-8, and another encoding must be declared in [format] "
            "(encoding)"
        ),
    ),
    "UTF-8 decoded once as Windows-1252": (
        csv(GOOD, GOOD.replace("P1", "BØ".encode().decode("cp1252"))),
        "patients.csv, row 2: letters decoded wrongly before delivery (garbled_text)",
    ),
    "replacement character": (
        csv(GOOD.replace("P1", "B\ufffd")),
        "patients.csv, row 1: letters decoded wrongly before delivery (garbled_text)",
    ),
    "bare carriage returns": (
        csv(GOOD).replace("\n", "\r"),
        (
            "patients.csv, row header: a line ends in a bare carriage return; "
            "save with CRLF or LF line ends (line_ends)"
        ),
    ),
    "quote never closed": (
        csv(GOOD, 'P2,"male,1980,consented,2014-05-01', GOOD.replace("P1", "P3")),
        "patients.csv, row 2: a quote is not closed, or stands within a field undoubled (quotes)",
    ),
    "quote within a name": (
        csv(GOOD, header='"patient_id"x' + HEADER.removeprefix("patient_id")),
        "patients.csv, row header: a quote is misplaced (quotes)",
    ),
    "quote within a field": (
        csv('P1,ma"le",1980,consented,2014-05-01'),
        "patients.csv, row 1: a quote is not closed, or stands within a field undoubled (quotes)",
    ),
}


@pytest.mark.parametrize("case", REFUSED_CSV)
@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "refused with one sentence: file, row, column, rule, no value",
)
def test_a_refused_csv_file_gets_one_clear_sentence(intake: Intake, case: str) -> None:
    content, sentence = REFUSED_CSV[case]
    assert str(intake.refusal("patients.csv", content)) == sentence


@pytest.mark.parametrize("case", REFUSED_CSV)
@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "refused with one sentence: file, row, column, rule, no value",
)
def test_a_refused_file_is_refused_in_small_blocks_too(intake: Intake, case: str) -> None:
    content, sentence = REFUSED_CSV[case]
    path = intake.folder / "staged"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(RefusedFileError) as refused:
        list(
            read_form(
                path,
                "patients",
                intake.protocol,
                manifest(),
                persons_of(intake.protocol),
                name="patients.csv",
                block_bytes=100,
            )
        )
    assert refused.value.rule_id == sentence.rsplit("(", 1)[1].rstrip(")")


@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "refused with one sentence: file, row, column, rule, no value",
)
def test_declared_format_that_the_file_does_not_have(intake: Intake) -> None:
    refusal = intake.refusal("patients.csv", csv(GOOD), format={"delimiter": ";"})
    assert refusal.rule_id == "wrong_delimiter"
    latin = csv(GOOD.replace("P1", "BÆ")).encode("cp1252")
    assert intake.refusal("patients.csv", latin, format={"encoding": "utf-8"}).rule_id == "encoding"
    undefined = csv(GOOD).encode().replace(b"P1", b"B\x81")
    refusal = intake.refusal("patients.csv", undefined, format={"encoding": "windows-1252"})
    assert str(refusal) == ("patients.csv, row 1: a byte that is not Windows-1252 (encoding)")


@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "refused with one sentence: file, row, column, rule, no value",
)
def test_decimal_signs(intake: Intake) -> None:
    split = csv("P1,2014-05-01,evaluation,3,5", header=SCORES)
    assert str(intake.refusal("process_events.csv", split)) == (
        "process_events.csv, row 1: 5 fields where the header has 4; "
        "a decimal comma in a comma-separated file does this (ragged_row)"
    )
    quoted = csv('P1,2014-05-01,evaluation,"3,5"', header=SCORES)
    assert str(intake.refusal("process_events.csv", quoted)) == (
        "process_events.csv, row 1, column score: "
        "another decimal sign than the file's point (decimal_sign)"
    )
    mixed = csv("P1,2014-05-01,evaluation,3.5", "P2,2014-05-01,evaluation,3,5", header=SCORES)
    mixed = mixed.replace(",3,5", ";3,5").replace("1,", "1;").replace("n,", "n;")
    mixed = mixed.replace(SCORES, SCORES.replace(",", ";")).replace("P2,", "P2;")
    assert str(intake.refusal("process_events.csv", mixed)) == (
        "process_events.csv, row 2, column score: "
        "another decimal sign than the file's point (decimal_sign)"
    )


@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "refused with one sentence: file, row, column, rule, no value",
)
def test_control_total(intake: Intake) -> None:
    refusal = intake.refusal("patients.csv", csv(GOOD), rows={"patients": 2})
    assert str(refusal) == ("patients.csv: 1 row where the manifest counts 2 (control_total)")
    assert refusal.n_rows == 1
    assert intake.rows("patients.csv", csv(), rows={"patients": 0}) == Judged([], [], [])
    assert intake.refusal("patients.csv", csv(), rows={"patients": 1}).rule_id == "no_rows"


@pytest.mark.hazard("too many bad rows", "nothing of the file is loaded")
def test_too_many_bad_rows(tmp_path: Path) -> None:
    strict = Intake(tmp_path, load_shipped("lar_x"))
    rows = [GOOD, *(f"P{n},men,1980,consented,2014-05-01" for n in range(2, 4))]
    refusal = strict.refusal("patients.csv", csv(*rows))
    assert str(refusal) == (
        "patients.csv, column sex: at least 2 of 3 rows are bad, above the protocol's "
        "max_quarantine_share of 0.5; the most frequent rule is unknown_code (quarantine_share)"
    )
    assert refusal.n_rows == 3
    every = [row.replace("P", f"Q{n}") for n, row in enumerate(rows[1:] * 20)]
    assert strict.refusal("patients.csv", csv(*every)).rule_id == "quarantine_share"


def test_a_file_that_is_none(intake: Intake) -> None:
    form = ("patients", intake.protocol, manifest(), persons_of(intake.protocol))
    link = intake.folder / "link"
    link.symlink_to(intake.folder)
    for path in (intake.folder, intake.folder / "absent", link):
        with pytest.raises(RefusedFileError) as refused:
            list(read_form(path, *form, name="patients.csv"))
        assert refused.value.rule_id == "unreadable_file"
    assert intake.refusal("patients.ods", b"x").rule_id == "unknown_format"


def test_a_person_without_a_key(intake: Intake) -> None:
    path = intake.folder / "patients.csv"
    path.write_text(csv(GOOD))
    with pytest.raises(RefusedFileError, match="there is no key"):
        list(read_form(path, "patients", intake.protocol, manifest(), None))


BAD_ROWS: dict[str, tuple[str, str, str]] = {
    "impossible date": ("P2,male,1980,consented,2014-02-30", "consent_date", "impossible_date"),
    "ambiguous date": ("P2,male,1980,consented,01/02/2014", "consent_date", "date_format"),
    "two-digit year": ("P2,male,1980,consented,1.2.14", "consent_date", "date_format"),
    "another date style": ("P2,male,1980,consented,01.02.2014", "consent_date", "date_style"),
    "a date with a time": (
        "P2,male,1980,consented,2014-05-01 10:00",
        "consent_date",
        "date_format",
    ),
    "serial number": ("P2,male,1980,consented,41760", "consent_date", "date_serial_number"),
    "day after extraction": (
        "P2,male,1980,consented,2014-10-02",
        "consent_date",
        "after_extraction",
    ),
    "number out of range": ("P2,male,1899,consented,", "birth_year", "out_of_range"),
    "born after extraction": ("P2,male,2015,consented,", "birth_year", "birth_after_extraction"),
    "number with an exponent": ("P2,male,1e3,consented,", "birth_year", "integer_format"),
    "padded number": ("P2,male, 1980 ,consented,", "birth_year", "integer_format"),
    "number with leading space": ("P2,male, 1980,consented,", "birth_year", "integer_format"),
    "number with a plus": ("P2,male,+1980,consented,", "birth_year", "integer_format"),
    "hexadecimal": ("P2,male,0x7bc,consented,", "birth_year", "integer_format"),
    "underscored": ("P2,male,1_980,consented,", "birth_year", "integer_format"),
    "not a number": ("P2,male,NaN,consented,", "birth_year", "integer_format"),
    "half a year": ("P2,male,1980.5,consented,", "birth_year", "integer_format"),
    "too large": ("P2,male,99999999999,consented,", "birth_year", "integer_format"),
    "unknown code": ("P2,mann,1980,consented,", "sex", "unknown_code"),
    "missing value": ("P2,male,1980,,", "consent", "missing_required"),
    "missing person": (",male,1980,consented,", "patient_id", "missing_required"),
    "id mangled by a spreadsheet": (
        "1.01019E+10,male,1980,consented,",
        "patient_id",
        "invalid_person_id",
    ),
    "identity number for an id": (
        "15076500565,male,1980,consented,",
        "patient_id",
        "identity_number",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "the row is quarantined by rule and column, the rest is taken in",
)
def test_a_bad_row_is_quarantined_and_the_rest_is_not(intake: Intake, case: str) -> None:
    row, column, rule_id = BAD_ROWS[case]
    judged = intake.rows("patients.csv", csv(GOOD, row, GOOD.replace("P1", "P3")))
    assert (judged.accepted, judged.problems) == ([1, 3], [(2, column, rule_id)])


def test_the_reason_never_holds_the_value(intake: Intake) -> None:
    rows = [row for row, _, _ in BAD_ROWS.values()]
    (batch,) = intake.batches("patients.csv", csv(GOOD, *rows))
    text = " ".join(batch.problems["reason"]) + " ".join(batch.problems["rule_id"])
    for value in ("41760", "mann", "1899", "15076500565", "E+10", "01/02", "1e3"):
        assert value not in text


def test_duplicate_keys_are_quarantined_all_of_them(intake: Intake) -> None:
    rows = [GOOD, GOOD.replace("P1", "P2"), GOOD.replace("1980", "1981"), GOOD.replace("P1", " P1")]
    judged = intake.rows("patients.csv", csv(*rows))
    assert judged.accepted == [2]
    assert judged.problems == [(row, None, "duplicate_key") for row in (1, 3, 4)]


def test_an_identity_number_in_any_column(intake: Intake) -> None:
    header = HEADER + ",unit_id,notes"
    protocol = intake.protocol.model_copy(
        update={"forms": {"patients": FormMap(ignore=("notes",))}}
    )
    rows = [
        GOOD + ",ward 4,fine",
        "P2,male,1980,consented,2014-05-01,15076500565,",
        "P3,male,1980,consented,2014-05-01,ward 4,told 150765 00565 at noon",
        "P4,15076500565,1980,consented,2014-05-01,ward 4,",
        "P5,male,1507650056,consented,2014-05-01,ward 4,",
        "P6,male,1980,consented,15.07.65-00565,ward 4,",
    ]
    judged = Intake(intake.folder, protocol).rows("patients.csv", csv(*rows, header=header))
    assert judged.accepted == [1]
    hits = [(row, column) for row, column, rule in judged.problems if rule == "identity_number"]
    assert hits == [
        (2, "unit_id"),
        (3, "notes"),
        (4, "sex"),
        (5, "birth_year"),
        (6, "consent_date"),
    ]
    assert '"unit_id":"","notes":null' in judged.originals[0]
    assert "ward 4" in judged.originals[1]
    assert not any(character in "".join(judged.originals) for character in ("00565", "50056"))


def workbook(rows: list[list[object]], sheets: tuple[str, ...] = ("patients",)) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"default_date_format": "yyyy-mm-dd"})
    for name in sheets:
        sheet = book.add_worksheet(name)
        for at, row in enumerate(rows):
            for place, cell in enumerate(row):
                sheet.write(at, place, cell)
    book.close()
    return stream.getvalue()


def with_error(header: list[object], row: list[object]) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream)
    sheet = book.add_worksheet("patients")
    sheet.write_row(0, 0, header)
    sheet.write_row(1, 0, row)
    sheet.write_formula(2, 0, "=1/0", None, "#DIV/0!")
    book.close()
    return stream.getvalue()


def test_xlsx_dates_as_serial_numbers(intake: Intake) -> None:
    rows: list[list[object]] = [
        HEADER.split(","),
        ["P1", "male", 1980, "consented", date(2014, 5, 1)],
        ["P2", "male", 1980, "consented", 41760],
        ["P3", "male", 1980.5, "consented", "2014-05-01"],
    ]
    judged = intake.rows("patients.xlsx", workbook(rows))
    assert judged.accepted == [1]
    assert judged.problems == [
        (2, "consent_date", "date_serial_number"),
        (3, "birth_year", "integer_format"),
    ]


@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "refused with one sentence: file, row, column, rule, no value",
)
def test_xlsx_files_that_are_refused(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    header: list[object] = [*HEADER.split(",")]
    row: list[object] = ["P1", "male", 1980, "consented", ""]
    whole = workbook([header, row])
    two = workbook([header, row], ("a", "b"))
    refused = {
        "not a zip": (b"PK but no zip", "patients.xlsx: not a readable workbook (unreadable_file)"),
        "truncated": (whole[:-200], "patients.xlsx: not a readable workbook (unreadable_file)"),
        "nothing in it": (workbook([]), "patients.xlsx: the workbook is empty (empty_file)"),
        "two sheets": (
            two,
            (
                "patients.xlsx: several sheets hold something and none is named like the form "
                "(several_sheets)"
            ),
        ),
        "a title above the header": (
            workbook([["Patients 2014"], header, row]),
            "patients.xlsx, row header, column 2: the column has no name (unnamed_column)",
        ),
        "an Excel error": (
            with_error(header, row),
            (
                "patients.xlsx, row 2: an Excel error, or a formula without a calculated value "
                "(hollow_cell)"
            ),
        ),
    }
    for content, sentence in refused.values():
        assert str(intake.refusal("patients.xlsx", content)) == sentence
    monkeypatch.setattr(xlsx, "MAX_UNPACKED_BYTES", 100)
    assert intake.refusal("patients.xlsx", whole).rule_id == "too_large"


@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "the parser is stopped, the file refused, the next one goes on",
)
def test_a_workbook_that_would_fill_the_memory_is_refused_and_the_next_file_goes_on(
    intake: Intake,
) -> None:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream)
    sheet = book.add_worksheet("patients")
    sheet.write(0, 0, "patient_id")
    sheet.write(1_048_575, 16_383, "x")
    book.close()
    assert intake.refusal("patients.xlsx", stream.getvalue()).rule_id == "unreadable_file"
    assert intake.rows("patients.csv", csv(GOOD)).accepted == [1]


def test_a_workbook_that_takes_too_long_is_refused(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "WALL_SECONDS", 0.0)
    whole = workbook([[*HEADER.split(",")], ["P1", "male", 1980, "consented", ""]])
    assert intake.refusal("patients.xlsx", whole).rule_id == "unreadable_file"


@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "refused with one sentence: file, row, column, rule, no value",
)
def test_a_zip_bomb_is_refused_by_its_size_table(intake: Intake) -> None:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member,
    ):
        for _ in range((xlsx.MAX_UNPACKED_BYTES >> 20) + 1):
            member.write(bytes(1 << 20))
    assert str(intake.refusal("patients.xlsx", stream.getvalue())) == (
        "patients.xlsx: the workbook unpacks to more than 512 MiB (too_large)"
    )


@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "the row is quarantined by rule and column, the rest is taken in",
)
def test_what_a_workbook_hides_is_seen(intake: Intake) -> None:
    """A late text among whole numbers, a spreadsheet's not-available as text, a hidden row."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream)
    sheet = book.add_worksheet("patients")
    cells: list[list[object]] = [
        HEADER.split(","),
        *([f"P{number}", "male", 1980, "consented", "2014-05-01"] for number in range(1, 9)),
        ["P9", "male", "N/A", "consented", "2014-05-01"],
    ]
    for at, row in enumerate(cells):
        sheet.write_row(at, 0, row)
    sheet.set_row(3, options={"hidden": True})
    book.close()
    judged = intake.rows("patients.xlsx", stream.getvalue())
    assert judged.accepted == list(range(1, 9))
    assert judged.problems == [(9, "birth_year", "integer_format")]


def test_a_formula_without_a_calculated_value_is_refused(intake: Intake) -> None:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream)
    sheet = book.add_worksheet("patients")
    sheet.write_row(0, 0, HEADER.split(","))
    sheet.write_row(1, 0, ["P1", "male", 1980, "consented", "2014-05-01"])
    sheet.write_formula(2, 0, "=A2", None, "")
    book.close()
    assert intake.refusal("patients.xlsx", stream.getvalue()).rule_id == "hollow_cell"


def test_an_id_keeps_its_zeros_and_a_thousand_no_sign(intake: Intake) -> None:
    zeros = intake.batches("patients.csv", csv(GOOD.replace("P1", "007"), GOOD.replace("P1", "7")))
    assert zeros[0].accepted["patient_id"].n_unique() == 2
    spaced = csv("P1,2014-05-01,evaluation,1 234", "P2,2014-05-01,evaluation,1234", header=SCORES)
    judged = intake.rows("process_events.csv", spaced)
    assert judged.problems == [(1, "score", "number_format")]


def test_quoted_line_ends_are_one_row(intake: Intake) -> None:
    header = HEADER + ",notes"
    protocol = intake.protocol.model_copy(
        update={"forms": {"patients": FormMap(ignore=("notes",))}}
    )
    text = csv(GOOD + ',"two\nlines"', GOOD.replace("P1", "P2") + ",one", header=header)
    judged = Intake(intake.folder, protocol).rows("patients.csv", text, rows={"patients": 2})
    assert judged.accepted == [1, 2]


def parquet(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


@pytest.mark.hazard(
    "every way a file can be read wrongly",
    "refused with one sentence: file, row, column, rule, no value",
)
def test_parquet_files(intake: Intake) -> None:
    typed = pl.DataFrame({"patient_id": ["P1"], "birth_year": [1980], "consent": ["consented"]})
    assert intake.rows("patients.parquet", parquet(typed)).accepted == [1]
    other = parquet(typed.cast({"birth_year": pl.Float64}))
    assert str(intake.refusal("patients.parquet", other)) == (
        "patients.parquet, column birth_year: "
        "stored as number, where the form has whole number (column_type)"
    )
    for column, stored, said in (
        ("patient_id", pl.Int8, "stored as whole number, where the form has text"),
        ("consent", pl.Categorical, "stored as category, where the form has text"),
        ("consent", pl.List(pl.String), "stored as another type, where the form has text"),
    ):
        other = parquet(typed.with_columns(pl.lit(None, stored).alias(column)))
        assert said in str(intake.refusal("patients.parquet", other))
    for cut in (parquet(typed)[:-20], parquet(typed)[:40], b"PAR1"):
        assert str(intake.refusal("patients.parquet", cut)) == (
            "patients.parquet: not a whole Parquet file (unreadable_file)"
        )
    assert intake.refusal("patients.parquet", parquet(typed.clear())).rule_id == "no_rows"


def test_the_proof_of_a_csv_reads_no_more_than_a_block_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    path.write_bytes(b"a,b\n" + b"x" * 5000)
    with pytest.raises(RefusedFileError) as refused:
        list(CsvFile(path, "endless.csv", manifest().format, block_bytes=1000).blocks())
    assert str(refused.value) == (
        "endless.csv, row 1: the row is longer than 1000 bytes: a quote is not closed, "
        "line ends are missing, or a cell is too long (quotes)"
    )


def test_a_row_longer_than_any_says_how_long_a_row_may_be(intake: Intake) -> None:
    """A second row, of a long cell, closed as it should be."""
    long = csv(GOOD, GOOD.replace("male", "y" * (9 << 20)))
    assert str(intake.refusal("patients.csv", long)) == (
        "patients.csv, row 2: the row is longer than 8 MiB: a quote is not closed, "
        "line ends are missing, or a cell is too long (quotes)"
    )
