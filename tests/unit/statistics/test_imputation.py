"""Multiple imputation: what is kept, what is drawn, and that pooled intervals hold their level."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from registry_pipeline.statistics.contrasts import pool, with_interval
from registry_pipeline.statistics.imputation import completed

VARIABLES = ["sex", "use", "score"]


def cells() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "sex": ["f", "f", "m", "m", None, "m"],
            "use": ["none", "some", "none", "daily", "some", None],
            "score": [6.0, 5.0, 4.0, 2.0, 5.0, None],
            "n": [20, 15, 10, 12, 3, 4],
        }
    )


def copies(frame: pl.DataFrame, variables: list[str], n: int = 5, seed: int = 1) -> Any:
    return list(completed(frame, variables, copies=n, seed=seed))


def test_answers_stay_and_gaps_are_filled() -> None:
    given = cells()
    for copy in copies(given, VARIABLES):
        assert copy["n"].sum() == given["n"].sum()
        assert copy.null_count().sum_horizontal().item() == 0
        whole = copy.filter(pl.col("n") > 1)
        assert whole.equals(given.drop_nulls().select(whole.columns))
        apart = copy.filter(pl.col("n") == 1)
        assert apart.filter(use="some", score=5.0).height == 3
        assert apart.height == 7  # three without a sex, four without the rest
        assert set(copy["sex"]) <= {"f", "m"}
        assert set(copy["use"]) <= {"none", "some", "daily"}


def test_copies_differ_and_the_seed_repeats_them() -> None:
    first, again = copies(cells(), VARIABLES), copies(cells(), VARIABLES)
    assert all(a.equals(b) for a, b in zip(first, again, strict=True))
    assert not first[0].equals(first[1])
    assert not first[0].equals(copies(cells(), VARIABLES, seed=2)[0])


def test_nothing_missing_nothing_drawn() -> None:
    whole = cells().drop_nulls()
    assert all(copy.equals(whole) for copy in copies(whole, VARIABLES))


def test_a_level_follows_what_predicts_it() -> None:
    """Women all but use nothing, men all but use daily: those whose use is missing follow."""
    frame = pl.DataFrame(
        {
            "sex": ["f", "f", "m", "m", "f", "m"],
            "use": ["none", "daily", "none", "daily", None, None],
            "n": [190, 10, 10, 190, 400, 400],
        }
    )
    shares = [
        copy.filter(pl.col("n") == 1).group_by("sex").agg((pl.col("use") == "none").mean())
        for copy in copies(frame, ["sex", "use"], n=20)
    ]
    mean = pl.concat(shares).group_by("sex").agg(pl.col("use").mean())
    by_sex = dict(mean.iter_rows())
    assert by_sex["f"] == pytest.approx(0.95, abs=0.03)
    assert by_sex["m"] == pytest.approx(0.05, abs=0.03)


def test_a_level_that_separates_is_drawn_without_running_away() -> None:
    """Every woman uses none: the missing woman almost surely, not certainly, does too."""
    frame = pl.DataFrame(
        {"sex": ["f", "m", "m", "f"], "use": ["none", "none", "daily", None], "n": [12, 6, 6, 300]}
    )
    drawn = [c.filter(pl.col("n") == 1)["use"] for c in copies(frame, ["sex", "use"], n=20)]
    share = np.mean([(one == "none").mean() for one in drawn])
    assert 0.8 < share < 1


def test_numbers_keep_mean_and_spread() -> None:
    source = np.random.default_rng(3)
    x = source.integers(0, 2, 600)
    y = np.round(3 + 2 * x + source.normal(0, 1, 600), 1)
    gone = source.random(600) < 0.4
    frame = pl.DataFrame({"x": x.astype(str), "y": np.where(gone, np.nan, y), "n": 1})
    frame = frame.with_columns(pl.col("y").fill_nan(None))
    drawn = [copy.filter(pl.col("x") == "1")["y"] for copy in copies(frame, ["x", "y"], n=10)]
    assert np.mean([one.mean() for one in drawn]) == pytest.approx(5, abs=0.15)
    assert np.mean([one.std() for one in drawn]) == pytest.approx(1, abs=0.12)


def test_missing_that_depends_on_a_covariate_biases_the_answered_not_the_pooled() -> None:
    """Mean of y is 4; the answered with high x are fewer. 200 cohorts: 95 % intervals hold."""
    held, plain = 0, []
    for seed in range(200):
        source = np.random.default_rng(seed)
        x = source.integers(0, 2, 100)
        y = 3 + 2.0 * x + source.normal(0, 1, 100)
        gone = source.random(100) < np.where(x == 1, 0.6, 0.1)
        frame = pl.DataFrame({"x": x.astype(str), "y": y, "gone": gone, "n": 1}).with_columns(
            y=pl.when(~pl.col("gone")).then("y")
        )
        plain.append(frame["y"].mean())
        means = [
            copy["y"] for copy in copies(frame.drop("gone"), ["x", "y"], n=8, seed=1000 + seed)
        ]
        values = np.array([[one.mean()] for one in means])
        variances = np.array([[one.var() / 100] for one in means])
        pooled = pool(values, variances, 99)
        whole = with_interval(pooled.estimate, pooled.variance, ratio=False, df=pooled.df)
        held += int(whole.low[0] < 4 < whole.high[0])
    assert np.mean(plain) == pytest.approx(3.6, abs=0.1)  # 0.9 x 3 + 0.4 x 5 over 1.3
    assert 180 <= held <= 199  # 190 expected
