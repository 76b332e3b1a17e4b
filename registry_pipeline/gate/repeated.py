"""Keys that stand more than once in a file.

Belongs here: finding them over all blocks of a file in bounded memory.
Does not belong here: what a key is made of (`schemas.forms`), what happens to the rows (`gate`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl


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
        hashes.append(_hashes(frame.drop_nulls(required)))
    if not hashes:
        return 0, pl.Series("row_number", [], dtype=pl.Int64)
    every = pl.concat(hashes)
    hits = every.filter(every.is_duplicated()).unique()
    if hits.is_empty():
        return n_rows, pl.Series("row_number", [], dtype=pl.Int64)
    keyed = (frame.drop_nulls(required) for frame in frames())
    suspects = pl.concat(frame.filter(_hashes(frame).is_in(hits.implode())) for frame in keyed)
    return n_rows, suspects.filter(suspects.drop("row_number").is_duplicated())["row_number"]


def _hashes(frame: pl.DataFrame) -> pl.Series:
    return frame.drop("row_number").hash_rows()
