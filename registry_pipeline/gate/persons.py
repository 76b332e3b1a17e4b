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
        national = protocol.person_id == "national"
        self._map = UniqueMap(self._national if national else self._local)

    def apply(self, ids: pl.Series) -> pl.DataFrame:
        """One row per id, in order.

        Returns:
            `pseudonym`, null where there is no valid id, and `fault`: the rule an id breaks
            (identity_number or invalid_person_id), null where it is valid or missing.
        """
        return self._map.apply(ids)

    def _local(self, ids: pl.Series) -> pl.DataFrame:
        normal = ids.str.strip_chars().str.normalize("NFC")
        valid = normal.str.contains(_LOCAL) & ~normal.str.contains(_SCIENTIFIC)
        fault = pl.select(
            pl.when(find_identity(normal))
            .then(pl.lit("identity_number"))
            .when(~valid)
            .then(pl.lit("invalid_person_id"))
        ).to_series()
        return self._result(normal, fault)

    def _national(self, ids: pl.Series) -> pl.DataFrame:
        normal = pl.Series([normalise_national(text) for text in ids.to_list()], dtype=pl.String)
        fault = pl.select(pl.when(normal.is_null()).then(pl.lit("invalid_person_id"))).to_series()
        return self._result(normal, fault)

    def _result(self, normal: pl.Series, fault: pl.Series) -> pl.DataFrame:
        valid = normal.set(fault.is_not_null(), None)
        return pl.DataFrame({"pseudonym": self._pseudonymiser.apply(valid), "fault": fault})
