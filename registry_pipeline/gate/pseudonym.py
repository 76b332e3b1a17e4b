"""Keyed pseudonyms: the key file, and the way from a person's id to its pseudonym.

Belongs here: making, reading and proving the key, and the hash. Does not belong here: whether an
id is valid (`persons`), or where key id and check value are kept (`registry_pipeline.warehouse`).

A key that is rotated becomes a chain: the first key is applied to the id, each later one to the
pseudonym that the one before gave. So a stored pseudonym is renewed without the id.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import polars as pl

from schemas.protocol import Protocol

_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_KEY_BYTES = 32
_MAX_FILE_BYTES = 1 << 16


class KeyFileError(Exception):
    """A key file that cannot be used; one sentence names the file and what is wrong with it."""


@dataclass(frozen=True)
class Key:
    """The secrets behind the pseudonyms, with what may be stored to recognise them.

    Attributes:
        secrets: 32 random bytes each, the oldest first; never shown, logged or stored beside the
            data.
        created: whether the file was made just now, which a run says aloud.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    created: bool = False

    @property
    def key_id(self) -> str:
        """Eight letters that name the newest key; safe to store and to show."""
        return _key_id(self.secrets[-1])

    @property
    def check_value(self) -> str:
        """32 letters that only this chain gives: a stored one refuses a run with another key."""
        told = b"registry check value"
        for secret in self.secrets:
            told = hmac.digest(secret, told, "sha256")
        return _letters(told)

    def sign(self, content: bytes) -> str:
        """64 hex digits that only the holder of the key can make of a content."""
        return hmac.digest(self.secrets[-1], b"registry signature\x1f" + content, "sha256").hex()

    def rotated(self, secret: bytes) -> Key:
        """The chain with a new key after it."""
        return Key((*self.secrets, secret))

    @property
    def text(self) -> str:
        """The key file's content: a line per key, its id and its 64 hex digits."""
        return "".join(f"{_key_id(secret)} {secret.hex()}\n" for secret in self.secrets)


def load_or_create_key(path: Path) -> Key:
    """The key in a file, made there (mode 0600, 32 random bytes in hex) when there is no file.

    Raises:
        KeyFileError: the folder is missing, the file is not a regular file of its owner alone, or
            it does not hold keys.
    """
    if not path.parent.is_dir():
        raise KeyFileError(f"{path}: the folder of the key file does not exist")
    made = new_key()
    try:
        write_key(path, made)
    except FileExistsError:
        return read_key(path)
    return made


def new_key() -> Key:
    """A key of 32 random bytes."""
    return Key((new_secret(),), created=True)


def new_secret() -> bytes:
    """32 random bytes."""
    return os.urandom(_KEY_BYTES)


def write_key(path: Path, key: Key) -> None:
    """Writes a key into a new file of mode 0600, and onto the disk.

    Raises:
        FileExistsError: something of that name is there already.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(descriptor, 0o600)
        file.write(key.text)
        file.flush()
        os.fsync(descriptor)


def read_key(path: Path) -> Key:
    """The key in a file that is there.

    Raises:
        KeyFileError: as `load_or_create_key`.
    """
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise KeyFileError(f"{path}: the key file is not a regular file; a link is refused")
    if mode & 0o077:
        raise KeyFileError(f"{path}: the key file is open to others; its mode must be 0600")
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES)
    except OSError:
        raise KeyFileError(f"{path}: the key file cannot be read") from None
    secrets = [_secret(line.split()) for line in content.splitlines()]
    if not secrets or None in secrets:
        raise KeyFileError(
            f"{path}: the key file does not hold 64 hex digits in each line, after the key's id"
        )
    return Key(tuple(secret for secret in secrets if secret))


def _secret(words: Sequence[bytes]) -> bytes | None:
    """The secret of one line, `id hex` or hex alone; None where it is not one."""
    try:
        secret = bytes.fromhex(words[-1].decode("ascii")) if 0 < len(words) < 3 else b""
    except ValueError:
        return None
    if len(secret) != _KEY_BYTES:
        return None
    is_named = len(words) == 1 or words[0].decode("ascii", "replace") == _key_id(secret)
    return secret if is_named else None


def namespace(protocol: Protocol) -> str:
    """`national`, so that a person is one across protocols, or the protocol for local ids."""
    return "national" if protocol.person_id == "national" else protocol.id


def renew(pseudonyms: pl.Series, secret: bytes) -> pl.Series:
    """What a further key makes of pseudonyms: the next link of the chain, without any id."""
    return _keyed(pseudonyms, secret, b"pseudonym\x1f")


class UniqueMap:
    """A column function that sees each distinct text once, however many rows and batches hold it.

    `function` takes a column of distinct texts without nulls and gives a frame of the same height;
    what it gave is kept for the life of the map, so memory grows with the persons, not the rows.
    Threads take turns: the file that is stored and the one after it are judged at the same time.
    """

    def __init__(self, function: Callable[[pl.Series], pl.DataFrame]) -> None:
        self._function = function
        self._turn = Lock()
        # Polars forgets the numbers when the last column that holds some is gone.
        self._numbered = pl.Series([], dtype=pl.Categorical(pl.Categories.random()))
        self._known = self._row(pl.Series("text", [], dtype=pl.String))

    def apply(self, texts: pl.Series) -> pl.DataFrame:
        """The function's columns for every text, in order; nulls stay null.

        Polars numbers the texts in the order they are met: a text's number is its place in `known`.
        """
        with self._turn:
            places = texts.cast(self._numbered.dtype).to_physical()
            last, n_known = places.max(), self._known.height
            if isinstance(last, int) and last >= n_known:
                new = pl.int_range(n_known, last + 1, dtype=pl.UInt32).cat.to(self._numbered.dtype)
                made = self._row(pl.select(new.cast(pl.String)).to_series())
                self._known = pl.concat([self._known, made], rechunk=True)
            known = self._known
        return known.drop("text").select(pl.all().gather(places))

    @property
    def known(self) -> pl.DataFrame:
        """What was made so far: the function's columns, and `text`."""
        return self._known

    def _row(self, texts: pl.Series) -> pl.DataFrame:
        return self._function(texts).with_columns(text=texts)


class Pseudonymiser:
    """Turns normalised ids into pseudonyms.

    The pseudonym of an id is HMAC-SHA-256 over the UTF-8 bytes of the namespace, one byte 0x1F
    and the normalised id; its first 16 bytes are written as 32 letters, each hex digit 0..f as
    a..p (digit runs would trip the identity scanner). Later keys of the chain renew it. The same
    key, namespace and id give the same pseudonym for ever; without the key nothing leads back.
    """

    def __init__(self, key: Key, namespace: str) -> None:
        self._first, *self._later = key.secrets
        self._prefix = f"{namespace}\x1f".encode()

    def apply(self, ids: pl.Series) -> pl.Series:
        """The pseudonyms of normalised ids, in order; nulls stay null."""
        pseudonyms = _keyed(ids, self._first, self._prefix)
        for secret in self._later:
            pseudonyms = renew(pseudonyms, secret)
        return pseudonyms


def _keyed(texts: pl.Series, secret: bytes, prefix: bytes) -> pl.Series:
    """HMAC-SHA-256 of prefix and text, its first 16 bytes as letters; nulls stay null.

    Built as RFC 2104 says, from two hashes that are begun once: `hmac` takes twice as long a text.
    """
    block = np.frombuffer(secret.ljust(64, b"\0"), np.uint8)
    inner = hashlib.sha256((block ^ 0x36).tobytes() + prefix)
    outer = hashlib.sha256((block ^ 0x5C).tobytes())
    digests = []
    for text in texts.drop_nulls().to_list():
        within, whole = inner.copy(), outer.copy()
        within.update(text.encode())
        whole.update(within.digest())
        digests.append(whole.digest()[:16])
    nibbles = np.frombuffer(b"".join(digests), np.uint8)[:, None] >> np.array([4, 0], np.uint8)
    letters = (nibbles & 15) + np.uint8(ord("a"))
    given = pl.Series("pseudonym", letters.reshape(-1).view("S32")).cast(pl.String)
    if given.len() == texts.len():
        return given
    places = pl.Series(texts.is_not_null().cum_sum() - 1).set(texts.is_null(), None)
    return given[places]


def _key_id(secret: bytes) -> str:
    return _letters(hmac.digest(secret, b"registry key id", "sha256"))[:8]


def _letters(digest: bytes) -> str:
    return digest[:16].hex().translate(_LETTERS)
