"""Notices of failure: what is told, to whom, and what happens when nobody can be told."""

from __future__ import annotations

import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_pipeline.home import Home
from registry_pipeline.operation.notices import Notice, of_run, send

NOTICE = Notice("registry: the intake failed", ("Run 1.", "Failed steps: intake."))


class Mailbox(socketserver.StreamRequestHandler):
    """As much of a mail server as one message needs."""

    def handle(self) -> None:
        received: list[str] = self.server.received  # type: ignore[attr-defined]
        self.wfile.write(b"220 here\r\n")
        in_message = False
        for line in self.rfile:
            text = line.decode().rstrip("\r\n")
            received.append(text)
            if in_message:
                if text != ".":
                    continue
                in_message = False
            if text.upper() == "DATA":
                in_message = True
                self.wfile.write(b"354 go on\r\n")
            elif text == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 yes\r\n")


@pytest.fixture
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """The port of a mail server on this machine, and the lines it has got."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.received = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], server.received  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def settings(home: Home, text: str) -> Home:
    home.path.mkdir(mode=0o700, exist_ok=True)
    (home.path / "notices.toml").write_text(text)
    return home


def email(port: int) -> str:
    return (
        f'[email]\nhost = "127.0.0.1"\nport = {port}\nsender = "registry@example.org"\n'
        'to = ["on-call@example.org"]\n'
    )


def test_the_log_is_always_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert send(Home(tmp_path / "home"), NOTICE) == []
    assert caplog.messages == ["registry: the intake failed: Run 1. Failed steps: intake."]


def test_an_email_is_sent(tmp_path: Path, mail_server: tuple[int, list[str]]) -> None:
    port, received = mail_server
    assert send(settings(Home(tmp_path / "home"), email(port)), NOTICE) == []
    assert "rcpt TO:<on-call@example.org>" in received
    assert "Subject: registry: the intake failed" in received
    assert "Failed steps: intake." in received


def test_who_cannot_be_told_is_named_and_the_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pager_of_ours.py").write_text("told = []\ndef page(n): told.append(n.subject)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    home = settings(Home(tmp_path / "home"), email(1) + '[hooks]\ncall = ["pager_of_ours:page"]\n')
    (sentence,) = send(home, NOTICE)
    assert sentence == "the notice could not be sent: email (ConnectionRefusedError)"
    assert sys.modules["pager_of_ours"].told == [NOTICE.subject]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense =", "not a TOML file"),
        ("[email]\nhost = 'x'\n", "wrong: email.sender, email.to"),
        ("[hooks]\ncall = ['nobody:here']\n", "there is no nobody:here"),
    ],
)
def test_settings_that_cannot_be_used_are_told(tmp_path: Path, text: str, said: str) -> None:
    (sentence,) = send(settings(Home(tmp_path / "home"), text), NOTICE)
    assert said in sentence


def test_settings_in_another_encoding_are_told(tmp_path: Path) -> None:
    home = settings(Home(tmp_path / "home"), "")
    (home.path / "notices.toml").write_bytes(b"# p\xe5\n")
    assert send(home, NOTICE) == [f"{home.path}/notices.toml: not a TOML file"]


def test_an_error_of_unknown_words_does_not_leave_the_house(tmp_path: Path) -> None:
    faults = [("refused", "patients.csv: empty"), ("error", "could not convert 'Kari Nordmann'")]
    notice = of_run(Home(tmp_path), faults)
    assert notice.sentences == (
        "patients.csv: empty",
        "1 error: see registry status and the run's log.",
    )
