"""`registry withdraw`: note, erase, derive and publish anew, prove.

Belongs here: the order of the steps and what is reported. Does not belong here: each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from registry_pipeline.gate.pseudonym import KeyFileError
from registry_pipeline.home import Home, HomeBusyError
from registry_pipeline.intake import open_key
from registry_pipeline.operate import Observer, run_job
from registry_pipeline.warehouse.database import DatabaseBusyError, connect
from registry_pipeline.warehouse.rewrite import RewriteError
from registry_pipeline.withdrawal.proof import proof_file
from registry_pipeline.withdrawal.withdraw import WithdrawalError, note_requests, prove
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
) -> Withdrawn:
    """Erases people and proves it; repeated after a breakdown, it goes on where that came.

    Args:
        home: the home folder.
        ids: ids as delivered.
        protocol_id: the protocol of local ids; None for national numbers.
        requested_on: day of the request.
        unseen: also keeps out people of whom no row is stored.
        observer: told of each finished step of the job.
    """
    done = Withdrawn()
    try:
        with home.lock():
            home.prepare()
            wanted = note_requests(home, ids, protocol_id, requested_on, unseen=unseen)
        outcome = run_job(home, None, observer=observer, job_name="withdraw")
        done.errors += [*outcome.errors, *outcome.red_checks]
        if outcome.errors:
            return done
        with home.lock():
            with connect(home) as connection:
                key = open_key(connection, home)
            prove(home, key, {one.tombstone: one.words for one in wanted})
    except _SAID as error:
        done.errors.append(str(error))
    else:
        done.proofs = [proof_file(home, one.tombstone) for one in wanted]
    return done
