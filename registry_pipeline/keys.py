"""The key of a home: opened, proved against the database, rotated.

Belongs here: the steps of a rotation, and settling what a killed one left.
Does not belong here: the key itself (`gate.pseudonym`) and the new database (`warehouse.rekey`).

A rotation writes the new chain beside the key file, exchanges the database, then the key file. A
process killed between the two exchanges leaves a database that the file beside fits: whoever opens
the key next puts it in place.
"""

from __future__ import annotations

import os

import duckdb

from registry_pipeline.gate.pseudonym import (
    Key,
    KeyFileError,
    load_or_create_key,
    new_secret,
    read_key,
    write_key,
)
from registry_pipeline.home import Home
from registry_pipeline.warehouse import in_use, ledger
from registry_pipeline.warehouse.rekey import rekey


def open_key(connection: duckdb.DuckDBPyConnection, home: Home) -> Key:
    """The pseudonym key, made when neither key nor data are there yet.

    Raises:
        KeyFileError: as `standing_key`.
    """
    ledger.prepare(connection)
    _settle(home, in_use.key_check_value(connection))
    key = standing_key(connection, home)
    if key is None:
        key = load_or_create_key(home.key_file)
        in_use.check_key(connection, key)
    return key


def standing_key(connection: duckdb.DuckDBPyConnection, home: Home) -> Key | None:
    """The pseudonym key that is there, proved against the database; None with neither there yet.

    Raises:
        KeyFileError: missing though the database was filled under one, unsafe, or another; or it
            lies among what is published, which others read; or a killed rotation left it beside.
    """
    if home.key_file.resolve().is_relative_to(home.published.resolve()):
        raise KeyFileError(
            f"{home.key_file}: the key file lies in the folder that is published; keep it elsewhere"
        )
    if _fits_beside(home, in_use.key_check_value(connection)):
        raise KeyFileError(
            f"{home.key_file}: a rotation of the key was interrupted and the new key file still "
            "lies beside it; registry run puts it in place and goes on"
        )
    if not home.key_file.exists():
        if in_use.key_check_value(connection) is None:
            return None
        raise KeyFileError(
            f"{home.key_file}: the pseudonym key is missing and this database was filled under "
            "one; put the key file back before anything is taken in"
        )
    key = read_key(home.key_file)
    in_use.check_key(connection, key)
    return key


def _settle(home: Home, check_value: str | None) -> None:
    """Puts the key file of a killed rotation in place, or away, as the database says."""
    if _fits_beside(home, check_value):
        _exchange(home)
    else:
        home.next_key_file.unlink(missing_ok=True)


def _fits_beside(home: Home, check_value: str | None) -> bool:
    """Whether a rotation was killed between its exchanges: the key beside is the database's."""
    try:
        return read_key(home.next_key_file).check_value == check_value
    except (FileNotFoundError, KeyFileError):
        return False


def rotate(home: Home, key: Key) -> Key:
    """Rotates the key: every pseudonym and tombstone, then the key file.

    The home's lock must be held, and no connection to its databases be open in this process.

    Raises:
        KeyFileError: the new key file cannot be written.
    """
    rotated = key.rotated(new_secret())
    home.next_key_file.unlink(missing_ok=True)
    try:
        write_key(home.next_key_file, rotated)
    except OSError:
        raise KeyFileError(
            f"{home.next_key_file}: cannot be written, so the key was not rotated"
        ) from None
    rekey(home, rotated)
    _exchange(home)
    return rotated


def _exchange(home: Home) -> None:
    home.next_key_file.replace(home.key_file)
    folder = os.open(home.key_file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
