"""Text to types, by explicit pattern.

Belongs here: which texts are a whole number, a number, a date, a flag; one date style and one
decimal sign per file. Does not belong here: whether a value is allowed (`rules`).

| type | text |
|---|---|
| whole number | an optional minus and digits; one zero after the decimal sign is passed over |
| number | the same, with the file's decimal sign and more digits; no thousands sign, no exponent |
| date | yyyy-mm-dd or dd.mm.yyyy, 1900 to 2099; the file's style is that of most first dates |
| flag | true/false, 1/0, ja/nei, yes/no, in any case |
| text | any |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from registry_pipeline.gate.errors import RefusedFileError
from schemas.fields import Column

FLAGS: Final = {
    "true": True,
    "false": False,
    "1": True,
    "0": False,
    "ja": True,
    "nei": False,
    "yes": True,
    "no": False,
}

_DATE: Final = {
    "iso": (r"^(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}$", "%Y-%m-%d"),
    "nordic": (r"^[0-9]{2}\.[0-9]{2}\.(?:19|20)[0-9]{2}$", "%d.%m.%Y"),
}
_PLAIN_NUMBER: Final = r"^[0-9]+(?:[.,][0-9]+)?$"
_NUMBER: Final = {
    ".": r"^-?[0-9]+(?:\.[0-9]+)?$",
    ",": r"^-?[0-9]+(?:,[0-9]+)?$",
}

REASONS: Final = {
    "integer_format": "not a whole number, or a larger one than any column holds",
    "number_format": "not a number with the file's decimal sign",
    "date_format": "not a date written yyyy-mm-dd or dd.mm.yyyy",
    "date_style": "a date in another style than the rest of the file",
    "date_serial_number": "a plain number where a date belongs",
    "impossible_date": "no such day in the calendar",
    "flag_format": "not a flag: true/false, 1/0, ja/nei or yes/no",
}
"""What each conversion rule says of a cell."""

_TYPES: Final[dict[type[pl.DataType], str]] = {
    pl.String: "text",
    pl.Boolean: "flag",
    pl.Date: "date",
    pl.Datetime: "date with a time of day",
    pl.Float64: "number",
    pl.Float32: "number of 32 bits",
    pl.Decimal: "decimal number",
    pl.Categorical: "category",
    pl.Enum: "category",
    pl.Null: "column without a type",
}

NO_FAULTS: Final = pl.DataFrame(
    schema={"index": pl.UInt32, "column_name": pl.String, "rule_id": pl.String}
)
"""The columns in which every stage of the gate tells of faulty cells; index is a row's place."""


@dataclass
class FileStyle:
    """The one way a file writes dates and numbers, learned from its first cells that show it.

    Attributes:
        file: the delivered file's own name.
        decimal: point or comma; None until known.
        date: `iso` or `nordic`; None until known.
    """

    file: str
    decimal: str | None = None
    date: str | None = None

    def learn(self, frame: pl.DataFrame, columns: list[Column], rows: pl.Series) -> None:
        """Looks at the text columns of a block that hold dates and numbers.

        Args:
            frame: the columns under our names.
            columns: what each is to become.
            rows: the row numbers, for the message.

        Raises:
            RefusedFileError: both decimal signs stand in the file, a number has a decimal comma
                where the point is settled (or the reverse), or the first dates are half of each
                style.
        """
        dates = _texts(frame, columns, pl.Date)
        if self.date is None and dates:
            self._learn_date(frame.select(dates))
        for name in _texts(frame, columns, pl.Float64):
            self._learn_decimal(frame[name], rows)

    def _learn_date(self, dates: pl.DataFrame) -> None:
        seen = {
            style: sum(dates.select(pl.all().str.contains(pattern).sum()).row(0))
            for style, (pattern, _) in _DATE.items()
        }
        if seen["iso"] == seen["nordic"]:
            if seen["iso"]:
                what = "as many dates written yyyy-mm-dd as dd.mm.yyyy"
                raise RefusedFileError(self.file, "date_style", what)
            return
        self.date = max(seen, key=lambda style: seen[style])

    def _learn_decimal(self, numbers: pl.Series, rows: pl.Series) -> None:
        for sign in ".,".replace(self.decimal or " ", ""):
            has_sign = numbers.str.contains(sign, literal=True).fill_null(value=False)
            if self.decimal is None and has_sign.any():
                self.decimal = sign
            elif has_sign.any():
                settled = "point" if self.decimal == "." else "comma"
                raise RefusedFileError(
                    self.file,
                    "decimal_sign",
                    f"another decimal sign than the file's {settled}",
                    rows=rows.filter(has_sign).to_list(),
                    column=numbers.name,
                )


def type_name(dtype: pl.DataType) -> str:
    """What a type is called: as above, and in the same words one that no form has."""
    return "whole number" if dtype.is_integer() else _TYPES.get(type(dtype), "another type")


def convert(
    frame: pl.DataFrame, columns: list[Column], style: FileStyle, rows: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The columns in their types, one row out per row in.

    Args:
        frame: the columns under our names, as text; a column that has its type already passes.
        columns: what each is to become.
        style: learned further on the way.
        rows: the row numbers, for a refusal.

    Returns:
        The typed frame, null where a text did not convert; and the faults: index (row of the
        frame), column_name, rule_id (a key of `REASONS`), one row per such cell.
    """
    style.learn(frame, columns, rows)
    texts = [
        column
        for column in columns
        if frame.schema[column.name] != column.dtype or column.dtype == pl.Float64
    ]
    values = {
        column.name: _value(
            column, style, is_typed=frame.schema[column.name] == column.dtype
        ).alias(column.name)
        for column in texts
    }
    typed = frame.select(values.get(column.name, pl.col(column.name)) for column in columns)
    lost = typed.null_count() - frame.null_count().select(typed.columns)
    faults = [
        _faults(frame[column.name], typed[column.name], column, style)
        for column in texts
        if lost[column.name].item()
    ]
    return typed, pl.concat([NO_FAULTS, *faults])


def _faults(
    delivered: pl.Series, value: pl.Series, column: Column, style: FileStyle
) -> pl.DataFrame:
    texts = delivered.to_frame("text").with_row_index("index")
    return texts.filter(value.is_null() & delivered.is_not_null()).select(
        "index",
        column_name=pl.lit(column.name),
        rule_id=_rule(column, style),
    )


def _value(column: Column, style: FileStyle, *, is_typed: bool) -> pl.Expr:
    text = pl.col(column.name)
    if column.dtype == pl.Int32:
        # Many a tool writes 3 as 3.0 in a column with gaps; a thousands sign has three digits after
        # it. The cast takes digits with an optional sign and nothing else; the pattern has no plus.
        whole = text
        for sign in style.decimal or ".,":
            whole = whole.str.strip_suffix(f"{sign}0")
        return pl.when(~text.str.starts_with("+")).then(whole.cast(pl.Int32, strict=False))
    if column.dtype == pl.Float64 and is_typed:
        return pl.when(text.is_finite()).then(text)
    if column.dtype == pl.Float64:
        point = text.str.replace(",", ".", literal=True) if style.decimal == "," else text
        written = text.str.contains(_NUMBER[style.decimal or "."])
        return pl.when(written).then(point.cast(pl.Float64, strict=False))
    if column.dtype == pl.Date:
        pattern, layout = _DATE[style.date or "iso"]
        return pl.when(text.str.contains(pattern)).then(text.str.to_date(layout, strict=False))
    lowered = text.str.to_lowercase()
    return lowered.replace_strict(FLAGS, default=None, return_dtype=pl.Boolean)


def _rule(column: Column, style: FileStyle) -> pl.Expr:
    if column.dtype != pl.Date:
        names = {pl.Int32: "integer_format", pl.Float64: "number_format"}
        return pl.lit(next((n for d, n in names.items() if d == column.dtype), "flag_format"))
    own = style.date or "iso"
    other = "nordic" if own == "iso" else "iso"
    text = pl.col("text")
    return (
        pl.when(text.str.contains(_DATE[own][0]))
        .then(pl.lit("impossible_date"))
        .when(text.str.contains(_DATE[other][0]))
        .then(pl.lit("date_style"))
        .when(text.str.contains(_PLAIN_NUMBER))
        .then(pl.lit("date_serial_number"))
        .otherwise(pl.lit("date_format"))
    )


def _texts(frame: pl.DataFrame, columns: list[Column], dtype: type[pl.DataType]) -> list[str]:
    return [
        column.name
        for column in columns
        if column.dtype == dtype and frame.schema[column.name] == pl.String
    ]
