"""The codebook pages: the models as Markdown, one page per schema, kept current by a check.

Belongs here: rendering the models for people to read, and writing the pages.
Does not belong here: the models (see `schemas`) and `meta.codebook` (see `schemas.catalog`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from schemas.catalog import TABLES, type_word
from schemas.codes import CodeList
from schemas.fields import Column, Table, describe
from schemas.forms import FORMS

FOLDER = Path("docs/codebook")
COMMAND = "python -m registry_pipeline.codebook"
_HEADER = (
    "| column | label | type | unit | allowed | null means | description | source |",
    "|---|---|---|---|---|---|---|---|",
)
_INTRODUCTIONS = {
    "intake": "The forms as they are received. Intake puts before them where a row came from, "
    "and interviews have one `<substance>_days` column per substance of the protocol.",
    "core": "Current, typed and pseudonymised rows, every holding rule applied.",
    "derived": "Estimates with their uncertainty and missing data, and what they are made from.",
    "quality": "Indicators, data quality and the programmes' own tables.",
    "meta": "What came in, what was kept out, and what is published.",
}


def render() -> dict[str, str]:
    """File name to text, for every codebook page and their index."""
    tables = [*map(describe, FORMS.values()), *TABLES.values()]
    schemas = {
        name: list(group) for name, group in groupby(tables, key=lambda table: table.schema_name)
    }
    lists = {
        column.codes.name: column.codes
        for table in tables
        for column in table.columns
        if column.codes
    }
    pages = {f"{name}.md": _page(name, group) for name, group in schemas.items()}
    return {"README.md": _index(schemas), "codes.md": _codes(lists), **pages}


def stale(folder: Path) -> list[str]:
    """Names of the pages in a folder that differ from the models, or have no model."""
    pages = render()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return sorted(
        name for name in pages.keys() | found.keys() if pages.get(name) != found.get(name)
    )


def write(folder: Path) -> None:
    """Writes every page into a folder, and removes pages that no schema stands behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale(folder):
        (folder / name).unlink(missing_ok=True)
    for name, text in render().items():
        (folder / name).write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Writes the pages, or with `--check` ends with one sentence where they are not current.

    Raises:
        SystemExit: with `--check`, some pages differ from the models.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write the codebook pages.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pages stand")
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.folder)
    elif names := stale(options.folder):
        sys.exit(f"{options.folder}: not current: {', '.join(names)}; run {COMMAND}")


def _index(schemas: dict[str, list[Table]]) -> str:
    lines = [
        "# Codebook",
        "",
        f"Written from the models by `{COMMAND}`; do not edit. The same text stands in the",
        "database, as comments and in `meta.codebook`. Words are explained in the",
        "[glossary](../glossary.md), codes on [their page](codes.md).",
        "",
        "| table | title | key |",
        "|---|---|---|",
    ]
    for name, tables in schemas.items():
        lines += [
            f"| [{table.full_name}]({name}.md#{_anchor(table)}) | {table.title} | {_key(table)} |"
            for table in tables
        ]
    return "\n".join(lines) + "\n"


def _page(name: str, tables: Iterable[Table]) -> str:
    lines = [f"# {name}", "", _INTRODUCTIONS[name]]
    for table in tables:
        lines += [
            "",
            f"## {table.full_name}",
            "",
            f"{table.title} ({table.title_nb}).",
            "",
            table.description,
            "",
            f"Key: {_key(table)}.",
            "",
            *_HEADER,
            *map(_row, table.columns),
        ]
    return "\n".join(lines) + "\n"


def _codes(lists: dict[str, CodeList]) -> str:
    lines = ["# Code lists", "", "Every closed set of values that a column may hold."]
    for name, codes in sorted(lists.items()):
        lines += ["", f"## {name}", "", "| code | English | Norwegian |", "|---|---|---|"]
        lines += [f"| `{code}` | {en} | {nb} |" for code, (nb, en) in codes.labels.items()]
    return "\n".join(lines) + "\n"


def _row(column: Column) -> str:
    cells = (
        f"`{column.name}`",
        " / ".join(dict.fromkeys((column.title, column.title_nb))),
        f"[{column.codes.name}](codes.md#{column.codes.name})"
        if column.codes
        else type_word(column),
        column.unit,
        column.allowed,
        column.missing_meaning,
        column.description,
        column.source,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _key(table: Table) -> str:
    return ", ".join(table.key)


def _anchor(table: Table) -> str:
    return table.full_name.replace(".", "")


if __name__ == "__main__":
    main()
