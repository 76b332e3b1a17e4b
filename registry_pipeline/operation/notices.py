"""Notices of failure to people who are not looking: the log, e-mail, and hooks of one's own.

Belongs here: who is told, how, and the few words that may leave the house.
Does not belong here: when something has failed (see `cli` and `assets.automation`).

The log (`registry.notices`, at level ERROR) is always told. `notices.toml` in the home folder adds
the rest:

    [email]
    host = "smtp.example.org"
    port = 587                       # 25 where it is left out
    sender = "registry@example.org"
    to = ["on-call@example.org"]
    starttls = true
    user = "registry"
    password_file = "/etc/registry/smtp-password"

    [hooks]
    call = ["my_hospital.pager:page"]   # a function that takes a Notice
"""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from registry_pipeline.gate.errors import counted
from registry_pipeline.home import Home

LOGGER = logging.getLogger("registry.notices")
LOGGER.addHandler(logging.NullHandler())  # who runs a command reads the same on the terminal
TOLD = "registry/told"
"""The tag of a run whose failure someone else tells of: by whom."""
COMMAND_LINE = "by the command line"
"""It tells of its run when that ends, and of one that was killed it cannot."""
_SMTP_SECONDS = 20


@dataclass(frozen=True)
class Notice:
    """What is told: a subject and sentences without a value or an identifier in them."""

    subject: str
    sentences: tuple[str, ...]


Hook = Callable[[Notice], None]


class NoticesError(ValueError):
    """A `notices.toml` that cannot be used; the sentence names the field."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Email(_Part):
    """Where e-mail goes, and through which server."""

    host: str
    port: int = 25
    sender: str
    to: tuple[str, ...] = Field(min_length=1)
    starttls: bool = False
    user: str | None = None
    password_file: Path | None = None

    def __call__(self, notice: Notice) -> None:
        """Sends a notice."""
        message = EmailMessage()
        message["From"], message["To"] = self.sender, ", ".join(self.to)
        message["Subject"] = notice.subject
        message.set_content("\n".join(notice.sentences) + "\n")
        own = socket.gethostname()  # said here, or the library asks a name server for it
        with smtplib.SMTP(
            self.host, self.port, local_hostname=own, timeout=_SMTP_SECONDS
        ) as server:
            if self.starttls:
                server.starttls(context=ssl.create_default_context())
            if self.user and self.password_file:
                server.login(self.user, self.password_file.read_text(encoding="utf-8").strip())
            server.send_message(message)


class Hooks(_Part):
    """Functions of one's own, as `package.module:function`."""

    call: tuple[str, ...] = ()


class Settings(_Part):
    """The content of `notices.toml`."""

    email: Email | None = None
    hooks: Hooks = Hooks()


def log(notice: Notice) -> None:
    """Writes a notice to the log."""
    LOGGER.error("%s: %s", notice.subject, " ".join(notice.sentences))


def hooks(home: Home) -> list[Hook]:
    """Everyone who is told of a failure in a home.

    Raises:
        NoticesError: `notices.toml` cannot be read, is no TOML, has a wrong field, or names what is
            not there.
    """
    file = home.path / "notices.toml"
    if not file.exists():
        return [log]
    try:
        settings = Settings.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        own = [_named(name) for name in settings.hooks.call]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise NoticesError(f"{file}: not a TOML file") from None
    except OSError:
        raise NoticesError(f"{file}: cannot be read") from None
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise NoticesError(f"{file}: wrong: {fields}") from None
    return [log, *([settings.email] if settings.email else []), *own]


def send(home: Home, notice: Notice) -> list[str]:
    """Tells everyone; one who cannot be told stops no other.

    Returns:
        One sentence per hook that could not be told.
    """
    try:
        everyone = hooks(home)
    except NoticesError as error:
        log(notice)
        return [str(error)]
    failed = []
    for hook in everyone:
        try:
            hook(notice)
        except Exception as error:  # noqa: BLE001 - whatever a hook raises, the run's end stands
            name = getattr(hook, "__name__", type(hook).__name__).lower()
            failed.append(f"the notice could not be sent: {name} ({type(error).__name__})")
    return failed


def _named(name: str) -> Hook:
    module, _, function = name.partition(":")
    try:
        found: Any = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise NoticesError(f"notices.toml: hooks.call: there is no {name}") from None
    hook: Hook = found
    return hook


def of_run(home: Home, faults: list[tuple[str, str]]) -> Notice:
    """The notice of a run of the command line.

    Refusals, red checks and our own errors are told in full: they hold no value. Of any other
    error only that there was one.
    """
    told = tuple(sentence for kind, sentence in faults if kind != "error")
    n_errors = sum(kind == "error" for kind, _ in faults)
    said = f"{counted(n_errors, 'error')}: see registry status and the run's log."
    errors = (said,) if n_errors else ()
    return Notice(f"registry run on {home.path}: failed", (*told, *errors))
