"""No test reaches the network: this machine alone may be connected to.

Python imports a module of this name at its start where the folder stands on its path, so child
processes are guarded as the tests are. An attempt raises, and is noted, since the code under test
may swallow the error: `tests/conftest.py` fails the test for the note.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

NOTES = "REGISTRY_TEST_NETWORK_NOTES"
"""Names the file in which attempts are noted."""

_LOCAL = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "::", ""}  # noqa: S104 - compared, not bound
_WATCHED = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}


class NetworkError(OSError):
    """A connection to another machine."""


def host_of(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The host that a socket call names; None where it names none, as on a local socket."""
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
    else:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    return host.decode() if isinstance(host, bytes) else host


def is_local(host: str | None) -> bool:
    """Whether a host is this machine."""
    return host is None or host in _LOCAL or host.startswith("127.")


def guard(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook: refuses and notes what goes to another machine."""
    if event not in _WATCHED:
        return
    host = host_of(event, arguments)
    if is_local(host):
        return
    notes = os.environ.get(NOTES)
    if notes:
        with Path(notes).open("a", encoding="utf-8") as file:
            file.write(f"{event} {host}\n")
    raise NetworkError(f"{event}: tests reach no other machine")


if os.environ.get(NOTES):
    sys.addaudithook(guard)
