"""A page whose charts are still to be drawn, and the processes that draw them.

Belongs here: pages and charts as values, drawing them here or there.
Does not belong here: what pages say (see `pages`), how a chart looks (see `svg`).

A chart takes a tenth of a second, and the library that draws keeps the interpreter for itself
meanwhile. Processes do so while tables are built, and two at once while a step waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import polars as pl

from registry_pipeline.charts.svg import Spec, image, svg
from registry_pipeline.child import DRAWER, PROCESSES, asked


@dataclass(frozen=True)
class Chart:
    """A chart to be drawn, and the words that stand for it."""

    spec: Spec
    rows: pl.DataFrame
    title: str
    below: Sequence[str]

    def markdown(self) -> str:
        """The chart as an image."""
        drawn = svg(self.spec, self.rows, self.title, self.below)
        return image(drawn, f"{self.title}; the numbers are in the table below")


@dataclass(frozen=True)
class Page:
    """A page of the catalogue, small-number-safe: its parts in order, charts not drawn yet."""

    parts: Sequence[str | Chart]

    def markdown(self) -> str:
        """The page with its charts as data URIs, the same for the same rows."""
        drawn = (part if isinstance(part, str) else part.markdown() for part in self.parts)
        return "\n\n".join(drawn) + "\n"


_free: SimpleQueue[int] = SimpleQueue()
for _number in range(PROCESSES[DRAWER]):
    _free.put(_number)


def drawn(page: Page) -> str:
    """The page's text from a process that draws; from here, where that does not answer."""
    number = _free.get()
    try:
        text: str | None = asked(DRAWER, page, number)
    finally:
        _free.put(number)
    return text or page.markdown()
