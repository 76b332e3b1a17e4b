"""What the gate says when it says no.

Belongs here: the two refusals, of a delivery and of a file, and how their sentence is built; the
call for a second look.
Does not belong here: the quarantine of single rows, which is data and not an error.
"""

from __future__ import annotations

from collections.abc import Sequence

_LISTED = 5
_PLURAL = {"row": "rows", "entry": "entries"}


def counted(n: int, noun: str) -> str:
    """A number with its noun, in the plural but for one."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


class DeliveryError(Exception):
    """A delivery that cannot be taken in; one sentence names the delivery and the field."""


class RefusedFileError(Exception):
    """A file that loads nothing; one sentence names file, row, column and rule, never a value.

    Attributes:
        file: the delivered file's own name.
        rule_id: the rule that refuses it.
        rows: the first five offending rows; 1 is the first row of data, 0 the header.
        column: the offending column, where there is one.
        n_rows: rows of the form in the file, 0 where they could not be counted.
    """

    def __init__(
        self,
        file: str,
        rule_id: str,
        what: str,
        *,
        rows: Sequence[int] = (),
        column: str | None = None,
        noun: str = "row",
    ) -> None:
        self.file = file
        self.rule_id = rule_id
        self.rows = tuple(rows[:_LISTED])
        self.column = column
        self.n_rows = 0
        place = [file]
        if rows:
            more = " and more" if len(rows) > _LISTED else ""
            listed = ", ".join("header" if row == 0 else str(row) for row in self.rows)
            place.append(f"{noun if len(rows) == 1 else _PLURAL[noun]} {listed}{more}")
        if column is not None:
            place.append(f"column {column}")
        super().__init__(f"{', '.join(place)}: {what} ({rule_id})")


class RepeatedKeysError(Exception):
    """A key stands more than once in a file that was read at one look."""
