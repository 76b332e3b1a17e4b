"""Pseudonyms and the key file."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import polars as pl
import pytest

from registry_pipeline.gate.identity import normalise_national
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.pseudonym import (
    Key,
    KeyFileError,
    Pseudonymiser,
    UniqueMap,
    load_or_create_key,
    namespace,
    read_key,
    renew,
    write_key,
)
from registry_pipeline.home import Home
from schemas.protocol import Protocol

SECRET = bytes(range(32))
KEY = Key((SECRET,))


def test_a_pseudonym_is_the_hmac_in_letters() -> None:
    mac = hmac.new(SECRET, b"lar_x\x1fP1", hashlib.sha256).digest()
    letters = "".join("abcdefghijklmnop"[int(digit, 16)] for digit in mac[:16].hex())
    assert Pseudonymiser(KEY, "lar_x").apply(pl.Series(["P1"])).to_list() == [letters]
    assert re.fullmatch("[a-p]{32}", letters)


def test_pseudonyms_are_stable_and_differ_by_key_namespace_and_id() -> None:
    ids = pl.Series("patient_id", ["P1", None, "P2", "P1"])
    pseudonymiser = Pseudonymiser(KEY, "lar_x")
    first = pseudonymiser.apply(ids)
    assert first.to_list() == Pseudonymiser(KEY, "lar_x").apply(ids).to_list()
    assert first.to_list() == pseudonymiser.apply(ids).to_list()
    assert first[1] is None
    assert (first[0], first[0] != first[2]) == (first[3], True)
    others = [Pseudonymiser(Key((bytes(32),)), "lar_x"), Pseudonymiser(KEY, "national")]
    assert len({first[0], *(other.apply(ids)[0] for other in others)}) == 3
    # One known answer: a change of the recipe would cut every stored person in two.
    assert first[0] == "jcdgfejpcenmjlohmfphgkbfojdikegf"


def test_local_ids_are_a_protocols_own_and_national_ids_are_everybodys(lar_x: Protocol) -> None:
    assert namespace(lar_x) == "lar_x"
    assert namespace(lar_x.model_copy(update={"person_id": "national"})) == "national"


def test_local_ids(lar_x: Protocol) -> None:
    persons = Persons(lar_x, KEY)
    valid = ["P1", " P1 ", "17", "lar-x/0001", "ÆØÅ.7", "a" * 64]
    judged = persons.apply(pl.Series(valid))
    assert judged["fault"].null_count() == len(valid)
    assert judged["pseudonym"][0] == judged["pseudonym"][1]
    composed, decomposed = persons.apply(pl.Series(["\u00c5se", "A\u030ase"]))["pseudonym"]
    assert composed == decomposed
    wrong = ["", "Kari Nilsen", "1.01019E+10", "-7", "a" * 65, "kari@example.org"]
    judged = persons.apply(pl.Series(wrong))
    assert judged["fault"].to_list() == ["invalid_person_id"] * len(wrong)
    assert judged["pseudonym"].null_count() == len(wrong)
    assert persons.apply(pl.Series(["150765 00565"]))["fault"].item() == "identity_number"


def test_the_key_file_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    old = os.umask(0)
    try:
        made = load_or_create_key(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(f"{made.key_id} [0-9a-f]{{64}}\n", path.read_text())
    again = load_or_create_key(path)
    assert (made.created, again.created) == (True, False)
    assert again.secrets == made.secrets
    path.chmod(0o400)
    assert load_or_create_key(path).key_id == made.key_id


def test_the_key_is_known_by_letters_that_do_not_give_it_away() -> None:
    key, other = KEY, Key((bytes(32),))
    assert re.fullmatch("[a-p]{8}", key.key_id)
    assert re.fullmatch("[a-p]{32}", key.check_value)
    assert key.check_value[:8] != key.key_id
    assert (key.key_id, key.check_value) != (other.key_id, other.check_value)
    assert SECRET.hex() not in repr(key)
    assert "secret" not in repr(key)


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        ("0" * 64, 0o640, "open to others"),
        ("0" * 64, 0o604, "open to others"),
        ("0" * 63, 0o600, "does not hold 64 hex digits"),
        ("x" * 64, 0o600, "does not hold 64 hex digits"),
        ("0" * 66, 0o600, "does not hold 64 hex digits"),
        ("", 0o600, "does not hold 64 hex digits"),
    ],
)
@pytest.mark.hazard("key missing, wrong, world-readable, changed", "the run is refused")
def test_a_key_file_that_cannot_be_trusted(
    tmp_path: Path, content: str, mode: int, sentence: str
) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=sentence) as refused:
        load_or_create_key(path)
    assert "0000" not in str(refused.value).removeprefix(str(path))


def test_a_key_file_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="folder of the key file does not exist"):
        load_or_create_key(tmp_path / "absent" / "key")
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(KeyFileError, match="not a regular file"):
        load_or_create_key(tmp_path / "folder")
    whole = tmp_path / "key"
    load_or_create_key(whole)
    (tmp_path / "link").symlink_to(whole)
    with pytest.raises(KeyFileError, match="a link is refused"):
        load_or_create_key(tmp_path / "link")


def test_numbers_made_for_tests_are_refused_in_production(
    lar_x: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    national = lar_x.model_copy(update={"person_id": "national"})
    numbers = pl.Series(["15076500565", synthetic("158765")])
    assert Persons(national, KEY).apply(numbers)["fault"].to_list() == [None, None]
    judged = Persons(national, KEY, is_production=True).apply(numbers)
    assert judged["fault"].to_list() == [None, "synthetic_number"]
    assert judged["pseudonym"].null_count() == 1
    monkeypatch.delenv("REGISTRY_PRODUCTION", raising=False)
    assert not Home(tmp_path).is_production
    for value, expected in {"1": True, "0": False, "": False}.items():
        monkeypatch.setenv("REGISTRY_PRODUCTION", value)
        assert Home(tmp_path).is_production is expected


def synthetic(stem: str) -> str:
    made = (f"{stem}{number:05}" for number in range(100_000))
    return next(number for number in made if normalise_national(number))


def test_a_chain_of_keys_renews_the_pseudonym_and_the_tombstone(lar_x: Protocol) -> None:
    other = bytes(range(32, 64))
    old, new = Persons(lar_x, KEY), Persons(lar_x, KEY.rotated(other))
    ids = pl.Series(["P1", "P2", "not an id", None])
    for before, after in (
        (old.apply(ids)["pseudonym"], new.apply(ids)["pseudonym"]),
        (old.tombstones(ids), new.tombstones(ids)),
    ):
        assert after.to_list() == [*renew(before.drop_nulls(), other), None, None]
    assert set(old.apply(ids)["pseudonym"]).isdisjoint(old.tombstones(ids).drop_nulls())


def test_erased_people_are_known_by_their_tombstones(lar_x: Protocol) -> None:
    ids = pl.Series(["P1", " P1 ", "P2", None, "not an id"])
    tombstone = Persons(lar_x, KEY).tombstones(ids[:1]).item()
    persons = Persons(lar_x, KEY, frozenset([tombstone]))
    assert persons.is_erased(ids).to_list() == [True, True, False, False, False]
    assert not Persons(lar_x, KEY).is_erased(ids).any()


def test_a_key_file_is_a_line_per_key_and_its_id_must_fit(tmp_path: Path) -> None:
    path = tmp_path / "key"
    chain = KEY.rotated(bytes(32))
    write_key(path, chain)
    assert read_key(path) == chain
    assert KEY.check_value != chain.check_value != Key((bytes(32),)).check_value
    path.write_text(chain.text.replace(chain.key_id, KEY.key_id))
    with pytest.raises(KeyFileError, match="does not hold 64 hex digits in each line"):
        read_key(path)


def test_threads_take_turns_and_no_text_is_seen_twice() -> None:
    """Two files of a delivery are judged at the same time and share their people."""
    seen: list[str] = []

    def shouted(texts: pl.Series) -> pl.DataFrame:
        seen.extend(texts.to_list())
        sleep(0.001)
        return pl.DataFrame({"loud": texts.str.to_uppercase()})

    known = UniqueMap(shouted)
    columns = [pl.Series([f"p{(i * step) % 97}" for i in range(200)]) for step in range(1, 21)]
    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(known.apply, columns))
    assert sorted(seen) == sorted(f"p{i}" for i in range(97))
    for column, frame in zip(columns, told, strict=True):
        assert frame["loud"].to_list() == column.str.to_uppercase().to_list()
