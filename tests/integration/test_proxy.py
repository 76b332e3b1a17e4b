"""The example configuration of a proxy before the UI: who is let through, and what is not.

The file of the documentation itself is served, with other ports and paths; a plain server stands
for the UI and tells what reached it.
"""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "nginx.conf"
HOST = "registry.example.org"
LOGIN = "Basic " + base64.b64encode(b"engineer:a long password").decode()


class Behind(BaseHTTPRequestHandler):
    """Answers everything, and says what it was asked."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = f"{self.command} {self.path} host={self.headers['Host']} "
        told += f"login={self.headers['Authorization']} upgrade={self.headers['Upgrade']}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told.encode())

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@dataclass(frozen=True)
class Proxy:
    port: int

    def ask(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        host: str = HOST,
        named: str = HOST,
        login: str = LOGIN,
        **headers: str,
    ) -> tuple[int, str]:
        """Status and body; `named` is the name of the TLS handshake."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.port), 10)
        connection = http.client.HTTPConnection(named)
        connection.sock = context.wrap_socket(raw, server_hostname=named)
        given = {"Host": host, **{name.replace("_", "-"): told for name, told in headers.items()}}
        if login:
            given["Authorization"] = login
        connection.request(method, path, body=b"{}" if method == "POST" else None, headers=given)
        answer = connection.getresponse()
        status, body = answer.status, answer.read().decode()
        connection.close()
        return status, body


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    path = f"{os.environ['PATH']}:/usr/sbin"
    nginx, openssl = shutil.which("nginx", path=path), shutil.which("openssl", path=path)
    if not nginx or not openssl:
        if os.environ.get("REGISTRY_REQUIRE_PROXY"):
            pytest.fail("nginx and openssl are required here and are not installed")
        pytest.skip("nginx and openssl are not installed")
    folder = tmp_path_factory.mktemp("proxy")
    behind = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    port = free_port()
    write_configuration(folder, openssl, port, behind.server_port)
    command = [nginx, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(port, server, folder)
        yield Proxy(port)
    finally:
        server.terminate()
        server.communicate()
        behind.shutdown()
        behind.server_close()


def write_configuration(folder: Path, openssl: str, port: int, behind: int) -> None:
    making = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=registry.example.org"
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run([openssl, *making.split(), *files], check=True, capture_output=True)
    hashed = subprocess.run(
        [openssl, "passwd", "-apr1", "a long password"], check=True, capture_output=True, text=True
    ).stdout
    (folder / "users").write_text(f"engineer:{hashed}")
    example = EXAMPLE.read_text()
    for ours, theirs in {
        "listen 443": f"listen 127.0.0.1:{port}",
        "http://127.0.0.1:3000": f"http://127.0.0.1:{behind}",
        "/etc/registry": str(folder),
    }.items():
        assert ours in example
        example = example.replace(ours, theirs)
    (folder / "example.conf").write_text(example)
    worker = "" if os.getuid() else "user root; "
    spools = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (folder / "nginx.conf").write_text(
        f"{worker}daemon off; worker_processes 1; pid {folder}/pid; events {{}}\n"
        "http { access_log off;\n"
        + "".join(f"{name}_temp_path {folder}/{name};\n" for name in spools)
        + "include example.conf; }\n"
    )


def wait_for(port: int, server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 20
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"nginx did not start: {(folder / 'error.log').read_text()}")


def test_who_has_the_login_is_let_through(proxy: Proxy) -> None:
    status, body = proxy.ask()
    assert (status, body) == (200, "GET / host=localhost login=None upgrade=None")
    status, body = proxy.ask("POST", "/graphql", Origin=f"https://{HOST}")
    assert (status, body.split()[:2]) == (200, ["POST", "/graphql"])


def test_the_pages_live_channel_is_let_through(proxy: Proxy) -> None:
    status, body = proxy.ask("GET", "/graphql", Upgrade="websocket", Connection="Upgrade")
    assert status == 200
    assert body.endswith("upgrade=websocket")


REFUSED = {
    "no login": ({"login": ""}, 401),
    "a wrong password": ({"login": "Basic " + base64.b64encode(b"engineer:x").decode()}, 401),
    "another host in the request": ({"host": "localhost"}, 421),
    "an address in the request": ({"host": "127.0.0.1:3000"}, 421),
    "a page of another site": (
        {"method": "POST", "path": "/graphql", "Origin": "https://x.org"},
        403,
    ),
    "a page without a site": ({"method": "POST", "path": "/graphql", "Origin": "null"}, 403),
    "a change over GET": ({"path": "/graphql?query=mutation%7Bwipe%7D"}, 405),
    "a change over PUT": ({"method": "PUT", "path": "/graphql"}, 405),
    "a change elsewhere": ({"method": "POST", "path": "/report"}, 403),
    "a deletion": ({"method": "DELETE", "path": "/"}, 403),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(proxy: Proxy, case: str) -> None:
    given, expected = REFUSED[case]
    assert proxy.ask(**given)[0] == expected


def test_another_host_gets_no_handshake(proxy: Proxy) -> None:
    with pytest.raises(ssl.SSLError):
        proxy.ask(named="attacker.example.net", host="attacker.example.net")
