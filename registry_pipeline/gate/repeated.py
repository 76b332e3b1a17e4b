"""Keys that stand more than once in a file.

Belongs here: finding them over all blocks of a file in bounded memory.
Does not belong here: what a key is made of (`schemas.forms`), what happens to the rows (`gate`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import polars as pl

NO_ROWS: Final = pl.Series("row_number", [], dtype=pl.Int64)


def repeated_rows(
    frames: Callable[[], Iterator[pl.DataFrame]], required: Sequence[str]
) -> tuple[int, pl.Series]:
    """The rows whose key another row has too; which of them is right is never guessed.

    Memory grows by eight bytes a row: keys are hashed, and only where a hash stands twice are the
    keys themselves read once more and compared.

    Args:
        frames: walks the file each time it is called: row_number and the key's columns.
        required: key columns without which a row has no key, and so no double.

    Returns:
        The number of rows walked, and the row numbers of all rows of repeated keys.
    """
    n_rows = 0
    hashes: list[pl.Series] = []
    for frame in frames():
        n_rows += frame.height
        hashes.append(hashed_keys(frame.drop_nulls(required)))
    if not hashes:
        return 0, NO_ROWS
    every = pl.concat(hashes)
    hits = every.filter(every.is_duplicated()).unique()
    if hits.is_empty():
        return n_rows, NO_ROWS
    keyed = (frame.drop_nulls(required) for frame in frames())
    suspects = pl.concat(frame.filter(hashed_keys(frame).is_in(hits.implode())) for frame in keyed)
    return n_rows, suspects.filter(suspects.drop("row_number").is_duplicated())["row_number"]


def hashed_keys(frame: pl.DataFrame) -> pl.Series:
    """A hash of the key of each row; `frame` has row_number and the key's columns."""
    return frame.drop("row_number").hash_rows()
