"""The run: which home, which landing folder, and the lock held from first step to last.

Belongs here: the resource every asset works through.
Does not belong here: what assets do with it.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import dagster as dg
import duckdb
from pydantic import PrivateAttr

from registry_pipeline.building import beside
from registry_pipeline.child import start_all
from registry_pipeline.home import WAIT_SECONDS, Home
from registry_pipeline.operation.reconcile import end_dead_runs
from registry_pipeline.operation.run_names import run_name
from registry_pipeline.warehouse.database import connect

POOL = "duckdb"
"""The pool of every step that writes: DuckDB has one writer."""


class RegistryRun(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One run over a home folder; it holds the home's lock while it lives.

    Attributes:
        home: the home folder.
        landing: the landing folder.
        protocol_file: a protocol given for this run; empty for those in use.
        wait_seconds: how long to wait for another run to end.
    """

    home: str
    landing: str
    protocol_file: str = ""
    wait_seconds: float = WAIT_SECONDS
    _leaving: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["RegistryRun"]:
        """Locks and prepares the home for the whole of the run; a sensor's look needs neither."""
        if context.run is None or context.instance is None or context.log is None:
            yield self
            return
        run = context.run
        with (
            self.place.alive(run.run_id),
            self.place.lock(self.wait_seconds, run_name(run)),
        ):
            self.place.prepare()
            for sentence in end_dead_runs(context.instance, self.place, run.run_id):
                context.log.warning(sentence)
            start_all()
            try:
                yield self
            finally:
                beside.clear()

    @property
    def place(self) -> Home:
        """The home folder."""
        return Home(Path(self.home))

    @property
    def landing_folder(self) -> Path:
        """The landing folder."""
        return Path(self.landing)

    @property
    def protocol_text(self) -> str | None:
        """The text of the protocol given for this run."""
        if not self.protocol_file:
            return None
        return Path(self.protocol_file).read_text(encoding="utf-8")

    @property
    def leaving(self) -> Mapping[str, tuple[str, ...]]:
        """Whom this run was asked to erase: tombstone to the ways of writing the id.

        Of this process alone: no id is written anywhere, not for the proof either.
        """
        return self._leaving

    def remember(self, leaving: Mapping[str, tuple[str, ...]]) -> None:
        """Keeps the ids of those to be erased until the run has proved them gone."""
        self._leaving |= leaving

    def connect(
        self, *, in_any_order: bool = False
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A writing connection, opened late and closed by the step that asked for it."""
        return connect(self.place, in_any_order=in_any_order)
