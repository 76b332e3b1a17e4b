"""Figures as they were printed, in books, abstracts and R's own output, within their points.

The START trial's are in `test_ctn0027_run`, those of the adjusted comparison in
`test_adjusted_comparison`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from registry_pipeline.statistics.comparison import log_rank, two_proportions
from registry_pipeline.statistics.competing import cumulative_incidence
from registry_pipeline.statistics.survival import at_days, kaplan_meier, summary
from tests.backtest.test_survival import (
    DAYS_PER_WEEK,
    Counts,
    abortion,
    alcohol,
    aml,
    marked,
    mgus,
    one_group,
    pooled,
)

pytestmark = pytest.mark.backtest


def incidence(counts: Counts, exit_type: str, day: int) -> float:
    """The cumulative incidence on the last day with an exit up to and on a day."""
    curve = cumulative_incidence(*counts, ["group"]).filter(exit_type=exit_type)
    return float(curve.filter(pl.col("day") <= day)["incidence"][-1])


def test_leukaemia(shared_data: Path) -> None:
    """Miller 1997: chi-squared 3.4, p 0.0653, medians 31 and 23 weeks.

    The restricted means are as R prints them (survfit, print.rmean, up to week 161).
    """
    counts = aml(shared_data)
    test = log_rank(*counts, ["all"], "group").row(0, named=True)
    assert (round(test["statistic"], 1), round(test["p_value"], 4)) == (3.4, 0.0653)
    printed = {"Maintained": (31, 52.6, 19.83), "Nonmaintained": (23, 22.7, 4.18)}
    for group, (median, mean, error) in printed.items():
        curve = kaplan_meier(*one_group(counts, group), ["group"])
        row = summary(curve, ["group"], 161).row(0, named=True)
        assert row["median_day"] == median
        assert round(row["restricted_mean"], 1) == mean
        assert round(row["restricted_mean_std_error"], 2) == error


def test_alcohol_relapse(shared_data: Path) -> None:
    """Singer and Willett 2003, chapter 13: 0.438 have not relapsed after 26 weeks."""
    read = at_days(*alcohol(shared_data), ["group"], [26 * DAYS_PER_WEEK])
    assert round(read["retained"][0], 3) == 0.438


def test_plasma_cell_malignancy(shared_data: Path) -> None:
    """survival's vignette: about half of what a curve of one type alone says after 20 years."""
    counts = pooled(mgus(shared_data))
    assert [round(incidence(counts, "pcm", month), 4) for month in (120, 240)] == [0.0637, 0.0998]
    exits, entries = counts
    alone = exits.with_columns(exit_type=marked(pl.col("exit_type") == "pcm"))
    read = at_days(alone, entries, ["group"], [240])
    assert round(1 - read["retained"][0], 3) == 0.21


def test_spontaneous_abortion(shared_data: Path) -> None:
    """Meister and Schaefer 2008: about 36 % of those exposed.

    The 20 % told of the others are 16 % in etm as here (`test_abortion_delayed_entry`).
    """
    exposed = incidence(one_group(abortion(shared_data), "1"), "3", 45)
    assert round(100 * exposed) == 36


def test_naltrexone(shared_data: Path) -> None:
    """Krupitsky 2006 and PubMed 21322147: 43, 36, 21 and 10 %; odds ratio 3.47 (1.97-6.12)."""
    arms = pl.read_csv(shared_data / "naltrexone_spb_aggregate.csv")
    shares = {
        arm: round(100 * x / n) for arm, x, n in arms.select("arm", "remission_6m", "n").rows()
    }
    assert sorted(shares.values(), reverse=True) == [43, 36, 21, 10]
    given = pl.col("arm").str.starts_with("naltrexone")
    counts = arms.select(
        x1=pl.col("remission_6m").filter(given).sum(),
        n1=pl.col("n").filter(given).sum(),
        x0=pl.col("remission_6m").filter(~given).sum(),
        n0=pl.col("n").filter(~given).sum(),
    )
    odds = two_proportions(counts).filter(measure="odds_ratio").row(0, named=True)
    found = [round(odds[name], 2) for name in ("estimate", "ci_low", "ci_high")]
    assert found == [3.47, 1.97, 6.12]
