"""The terminal of the command line: consoles, letters, options that commands share, one sentence.

Belongs here: what every command needs to speak. Does not belong here: any command (see `cli` and
`writers`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from registry_pipeline.home import Home

console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
errors = Console(stderr=True, highlight=False)

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="REGISTRY_HOME", help="The home folder.")
]
LandingOption = Annotated[
    Path, typer.Option("--landing", envvar="REGISTRY_LANDING", help="The landing folder.")
]
WaitOption = Annotated[
    float, typer.Option("--wait", help="Seconds to wait for another run on the home.", min=0)
]


class OneSentence(typer.core.TyperGroup):
    """The commands: what the disk does to a command is one sentence that names the file."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was asked for."""
        try:
            return super().invoke(ctx)
        except typer.Exit:  # the end of a command, also of its --help: there is nothing to tell
            raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            fail(f"{place}{(error.strerror or str(error)).lower()}")
        except Exception as error:
            from registry_pipeline.operation.instance import fault_of_records  # noqa: PLC0415 - slow to import
            from registry_pipeline.warehouse.faults import StoreError  # noqa: PLC0415

            sentence = str(error) if isinstance(error, StoreError) else fault_of_records(error)
            if not sentence:
                raise
            fail(sentence)


def existing(home: Path) -> Home:
    """A home that something was taken in into; the command ends where it is none."""
    place = Home(home)
    if not place.database.exists():
        if place.witness.exists():
            fail(f"{place.database}: lost, and files were taken in: restore the home from a backup")
        fail(f"{home}: nothing has been taken in here yet; start with registry run")
    return place


def fail(sentence: str) -> NoReturn:
    """Tells what is wrong, and ends the command."""
    errors.print(sentence, style="red", markup=False, soft_wrap=True)
    sys.exit(1)


def speak_utf8() -> None:
    """Begins anew in UTF-8 where the locale has names of files in another encoding.

    DuckDB takes names in UTF-8 alone: under such a locale a home of other letters would not open.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONUTF8": "1"})  # noqa: S606
