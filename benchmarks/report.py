"""The report of a run: what was measured, and whether the targets were met.

Belongs here: ratios, targets and the Markdown. Does not belong here: measuring.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from benchmarks.measure import Measured

WAYS: Final = {
    "registry": "registry",
    "floor": "DuckDB `CREATE TABLE AS ... read_csv`",
    "sql": "hand-written SQL in DuckDB",
    "pandas": "pandas script",
}
LIBRARIES: Final = ("duckdb", "polars", "pandas", "pandera", "narwhals", "statsmodels")
PEAK_MIB: Final = 1536
RUN_SECONDS: Final = 20
WITHDRAWAL_SECONDS: Final = 60
CORRECTION_SHARE: Final = 0.2
ESTIMATE_SECONDS: Final = 2
FLAT: Final = 1.1
"""A cost per interview that grows by less than a tenth from the smallest size counts as flat."""


@dataclass(frozen=True)
class Round:
    """Everything measured at one size.

    Attributes:
        interviews: interviews in the landing folder.
        rows: rows of all its forms.
        clean: intake of clean files, by way.
        bad: intake of the same files with one interview in a hundred bad.
        derived: derivation of the three tables.
        estimated: every estimate of every stratum by the registry, some by statsmodels on the rows.
        indicated: indicators over as many interviews and five times the appointments, by way.
        withdrawn: one person erased and proved gone, and the database written once more.
        refused: a file with a fault in its last row refused, and merely read.
        corrected: a run that takes one quarter's correction in, and one that derives all anew.
        n_corrected: interviews in that correction.
    """

    interviews: int
    rows: int
    clean: Mapping[str, Measured]
    bad: Mapping[str, Measured]
    derived: Mapping[str, Measured]
    estimated: Mapping[str, Measured]
    indicated: Mapping[str, Measured]
    withdrawn: Mapping[str, Measured]
    refused: Mapping[str, Measured]
    corrected: Mapping[str, Measured]
    n_corrected: int

    @property
    def peak_mib(self) -> float:
        """The most that the registry held in memory."""
        cases = (self.clean, self.bad, self.derived, self.estimated, self.indicated)
        return max(case["registry"].peak_mib for case in cases)


@dataclass(frozen=True)
class Target:
    """One target, a number per round that must lie on the right side of a limit."""

    words: str
    value: Callable[[Round], float]
    limit: float
    at_least: bool = False

    def told(self, measured: Round) -> str:
        """The value and whether it is good enough."""
        value = self.value(measured)
        met = value >= self.limit if self.at_least else value <= self.limit
        return f"{value:,.2f}, target met: {'yes' if met else 'no'}"


def report(rounds: Sequence[Round], run: Measured, load: tuple[float, float]) -> str:
    """The report in Markdown.

    Args:
        rounds: what was measured, the smallest size first.
        run: a whole `registry run` on the sample.
        load: the machine's load average before and after.
    """
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    lines = [
        "# Benchmarks",
        "",
        "Written by `python -m benchmarks --write` (`make bench` prints it). All cases of a size "
        "read the same generated landing folder of one delivery; each run is a process of its own, "
        "and the fastest of three (of two above 200,000 interviews) counts. Processor seconds are "
        "those of all threads. Peak memory is the largest resident set of the process, libraries "
        "included.",
        "",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors; Python "
        f"{platform.python_version()}, {versions}. Load average before {load[0]:.1f}, "
        f"after {load[1]:.1f}: above 1, other work slowed the seconds of every case.",
        "",
        *_targets(rounds, run),
    ]
    for measured in rounds:
        lines += ["", *_size(measured)]
    return "\n".join(lines) + "\n"


def _targets(rounds: Sequence[Round], run: Measured) -> list[str]:
    first = rounds[0]
    targets = [
        Target(
            "intake of clean files, times the floor: at most 1.2", _ratio("clean", "floor"), 1.2
        ),
        Target(
            "intake of clean files, times faster than pandas: at least 1.5",
            _speedup("clean", "total"),
            1.5,
            at_least=True,
        ),
        Target("intake with 1 % bad rows, times the floor: at most 2", _ratio("bad", "floor"), 2),
        Target(
            "derivation, times the SQL: at most 1.3",
            lambda r: r.derived["registry"]["derive"] / r.derived["sql"]["total"],
            1.3,
        ),
        Target(
            "derivation, times faster than pandas: at least 2.5",
            _speedup("derived", "derive"),
            2.5,
            at_least=True,
        ),
        Target("indicators, times the SQL: at most 1.3", _ratio("indicated", "sql"), 1.3),
        Target(
            f"cost per interview of intake, times that at the smallest size: at most {FLAT}",
            lambda r: _each(r, r.clean) / _each(first, first.clean),
            FLAT,
        ),
        Target(
            f"cost per interview of derivation, times that at the smallest size: at most {FLAT}",
            lambda r: _each(r, r.derived) / _each(first, first.derived),
            FLAT,
        ),
        Target(
            f"estimates of all strata of all tables, beyond the group-bys, seconds: at most "
            f"{ESTIMATE_SECONDS}",
            lambda r: r.estimated["registry"]["estimate"],
            ESTIMATE_SECONDS,
        ),
        Target(
            f"peak memory of intake and derivation, MiB: at most {PEAK_MIB}",
            lambda r: r.peak_mib,
            PEAK_MIB,
        ),
        Target(
            f"one person leaves and is proved gone, seconds: at most {WITHDRAWAL_SECONDS}",
            lambda r: r.withdrawn["registry"]["total"],
            WITHDRAWAL_SECONDS,
        ),
        Target(
            "a file with a fault in its last row is refused, times reading it: at most 1",
            _ratio("refused", "reading"),
            1,
        ),
        Target(
            f"one quarter's correction, times a full rebuild: at most {CORRECTION_SHARE}",
            _ratio("corrected", "rebuild"),
            CORRECTION_SHARE,
        ),
    ]
    heads = [f"{measured.interviews:,} interviews" for measured in rounds]
    met = "yes" if run["total"] < RUN_SECONDS else "no"
    return [
        "## Targets",
        "",
        *_table(["target", *heads], [[t.words, *(t.told(r) for r in rounds)] for t in targets]),
        "",
        f"`registry run` on `data/sample`, from start to exit: {run['total']:.1f} s, "
        f"{run.peak_mib:,.0f} MiB; target (under {RUN_SECONDS} s) met: {met}.",
    ]


def _size(measured: Round) -> list[str]:
    """The two tables of one size."""
    head = ["seconds", "processor seconds", "µs per interview", "peak MiB"]
    intake = [
        [f"{WAYS[way]}{mark}", *_numbers(case, measured.interviews)]
        for mark, cases in (("", measured.clean), (", 1 % bad rows", measured.bad))
        for way, case in cases.items()
    ]
    derived = [
        [WAYS[way], *_numbers(case, measured.interviews)] for way, case in measured.derived.items()
    ]
    ours = measured.derived["registry"]
    leaves, copied = measured.withdrawn["registry"], measured.withdrawn["floor"]
    refused, read = measured.refused["registry"], measured.refused["reading"]
    corrected, rebuilt = measured.corrected["registry"], measured.corrected["rebuild"]
    return [
        f"## {measured.interviews:,} interviews",
        "",
        f"One person leaves, from the request to the proof: {leaves['total']:.1f} s "
        f"({leaves['cpu']:.1f} processor seconds, {leaves.peak_mib:,.0f} MiB); the same database "
        f"written once more by DuckDB: {copied['total']:.1f} s.",
        "",
        f"The interviews with the last row cut short: refused in {refused['total']:.2f} s "
        f"({refused['cpu']:.2f} processor seconds); read as text by Polars in {read['total']:.2f} "
        f"s ({read['cpu']:.2f}).",
        "",
        f"One quarter's correction, {measured.n_corrected:,} interviews, from intake to "
        f"publication: {corrected['total']:.1f} s ({corrected['cpu']:.1f} processor seconds); all "
        f"tables derived anew and published: {rebuilt['total']:.1f} s ({rebuilt['cpu']:.1f}).",
        "",
        f"Intake of {measured.rows:,} rows of six forms:",
        "",
        *_table(["intake", *head], intake),
        "",
        "Derivation of core.visit, core.substance_use and derived.substance_trend from the stored "
        "intake tables; the three ways gave the same rows. Of the registry's seconds, "
        f"{ours['derive']:.2f} derive and store, as the other two do, and {ours['proofs']:.2f} "
        "prove model and key before the commit, which the others leave out.",
        "",
        *_table(["derivation", *head], derived),
        "",
        *_estimates(measured),
        "",
        *_indicated(measured, head),
    ]


def _indicated(measured: Round, head: Sequence[str]) -> list[str]:
    """The indicators beside the SQL."""
    n = measured.indicated["registry"]["indicators"]
    rows = [
        [WAYS[way], *_numbers(case, measured.interviews)]
        for way, case in measured.indicated.items()
    ]
    return [
        f"The {n:.0f} indicators of interviews, visits and appointments, over as many interviews "
        "and five times the appointments, one pass of each; both ways counted the same in every "
        "unit, quarter and year.",
        "",
        *_table(["indicators", *head], rows),
    ]


def _estimates(measured: Round) -> list[str]:
    """What is estimated, and in how many seconds."""
    ours, peer = measured.estimated["registry"], measured.estimated.get("statsmodels")
    rows = [
        [
            "registry: every table of retention, trajectories and pathways, every stratum",
            f"{ours['rows']:,.0f} rows",
            f"{ours['estimate']:.2f}",
        ],
        *(
            [f"of these, {layer}", "", f"{ours[layer]:.2f}"]
            for layer in ("retention", "trajectories", "pathways")
        ),
        *(
            [f"statsmodels on the rows: {words}", f"{peer[f'n {name}']:,.0f}", f"{peer[name]:.2f}"]
            for name, words in (
                ("curves", "Kaplan-Meier of treatment retention in each stratum"),
                ("models", "adjusted logistic regression per outcome and wave"),
                ("equation", "one estimating equation, coping with sex"),
            )
            if peer
        ),
    ]
    beside = (
        "statsmodels' are of fitting alone. The "
        f"{peer['compared']:,.0f} estimates that both gave are the same to 1e-6."
        if peer
        else "statsmodels fits rows and is run at the smallest size alone."
    )
    return [
        "Estimation from the stored core tables. The registry's seconds are those beyond the "
        f"group-bys that count people, {ours['total'] - ours['estimate']:.2f} s here, with at most "
        f"{ours.peak_mib:,.0f} MiB in memory; {beside}",
        "",
        *_table(["estimation", "estimates", "seconds"], rows),
    ]


def _numbers(case: Measured, interviews: int) -> list[str]:
    seconds = case["total"]
    each = seconds / interviews * 1e6
    return [f"{seconds:.2f}", f"{case['cpu']:.2f}", f"{each:.1f}", f"{case.peak_mib:,.0f}"]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---", *("---:" for _ in head[1:])]
    return [f"| {' | '.join(cells)} |" for cells in (head, ruler, *rows)]


def _ratio(what: str, peer: str) -> Callable[[Round], float]:
    def value(measured: Round) -> float:
        cases: Mapping[str, Measured] = getattr(measured, what)
        return cases["registry"]["total"] / cases[peer]["total"]

    return value


def _speedup(what: str, ours: str) -> Callable[[Round], float]:
    def value(measured: Round) -> float:
        cases: Mapping[str, Measured] = getattr(measured, what)
        return cases["pandas"]["total"] / cases["registry"][ours]

    return value


def _each(measured: Round, cases: Mapping[str, Measured]) -> float:
    return cases["registry"]["total"] / measured.interviews
