"""The manifest of a delivery: `delivery.toml`.

Belongs here: what a sender may say about a delivery, and the reading of it.
Does not belong here: whether a file agrees with it (see `gate`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from registry_pipeline.gate.errors import DeliveryError
from registry_pipeline.gate.identity import holds_identity
from registry_pipeline.gate.names import shown
from schemas.forms import FORMS

MANIFEST: Final = "delivery.toml"
"""The manifest's name in a delivery's folder."""

_ENCODINGS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-8-sig": "utf-8",
    "windows-1252": "windows-1252",
    "cp1252": "windows-1252",
}

Count = Annotated[int, Field(ge=0, strict=True)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Format(_Part):
    """How the CSV files of a delivery are written; None where the sender does not say.

    Attributes:
        encoding: `utf-8` or `windows-1252` (also as `cp1252`).
        delimiter: comma or semicolon.
        decimal: point or comma.
    """

    encoding: Literal["utf-8", "windows-1252"] | None = None
    delimiter: Literal[",", ";"] | None = None
    decimal: Literal[".", ","] | None = None

    @field_validator("encoding", mode="before")
    @classmethod
    def _known_name(cls, value: Any) -> Any:
        return _ENCODINGS.get(value.lower(), value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _two_signs(self) -> Format:
        if self.delimiter is not None and self.delimiter == self.decimal:
            raise ValueError("delimiter and decimal are the same sign")
        return self


class Manifest(_Part):
    """What the sender says of a delivery; see the contract, section 2.

    Attributes:
        protocol: id of the protocol the rows follow.
        quarter: the quarter delivered, `2014-Q3`.
        number: 1, then 2, 3, ... for corrections of the quarter.
        extracted_on: the cut-off; no date of something that happened lies after it, and it does
            not lie before the quarter begins (January's new year is easily forgotten).
        kind: `full`, or `correction`, which never moves the cut-off.
        sender: who delivers.
        rows: control totals, data rows by file (its name without the ending).
        sha256: hash in hex by file name, ending included.
        format: how the CSV files are written.
        retract: by form, the keys of rows that are taken back.
    """

    protocol: str = Field(min_length=1)
    quarter: str = Field(pattern=r"^[12][0-9]{3}-Q[1-4]$")
    number: int = Field(ge=1, strict=True)
    extracted_on: date
    kind: Literal["full", "correction"]
    sender: str = Field(min_length=1)
    rows: dict[str, Count] = Field(default_factory=dict)
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    format: Format = Format()
    retract: dict[str, tuple[dict[str, str | int | date], ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _within_reach(self) -> Manifest:
        year, number = self.quarter.split("-Q")
        if (self.extracted_on.year, (self.extracted_on.month + 2) // 3) < (int(year), int(number)):
            raise ValueError("extracted_on lies before the quarter begins")
        return self

    @field_validator("retract")
    @classmethod
    def _known_forms(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value.keys() <= FORMS.keys():
            raise ValueError("names a form that does not exist")
        return value


_WANTED: Final = {
    "protocol": "the id of a protocol",
    "quarter": "a quarter, as in 2014-Q3",
    "number": "a whole number from 1 on, without quotes",
    "extracted_on": "a day, as in 2014-10-01",
    "kind": "full or correction",
    "sender": "the name of whoever delivers",
    "rows": "a whole number from 0 on for each file, without quotes",
    "sha256": "64 hexadecimal digits in lower case for each file, its name in quotes",
    "format": "a table of encoding, delimiter and decimal",
    "format.encoding": "utf-8 or windows-1252",
    "format.delimiter": "a comma or a semicolon",
    "format.decimal": "a point or a comma",
    "retract": "a list of keys for each form, each a table of text, whole numbers and days",
}
"""What each field of a manifest must be."""

_KEY_DEPTH: Final = 4
"""A retracted row's column is the fourth step to it; what follows is the model's own."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the delivery in a folder.

    Raises:
        DeliveryError: there is none, it is not TOML, a field is wrong or holds an identity number;
            the sentence names protocol, delivery (by their folders) and field, never its value.
    """
    place = f"{folder.parent.name}/{folder.name}/{MANIFEST}"
    try:
        manifest = Manifest.model_validate(tomllib.loads((folder / MANIFEST).read_text("utf-8")))
    except FileNotFoundError:
        raise DeliveryError(f"{place}: there is no manifest") from None
    except OSError:
        raise DeliveryError(f"{place}: the manifest cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise DeliveryError(f"{place}: not a TOML file") from None
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        wrong = "; ".join(dict.fromkeys(_sentence(item["loc"], item) for item in found))
        raise DeliveryError(f"{place}: {wrong}") from None
    for field, text in _stored(manifest):
        if holds_identity(text):
            what = "holds a national identity number (identity_number)"
            raise DeliveryError(f"{place}: {field}: {what}")
    return manifest


def _stored(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Every text of a manifest that is stored as it stands: its place and the text."""
    yield "sender", manifest.sender
    for form, keys in manifest.retract.items():
        for entry, key in enumerate(keys, start=1):
            for column, cell in key.items():
                if column != "patient_id":  # becomes a pseudonym, or refuses the form
                    yield f"retract.{form} entry {entry}, {shown(column)}", str(cell)


def _sentence(at: tuple[int | str, ...], item: Any) -> str:
    """What is wrong with a field, in our words."""
    if item["type"] == "value_error":
        what = item["msg"].removeprefix("Value error, ")
        return f"{_field(at)}: {what}" if at else what
    field = _field(at[:_KEY_DEPTH] if at[0] == "retract" else at)
    if item["type"] == "extra_forbidden":
        return f"{field}: a manifest has no such field"
    wanted = _WANTED.get(field) or _WANTED[str(at[0])]
    return f"{field}: {'is missing; it' if item['type'] == 'missing' else 'it'} must be {wanted}"


def _field(at: tuple[int | str, ...]) -> str:
    """A field by the steps to it, some of which are the sender's own words."""
    return ".".join(shown(str(step)) for step in at)
