"""`registry close`: a delivery that nobody will mend waits for nobody.

Belongs here: the command's steps. Does not belong here: which refusals are open (see
`warehouse.refusals`), printing (see `cli`).
"""

from __future__ import annotations

from datetime import date

from registry_pipeline.home import WAIT_SECONDS, Home, HomeBusyError, Say
from registry_pipeline.warehouse import ledger, refusals
from registry_pipeline.warehouse.database import DatabaseBusyError, connect


class ClosingError(ValueError):
    """Nothing was closed; the message says why."""


def close_refusals(
    home: Home,
    delivery: str,
    day: date,
    *,
    wait_seconds: float = WAIT_SECONDS,
    say: Say = lambda _: None,
) -> list[str]:
    """Closes the open refusals of a delivery; their lines stay in the ledger.

    Args:
        home: the home folder.
        delivery: `<protocol>/<delivery>`.
        day: the day on which it was said.
        wait_seconds: how long to wait for a run on the home.
        say: told at once who is waited for.

    Returns:
        The reason of each refusal that was closed.

    Raises:
        ClosingError: no refusal of the delivery is open, or another run holds the home.
    """
    protocol, _, name = delivery.partition("/")
    try:
        with home.lock(wait_seconds, "registry close", say), connect(home) as connection:
            ledger.prepare(connection)
            closed = refusals.close(connection, protocol, name, day)
    except (HomeBusyError, DatabaseBusyError) as error:
        raise ClosingError(str(error)) from error
    if not closed:
        raise ClosingError("no refusal of this delivery is open: registry status names those")
    return closed
