"""Vega-Lite charts and their drawing: one look for all, no browser and no network.

Belongs here: the few words charts are specified in, colours, sizes, and drawing to SVG.
Does not belong here: what a chart shows (see the modules by subject).

Charts are Vega-Lite specifications as plain dictionaries: a builder library on top costs more
than the drawing itself. Their rows come beside them, under one name.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Final

import polars as pl
from polars import selectors

Spec = dict[str, Any]
"""A Vega-Lite specification, or a part of one."""

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#AA4499", "#56B4E9",
)  # fmt: skip
"""Okabe and Ito's colours, told apart by colour-blind readers; the purple is Paul Tol's."""

PALETTE: Final = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, "#332288", "#999933")
INK, GREY, PALE = "#222222", "#7A7A7A", "#D9D9D9"
PANEL_WIDTH: Final = 225
"""Three panels side by side fit a page 900 pixels wide."""

PLAIN: Final[Spec] = {"ticks": False, "domain": False, "grid": False}
"""An axis of names: labels alone."""

MIDDLE: Final = -6
"""Brings the middle of two lines to where that of the first one was."""

TWO_LINES: Final[Spec] = {
    **PLAIN, "labelExpr": "split(datum.label, '|')", "labelOffset": MIDDLE,
}  # fmt: skip
"""The same for names of two lines; `|` in a name starts the second."""

_SHOWN: Final = "shown"
_PADDING: Final = {"left": 40, "right": 56, "top": 8, "bottom": 8}
"""Texts are measured in Arial; where a browser has none, its own sans serif is a sixth wider."""

_CONFIG: Final[Spec] = {
    "font": "Arial, sans-serif",
    "background": "white",
    "padding": _PADDING,
    "aria": False,
    "view": {"stroke": None},
    "title": {
        "anchor": "start", "fontSize": 16, "fontWeight": 600, "color": INK,
        "subtitleFontSize": 13, "subtitleColor": "#555555", "offset": 12,
    },
    "axis": {
        "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelColor": INK, "titleColor": INK, "gridColor": "#E8E8E8", "domainColor": GREY,
        "tickColor": GREY, "labelLimit": 330,
    },
    "header": {
        "labelAnchor": "start", "labelAlign": "left", "labelFontSize": 12.5,
        "labelFontWeight": 600, "labelColor": INK, "labelLineHeight": 15, "labelPadding": 8,
    },
    "legend": {
        "labelFontSize": 12, "orient": "top", "title": None, "labelLimit": 330,
        "symbolType": "square", "symbolOpacity": 1, "columnPadding": 16,
        "columns": 4,
    },
}  # fmt: skip


def mark(kind: str, encoding: Spec, *, only: str | None = None, **look: Any) -> Spec:
    """A layer of marks, of the rows for which the expression `only` holds."""
    drawn = {"mark": {"type": kind, **look}, "encoding": encoding}
    return drawn if only is None else {"transform": [{"filter": only}], **drawn}


def number(field: str, **channel: Any) -> Spec:
    """A channel that shows a column of numbers."""
    return {"field": field, "type": "quantitative", **channel}


def name(field: str, order: Sequence[str], **channel: Any) -> Spec:
    """A channel that shows a column of names, all of `order` in that order."""
    scale = {"domain": list(order)}
    return {"field": field, "type": "nominal", "title": None, "scale": scale, **channel}


def percent(field: str, title: str | list[str]) -> Spec:
    """A channel that shows a column of shares, from 0 to 100 %; a title may have more lines."""
    axis = {"format": ".0%", "values": [0, 0.25, 0.5, 0.75, 1]}
    return number(field, title=title, scale={"domain": [0, 1]}, axis=axis)


def colour(field: str, colour_of: Mapping[str, str], **channel: Any) -> Spec:
    """The colour of each name in a column, with a legend in the same order."""
    scale = {"domain": list(colour_of), "range": list(colour_of.values())}
    return {"field": field, "type": "nominal", "scale": scale, **channel}


def hues(names: Sequence[str], rest: str) -> dict[str, str]:
    """A colour for each name, grey for the one that stands for the rest and comes last."""
    own = dict(zip((one for one in names if one != rest), cycle(PALETTE), strict=False))
    return {**own, rest: GREY} if rest in names else own


def panels(spec: Spec, field: str, order: Sequence[str], *, columns: int = 3, **more: Any) -> Spec:
    """A panel per name in a column, in this order; `|` in a name starts a new line."""
    header = {"labelExpr": "split(datum.label, '|')", "title": None}
    facet = {"field": field, "type": "nominal", "sort": list(order), "header": header}
    return {"facet": facet, "columns": columns, "spacing": 20, "spec": spec, **more}


def in_order(rows: pl.DataFrame, column: str) -> list[str]:
    """The names in a column, in the order they come."""
    return rows[column].unique(maintain_order=True).to_list()


def stacked_by_wave(rows: pl.DataFrame, title: str, colour_of: Mapping[str, str]) -> Spec:
    """Stacked bars, one per wave, the first colour at the foot.

    Args:
        rows: wave, time (of the wave, in words), unit, part, share.
        title: what the shares are of.
        colour_of: part to colour, in the order of the stack.
    """
    present = rows["part"].unique()
    used = {part: colour for part, colour in colour_of.items() if part in present}
    times = in_order(rows.sort("wave"), "time")
    place = {"calculate": f"indexof({list(used)}, datum.part)", "as": "place"}
    encoding = {
        "x": {
            **name("time", times, title=f"{rows['unit'][0].capitalize()} since baseline"),
            "axis": {"labelAngle": 0, "ticks": False},
        },
        "y": percent("share", title) | {"stack": "zero"},
        "order": number("place"),
        "color": colour("part", used),
    }
    return {"transform": [place], **mark("bar", encoding, stroke="white", strokeWidth=0.6)}


def svg(spec: Spec, rows: pl.DataFrame, title: str, below: Sequence[str]) -> str:
    """A chart drawn with its rows, its title, the lines below it and the common look.

    Numbers go in to four places: no more precision than is seen. The same chart and rows always
    give the same text.
    """
    import vl_convert  # noqa: PLC0415 - slow to import

    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"name": _SHOWN},
        "datasets": {_SHOWN: rows.with_columns(selectors.float().round(4)).to_dicts()},
        "title": {"text": title, "subtitle": list(below)},
        "config": _CONFIG,
        **spec,
    }
    drawn: str = vl_convert.vegalite_to_svg(whole, allowed_base_urls=[])
    return drawn


def image(drawn: str, alt_text: str) -> str:
    """An SVG as a Markdown image that needs no file beside it."""
    encoded = base64.b64encode(drawn.encode()).decode("ascii")
    return f"![{alt_text}](data:image/svg+xml;base64,{encoded})"
