"""Running suites: each on its cells of counts, in one context, without a value in any result.

Belongs here: the adapter to Great Expectations.
Does not belong here: what is expected (see `suites`), how a page looks (see `docs`).

Great Expectations is imported inside functions: it costs seconds, and not every command needs
it. It imports modules that Python has deprecated, so warnings are its own while it works.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from registry_pipeline.expectations.docs import Page, raised, write_docs
from registry_pipeline.expectations.suite import Suite, SuiteResult
from registry_pipeline.expectations.suites import SUITES

NO_VALUES: Final = {"result_format": "BASIC", "partial_unexpected_count": 0}
"""Counts of cells, and none of their values or positions."""


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
    results, pages = [], []
    with _quiet() as great_expectations:
        source = _source(great_expectations)
        for suite in suites:
            validation = None
            try:
                cells = connection.sql(suite.query).pl()
                if cells.height:
                    validation = _validate(great_expectations, source, suite, cells)
                result = _result(suite, validation)
            except Exception as error:  # noqa: BLE001 - an exception is an error, never a failure
                result = SuiteResult(suite, "error", failed=(type(error).__name__,))
            results.append(result)
            pages.append(Page(result, validation))
        if docs_folder is not None:
            write_docs(docs_folder, pages)
    return results


@contextmanager
def _quiet() -> Iterator[Any]:
    """Great Expectations, imported; its warnings are not the registry's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations  # noqa: PLC0415 - seconds

        yield great_expectations


def _source(great_expectations: Any) -> Any:
    """A source of data frames in a context of its own: in memory, no analytics, no bars."""
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = great_expectations.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context.data_sources.add_pandas("stored_tables")


def _validate(great_expectations: Any, source: Any, suite: Suite, cells: pl.DataFrame) -> Any:
    expected = great_expectations.ExpectationSuite(suite.name)
    for number, item in enumerate(suite.expectations):
        kind = getattr(great_expectations.expectations, item.kind)
        expected.add_expectation(
            kind(**item.arguments, description=item.description, meta={"number": number})
        )
    batch = (
        source.add_dataframe_asset(suite.name)
        .add_batch_definition_whole_dataframe("all")
        .get_batch(batch_parameters={"dataframe": cells.to_pandas()})
    )
    return batch.validate(expected, result_format=NO_VALUES)


def _result(suite: Suite, validation: Any) -> SuiteResult:
    """The suite's status; results come in an order of their own, so each says its number."""
    if validation is None:
        return SuiteResult(suite, "not_applicable")
    by_number = {item.expectation_config.meta["number"]: item for item in validation.results}
    outcomes = [by_number[number] for number in range(len(suite.expectations))]
    unmet = [
        item.description
        for item, outcome in zip(suite.expectations, outcomes, strict=True)
        if not outcome.success
    ]
    crashed = any(raised(outcome) for outcome in outcomes)
    status = "error" if crashed else "failed" if unmet else "passed"
    return SuiteResult(suite, status, len(unmet), tuple(unmet))
