"""A run as the command line asks for it: carried out, told, and noticed where it failed.

Belongs here: the order of what is told. Does not belong here: the run itself (`operate`), how it is
told (`telling`), what a report says (`report_card`, `notices`).
"""

from __future__ import annotations

from pathlib import Path

from registry_pipeline.building.as_of import AsOfError, write_as_of
from registry_pipeline.commands.operate import run_job
from registry_pipeline.commands.report_card import changes_since, faults
from registry_pipeline.commands.telling import Teller
from registry_pipeline.home import Home, HomeBusyError


def run_and_tell(
    home: Home,
    landing: Path,
    protocol: Path | None,
    teller: Teller,
    *,
    as_of: str | None,
    wait_seconds: float,
    settle_seconds: float,
) -> bool:
    """Runs the whole job and tells what became of it.

    Args:
        home: the home folder.
        landing: the landing folder.
        protocol: a protocol for this run.
        teller: tells of the run.
        as_of: a quarter as of which the tables are written too.
        wait_seconds: how long to wait for another run on the home.
        settle_seconds: how long a folder without hashes is watched before it counts as whole.

    Returns:
        Whether all of it went well.
    """
    made_key = not home.key_file.exists()
    with teller.running() as observe:
        outcome = run_job(
            home,
            landing,
            protocol,
            observe,
            wait_seconds=wait_seconds,
            settle_seconds=settle_seconds,
            say=teller.info,
        )
    if made_key and home.key_file.exists():
        teller.info(f"A pseudonym key was made: {home.key_file}. Keep a copy in a safe place.")
    teller.changes(changes_since(home, outcome))
    for sentence in [*outcome.killed, *outcome.waiting]:
        teller.info(sentence)
    told = faults(home, outcome)
    if as_of and outcome.began:
        try:
            written = write_as_of(home, as_of, wait_seconds=wait_seconds, say=teller.info)
            teller.info(f"As of {as_of}: {written}")
        except (AsOfError, HomeBusyError) as error:
            told.append(("error", str(error)))
    if told or not outcome.success:
        from registry_pipeline.operation.notices import of_run, send  # noqa: PLC0415 - slow to import

        told += [("error", sentence) for sentence in send(home, of_run(home, told))]
    teller.end(home, outcome, told)
    return outcome.success and not told
