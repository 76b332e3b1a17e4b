"""Great Expectations at work: suites judged on their cells, in a process of its own.

Belongs here: what that process does, from cells of counts to results and sections of pages.
Does not belong here: starting it and asking (see `worker`), what is expected (see `suites`), how a
page looks (see `docs`).
"""

from __future__ import annotations

import re
import warnings
from typing import Any, Final

import polars as pl

from registry_pipeline.child import serve
from registry_pipeline.expectations.docs import Page
from registry_pipeline.expectations.suite import Suite, SuiteResult

NO_VALUES: Final = {"result_format": "BASIC", "partial_unexpected_count": 0}
"""Counts of cells, and none of their values or positions."""


class _Judge:
    """Great Expectations, imported, and one view for all pages.

    A view compiles its templates anew for each that is made.
    """

    def __init__(self) -> None:
        warnings.simplefilter("ignore")  # it imports modules that Python has deprecated
        import great_expectations  # noqa: PLC0415 - once warnings are silent
        from great_expectations.render.renderer.page_renderer import (  # noqa: PLC0415
            ValidationResultsPageRenderer,
        )
        from great_expectations.render.view.view import DefaultJinjaSectionView  # noqa: PLC0415

        self._great_expectations = great_expectations
        self._renderer: Any = ValidationResultsPageRenderer()
        self._view: Any = DefaultJinjaSectionView()
        self._source = self._new_source()

    def pages(self, asked: list[tuple[Suite, pl.DataFrame]]) -> list[Page]:
        """A page per suite and its cells."""
        return [self._page(suite, cells) for suite, cells in asked]

    def _new_source(self) -> Any:
        """A source of data frames in a context of its own: in memory, no analytics, no bars."""
        from great_expectations.data_context.types.base import (  # noqa: PLC0415
            ProgressBarsConfig,
        )

        context = self._great_expectations.get_context(mode="ephemeral")
        context.enable_analytics(False)
        context.variables.progress_bars = ProgressBarsConfig(
            globally=False, metric_calculations=False
        )
        return context.data_sources.add_pandas("stored_tables")

    def _page(self, suite: Suite, cells: pl.DataFrame) -> Page:
        """A suite's page; an exception is an error, never a failure, and stops no other suite."""
        try:
            return self._written(suite, self._validation(suite, cells))
        except Exception as error:  # noqa: BLE001 - its message may hold a value
            return Page(SuiteResult(suite, "error", failed=(type(error).__name__,)))

    def _validation(self, suite: Suite, cells: pl.DataFrame) -> Any:
        expected = self._great_expectations.ExpectationSuite(suite.name)
        for number, item in enumerate(suite.expectations):
            kind = getattr(self._great_expectations.expectations, item.kind)
            expected.add_expectation(
                kind(**item.arguments, description=item.description, meta={"number": number})
            )
        asset = self._source.add_dataframe_asset(suite.name)
        try:
            whole = asset.add_batch_definition_whole_dataframe("all")
            batch = whole.get_batch(batch_parameters={"dataframe": cells.to_pandas()})
            return batch.validate(expected, result_format=NO_VALUES)
        finally:
            self._source.delete_asset(suite.name)

    def _written(self, suite: Suite, validation: Any) -> Page:
        """The suite's status; results come in an order of their own, so each says its number."""
        by_number = {item.expectation_config.meta["number"]: item for item in validation.results}
        outcomes = [(item, by_number[number]) for number, item in enumerate(suite.expectations)]
        unmet = tuple(item.description for item, outcome in outcomes if not outcome.success)
        crashed = tuple(item.description for item, outcome in outcomes if _raised(outcome))
        status = "error" if crashed else "failed" if unmet else "passed"
        result = SuiteResult(suite, status, len(unmet), unmet)
        return Page(result, self._sections(validation), crashed)

    def _sections(self, validation: Any) -> str:
        """What was expected and found, without an overview and information on the run."""
        validation.results = [item for item in validation.results if not _raised(item)]
        validation.meta = {}
        sections = self._renderer.render(validation).sections[1:]
        html = "".join(
            self._view.render({"section": one.to_json_dict(), "section_loop": {"index": number}})
            for number, one in enumerate(sections)
        )
        return re.sub(r"\s+", " ", re.sub(r'\s(?:id|style|data-[a-z-]+)="[^"]*"', "", html))


def _raised(outcome: Any) -> bool:
    """Whether an expectation could not be evaluated.

    exception_info says `raised_exception` false where all went well, and otherwise has a part
    for each metric that broke.
    """
    return bool(outcome.exception_info.get("raised_exception", True))


if __name__ == "__main__":
    serve(_Judge().pages)
