"""The landing folder as it lies: which folders are deliveries, and which file is which form.

Belongs here: names and order of deliveries, the file of each form, the names that may be shown.
Does not belong here: the files' contents (`gate`), whether a folder is whole (`settled`).
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from registry_pipeline.gate.errors import DeliveryError, counted
from registry_pipeline.gate.identity import find_identity
from registry_pipeline.gate.manifest import MANIFEST, Manifest, read_manifest
from schemas.forms import FORMS
from schemas.protocol import Protocol

SUFFIXES = (".csv", ".xlsx", ".parquet")
_PLAIN = re.compile(r"[A-Za-z0-9ÆØÅæøå._() -]{1,100}")


def deliveries(landing: Path) -> list[Path]:
    """The delivery folders of a landing folder, in the order they apply.

    A folder without a manifest is still being written, or is none: it waits (see `unannounced`).
    One whose name may not be shown is left alone (see `misnamed`).
    """
    return sorted((folder for folder in _folders(landing) if _is_named(folder)), key=_order)


def misnamed(landing: Path) -> str:
    """One sentence about delivery folders whose names cannot be used; empty when there are none."""
    wrong = sum(not _is_named(folder) for folder in _folders(landing))
    if not wrong:
        return ""
    return (
        f"{landing}: the names of {counted(wrong, 'delivery folder')} hold other signs than "
        "letters, digits, space and . _ - ( ), or what may be an identity number: left alone"
    )


def unannounced(landing: Path) -> list[str]:
    """One sentence per folder that holds files and no manifest: it waits until there is one."""
    folders = sorted({path.parent for path in landing.glob("*/*/*") if path.is_file()})
    return [
        f"{shown(folder.parent.name)}/{shown(folder.name)}: waits, since it has no {MANIFEST}"
        for folder in folders
        if not (folder / MANIFEST).exists()
    ]


def partition_key(folder: Path) -> str:
    """`<protocol>/<delivery>`: the name of a delivery everywhere."""
    return f"{folder.parent.name}/{folder.name}"


def form_files(folder: Path, protocol: Protocol, manifest: Manifest) -> dict[str, Path]:
    """Form to the file it is read from.

    Raises:
        DeliveryError: a file that no form reads, two files for one form, or one that the
            manifest counts and the folder does not hold.
    """
    by_stem: dict[str, Path] = {}
    sources = {protocol.form(form).source or form for form in FORMS}
    for path in sorted(folder.iterdir()):
        if path.name == MANIFEST:
            continue
        if path.suffix.lower() not in SUFFIXES or path.stem not in sources:
            where = f"{partition_key(folder)}/{shown(path.name)}"
            raise DeliveryError(f"{where}: no form of protocol {protocol.id} has this name")
        if path.stem in by_stem:
            where = f"{partition_key(folder)}/{path.name}"
            raise DeliveryError(f"{where}: the form is there twice, as {by_stem[path.stem].name}")
        by_stem[path.stem] = path
    for stem in manifest.rows:
        if stem not in by_stem:
            raise DeliveryError(
                f"{partition_key(folder)}/{MANIFEST}: counts rows of {stem}, "
                "and the folder holds no such file"
            )
    pairs = {form: protocol.form(form).source or form for form in FORMS}
    return {form: by_stem[stem] for form, stem in pairs.items() if stem in by_stem}


def shown(name: str) -> str:
    """A name as a message may hold it: without odd signs or what may be an identity number."""
    is_safe = _PLAIN.fullmatch(name) and not find_identity(pl.Series([name])).any()
    return name if is_safe else "(a name that is not shown)"


def _folders(landing: Path) -> list[Path]:
    return [path.parent for path in landing.glob(f"*/*/{MANIFEST}")]


def _is_named(folder: Path) -> bool:
    return all(shown(name) == name for name in (folder.parent.name, folder.name))


def _order(folder: Path) -> tuple[str, str, int, str]:
    try:
        manifest = read_manifest(folder)
    except DeliveryError:
        return (folder.parent.name, folder.name, 0, folder.name)
    return (folder.parent.name, manifest.quarter, manifest.number, folder.name)
