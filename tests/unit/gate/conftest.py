"""A file through the gate, in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from registry_pipeline.gate.gate import read_form
from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.pseudonym import Key
from registry_pipeline.gate.structure import BLOCK_BYTES
from schemas.protocol import Protocol, load_shipped

KEY = Key((bytes(range(32)),))


@dataclass(frozen=True)
class Judged:
    """All batches of a file, joined."""

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    problems: pl.DataFrame
    warnings: pl.DataFrame
    n_batches: int
    n_left_out: int = 0

    @property
    def rules(self) -> list[tuple[int, str | None, str]]:
        return self.problems.select("row_number", "column_name", "rule_id").rows()


@pytest.fixture(scope="session")
def lar_x() -> Protocol:
    """The protocol, taking any share of bad rows."""
    return load_shipped("lar_x").model_copy(update={"max_quarantine_share": 1.0})


@pytest.fixture(scope="session")
def manifest() -> Callable[..., Manifest]:
    def made(**said: object) -> Manifest:
        fixed = {"protocol": "lar_x", "quarter": "2014-Q3", "number": 1, "kind": "full"}
        return Manifest.model_validate(
            {**fixed, "extracted_on": date(2014, 10, 1), "sender": "helse-bergen", **said}
        )

    return made


@pytest.fixture
def gate(
    tmp_path: Path, lar_x: Protocol, manifest: Callable[..., Manifest]
) -> Callable[..., Judged]:
    """Writes a file and reads a form from it."""

    def read(
        name: str,
        content: str | bytes,
        *,
        form: str | None = None,
        protocol: Protocol = lar_x,
        block_bytes: int = BLOCK_BYTES,
        at_one_look: bool = False,
        **said: object,
    ) -> Judged:
        path = tmp_path / "staged"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        batches = list(
            read_form(
                path,
                form or name.split(".", maxsplit=1)[0],
                protocol,
                manifest(**said),
                Persons(protocol, KEY),
                name=name,
                block_bytes=block_bytes,
                at_one_look=at_one_look,
            )
        )
        joined = [
            pl.concat([pl.DataFrame(), *(getattr(one, part) for one in batches)], how="diagonal")
            for part in ("accepted", "quarantined", "problems", "warnings")
        ]
        return Judged(*joined, len(batches), sum(one.n_left_out for one in batches))

    return read
