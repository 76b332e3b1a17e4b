"""The columns of a file, checked against the form before any row is read.

Belongs here: duplicate, unknown and missing columns, and the protocol's renames.
Does not belong here: the cells (`convert`), the rows (`selection`), the shape of the file
(`structure`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.selection import Selection, forms_of, selection, source_of
from schemas.fields import Table
from schemas.forms import form_table
from schemas.protocol import Protocol

_SHOWN: Final = re.compile(r"[^\W\d][\w .()/%-]{0,39}")
_DIGITS: Final = re.compile(r"\d\D*\d\D*\d\D*\d")


@dataclass(frozen=True)
class Plan:
    """How the columns of a file become the columns of a form.

    Attributes:
        columns: our column to the file's.
        dropped: the file's columns that the form does not take; scanned for identity numbers.
        recode: our column to {delivered value: our value}.
        selection: which rows of the file are the form's.
        people: the file's columns that hold a person's id for some form of the file.
    """

    columns: dict[str, str]
    dropped: tuple[str, ...]
    recode: dict[str, dict[str, str]]
    selection: Selection
    people: tuple[str, ...]


def plan_columns(
    delivered: tuple[str, ...], form: str, table: Table, protocol: Protocol, file: str
) -> Plan:
    """Checks a header and says which column goes where.

    A file that several forms read may hold the columns of all of them.

    Raises:
        RefusedFileError: a column has no name, stands twice, is unknown and not ignored, two
            columns become the same one, or a column that must be there is missing.
    """
    header = tuple(tidy(name) for name in delivered)
    _refuse_doubles(header, file)
    known = _known_columns(form, protocol)
    if not known & set(header):
        raise RefusedFileError(
            file, "no_header", "the first row names none of the form's columns", rows=[0]
        )
    unknown = [name for name in header if name not in known]
    if unknown:
        names = ", ".join(_shown(name, header) for name in unknown)
        what = f"unknown column {names}; rename or ignore it in the protocol"
        raise RefusedFileError(file, "unknown_column", what, column=_shown(unknown[0], header))
    maps = protocol.form(form)
    columns: dict[str, str] = {}
    pairs = [(ours, name) for name in header for ours in maps.ours(name) if name not in maps.ignore]
    for ours, name in pairs:
        if ours not in table.dtypes:
            continue
        if ours in columns:
            what = "two columns of the file become this one"
            raise RefusedFileError(file, "duplicate_header", what, rows=[0], column=ours)
        columns[ours] = name
    missing = [
        column.name for column in table.columns if column.present and column.name not in columns
    ]
    chosen = selection(form, protocol)
    missing += [name for name in chosen.columns if name not in header]
    if missing:
        what = f"missing column {', '.join(missing)}"
        raise RefusedFileError(file, "missing_column", what, column=missing[0])
    dropped = tuple(name for name in header if name not in columns.values())
    every = [protocol.form(name) for name in forms_of(source_of(form, protocol), protocol)]
    people = tuple(name for name in header if any("patient_id" in one.ours(name) for one in every))
    return Plan(columns, dropped, maps.recode, chosen, people)


def tidy(name: str) -> str:
    """A column's name as it is compared: trimmed and NFC."""
    return unicodedata.normalize("NFC", name).strip()


def _refuse_doubles(header: tuple[str, ...], file: str) -> None:
    seen: set[str] = set()
    for place, name in enumerate(header, start=1):
        if not name:
            raise RefusedFileError(
                file, "unnamed_column", "the column has no name", rows=[0], column=str(place)
            )
        if name.casefold() in seen:
            raise RefusedFileError(
                file,
                "duplicate_header",
                "the column stands twice",
                rows=[0],
                column=_shown(name, header),
            )
        seen.add(name.casefold())


def _known_columns(form: str, protocol: Protocol) -> set[str]:
    """Every column that some form reading the same file takes, looks at or ignores."""
    known: set[str] = set()
    for name in forms_of(source_of(form, protocol), protocol):
        maps = protocol.form(name)
        known |= {*form_table(name, protocol).dtypes, *maps.rename, *maps.ignore}
        known |= {*maps.where, *maps.left_out}
    return known


def _shown(name: str, header: tuple[str, ...]) -> str:
    """The name where it reads like one, else its place: a stray header may be a person's data."""
    if _SHOWN.fullmatch(name) and not _DIGITS.search(name):
        return name
    return f"number {header.index(name) + 1}"
