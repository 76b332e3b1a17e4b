"""The proof of a CSV's structure, held against Python's own reader."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.manifest import Format, Manifest
from registry_pipeline.gate.read import open_source
from registry_pipeline.gate.structure import CsvFile

cells = st.text(alphabet='ab1,;"\n ø', max_size=6)
tables = st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=30)
any_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(rows: list[list[str]], delimiter: str, quoting: int = csv.QUOTE_MINIMAL) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n", quoting=quoting)
    writer.writerows([["one", "two", "three"], *rows])
    return stream.getvalue()


def opened(folder: Path, content: bytes, block_bytes: int = 1 << 20) -> CsvFile:
    path = folder / "file.csv"
    path.write_bytes(content)
    return CsvFile(path, "file.csv", Format(), block_bytes)


@given(rows=tables, delimiter=st.sampled_from(",;"), block_bytes=st.sampled_from([64, 200, 4096]))
@any_folder
def test_every_well_formed_file_is_proved_and_read_as_written(
    tmp_path: Path, rows: list[list[str]], delimiter: str, block_bytes: int
) -> None:
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        file = opened(tmp_path, written(rows, delimiter, quoting).encode(), block_bytes)
        blocks = list(file.blocks())
        assert (file.header, file.n_rows) == (("one", "two", "three"), len(rows))
        assert blocks == list(file.blocks())
        schema = dict.fromkeys(file.header, pl.String())
        frame = pl.concat(
            pl.read_csv(block, schema=schema, has_header=False, separator=delimiter)
            for block in blocks
        )
        assert [[cell or "" for cell in row] for row in frame.rows()] == rows


@given(
    rows=tables,
    place=st.integers(0, 1000),
    change=st.sampled_from([",", "\n", '"', '"x', "x\n"]),
    block_bytes=st.sampled_from([64, 4096]),
)
@any_folder
def test_a_damaged_file_is_refused_or_still_a_rectangle(
    tmp_path: Path, rows: list[list[str]], place: int, change: str, block_bytes: int
) -> None:
    text = written(rows, ",")
    place = len("one,two,three\n") + place % (len(text) - len("one,two,three\n") + 1)
    damaged = text[:place] + change + text[place:]
    try:
        n_rows = opened(tmp_path, damaged.encode(), block_bytes).n_rows
    except RefusedFileError as refused:
        assert refused.rule_id in ("ragged_row", "quotes")  # noqa: PT017
        return
    records = list(csv.reader(io.StringIO(damaged, newline=""), strict=True))
    assert [len(record) for record in records] == [3] * (n_rows + 1)


def test_rows_are_named_across_blocks(tmp_path: Path) -> None:
    good = "a,b,c\n" * 50
    for flaw, rule_id in (("a,b\n", "ragged_row"), ('a,"b,c\n', "quotes"), ('a,b"b,c\n', "quotes")):
        content = "one,two,three\n" + good + flaw + good
        for block_bytes in (64, 1 << 20):
            with pytest.raises(RefusedFileError) as refused:
                list(opened(tmp_path, content.encode(), block_bytes).blocks())
            assert (refused.value.rule_id, refused.value.rows) == (rule_id, (51,))


def test_a_row_that_overflows_the_counter_is_still_ragged(tmp_path: Path) -> None:
    content = "one,two,three\n" + "a," * (256 + 2) + "c\n"
    with pytest.raises(RefusedFileError, match="259 fields where the header has 3"):
        list(opened(tmp_path, content.encode()).blocks())


def test_a_header_wider_than_the_counter(tmp_path: Path) -> None:
    header = ",".join(f"c{place}" for place in range(300))
    assert opened(tmp_path, f"{header}\n{',' * 299}\n".encode()).n_rows == 1
    with pytest.raises(RefusedFileError, match="44 fields where the header has 300"):
        list(opened(tmp_path, f"{header}\n{',' * 43}\n".encode()).blocks())


def test_encodings_are_learned_once(tmp_path: Path) -> None:
    plain = "one,two,three\n" + "a,b,c\n" * 20
    assert b"".join(opened(tmp_path, plain.encode() + "ø,å,æ\n".encode("cp1252"), 64).blocks())
    utf8_first = plain.encode() + "ø,å,æ\n".encode() + b"a,b,c\n" * 20
    with pytest.raises(RefusedFileError, match="not UTF-8") as refused:
        list(opened(tmp_path, utf8_first + "ø,å,æ\n".encode("cp1252"), 64).blocks())
    assert refused.value.rows == (42,)
    legacy_first = plain.encode() + "ø,å,æ\n".encode("cp1252") + b"a,b,c\n" * 20
    with pytest.raises(RefusedFileError) as refused:
        list(opened(tmp_path, legacy_first + "ø,å,æ\n".encode(), 64).blocks())
    assert refused.value.rule_id in ("encoding", "garbled_text")
    assert refused.value.rows == (42,)


def test_a_name_may_hold_a_line_break(tmp_path: Path) -> None:
    file = opened(tmp_path, b'"one\n(first)",two\na,b\n')
    assert (file.header, file.n_rows) == (("one\n(first)", "two"), 1)


def test_the_readers_own_error_never_gets_out(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"one,two\nsecret,b\n")
    manifest = Manifest(
        protocol="p",
        quarter="2014-Q3",
        number=1,
        extracted_on=date(2014, 10, 1),
        kind="full",
        sender="s",
    )
    source = open_source(path, "file.csv", manifest)
    for _ in source.blocks():
        pass
    path.write_bytes(b'one,two\nsec"et,b\n')
    (block,) = source.blocks()
    with pytest.raises(RefusedFileError) as refused:
        block.text()
    assert str(refused.value) == "file.csv: the rows are unreadable (unreadable_file)"
    assert refused.value.__cause__ is None
