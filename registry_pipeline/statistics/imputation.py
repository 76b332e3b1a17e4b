"""Multiple imputation by chained equations, over people with the same answers counted together.

Belongs here: completed copies of a table of categories and numbers. Does not belong here: what is
estimated from them, pooling (see `contrasts.pool`), and which variables belong together.

Each incomplete variable is drawn in turn from a regression on all the others, whose coefficients
are themselves drawn, so that the copies differ as much as is not known. A category is drawn level
by level: this level, or one of those after it. What is imputed is never counted as an answer.
Source: van Buuren 2018, chapters 3 and 4; White, Royston and Wood 2011.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from registry_pipeline.statistics.intervals import FloatArray

ROUNDS: Final = 10
"""Rounds over the incomplete variables before a copy is taken."""

STEPS: Final = 25
SMALLEST: Final = 1e-8


@dataclass
class _Variable:
    """One column: its values as numbers (a category as the place of its level) and its gaps."""

    values: FloatArray
    missing: NDArray[np.bool_]
    levels: pl.Series | None

    @property
    def columns(self) -> list[FloatArray]:
        """The variable as columns of a design: a number, or a column per level but the first."""
        if self.levels is None:
            return [self.values]
        return [(self.values == level).astype(float) for level in range(1, len(self.levels))]


def completed(
    cells: pl.DataFrame, variables: Sequence[str], *, copies: int, seed: int
) -> Iterator[pl.DataFrame]:
    """Copies of the cells with every gap in the variables filled.

    Args:
        cells: people alike, `n` of them per row. Text is a category; a number stays one, and is
            drawn from a normal regression without rounding.
        variables: the columns to fill and to predict from; each has some answer.
        copies: how many.
        seed: of the draws.

    Yields:
        The cells with people who lacked anything one by one, the same rows every time.
    """
    gaps = pl.any_horizontal(pl.col(variables).is_null())
    whole = cells.filter(~gaps)
    apart = cells.filter(gaps).select(pl.all().repeat_by("n")).explode(cells.columns)
    people = pl.concat([whole, apart.with_columns(n=pl.lit(1, cells.schema["n"]))])
    weight = people["n"].cast(pl.Float64).to_numpy()
    source = np.random.default_rng(seed)
    columns = {name: _variable(people[name]) for name in variables}
    incomplete = sorted(
        (name for name in variables if columns[name].missing.any()),
        key=lambda name: columns[name].missing.sum(),
    )
    for _ in range(copies):
        for name in incomplete:
            _fill_at_random(columns[name], weight, source)
        for _ in range(ROUNDS if len(incomplete) > 1 else 1):
            for name in incomplete:
                _draw(name, columns, weight, source)
        yield people.with_columns(_series(name, columns[name]) for name in incomplete)


def _variable(column: pl.Series) -> _Variable:
    missing = column.is_null().to_numpy()
    if column.dtype.is_numeric():
        return _Variable(column.cast(pl.Float64).fill_null(0).to_numpy().copy(), missing, None)
    levels = column.drop_nulls().unique().sort()
    place = pl.Series(range(len(levels)), dtype=pl.Float64)
    codes = column.replace_strict(levels, place, default=None, return_dtype=pl.Float64)
    return _Variable(codes.fill_null(0).to_numpy().copy(), missing, levels)


def _series(name: str, variable: _Variable) -> pl.Series:
    if variable.levels is None:
        return pl.Series(name, variable.values.copy())  # drawn anew for the next copy
    return variable.levels.gather(variable.values.astype(int)).alias(name)


def _fill_at_random(variable: _Variable, weight: FloatArray, source: np.random.Generator) -> None:
    """Starts each gap with somebody's answer."""
    chance = weight[~variable.missing]
    answers = variable.values[~variable.missing]
    variable.values[variable.missing] = source.choice(
        answers, size=int(variable.missing.sum()), p=chance / chance.sum()
    )


def _draw(
    name: str, columns: Mapping[str, _Variable], weight: FloatArray, source: np.random.Generator
) -> None:
    """Fills the gaps of one variable anew, from the others as they stand."""
    target = columns[name]
    others = [part for key, other in columns.items() if key != name for part in other.columns]
    terms = np.column_stack([np.ones(len(weight)), *others])
    if target.levels is None:
        target.values[target.missing] = _numbers(terms, target, weight, source)
    else:
        target.values[target.missing] = _levels(terms, target, weight, source)


def _numbers(
    terms: FloatArray, target: _Variable, weight: FloatArray, source: np.random.Generator
) -> FloatArray:
    """Draws from a normal linear model (van Buuren 2018, algorithm 3.1)."""
    known, gaps = ~target.missing, target.missing
    x, y, n = terms[known], target.values[known], weight[known]
    inverse = np.asarray(np.linalg.pinv((x * n[:, None]).T @ x, hermitian=True), dtype=np.float64)
    beta = inverse @ (x.T @ (n * y))
    df = max(n.sum() - np.linalg.matrix_rank(inverse, hermitian=True), 1.0)
    sigma = np.sqrt(n @ (y - x @ beta) ** 2 / source.chisquare(df))
    drawn = beta + sigma * _normal(inverse, source)
    return np.asarray(terms[gaps] @ drawn + sigma * source.standard_normal(int(gaps.sum())))


def _levels(
    terms: FloatArray, target: _Variable, weight: FloatArray, source: np.random.Generator
) -> FloatArray:
    """Draws a level: the first or a later one, then the second or a later one, and so on."""
    assert target.levels is not None  # noqa: S101 - a category has levels
    known, gaps = ~target.missing, target.missing
    last = len(target.levels) - 1
    drawn = np.full(int(gaps.sum()), float(last))
    open_still = np.ones(len(drawn), dtype=bool)
    for level in range(last):
        at_risk = known & (target.values >= level)
        is_level = (target.values[at_risk] == level).astype(float)
        beta = _logit(terms[at_risk], is_level, weight[at_risk], source)
        chance = special.expit(terms[gaps] @ beta)
        here = open_still & (source.random(len(drawn)) < chance)
        drawn[here] = level
        open_still &= ~here
    return drawn


def _logit(
    terms: FloatArray, yes: FloatArray, weight: FloatArray, source: np.random.Generator
) -> FloatArray:
    """Coefficients drawn from around those of a logistic model.

    A few rows of little weight are added at the edges of each term, one of either answer, so that
    a term whose people all answer alike has a finite coefficient (White, Daniel and Royston 2010).
    """
    edges, answers, light = _edges(terms, weight)
    x, y = np.vstack([terms, edges]), np.concatenate([yes, answers])
    n = np.concatenate([weight, light])
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        chance = special.expit(x @ beta)
        information = (x * (n * chance * (1 - chance))[:, None]).T @ x
        inverse = np.linalg.pinv(information, hermitian=True)
        step = inverse @ (x.T @ (n * (y - chance)))
        beta = beta + np.clip(step, -5, 5)
        if np.abs(step).max() < SMALLEST:
            break
    return np.asarray(beta + _normal(inverse, source))


def _edges(terms: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Four rows per term, half a standard deviation to either side of the mean, both answers."""
    share = weight / weight.sum()
    mean = share @ terms
    spread = np.sqrt(np.maximum(share @ (terms - mean) ** 2, 0.0))
    size = terms.shape[1] - 1
    shift = np.diag(spread)[1:] / 2
    sides = np.vstack([mean + shift, mean - shift])
    rows = np.vstack([sides, sides])
    answers = np.repeat([0.0, 1.0], 2 * size)
    return rows, answers, np.full(4 * size, (size + 1) / max(4 * size, 1))


def _normal(covariance: FloatArray, source: np.random.Generator) -> FloatArray:
    """A normal draw around 0 with a covariance that may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(
        vectors @ (np.sqrt(np.maximum(values, 0)) * source.standard_normal(len(values)))
    )
