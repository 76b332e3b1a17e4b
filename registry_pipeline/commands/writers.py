"""The commands that write files: a synthetic landing folder, the national delivery, an import.

Belongs here: their options and what they print. Does not belong here: the work (see `synthetic`,
`national`, `cohorts`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry_pipeline.commands.terminal import HomeOption, console, fail
from registry_pipeline.home import Home


def synth(
    out: Annotated[Path, typer.Option("--out", help="The landing folder to write.")],
    patients: Annotated[int, typer.Option(help="Consenting people.", min=1)],
    protocol: Annotated[str, typer.Option(help="A protocol that ships.")] = "lar_x",
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.", min=0)] = 2014,
    deliveries: Annotated[
        int | None,
        typer.Option(help="The last so many quarters; the first holds all before.", min=1),
    ] = None,
) -> None:
    """Write a synthetic landing folder of any size, in bounded memory."""
    from registry_pipeline.synthetic.cohort import write_cohort  # noqa: PLC0415
    from schemas.protocol import load_shipped  # noqa: PLC0415

    try:
        summary = write_cohort(out, load_shipped(protocol), patients, seed, deliveries)
    except ValueError as error:
        fail(str(error))
    counted = ", ".join(f"{form} {rows}" for form, rows in summary.rows.items())
    console.print(f"{out / protocol}: {len(summary.deliveries)} deliveries; {counted}")


def deliver_command(
    home: HomeOption,
    year: Annotated[int, typer.Option("--year", help="The calendar year.", min=1900, max=2200)],
    to: Annotated[Path, typer.Option("--to", help="The CSV file to write.")],
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="The cohort, where several could deliver.")
    ] = None,
) -> None:
    """Write a year's indicators as the national platform takes them, once they obey its rules."""
    from registry_pipeline.national.delivery import (  # noqa: PLC0415 - other commands go without
        NationalDeliveryError,
        deliver,
    )

    try:
        written = deliver(Home(home), year, to, protocol)
    except NationalDeliveryError as error:
        fail(str(error))
    console.print(
        f"{to}: {written.rows} rows of {written.protocol}, {written.indicators} indicators, "
        f"{written.units} units; described in {written.metadata}",
        markup=False,
        soft_wrap=True,
    )


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
        fail(f"--drop-out is one of {', '.join(STAYS)}")
    try:
        summary = import_ctn0027(source, out, drop_out)
    except SourceError as error:
        fail(str(error))
    counted = ", ".join(f"{form} {rows}" for form, rows in summary.rows.items())
    console.print(f"{summary.folder}: {counted}", markup=False)
