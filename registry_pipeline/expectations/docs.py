"""Data Docs: one page per suite and an index, readable without a network.

Belongs here: the page around what Great Expectations rendered, and HTML files replaced as a whole.
Does not belong here: running suites (see `runner`) and rendering results (see `judge`).

Its own page would load scripts and styles from elsewhere and show the time and a fingerprint of the
data, so the page is ours.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from registry_pipeline.expectations.suite import SuiteResult

INDEX: Final = "index.html"
STATUS: Final = {
    "passed": "passed",
    "failed": "failed",
    "not_applicable": "not applicable: there is nothing to judge",
    "error": "could not be evaluated",
}
STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; }
h5 { font-size: 1rem; margin: 2rem 0 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0;
  border-bottom: 1px solid #d8dee4; }
table.table td:nth-child(1), table.table th:nth-child(1) { width: 5.5rem; }
table.table td:nth-child(3), table.table th:nth-child(3) { width: 14rem; }
strong.text-danger { font-weight: normal; color: #57606a; font-size: .9rem; }
strong.text-danger br:first-child { display: none; }
.passed, .text-success { color: #1a7f37; }
.failed, .text-danger { color: #b35900; }
.error { color: #cf222e; }
.not_applicable, .about { color: #57606a; }
i { font-style: normal; }
i.fa-check-circle::before { content: "\\2713  met"; }
i.fa-times::before { content: "\\2717  not met"; }
"""


@dataclass(frozen=True)
class Page:
    """One suite's page.

    Attributes:
        result: what became of the suite.
        sections: what was expected and found, as HTML; null where nothing was judged.
        crashed: descriptions of the expectations that could not be evaluated.
    """

    result: SuiteResult
    sections: str | None = None
    crashed: tuple[str, ...] = ()


def write_docs(folder: Path, pages: Sequence[Page]) -> None:
    """Replaces the folder by the pages: written beside it, then put in its place."""
    beside, old = folder.with_name(f"{folder.name}.tmp"), folder.with_name(f"{folder.name}.old")
    for leftover in (beside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    beside.mkdir(parents=True)
    (beside / INDEX).write_text(_index(pages), encoding="utf-8")
    for page in pages:
        file = beside / f"{page.result.suite.name}.html"
        file.write_text(_page(page), encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    beside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _index(pages: Sequence[Page]) -> str:
    rows = "".join(
        f'<tr><td><a href="{page.result.suite.name}.html">{escape(page.result.suite.title)}</a>'
        f"</td><td>{page.result.table}</td>{_status_cell(page.result)}"
        f"<td>{_met(page)}</td></tr>"
        for page in pages
    )
    about = "What is expected of the stored tables, as counts: no value of any person stands here."
    head = "<tr><th>Suite</th><th>Table</th><th>Status</th><th>Expectations met</th></tr>"
    return _html("Data Docs", f'<p class="about">{about}</p><table>{head}{rows}</table>')


def _page(page: Page) -> str:
    result = page.result
    status = f'<span class="{result.status}">{STATUS[result.status]}</span>'
    about = (
        f'<p><a href="{INDEX}">All suites</a></p>'
        f'<p class="about">{result.table}: {status}; expectations met: {_met(page)}. '
        "The rows counted are cells of counts (a quarter, a wave, a group), never people.</p>"
    )
    return _html(result.suite.title, about + _broken(page) + (page.sections or ""))


def _broken(page: Page) -> str:
    """The expectations that could not be evaluated, in words alone: a message may hold a value."""
    if page.result.status != "error":
        return ""
    what = page.crashed or [f"The suite could not be run ({', '.join(page.result.failed)})."]
    lines = "".join(f"<li>{escape(line)}</li>" for line in what)
    return f'<p class="error">Could not be evaluated:</p><ul>{lines}</ul>'


def _status_cell(result: SuiteResult) -> str:
    return f'<td class="{result.status}">{STATUS[result.status]}</td>'


def _met(page: Page) -> str:
    """How many expectations were met of how many; none where none was judged."""
    result = page.result
    met = 0 if page.sections is None else result.n_expectations - result.n_failed
    return f"{met} of {result.n_expectations}"


def _html(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )
