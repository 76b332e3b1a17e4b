"""The home folder: where everything the registry keeps has its place, and the lock on it.

Belongs here: paths, modes and the one lock every run holds from its first step to its last.
Does not belong here: what is written to those places.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout


class HomeBusyError(RuntimeError):
    """Another run holds the lock on the home folder."""


WAIT_SECONDS: Final = 60.0
"""How long a run waits for another one on the same home, where nobody says otherwise."""

Say = Callable[[str], None]
"""Told a sentence at once, while a command goes on."""

_LIVING: Final[set[Path]] = set()
"""The files of the runs that live in this process, as `Home.alive` makes them."""


def note_stopped() -> None:
    """Notes beside each run of this process that a person stops it, just before it ends."""
    for file in tuple(_LIVING):
        _stopped(file).touch(mode=0o600)


def _stopped(file: Path) -> Path:
    return file.with_name(f"{file.name}.stopped")


@dataclass(frozen=True)
class Home:
    """A home folder.

    Attributes:
        path: the folder itself, mode 0700.
    """

    path: Path

    @property
    def database(self) -> Path:
        """The live database; one writer."""
        return self.path / "registry.duckdb"

    @property
    def witness(self) -> Path:
        """How many files were taken in, said outside the database."""
        return self.path / "taken_in"

    @property
    def published(self) -> Path:
        """What analysts and the quality coordinator open."""
        return self.path / "published"

    @property
    def analysis(self) -> Path:
        """The published copy of the database, replaced atomically."""
        return self.published / "analysis.duckdb"

    @property
    def snapshots(self) -> Path:
        """Published files before the present one, the newest few."""
        return self.published / "snapshots"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' pages."""
        return self.published / "data_docs"

    @property
    def staging(self) -> Path:
        """Delivered files while they are read, under their hash."""
        return self.path / "staging"

    @property
    def spill(self) -> Path:
        """Where DuckDB spills: plaintext, so inside the home and emptied at start."""
        return self.path / "spill"

    @property
    def instance(self) -> Path:
        """The Dagster instance."""
        return self.path / "dagster"

    @property
    def erasures(self) -> Path:
        """Requests being carried out, and the signed proofs of those that were."""
        return self.path / "erasures"

    @property
    def is_production(self) -> bool:
        """Whether numbers made for tests are refused: REGISTRY_PRODUCTION is 1."""
        return os.environ.get("REGISTRY_PRODUCTION", "") not in ("", "0")

    @property
    def rewritten(self) -> Path:
        """The live database while it is written anew, beside the one in use."""
        return self.path / "registry.duckdb.new"

    @property
    def running(self) -> Path:
        """One lock file per run that lives: who holds it is not dead."""
        return self.path / "running"

    @property
    def holder(self) -> str:
        """Who holds the lock, in words; empty when nobody does, whatever a killed holder wrote."""
        if not self._holder.exists():
            return ""
        try:
            with self._lock.acquire(timeout=0):
                return ""
        except Timeout:
            return self._holder.read_text(encoding="utf-8") if self._holder.exists() else ""

    @property
    def _lock(self) -> FileLock:
        return FileLock(self.path / ".lock", mode=0o600)

    @property
    def _holder(self) -> Path:
        return self.path / ".holder"

    @property
    def key_file(self) -> Path:
        """The pseudonym key, unless REGISTRY_KEY_FILE names another."""
        named = os.environ.get("REGISTRY_KEY_FILE")
        return Path(named) if named else self.path / "pseudonym.key"

    @property
    def next_key_file(self) -> Path:
        """The key file that a rotation is about to put in place."""
        return self.key_file.with_name(f"{self.key_file.name}.next")

    def prepare(self) -> None:
        """Makes the folders, readable by the owner alone, and clears what a killed run left."""
        os.umask(0o077)
        for folder in (self.path, self.snapshots, self.staging, self.spill, self.instance):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        leftovers = [
            *self.staging.iterdir(),
            *self.spill.iterdir(),
            *self.published.glob("*.tmp*"),
            *self.path.glob(f"{self.rewritten.name}*"),
        ]
        for leftover in leftovers:
            if leftover.is_file():
                leftover.unlink()

    def say_who_holds(self, wait_seconds: float, say: Say) -> None:
        """Tells at once who will be waited for; nothing where nobody holds the home."""
        if wait_seconds and (holder := self.holder):
            say(f"{self.path}: waits up to {wait_seconds:g} seconds for {holder}")

    @contextmanager
    def lock(
        self, wait_seconds: float = 0, holder: str = "registry", say: Say = lambda _: None
    ) -> Iterator[None]:
        """Holds the lock on the home, so that a publication never mixes two runs.

        Args:
            wait_seconds: how long to wait for another holder to end.
            holder: what holds it, in the words another one's message will use.
            say: told at once who is waited for.

        Raises:
            HomeBusyError: another run holds it after `wait_seconds`; the sentence names it.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.say_who_holds(wait_seconds, say)
        lock = self._lock
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout as error:
            raise HomeBusyError(
                f"{self.path}: another run holds this home: {self.holder or 'a process unknown'}; "
                f"waited {wait_seconds:g} seconds; try again when it has ended"
            ) from error
        try:
            with suppress(OSError):  # on a full disk who waits is not told the name, and no more
                self._holder.write_text(f"{holder}, process {os.getpid()}", encoding="utf-8")
            yield
        finally:
            self._holder.unlink(missing_ok=True)
            lock.release()

    @contextmanager
    def alive(self, run_id: str) -> Iterator[None]:
        """Shows that a run lives, from before it waits for the home's lock to its end."""
        self.running.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.running / run_id
        with FileLock(file, mode=0o600):
            _LIVING.add(file)
            try:
                yield
            finally:
                _LIVING.discard(file)
                file.unlink(missing_ok=True)

    def is_alive(self, run_id: str) -> bool:
        """Whether the process of a run lives; what a dead one left is removed."""
        file = self.running / run_id
        if not file.exists():
            return False
        try:
            with FileLock(file, timeout=0):
                file.unlink()
        except Timeout:
            return True
        return False

    def was_stopped(self, run_id: str) -> bool:
        """Whether a run whose process is gone was stopped by a person, as `note_stopped` noted."""
        return _stopped(self.running / run_id).exists()

    def forget_stopped(self, run_id: str) -> None:
        """Removes what says so, once the run is marked as ended."""
        _stopped(self.running / run_id).unlink(missing_ok=True)
