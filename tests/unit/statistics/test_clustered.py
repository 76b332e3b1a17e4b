"""Shares that a person counts in several times: against statsmodels, and at the edges."""

import polars as pl
import pytest
import statsmodels.api as sm

from registry_pipeline.statistics.clustered import with_clustered_share
from registry_pipeline.statistics.intervals import with_wilson


def sums(people: list[tuple[int, int]]) -> pl.DataFrame:
    """The sums over people of (moves made, chances to make it)."""
    return pl.DataFrame(
        {
            "n": sum(x for x, _ in people),
            "denominator": sum(d for _, d in people),
            "n_squares": sum(x * x for x, _ in people),
            "products": sum(x * d for x, d in people),
            "denominator_squares": sum(d * d for _, d in people),
            "people": sum(d > 0 for _, d in people),
        }
    )


def share(people: list[tuple[int, int]]) -> dict[str, float | None]:
    found = with_clustered_share(sums(people)).row(0, named=True)
    return {name: found[name] for name in ("estimate", "ci_low", "ci_high")}


def wilson(part: float, whole: float) -> dict[str, float | None]:
    found = with_wilson(pl.DataFrame({"x": [part], "n": [whole]}), "x", "n").row(0, named=True)
    return {name: found[name] for name in ("estimate", "ci_low", "ci_high")}


def test_variance_is_that_of_a_cluster_robust_mean() -> None:
    people = [(1, 4), (0, 3), (2, 2), (5, 8), (1, 1), (0, 0), (3, 8)]
    rows = [(who, i < x) for who, (x, d) in enumerate(people) for i in range(d)]
    made = [float(move) for _, move in rows]
    model = sm.OLS(made, [1.0] * len(made)).fit(
        cov_type="cluster", cov_kwds={"groups": [who for who, _ in rows]}
    )
    p = sum(made) / len(made)
    effective = p * (1 - p) / float(model.cov_params()[0, 0])
    assert effective < len(made)
    assert share(people) == pytest.approx(wilson(p * effective, effective))


def test_one_chance_each_is_the_ordinary_interval_but_for_the_small_sample_factor() -> None:
    people = [(1, 1)] * 300 + [(0, 1)] * 700
    assert share(people) == pytest.approx(wilson(0.3 * 999, 999))


@pytest.mark.parametrize(
    ("people", "as_if"),
    [
        ([(1, 2)], (0.5, 1)),  # one person is one observation
        ([(1, 2), (1, 2), (2, 4)], (1.5, 3)),  # no spread between people
        ([(0, 8), (0, 8)], (0, 2)),
        ([(8, 8), (8, 8)], (2, 2)),
    ],
)
def test_without_spread_each_person_counts_once(
    people: list[tuple[int, int]], as_if: tuple[float, float]
) -> None:
    assert share(people) == pytest.approx(wilson(*as_if))


def test_nobody_there_gives_null() -> None:
    assert share([(0, 0)]) == {"estimate": None, "ci_low": None, "ci_high": None}


def test_sums_of_a_large_registry_do_not_overflow() -> None:
    million = sums([(1, 4), (2, 8), (0, 3)]) * 1_000_000
    found = with_clustered_share(million).row(0, named=True)
    assert found["estimate"] == pytest.approx(3 / 15)
    assert found["ci_high"] - found["ci_low"] < 0.001
