"""Comparisons over imputed answers: where they stand, what they count, what they change."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from schemas.protocol import Protocol
from schemas.protocol_comparison import Comparison

Tables = dict[str, pl.DataFrame]
Make = Callable[..., Tables]
Person = dict[str, Any]
LAST = 2


@pytest.fixture(scope="module")
def imputing(protocol: Protocol) -> Protocol:
    return protocol.model_copy(update={"comparison": Comparison(imputations=20)})


def cohort() -> list[Person]:
    """Women succeed more often and answer less often; the sex of some is not known."""
    draw = np.random.default_rng(20140501)
    people = []
    for _ in range(500):
        woman, clinic = draw.random() < 0.5, draw.random() < 0.5
        free = draw.random() < (0.8 if woman else 0.3) - 0.1 * clinic
        answers = {"crime_days": 0 if free else 2, "coping_score": 5 + 2 * woman - clinic}
        answers["coping_score"] += int(draw.integers(-2, 3))
        answered = draw.random() < (0.5 if woman else 0.95)
        known = draw.random() < 0.9
        people.append(
            {
                "baseline_pathway": "clinic" if clinic else "gp",
                "sex": ("female" if woman else "male") if known else "unknown",
                "waves": {LAST: answers} if answered else {},
            }
        )
    return people


@pytest.fixture(scope="module")
def tables(pathways: Make, imputing: Protocol) -> Tables:
    return pathways(cohort(), protocol=imputing)


def contrast(tables: Tables, measure: str, rule: str, outcome: str) -> dict[str, Any]:
    table = tables["derived.outcome_comparison"].filter(
        ~pl.col("method").str.starts_with("inverse"),
        measure=measure, missing_rule=rule, outcome=outcome,
        wave=LAST, pathway="clinic", adjusted=True,
    )  # fmt: skip
    (row,) = table.to_dicts()
    return row


def test_imputed_rows_stand_in_the_comparison_alone(tables: Tables) -> None:
    for name, table in tables.items():
        if "missing_rule" in table.columns:
            has_imputed = "imputed" in table["missing_rule"].to_list()
            assert has_imputed == (name == "derived.outcome_comparison")


def test_no_imputation_unless_asked_for(pathways: Make) -> None:
    assert "imputed" not in pathways(cohort()[:40])["derived.outcome_comparison"]["missing_rule"]


def test_everyone_expected_is_in_and_only_observed_events_count(tables: Tables) -> None:
    people = cohort()
    answered = [person for person in people if person["waves"]]
    whole = [person for person in answered if person["sex"] != "unknown"]
    free = sum(person["waves"][LAST]["crime_days"] == 0 for person in answered)
    row = contrast(tables, "odds_ratio", "imputed", "crime_free")
    assert (row["n"], row["n_missing"], row["n_events"]) == (500, 500 - len(whole), free)
    assert row["method"] == "logistic regression, t on logs; 20 imputations, Rubin"
    assert contrast(tables, "odds_ratio", "observed", "crime_free")["n"] == len(whole)


@pytest.mark.parametrize(
    ("measure", "outcome", "truth"),
    [("mean_difference", "coping", -1.0), ("risk_difference", "crime_free", -0.1)],
)
def test_the_pooled_estimate_agrees_with_the_adjusted(
    tables: Tables, measure: str, outcome: str, truth: float
) -> None:
    """Both adjust for what the answers are missing by; the pooled one has everyone."""
    pooled, observed = (
        contrast(tables, measure, rule, outcome) for rule in ("imputed", "observed")
    )
    width = [row["ci_high"] - row["ci_low"] for row in (pooled, observed)]
    assert abs(pooled["estimate"] - observed["estimate"]) < width[1] / 3
    assert pooled["ci_low"] < truth < pooled["ci_high"]
    assert 0.7 < width[0] / width[1] < 1.2


def test_the_seed_repeats_a_run(pathways: Make, tables: Tables, imputing: Protocol) -> None:
    again = pathways(cohort(), protocol=imputing)
    name = "derived.outcome_comparison"
    assert again[name].equals(tables[name])


def test_refusals_are_those_of_the_observed(pathways: Make, imputing: Protocol) -> None:
    """Few events, a pathway nobody took, and what was never asked: a reason each."""
    people = [
        {"n": 9, "baseline_pathway": pathway, "waves": {LAST: {"crime_days": days}}}
        for pathway in ("clinic", "gp")
        for days in (0, 3)
    ]
    made = pathways(people, protocol=imputing)
    table = made["derived.outcome_comparison"].filter(missing_rule="imputed", wave=LAST)
    reasons = {
        (row["outcome"], row["pathway"]): (row["estimate"], row["reason"])
        for row in table.filter(
            pl.col("measure").is_in(["odds_ratio", "mean_difference"])
        ).to_dicts()
    }
    assert reasons["crime_free", "clinic"][0] is not None  # 18 events carry the pathway
    assert reasons["crime_free", "nobody_took"] == (None, "not_computable")
    assert reasons["coping", "clinic"] == (None, "not_asked")
    fewer = pathways([person | {"n": 4} for person in people], protocol=imputing)
    (row,) = fewer["derived.outcome_comparison"].filter(
        missing_rule="imputed", wave=LAST, pathway="clinic", measure="odds_ratio",
        outcome="crime_free",
    ).to_dicts()  # fmt: skip
    assert (row["estimate"], row["reason"]) == (None, "too_few_for_terms")
