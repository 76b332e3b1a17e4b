"""From the person's id as delivered to the pseudonym, or to the reason why not.

Belongs here: what a valid id is under a protocol, and whether the person is erased. Does not
belong here: the hash (`pseudonym`) and the check digits (`identity`).
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from registry_pipeline.gate.identity import (
    find_identity,
    is_national_id,
    is_synthetic,
    normalise_national,
)
from registry_pipeline.gate.pseudonym import Key, Pseudonymiser, UniqueMap, namespace
from schemas.protocol import Protocol

_PLAIN: Final = r"^[A-Za-z0-9](?:[A-Za-z0-9_.:/\-]{0,62}[A-Za-z0-9])?$"
_LOCAL: Final = r"^[\p{L}\p{N}](?:[\p{L}\p{N}_.:/\-]{0,62}[\p{L}\p{N}])?$"
_SCIENTIFIC: Final = r"^[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+$"
_TOMBSTONE: Final = "tombstone\x1f"
_DISTINCT: Final = re.compile(r"(?=.*[^\W\d_]).{6,}|[0-9]{9,}")
"""An id that cannot be mistaken for other text: six signs with a letter, or nine digits."""


class Persons:
    """Checks, normalises and pseudonymises the ids of one protocol.

    A local id is trimmed, NFC, of letters, digits and `_ . : / -`, at most 64 long, and neither an
    identity number nor what a spreadsheet makes of a long one (1.01019E+10). A national id is a
    valid Norwegian number in any way of writing it, and becomes its 11 digits.

    A tombstone is the pseudonym of the same id in a namespace of its own: it is known again when
    the person is delivered again, and it leads to no row of theirs, here or in an old copy.

    Args:
        protocol: says what an id is.
        key: the pseudonym key.
        erased: tombstones of people whose rows are not received.
        is_production: refuses synthetic national numbers (month + 80), which are for tests.
    """

    def __init__(
        self,
        protocol: Protocol,
        key: Key,
        erased: frozenset[str] = frozenset(),
        *,
        is_production: bool = False,
    ) -> None:
        self._pseudonymiser = Pseudonymiser(key, namespace(protocol))
        self._tombstones = Pseudonymiser(key, _TOMBSTONE + namespace(protocol))
        self._is_national = protocol.person_id == "national"
        self._is_production = is_production
        self._erased = pl.Series(sorted(erased), dtype=pl.String)
        self._map = UniqueMap(self._judged)

    @property
    def any_erased(self) -> bool:
        """Whether anyone is erased at all: most registries ask nothing more."""
        return not self._erased.is_empty()

    def apply(self, ids: pl.Series) -> pl.DataFrame:
        """One row per id, in order.

        Returns:
            `pseudonym`, null where there is no valid id, and `fault`: the rule an id breaks
            (identity_number, invalid_person_id or synthetic_number), null where it is valid or
            missing.
        """
        return self._map.apply(ids)

    def normalised(self, ids: pl.Series) -> pl.Series:
        """The ids in the one way of writing that counts; a national one that is not valid null."""
        if self._is_national:
            return self._map.apply(ids)["normal"]
        return _normalised_local(ids)

    def is_erased(self, ids: pl.Series) -> pl.Series:
        """Which ids are of erased people; never null."""
        if not self.any_erased:
            return pl.repeat(False, ids.len(), eager=True)
        return self._map.apply(ids)["is_erased"].fill_null(value=False)

    def tombstones(self, ids: pl.Series) -> pl.Series:
        """The tombstones of ids; null where there is no valid one."""
        judged = self._map.apply(ids)
        return self._tombstones.apply(judged["normal"].set(judged["fault"].is_not_null(), None))

    def tombstones_of(self, pseudonyms: pl.Series) -> pl.DataFrame:
        """[pseudonym, tombstone, normal] of people whose ids were met before."""
        met = self._map.known.filter(pl.col("pseudonym").is_in(pseudonyms.implode()))
        people = met.unique("pseudonym").select("pseudonym", "normal")
        tombstone = self._tombstones.apply(people["normal"])
        return people.select("pseudonym", "normal", tombstone=tombstone)

    def _judged(self, ids: pl.Series) -> pl.DataFrame:
        normal, is_identity, is_wrong, is_synthetic = (
            self._judged_national(ids) if self._is_national else self._judged_local(ids)
        )
        faults = pl.select(
            pl.when(is_identity)
            .then(pl.lit("identity_number"))
            .when(is_wrong)
            .then(pl.lit("invalid_person_id"))
            .when(is_synthetic)
            .then(pl.lit("synthetic_number"))
        ).to_series()
        valid = normal.set(faults.is_not_null(), None)
        no = pl.repeat(False, ids.len(), eager=True)
        tombstones, erased = self._tombstones.apply(valid), self._erased.implode()
        is_erased = tombstones.is_in(erased) if self.any_erased else no
        return pl.DataFrame(
            {
                "normal": normal,
                "pseudonym": self._pseudonymiser.apply(valid),
                "fault": faults,
                "is_erased": is_erased.fill_null(value=False),
            }
        )

    def _judged_national(self, ids: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series, pl.Series]:
        texts = [normalise_national(text) for text in ids.to_list()]
        made_up = [
            self._is_production and text is not None and is_synthetic(text) for text in texts
        ]
        normal = pl.Series(texts, dtype=pl.String)
        no = pl.repeat(False, normal.len(), eager=True)
        return normal, no, normal.is_null(), pl.Series(made_up, dtype=pl.Boolean)

    def _judged_local(self, ids: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series, pl.Series]:
        normal = _normalised_local(ids)
        is_right = normal.str.contains(_PLAIN)
        if not is_right.all():  # letters of all alphabets are sought a dozen times more slowly
            is_right = normal.str.contains(_LOCAL)
        is_wrong = ~is_right | normal.str.contains(_SCIENTIFIC)
        return normal, find_identity(normal), is_wrong, pl.repeat(False, ids.len(), eager=True)


def ways_of_writing(normal: str) -> tuple[str, ...]:
    """The ways a normalised id may be written, where it is distinct enough to be searched for."""
    if is_national_id(normal):
        day, rest = normal[:6], normal[6:]
        return (normal, f"{day} {rest}", f"{day}-{rest}", f"{day}.{rest}")
    return (normal,) if _DISTINCT.fullmatch(normal) else ()


def _normalised_local(ids: pl.Series) -> pl.Series:
    normal = ids.str.strip_chars()
    is_plain = (normal.str.len_bytes() == normal.str.len_chars()).all()
    return normal if is_plain else normal.str.normalize("NFC")
