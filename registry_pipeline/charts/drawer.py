"""The process that draws: a page in, its text with every chart out.

Belongs here: what that process does. Does not belong here: asking it (see `page`).
"""

from __future__ import annotations

import polars as pl

from registry_pipeline.charts.page import Page
from registry_pipeline.charts.svg import mark, svg
from registry_pipeline.child import serve


def _text(page: Page) -> str:
    return page.markdown()


if __name__ == "__main__":
    svg(mark("point", {}), pl.DataFrame(), "", [])  # the first chart is slow
    serve(_text)
