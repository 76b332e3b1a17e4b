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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time

Case = Callable[[Path, Path], dict[str, float]]
"""Reads a source, fills an empty folder, and returns numbers by name, mostly seconds."""


class CaseError(RuntimeError):
    """A case that failed; the message ends with what its process wrote to standard error."""


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


@dataclass(frozen=True)
class Task:
    """A case with what it reads and what it fills.

    Attributes:
        case: `module:function` of this package.
        source: the folder it reads.
        out: the folder it fills, emptied before each run.
    """

    case: str
    source: Path
    out: Path


def measure(task: Task) -> Measured:
    """Runs a task once.

    Raises:
        CaseError: it ended with an error.
    """
    shutil.rmtree(task.out, ignore_errors=True)
    task.out.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.measure", task.case, task.source, task.out]
    child = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603
    if child.returncode:
        raise CaseError(f"{task.case} ended with {child.returncode}:\n{child.stderr}")
    return Measured(**json.loads(child.stdout.splitlines()[-1]))


def best_of(times: int, tasks: Mapping[str, Task]) -> dict[str, Measured]:
    """Runs the tasks in turn, so often, and keeps the fastest run of each.

    In turn, so that what else the machine does meets them alike.
    """
    runs = [{name: measure(task) for name, task in tasks.items()} for _ in range(times)]
    return {name: _fastest([run[name] for run in runs]) for name in tasks}


def _fastest(runs: Sequence[Measured]) -> Measured:
    fastest = min(runs, key=lambda run: run["total"])
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
    """The largest of this process and its own children; Linux counts in KiB, macOS in bytes."""
    processes = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(who).ru_maxrss for who in processes)
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main(*sys.argv[1:])
