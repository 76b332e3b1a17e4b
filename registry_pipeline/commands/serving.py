"""The Dagster UI over a home, and with it the daemon where the home is operated.

Belongs here: which processes serve, and how they end. Does not belong here: running the job itself
(see `operate`), printing (see `cli`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from registry_pipeline.home import Home
from registry_pipeline.operation.instance import prepare_instance

LOCATION: Final = "registry_pipeline.definitions"
"""The code location, whose name sensors and queued runs are known under."""

_POLL_SECONDS = 0.2
_LEAVE_SECONDS = 10


def serve(home: Home, landing: Path | None, *, host: str, port: int) -> int:
    """Serves the Dagster UI over a home until it is stopped.

    Args:
        home: the home folder.
        landing: the landing folder; with one the daemon runs as well (sensors, schedules,
            automation) and the UI launches, without one it is read-only.
        host: the address to bind to.
        port: the port.

    Returns:
        0 where it was asked to stop, else the exit code of whichever process ended by itself, 128
        and the signal's number where it was killed: with one of them gone the others are ended too,
        or a page would stay up over a landing folder that nobody looks at.
    """
    prepare_instance(home)
    os.environ["REGISTRY_HOME"] = str(home.path.resolve())  # what the code location works on
    if landing:
        os.environ["REGISTRY_LANDING"] = str(landing.resolve())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or its children outlive a kill
    scripts = Path(sys.executable).parent
    web = [str(scripts / "dagster-webserver"), "-h", host, "-p", str(port)]
    children: list[subprocess.Popen[bytes]] = []
    with TemporaryDirectory(prefix="registry-") as folder:
        try:
            if landing:
                workspace = ["-w", str(_code_served(Path(folder), children))]
                daemon = [str(scripts / "dagster-daemon"), "run", *workspace]
                commands = [daemon, [*web, *workspace]]
            else:
                commands = [[*web, "-m", LOCATION, "--read-only"]]
            for command in commands:
                children.append(subprocess.Popen(command))  # noqa: S603, PERF401 - ours; each is ended
            return _first_to_end(children)
        except KeyboardInterrupt:
            return 0
        finally:
            for child in reversed(children):
                _end(child)


def _code_served(folder: Path, children: list[subprocess.Popen[bytes]]) -> Path:
    """Starts one server of the code location for all, and waits until it is ready.

    Left to itself the daemon starts another every minute, each with all of its imports.

    Returns:
        The workspace file by which the others find it.
    """
    socket, workspace = folder / "code", folder / "workspace.yaml"
    found = {"socket": str(socket), "location_name": LOCATION}
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": found}]}), encoding="utf-8")
    served = [sys.executable, "-m", "dagster", "api", "grpc", "-m", LOCATION, "-s", str(socket)]
    children.append(subprocess.Popen(served))  # noqa: S603 - ours; it is ended
    while not socket.exists() and children[-1].poll() is None:
        time.sleep(_POLL_SECONDS)
    return workspace


def _first_to_end(children: Sequence[subprocess.Popen[bytes]]) -> int:
    while True:
        for child in children:
            if (code := child.poll()) is not None:
                return code if code >= 0 else 128 - code
        time.sleep(_POLL_SECONDS)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends a process, politely first: it has children of its own."""
    child.terminate()
    try:
        child.wait(_LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
