"""The attacker: what can be worked out of hidden counts from what is shown, by linear programming.

Belongs here: the range in which each hidden count must lie, given everything shown.
Does not belong here: choosing what to hide (see `suppress`).

The attacker knows every row that is shown, every denominator that is not hidden on its own
account or to protect another, that counts are whole and not negative, and which rows add up to
which. A hidden count is safe when its range is no narrower than that of a small count, which is
known to be 1 to `min_count` less 1.

Source: Fischetti and Salazar 2000 (cell suppression, the attacker's problem).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from registry_pipeline.disclosure.family import Exposure, Family, IntArray, Relation
from schemas.protocol import Disclosure

FloatArray = NDArray[np.float64]
Form = tuple[int, ...]
"""Variables that are summed: a count, or a denominator of two."""

GUESSES: Final = 6
"""Directions in which counts are moved together before one is bounded by itself."""

_ROUNDING: Final = 1e-6
_SEED: Final = 20140501


def unsafe(
    families: Sequence[Family], exposures: Sequence[IntArray], rule: Disclosure
) -> list[set[int]]:
    """Per family the rows with a small count that is shown, or hidden in too narrow a range.

    All families are attacked at once: they share no count, so one program solves them side by side.

    Args:
        families: the true counts and the sums among them.
        exposures: what is shown of each row of each family.
        rule: the thresholds.

    Raises:
        ValueError: the counts that are shown fit no counts at all.
    """
    system = _System(families, exposures)
    found: list[set[int]] = [set() for _ in families]
    hidden: list[tuple[int, int, Form]] = []
    for number, family in enumerate(families):
        for row, count in _small_counts(family, rule):
            form = system.form(number, row, count)
            if form:
                hidden.append((number, row, form))
            else:
                found[number].add(row)
    narrow = _narrow(system, {form: number for number, _, form in hidden}, rule)
    for number, row, form in hidden:
        if form in narrow:
            found[number].add(row)
    return found


def _small_counts(family: Family, rule: Disclosure) -> list[tuple[int, str]]:
    """Rows and their counts that are more than nothing and below the threshold."""
    counts = {
        "fulfilled": family.fulfilled,
        "others": family.others,
        "denominator": family.denominator,
    }
    return [
        (int(row), name)
        for name, count in counts.items()
        for row in np.flatnonzero((count > 0) & (count < rule.min_count))
    ]


def _narrow(system: _System, forms: dict[Form, int], rule: Disclosure) -> set[Form]:
    """The forms whose value lies in a range narrower than that of a small count.

    Most are cleared by moving all of them at once, in a few directions; the rest are bounded, one
    of each family at a time.

    Args:
        system: the equations.
        forms: the forms, with the number of their family.
        rule: the thresholds.
    """
    room = max(1, rule.min_count - 2) - _ROUNDING
    random = np.random.default_rng(_SEED)
    reach = dict.fromkeys(forms, (np.inf, -np.inf))
    still_open = sorted(forms)
    for _ in range(GUESSES):
        if not still_open:
            return set()
        signs = random.choice([-1.0, 1.0], size=len(still_open))
        for solution in system.ends(still_open, signs):
            for form in still_open:
                value, (least, most) = solution[list(form)].sum(), reach[form]
                reach[form] = (min(least, value), max(most, value))
        still_open = [form for form in still_open if reach[form][1] - reach[form][0] < room]
    narrow = set()
    for together in _one_of_each(still_open, forms):
        lowest, highest = system.ends(together, np.ones(len(together)))
        for form in together:
            low = np.ceil(lowest[list(form)].sum() - _ROUNDING)
            high = np.floor(highest[list(form)].sum() + _ROUNDING)
            if high - low < room:
                narrow.add(form)
    return narrow


def _one_of_each(still_open: Sequence[Form], families: dict[Form, int]) -> Iterator[list[Form]]:
    """The forms in rounds, at most one of a family in each."""
    queues: dict[int, list[Form]] = {}
    for form in still_open:
        queues.setdefault(families[form], []).append(form)
    for together in zip_longest(*queues.values()):
        yield [form for form in together if form is not None]


class _System:
    """The equations between the hidden counts of families that share none.

    Variables are (family, row, fulfilled or others): both where nothing is shown of the row, the
    fulfilled alone where the denominator is.
    """

    def __init__(self, families: Sequence[Family], exposures: Sequence[IntArray]) -> None:
        self._families = families
        self._exposures = exposures
        self.variables = [
            (number, row, is_fulfilled)
            for number, exposure in enumerate(exposures)
            for row in np.flatnonzero(exposure).tolist()
            for is_fulfilled in (True, False)
            if exposure[row] == Exposure.NOTHING or is_fulfilled
        ]
        self._index = {variable: at for at, variable in enumerate(self.variables)}
        numbered = list(enumerate(families))
        self._equal = self._matrix(
            self._sum(number, relation, is_fulfilled=is_fulfilled)
            for number, family in numbered
            for relation in family.relations
            for is_fulfilled in (True, False)
        )
        self._most = self._matrix(
            self._inside(number, over, part)
            for number, family in numbered
            for over in family.nested
            for part in (*over.parts, None)
        )
        self._bounds = [(0, self._ceiling(number, row)) for number, row, _ in self.variables]

    def form(self, number: int, row: int, count: str) -> Form:
        """The variables of a row's count; none where the count is shown.

        With the denominator known the others follow from the fulfilled, and are as safe.
        """
        exposure = self._exposures[number][row]
        wanted = {"fulfilled": (True,), "others": (False,), "denominator": (True, False)}[count]
        if exposure == Exposure.DENOMINATOR:
            wanted = () if count == "denominator" else (True,)
        if exposure == Exposure.SHOWN:
            wanted = ()
        return tuple(self._index[number, row, is_fulfilled] for is_fulfilled in wanted)

    def ends(self, forms: Sequence[Form], signs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The solutions that make a signed sum of forms least and most."""
        direction = np.zeros(len(self.variables))
        for form, sign in zip(forms, signs, strict=True):
            direction[list(form)] += sign
        return self._solve(direction), self._solve(-direction)

    def _solve(self, direction: FloatArray) -> FloatArray:
        from scipy.optimize import linprog  # noqa: PLC0415 - slow to import

        most, limit = self._most
        equal, wanted = self._equal
        solved = linprog(
            direction,
            A_ub=most,
            b_ub=limit,
            A_eq=equal,
            b_eq=wanted,
            bounds=self._bounds,
            method="highs",
        )
        if solved.status != 0:
            message = "the published counts contradict each other: no counts fit them"
            raise ValueError(message)
        return np.asarray(solved.x, dtype=np.float64)

    def _ceiling(self, number: int, row: int) -> int:
        """No count is above its known denominator, nor above everyone in the family."""
        denominator = self._families[number].denominator
        known = self._exposures[number][row] == Exposure.DENOMINATOR
        return int(denominator[row] if known else denominator.sum())

    def _sum(
        self, number: int, relation: Relation, *, is_fulfilled: bool
    ) -> tuple[dict[int, float], float]:
        """Parts less total is nothing, for one of the two counts."""
        signs = [(relation.total, -1.0), *((row, 1.0) for row in relation.parts)]
        return self._equation(number, signs, (is_fulfilled,))

    def _inside(
        self, number: int, over: Relation, part: int | None
    ) -> tuple[dict[int, float], float]:
        """A part's denominator is at most its period's; the period's at most those of its parts."""
        signs = [(over.total, -1.0), (part, 1.0)] if part is not None else []
        if part is None:
            signs = [(over.total, 1.0), *((row, -1.0) for row in over.parts)]
        return self._equation(number, signs, (True, False))

    def _equation(
        self, number: int, signs: Sequence[tuple[int, float]], counts: Sequence[bool]
    ) -> tuple[dict[int, float], float]:
        """A signed sum of rows' counts as factors of variables, and what it must come to."""
        family, exposure = self._families[number], self._exposures[number]
        factors: dict[int, float] = {}
        known = 0.0

        def add(row: int, is_fulfilled: bool, factor: float) -> None:
            at = self._index[number, row, is_fulfilled]
            factors[at] = factors.get(at, 0.0) + factor

        for row, sign in signs:
            for is_fulfilled in counts:
                if exposure[row] == Exposure.NOTHING:
                    add(row, is_fulfilled, sign)
                elif exposure[row] == Exposure.SHOWN:
                    count = family.fulfilled if is_fulfilled else family.others
                    known += sign * float(count[row])
                else:
                    add(row, True, sign if is_fulfilled else -sign)
                    known += 0.0 if is_fulfilled else sign * float(family.denominator[row])
        return {at: factor for at, factor in factors.items() if factor}, -known

    def _matrix(self, equations: Iterator[tuple[dict[int, float], float]]) -> tuple[Any, Any]:
        """The equations that name a variable, sparse; null for none."""
        from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

        named = [(factors, right) for factors, right in equations if factors]
        if not named:
            return None, None
        lines = [line for line, (factors, _) in enumerate(named) for _ in factors]
        columns = [at for factors, _ in named for at in factors]
        values = [factor for factors, _ in named for factor in factors.values()]
        shape = (len(named), len(self.variables))
        return csr_array((values, (lines, columns)), shape=shape), [right for _, right in named]
