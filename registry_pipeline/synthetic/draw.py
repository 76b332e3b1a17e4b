"""Drawing values: the small vocabulary that every part of the simulation is written in.

Belongs here: turning random numbers and day numbers into columns of a form.
Does not belong here: what is drawn (see `people`, `course`, `answers`, `care`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import accumulate
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.forms import form_table
from schemas.protocol import Protocol

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def day_number(day: date) -> int:
    """Days since 1970-01-01, in which the simulation reckons."""
    return (day - date(1970, 1, 1)).days


NEVER: Final = day_number(date(2100, 1, 1))
"""The day number of what does not happen; later than any cut-off."""


def pick(labels: Sequence[str], codes: npt.NDArray[np.integer]) -> pl.Series:
    """The label of each code."""
    return pl.Series(labels, dtype=pl.String).gather(codes)


def quota(rng: np.random.Generator, n: int, share: float) -> Bools:
    """Flags of which exactly round(n x share) are set, in random order."""
    return rng.permutation(np.arange(n) < round(n * share))


def waits(rng: np.random.Generator, yearly: Floats) -> Ints:
    """Days, at least 1, until an event of that yearly rate; capped so that sums stay dates."""
    return 1 + np.minimum(rng.exponential(365.25 / yearly), 20_000).astype(np.int64)


def graded(latent: Floats, shares: Sequence[float]) -> Ints:
    """Ordered codes 0, 1, ... that split a standard normal latent in the given shares."""
    cuts = [NormalDist().inv_cdf(share) for share in accumulate(shares[:-1])]
    return np.searchsorted(cuts, latent).astype(np.int64)


def shaped(form: str, protocol: Protocol, frame: pl.DataFrame) -> pl.DataFrame:
    """A form's frame, with the columns, order and types of its model.

    Day numbers become dates, `NEVER` and absent columns become null; columns that the form
    does not have are dropped.
    """
    return frame.select(
        _typed(frame, name, dtype) for name, dtype in form_table(form, protocol).dtypes.items()
    )


def as_date(column: str) -> pl.Expr:
    """A column of day numbers as dates; `NEVER` becomes null."""
    day = pl.col(column)
    return pl.when(day < NEVER).then(day).cast(pl.Int32).cast(pl.Date).alias(column)


def _typed(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, dtype=dtype).alias(name)
    if dtype == pl.Date and frame.schema[name].is_integer():
        return as_date(name)
    return pl.col(name).cast(dtype)
