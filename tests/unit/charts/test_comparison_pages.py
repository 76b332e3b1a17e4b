"""What the pages on comparisons say: association, three ways side by side, and over-dispersion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Store = Any
"""The store of `conftest`, which a test cannot import."""

REFERENCE = "gp_with_specialist_contact"


@pytest.fixture
def compared(store: Store) -> Store:
    """Two pathways of 30 beside the reference; of one the adjustment was refused."""
    arms = [
        {"pathway": pathway, "pathway_rule": "baseline", "outcome": outcome, "wave": 4,
         "missing_rule": "observed", "n": 30, "n_expected": 36, "n_missing": 6,
         **({"n_success": 12} if outcome == "crime_free" else {"sum_score": 180})}
        for pathway in ("gp_alone", "gp_and_municipality", REFERENCE)
        for outcome in ("crime_free", "coping")
    ]  # fmt: skip
    store.put("derived.outcome_by_pathway", arms)
    same = {"wave": 4, "missing_rule": "observed", "reference": REFERENCE, "n": 60}
    same |= {"adjusted": False}
    share = same | {"outcome": "crime_free", "measure": "risk_difference"}
    mean = same | {"outcome": "coping", "measure": "mean_difference"}
    some = {"estimate": -0.125, "ci_low": -0.301, "ci_high": 0.052}
    store.put(
        "derived.outcome_comparison",
        [
            share | some | {"pathway": "gp_alone", "method": "two groups; Newcombe"},
            share | some | {"pathway": "gp_alone", "method": "g-computation, delta",
                            "estimate": -0.04},
            share | {"pathway": "gp_alone", "method": "inverse-probability weights, sandwich",
                     "reason": "too_few_for_terms"},
            share | some | {"pathway": "gp_and_municipality", "method": "two groups; Newcombe"},
            mean | {"pathway": "gp_alone", "method": "two groups; Welch t", "estimate": 1.26,
                    "ci_low": 0.4, "ci_high": 2.12},
            # Not on the page: ratios, and answers made up by a rule
            share | {"pathway": "gp_alone", "method": "logistic regression, Wald",
                     "measure": "odds_ratio", "estimate": 77.7},
            share | {"pathway": "gp_alone", "method": "two groups; Newcombe",
                     "missing_rule": "worst", "estimate": 0.777},
        ],
    )  # fmt: skip
    return store


def test_three_ways_side_by_side(compared: Store, cells: Callable[[str], Any]) -> None:
    page = compared.page("derived.outcome_comparison")
    rows = cells(page)
    assert rows[0] == ["Outcome", "Months", "Pathway", "Plain", "Adjusted", "Weighted"]
    by_pathway = {(row[0], row[2]): row[3:] for row in rows[1:]}
    names = {row[2] for row in rows[1:]}
    assert len(names) == 2
    first = next(row for row in rows[1:] if row[0] != "Coping" and row[4] != "–")
    assert first[3:] == ["-12 pp (-30 to +5)", "-4 pp (-30 to +5)", "n/a"]
    coping = next(cell for (outcome, _), cell in by_pathway.items() if outcome == "Coping")
    assert coping == ["+1.3 (+0.4 to +2.1)", "–", "–"]
    assert "77" not in page.split("| --- |", 1)[1].split("\n\n")[0]


@pytest.mark.parametrize(
    "table",
    [
        "derived.outcome_by_pathway",
        "derived.outcome_comparison",
        "derived.covariate_balance",
        "derived.coping_association",
    ],
)
def test_every_page_on_pathways_says_association_not_effect(
    compared: Store, drawings: Callable[[str], list[str]], table: str
) -> None:
    same = {"reference": REFERENCE, "pathway": "gp_alone", "n": 30, "n_reference": 30}
    same |= {"n_level": 12, "n_level_reference": 15}
    compared.put("derived.covariate_balance", [{**same, "difference_before": 0.2}])
    compared.put(
        "derived.coping_association",
        [
            {"outcome": "coping_score", "factor": "sex", "level": "female", "reference": "male",
             "kind": "patient", "model": "univariable", "measure": "mean_difference", "n": 60,
             "n_observations": 300, "estimate": 0.4, "ci_low": -0.2, "ci_high": 1.0}
        ],
    )  # fmt: skip
    page = compared.page(table)
    assert "Association, not effect / sammenheng, ikke effekt" in page
    for drawn in drawings(page):
        assert "Association, not effect" in drawn


def test_units_that_differ_more_than_chance_are_named(store: Store) -> None:
    rows = [
        {"measure": "dropout", "unit_id": unit, "n": 60, "numerator": n, "value": n / 60,
         "ci_low": n / 90, "ci_high": n / 45, "centre": 0.3, "lower_95": 0.2, "upper_95": 0.4,
         "lower_998": 0.1, "upper_998": 0.5, "n_missing": 12,
         "over_dispersion": 4.25, "over_dispersion_p": 0.0002}
        for unit, n in {"north": 30, "south": 12, "east": 18}.items()
    ]  # fmt: skip
    store.put("derived.funnel", rows)
    page = store.page("derived.funnel")
    assert "the units differ more than chance allows (over-dispersion 4.2, p value <0.001)" in page
    assert "| 60 | 30 | 12 | 50 %" in page
    alike = [row | {"over_dispersion": 0.9, "over_dispersion_p": 0.4} for row in rows]
    store.connection.execute("DELETE FROM derived.funnel")
    store.put("derived.funnel", alike)
    assert "more than chance" not in store.page("derived.funnel")
