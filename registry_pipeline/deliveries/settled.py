"""Whether a delivery's folder is whole, or someone still writes it.

Belongs here: the two signs of a whole folder: the manifest's hashes, or a state that does not move.
Does not belong here: what is taken in, and what is wrong with it (see `intake`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from registry_pipeline.deliveries.folders import sent
from registry_pipeline.gate.errors import DeliveryError
from registry_pipeline.gate.manifest import MANIFEST, read_manifest

SETTLE_SECONDS = 1.0
"""How long a folder without hashes is watched before it counts as whole."""


def state(folder: Path) -> str:
    """A name for what stands in a folder: it changes when a file comes, goes, grows or is touched.

    Nothing is opened: a delivery may hold a pipe, or a file nobody may read. Hidden files count:
    a copy may be written under such a name first.
    """
    digest = hashlib.sha256(f"{folder.parent.name}/{folder.name}".encode())
    for path in sorted(folder.iterdir()):
        said = path.lstat()
        digest.update(f"{path.name}\0{said.st_size}\0{said.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def is_proved(folder: Path) -> bool:
    """Whether the manifest states the hash of every file in the folder, and each has it."""
    try:
        stated = read_manifest(folder).sha256
    except DeliveryError:
        return False
    there = {path.name: path for path in sent(folder) if path.name != MANIFEST}
    return there.keys() == stated.keys() and all(
        _has_hash(path, stated[name]) for name, path in there.items()
    )


def settled(folders: Iterable[Path], seconds: float = SETTLE_SECONDS) -> list[Path]:
    """The folders that are whole, in the order given.

    Args:
        folders: folders with a manifest.
        seconds: how long those without matching hashes are watched.
    """
    given = list(folders)
    before = {folder: state(folder) for folder in given if not is_proved(folder)}
    if before:
        time.sleep(seconds)
    return [folder for folder in given if folder not in before or before[folder] == state(folder)]


def _has_hash(path: Path, stated: str) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == stated
    except OSError:
        return False
