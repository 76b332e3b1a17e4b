"""The whole `registry run` on the committed sample, as a person starts it.

Belongs here: that one case. Does not belong here: the parts of a run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import timed

COMMAND = "from registry_pipeline.cli import main; main()"


def run(source: Path, out: Path) -> dict[str, float]:
    """Starts the command in a process of its own, from its first import to its exit."""
    arguments = ["run", "--landing", str(source), "--home", str(out / "home")]
    with timed() as numbers:
        done = subprocess.run(  # noqa: S603 -- our own command
            [sys.executable, "-c", COMMAND, *arguments], capture_output=True, check=False
        )
    if done.returncode:
        raise RuntimeError("registry run ended with an error")
    return numbers
