"""The XLSX parser, run as a process of its own under limits; its output is the parent's input.

Belongs here: one sheet of one workbook to lines of JSON on standard output. Standard library and
calamine only: nothing of the package is imported, and nothing of a failure is told but its kind.
Does not belong here: any judgement of the cells (`xlsx` and `convert`).

The first line says what was found; then each row is a list of texts and nulls. An Excel date is
written as ISO, with its time where it has one; a whole number without a point.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import resource
import sys
import zipfile
from xml.etree import ElementTree as ET

MEMORY_BYTES = 1536 << 20
CPU_SECONDS = 120
MAX_CELL = 32_767
"""What Excel itself lets a cell hold, in characters."""

_TAIL = 1 << 16
_ROW = re.compile(rb'<(?:\w+:)?row\b[^>]*\br="([0-9]+)"')
_HOLLOW = re.compile(
    rb'<(?:\w+:)?c\b[^>]*\bt="e"[^>]*>'
    rb"|</(?:\w+:)?f>\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
"""A cell with an Excel error, or a formula that was never calculated: both would read as empty."""


def main(path: str, form: str) -> None:
    """Writes the one sheet of a workbook; exit code 3 says it cannot be read."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import python_calamine  # noqa: PLC0415 -- only once the limits stand

    try:
        workbook = python_calamine.CalamineWorkbook.from_path(path)
        names = [name for name in workbook.sheet_names if name.casefold() == form.casefold()] or [
            name for name in workbook.sheet_names if workbook.get_sheet_by_name(name).height
        ]
        row_number = first_hollow_row(path, names[0]) if len(names) == 1 else 0
        state = "sheets" if len(names) > 1 else "hollow" if row_number else "rows"
        write([state, str(row_number)])
        if state == "rows" and names:
            for row in workbook.get_sheet_by_name(names[0]).iter_rows():
                write([as_text(cell) for cell in row])
    except Exception:  # noqa: BLE001 -- whatever the parser says may hold data
        sys.exit(3)


def write(values: list[str | None]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(values) + "\n")


def first_hollow_row(path: str, sheet: str) -> int:
    """The sheet's row of the first cell that would read as empty though it is not; 0 for none."""
    with zipfile.ZipFile(path) as archive, archive.open(sheet_member(archive, sheet)) as stream:
        tail = b""
        while chunk := stream.read(1 << 20):
            window = tail + chunk
            if found := _HOLLOW.search(window):
                rows = _ROW.findall(window, 0, found.start())
                return int(rows[-1]) if rows else 1
            tail = window[-_TAIL:]
    return 0


def sheet_member(archive: zipfile.ZipFile, sheet: str) -> str:
    """The part of the archive that holds a sheet: its name leads to an id, and the id to a part.

    Names of parts are compared as the parser does: writers differ in case, slash and root.
    """
    parts = {as_part(name): name for name in archive.namelist()}
    book, links = (
        ET.fromstring(archive.read(parts[part])).iter()  # noqa: S314 -- the process has limits
        for part in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels")
    )
    (wanted,) = (one for one in book if one.tag.endswith("}sheet") and one.get("name") == sheet)
    ids = {value for name, value in wanted.items() if name.endswith("}id")}
    (target,) = (one.attrib["Target"] for one in links if one.get("Id") in ids)
    part = as_part(target)
    return parts[part.lstrip("/") if part.startswith(("/", "xl/")) else f"xl/{part}"]


def as_part(name: str) -> str:
    """A part's name in one way of writing."""
    return name.replace("\\", "/").lower()


def as_text(cell: object) -> str | None:
    """A cell as a CSV file would hold it; None where it is empty."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, dt.datetime):
        midnight = cell.time() == dt.time(0)
        return cell.date().isoformat() if midnight else cell.isoformat()
    text = str(cell)
    if len(text) > MAX_CELL:
        raise ValueError("a cell longer than any that Excel writes")
    return text or None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
