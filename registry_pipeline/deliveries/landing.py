"""Writing a landing folder: the manifest that makes a delivery whole.

Belongs here: the text of `delivery.toml`, for whoever makes deliveries.
Does not belong here: reading one (see `gate.manifest`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

from registry_pipeline.gate.manifest import MANIFEST


def write_manifest(
    folder: Path,
    *,
    protocol: str,
    quarter: str,
    extracted_on: date,
    sender: str,
    rows: Mapping[str, int],
    number: int = 1,
    kind: Literal["full", "correction"] = "full",
    file_format: Mapping[str, str] | None = None,
) -> None:
    """Writes `delivery.toml`, last, with the control totals and the SHA-256 of every file there.

    Args:
        folder: the delivery's folder, with its files written.
        protocol: id of the protocol.
        quarter: such as 2014-Q3.
        extracted_on: the data cut-off.
        sender: who sends it.
        rows: form name to number of rows.
        number: 1, or 2, 3, ... for corrections.
        kind: full, or correction, which never moves the cut-off.
        file_format: encoding, delimiter and decimal sign, where a reader cannot know them.
    """
    lines = [
        f'protocol = "{protocol}"',
        f'quarter = "{quarter}"',
        f"number = {number}",
        f"extracted_on = {extracted_on}",
        f'kind = "{kind}"',
        f'sender = "{sender}"',
        "\n[rows]",
        *(f"{form} = {count}" for form, count in rows.items()),
        "\n[sha256]",
        *(f'"{path.name}" = "{_sha256(path)}"' for path in sorted(folder.iterdir())),
    ]
    if file_format:
        lines += ["\n[format]", *(f'{name} = "{value}"' for name, value in file_format.items())]
    text = "\n".join(lines) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
