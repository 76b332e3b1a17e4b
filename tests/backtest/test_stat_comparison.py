"""Shares, contrasts, differences and transitions against R on real counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from registry_pipeline.statistics.comparison import (
    standardised_difference,
    two_means,
    two_proportions,
)
from registry_pipeline.statistics.intervals import with_wilson
from registry_pipeline.statistics.transitions import row_shares

pytestmark = pytest.mark.backtest

ARMS = ("naltrexone+fluoxetine", "naltrexone+placebo", "placebo+fluoxetine", "placebo+placebo")


def share_figures(counted: list[tuple[int, int]], rows: list[dict[str, Any]]) -> Iterator[Any]:
    """Counts, share and Wilson interval: `x`, `n`, `p`, `ci_wilson`.

    No table has exact intervals of a share: `ci_exact` is held against the library's.
    """
    counts = pl.DataFrame(counted, schema=["x", "n"], orient="row")
    for (x, n), row in zip(counted, rows, strict=True):
        yield from (("x", x, row["x"]), ("n", n, row["n"]))
        yield from zip(
            ("exact low", "exact high"),
            proportion_confint(x, n, method="beta"),
            row["ci_exact"],
            strict=True,
        )
    for ours, row in zip(with_wilson(counts, "x", "n").iter_rows(), rows, strict=True):
        yield from zip(("p", "low", "high"), ours[2:], (row["p"], *row["ci_wilson"]), strict=True)


def contrast_figures(first: tuple[int, int], second: tuple[int, int], key: Any) -> Iterator[Any]:
    arms = pl.DataFrame([(*first, *second)], schema=["x1", "n1", "x0", "n0"], orient="row")
    rows = two_proportions(arms).rows_by_key("measure", named=True, unique=True)
    difference, odds = rows["risk_difference"], rows["odds_ratio"]
    yield "risk difference", difference["estimate"], key["risk_diff"]
    yield "chi-square p", difference["p_value"], key["p"]
    yield "odds ratio", odds["estimate"], key["or"]
    yield "odds ratio low", odds["ci_low"], key["ci"][0]
    yield "odds ratio high", odds["ci_high"], key["ci"][1]


@pytest.fixture
def remission(shared_data: Path) -> dict[str, tuple[int, int]]:
    """In remission and randomised, by arm."""
    table = pl.read_csv(shared_data / "naltrexone_spb_aggregate.csv")
    return {arm: (x, n) for arm, n, x in table.select("arm", "n", "remission_6m").iter_rows()}


def test_naltrexone_arms(remission: Any, answers: Any, agree: Any) -> None:
    key = answers("naltrexone_spb_aggregate")["arms"]
    agree(share_figures([remission[arm["arm"]] for arm in key], key))


def test_naltrexone_pairs(remission: Any, answers: Any, agree: Any) -> None:
    for pair, key in answers("naltrexone_spb_aggregate")["pairwise"].items():
        first, second = pair.split(" vs ")
        agree(contrast_figures(remission[first], remission[second], key))


@pytest.mark.parametrize(("drug", "place"), [("naltrexone", 0), ("fluoxetine", 1)])
def test_naltrexone_factors(
    remission: Any, answers: Any, agree: Any, drug: str, place: int
) -> None:
    """Either drug against its placebo, over the other drug."""
    x, n = {True: 0, False: 0}, {True: 0, False: 0}
    for arm in ARMS:
        has_drug = arm.split("+")[place] == drug
        x[has_drug] += remission[arm][0]
        n[has_drug] += remission[arm][1]
    key = answers("naltrexone_spb_aggregate")[f"{drug}_vs_placebo"]
    agree(contrast_figures((x[True], n[True]), (x[False], n[False]), key))


def test_start_shares(answers: Any, agree: Any) -> None:
    """The intervals of the keyed counts, which `test_ctn0027_run` derives from the rows."""
    for arm in answers("ctn0027")["retention_last_dose"].values():
        agree(share_figures([(point["x"], point["n"]) for point in arm["at"]], arm["at"]))


def test_start_weekly_transitions(answers: Any, agree: Any) -> None:
    for arm, key in answers("ctn0027")["weekly_uds_transitions"].items():
        cells = [
            (arm, before, after, n)
            for before, row in zip(key["states"], key["counts"], strict=True)
            for after, n in zip(key["states"], row, strict=True)
        ]
        moves = pl.DataFrame(cells, schema=["arm", "from_state", "to_state", "n"], orient="row")
        ours = row_shares(moves, ["arm"]).rows_by_key(["from_state", "to_state"], named=True)
        for before, n, shares in zip(key["states"], key["row_n"], key["row_prop"], strict=True):
            for after, share in zip(key["states"], shares, strict=True):
                row = ours[before, after][0]
                agree([("row total", row["n_from"], n), ("share", row["probability"], share)])


@pytest.fixture
def youth(shared_data: Path) -> pl.DataFrame:
    return pl.read_csv(shared_data / "gain_sud_synthetic.csv", infer_schema_length=None)


def test_youth_shares(youth: pl.DataFrame, answers: Any, agree: Any) -> None:
    for wave, arms in answers("gain_sud_synthetic")["recov"].items():
        for arm, keyed in arms.items():
            recovered = youth.filter(treat=arm)[f"recov_{wave.removeprefix('m')}"]
            agree(share_figures([(int(recovered.sum()), len(recovered))], [keyed]))


def test_youth_standardised_differences(youth: pl.DataFrame, answers: Any, agree: Any) -> None:
    a, b = (pl.col("treat") == arm for arm in ("A", "B"))
    for name, keyed in answers("gain_sud_synthetic")["smd_baseline"].items():
        first, second = pl.col(name).filter(a), pl.col(name).filter(b)
        ours = youth.select(
            standardised_difference(first.mean(), first.var(), second.mean(), second.var())
        )
        agree([(name, ours.item(), keyed)])


def test_youth_welch(youth: pl.DataFrame, answers: Any, agree: Any) -> None:
    key, days = answers("gain_sud_synthetic")["welch_t_ada6"], pl.col("ada_6")
    sums = [
        expression.alias(f"{name}{code}")
        for arm, code in (("A", "1"), ("B", "0"))
        for name, expression in (
            ("n", days.filter(pl.col("treat") == arm).count()),
            ("total", days.filter(pl.col("treat") == arm).sum()),
            ("total_squares", (days.filter(pl.col("treat") == arm) ** 2).sum()),
        )
    ]
    row = two_means(youth.select(sums)).row(0, named=True)
    agree(
        [
            ("t", row["estimate"] / row["std_error"], key["t"]),
            ("df", row["df"], key["df"]),
            ("p", row["p_value"], key["p"]),
            ("low", row["ci_low"], key["diff_ci"][0]),
            ("high", row["ci_high"], key["diff_ci"][1]),
        ]
    )
