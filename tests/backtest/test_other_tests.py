"""Keyed figures that no table of ours holds, against the library a reader would reach for.

They are here so that every figure of the keys is compared with something: a corrected or an exact
test, a rank test, an overall test, and models of repeated measures on rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import special, stats

from registry_pipeline.statistics.comparison import two_means, two_proportions

pytestmark = pytest.mark.backtest

TERMS = ("(Intercept)", "A", "tf3", "tf6", "A:tf3", "A:tf6")


@pytest.fixture
def arms(shared_data: Path) -> dict[str, list[int]]:
    """In remission and not, by arm."""
    table = pl.read_csv(shared_data / "naltrexone_spb_aggregate.csv")
    return {arm: [x, n - x] for arm, n, x in table.select("arm", "n", "remission_6m").iter_rows()}


def two_by_two(first: list[int], second: list[int], keyed: dict[str, float]) -> list[Any]:
    table = np.array([first, second])
    plain, corrected = (stats.chi2_contingency(table, correction=c) for c in (False, True))
    counts = {"x1": first[0], "n1": sum(first), "x0": second[0], "n0": sum(second)}
    ours = two_proportions(pl.DataFrame([counts])).filter(measure="risk_difference")
    return [
        ("chi-square", float(special.chdtri(1, ours["p_value"][0])), keyed["chisq"]),
        ("chi-square of the library", plain.statistic, keyed["chisq"]),
        ("Yates", corrected.pvalue, keyed["p_yates"]),
        ("Fisher", stats.fisher_exact(table).pvalue, keyed["p_fisher"]),
    ]


def test_naltrexone_corrected_and_exact(
    arms: dict[str, list[int]], answers: Any, agree: Any
) -> None:
    key = answers("naltrexone_spb_aggregate")
    for pair, keyed in key["pairwise"].items():
        agree(two_by_two(*(arms[arm] for arm in pair.split(" vs ")), keyed))
    for drug, place in (("naltrexone", 0), ("fluoxetine", 1)):
        given = [arm for arm in arms if arm.split("+")[place] == drug]
        sums = [
            [sum(arms[arm][i] for arm in arms if (arm in given) == has) for i in (0, 1)]
            for has in (True, False)
        ]
        agree(two_by_two(sums[0], sums[1], key[f"{drug}_vs_placebo"]))
    overall, keyed = stats.chi2_contingency(list(arms.values())), key["overall_chisq_3df"]
    agree([("overall", overall.statistic, keyed["stat"]), ("p", overall.pvalue, keyed["p"])])


@pytest.fixture
def youth(shared_data: Path) -> pl.DataFrame:
    return pl.read_csv(shared_data / "gain_sud_synthetic.csv", infer_schema_length=None)


def test_youth_tests(youth: pl.DataFrame, answers: Any, agree: Any) -> None:
    key = answers("gain_sud_synthetic")
    a, b = (youth.filter(treat=arm) for arm in ("A", "B"))
    keyed = key["chisq_recov6"]
    counts = {"x1": a["recov_6"].sum(), "n1": len(a), "x0": b["recov_6"].sum(), "n0": len(b)}
    ours = two_proportions(pl.DataFrame([counts])).filter(measure="risk_difference")["p_value"][0]
    ranks = stats.mannwhitneyu(a["ada_6"], b["ada_6"], method="asymptotic")
    agree(
        [
            ("chi-square p", ours, keyed["p"]),
            ("chi-square", float(special.chdtri(1, ours)), keyed["stat"]),
            ("rank test p", float(ranks.pvalue), key["wilcoxon_ada6_p"]),
        ]
    )


def test_youth_repeated_measures(youth: pl.DataFrame, answers: Any, agree: Any) -> None:
    """With everyone there at all three waves, models of repeated measures are cell means.

    The coefficients are differences of our means; the robust errors of the estimating equations
    and those of the model with free covariances follow from differences within people.
    """
    key = answers("gain_sud_synthetic")
    for place, term in enumerate(TERMS):
        wave = (0, 0, 3, 6, 3, 6)[place]
        value = pl.col(f"ada_{wave}") - (pl.col("ada_0") if place > 1 else 0)
        by_arm = youth.group_by("treat").agg(
            n=pl.len(), total=value.sum(), squares=(value**2).sum()
        )
        sums = by_arm.rows_by_key("treat", named=True, unique=True)
        pair = pl.DataFrame(
            {
                f"{name}{code}": [float(sums[arm][source])]
                for arm, code in (("A", 1), ("B", 0))
                for name, source in (("n", "n"), ("total", "total"), ("total_squares", "squares"))
            }
        )
        row = two_means(pair).row(0, named=True)
        spread = {
            arm: sums[arm]["squares"] / sums[arm]["n"] - (sums[arm]["total"] / sums[arm]["n"]) ** 2
            for arm in "AB"
        }
        n, mean = sums["B"]["n"], sums["B"]["total"] / sums["B"]["n"]
        pooled = (spread["A"] * sums["A"]["n"] + spread["B"] * n) / (sums["A"]["n"] + n - 2)
        between = "A" in term
        estimate = row["estimate"] if between else mean
        robust = spread["A"] / sums["A"]["n"] + spread["B"] / n if between else spread["B"] / n
        free = pooled * (1 / n + (1 / sums["A"]["n"] if between else 0))
        gee, mixed = key["gee_ada_exchangeable"][term], key["mmrm_unstructured_reml"][term]
        agree(
            [
                (f"{term} equation", estimate, gee["est"]),
                (f"{term} equation error", robust**0.5, gee["robust_se"]),
                (f"{term} mixed", estimate, mixed["est"]),
                (f"{term} mixed error", free**0.5, mixed["se"]),
            ]
        )
