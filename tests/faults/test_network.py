"""No outbound connection: the guard that every test runs under, and what it lets through."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ELSEWHERE = "192.0.2.1"
"""An address for documentation: nobody has it."""


@pytest.mark.hazard(
    "outbound network attempt",
    "every test runs under a guard; an attempt fails the test, also one that a child process makes "
    "and swallows; none is made",
)
@pytest.mark.parametrize(
    "script",
    [
        f"import socket; socket.create_connection(('{ELSEWHERE}', 80), 1)",
        "import socket; socket.getaddrinfo('example.org', 443)",
        "import urllib.request; urllib.request.urlopen('http://example.org')",
        f"import socket; socket.socket(2, 2).sendto(b'x', ('{ELSEWHERE}', 53))",
    ],
)
def test_a_child_process_that_reaches_out_is_refused_and_noted(
    network_notes: Path, script: str
) -> None:
    quiet = f"try:\n    {script}\nexcept OSError:\n    print('refused')"
    done = subprocess.run(
        [sys.executable, "-c", quiet], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "refused\n"
    assert network_notes.read_text()
    network_notes.unlink()


def test_this_process_is_guarded_too(network_notes: Path) -> None:
    with pytest.raises(OSError, match="tests reach no other machine"):
        socket.create_connection((ELSEWHERE, 80), 1)
    with pytest.raises((OSError, urllib.error.URLError)):
        urllib.request.urlopen("http://example.org")
    assert len(network_notes.read_text().splitlines()) == 2
    network_notes.unlink()


def test_this_machine_may_be_reached(network_notes: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), 5).close()
    assert not network_notes.exists()
