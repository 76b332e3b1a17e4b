"""The command line: `registry run`, `status`, `withdraw`, `ui`, `synth` and the importers.

Belongs here: options, progress and printing.
Does not belong here: the work (see `operate`, `report_card`, `synthetic`, `cohorts`).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from registry_pipeline.home import Home

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A longitudinal quality registry for addiction treatment: interviews in, tables out.",
)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
errors = Console(stderr=True, highlight=False)

QUARTER = re.compile(r"\d{4}-Q[1-4]")
HomeOption = Annotated[
    Path, typer.Option("--home", envvar="REGISTRY_HOME", help="The home folder.")
]
LandingOption = Annotated[
    Path, typer.Option("--landing", envvar="REGISTRY_LANDING", help="The landing folder.")
]


@app.command()
def run(
    landing: LandingOption,
    home: HomeOption,
    protocol: Annotated[
        Path | None, typer.Option("--protocol", help="A protocol file for this run.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="QUARTER", help="Also write the tables as of 2015-Q2."),
    ] = None,
) -> None:
    """Take in every new delivery, build, check and publish every table."""
    from registry_pipeline.operate import run_job  # noqa: PLC0415 - Dagster is slow to import
    from registry_pipeline.report_card import print_report_card  # noqa: PLC0415

    if as_of and not QUARTER.fullmatch(as_of):
        _fail("--as-of takes a quarter, as in 2015-Q2")
    for path, what in (
        (landing, "landing folder"),
        *(((protocol, "protocol"),) if protocol else ()),
    ):
        if not path.exists():
            _fail(f"{path}: there is no such {what}")
    place = Home(home)
    made_key = not place.key_file.exists()
    with _watched_run() as observe:
        outcome = run_job(place, landing, protocol, observe)
    if made_key and place.key_file.exists():
        console.print(f"A pseudonym key was made: {place.key_file}. Keep a copy in a safe place.")
    refused = print_report_card(console, place, outcome)
    for message in (*refused, *outcome.errors, *outcome.red_checks):
        errors.print(message, style="red", markup=False, soft_wrap=True)
    if as_of:
        _write_as_of(place, as_of)
    if refused or not outcome.success:
        raise typer.Exit(1)


@app.command()
def status(home: HomeOption) -> None:
    """Deliveries, rows, waves due and done, last run, red checks."""
    from registry_pipeline.report_card import print_status  # noqa: PLC0415

    print_status(console, _existing(home))


@app.command()
def withdraw(
    home: HomeOption,
    patient: Annotated[
        list[str],
        typer.Option("--patient", help="The id as delivered; - reads ids from standard input."),
    ],
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="The protocol a local id belongs to.")
    ] = None,
    requested_on: Annotated[
        datetime | None,
        typer.Option("--requested-on", formats=["%Y-%m-%d"], help="Day of the request; today."),
    ] = None,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="Also keep out a person of whom no row is stored.")
    ] = False,
) -> None:
    """Erase people, keep them out, and prove that they are gone."""
    from registry_pipeline.withdrawal.command import withdraw_people  # noqa: PLC0415

    place = _existing(home)
    ids = [
        one for given in patient for one in (sys.stdin.read().split() if given == "-" else [given])
    ]
    day = (requested_on or datetime.now(UTC)).date()
    with _watched_run() as observe:
        done = withdraw_people(place, ids, protocol, day, unseen=unseen, observer=observe)
    for proof in done.proofs:
        console.print(f"erased and proved: {proof}", soft_wrap=True)
    for sentence in done.errors:
        errors.print(sentence, style="red", markup=False, soft_wrap=True)
    if done.errors:
        raise typer.Exit(1)


@app.command("check-proof")
def check_proof(
    home: HomeOption,
    proof: Annotated[Path, typer.Argument(help="A proof file of this registry.")],
) -> None:
    """Say whether a proof of erasure stands as this registry's key signed it."""
    from registry_pipeline.gate.pseudonym import KeyFileError, read_key  # noqa: PLC0415
    from registry_pipeline.withdrawal.proof import is_genuine  # noqa: PLC0415

    place = _existing(home)
    if not proof.is_file():
        _fail(f"{proof}: there is no such file")
    try:
        genuine = is_genuine(proof, read_key(place.key_file))
    except (KeyFileError, FileNotFoundError) as error:
        _fail(str(error))
    if not genuine:
        _fail(f"{proof}: not as it was signed, or not by this registry's key")
    console.print(f"{proof}: genuine", soft_wrap=True)


@app.command()
def ui(
    home: HomeOption = Path("var"),
    operate: Annotated[
        bool, typer.Option("--operate", help="With the daemon, sensors and launching.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 3000,
) -> None:
    """Serve the Dagster UI, read-only unless --operate."""
    from registry_pipeline.operate import serve  # noqa: PLC0415

    console.print(f"http://{host}:{port}  ({'operating' if operate else 'read-only'})")
    raise typer.Exit(serve(Home(home), operate=operate, host=host, port=port))


@app.command()
def synth(
    out: Annotated[Path, typer.Option("--out", help="The landing folder to write.")],
    patients: Annotated[int, typer.Option(help="Consenting people.", min=1)],
    protocol: Annotated[str, typer.Option(help="A protocol that ships.")] = "lar_x",
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 2014,
    deliveries: Annotated[
        int | None, typer.Option(help="The last so many quarters; the first holds all before.")
    ] = None,
) -> None:
    """Write a synthetic landing folder of any size, in bounded memory."""
    from registry_pipeline.synthetic.cohort import write_cohort  # noqa: PLC0415
    from schemas.protocol import load_shipped  # noqa: PLC0415

    try:
        summary = write_cohort(out, load_shipped(protocol), patients, seed, deliveries)
    except (ValueError, FileExistsError) as error:
        _fail(str(error))
    counted = ", ".join(f"{form} {rows}" for form, rows in summary.rows.items())
    console.print(f"{out / protocol}: {len(summary.deliveries)} deliveries; {counted}")


@app.command("import-ctn0027")
def import_ctn0027_command(
    source: Annotated[Path, typer.Option("--from", help="Folder of the package's CSV tables.")],
    out: Annotated[Path, typer.Option("--out", help="The landing folder to write.")],
    drop_out: Annotated[
        str, typer.Option("--drop-out", help="last-dose or four-missing-weeks.")
    ] = "last-dose",
) -> None:
    """Turn the START trial's public tables into a landing folder."""
    from registry_pipeline.cohorts.ctn0027 import import_ctn0027  # noqa: PLC0415
    from registry_pipeline.cohorts.ctn0027_source import SourceError  # noqa: PLC0415
    from registry_pipeline.cohorts.ctn0027_stays import STAYS  # noqa: PLC0415

    if drop_out not in STAYS:
        _fail(f"--drop-out is one of {', '.join(STAYS)}")
    try:
        summary = import_ctn0027(source, out, drop_out)
    except SourceError as error:
        _fail(str(error))
    counted = ", ".join(f"{form} {rows}" for form, rows in summary.rows.items())
    console.print(f"{summary.folder}: {counted}", markup=False)


def main() -> NoReturn:
    """The console script.

    Leaves without the interpreter's teardown, where DuckDB's wheel reports its own constants as
    leaked once charts were drawn; every connection and the instance are closed by then.
    """
    code: int | str | None = 0
    try:
        app()
    except SystemExit as left:
        code = left.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


@contextmanager
def _watched_run() -> Iterator[Callable[[str, int, int], None]]:
    """An observer that shows each finished step: a bar on a terminal, plain lines elsewhere."""
    with _progress() as progress:
        task = progress.add_task("starting", total=None)

        def observe(step: str, done: int, total: int) -> None:
            progress.update(task, description=step, completed=done, total=total)
            if not console.is_terminal:
                console.print(f"{done}/{total} {step}")

        yield observe


def _existing(home: Path) -> Home:
    place = Home(home)
    if not place.database.exists():
        _fail(f"{home}: nothing has been taken in here yet; start with registry run")
    return place


def _write_as_of(home: Home, quarter: str) -> None:
    from registry_pipeline.as_of import AsOfError, write_as_of  # noqa: PLC0415 - slow to import

    try:
        written = write_as_of(home, quarter)
    except AsOfError as error:
        _fail(str(error))
    console.print(f"As of {quarter}: {written}", markup=False, soft_wrap=True)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _fail(sentence: str) -> NoReturn:
    errors.print(sentence, style="red", markup=False, soft_wrap=True)
    sys.exit(1)
