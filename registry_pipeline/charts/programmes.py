"""The pages of the programmes: drop-out and its tools, feedback, detox, transitions, two disorders.

Belongs here: what each page says, and shares drawn as points with their intervals.
Does not belong here: the bridge, involvement and goals (see `bridging`), charts by quarter (see
`programme_charts`), what is hidden (see `programme_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort, place
from registry_pipeline.charts.programme_rows import safe_rows
from registry_pipeline.charts.svg import BLUE, PLAIN, Spec, in_order, mark, panels, percent
from registry_pipeline.charts.text import Section
from registry_pipeline.disclosure.small_numbers import HIDDEN
from registry_pipeline.statistics import reasons
from schemas import programme_codes
from schemas.codes import CodeList

NOT_DELIVERED: Final = (
    "Not applicable: the cohort has delivered nothing of the kind. / "
    "Ikke aktuelt: kohorten har ikke levert noe av dette."
)
ASSOCIATION: Final = (
    "An association, not an effect: those who get a tool differ from those who do not."
)
MAX_ROWS: Final = 60


@dataclass(frozen=True)
class Programme:
    """What the page of one programme's table says.

    Attributes:
        table: `quality.<table>`.
        measures: its measures in words.
        words: one paragraph, English.
        norwegian: one sentence.
        drawn: what is drawn: measure to the group_by of its points; `unit` for the units.
        caution: a line that goes with the chart.
        notes: what a reader must know.
    """

    table: str
    measures: CodeList
    words: str
    norwegian: str
    drawn: Mapping[str, Sequence[str]]
    caution: str = ""
    notes: Sequence[str] = ()


def section_of(subject: Programme) -> Callable[[Cohort], Section]:
    """What makes a cohort's section of a programme's page."""

    def section(cohort: Cohort) -> Section:
        rows = safe_rows(cohort, subject.table)
        if rows.is_empty():
            return Section(words=NOT_DELIVERED, norwegian=subject.norwegian, table="")
        rows = rows.sort(place("measure", subject.measures.codes), maintain_order=True)
        return Section(
            words=subject.words,
            norwegian=subject.norwegian,
            table=measures_table(rows, subject.measures, cohort),
            chart=_dots,
            shown=_points(rows, subject),
            caution=subject.caution,
            notes=(*subject.notes, *silent_units(rows, cohort), text.parts_note(cohort.rule)),
        )

    return section


def silent_units(rows: pl.DataFrame, cohort: Cohort) -> list[str]:
    """The units that delivered nothing of the kind, in a sentence; none where all did."""
    units = rows.filter(pl.col("unit_id") != "all").group_by("unit_id", maintain_order=True)
    nothing = pl.col("denominator").fill_null(1).sum() == 0
    silent = (
        units.agg(nothing=nothing).filter("nothing").select(pl.col("unit_id").replace(cohort.units))
    )
    names = ", ".join(silent["unit_id"].to_list())
    return [f"Nothing of the kind delivered by: {names}."] if names else []


def measures_table(rows: pl.DataFrame, measures: CodeList, cohort: Cohort) -> str:
    """A row per measure and group, everyone and the units first."""
    order = {"all": 0, "age": 2}
    first = pl.col("group_by").replace_strict(order, default=3, return_dtype=pl.Int8)
    of_unit = pl.col("unit_id") != "all"
    told = ~of_unit | pl.col(HIDDEN) | (pl.col("denominator") > 0)
    listed = rows.filter(told).sort(
        place("measure", measures.codes), first, of_unit, maintain_order=True
    )
    return text.table(
        ["Measure", "Group", "Value (95 %)", "Counted", "Of", "Missing"],
        ([text.capital(measures.label(row["measure"])), row["who"], *_cells(row, cohort)]
         for row in listed.head(MAX_ROWS).iter_rows(named=True)),
    )  # fmt: skip


def _cells(row: dict[str, Any], cohort: Cohort) -> list[str]:
    """Value with its interval, counted, of, missing; a hidden row has none of them."""
    if row[HIDDEN]:
        return [text.HIDDEN] * 4
    absent = (
        text.REFUSED if row["reason"] == reasons.PERIODS_DIFFER else text.absent(row["denominator"])
    )
    is_share = row["method"].startswith("share")
    estimate = (row["value"], row["ci_low"], row["ci_high"])
    value = text.share(*estimate, absent) if is_share else text.number(row["value"], absent)
    counted = text.count(row["numerator"], cohort.rule) if is_share else ""
    return [
        value,
        counted,
        text.count(row["denominator"], cohort.rule),
        text.count(row["n_missing"], cohort.rule),
    ]


def _points(rows: pl.DataFrame, subject: Programme) -> pl.DataFrame:
    """The shares that are drawn, in the order of the page."""
    labels = text.headings(subject.measures)
    parts = []
    for measure, groups in subject.drawn.items():
        for by in groups:
            of_unit = pl.col("unit_id") != "all"
            kind = of_unit & (pl.col("group_by") == "all")
            chosen = kind if by == "unit" else ~of_unit & (pl.col("group_by") == by)
            parts.append(rows.filter(chosen, measure=measure))
    return (
        pl.concat(parts)
        .filter(pl.col("value").is_not_null(), pl.col("method").str.starts_with("share"))
        .select("who", "value", "ci_low", "ci_high", panel=pl.col("measure").replace(labels))
    )


def _dots(shown: pl.DataFrame) -> Spec:
    """A panel per measure, a point with its interval per group."""
    value = {"x": percent("value", "Share")}
    interval = {"x": percent("ci_low", "Share"), "x2": {"field": "ci_high"}}
    names = {"field": "who", "type": "nominal", "title": None, "sort": in_order(shown, "who")}
    panel = {
        "width": 260,
        "height": {"step": 24},
        "encoding": {"y": {**names, "axis": {**PLAIN, "labelLimit": 220}}},
        "layer": [
            mark("rule", interval, color=BLUE, strokeWidth=1.6),
            mark("circle", value, color=BLUE, size=60, opacity=1),
        ],
    }
    own = {"scale": {"y": "independent"}, "axis": {"x": "independent"}}
    return panels(panel, "panel", in_order(shown, "panel"), columns=2, resolve=own)


DROPOUT: Final = Programme(
    "quality.dropout",
    programme_codes.DROPOUT_MEASURE,
    words=(
        "Drop-out: planned stays that ended before they were planned to end (by the institution, "
        "by the person, notified or not, or interrupted). The first share counts stays with an "
        "unknown end among all that ended, as the national indicator does; the second leaves them "
        "out. Never met is apart from a drop-out of a started stay: both are shown of the same "
        "planned stays. Early drop-out is of stays followed that long."
    ),
    norwegian="Drop-out av planlagte opphold, med ukjent avslutning både medregnet og utelatt.",
    drawn={
        "dropout": ("all", "unit", "age", "co_occurring_disorder"),
        "dropout_known": ("all", "unit", "age", "co_occurring_disorder"),
        "never_met": ("all", "unit", "age"),
        "dropped_out_later": ("all", "unit", "age"),
    },
    notes=("Transfer, death, moving and prison are no drop-out.",),
)
NO_SHOW: Final = Programme(
    "quality.no_show",
    programme_codes.NO_SHOW_MEASURE,
    words=(
        "Appointments that were not kept, each share with its own denominator: no-show and "
        "cancelled late, of those with attended; the same without late cancellations; of all "
        "scheduled. Cancelled in time is in the last denominator alone. Never met is of planned "
        "stays. By quarter: see the charts of the drop-out programme."
    ),
    norwegian="Timer det ikke ble møtt til; hver andel har sin egen nevner.",
    drawn={
        "no_show": ("all", "unit", "age", "co_occurring_disorder"),
        "never_met": ("all", "unit", "age"),
    },
)
CHECKLIST: Final = Programme(
    "quality.checklist_use",
    programme_codes.CHECKLIST_MEASURE,
    words=(
        "The drop-out project's tools. Calibration: drop-out by the level of risk that the first "
        "checklist of the stay gave; it should rise with the level. Attendance of planned "
        "admissions with and without a call before, return after a drop-out with and without "
        "peer outreach, milestone meetings of the intervals that have passed."
    ),
    norwegian="Tiltakene mot drop-out: bruk, og hva som skjedde med og uten.",
    drawn={
        "dropout_observed": ("risk_level",),
        "attended_admission": ("preadmission_call",),
        "returned": ("all", "peer_outreach"),
        "checklist_used": ("all", "unit"),
        "milestone_in_time": ("all", "unit"),
    },
    caution="Association, not effect / sammenheng, ikke effekt",
    notes=(ASSOCIATION,),
)
FEEDBACK: Final = Programme(
    "quality.feedback_change",
    programme_codes.FEEDBACK_MEASURE,
    words=(
        "Feedback tools (ORS, SRS; totals only): reliable change of people with two totals or "
        "more, last against first; courses off track: reliably worse, or below the cut-off "
        "without reliable improvement after several sessions; a weak alliance at the last session."
    ),
    norwegian=(
        "Tilbakemeldingsverktøy: sikker endring, forløp utenfor det forventede, svak allianse."
    ),
    drawn={
        "reliable_improvement": ("all", "co_occurring_disorder"),
        "reliable_deterioration": ("all", "co_occurring_disorder"),
        "off_track": ("all", "co_occurring_disorder"),
        "alliance_concern": ("all", "co_occurring_disorder"),
    },
)
DETOX: Final = Programme(
    "quality.detox_stay",
    programme_codes.DETOX_MEASURE,
    words=(
        "Planned detox stays: how long they last, who is back soon after (in hospital, or in "
        "detox unplanned), unrelated causes apart, and who begins the next treatment in time."
    ),
    norwegian="Planlagte avrusningsopphold: liggetid, reinnleggelser og videre behandling.",
    drawn={
        "readmitted": ("all", "unit"),
        "readmitted_unrelated": ("all",),
        "next_treatment": ("all", "unit"),
    },
)
TRANSITION: Final = Programme(
    "quality.transition_gap",
    programme_codes.TRANSITION_MEASURE,
    words=(
        "Stays that ended as transferred: the share whose next stay at another unit began in "
        "time, and the median of the days between. Without a next stay a transition is not kept."
    ),
    norwegian="Overganger mellom enheter: andel holdt innen fristen og dager mellom.",
    drawn={"kept_in_time": ("all", "from_level", "co_occurring_disorder", "unit")},
)
CO_OCCURRING: Final = Programme(
    "quality.co_occurring",
    programme_codes.CO_OCCURRING_MEASURE,
    words=(
        "Care by whether a mental disorder beside the substance use disorder is known: both "
        "treated together and by one unit, individual plan, coordination, the GP, a stable home, "
        "regular use after losing it or with it kept, transitions to and from the municipality."
    ),
    norwegian="Pasientforløp ved samtidig rus- og psykisk lidelse, etter om den er kjent.",
    drawn={
        code: ("co_occurring_disorder",)
        for code in programme_codes.CO_OCCURRING_MEASURE.codes
        if code != "same_unit"
    },
)

PROGRAMMES: Final = (DROPOUT, NO_SHOW, CHECKLIST, FEEDBACK, DETOX, TRANSITION, CO_OCCURRING)
