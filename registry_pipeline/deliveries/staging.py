"""Delivered files on their way into the protected home.

Belongs here: the hash of a file, the copy under that hash that is judged and then deleted, and the
start of its judgement while the file before it is stored.
Does not belong here: what is in the file (see `gate`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import polars as pl

from registry_pipeline.gate.ahead import ahead
from registry_pipeline.gate.errors import RefusedFileError
from registry_pipeline.gate.gate import Batch
from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.home import Home
from registry_pipeline.warehouse.faults import is_full

_BLOCK = 1 << 22


@dataclass(frozen=True)
class Arrival:
    """A form of a delivery on its way in.

    Attributes:
        path: the delivered file; None where the manifest only takes rows back.
        name: the file as messages name it.
        is_here: the form was accepted under this delivery's id before.
        same: hashes accepted before that took back the same keys; with None if that is known of
            this delivery without its file.
        retracted: the rows of keys that the manifest takes back.
        sha: the file's hash, once it was read.
        staged: its copy in the home.
        batches: its rows, judged at one look; the first blocks are judged already.
        refused: why it could not be read, or why its start could not be taken in.
    """

    form: str
    path: Path | None
    name: str
    is_here: bool
    same: set[str | None]
    retracted: pl.DataFrame | None = None
    sha: str | None = None
    staged: Path | None = None
    batches: Iterable[Batch] = ()
    refused: RefusedFileError | None = None

    @property
    def is_same(self) -> bool:
        """Whether the same was taken in before, or the file is gone since it was."""
        return self.sha in self.same


@contextmanager
def staged_ahead(
    home: Home,
    manifest: Manifest,
    arrivals: Iterable[Arrival],
    judged: Callable[[Arrival], Iterator[Batch]],
) -> Iterator[Iterator[Arrival]]:
    """The arrivals, each staged and begun while the one before is stored; no copy stays.

    Args:
        home: where files are staged.
        manifest: may state their hashes.
        arrivals: in the order in which they are taken in.
        judged: the batches of a staged arrival.
    """
    staged = ahead(_begun(_staged(home, manifest, arrival), judged) for arrival in arrivals)
    try:
        yield staged
    finally:
        staged.close()
        for copy in home.staging.iterdir():
            copy.unlink()


def _staged(home: Home, manifest: Manifest, arrival: Arrival) -> Arrival:
    """The arrival with its hash, and with its copy unless the ledger knows it already."""
    path, name = arrival.path, arrival.name
    if path is None or arrival.refused:
        return arrival
    try:
        if arrival.same or arrival.is_here:  # only then a look before the copy spares one
            known = replace(arrival, sha=sha256_of(path, name, manifest))
            if known.is_same or known.is_here:
                return known
        staged, sha = stage(home, arrival.form, path, name, manifest)
    except RefusedFileError as error:
        return replace(arrival, refused=error)
    return replace(arrival, sha=sha, staged=staged)


def _begun(arrival: Arrival, judged: Callable[[Arrival], Iterator[Batch]]) -> Arrival:
    """The arrival with its judgement under way: who asks for one batch has the next ones made."""
    if arrival.staged is None:
        return arrival
    batches = judged(arrival)
    try:
        first = list(islice(batches, 1))
    except RefusedFileError as error:
        return replace(arrival, refused=error)
    return replace(arrival, batches=chain(first, batches))


def sha256_of(path: Path, name: str, manifest: Manifest) -> str:
    """The hash of a delivered file, which is read where it lies.

    Args:
        path: the file.
        name: the file as messages name it.
        manifest: may state the hash.

    Raises:
        RefusedFileError: not a regular file, unreadable, or of another hash than is stated.
    """
    return _hashed(path, name, manifest, lambda _: None)


def stage(home: Home, form: str, path: Path, name: str, manifest: Manifest) -> tuple[Path, str]:
    """Copies a file into the protected home under its hash: what is judged is what is kept.

    Each form has a copy of its own: one of a file that several forms read is deleted while the next
    form is read already.

    Returns:
        The copy and the hash.

    Raises:
        RefusedFileError: as `sha256_of`.
        OSError: the home's disk is full.
    """
    partial = home.staging / "incoming"
    with partial.open("wb") as target:
        sha = _hashed(path, name, manifest, target.write)
    return partial.rename(home.staging / f"{sha}-{form}{path.suffix}"), sha


def _hashed(path: Path, name: str, manifest: Manifest, passed_on: Callable[[bytes], object]) -> str:
    if path.is_symlink() or not path.is_file():
        raise RefusedFileError(name, "not_a_file", "is not a regular file")
    digest = hashlib.sha256()
    try:
        with path.open("rb") as source:
            while block := source.read(_BLOCK):
                digest.update(block)
                passed_on(block)
    except OSError as error:
        if is_full(error):
            raise
        raise RefusedFileError(name, "unreadable", "cannot be read") from None
    sha = digest.hexdigest()
    if manifest.sha256.get(path.name, sha) != sha:
        what = "does not have the sha256 that delivery.toml states"
        raise RefusedFileError(name, "sha256_mismatch", what)
    return sha
