"""The pages on who takes part: enrolment of the eligible, and response at each wave.

Belongs here: derived.enrolment and derived.response_by_wave drawn and put in words.
Does not belong here: retention in the study (see `retention`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    chart,
    panels,
    percent_axis,
    stacked_by_wave,
)
from registry_pipeline.charts.text import Section, english
from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    parts_together,
    percentage_hidden,
    with_parts_hidden,
    without,
)
from schemas.result_codes import ENROLMENT_GROUP, SEX_OR_ALL

if TYPE_CHECKING:
    import altair as alt

SHARE: Final = ["share", "ci_low", "ci_high"]
FATES: Final = {
    "n_completed": "interviewed",
    "n_missed": "missed",
    "n_refused": "refused",
    "n_out_of_treatment": "out of treatment",
}
"""What became of an expected interview: the counts that add up to n_expected."""

COLOURS: Final = dict(
    zip((*FATES.values(), text.TOGETHER), (BLUE, ORANGE, PURPLE, GREEN, PALE), strict=True)
)


def enrolment(cohort: Cohort) -> Section:
    """Answers to the invitation, for everyone and by sex."""
    rows = _answers(cohort)
    rule = cohort.rule
    return Section(
        words=(
            "What became of the people eligible: how many consented, declined or did not answer "
            "the invitation, which is the missing part. The share is of everyone eligible, and "
            "in the panel of a sex of everyone eligible of that sex."
        ),
        norwegian="Hvor mange av de aktuelle som samtykket, takket nei eller ikke svarte.",
        table=text.table(
            ["Answer", "People", "n", "Eligible", "Share (95 %)"],
            (
                [
                    ENROLMENT_GROUP.label(row["group"]),
                    SEX_OR_ALL.label(row["sex"]),
                    text.count(row["n"], rule),
                    text.count(row["denominator"], rule),
                    text.share(*(row[name] for name in SHARE)),
                ]
                for row in rows.iter_rows(named=True)
            ),
        ),
        chart=_answers_chart,
        shown=_answers_drawn(rows),
        notes=(
            "The sexes are left out where an answer of theirs is hidden: the other sex and the "
            "total would give it back.",
        ),
    )


def _answers(cohort: Cohort) -> pl.DataFrame:
    """derived.enrolment over all ages, hidden numbers null; sexes only where none is hidden."""
    every = cohort.rows("derived.enrolment", age_group=["all"])
    parts = every.filter(pl.col("group") != "eligible")
    marked = with_parts_hidden(parts, ["sex"], "n", cohort.rule)
    of_a_sex = pl.col("sex") != "all"
    kept = marked.filter(~(of_a_sex & (of_a_sex & pl.col(HIDDEN)).any()))
    few = percentage_hidden(pl.col("denominator"), cohort.rule)
    shown = without(without(kept, pl.col(HIDDEN), ["n", *SHARE]), few, SHARE)
    return shown.sort(of_a_sex, "sex", maintain_order=True)


def _answers_drawn(rows: pl.DataFrame) -> pl.DataFrame:
    """The answers to draw, in words."""
    people, eligible = pl.col("sex").replace(english(SEX_OR_ALL)), pl.col("denominator")
    percent = (100 * pl.col("share")).round().cast(pl.Int64)
    return rows.filter(pl.col("share").is_not_null()).select(
        *SHARE,
        answer=pl.col("group").replace(english(ENROLMENT_GROUP)),
        people=pl.format("{} ({} eligible)", people, eligible),
        label=pl.format("{} ({} %)", "n", percent),
    )


def _answers_chart(shown: pl.DataFrame) -> alt.FacetChart:
    """Bars of answers, a panel for everyone and for each sex."""
    import altair as alt  # noqa: PLC0415 - slow to import

    answers = shown["answer"].unique(maintain_order=True).to_list()
    axis = alt.Axis(ticks=False, domain=False)
    base = chart().encode(y=alt.Y("answer:N", sort=answers, title=None, axis=axis))
    bars = base.mark_bar(color=BLUE, height=20).encode(
        x=alt.X("share:Q", **percent_axis("Share of the eligible"))
    )
    interval = base.mark_rule(color=INK).encode(x="ci_low:Q", x2="ci_high:Q")
    label = base.mark_text(align="left", dx=8, fontSize=11).encode(x="ci_high:Q", text="label:N")
    people = shown["people"].unique(maintain_order=True).to_list()
    return (
        alt.layer(bars, interval, label)
        .properties(width=220, height=34 * len(answers))
        .facet(panels("people", people), columns=3)
    )


def response_by_wave(cohort: Cohort) -> Section:
    """Interviews held of those expected, and what became of the others, wave by wave."""
    rows = cohort.rows("derived.response_by_wave", stratum_by=["all"])
    parts = rows.unpivot(list(FATES), index=["wave"], variable_name="fate", value_name="n")
    together = parts_together(parts, ["wave"], "fate", "n", cohort.rule, text.TOGETHER)
    return Section(
        words=(
            "Of the people an interview is expected of at each wave, how many were interviewed "
            "(completed or in part, also outside the visit window), and what became of the "
            "others. The dead, withdrawn and moved, and those whose wave is not due yet, are not "
            "expected and left out; people out of treatment stay expected."
        ),
        norwegian="Svarandel per måling av dem et intervju var ventet fra, og hva som mangler.",
        table=_response_table(rows, with_parts_hidden(parts, ["wave"], "n", cohort.rule), cohort),
        chart=_response_chart,
        shown=together.filter(~percentage_hidden(pl.col("whole"), cohort.rule)).select(
            "wave",
            share=pl.col("n") / pl.col("whole"),
            time=pl.col("wave").replace_strict(cohort.wave_time, return_dtype=pl.String),
            unit=pl.lit(cohort.time_unit),
            part=pl.col("fate").replace(FATES),
        ),
        notes=(text.parts_note(cohort.rule),),
    )


def _response_chart(shown: pl.DataFrame) -> alt.Chart:
    """Stacked bars by wave: what became of every expected interview."""
    bars = stacked_by_wave(shown, "Share of the expected", COLOURS)
    return bars.properties(width=560, height=260)


def _response_table(rows: pl.DataFrame, parts: pl.DataFrame, cohort: Cohort) -> str:
    """A row per wave: response, and the kinds of missing."""
    rule = cohort.rule
    cells = {
        (wave, fate): text.HIDDEN if hidden else text.count(n, rule)
        for wave, fate, n, hidden in parts.select("wave", "fate", "n", HIDDEN).rows()
    }
    few = pl.col("n_expected") < rule.min_percentage_denominator
    estimate = ["response", "ci_low", "ci_high"]
    response = without(rows, few, estimate)
    return text.table(
        [
            cohort.time_unit.capitalize(), "Expected", "Response (95 %)",
            *(word.capitalize() for word in FATES.values()), "Of those partial",
            "Of those off window",
        ],
        (
            [
                cohort.wave_time[row["wave"]],
                text.count(row["n_expected"], rule),
                text.HIDDEN
                if cells[row["wave"], "n_completed"] == text.HIDDEN
                else text.share(*(row[name] for name in estimate), absent=_absent(row["n_expected"])),
                *(cells[row["wave"], fate] for fate in FATES),
                *(text.count(row[n], rule) for n in ("n_partial", "n_off_window")),
            ]
            for row in response.iter_rows(named=True)
        ),
    )  # fmt: skip


def _absent(denominator: int) -> str:
    return text.HIDDEN if denominator else text.NOT_COMPUTABLE
