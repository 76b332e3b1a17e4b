"""The reference pages made from definitions: indicators and rules of data quality.

Belongs here: rendering `docs/indicators.md` and `docs/data_quality.md`, and a check that they are
current. Does not belong here: the definitions, and the codebook of tables (see `codebook`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from registry_pipeline.data_quality.checks import ALL_CHECKS, Check
from registry_pipeline.indicators import INDICATORS
from registry_pipeline.indicators.definition import Definition, Indicator
from registry_pipeline.indicators.guideline import catalogue
from schemas.guideline import BY_NUMBER, CHAPTERS, NO_TEXT, RECOMMENDATIONS, with_grade
from schemas.result_codes import DIMENSION, KAHN_CATEGORY

FOLDER: Final = Path("docs")
COMMAND: Final = "python -m registry_pipeline.reference"
_WRITTEN: Final = f"Written from the definitions by `{COMMAND}`; do not edit."
_HOW: Final = """
Which share of people got what they should, at which unit, and is it getting better? Where to
look, with a browser: the page of `quality.guideline_coverage` has each recommendation with its
latest closed year; `quality.public_result` has the units beside each other and the last quarters;
`quality.indicator` all units against the targets. A share is worth as much as its answers: read
the missing beside it.

An indicator is one entry and one function. The function marks each person or event on one frame
with two booleans: is counted, and is fulfilled. Everything else follows from the marks, in
`registry_pipeline/indicators/engine.py` and `results.py`:

- **Periods.** One date puts a mark in a calendar quarter and year, so numerator and denominator
  are of the same period. A result that counts as not fulfilled anyone who was not followed until
  the deadline is refused (`periods_differ`): no value, and nothing delivered. Quarters are the
  trend. A state (housing, work) counts by the last interview of the period: once a quarter and
  once a year.
- **Due.** What is not due by the cut-off is left out; what is overdue and not done is a
  failure. Whoever died or moved out of the country before the deadline is not counted; who
  stopped the interviews is, save where an interview answers. Deadlines are parameters of the
  protocol (`[deadlines]`); the days below are the defaults.
- **Missing.** Unknown and missing answers stay in the denominator as not fulfilled and are
  counted on their own; the value among the known stands beside.
- **Interval.** Wilson 95 %. **Level.** H, M or L against the targets, which a protocol may set
  (`[targets.<id>]`).
- **Hidden outside**, the first that holds: provisional (somebody of the period was not due by
  the unit's last day of data, which is that of its sender; of all units together, of the first
  but for units that stopped a year before the latest), low coverage (below 60 %), fewer than
  five. What may be shown is
  `quality.public_result`, see [disclosure](disclosure.md).
- **Not applicable**: nobody in the cohort ever answered the question or registered the step.

Tables: `quality.indicator`, `quality.indicator_person` (the marks),
`quality.indicator_definition`, `quality.guideline_coverage`; their columns are in the
[codebook](codebook/quality.md). `registry deliver --home DIR --year YYYY --to FILE` writes them
for the national platform: true counts, since the platform masks, validated by its rules before
anything is written.

## An example

```sql
SELECT numerator, denominator, n_missing, value, value_known, level FROM quality.indicator
WHERE protocol = 'tsb' AND indicator_id = 'treatment_plan_early' AND unit_id = 'all'
  AND period_type = 'year' AND period_start = '2023-01-01';
```

Of 89 people in the synthetic sample whose first measurement point in 2023 was active, 59 had a
treatment plan, 15 had none and 15 answers were missing or "don't know". The value is 59 of 89,
66 %: level M, since the target is 80 % and the lower one 60 %. Among the 74 whose answer is known
it is 59 of 74, 80 %. Both are in the table, so the reader sees what the missing answers may hide.
"""
_QUALITY: Final = """
Each rule is a check type spread over the tables and columns it fits: two sums over rows, those
looked at and those that break the rule. The results stand in `quality.data_quality`, as one
Dagster check per dimension, and in Data Docs.

The status is the first that holds: **error** (the rule could not be computed), **not
applicable** (there is nothing to look at, or nobody was asked), **failed** (more than the
threshold), **passed**. Nothing checked never passes.

Example: `missing` of `core.interview.housing` with 578 interviews held and 40 without an answer
has the share 0.07, below its threshold of 0.2: passed. `missing_or_unknown` counts the answer
"unknown" as well.
"""


def render() -> dict[str, str]:
    """File name to text."""
    return {"indicators.md": _indicators(INDICATORS), "data_quality.md": _data_quality()}


def stale(folder: Path) -> list[str]:
    """Names of the pages that are not what the definitions say."""
    return sorted(
        name
        for name, text in render().items()
        if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != text
    )


def main(arguments: list[str] | None = None) -> None:
    """Writes the pages, or with `--check` ends with one sentence where they are not current.

    Raises:
        SystemExit: with `--check`, some pages differ from the definitions.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write the reference pages.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pages stand")
    options = parser.parse_args(arguments)
    if not options.check:
        for name, text in render().items():
            (options.folder / name).write_text(text, encoding="utf-8")
    elif names := stale(options.folder):
        sys.exit(f"{options.folder}: not current: {', '.join(names)}; run {COMMAND}")


def _indicators(indicators: Sequence[Indicator]) -> str:
    parts = [f"# Indicators\n\n{_WRITTEN}", _HOW.strip(), "## All of them", _glance(indicators)]
    parts.append("## One by one")
    parts += [_indicator(one) for one in indicators]
    parts += ["## The guideline", _GUIDELINE.strip(), _counted(), _guideline(indicators)]
    return "\n\n".join(parts) + "\n"


def _glance(indicators: Sequence[Indicator]) -> str:
    """A line per indicator."""
    return _table(
        ("indicator", "recommendation", "target", "due within", "better"),
        (
            (
                f"{is_.title} / {is_.title_nb}",
                with_grade(is_.guideline) or "",
                _targets(is_),
                f"{is_.due_days} days" if is_.due_days is not None else "",
                is_.direction,
            )
            for is_ in (one.definition for one in indicators)
        ),
    )


def _targets(is_: Definition) -> str:
    given = (is_.target_green, is_.target_yellow)
    return " / ".join(f"{value:.0%}" for value in given if value is not None)


def _indicator(one: Indicator) -> str:
    """One indicator as a short list."""
    is_ = one.definition
    lines = [
        ("Counted", is_.denominator),
        ("Fulfilled", is_.numerator),
        ("Period", is_.period_rule),
        ("Due within", f"{is_.due_days} days" if is_.due_days is not None else ""),
        ("Target", _targets(is_)),
        ("Better", is_.direction),
        ("Guideline", with_grade(is_.guideline) or ""),
        ("A row is", one.basis.name),
        ("Source", is_.source),
    ]
    said = "\n".join(f"- {name}: {_sentence(text)}" for name, text in lines if text)
    return f"### {is_.title} / {is_.title_nb}\n\n`{is_.indicator_id}`\n\n{said}"


_GUIDELINE: Final = """
Recommendations 1.1 to 10.2 of the national guideline (TSB), in our words, with the indicators
of each or why there is none. A grade stands only where the guideline's wording was read; where no
public copy of a text was found the number stands alone, and nothing is guessed. Which of 4.2 to 4.7
speaks of which method follows the order of the registry's form.
"""


def _counted() -> str:
    """How many recommendations are measured, are not, and are known by number alone."""
    reasons = [item.not_measured for item in RECOMMENDATIONS]
    measured, alone = reasons.count(None), reasons.count(NO_TEXT)
    return (
        f"Of {len(reasons)} recommendations {measured} are measured, "
        f"{len(reasons) - measured - alone} cannot be measured from this registry's forms for the "
        f"reason given, and {alone} are known by number alone."
    )


def _guideline(indicators: Sequence[Indicator]) -> str:
    rows = catalogue(indicators).group_by("recommendation", maintain_order=True).agg("indicator_id")
    return _table(
        ("no.", "chapter", "grade", "in short", "indicators, or why none"),
        (
            (
                number,
                CHAPTERS[BY_NUMBER[number].chapter][1],
                BY_NUMBER[number].grade or "",
                " / ".join(text for text in (BY_NUMBER[number].en, BY_NUMBER[number].nb) if text),
                BY_NUMBER[number].not_measured or ", ".join(f"`{name}`" for name in ids if name),
            )
            for number, ids in rows.iter_rows()
        ),
    )


def _data_quality() -> str:
    parts = [
        f"# Data quality\n\n{_WRITTEN}",
        _QUALITY.strip(),
        f"## The {len(ALL_CHECKS)} check types",
    ]
    parts.append(
        _table(
            ("rule", "dimension", "Kahn category", "at most", "severity", "what holds"),
            (
                (
                    f"`{check.rule_id}`",
                    DIMENSION.label(check.dimension),
                    KAHN_CATEGORY.label(check.kahn_category),
                    f"{check.threshold:.0%}",
                    check.severity,
                    check.note,
                )
                for check in sorted(ALL_CHECKS, key=_by_dimension)
            ),
        )
    )
    return "\n\n".join(parts) + "\n"


def _by_dimension(check: Check) -> int:
    return DIMENSION.codes.index(check.dimension)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
