"""What is shown of counts, as equations between those that are hidden, and how far these reach.

Belongs here: from families and their exposure to the least and the most their counts can be.
Does not belong here: which counts are attacked, and when one is safe (see `attack`).

A row has two variables, its fulfilled and its others, as far as they are hidden. Each count of it
is a known number plus factors of them: the number alone where the count is shown; where only the
denominator is, the others are what the fulfilled leave of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from registry_pipeline.disclosure.family import Exposure, Family, IntArray, Relation

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
_BEYOND: Final = 100
"""A count that nothing bounds may be so much above all there are: the attacker does not know these,
and a program needs an end."""

Sparse = Any
"""A sparse matrix of scipy's, which has no types."""


@dataclass(frozen=True)
class _Counts:
    """Counts, a line each: what is known of them, and the factors of the variables besides."""

    known: FloatArray
    factors: Sparse

    def __add__(self, other: _Counts) -> _Counts:
        return _Counts(self.known + other.known, self.factors + other.factors)

    def summed(self, sums: Sparse) -> _Counts:
        """The sums that a matrix makes of them."""
        return _Counts(sums @ self.known, sums @ self.factors)


class Equations:
    """The equations between the hidden counts of families that share none.

    The rows of all families stand one below the other. Variables that no equation ties to each
    other lie in different blocks; only the blocks of what is asked for are solved.

    Attributes:
        starts: the first row of each family.
    """

    def __init__(self, families: Sequence[Family], exposures: Sequence[IntArray]) -> None:
        from scipy.sparse import vstack  # noqa: PLC0415 - slow to import
        from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - slow to import

        lengths = [len(one.fulfilled) for one in families]
        self.starts = np.cumsum([0, *lengths[:-1]])
        self._fulfilled = np.concatenate([one.fulfilled for one in families])
        self._others = np.concatenate([one.others for one in families])
        self._is_half = np.concatenate(exposures) == Exposure.DENOMINATOR
        denominator = self._fulfilled + self._others
        everyone = np.repeat([one.denominator.sum() + _BEYOND for one in families], lengths)
        self._ceiling = np.tile(np.where(self._is_half, denominator, everyone), 2)

        fulfilled, others = _by_variables(self._fulfilled, self._others, np.concatenate(exposures))
        both = fulfilled + others
        self._counts = (fulfilled.factors, others.factors, both.factors)
        sums = _matrix([one.relations for one in families], self.starts, len(denominator))
        spans = _matrix([one.nested for one in families], self.starts, len(denominator))
        parts = _matrix(
            [_part_by_part(one.nested) for one in families], self.starts, len(denominator)
        )
        lines = [
            (fulfilled.summed(sums), 0.0, 0.0),
            (others.summed(sums), 0.0, 0.0),
            (both.summed(spans), 0.0, np.inf),
            (both.summed(parts), -np.inf, 0.0),
        ]
        factors = vstack([line.factors for line, _, _ in lines]).tocsr()
        named = np.diff(factors.indptr) > 0
        self._lines = factors[named]
        self._least = np.concatenate([least - line.known for line, least, _ in lines])[named]
        self._most = np.concatenate([most - line.known for line, _, most in lines])[named]
        tied = abs(vstack([self._lines, both.factors]))
        _, self._block = connected_components(tied.T @ tied, directed=False)

    def small_counts(self, limit: int) -> tuple[IntArray, Sparse]:
        """The counts of 1 to below the limit: the row of each, and its factors of the variables.

        With the denominator known the others follow from the fulfilled: the two are one count. A
        count without factors is shown.
        """
        from scipy.sparse import vstack  # noqa: PLC0415 - slow to import

        def is_small(count: IntArray) -> Mask:
            return np.asarray((count > 0) & (count < limit))

        fulfilled, others = is_small(self._fulfilled), is_small(self._others)
        small = [
            np.flatnonzero(fulfilled | (others & self._is_half)),
            np.flatnonzero(others & ~self._is_half),
            np.flatnonzero(is_small(self._fulfilled + self._others)),
        ]
        factors = [count[rows] for count, rows in zip(self._counts, small, strict=True)]
        return np.concatenate(small), vstack(factors).tocsr()

    def numbers(self, rows: Iterable[Iterable[int]]) -> list[int]:
        """The numbers of rows of each family among those of all."""
        return [start + row for start, own in zip(self.starts, rows, strict=True) for row in own]

    def blocks(self, wanted: Sparse) -> IntArray:
        """The block of each count that has factors."""
        return np.asarray(self._block[wanted.indices[wanted.indptr[:-1]]])

    def ends(self, wanted: Sparse, signs: FloatArray, near: float = np.inf) -> list[FloatArray]:
        """The counts where their signed sum is least, and where it is most.

        Args:
            wanted: the counts, a line each, as factors of the variables.
            signs: of each count.
            near: how far from the truth a variable may be. A program ends where few variables have
                moved as far as they can; with this, it is where many have moved a little.

        Raises:
            ValueError: what is shown fits no counts at all.
        """
        inside = np.isin(self._block, self._block[wanted.indices])
        lines = inside[self._lines.indices[self._lines.indptr[:-1]]]
        factors = wanted[:, inside]
        direction = signs @ factors
        return [factors @ self._solve(inside, lines, sign * direction, near) for sign in (1, -1)]

    def _solve(self, inside: Mask, lines: Mask, direction: FloatArray, near: float) -> FloatArray:
        from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - slow to import

        true = np.concatenate([self._fulfilled, self._others])[inside]
        solved = milp(  # none of its variables is bound to be whole: a linear program
            direction,
            options={"presolve": False},  # costs more than it spares
            bounds=Bounds(
                np.maximum(true - near, 0), np.minimum(true + near, self._ceiling[inside])
            ),
            constraints=LinearConstraint(
                self._lines[lines][:, inside], self._least[lines], self._most[lines]
            ),
        )
        if solved.status != 0:
            message = "the published counts contradict each other: no counts fit them"
            raise ValueError(message)
        return np.asarray(solved.x, dtype=np.float64)


def _by_variables(
    fulfilled: IntArray, others: IntArray, exposure: IntArray
) -> tuple[_Counts, _Counts]:
    """Both counts of each row: the first variables are the fulfilled, the rest the others."""
    from scipy.sparse import csr_array, diags_array, hstack  # noqa: PLC0415 - slow to import

    n = len(exposure)
    is_half, is_whole = exposure == Exposure.DENOMINATOR, exposure == Exposure.NOTHING
    is_hidden = is_half | is_whole
    of_fulfilled = hstack([diags_array(1.0 * is_hidden), csr_array((n, n))]).tocsr()
    of_others = hstack([diags_array(-1.0 * is_half), diags_array(1.0 * is_whole)]).tocsr()
    of_fulfilled.eliminate_zeros()
    of_others.eliminate_zeros()
    left = np.select([is_whole, is_half], [0, fulfilled + others], others)
    return (
        _Counts(np.where(is_hidden, 0.0, fulfilled), of_fulfilled),
        _Counts(left.astype(np.float64), of_others),
    )


def _matrix(relations: Iterable[Sequence[Relation]], starts: IntArray, n_rows: int) -> Sparse:
    """Per relation of each family its parts less its total, as factors of the rows."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

    placed = [(start, one) for start, group in zip(starts, relations, strict=True) for one in group]
    entries = [
        (line, start + row, sign)
        for line, (start, one) in enumerate(placed)
        for row, sign in ((one.total, -1.0), *((part, 1.0) for part in one.parts))
    ]
    lines, rows, signs = np.array(entries).reshape(-1, 3).T
    return csr_array(
        (signs, (lines.astype(np.int64), rows.astype(np.int64))), shape=(len(placed), n_rows)
    )


def _part_by_part(relations: Iterable[Relation]) -> list[Relation]:
    return [Relation(one.total, (part,), one.words) for one in relations for part in one.parts]
