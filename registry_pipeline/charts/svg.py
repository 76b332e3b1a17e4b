"""From an Altair chart to a picture in Markdown: one look for all charts.

Belongs here: colours, sizes, fonts, and drawing to SVG without a browser or a network.
Does not belong here: what a chart shows (see the modules by subject).

Altair and its renderer are slow to import, so they come in when a chart is drawn. Charts name
their data `SHOWN` instead of holding it: Altair copies a chart's data many times over.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from polars import selectors

if TYPE_CHECKING:
    import altair as alt

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#AA4499", "#56B4E9",
)  # fmt: skip
"""Okabe and Ito's colours, told apart by colour-blind readers; the purple is Paul Tol's."""

PALETTE: Final = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, "#332288", "#999933")
INK, GREY, PALE = "#222222", "#7A7A7A", "#D9D9D9"
SHOWN: Final = "shown"
PANEL_WIDTH: Final = 225
"""Three panels side by side fit a page 900 pixels wide."""

_CONFIG: Final[dict[str, Any]] = {
    "font": "Arial, sans-serif",
    "background": "white",
    "padding": 8,
    "aria": False,
    "view": {"stroke": None},
    "title": {
        "anchor": "start", "fontSize": 16, "fontWeight": 600, "color": INK,
        "subtitleFontSize": 13, "subtitleColor": "#555555", "offset": 12,
    },
    "axis": {
        "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelColor": INK, "titleColor": INK, "gridColor": "#E8E8E8", "domainColor": GREY,
        "tickColor": GREY, "labelLimit": 300,
    },
    "header": {
        "title": None, "labelAnchor": "start", "labelAlign": "left", "labelFontSize": 12.5,
        "labelFontWeight": 600, "labelColor": INK, "labelLineHeight": 15, "labelPadding": 8,
    },
    "legend": {
        "labelFontSize": 12, "orient": "top", "title": None, "labelLimit": 300,
        "symbolType": "square", "symbolOpacity": 1, "columnPadding": 16,
    },
}  # fmt: skip


def chart() -> alt.Chart:
    """An empty chart over the rows that are shown."""
    import altair as alt  # noqa: PLC0415 - slow to import

    return alt.Chart(alt.NamedData(SHOWN))


def panels(field: str, order: Sequence[str]) -> alt.Facet:
    """A panel per value of a column, in this order; `|` in a value starts a new line."""
    import altair as alt  # noqa: PLC0415 - slow to import

    header = alt.Header(labelExpr="split(datum.label, '|')")
    return alt.Facet(f"{field}:N", sort=list(order), header=header, title=None)


def colours(field: str, colour_of: dict[str, str], *, legend: bool = True) -> alt.Color:
    """The colour of each value of a column, the legend in the same order."""
    import altair as alt  # noqa: PLC0415 - slow to import

    scale = alt.Scale(domain=list(colour_of), range=list(colour_of.values()))
    given = {} if legend else {"legend": None}
    return alt.Color(f"{field}:N", scale=scale, sort=list(colour_of), **given)


def percent_axis(title: str, *, ticks: bool = True) -> dict[str, Any]:
    """Scale, axis and title of a channel that runs from 0 to 100 %."""
    import altair as alt  # noqa: PLC0415 - slow to import

    return {
        "title": title,
        "scale": alt.Scale(domain=[0, 1]),
        "axis": alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], ticks=ticks),
    }


def stacked_by_wave(shown: pl.DataFrame, title: str, colour_of: dict[str, str]) -> alt.Chart:
    """Stacked bars, one per wave, the first colour at the foot.

    Args:
        shown: wave, time (of the wave, in words), unit, part, share.
        title: what the shares are of.
        colour_of: part to colour, in the order of the stack.
    """
    import altair as alt  # noqa: PLC0415 - slow to import

    used = {part: colour for part, colour in colour_of.items() if part in shown["part"].unique()}
    times = shown.sort("wave")["time"].unique(maintain_order=True).to_list()
    x = alt.X(
        "time:O",
        sort=times,
        title=f"{shown['unit'][0].capitalize()} since baseline",
        axis=alt.Axis(labelAngle=0, ticks=False),
    )
    place = f"indexof({list(used)}, datum.part)"
    return (
        chart()
        .transform_calculate(place=place)
        .mark_bar(stroke="white", strokeWidth=0.6)
        .encode(
            x=x,
            y=alt.Y("share:Q", **percent_axis(title), stack="zero"),
            order="place:Q",
            color=colours("part", used),
        )
    )


def svg(shown: alt.TopLevelMixin, rows: pl.DataFrame, english: str, norwegian: str) -> str:
    """A chart drawn with its rows, its two titles and the common look.

    Numbers go in to four places: no more precision than is seen. The same chart and rows always
    give the same text.
    """
    import vl_convert  # noqa: PLC0415 - slow to import

    spec = {
        **shown.to_dict(validate=False),
        "datasets": {SHOWN: rows.with_columns(selectors.float().round(4)).to_dicts()},
        "title": {"text": english, "subtitle": norwegian},
        "config": _CONFIG,
    }
    drawn: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return drawn


def image(drawn: str, alt_text: str) -> str:
    """An SVG as a Markdown image that needs no file beside it."""
    encoded = base64.b64encode(drawn.encode()).decode("ascii")
    return f"![{alt_text}](data:image/svg+xml;base64,{encoded})"
