"""One case in one child process: how long it takes, and how much memory at most.

Belongs here: starting a child and reading what it reports. Does not belong here: any case.

A child imports its case before the clock starts, so that what is measured is the work. Memory is
the largest resident set of the whole process, libraries included.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time

Case = Callable[[Path, Path], dict[str, float]]
"""Reads a source, fills an empty folder, and returns numbers by name, mostly seconds."""


class CaseError(RuntimeError):
    """A case that failed; its own error has been printed."""


@dataclass(frozen=True)
class Measured:
    """What one case reported.

    Attributes:
        numbers: what the case returned; of several runs, those of the fastest.
        peak_mib: largest resident set of any run, in MiB.
    """

    numbers: dict[str, float]
    peak_mib: float

    def __getitem__(self, name: str) -> float:
        return self.numbers[name]


def measure(case: str, source: Path, out: Path, times: int = 1) -> Measured:
    """Runs `module:function` of this package as often as told, each time into an empty folder.

    Raises:
        CaseError: a run ended with an error.
    """
    runs = []
    for _ in range(times):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        command = [sys.executable, "-m", "benchmarks.measure", case, str(source), str(out)]
        child = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)  # noqa: S603
        if child.returncode:
            raise CaseError(f"{case} failed")
        runs.append(Measured(**json.loads(child.stdout.splitlines()[-1])))
    fastest = min(runs, key=lambda run: run.numbers.get("total", 0))
    return Measured(fastest.numbers, max(run.peak_mib for run in runs))


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Numbers that the block's seconds are added to: `total` on the wall, `cpu` of all threads."""
    numbers: dict[str, float] = {}
    wall, cpu = perf_counter(), process_time()
    yield numbers
    numbers["total"] = perf_counter() - wall
    numbers["cpu"] = process_time() - cpu


def main(case: str, source: str, out: str) -> None:
    """The child: runs the case and writes one line of JSON."""
    module, function = case.split(":")
    work: Case = getattr(import_module(f"benchmarks.{module}"), function)
    numbers = work(Path(source), Path(out))
    print(json.dumps({"numbers": numbers, "peak_mib": _peak_mib()}))  # noqa: T201


def _peak_mib() -> float:
    """Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main(*sys.argv[1:])
