"""Keyed pseudonyms: the key file, and the way from a person's id to its pseudonym.

Belongs here: making, reading and proving the key, and the hash. Does not belong here: whether an
id is valid (`persons`), or where key id and check value are kept (`registry_pipeline.warehouse`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from schemas.protocol import Protocol

_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_KEY_BYTES = 32


class KeyFileError(Exception):
    """A key file that cannot be used; one sentence names the file and what is wrong with it."""


@dataclass(frozen=True)
class Key:
    """The secret behind the pseudonyms, with what may be stored to recognise it.

    Attributes:
        secret: 32 random bytes; never shown, logged or stored beside the data.
        created: whether the file was made just now, which a run says aloud.
    """

    secret: bytes = field(repr=False)
    created: bool = False

    @property
    def key_id(self) -> str:
        """Eight letters that name the key; safe to store and to show."""
        return _letters(hmac.digest(self.secret, b"registry key id", "sha256"))[:8]

    @property
    def check_value(self) -> str:
        """32 letters that only this key gives: a stored one refuses a run with another key."""
        return _letters(hmac.digest(self.secret, b"registry check value", "sha256"))


def load_or_create_key(path: Path) -> Key:
    """The key in a file, made there (mode 0600, 32 random bytes in hex) when there is no file.

    Raises:
        KeyFileError: the folder is missing, the file is not a regular file of its owner alone, or
            it does not hold 64 hex digits.
    """
    if not path.parent.is_dir():
        raise KeyFileError(f"{path}: the folder of the key file does not exist")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Key(_read_secret(path))
    secret = os.urandom(_KEY_BYTES)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(descriptor, 0o600)
        file.write(secret.hex() + "\n")
        file.flush()
        os.fsync(descriptor)
    return Key(secret, created=True)


def _read_secret(path: Path) -> bytes:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise KeyFileError(f"{path}: the key file is not a regular file; a link is refused")
    if mode & 0o077:
        raise KeyFileError(f"{path}: the key file is open to others; its mode must be 0600")
    try:
        with path.open("rb") as file:
            text = file.read(2 * _KEY_BYTES + 3)
    except OSError:
        raise KeyFileError(f"{path}: the key file cannot be read") from None
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise KeyFileError(f"{path}: the key file does not hold 64 hex digits")
    return secret


def namespace(protocol: Protocol) -> str:
    """`national`, so that a person is one across protocols, or the protocol for local ids."""
    return "national" if protocol.person_id == "national" else protocol.id


class UniqueMap:
    """A column function that sees each distinct text once, however many rows and batches hold it.

    `function` takes a column of distinct texts without nulls and gives a frame of the same height;
    what it gave is kept for the life of the map, so memory grows with the persons, not the rows.
    """

    def __init__(self, function: Callable[[pl.Series], pl.DataFrame]) -> None:
        self._function = function
        self._known = self._row(pl.Series("text", [], dtype=pl.String))

    def apply(self, texts: pl.Series) -> pl.DataFrame:
        """The function's columns for every text, in order; nulls stay null.

        Files are mostly sorted by person, so a run of equal texts is looked up once.
        """
        runs = texts.rle().struct.field("value").alias("text").to_frame()
        distinct = runs.unique().drop_nulls()
        new = distinct.join(self._known, on="text", how="anti")["text"]
        if new.len():
            self._known = pl.concat([self._known, self._row(new)])
        asked = self._known.join(distinct, on="text", how="semi")
        found = runs.join(asked, on="text", how="left", maintain_order="left").drop("text")
        return found[texts.rle_id()]

    def _row(self, texts: pl.Series) -> pl.DataFrame:
        return self._function(texts).with_columns(text=texts)


class Pseudonymiser:
    """Turns normalised ids into pseudonyms.

    The pseudonym of an id is HMAC-SHA-256 over the UTF-8 bytes of the namespace, one byte 0x1F
    and the normalised id; its first 16 bytes are written as 32 letters, each hex digit 0..f as
    a..p (digit runs would trip the identity scanner). The same key, namespace and id give the same
    pseudonym for ever; without the key nothing leads back.
    """

    def __init__(self, key: bytes, namespace: str) -> None:
        self._key = key
        self._prefix = f"{namespace}\x1f".encode()

    def apply(self, ids: pl.Series) -> pl.Series:
        """The pseudonyms of normalised ids, in order; nulls stay null."""
        keyed = hmac.new(self._key, self._prefix, hashlib.sha256)
        digests = []
        for text in ids.drop_nulls().to_list():
            mac = keyed.copy()
            mac.update(text.encode())
            digests.append(mac.digest()[:16])
        letters = b"".join(digests).hex().translate(_LETTERS)
        pseudonyms = iter([letters[start : start + 32] for start in range(0, len(letters), 32)])
        return pl.Series(
            "pseudonym",
            [next(pseudonyms) if given else None for given in ids.is_not_null()],
            dtype=pl.String,
        )


def _letters(digest: bytes) -> str:
    return digest[:16].hex().translate(_LETTERS)
