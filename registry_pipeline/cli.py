"""The command line: `registry run`, `status`, `withdraw` and the others that work on a home.

Belongs here: options, progress and printing. Does not belong here: the work (see `commands`), the
commands that write files for others (see `commands.writers`).
"""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from registry_pipeline.child import DERIVER, started
from registry_pipeline.commands.leaving import leaving_when_told
from registry_pipeline.commands.terminal import (
    HomeOption,
    LandingOption,
    OneSentence,
    WaitOption,
    console,
    errors,
    existing,
    fail,
    speak_utf8,
)
from registry_pipeline.commands.writers import deliver_command, import_ctn0027_command, synth
from registry_pipeline.home import WAIT_SECONDS, Home, note_stopped

app = typer.Typer(
    cls=OneSentence,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A longitudinal quality registry for addiction treatment: interviews in, tables out.",
)
QUARTER = re.compile(r"\d{4}-Q[1-4]")


def _interrupted(told: int) -> None:
    if told == signal.SIGINT:  # a person at the terminal: nobody needs to be told of it
        note_stopped()
    console.show_cursor()
    errors.print("Interrupted: what was stored is kept; the same command goes on.", style="red")


@app.command()
@leaving_when_told(_interrupted)
def run(  # noqa: PLR0917 - typer calls it by name
    landing: LandingOption,
    home: HomeOption,
    protocol: Annotated[
        Path | None, typer.Option("--protocol", help="A protocol file for this run.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="QUARTER", help="Also write the tables as of 2015-Q2."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Judge the deliveries and store nothing.")
    ] = False,
    log: Annotated[
        str, typer.Option("--log", help="text, or json: one JSON object per line.")
    ] = "text",
    wait: WaitOption = WAIT_SECONDS,
    settle: Annotated[
        float,
        typer.Option(
            "--settle", help="Seconds a folder without hashes must stand unchanged.", min=0
        ),
    ] = 1,
) -> None:
    """Take in every new delivery, build, check and publish every table."""
    _check_run(landing, protocol, log, as_of)
    if dry_run and log == "json":
        fail("--dry-run tells a person what would become of each file: leave --log json out")
    if dry_run and as_of:
        fail("--dry-run stores nothing that could be shown as of a quarter: leave --as-of out")
    if dry_run:
        from registry_pipeline.commands.dry_run import print_dry_run  # noqa: PLC0415 - slow to import

        raise typer.Exit(int(print_dry_run(console, Home(home), landing, protocol)))
    started(DERIVER)  # it imports beside us; the others do beside intake
    from registry_pipeline.commands.running import run_and_tell  # noqa: PLC0415 - Dagster is slow to import
    from registry_pipeline.commands.telling import JsonTeller, TextTeller  # noqa: PLC0415

    teller = JsonTeller(sys.stdout) if log == "json" else TextTeller(console, errors)
    waits = {"wait_seconds": wait, "settle_seconds": settle}
    if not run_and_tell(Home(home), landing, protocol, teller, as_of=as_of, **waits):
        raise typer.Exit(1)


@app.command()
def status(
    home: HomeOption,
    deliveries: Annotated[
        bool, typer.Option("--deliveries", help="Every form of every delivery.")
    ] = False,
) -> None:
    """One screen for a person on call: last run, deliveries, what waits, what is red."""
    from registry_pipeline.commands.status import print_ledger, print_status  # noqa: PLC0415

    place = existing(home)
    (print_ledger if deliveries else print_status)(console, place)


@app.command()
@leaving_when_told(_interrupted)
def withdraw(  # noqa: PLR0917 - as above
    home: HomeOption,
    patient: Annotated[
        list[str],
        typer.Option(
            "--patient", help="The id as delivered; - reads ids from standard input, one a line."
        ),
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
    wait: WaitOption = WAIT_SECONDS,
) -> None:
    """Erase people, keep them out, and prove that they are gone."""
    from registry_pipeline.commands.telling import TextTeller  # noqa: PLC0415 - Dagster is slow to import
    from registry_pipeline.commands.withdraw import withdraw_people  # noqa: PLC0415

    place = existing(home)
    ids = [given for given in patient if given != "-"]
    if "-" in patient:
        ids += [line for line in sys.stdin.read().splitlines() if line.strip()]
    if not ids:
        fail("nobody was named: standard input holds no id")
    day = (requested_on or datetime.now(UTC)).date()
    teller = TextTeller(console, errors)
    with teller.running() as observe:
        done = withdraw_people(
            place,
            ids,
            protocol,
            day,
            unseen=unseen,
            observer=observe,
            wait_seconds=wait,
            say=teller.info,
        )
    for proof in done.proofs:
        console.print(f"erased and proved: {proof}", soft_wrap=True)
    for sentence in done.errors:
        errors.print(sentence, style="red", markup=False, soft_wrap=True)
    if done.errors:
        raise typer.Exit(1)


@app.command()
def close(
    home: HomeOption,
    delivery: Annotated[
        str, typer.Option("--delivery", help="As status names it: lar_x/2014-Q3, for instance.")
    ],
    wait: WaitOption = WAIT_SECONDS,
) -> None:
    """Close the refusals of a delivery that nobody will mend; the ledger keeps them."""
    from registry_pipeline.commands.closing import ClosingError, close_refusals  # noqa: PLC0415
    from registry_pipeline.commands.telling import TextTeller  # noqa: PLC0415 - Dagster is slow to import

    today, say = datetime.now(UTC).date(), TextTeller(console, errors).info
    try:
        closed = close_refusals(existing(home), delivery, today, wait_seconds=wait, say=say)
    except ClosingError as error:
        fail(str(error))
    for reason in closed:
        say(f"closed: {reason}")


@app.command("rotate-key")
@leaving_when_told(_interrupted)
def rotate_key_command(home: HomeOption, wait: WaitOption = WAIT_SECONDS) -> None:
    """Put a new pseudonym key over the old one: every stored pseudonym becomes another."""
    from registry_pipeline.commands.telling import TextTeller  # noqa: PLC0415 - Dagster is slow to import
    from registry_pipeline.commands.withdraw import rotate_key  # noqa: PLC0415

    place = existing(home)
    teller = TextTeller(console, errors)
    with teller.running() as observe:
        done = rotate_key(place, observe, wait_seconds=wait, say=teller.info)
    if done.new:
        console.print(
            f"The key {done.old} is followed by {done.new}: {place.key_file}. Keep a copy in a "
            "safe place; older copies do not fit this home any more.",
            soft_wrap=True,
        )
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
    from registry_pipeline.withdrawal.proof import TO_COMPLETE, is_genuine, lacks_id  # noqa: PLC0415

    place = existing(home)
    if not proof.is_file():
        fail(f"{proof}: there is no such file")
    try:
        genuine = is_genuine(proof, read_key(place.key_file))
    except KeyFileError as error:
        fail(str(error))
    if not genuine:
        fail(f"{proof}: not as it was signed, or not by this registry's key")
    more = f"; the id was not searched for: {TO_COMPLETE}" if lacks_id(proof) else ""
    console.print(f"{proof}: genuine{more}", markup=False, soft_wrap=True)


@app.command()
def ui(
    home: HomeOption = Path("var"),
    operate: Annotated[
        bool, typer.Option("--operate", help="With the daemon, sensors and launching.")
    ] = False,
    landing: Annotated[
        Path | None,
        typer.Option(
            "--landing", envvar="REGISTRY_LANDING", help="The landing folder, for --operate."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.", min=1, max=65535)] = 3000,
) -> None:
    """Serve the Dagster UI, read-only unless --operate, where the sensor starts the first run."""
    if operate and landing is None:
        fail("--operate takes deliveries in: --landing or REGISTRY_LANDING says from where")
    if operate and landing and not landing.is_dir():
        fail(f"{landing}: there is no such landing folder")
    _check_free(host, port)
    place = Home(home) if operate else existing(home)
    if not place.database.exists():
        console.print(f"{home}: nothing has been taken in here yet", markup=False, soft_wrap=True)
    from registry_pipeline.commands.serving import serve  # noqa: PLC0415 - Dagster is slow to import

    console.print(f"http://{host}:{port}  ({'operating' if operate else 'read-only'})")
    watched = landing.resolve() if operate and landing else None
    if watched:
        console.print(f"Deliveries are taken in from {watched}", markup=False, soft_wrap=True)
    code = serve(place, watched, host=host, port=port)
    if code:
        errors.print("A process that serves ended by itself; all is stopped.", style="red")
    raise typer.Exit(code)


app.command()(synth)
app.command("deliver")(deliver_command)
app.command("import-ctn0027")(import_ctn0027_command)


def main() -> NoReturn:
    """The console script.

    Leaves without the interpreter's teardown, where DuckDB's wheel reports its own constants as
    leaked once charts were drawn; every connection and the instance are closed by then.
    """
    code: int | str | None = 0
    speak_utf8()
    gc.set_threshold(100_000, 20, 20)  # what is imported stays, and was looked through in vain
    os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")  # Pandera imports it, and it imports them
    try:
        app()
    except SystemExit as left:
        code = left.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _check_run(landing: Path, protocol: Path | None, log: str, as_of: str | None) -> None:
    if not landing.is_dir():
        fail(f"{landing}: there is no such landing folder")
    if protocol:
        _check_protocol(protocol, landing)
    if log not in {"text", "json"}:
        fail("--log is one of text, json")
    if as_of and not QUARTER.fullmatch(as_of):
        fail("--as-of takes a quarter, as in 2015-Q2")


def _check_protocol(file: Path, landing: Path) -> None:
    """A run with nothing of its protocol to take in would never read it."""
    from registry_pipeline.deliveries.folders import deliveries  # noqa: PLC0415 - slow to import
    from schemas.protocol import ProtocolError, parse_protocol  # noqa: PLC0415

    if not file.exists():
        fail(f"{file}: there is no such protocol")
    there = {folder.parent.name for folder in deliveries(landing)}
    try:
        protocol = parse_protocol(file.read_text("utf-8"), str(file))
        if there and protocol.id not in there:
            fail(f"{file}: is protocol {protocol.id}, and no delivery of it is in {landing}")
    except UnicodeDecodeError:
        fail(f"{file}: not a text in UTF-8")
    except ProtocolError as error:
        fail(str(error))


def _check_free(host: str, port: int) -> None:
    """The webserver would say so after all its imports, and at length."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the webserver has it
        try:
            probe.bind((host, port))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            fail(f"{host}:{port}: {why}; --host and --port name another")
