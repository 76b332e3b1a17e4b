"""What is hidden of a measure: small counts, and the rows that would give them back.

Belongs here: primary and secondary suppression over units and periods, proved by the attacker.
Does not belong here: the rules within one table of a page (see `small_numbers`).

Denominators are judged first, by themselves: measures that share their denominators hide the same
ones, so none gives away what another hides. Then numerators, with every other denominator known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry_pipeline.disclosure.attack import unsafe
from registry_pipeline.disclosure.family import Exposure, Family, IntArray, Relation
from schemas.protocol import Disclosure

OWN_DENOMINATOR = "the denominator is small"
OWN_COUNT = "the count is small"
ELSEWHERE = "a table made before decided it"
SAME_LINE = "another number of the row is hidden"
OWN_NUMERATOR = "the numerator is small"
OWN_COMPLEMENT = "the denominator less the numerator is small"
ATTACKED = "a linear program would give a small count back"


@dataclass(frozen=True)
class Suppressed:
    """What is shown of each row of a family, and why not more.

    Attributes:
        exposure: one of `Exposure` per row.
        why: words per row; empty where both counts are shown. What is small in the row itself goes
            before the sum it protects.
        why_denominator: words per row; empty where the denominator is shown.
    """

    exposure: IntArray
    why: tuple[str, ...]
    why_denominator: tuple[str, ...]


def suppress(
    families: Sequence[Family],
    rule: Disclosure,
    kept_back: Sequence[NDArray[np.bool_]] | None = None,
) -> list[Suppressed]:
    """Hides small counts and what would give them back, until the attacker finds nothing.

    Args:
        families: the counts.
        rule: the thresholds.
        kept_back: per family the rows that are not published for another reason; the attacker is
            given their denominators all the same, since another measure may show them.
    """
    hidings = _by_denominator(families, rule)
    denominators = [tuple(hiding.why) for hiding in hidings]
    for number, (one, hiding) in enumerate(zip(families, hidings, strict=True)):
        hiding.hide(_small(one.fulfilled, rule), Exposure.DENOMINATOR, OWN_NUMERATOR)
        hiding.hide(_small(one.others, rule), Exposure.DENOMINATOR, OWN_COMPLEMENT)
        if kept_back is not None:
            hiding.hide(kept_back[number], Exposure.DENOMINATOR, "")
    _protect(families, hidings, Exposure.DENOMINATOR, rule)
    return [
        Suppressed(hiding.exposure, _own_first(one, hiding, rule), why)
        for one, hiding, why in zip(families, hidings, denominators, strict=True)
    ]


def suppress_counts(families: Sequence[Family], rule: Disclosure) -> list[Suppressed]:
    """As `suppress`, of counts that are no shares: each is shown or hidden.

    Args:
        families: the counts, as fulfilled; there are no others.
        rule: the thresholds.
    """
    hidings = [_Hiding.none_of(one) for one in families]
    for one, hiding in zip(families, hidings, strict=True):
        hiding.exposure[list(one.unprinted)] = Exposure.NOTHING
        hiding.hide(_small(one.fulfilled, rule), Exposure.NOTHING, OWN_COUNT)
        for decided, exposure in one.decided.items():
            hiding.exposure[decided] = exposure
            hiding.why[decided] = ELSEWHERE if exposure else ""
        for row in np.flatnonzero(_small(one.fulfilled, rule)):
            hiding.hide_line(one, int(row), Exposure.NOTHING)
    _protect(families, hidings, Exposure.NOTHING, rule)
    return [Suppressed(hiding.exposure, tuple(hiding.why), tuple(hiding.why)) for hiding in hidings]


def _own_first(family: Family, hiding: _Hiding, rule: Disclosure) -> tuple[str, ...]:
    """Why the numerator is hidden: what is small in the row itself, else what it protects."""
    own = np.select(
        [
            _small(family.denominator, rule),
            _small(family.fulfilled, rule),
            _small(family.others, rule),
        ],
        [OWN_DENOMINATOR, OWN_NUMERATOR, OWN_COMPLEMENT],
        default="",
    )
    return tuple(str(mine) or theirs for mine, theirs in zip(own, hiding.why, strict=True))


@dataclass(frozen=True)
class _Hiding:
    """What is shown of each row so far, and why not more."""

    exposure: IntArray
    why: list[str]

    @classmethod
    def none_of(cls, family: Family) -> _Hiding:
        """Everything is shown."""
        n = len(family.fulfilled)
        return cls(np.zeros(n, dtype=np.int64), [""] * n)

    def hide(self, rows: NDArray[np.bool_], to: Exposure, words: str) -> None:
        """Shows no more than `to` of the rows."""
        for row in np.flatnonzero(rows & (self.exposure < to)):
            self.exposure[row], self.why[row] = to, words

    def hide_line(self, family: Family, row: int, to: Exposure) -> None:
        """Shows no more than `to` of what is printed in one line with a row."""
        for other in sorted(family.beside.get(row, ())):
            if self.exposure[other] < to:
                self.exposure[other], self.why[other] = to, SAME_LINE


def _by_denominator(families: Sequence[Family], rule: Disclosure) -> list[_Hiding]:
    """What is hidden for the denominators' sake alone: once for all families that share them."""
    shared: dict[tuple[bytes, tuple[Relation, ...], tuple[Relation, ...]], Family] = {}
    keys = [(one.denominator.tobytes(), one.relations, one.nested) for one in families]
    for key, one in zip(keys, families, strict=True):
        none = np.zeros_like(one.others)
        shared.setdefault(key, Family(one.denominator, none, one.relations, one.nested))
    hidings = {key: _Hiding.none_of(one) for key, one in shared.items()}
    for key, hiding in hidings.items():
        hiding.hide(_small(shared[key].denominator, rule), Exposure.NOTHING, OWN_DENOMINATOR)
    _protect(list(shared.values()), list(hidings.values()), Exposure.NOTHING, rule)
    return [_Hiding(hidings[key].exposure.copy(), list(hidings[key].why)) for key in keys]


def _small(count: IntArray, rule: Disclosure) -> NDArray[np.bool_]:
    return np.asarray((count > 0) & (count < rule.min_count))


def _protect(
    families: Sequence[Family], hidings: Sequence[_Hiding], to: Exposure, rule: Disclosure
) -> None:
    """Hides company for what is hidden, then whatever else the attacker needs.

    Ends: every round hides a row more of each family still attacked with success, and with every
    row hidden nothing is left to find.
    """
    attacked = [pair for pair in zip(families, hidings, strict=True) if pair[1].exposure.any()]
    for one, hiding in attacked:
        _keep_company(one, hiding, to, rule)
    asked = None
    while attacked:
        families = [one for one, _ in attacked]
        found = unsafe(families, [hiding.exposure for _, hiding in attacked], rule, asked)
        still = [
            (pair, rows)
            for pair, rows in zip(attacked, found, strict=True)
            if rows and _hide_beside(*pair, rows, to)
        ]
        attacked, asked = [pair for pair, _ in still], [rows for _, rows in still]


def _hide_beside(family: Family, hiding: _Hiding, rows: set[int], to: Exposure) -> bool:
    """Hides a row beside each unsafe one, or else all; whether there was one left to hide."""
    left = hiding.exposure < to
    left[list(family.decided)] = False
    beside = {_beside(family, hiding.exposure, row, to) for row in rows} - {None}
    numbers = np.arange(len(left))
    chosen = np.isin(numbers, [row for row in beside if row is not None]) if beside else left
    hiding.hide(chosen, to, ATTACKED)
    for row in np.flatnonzero(chosen):
        hiding.hide_line(family, int(row), to)
    return bool(left.any())


def _keep_company(family: Family, hiding: _Hiding, to: Exposure, rule: Disclosure) -> None:
    """Hides the next smallest part of every sum with one unknown, until no sum has just one.

    Of the parts the smallest that anyone is in; the total only where no part is left. The hidden
    parts of a shown total must not be few people together either.
    """
    size, exposure = family.denominator.tolist(), hiding.exposure
    changed = True
    while changed:
        changed = False
        is_hidden = (exposure >= to).tolist()
        for relation in family.relations:
            unknown = [row for row in relation.rows if is_hidden[row]]
            if not unknown:
                continue
            secret = any(
                row not in family.unprinted or size[row] < rule.min_count for row in unknown
            )
            together = sum(size[row] for row in unknown if row != relation.total)
            few = not is_hidden[relation.total] and 0 < together < rule.min_count
            if not secret or (len(unknown) > 1 and not few):
                continue
            known = [row for row in relation.rows if _may_hide(family, exposure, row, to)]
            if not known:
                continue
            row = min(known, key=lambda row: (row == relation.total, size[row], row))
            exposure[row], hiding.why[row] = to, relation.words
            hiding.hide_line(family, row, to)
            is_hidden = (exposure >= to).tolist()
            changed = True


def _may_hide(family: Family, exposure: IntArray, row: int, to: Exposure) -> bool:
    """Whether a row is shown, anybody is in it, and it is for this table to decide."""
    return bool(exposure[row] < to and family.denominator[row] > 0 and row not in family.decided)


def _beside(family: Family, exposure: IntArray, unsafe_row: int, to: Exposure) -> int | None:
    """The row to hide beside an unsafe one: tied to it by a sum, smallest first, totals last.

    Where all that is tied to it is hidden, what is tied to that, and so on.
    """
    relations = (*family.relations, *family.nested)
    seen = ring = {unsafe_row}
    while ring:
        near = [relation for relation in relations if not ring.isdisjoint(relation.rows)]
        tied = {
            (row == relation.total, int(family.denominator[row]), row)
            for relation in near
            for row in relation.rows
            if _may_hide(family, exposure, row, to)
        }
        if tied:
            return min(tied)[2]
        ring = {row for relation in near for row in relation.rows} - seen
        seen = seen | ring
    return None
