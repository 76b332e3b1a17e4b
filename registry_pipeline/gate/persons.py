"""From the person's id as delivered to the pseudonym, or to the reason why not.

Belongs here: what a valid id is under a protocol. Does not belong here: the hash (`pseudonym`) and
the check digits (`identity`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from registry_pipeline.gate.identity import find_identity, normalise_national
from registry_pipeline.gate.pseudonym import Pseudonymiser, UniqueMap
from schemas.protocol import Protocol

_LOCAL: Final = r"^[\p{L}\p{N}](?:[\p{L}\p{N}_.:/\-]{0,62}[\p{L}\p{N}])?$"
_SCIENTIFIC: Final = r"^[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+$"


class Persons:
    """Checks, normalises and pseudonymises the ids of one protocol.

    A local id is trimmed, NFC, of letters, digits and `_ . : / -`, at most 64 long, and neither an
    identity number nor what a spreadsheet makes of a long one (1.01019E+10). A national id is a
    valid Norwegian number in any way of writing it, and becomes its 11 digits.
    """

    def __init__(self, protocol: Protocol, pseudonymiser: Pseudonymiser) -> None:
        self._pseudonymiser = pseudonymiser
        self._is_national = protocol.person_id == "national"
        self._map = UniqueMap(self._judged)

    def apply(self, ids: pl.Series) -> pl.DataFrame:
        """One row per id, in order.

        Returns:
            `pseudonym`, null where there is no valid id, and `fault`: the rule an id breaks
            (identity_number or invalid_person_id), null where it is valid or missing.
        """
        return self._map.apply(ids)

    def normalised(self, ids: pl.Series) -> pl.Series:
        """The ids in the one way of writing that counts; a national one that is not valid null."""
        if self._is_national:
            return self._map.apply(ids)["normal"]
        normal = ids.str.strip_chars()
        is_plain = (normal.str.len_bytes() == normal.str.len_chars()).all()
        return normal if is_plain else normal.str.normalize("NFC")

    def _judged(self, ids: pl.Series) -> pl.DataFrame:
        if self._is_national:
            texts = [normalise_national(text) for text in ids.to_list()]
            normal = pl.Series(texts, dtype=pl.String)
            is_identity = pl.repeat(False, normal.len(), eager=True)
            is_wrong = normal.is_null()
        else:
            normal = self.normalised(ids)
            is_identity = find_identity(normal)
            is_wrong = ~normal.str.contains(_LOCAL) | normal.str.contains(_SCIENTIFIC)
        faults = pl.select(
            pl.when(is_identity)
            .then(pl.lit("identity_number"))
            .when(is_wrong)
            .then(pl.lit("invalid_person_id"))
        ).to_series()
        pseudonyms = self._pseudonymiser.apply(normal.set(faults.is_not_null(), None))
        return pl.DataFrame({"normal": normal, "pseudonym": pseudonyms, "fault": faults})
