"""From a person's id to the proof that they are gone.

Belongs here: noting requests, carrying them out and proving them, each step safe to repeat.
Does not belong here: rebuilding and publishing the tables (the job that `commands.withdraw` runs
between).

1. A request is noted in one transaction; from then on the person's rows are not received.
2. The database is written anew without the person, in one rename; older copies go.
3. Tables are derived and published again.
4. The home is searched, and the proof written.

A process killed anywhere leaves the next step to whoever comes next: the same command, or any run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from registry_pipeline.gate.persons import Persons, ways_of_writing
from registry_pipeline.gate.pseudonym import Key
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse import erasure, in_use, ledger
from registry_pipeline.warehouse.database import connect, transaction
from registry_pipeline.withdrawal.proof import (
    is_whole,
    proof_file,
    wait_for_proof,
    waiting,
    waiting_file,
    write_proof,
)
from registry_pipeline.withdrawal.records import forget
from registry_pipeline.withdrawal.search import (
    DATABASES,
    Place,
    search,
    search_file,
    search_tables,
)
from schemas.protocol import Protocol

COMMAND: Final = "command"


class WithdrawalError(ValueError):
    """A withdrawal that cannot be carried out or proved; one sentence, without the id."""


@dataclass(frozen=True)
class Wanted:
    """A person who is to be erased.

    Attributes:
        tombstone: as in `meta.erasure`.
        words: the id in the ways it may be written, for the search; empty where it is too short
            to be told from other text.
        n_rows: rows of intake and quarantine that are the person's.
        is_known: whether the person was erased before.
    """

    tombstone: str
    words: tuple[str, ...] = field(repr=False)
    n_rows: int
    is_known: bool


def note_requests(
    home: Home, ids: Sequence[str], protocol_id: str | None, requested_on: date, *, unseen: bool
) -> list[Wanted]:
    """Notes people to be erased, all of them or none.

    Who was erased before leaves once more where rows of theirs stand again, or where the proof
    lacks a search for the id, which is at hand now.

    Args:
        home: the home folder; its lock must be held.
        ids: ids as delivered.
        protocol_id: the protocol that local ids belong to; None for national numbers.
        requested_on: day of the request.
        unseen: also keeps out people of whom no row is stored.

    Raises:
        WithdrawalError: an id is not valid, or nobody of that id is stored.
    """
    with connect(home) as connection:
        key = open_key(connection, home)
        persons = Persons(_protocol(connection, protocol_id), key)
        texts = pl.Series("id", [text.strip() for text in ids], dtype=pl.String)
        judged = persons.apply(texts).with_columns(tombstone=persons.tombstones(texts))
        if judged["pseudonym"].has_nulls():
            raise WithdrawalError(_not_an_id(protocol_id))
        known = erasure.requests(connection)
        wanted = [
            Wanted(
                tombstone,
                ways_of_writing(normal),
                erasure.rows_of(connection, pseudonym),
                tombstone in known,
            )
            for normal, pseudonym, tombstone in judged.select(
                "normal", "pseudonym", "tombstone"
            ).iter_rows()
        ]
        if not unseen and any(not one.n_rows and not one.is_known for one in wanted):
            raise WithdrawalError(
                "no row of this person is stored: check the id and --protocol; "
                "--unseen keeps a person out who was never delivered"
            )
        people = judged.select(
            "tombstone",
            "pseudonym",
            source=pl.lit(COMMAND),
            requested_on=pl.lit(requested_on),
        ).unique()
        with transaction(connection):
            for one, pseudonym in zip(wanted, judged["pseudonym"], strict=True):
                for word in one.words:
                    erasure.claim_quarantined(connection, pseudonym, word)
            erasure.request(connection, people)
            again = [
                pseudonym
                for tombstone, pseudonym in people.select("tombstone", "pseudonym").iter_rows()
                if tombstone in known
                and (
                    erasure.rows_of(connection, pseudonym)
                    or not (
                        tombstone in waiting(home) or is_whole(proof_file(home, tombstone), key)
                    )
                )
            ]
            erasure.request_again(connection, people.filter(pl.col("pseudonym").is_in(again)))
    return wanted


def carry_out(home: Home) -> bool:
    """Erases everyone who waits for it, in the database and in older copies of it.

    The home's lock must be held, and no connection to its databases be open in this process.

    Returns:
        Whether anyone waited.
    """
    with connect(home) as connection:
        ledger.prepare(connection)
        asked = [one for one in erasure.requests(connection).values() if one.pseudonym]
    if not asked:
        return False
    for one in asked:
        wait_for_proof(home, one.tombstone, one.pseudonym or "")
    erasure.erase(home)
    drop_copies(home, [one.pseudonym or "" for one in asked])
    return True


def drop_copies(home: Home, words: Sequence[str] = ()) -> None:
    """Removes older copies of the database: those that hold one of the words, else all."""
    current = (home.database, home.analysis)
    for path in sorted(home.path.rglob(DATABASES)):
        if path not in current and (
            not words or any(place.found for place in search_tables(home, path, words))
        ):
            path.unlink()


def prove(home: Home, key: Key, words: Mapping[str, Sequence[str]] | None = None) -> list[Path]:
    """Searches the home for everyone who was erased, and writes the proofs.

    Dagster's records that hold someone are deleted, and the home is searched once more.

    Args:
        home: the home folder; its lock must be held and no connection be open in this process.
        key: signs the proofs.
        words: tombstone to the person's id in the ways it may be written, where it is at hand.

    Returns:
        The proofs written.

    Raises:
        WithdrawalError: someone was found; the place is named, and no proof written for them.
    """
    at_hand = words or {}
    asked = {
        tombstone: [pseudonym, *at_hand.get(tombstone, ())]
        for tombstone, pseudonym in waiting(home).items()
    }
    written = []
    found: list[str] = []
    for tombstone, places in _searched(home, asked).items():
        hits = [place.name for place in places if place.found]
        if hits:
            found += hits
            continue
        _prove_one(home, key, tombstone, at_hand.get(tombstone), places)
        written.append(proof_file(home, tombstone))
    if found:
        first, *others = sorted(set(found))
        more = f" and {len(others)} other places" if others else ""
        raise WithdrawalError(
            f"an erased person is still found in {first}{more}: no proof was written; "
            "remove what is there, and repeat the command or run registry run"
        )
    return written


def _searched(home: Home, asked: Mapping[str, Sequence[str]]) -> dict[str, list[Place]]:
    """Tombstone to every place of the home, searched for this person's words.

    All are searched for at once; who is found by that is told by a search for each. The files that
    hold the pseudonyms for the proof are searched for every person but their own.
    """
    if not asked:
        return {}
    notes = {tombstone: waiting_file(home, tombstone) for tombstone in asked}
    every = [word for words in asked.values() for word in words]
    common = search(home, every, [*notes.values()])
    if any(
        place.found for place in common if (home.path / place.file).is_relative_to(home.instance)
    ):
        forget(home, every)
        common = search(home, every, [*notes.values()])
    is_clean = not any(place.found for place in common)
    return {
        tombstone: [
            *(common if is_clean else search(home, words, [*notes.values()])),
            *(
                search_file(home, note, words)
                for whose, note in notes.items()
                if whose != tombstone
            ),
        ]
        for tombstone, words in asked.items()
    }


def _prove_one(
    home: Home,
    key: Key,
    tombstone: str,
    ways: Sequence[str] | None,
    places: Sequence[Place],
) -> None:
    """Writes the proof; `ways` are those of writing the id, None where it was not at hand."""
    with connect(home) as connection:
        request = erasure.requests(connection)[tombstone]
        proved_at = write_proof(home, key, request, ways, places)
        erasure.mark_proved(connection, tombstone, proved_at)
    waiting_file(home, tombstone).unlink()


def _protocol(connection: duckdb.DuckDBPyConnection, protocol_id: str | None) -> Protocol:
    """The protocol in use; for national numbers any protocol that uses them speaks for all."""
    if protocol_id is not None:
        return in_use.protocol_in_use(connection, protocol_id)[0]
    for name in in_use.stored_protocols(connection):
        protocol, _ = in_use.protocol_in_use(connection, name)
        if protocol.person_id == "national":
            return protocol
    raise WithdrawalError(
        "no protocol in use here has national identity numbers: say whose local id it is, "
        "with --protocol"
    )


def _not_an_id(protocol_id: str | None) -> str:
    if protocol_id is None:
        return "not a valid national identity number; a local id needs --protocol"
    return f"not a valid id of a person in protocol {protocol_id}"
