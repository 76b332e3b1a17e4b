"""The pages on who takes part: enrolment of the eligible, and response at each wave.

Belongs here: derived.enrolment and derived.response_by_wave drawn and put in words.
Does not belong here: retention in the study (see `retention`).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from registry_pipeline.charts import text
from registry_pipeline.charts.cohort import Cohort
from registry_pipeline.charts.svg import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PALE,
    PLAIN,
    PURPLE,
    Spec,
    in_order,
    mark,
    name,
    number,
    panels,
    percent,
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

SHARE: Final = ["share", "ci_low", "ci_high"]
RESPONSE: Final = ["response", "ci_low", "ci_high"]
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
                    text.count(row["n"], cohort.rule),
                    text.count(row["denominator"], cohort.rule),
                    text.share(*(row[name] for name in SHARE)),
                ]
                for row in rows.iter_rows(named=True)
            ),
        ),
        chart=_answers_chart,
        shown=_answers_drawn(rows),
        notes=(
            (
                "The sexes are left out where an answer of theirs is hidden: the other sex and "
                "the total would give it back."
            ),
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
    rounded = (100 * pl.col("share")).round().cast(pl.Int64)
    return rows.filter(pl.col("share").is_not_null()).select(
        *SHARE,
        answer=pl.col("group").replace(english(ENROLMENT_GROUP)),
        people=pl.format("{} ({} eligible)", people, eligible),
        label=pl.format("{} ({} %)", "n", rounded),
    )


def _answers_chart(shown: pl.DataFrame) -> Spec:
    """Bars of answers, a panel for everyone and for each sex."""
    answers = in_order(shown, "answer")
    interval = {"x": percent("ci_low", "Share of the eligible"), "x2": {"field": "ci_high"}}
    label = {"x": number("ci_high"), "text": {"field": "label"}}
    panel = {
        "width": 170,
        "height": 34 * len(answers),
        "encoding": {"y": name("answer", answers, axis=PLAIN)},
        "layer": [
            mark("bar", {"x": percent("share", "Share of the eligible")}, color=BLUE, height=20),
            mark("rule", interval, color=INK),
            mark("text", label, align="left", dx=8, fontSize=11),
        ],
    }
    return panels(panel, "people", in_order(shown, "people"))


def response_by_wave(cohort: Cohort) -> Section:
    """Interviews held of those expected, and what became of the others, wave by wave."""
    rows = cohort.rows("derived.response_by_wave", stratum_by=["all"])
    parts = rows.unpivot(list(FATES), index=["wave"], variable_name="fate", value_name="n")
    together = parts_together(parts, ["wave"], "fate", "n", text.TOGETHER, rule=cohort.rule)
    return Section(
        words=(
            "Of the people an interview is expected of at each wave, how many were interviewed "
            "(completed or in part, also outside the visit window), and what became of the "
            "others. The dead, withdrawn and moved, and those whose wave is not due yet, are not "
            "expected and left out; people out of treatment stay expected."
        ),
        norwegian="Svarandel per måling av dem et intervju var ventet fra, og hva som mangler.",
        table=_response_table(rows, parts, cohort),
        chart=lambda shown: {
            "width": 560,
            "height": 260,
            **stacked_by_wave(shown, "Share of the expected", COLOURS),
        },
        shown=together.filter(~percentage_hidden(pl.col("whole"), cohort.rule)).select(
            "wave",
            share=pl.col("n") / pl.col("whole"),
            time=pl.col("wave").replace_strict(cohort.wave_time, return_dtype=pl.String),
            unit=pl.lit(cohort.time_unit),
            part=pl.col("fate").replace(FATES),
        ),
        notes=(text.parts_note(cohort.rule),),
    )


def _response_table(rows: pl.DataFrame, parts: pl.DataFrame, cohort: Cohort) -> str:
    """A row per wave: response, and the kinds of missing."""
    marked = with_parts_hidden(parts, ["wave"], "n", cohort.rule)
    hidden = marked.pivot("fate", index="wave", values=HIDDEN)
    safe = rows.join(hidden, on="wave", suffix="_hidden")
    for fate in FATES:
        safe = without(safe, pl.col(f"{fate}_hidden"), [fate])
    few = percentage_hidden(pl.col("n_expected"), cohort.rule)
    safe = without(safe, few | pl.col("n_completed_hidden"), RESPONSE)
    headers = [text.capital(cohort.time_unit), "Expected", "Response (95 %)"]
    fates = [text.capital(word) for word in FATES.values()]
    return text.table(
        [*headers, *fates, "Of those partial", "Of those off window"],
        (_response_cells(row, cohort) for row in safe.iter_rows(named=True)),
    )


def _response_cells(row: dict[str, Any], cohort: Cohort) -> list[str]:
    """Time, expected, response, kinds of missing, and two parts of the interviewed."""
    response, low, high = (row[name] for name in RESPONSE)
    counts = ("n_expected", *FATES, "n_partial", "n_off_window")
    expected, *others = (text.count(row[name], cohort.rule) for name in counts)
    absent = text.absent(row["n_expected"])
    return [
        cohort.wave_time[row["wave"]],
        expected,
        text.share(response, low, high, absent),
        *others,
    ]
