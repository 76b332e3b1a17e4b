"""Funnel limits, over-dispersion and control charts against R and qicharts2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scipy import special

from registry_pipeline.statistics.control_charts import (
    funnel_limits,
    over_dispersion,
    p_chart,
    with_run_signals,
    xmr_chart,
)
from registry_pipeline.statistics.intervals import with_wilson

pytestmark = pytest.mark.backtest

BY = ["measure"]
NORMAL = {"normal95": float(special.ndtri(0.975)), "normal998": float(special.ndtri(0.999))}
"""The limits a normal funnel would have, from the errors that give our z-scores."""

RUNS = ("runs_signal", "longest_run", "longest_run_max", "crossings", "crossings_min")


@pytest.fixture
def key(answers: Any) -> dict[str, Any]:
    return answers("spc_funnel")


@pytest.fixture
def sites(shared_data: Path) -> pl.DataFrame:
    sites = pl.read_csv(shared_data / "ctn0094_site_retention84.csv").filter(project=27)
    return sites.select(
        "site_masked", measure=pl.lit("retained"), numerator="x", denominator="n"
    ).sort("site_masked")


@pytest.fixture
def infections(shared_data: Path) -> pl.DataFrame:
    """Monthly counts and patient days."""
    table = pl.read_csv(shared_data / "qicharts2_cdi.csv", null_values="NA")
    return table.select("month", "days", measure=pl.lit("infections"), numerator="n", one=pl.lit(1))


def chart_figures(chart: pl.DataFrame, key: dict[str, Any], per: float = 1) -> Any:
    """Centre, limits, points outside and run signals of one keyed chart."""
    for row in chart.iter_rows(named=True):
        yield "centre", row["centre"] * per, key["cl"]
    for ours, theirs in (("lower", "lcl"), ("upper", "ucl")):
        yield from zip([theirs] * len(chart), chart[ours] * per, key[theirs], strict=True)
    outside = [i + 1 for i, signal in enumerate(chart["signal"]) if signal]
    signals = key["sigma_signals"]
    keyed = signals if isinstance(signals, list) else [signals]
    yield "points outside", len(outside), len(keyed)
    yield from (("point", *pair) for pair in zip(outside, keyed, strict=True))
    yield from run_figures(chart, key)


def run_figures(chart: pl.DataFrame, key: dict[str, Any]) -> Any:
    row = chart.row(0, named=True)
    yield from ((name, float(row[name]), key[name]) for name in RUNS)


def test_funnel(sites: pl.DataFrame, key: dict[str, Any], agree: Any) -> None:
    funnel = with_wilson(funnel_limits(sites, BY), "numerator", "denominator", estimate="share")
    for row, site in zip(funnel.iter_rows(named=True), key["funnel"]["sites"], strict=True):
        n = row["denominator"]
        ours = {
            "p": [row["value"]],
            "z": [row["z"]],
            "exact95_counts": [row["lower_95"] * n, row["upper_95"] * n],
            "exact998_counts": [row["lower_998"] * n, row["upper_998"] * n],
            "ci_wilson": [row["ci_low"], row["ci_high"]],
            "x": [row["numerator"]],
            "n": [n],
            **{
                name: [row["centre"] - z * row["std_error"], row["centre"] + z * row["std_error"]]
                for name, z in NORMAL.items()
            },
        }
        for name, values in ours.items():
            keyed = site[name] if isinstance(site[name], list) else [site[name]]
            agree((f"{site['site']} {name}", *pair) for pair in zip(values, keyed, strict=True))
        assert (row["reason"] == "too_few") == (n < 10)


def test_over_dispersion(sites: pl.DataFrame, key: dict[str, Any], agree: Any) -> None:
    funnel = funnel_limits(sites, BY)
    row = over_dispersion(funnel, BY).row(0, named=True)
    keyed = key["funnel"]
    agree(
        [
            ("overall", funnel["centre"][0], keyed["overall"]),
            ("k", row["n_units"], keyed["k"]),
            ("phi", row["phi"], keyed["phi"]),
            ("phi winsorised", row["phi_winsorised"], keyed["phi_winsorised10"]),
            ("tau2", row["tau_squared"], keyed["tau2_dersimonian_laird"]),
            ("statistic", row["statistic"], keyed["overdispersion_test_chisq"]),
            ("df", row["df"], keyed["df"]),
            ("p", row["p_value"], keyed["p"]),
        ]
    )


def test_p_chart(sites: pl.DataFrame, key: dict[str, Any], agree: Any) -> None:
    agree(chart_figures(p_chart(sites, BY, "site_masked"), key["p_chart_sites"]))


CHARTS = {"cdi_c_chart": ("one", 1), "cdi_u_chart": ("days", 10_000)}


@pytest.mark.parametrize("name", CHARTS)
def test_run_signals_of_rates(
    infections: pl.DataFrame, key: dict[str, Any], agree: Any, name: str
) -> None:
    """No table charts events over time at risk: the limits are worked out here, the runs ours."""
    exposure, per = CHARTS[name]
    whole, centre = pl.col(exposure), pl.col("centre")
    value, margin = pl.col("value"), 3 * (centre / whole).sqrt()
    chart = (
        infections.with_columns(
            value=pl.col("numerator") / whole, centre=pl.col("numerator").sum() / whole.sum()
        )
        .with_columns(lower=(centre - margin).clip(lower_bound=0), upper=centre + margin)
        .with_columns(signal=(value > pl.col("upper")) | (value < pl.col("lower")))
    )
    agree(chart_figures(with_run_signals(chart, BY), key[name], per))


def test_xmr_chart(key: dict[str, Any], agree: Any) -> None:
    """The limits are the health service's 2.66 mean ranges; no range is beyond the screening."""
    keyed = key["xmr"]
    values = pl.DataFrame({"value": keyed["values"]}).with_row_index("period")
    chart = xmr_chart(values.with_columns(measure=pl.lit("m")), BY, "period")
    row = chart.row(0, named=True)
    low, high = keyed["limits_2.66"]
    # The same limits with 3 / 1.128, which the health service rounds to 2.66.
    half = (row["upper"] - row["centre"]) / 2.66 * 3 / 1.128
    theirs = {"lcl": row["centre"] - half, "ucl": row["centre"] + half}
    i_chart, mr_chart = keyed["qicharts2_i"], keyed["qicharts2_mr"]
    ranges = chart.drop_nulls("moving_range").select(
        "measure", value="moving_range", centre=pl.col("moving_range").mean()
    )
    agree(
        [
            ("centre", row["centre"], keyed["centre"]),
            ("centre of the i-chart", row["centre"], i_chart["cl"]),
            ("mean range of the mr-chart", ranges["centre"][0], mr_chart["cl"]),
            ("mean range", ranges["centre"][0], keyed["mean_mr"]),
            ("lower", row["lower"], low),
            ("upper", row["upper"], high),
            *(("range upper", row["moving_range_upper"], of) for of in mr_chart["ucl"]),
            *(("range lower", 0.0, of) for of in mr_chart["lcl"]),
            *((name, ours, of) for name, ours in theirs.items() for of in i_chart[name]),
            *run_figures(chart, i_chart),
            *run_figures(with_run_signals(ranges, BY), mr_chart),
        ]
    )
    assert chart["signal"].null_count() == len(chart)
