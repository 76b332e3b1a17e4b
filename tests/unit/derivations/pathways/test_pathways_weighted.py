"""Standardised and weighted comparisons of pathways, by hand, and what is refused.

Women succeed more often and choose the clinic more often. Within a sex the pathways do alike, so
what is adjusted must come to nothing.
"""

import math
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from schemas.protocol import Protocol
from schemas.protocol_comparison import Comparison

Tables = dict[str, pl.DataFrame]
Make = Callable[..., Tables]
Person = dict[str, Any]
LAST = 2
SEXES = {"female": {"clinic": 60, "gp": 20}, "male": {"clinic": 20, "gp": 60}}
FREE = {"female": 4 / 5, "male": 2 / 5}
"""Free of crime, in either pathway."""


def cohort() -> list[Person]:
    """160 people: 80 in each pathway, coping 8 when free of crime and 4 when not."""
    people = []
    for sex, sizes in SEXES.items():
        for pathway, n in sizes.items():
            who = {"sex": sex, "baseline_pathway": pathway}
            free = round(n * FREE[sex])
            people += [
                who | {"n": free, "waves": {LAST: {"crime_days": 0, "coping_score": 8}}},
                who | {"n": n - free, "waves": {LAST: {"crime_days": 3, "coping_score": 4}}},
            ]
    return people


@pytest.fixture(scope="module")
def tables(pathways: Make) -> Tables:
    return pathways(cohort())


def contrast(tables: Tables, measure: str, method: str, **where: Any) -> dict[str, Any]:
    where = {"pathway": "clinic", "wave": LAST, "missing_rule": "observed"} | where
    where |= {"outcome": "coping" if measure == "mean_difference" else "crime_free"}
    table = tables["derived.outcome_comparison"].filter(measure=measure, **where)
    (row,) = table.filter(pl.col("method").str.starts_with(method)).to_dicts()
    return row


def test_plain_says_a_difference_that_adjustment_takes_away(tables: Tables) -> None:
    """Of 80: in the clinic 60 x 4/5 + 20 x 2/5 = 56, with the GP 20 x 4/5 + 60 x 2/5 = 40."""
    plain = contrast(tables, "risk_difference", "two groups", adjusted=False)
    assert plain["estimate"] == pytest.approx(56 / 80 - 40 / 80)
    for method in ("g-computation", "inverse-probability"):
        row = contrast(tables, "risk_difference", method)
        assert row["estimate"] == pytest.approx(0, abs=1e-9)
        assert row["ci_low"] < 0 < row["ci_high"]
        assert contrast(tables, "risk_ratio", method)["estimate"] == pytest.approx(1)
        assert (row["n"], row["n_events"], row["covariates"]) == (160, 96, "sex")
    mean = contrast(tables, "mean_difference", "inverse-probability")
    assert mean["estimate"] == pytest.approx(0, abs=1e-9)
    assert mean["n_events"] is None


def test_a_women_in_the_clinic_counts_as_four_thirds(tables: Tables) -> None:
    """60 of 80 women are in the clinic: 80/60 each; 20 of 80 men: 80/20 each. So with the GP."""
    table = tables["derived.comparison_weight"].filter(pathway="clinic")
    arms = {row["arm"]: row for row in table.to_dicts()}
    assert arms.keys() == {"clinic", "gp"}
    for row in arms.values():
        assert (row["n"], row["n_missing"], row["covariates"]) == (80, 0, "sex")
        assert (row["mean_weight"], row["max_weight"]) == (pytest.approx(2), pytest.approx(4))
        assert row["effective_n"] == pytest.approx(160**2 / (60 * (4 / 3) ** 2 + 20 * 4**2))
    both = sum(row["effective_n"] for row in arms.values())
    weighted = contrast(tables, "risk_difference", "inverse-probability")
    assert weighted["effective_n"] == pytest.approx(both)
    assert contrast(tables, "risk_difference", "g-computation")["effective_n"] == 160


def test_weights_bring_balance(tables: Tables) -> None:
    table = tables["derived.covariate_balance"]
    (row,) = table.filter(pathway="clinic", covariate="sex", level="female").to_dicts()
    assert row["difference_before"] == pytest.approx((3 / 4 - 1 / 4) / math.sqrt(3 / 16))
    assert row["difference_after"] == pytest.approx(0, abs=1e-9)
    assert row["reason"] is None


def test_a_pathway_nobody_took_has_rows_and_a_reason(tables: Tables) -> None:
    weights = tables["derived.comparison_weight"].filter(pathway="nobody_took").to_dicts()
    assert [(row["arm"], row["n"], row["effective_n"], row["reason"]) for row in weights] == [
        ("gp", 80, None, "not_computable"),
        ("nobody_took", 0, None, "not_computable"),
    ]
    for method in ("g-computation", "inverse-probability"):
        row = contrast(tables, "risk_difference", method, pathway="nobody_took")
        assert (row["estimate"], row["reason"]) == (None, "not_computable")


def refused(people: list[Person], make: Make) -> dict[str, Any]:
    return contrast(make(people), "risk_difference", "inverse-probability")


def test_a_level_found_in_one_pathway_alone_is_refused(pathways: Make) -> None:
    """Nobody with the GP is of other sex: no weight makes anyone there like them."""
    other = {"sex": "other", "baseline_pathway": "clinic", "waves": {LAST: {"crime_days": 0}}}
    made = pathways([*cohort(), other | {"n": 10}])
    row = contrast(made, "risk_difference", "inverse-probability")
    assert (row["estimate"], row["reason"]) == (None, "sparse_cells")
    (arm,) = made["derived.comparison_weight"].filter(pathway="clinic", arm="clinic").to_dicts()
    assert (arm["n"], arm["effective_n"], arm["reason"]) == (90, None, "sparse_cells")
    balance = made["derived.covariate_balance"].filter(pathway="clinic", level="female")
    assert balance["difference_after"].to_list() == [None]
    assert balance["reason"].to_list() == ["sparse_cells"]


def test_an_arm_that_does_not_carry_the_terms_is_refused(pathways: Make) -> None:
    """Fifteen in the clinic carry the pathway, not the pathway and the sex."""
    few = [
        {"n": 8, "sex": "female", "baseline_pathway": "clinic", "waves": {LAST: {"crime_days": 0}}},
        {"n": 7, "sex": "male", "baseline_pathway": "clinic", "waves": {LAST: {"crime_days": 1}}},
    ]
    with_gp = [person for person in cohort() if person["baseline_pathway"] == "gp"]
    row = refused([*few, *with_gp], pathways)
    assert (row["estimate"], row["reason"]) == (None, "too_few_for_terms")


def test_an_outcome_that_all_achieve_in_a_pathway_is_refused(pathways: Make) -> None:
    all_free = {"waves": {LAST: {"crime_days": 0, "coping_score": 6}}}
    people = [
        person | all_free if person["baseline_pathway"] == "clinic" else person
        for person in cohort()
    ]
    made = pathways(people)
    row = contrast(made, "risk_difference", "inverse-probability")
    assert (row["estimate"], row["reason"]) == (None, "sparse_cells")
    assert contrast(made, "mean_difference", "inverse-probability")["estimate"] is not None


def test_a_score_that_does_not_vary_has_no_interval(pathways: Make) -> None:
    alike = {"waves": {LAST: {"crime_days": 0, "coping_score": 6}}}
    row = contrast(
        pathways([person | alike for person in cohort()]), "mean_difference", "inverse-probability"
    )
    assert (row["estimate"], row["reason"]) == (None, "no_variation")


def test_nobody_answered(pathways: Make) -> None:
    silent = [{key: person[key] for key in person if key != "waves"} for person in cohort()]
    row = refused(silent, pathways)
    assert (row["n"], row["n_missing"], row["reason"]) == (0, 160, "not_asked")


def test_one_person_in_a_pathway(pathways: Make) -> None:
    with_gp = [person for person in cohort() if person["baseline_pathway"] == "gp"]
    alone = {"sex": "male", "baseline_pathway": "clinic", "waves": {LAST: {"crime_days": 0}}}
    made = pathways([alone, *with_gp])
    table = made["derived.outcome_comparison"].filter(
        pathway="clinic", outcome="crime_free", missing_rule="observed"
    )
    difference = pl.col("measure") == "risk_difference"
    at_last = table.filter(pl.col("wave") == LAST)
    plain = at_last.filter(difference & ~pl.col("adjusted")).row(0, named=True)
    assert plain["estimate"] == pytest.approx(1 - 40 / 80)  # Newcombe's interval holds for one
    assert (plain["p_value"], plain["reason"]) == (None, "sparse_cells")
    rest = at_last.filter(~difference | pl.col("adjusted"))
    assert rest["estimate"].null_count() == rest.height
    assert rest["reason"].null_count() == 0


def test_the_number_of_draws_is_the_protocols(pathways: Make, protocol: Protocol) -> None:
    drawn = protocol.model_copy(update={"comparison": Comparison(bootstrap_draws=300)})
    made, again = (pathways(cohort(), protocol=drawn) for _ in range(2))
    row = contrast(made, "risk_difference", "g-computation")
    assert row["method"] == "g-computation, 300 bootstrap draws, percentile"
    assert row["estimate"] == pytest.approx(0, abs=1e-9)
    assert row == contrast(again, "risk_difference", "g-computation")
    delta = contrast(pathways(cohort()), "risk_difference", "g-computation")
    assert delta["method"] == "g-computation, delta"
    assert row["ci_high"] == pytest.approx(delta["ci_high"], rel=0.25)


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_both_engines_give_the_same(pathways: Make, tables: Tables, engine: str) -> None:
    made = pathways(cohort(), engine=engine)
    for name in ("derived.comparison_weight", "derived.covariate_balance"):
        assert made[name].equals(tables[name])
