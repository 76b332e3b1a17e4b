"""`registry withdraw` and `registry rotate-key`, from the first step to the last.

Belongs here: the order of the steps and what is reported. Does not belong here: each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

from registry_pipeline.commands.operate import Observer, run_job
from registry_pipeline.gate.pseudonym import KeyFileError
from registry_pipeline.home import WAIT_SECONDS, Home, HomeBusyError, Say
from registry_pipeline.keys import open_key, rotate
from registry_pipeline.warehouse import erasure
from registry_pipeline.warehouse.database import DatabaseBusyError, connect
from registry_pipeline.warehouse.rewrite import RewriteError
from registry_pipeline.withdrawal.proof import proof_file, waiting
from registry_pipeline.withdrawal.withdraw import (
    WithdrawalError,
    drop_copies,
    note_requests,
    prove,
)
from schemas.protocol import ProtocolError

_SAID = (
    DatabaseBusyError,
    HomeBusyError,
    KeyFileError,
    ProtocolError,
    RewriteError,
    WithdrawalError,
)
"""What is told in one sentence."""


@dataclass
class Withdrawn:
    """What became of a withdrawal.

    Attributes:
        proofs: the proof of each person, those written before among them.
        errors: one sentence per fault.
    """

    proofs: list[Path] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def withdraw_people(
    home: Home,
    ids: Sequence[str],
    protocol_id: str | None,
    requested_on: date,
    *,
    unseen: bool = False,
    observer: Observer | None = None,
    wait_seconds: float = WAIT_SECONDS,
    say: Say = lambda _: None,
) -> Withdrawn:
    """Erases people and proves it; repeated after a breakdown, it goes on where that came.

    Args:
        home: the home folder.
        ids: ids as delivered.
        protocol_id: the protocol of local ids; None for national numbers.
        requested_on: day of the request.
        unseen: also keeps out people of whom no row is stored.
        observer: told of each finished step of the job.
        wait_seconds: how long to wait for a run on the home, before each step that needs it.
        say: told at once who is waited for.
    """
    done = Withdrawn()
    locked = partial(home.lock, wait_seconds, "registry withdraw", say)
    try:
        with locked():
            home.prepare()
            wanted = note_requests(home, ids, protocol_id, requested_on, unseen=unseen)
        outcome = run_job(
            home, None, observer=observer, job_name="withdraw", wait_seconds=wait_seconds, say=say
        )
        done.errors += [*outcome.errors, *outcome.red_checks]
        if outcome.errors:
            return done
        with locked():
            with connect(home) as connection:
                key = open_key(connection, home)
            prove(home, key, {one.tombstone: one.words for one in wanted})
    except _SAID as error:
        done.errors.append(str(error))
    else:
        done.proofs = [proof_file(home, one.tombstone) for one in wanted]
    return done


@dataclass
class Rotated:
    """What became of a rotation.

    Attributes:
        old: id of the key before.
        new: id of the newest key now; empty where the key was not rotated.
        errors: one sentence per fault.
    """

    old: str = ""
    new: str = ""
    errors: list[str] = field(default_factory=list)


def rotate_key(
    home: Home,
    observer: Observer | None = None,
    *,
    wait_seconds: float = WAIT_SECONDS,
    say: Say = lambda _: None,
) -> Rotated:
    """Puts a new key over the old pseudonyms, removes older copies, derives and publishes anew.

    Args:
        home: the home folder.
        observer: told of each finished step of the job.
        wait_seconds: how long to wait for a run on the home, before each step that needs it.
        say: told at once who is waited for.
    """
    done = Rotated()
    try:
        with home.lock(wait_seconds, "registry rotate-key", say):
            home.prepare()
            with connect(home) as connection:
                key = open_key(connection, home)
                asked = erasure.requests(connection).values()
            if waiting(home) or any(one.pseudonym for one in asked):
                raise WithdrawalError(
                    "an erasure is not finished: let registry run finish it, then rotate the key"
                )
            drop_copies(home)  # before: a rotation that is killed leaves none under the old key
            rotated = rotate(home, key)
        done.old, done.new = key.key_id, rotated.key_id
        outcome = run_job(
            home, None, observer=observer, job_name="rebuild", wait_seconds=wait_seconds, say=say
        )
        done.errors += [*outcome.errors, *outcome.red_checks]
    except _SAID as error:
        done.errors.append(str(error))
    return done
