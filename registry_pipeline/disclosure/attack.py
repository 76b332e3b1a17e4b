"""The attacker: what can be worked out of hidden counts from what is shown, by linear programming.

Belongs here: the range in which each hidden count must lie, given everything shown.
Does not belong here: choosing what to hide (see `suppress`), the equations (see `equations`).

The attacker knows every row that is shown, every denominator that is not hidden on its own
account or to protect another, that counts are whole and not negative, and which rows add up to
which. A hidden count is safe when its range is no narrower than that of a small count, which is
known to be 1 to `min_count` less 1.

Source: Fischetti and Salazar 2000 (cell suppression, the attacker's problem).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from registry_pipeline.disclosure.equations import Equations, Mask, Sparse
from registry_pipeline.disclosure.family import Family, IntArray
from schemas.protocol import Disclosure

_ROUNDING: Final = 1e-6
_SEED: Final = 20140501


def unsafe(
    families: Sequence[Family],
    exposures: Sequence[IntArray],
    rule: Disclosure,
    among: Sequence[set[int]] | None = None,
) -> list[set[int]]:
    """Per family the rows with a small count that is shown, or hidden in too narrow a range.

    All families are attacked at once: they share no count, so one program solves them side by side.

    Args:
        families: the true counts and the sums among them.
        exposures: what is shown of each row of each family.
        rule: the thresholds.
        among: per family the rows in question, where the others are known to be safe: those that
            were when more was shown, for hiding makes every range wider.

    Raises:
        ValueError: the counts that are shown fit no counts at all.
    """
    if not families:
        return []
    equations = Equations(families, exposures)
    rows, wanted = equations.small_counts(rule.min_count)
    if among is not None:
        is_asked = np.isin(rows, equations.numbers(among))
        rows, wanted = rows[is_asked], wanted[is_asked]
    is_hidden = np.diff(wanted.indptr) > 0
    narrow = _narrow(equations, wanted[is_hidden], rule)
    found = np.zeros(sum(len(one.fulfilled) for one in families), dtype=np.bool_)
    found[rows[~is_hidden]] = True
    found[rows[is_hidden][narrow]] = True
    return [set(np.flatnonzero(part).tolist()) for part in np.split(found, equations.starts[1:])]


def _narrow(equations: Equations, wanted: Sparse, rule: Disclosure) -> Mask:
    """Which hidden counts lie in a range narrower than that of a small count.

    Most are cleared by moving all of them at once a little, each up or down, and the rest again, as
    long as that clears more than one of each block; those that are left are bounded one by one.

    Args:
        equations: what ties the variables to each other.
        wanted: the counts, a line each, as factors of the variables.
        rule: the thresholds.
    """
    needed = max(1, rule.min_count - 2)
    room = needed - _ROUNDING
    random = np.random.default_rng(_SEED)
    n = wanted.shape[0]
    blocks = equations.blocks(wanted)
    narrow, least, most = np.zeros(n, dtype=np.bool_), np.full(n, np.inf), np.full(n, -np.inf)
    still_open, n_cleared = np.arange(n), n
    while n_cleared > len(np.unique(blocks[still_open])) > 0:
        signs = random.choice([-1.0, 1.0], size=len(still_open))
        for values in equations.ends(wanted[still_open], signs, needed):
            least[still_open] = np.minimum(least[still_open], values)
            most[still_open] = np.maximum(most[still_open], values)
        is_open = (most - least)[still_open] < room
        still_open, n_cleared = still_open[is_open], int((~is_open).sum())
    for together in _one_of_each(still_open, blocks):
        lowest, highest = equations.ends(wanted[together], np.ones(len(together)))
        whole_range = np.floor(highest + _ROUNDING) - np.ceil(lowest - _ROUNDING)
        narrow[together] = whole_range < room
    return narrow


def _one_of_each(counts: IntArray, blocks: IntArray) -> Iterator[IntArray]:
    """The counts in rounds, at most one of a block in each."""
    while len(counts):
        _, first = np.unique(blocks[counts], return_index=True)
        yield counts[first]
        counts = np.delete(counts, first)
