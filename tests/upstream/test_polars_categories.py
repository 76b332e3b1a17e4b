"""What pseudonymising leans on in Polars' categories; re-check when Polars moves."""

from __future__ import annotations

import polars as pl


def numbers(texts: list[str | None], kind: pl.Categorical) -> list[int | None]:
    return pl.Series(texts, dtype=pl.String).cast(kind).to_physical().to_list()


def test_texts_are_numbered_without_a_gap_in_the_order_they_are_met() -> None:
    kept = pl.Series([], dtype=pl.Categorical(pl.Categories.random()))
    assert numbers(["b", None, "a", "b"], kept.dtype) == [0, None, 1, 0]
    many = [f"text {place}" for place in range(300_000)]
    assert numbers([*many, "a"], kept.dtype) == [*range(2, 300_002), 1]
    names = pl.select(pl.int_range(0, 3, dtype=pl.UInt32).cat.to(kept.dtype).cast(pl.String))
    assert names.to_series().to_list() == ["b", "a", "text 0"]


def test_and_are_remembered_as_long_as_a_column_holds_the_categories() -> None:
    kind = pl.Categorical(pl.Categories.random())
    numbers(["a", "b"], kind)
    assert numbers(["b"], kind) == [0]
    kept = pl.Series([], dtype=kind)
    numbers(["a", "b"], kept.dtype)
    assert numbers(["b"], kept.dtype) == [1]
