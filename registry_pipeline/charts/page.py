"""A page whose charts are still to be drawn, and the process that draws them.

Belongs here: pages and charts as values, drawing them here or there.
Does not belong here: what pages say (see `pages`), how a chart looks (see `svg`).

A chart takes a tenth of a second, and the library that draws keeps the interpreter for itself
meanwhile. A process of its own does so on another core while tables are built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from registry_pipeline.charts.svg import Spec, image, svg
from registry_pipeline.child import asked

DRAWER: Final = "registry_pipeline.charts.drawer"


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


def drawn(page: Page) -> str:
    """The page's text from the process that draws; from here, where that does not answer."""
    text: str | None = asked(DRAWER, page)
    return text or page.markdown()
