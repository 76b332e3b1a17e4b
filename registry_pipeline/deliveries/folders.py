"""The landing folder as it lies: which folders are deliveries, and which file is which form.

Belongs here: names and order of deliveries, the file of each form.
Does not belong here: the files' contents (`gate`), whether a folder is whole (`settled`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry_pipeline.gate.errors import DeliveryError, RefusedFileError, counted
from registry_pipeline.gate.manifest import MANIFEST, Manifest, read_manifest
from registry_pipeline.gate.names import shown
from schemas.forms import FORMS
from schemas.protocol import Protocol

SUFFIXES = (".csv", ".xlsx", ".parquet")

_NOBODYS: Final = re.compile(r"\.ds_store|\._.*|~\$.*|thumbs\.db|desktop\.ini", re.IGNORECASE)
"""What file managers and open workbooks leave in a folder that was looked at."""


def deliveries(landing: Path) -> list[Path]:
    """The delivery folders of a landing folder, in the order they apply.

    A folder without a manifest is still being written, or is none: it waits (see `unannounced`).
    One whose name may not be shown is left alone (see `left_alone`).
    """
    return sorted((folder for folder in _folders(landing) if _is_named(folder)), key=_order)


def left_alone(landing: Path) -> list[str]:
    """One sentence about the folders whose names cannot be used, and one per unreadable folder."""
    wrong = sum(not _is_named(folder) for folder in _folders(landing))
    misnamed = (
        f"{landing}: the names of {counted(wrong, 'delivery folder')} hold other signs than "
        "letters, digits, space and . _ - ( ), or what may be an identity number: left alone"
    )
    closed = sorted(
        "/".join(shown(part) for part in folder.relative_to(landing).parts)
        for folder in (landing, *landing.glob("*"), *landing.glob("*/*"))
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK)
    )
    return [
        *([misnamed] if wrong else []),
        *(f"{landing}: the folder {name or landing.name} cannot be read" for name in closed),
    ]


def unannounced(landing: Path) -> list[str]:
    """One sentence per folder that holds files and no manifest: it waits until there is one."""
    files = (path for path in landing.glob("*/*/*") if path.is_file())
    folders = sorted({path.parent for path in files if not _NOBODYS.fullmatch(path.name)})
    return [
        f"{shown(folder.parent.name)}/{shown(folder.name)}: waits, since it has no {MANIFEST}"
        for folder in folders
        if not (folder / MANIFEST).exists()
    ]


def sent(folder: Path) -> list[Path]:
    """What somebody put into a delivery's folder; what a computer left there is nobody's."""
    return sorted(path for path in folder.iterdir() if not _NOBODYS.fullmatch(path.name))


def partition_key(folder: Path) -> str:
    """`<protocol>/<delivery>`: the name of a delivery everywhere."""
    return f"{folder.parent.name}/{folder.name}"


@dataclass(frozen=True)
class Contents:
    """What stands in a delivery's folder.

    Attributes:
        files: form to the file it is read from.
        refused: form to why it has no file to be read from.
        strays: one sentence per file that no form reads, and per file announced that none would.
    """

    files: dict[str, Path]
    refused: dict[str, RefusedFileError]
    strays: tuple[str, ...]


def contents(
    folder: Path, protocol: Protocol, manifest: Manifest, taken: Collection[str]
) -> Contents:
    """The file of each form; what is wrong with one file leaves the others.

    Args:
        folder: the delivery's folder.
        protocol: says what the files of its forms are called.
        manifest: announces files, by their rows or their hash.
        taken: forms that were accepted of this delivery before, whose files may be gone.
    """
    forms_of: dict[str, list[str]] = {}
    for form in FORMS:
        forms_of.setdefault(protocol.form(form).source or form, []).append(form)
    paths, strays = _sorted_out(folder, protocol, manifest, forms_of.keys())
    missing = {stem for stem in _announced(manifest) if manifest.rows.get(stem) != 0}
    files: dict[str, Path] = {}
    refused: dict[str, RefusedFileError] = {}
    for stem, forms in forms_of.items():
        found = paths.get(stem, [])
        if len(found) == 1:
            files |= dict.fromkeys(forms, found[0])
        elif found:
            name = f"{partition_key(folder)}/{found[-1].name}"
            what = f"the form is there twice, as {found[0].name} too"
            refused |= dict.fromkeys(forms, RefusedFileError(name, "form_twice", what))
        elif stem in missing:
            name = f"{partition_key(folder)}/{MANIFEST}"
            what = f"announces {stem}, and the folder holds no such file"
            error = RefusedFileError(name, "missing_file", what)
            refused |= {form: error for form in forms if form not in taken}
    return Contents(files, refused, strays)


def _sorted_out(
    folder: Path, protocol: Protocol, manifest: Manifest, stems: Collection[str]
) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """Files by the name that a form has; and a sentence per name that none has."""
    paths: dict[str, list[Path]] = {}
    no_form = f"no form of protocol {protocol.id} has this name"
    strays = [
        f"{partition_key(folder)}/{MANIFEST}: announces {shown(stem)}, and {no_form}"
        for stem in sorted(_announced(manifest) - {*stems})
    ]
    for path in sent(folder):
        if path.suffix.lower() in SUFFIXES and path.stem in stems:
            paths.setdefault(path.stem, []).append(path)
        elif path.name != MANIFEST:
            strays.append(f"{partition_key(folder)}/{shown(path.name)}: {no_form}")
    return paths, tuple(strays)


def _announced(manifest: Manifest) -> set[str]:
    """Names, without their endings, of the files that the manifest speaks of."""
    return {*manifest.rows, *(Path(name).stem for name in manifest.sha256)}


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
