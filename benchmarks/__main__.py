"""`python -m benchmarks`: every case at every size in one run, printed as a report.

Belongs here: the options and the order of the cases.
Does not belong here: the cases, and how the report is written (see `report`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.measure import CaseError, Task, best_of, measure
from benchmarks.report import Round, report

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "sample"
SMALL = 200_000
"""Up to so many interviews the best of three runs counts, above it the best of two."""
INTAKE = {
    "registry": "intake:registry",
    "floor": "intake:floor",
    "pandas": "intake_pandas:pandas",
}
DERIVATION = {
    "registry": "derivation:registry",
    "sql": "derivation:sql",
    "pandas": "derivation_pandas:pandas",
}
INDICATORS = {"registry": "indicators:registry", "sql": "indicators:sql"}
REFUSAL = {"registry": "refusal:registry", "reading": "refusal:reading"}
CORRECTION = {"registry": "correction:registry", "rebuild": "correction:rebuild"}
WITHDRAWAL = {"registry": "withdrawal:registry", "floor": "withdrawal:floor"}


def main(
    sizes: Annotated[
        str, typer.Option(help="Numbers of interviews, with commas.")
    ] = "100000,1000000",
    out: Annotated[Path, typer.Option(help="Where --write puts the report.")] = ROOT
    / "docs"
    / "benchmarks.md",
    write: Annotated[bool, typer.Option("--write", help="Also write the report.")] = False,
) -> None:
    """Measure intake, derivation and a whole run beside their peers."""
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        work = Path(folder)
        try:
            rounds = [measure_size(int(size), work / size) for size in sizes.split(",")]
            run = best_of(2, {"run": Task("whole_run:run", SAMPLE, work / "run")})["run"]
        except CaseError as error:
            typer.echo(error, err=True)
            raise typer.Exit(1) from error
    text = report(rounds, run, (before, os.getloadavg()[0]))
    typer.echo(text)
    if write:
        out.write_text(text, encoding="utf-8")


def measure_size(size: int, work: Path) -> Round:
    """Every case on a landing folder of about so many interviews, in the folder `work`.

    Raises:
        CaseError: a case failed, or two ways of making a table differ.
    """
    times = 3 if size <= SMALL else 2
    clean, bad = work / "landing", work / "landing-bad"
    made = measure(Task("landing:clean", Path(str(size)), clean))
    measure(Task("landing:with_bad_rows", clean, bad))
    on_clean = best_of(times, _tasks(INTAKE, clean, work / "clean"))
    on_bad = best_of(times, _tasks(INTAKE, bad, work / "bad"))
    derived = best_of(times, _tasks(DERIVATION, work / "clean" / "registry", work / "derived"))
    measure(Task("derivation:agreement", work / "derived" / "registry", work / "agreement"))
    ours = Task("estimation:registry", work / "clean" / "registry", work / "estimated")
    estimated = best_of(times, {"registry": ours})
    if size <= SMALL:  # it fits rows: at a million interviews it takes too long to wait for
        peer = Task("estimation:statsmodels", work / "estimated", work / "statsmodels")
        estimated["statsmodels"] = measure(peer)
    marked, counted = work / "marked", work / "counted"
    measure(Task("indicators:made", Path(str(size)), marked))
    indicated = best_of(times, _tasks(INDICATORS, marked, counted))
    measure(Task("indicators:agreement", counted / "registry", work / "indicators-agree"))
    whole = work / "whole"
    operated = measure(Task("operated:made", clean, whole))
    withdrawn = best_of(2, _tasks(WITHDRAWAL, whole, work / "withdrawn"))
    corrected = best_of(2, _tasks(CORRECTION, whole, work / "corrected"))
    short = work / "landing-short"
    measure(Task("landing:cut_short", clean, short))
    refused = best_of(times, _tasks(REFUSAL, short, work / "refused"))
    return Round(
        round(made["interviews"]),
        round(made["rows"]),
        on_clean,
        on_bad,
        derived,
        estimated,
        indicated,
        withdrawn,
        refused,
        corrected,
        round(operated["corrected"]),
    )


def _tasks(cases: Mapping[str, str], source: Path, out: Path) -> dict[str, Task]:
    return {name: Task(case, source, out / name) for name, case in cases.items()}


if __name__ == "__main__":
    typer.run(main)
