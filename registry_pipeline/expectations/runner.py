"""Running suites: each on its cells of counts, without a value in any result.

Belongs here: reading the cells, and what becomes of a suite that has none.
Does not belong here: what is expected (see `suites`), judging it (see `judge`), how a page looks
(see `docs`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from registry_pipeline.expectations.docs import Page, write_docs
from registry_pipeline.expectations.suite import Suite, SuiteResult
from registry_pipeline.expectations.suites import SUITES
from registry_pipeline.expectations.worker import judged


def run_suites(
    connection: duckdb.DuckDBPyConnection,
    docs_folder: Path | None,
    suites: Iterable[Suite] = SUITES,
) -> list[SuiteResult]:
    """Runs suites on the stored tables, and writes their pages.

    Args:
        connection: a database with the tables.
        docs_folder: replaced as a whole by the new pages; None writes none.
        suites: which suites.

    Returns:
        One result per suite, in their order. A suite that cannot be run is an error and stops
        no other.
    """
    pages: dict[str, Page] = {}
    asked = []
    for suite in suites:
        pages[suite.name] = Page(SuiteResult(suite, "not_applicable"))
        try:
            cells = connection.sql(suite.query).pl()
        except Exception as error:  # noqa: BLE001 - an exception is an error, never a failure
            failed = SuiteResult(suite, "error", failed=(type(error).__name__,))
            pages[suite.name] = Page(failed)
        else:
            if cells.height:
                asked.append((suite, cells))
    if asked:
        pages |= {page.result.suite.name: page for page in judged(asked)}
    if docs_folder is not None:
        write_docs(docs_folder, list(pages.values()))
    return [page.result for page in pages.values()]
