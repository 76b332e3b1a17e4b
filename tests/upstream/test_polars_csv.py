"""What the gate leans on in Polars' CSV and Parquet readers; re-check when Polars moves."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
import pytest

SCHEMA = {"id": pl.String(), "days": pl.Int32(), "text": pl.String()}


def read(rows: str, **options: object) -> list[tuple[object, ...]]:
    return pl.read_csv(rows.encode(), schema=SCHEMA, has_header=False, **options).rows()


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("-7", -7), ("007", 7), ("-0", 0), ("", None), ('"7"', 7), ('""', None)],
)
def test_a_whole_number_column_takes_what_the_pattern_takes(text: str, value: int | None) -> None:
    assert read(f"a,{text},x\n") == [("a", value, "x")]


@pytest.mark.parametrize("text", [" 7", "  7", "\t7", "+7"])
def test_and_numbers_that_start_loosely_which_the_gate_looks_for(text: str) -> None:
    assert read(f"a,{text},x\n") == [("a", 7, "x")]
    assert read(f"a,7,x\na,{text},x\n")[1] == ("a", 7, "x")


@pytest.mark.parametrize(
    "text",
    [
        "7 ",
        " 7 ",
        "7\t",
        "1e3",
        "0x10",
        "1_000",
        "1.5",
        "7.0",
        "NaN",
        "inf",
        "-",
        "+ 7",
        "- 7",
        "--7",
        "2147483648",
        "\xa07",
        "\u20037",
        "\x0b7",
        "\x0c7",
        "１",
        "x",
        "07.0",
        "'7",
    ],
)
def test_and_nothing_else(text: str) -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        read(f"a,7,x\na,{text},x\n")


def test_the_cast_from_text_takes_a_sign_and_digits_alone() -> None:
    taken = ["7", "-7", "007", "+7", "-0"]
    refused = ["7 ", " 7", "\t7", "1e3", "0x10", "1_000", "1.5", "NaN", "-", "2147483648", "１"]
    values = pl.Series(taken + refused).cast(pl.Int32, strict=False)
    assert values.to_list() == [7, -7, 7, 7, 0] + [None] * len(refused)


def test_dates_parse_more_than_the_pattern_so_they_are_read_as_text() -> None:
    for text in ("2014-5-1", " 2014-05-01", "01.05.2014", "14-05-01", "2014/05/01"):
        frame = pl.read_csv(
            f"{text},x\n".encode(), schema={"a": pl.Date, "b": pl.String}, has_header=False
        )
        assert frame["a"].null_count() == 0
    loose = pl.Series(["2014-5-01", "+014-05-01"]).str.to_date("%Y-%m-%d", strict=False)
    assert loose.null_count() == 0


def test_numbers_parse_more_than_the_pattern_so_they_are_read_as_text() -> None:
    for text in ("1e3", "NaN", "inf", "+1.5", ".5", "5.", " 1.5"):
        frame = pl.read_csv(
            f"{text},x\n".encode(), schema={"a": pl.Float64, "b": pl.String}, has_header=False
        )
        assert frame["a"].null_count() == 0


def test_a_short_row_is_padded_in_silence_and_a_long_one_is_not() -> None:
    assert read("a,1,x\nb,2\nc,3,z\n")[1] == ("b", 2, None)
    assert read("a,1,x\n\nc,3,z\n")[1] == (None, None, None)
    with pytest.raises(pl.exceptions.ComputeError):
        read("a,1,x\nb,2,y,z\n")


def test_a_projection_does_not_even_see_the_long_row() -> None:
    rows = pl.scan_csv(b"a,1,x\nb,2,y,z\n", schema=SCHEMA, has_header=False)
    assert rows.select("id").collect()["id"].to_list() == ["a", "b"]


def test_quotes_and_line_ends() -> None:
    assert read('a,1,"x\ny"\r\nb,2,"say ""x"""\r\n') == [("a", 1, "x\ny"), ("b", 2, 'say "x"')]
    assert read("a,1,x\nb,2,") == [("a", 1, "x"), ("b", 2, None)]
    assert read('a,1,""\n') == [("a", 1, "")]
    assert read('"a""b",1,x\n')[0][0] == 'a"b'


def test_an_error_echoes_the_data() -> None:
    with pytest.raises(pl.exceptions.ComputeError, match="secret"):
        read("a,secret,x\n")


def test_undecodable_text_is_an_error_and_is_never_replaced() -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        pl.read_csv(b"a,1,\xf8\n", schema=SCHEMA, has_header=False)


def test_a_truncated_parquet_file_is_an_error(tmp_path: Path) -> None:
    stream = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(stream)
    path = tmp_path / "a*b[1].parquet"
    path.write_bytes(stream.getvalue()[:-4])
    with pytest.raises(pl.exceptions.ComputeError):
        pl.scan_parquet(path, glob=False).collect()
    path.write_bytes(stream.getvalue())
    assert pl.scan_parquet(path, glob=False).collect().height == 1
