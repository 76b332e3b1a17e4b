"""How a run is told while it goes on and when it ends: bar, plain lines, or JSON lines.

Belongs here: the two ways of telling, for a person and for a log collector.
Does not belong here: what is told (see `operate` and `report_card`).

A JSON line is an object with `event` and the event's own fields: `step` (step, done, total),
`delivery` (its counts), `info`, `refused`, `red_check` and `error` (message), and last `end`
(success, run_id). No clock stands in it: the collector has one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from registry_pipeline.commands.operate import Observer, Outcome
from registry_pipeline.commands.report_card import Changed, print_changes, print_report_card
from registry_pipeline.home import Home

Faults = list[tuple[str, str]]
"""Kind (refused, red_check, error) and sentence of everything wrong with a run."""


class Teller(Protocol):
    """Tells of a run."""

    @contextmanager
    def running(self) -> Iterator[Observer]:
        """Takes the steps of the run while it goes on."""

    def info(self, sentence: str) -> None:
        """Tells something that is no fault."""

    def changes(self, changed: list[Changed]) -> None:
        """Tells what each delivery of the run changed."""

    def end(self, home: Home, outcome: Outcome, faults: Faults) -> None:
        """Tells how the run ended, and every fault: its kind and its sentence."""


class TextTeller:
    """Tells a person: a bar on a terminal, plain lines elsewhere, faults on standard error."""

    def __init__(self, console: Console, errors: Console) -> None:
        self._console = console
        self._errors = errors

    @contextmanager
    def running(self) -> Iterator[Observer]:
        """A bar that goes away, or a line per step."""
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        is_bar = self._console.is_terminal
        with Progress(
            *columns, console=self._console, disable=not is_bar, transient=True
        ) as progress:
            task = progress.add_task("starting", total=None)

            def observe(step: str, done: int, total: int) -> None:
                progress.update(task, description=step, completed=done, total=total)
                if not is_bar:
                    self._console.print(f"{done}/{total} {step}")

            yield observe

    def info(self, sentence: str) -> None:
        """A line."""
        self._console.print(sentence, markup=False, soft_wrap=True)

    def changes(self, changed: list[Changed]) -> None:
        """A table."""
        print_changes(self._console, changed)

    def end(self, home: Home, outcome: Outcome, faults: Faults) -> None:
        """What was built and where to look; each fault as a red line on standard error."""
        if outcome.began:
            print_report_card(self._console, home)
        for _, sentence in faults:
            self._errors.print(sentence, style="red", markup=False, soft_wrap=True)


class JsonTeller:
    """Tells a log collector: one JSON object per line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def running(self) -> Iterator[Observer]:
        """A line per step."""
        yield lambda step, done, total: self._line("step", step=step, done=done, total=total)

    def info(self, sentence: str) -> None:
        """A line."""
        self._line("info", message=sentence)

    def changes(self, changed: list[Changed]) -> None:
        """A line per delivery."""
        for one in changed:
            self._line("delivery", **asdict(one))

    def end(self, home: Home, outcome: Outcome, faults: Faults) -> None:
        """A line per fault, its event being the kind, and the last line."""
        for kind, sentence in faults:
            self._line(kind, message=sentence)
        success = outcome.success and not faults
        self._line("end", success=success, run_id=outcome.run_id, home=str(home.path))

    def _line(self, event: str, **fields: object) -> None:
        try:
            self._stream.write(json.dumps({"event": event, **fields}, ensure_ascii=False) + "\n")
            self._stream.flush()
        except BrokenPipeError:  # who listened has gone; the run, and whom it notifies, go on
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
