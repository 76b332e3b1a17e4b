"""The process in which Great Expectations lives.

Belongs here: asking it, and what is said where it does not answer.
Does not belong here: what it does (see `judge`), processes as such (see `child`).

Importing Great Expectations takes seconds. A process of its own does so on another core while the
tables are built.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from registry_pipeline.child import JUDGE, started
from registry_pipeline.expectations.docs import Page
from registry_pipeline.expectations.suite import Suite, SuiteResult


def judged(asked: Sequence[tuple[Suite, pl.DataFrame]]) -> list[Page]:
    """A page per suite and its cells; where the process does not answer, each is an error."""
    worker = started(JUDGE)
    try:
        pages: list[Page] = worker.ask(asked)
    except (EOFError, OSError) as error:
        words = "in time" if isinstance(error, TimeoutError) else "and ended"
        told = f"Great Expectations' process did not answer {words} (exit code {worker.stop()})"
        return [Page(SuiteResult(suite, "error", failed=(told,))) for suite, _ in asked]
    return pages
