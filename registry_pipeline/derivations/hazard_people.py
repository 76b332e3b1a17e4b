"""Who is compared in models of the hazard: people by what they are and how they left.

Belongs here: the counts of one kind of retention by factors, and the cells of a model.
Does not belong here: which models there are, and what is refused (see `retention_hazard`).

The models of one set of factors, one per way of leaving, read the same cells: they are arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from registry_pipeline.derivations.pathways_models import Term
from registry_pipeline.derivations.retention_counts import DAYS
from registry_pipeline.statistics.cox import Stays
from registry_pipeline.statistics.intervals import FloatArray

Levels = dict[str, dict[str, int]]
"""Factor to its levels to people."""

N: Final = pl.col("n")


@dataclass(frozen=True)
class Compared:
    """People with every factor known, whichever exit is the event.

    Attributes:
        levels_of: factor to its levels, and the place among them in each combination of levels
            that occurs.
        exit_types: the ways of leaving.
        left: combinations x exit types, and the censored last: people.
        which: the combination of each cell; entry_day, exit_day: its days; how: its place in
            `left`; people: their number.
        everyone: people, those with a factor unknown among them.
    """

    levels_of: Mapping[str, tuple[NDArray[np.str_], NDArray[np.int64]]]
    exit_types: Sequence[str]
    left: FloatArray
    which: NDArray[np.int64]
    entry_day: NDArray[np.int64]
    exit_day: NDArray[np.int64]
    how: NDArray[np.int64]
    people: NDArray[np.int64]
    everyone: int

    def exits(self, event: Collection[str]) -> FloatArray:
        """People of each combination who left in one of the ways of `event`."""
        return np.asarray(self.left @ self._is(event))

    def by_level(self, people: FloatArray) -> Levels:
        """People of each combination summed up by factor and level."""
        return {
            name: dict(
                zip(
                    levels.tolist(),
                    np.bincount(place, people, len(levels)).astype(int).tolist(),
                    strict=True,
                )
            )
            for name, (levels, place) in self.levels_of.items()
        }

    def of_levels(self, chosen: Mapping[str, Collection[str]]) -> NDArray[np.bool_]:
        """The combinations with a chosen level of every factor."""
        held = [
            np.isin(levels, list(chosen[name]))[place]
            for name, (levels, place) in self.levels_of.items()
        ]
        return np.asarray(np.all(held, axis=0))

    def stays(
        self, kept: NDArray[np.bool_], event: Collection[str], terms: Sequence[Term]
    ) -> Stays:
        """The cells of the kept combinations as a model takes them."""
        cells = slice(None) if kept.all() else kept[self.which]
        place = np.cumsum(kept) - 1
        how = self.how[cells]
        is_event = self._is(event)[how]
        return Stays(
            terms=np.column_stack([self._has(term)[kept] for term in terms]),
            which=place[self.which[cells]],
            entry_day=self.entry_day[cells],
            exit_day=self.exit_day[cells],
            is_event=is_event,
            people=self.people[cells],
            competes=(how < len(self.exit_types)) & ~is_event,
        )

    def _has(self, term: Term) -> FloatArray:
        levels, place = self.levels_of[term.factor]
        return np.asarray((levels == term.level)[place], dtype=np.float64)

    def _is(self, event: Collection[str]) -> NDArray[np.bool_]:
        return np.array([*(name in event for name in self.exit_types), False])


def compared(cells: pl.DataFrame, factors: Sequence[str]) -> Compared:
    """The people of `cells` in whom the factors are known.

    Args:
        cells: factors (null = unknown), `DAYS` and n.
        factors: of the models, at least one.
    """
    people = cells.group_by(*factors, *DAYS).agg(N.sum())
    known = people.drop_nulls(factors)
    combinations = known.select(factors).unique().sort(factors).with_row_index("which")
    exit_types = sorted(known["exit_type"].drop_nulls().unique())
    ways = pl.DataFrame(
        {"exit_type": exit_types, "how": range(len(exit_types))},
        schema={"exit_type": pl.String, "how": pl.Int64},
    )
    rows = (
        known.join(combinations, on=list(factors))
        .join(ways, on="exit_type", how="left")
        .select(
            pl.col("which", "entry_day", "exit_day", "n").cast(pl.Int64),
            how=pl.col("how").fill_null(len(exit_types)),
        )
    )
    which, entry_day, exit_day, people_of, how = (column.to_numpy() for column in rows)
    width = len(exit_types) + 1
    left = np.bincount(which * width + how, people_of, len(combinations) * width)
    places: dict[str, Any] = {
        name: np.unique(np.array(combinations[name].to_list()), return_inverse=True)
        for name in factors
    }
    return Compared(
        levels_of=places,
        exit_types=exit_types,
        left=left.reshape(-1, width).astype(np.float64),
        which=which,
        entry_day=entry_day,
        exit_day=exit_day,
        how=how,
        people=people_of,
        everyone=int(people["n"].sum()),
    )
