"""Adjustment on 4,000 young people in two treatments: models, standardised risks and weights.

The estimates are those of the functions behind derived.outcome_comparison and
derived.comparison_weight; here on one row per person, since the covariates are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import special

from registry_pipeline.statistics.intervals import Z95, FloatArray, with_mean
from registry_pipeline.statistics.regression import Fit, People, regress
from registry_pipeline.statistics.standardisation import bootstrap, standardise
from registry_pipeline.statistics.weighting import effective_size, weigh, weighted_contrasts

pytestmark = pytest.mark.backtest

DAYS = ("ada_0", "sfs8p_0", "recov_0", "tss_0", "dss9_0")
RECOVERY = ("recov_0", "ada_0", "sfs8p_0")
PROPENSITY = ("eps7p_0", "sfs8p_0", "sati_0", "ada_0", "recov_0", "tss_0", "dss9_0")


@pytest.fixture
def youth(shared_data: Path) -> pl.DataFrame:
    return pl.read_csv(shared_data / "gain_sud_synthetic.csv", infer_schema_length=None)


@pytest.fixture
def key(answers: Any) -> dict[str, Any]:
    return answers("gain_sud_synthetic")


def people(youth: pl.DataFrame, outcome: str, covariates: tuple[str, ...] = ()) -> People:
    """One row per person: constant, treatment A, covariates; the outcome as the answer."""
    answer = youth[outcome].cast(pl.Float64).to_numpy()
    columns = [np.ones(len(youth)), (youth["treat"] == "A").to_numpy().astype(float)]
    columns += [youth[name].cast(pl.Float64).to_numpy() for name in covariates]
    one = np.ones(len(youth))
    return People(np.column_stack(columns), one, one, answer, answer**2)


def model_figures(fit: Fit, keyed: dict[str, Any]) -> Iterator[Any]:
    """Coefficient, error and p value per term; the key's interval is normal around these."""
    errors = np.sqrt(np.diag(fit.covariance))
    for place, (name, term) in enumerate(keyed.items()):
        value, error = float(fit.estimate[place]), float(errors[place])
        yield f"{name} estimate", value, term["est"]
        yield f"{name} error", error, term["se"]
        yield f"{name} p", float(fit.p_value[place]), term["p"]
        yield f"{name} low", value - Z95 * error, term["ci95_wald"][0]
        yield f"{name} high", value + Z95 * error, term["ci95_wald"][1]


MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ada6_ols_unadjusted": ("ada_6", ()),
    "ada6_ols_adjusted": ("ada_6", DAYS),
    "recov6_logit_unadjusted": ("recov_6", ()),
    "recov6_logit_adjusted": ("recov_6", RECOVERY),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(youth: pl.DataFrame, key: dict[str, Any], agree: Any, name: str) -> None:
    outcome, covariates = MODELS[name]
    cells = people(youth, outcome, covariates)
    fit = regress(cells, logistic=outcome == "recov_6", clustered=False)
    assert len(key[name]) == len(fit.estimate)
    agree(model_figures(fit, key[name]))


def test_adjustment_changes_the_reading(youth: pl.DataFrame) -> None:
    """2.9 days fewer abstinent with A becomes 1.2, and the interval holds no difference."""
    plain, adjusted = (
        regress(people(youth, "ada_6", covariates), logistic=False, clustered=False)
        for covariates in ((), DAYS)
    )
    assert [round(float(fit.estimate[1]), 3) for fit in (plain, adjusted)] == [-2.856, -1.245]
    assert plain.high[1] < 0 < adjusted.high[1]


def test_standardised_risks(youth: pl.DataFrame, key: dict[str, Any], agree: Any) -> None:
    cells = people(youth, "recov_6", RECOVERY)
    fit = regress(cells, logistic=True, clustered=False)
    found, keyed = standardise(cells, fit, [1]), key["recov6_standardised_risk"]
    agree(
        [
            ("A", float(found.risks[1]), keyed["A"]),
            ("B", float(found.risks[0]), keyed["B"]),
            ("difference", float(found.difference.estimate[0]), keyed["risk_difference"]),
            ("ratio", float(found.ratio.estimate[0]), keyed["risk_ratio"]),
        ]
    )
    drawn = bootstrap(cells, fit, [1], draws=200, seed=1)
    spread = np.sqrt(drawn.difference.variance[0] / found.difference.variance[0])
    assert spread == pytest.approx(1, abs=0.2)
    assert drawn.difference.estimate == found.difference.estimate


def test_weights(youth: pl.DataFrame, key: dict[str, Any], agree: Any) -> None:
    keyed = key["iptw_logistic"]
    columns = [np.ones(len(youth)), *(youth[name].cast(pl.Float64) for name in PROPENSITY)]
    in_a, one = (youth["treat"] == "A").to_numpy().astype(float), np.ones(len(youth))
    weighed = weigh(np.column_stack(columns), in_a, one)
    days = youth["ada_6"].to_numpy()
    means, difference, _ = weighted_contrasts(weighed, one, days, days**2)
    names = ["(Intercept)", *PROPENSITY]
    agree(
        [
            *((n, float(c), keyed["ps_coef"][n]) for n, c in zip(names, weighed.fit.estimate)),  # noqa: B905
            ("mean A", float(means[0]), keyed["mean_A"]),
            ("mean B", float(means[1]), keyed["mean_B"]),
            ("difference", float(difference.estimate[0]), keyed["ate"]),
            *(
                (
                    f"effective {arm}",
                    effective_size(one, weighed.weight * there),
                    keyed[f"ess_{arm}"],
                )
                for arm, there in (("A", in_a), ("B", 1 - in_a))
            ),
        ]
    )


def test_descriptives(youth: pl.DataFrame, key: dict[str, Any], agree: Any) -> None:
    """Number, missing, mean, deviation (from the width of its t interval) and quartiles."""
    for name, arms in key["descriptives"].items():
        for arm, keyed in arms.items():
            own = youth.filter(treat=arm)[name].cast(pl.Float64)
            sums = {"n": own.count(), "total": own.sum(), "squares": (own**2).sum()}
            row = with_mean(pl.DataFrame(sums), "n", "total", "squares").row(0, named=True)
            half = (row["ci_high"] - row["ci_low"]) / 2
            quartiles = (own.quantile(share, "linear") for share in (0.5, 0.25, 0.75))
            ours: FloatArray | tuple[Any, ...] = (
                row["n"],
                own.null_count(),
                row["estimate"],
                half / special.stdtrit(row["n"] - 1, 0.975) * np.sqrt(row["n"]),
                *quartiles,
            )
            names = ("n", "missing", "mean", "sd", "median", "q1", "q3")
            agree((f"{name} {n}", float(v), keyed[n]) for n, v in zip(names, ours, strict=True))
