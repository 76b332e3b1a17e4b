"""Moves between the states of adjacent scheduled waves, by wave and pooled.

Belongs here: derived.substance_transition. Does not belong here: times to an event, which follow
a person over more than one move (see `trajectories_courses`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.strata import STRATA, roll_up
from registry_pipeline.derivations.trajectories_columns import GROUP
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.clustered import with_clustered_share
from registry_pipeline.statistics.transitions import row_shares
from registry_pipeline.transform.engine import Frame, counts, materialise
from registry_pipeline.transform.trajectories import (
    MOVE_LETTER,
    MOVES,
    move_from,
    with_move_counts,
)
from registry_pipeline.version import as_table
from schemas.derived.substances import SubstanceTransition
from schemas.protocol import Protocol

CELL: Final = [*STRATA, "substance"]
STATES: Final = pl.DataFrame(
    {
        "move": MOVES,
        "from_state": [MOVE_LETTER[move[0]] for move in MOVES],
        "to_state": [MOVE_LETTER[move[1]] for move in MOVES],
    }
)
SUMS: Final = (
    "n", "denominator", "n_squares", "products", "denominator_squares", "people",
)  # fmt: skip


def substance_transition(courses: Frame, protocol: Protocol) -> pl.DataFrame:
    """derived.substance_transition: from each state at a wave to each state at the next.

    Missed, refused, not asked and out of treatment are one state, `missing`. A pair of waves
    counts where an interview was expected at both: a person who died, withdrew, moved or was not
    due at either end made no move there.

    Args:
        courses: rows of `words` with the columns of `STRATA` and `pooled`.
        protocol: the cohort's protocol.

    Returns:
        All 16 moves per group and pair of waves, and pooled (both waves null); a state that
        nobody was in has null probabilities and the reason not_computable.
    """
    n_waves = len(protocol.waves.nominal_days)
    alike = materialise(courses.group_by([*CELL, "pooled"]).agg(n=nw.len().cast(nw.Int64)))
    pooled = _pooled(alike, n_waves)
    one_by_one = [_by_wave(alike, n_waves, pooled.select(GROUP).unique())] if n_waves > 1 else []
    table = pl.concat([pooled, *one_by_one]).sort(*GROUP, "from_wave", "from_state", "to_state")
    method = pl.when(pl.col("from_wave").is_null())
    return as_table(
        table,
        SubstanceTransition,
        cohort=protocol.id,
        method=method.then(pl.lit("ratio over people; Wilson")).otherwise(pl.lit("share; Wilson")),
    )


def _by_wave(alike: Frame, n_waves: int, groups: pl.DataFrame) -> pl.DataFrame:
    """The moves from each wave to the next; each person makes at most one."""
    waves = pl.DataFrame({"from_wave": range(n_waves - 1)}, schema={"from_wave": pl.Int32})
    cells = [
        counts(
            alike.with_columns(move=move_from(wave)), [*CELL, "move"], of="n", in_order=False
        ).with_columns(from_wave=pl.lit(wave, pl.Int32))
        for wave in waves["from_wave"]
    ]
    made = roll_up(pl.concat(cells), ["substance", "from_wave", "move"])
    table = (
        groups.join(waves, how="cross")
        .join(STATES, how="cross")
        .join(made, on=[*GROUP, "from_wave", "move"], how="left")
        .with_columns(pl.col("n").fill_null(0))
    )
    shares = row_shares(table, [*GROUP, "from_wave"]).rename({"n_from": "denominator"})
    return _columns(shares.with_columns(to_wave=pl.col("from_wave") + 1))


def _pooled(alike: Frame, n_waves: int) -> pl.DataFrame:
    """The moves of all waves together; a person makes several, so intervals come from people."""
    sums = _sums_over_people(alike, n_waves)
    summed = roll_up(sums, ["substance"], [name for name in sums.columns if name not in CELL])
    rolled = pl.concat(
        summed.select(
            *GROUP,
            pl.lit(move).alias("move"),
            *(pl.col(f"{move}_{name}").alias(name) for name in SUMS),
        )
        for move in MOVES
    ).join(STATES, on="move")
    shares = with_clustered_share(rolled, estimate="probability").with_columns(
        reason=pl.when(pl.col("denominator") == 0).then(pl.lit(reasons.NOT_COMPUTABLE))
    )
    return _columns(shares.with_columns(from_wave=pl.lit(None), to_wave=pl.lit(None)))


def _sums_over_people(alike: Frame, n_waves: int) -> pl.DataFrame:
    """The sums of `SUMS` per cell and move, as columns `<move>_<sum>`."""
    moves = with_move_counts(alike, n_waves).with_columns(
        (nw.col("n") * term.cast(nw.Int64)).alias(f"{move}_{name}")
        for move in MOVES
        for name, term in _terms(nw.col(move), nw.col(move[0])).items()
    )
    names = [f"{move}_{name}" for move in MOVES for name in SUMS]
    sums = moves.group_by(CELL).agg(nw.col(*names).sum().cast(nw.Int64))
    frame: pl.DataFrame = sums.collect("polars").to_native()
    return frame


def _terms(made: nw.Expr, begun: nw.Expr) -> dict[str, nw.Expr]:
    """What is summed over people for one move: those of `SUMS`."""
    terms = (made, begun, made * made, made * begun, begun * begun, begun > 0)
    return dict(zip(SUMS, terms, strict=True))


def _columns(shares: pl.DataFrame) -> pl.DataFrame:
    """The columns both kinds of rows have, in one order."""
    state = [*GROUP, "from_wave", "from_state"]
    lost = pl.col("n").filter(pl.col("to_state") == "missing").sum().over(state)
    return shares.select(
        *GROUP,
        pl.col("from_wave", "to_wave").cast(pl.Int32),
        "from_state",
        "to_state",
        pl.col("n", "denominator").cast(pl.Int64),
        lost.cast(pl.Int64).alias("n_missing"),
        "probability",
        "ci_low",
        "ci_high",
        "reason",
    )
