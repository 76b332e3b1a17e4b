"""What goes with coping: against statsmodels on the rows, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from statsmodels.genmod.cov_struct import Independence

from schemas.codes import EMPLOYMENT

Tables = dict[str, pl.DataFrame]
Make = Callable[..., Tables]
Person = dict[str, Any]


def associations(tables: Tables, **where: Any) -> list[dict[str, Any]]:
    return tables["derived.coping_association"].filter(**where).to_dicts()


def one(tables: Tables, **where: Any) -> dict[str, Any]:
    where = {"outcome": "coping_score", "model": "univariable"} | where
    (row,) = associations(tables, **where)
    return row


def cohort(n: int) -> list[Person]:
    """Women cope better and use less; people answer one or two follow-ups, some none."""
    draw = np.random.default_rng(20140501)
    people = []
    for number in range(n):
        woman = bool(draw.random() < 0.4)
        level = 4 + 2 * woman + draw.normal(0, 1)
        answers = [
            {
                "coping_score": int(np.clip(round(level + draw.normal(0, 1)), 0, 10)),
                "heroin": int(draw.random() < (0.3 if woman else 0.6)) * 3,
            }
            for _ in range(2)
        ]
        waves = {wave: answers[wave - 1] for wave in (1, 2) if draw.random() < 0.8}
        start = {
            "hscl10_score": float(draw.integers(10, 30)) / 10,
            "housing": ["own", "homeless", "unknown"][int(draw.integers(0, 3))],
        }
        people.append(
            {
                "sex": "female" if woman else "male",
                "baseline_pathway": "clinic" if number % 2 else "gp",
                "treatment": (0, int(draw.integers(50, 400)), "patient_absent"),
                "waves": {0: start} | waves,
                "events": [("gp_contact", 181 if number % 3 else 182)],
            }
        )
    return people


def on_rows(people: list[Person], terms: Callable[[Person], list[float]], answer: str) -> Any:
    """The GEE of statsmodels on one row per answered follow-up."""
    rows = [
        (number, [1.0, *terms(person)], said[answer])
        for number, person in enumerate(people)
        for wave, said in person["waves"].items()
        if wave > 0
    ]
    person, matrix, said = (np.array(column) for column in zip(*rows, strict=True))
    binary = answer == "heroin"
    return sm.GEE(
        (said > 0).astype(float) if binary else said,
        matrix,
        groups=person,
        family=sm.families.Binomial() if binary else sm.families.Gaussian(),
        cov_struct=Independence(),
    ).fit(cov_type="bias_reduced")


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return cohort(80)


@pytest.fixture(scope="module")
def tables(pathways: Make, people: list[Person]) -> Tables:
    return pathways(people)


def followed(people: list[Person]) -> list[Person]:
    return [person for person in people if any(wave > 0 for wave in person["waves"])]


def test_a_level_against_the_reference_is_the_gee_of_statsmodels(
    tables: Tables, people: list[Person]
) -> None:
    known = on_rows(people, lambda person: [person["sex"] == "female"], "coping_score")
    row = one(tables, factor="sex")
    n = len(followed(people))
    assert (row["level"], row["reference"], row["kind"]) == ("female", "male", "patient")
    assert (row["n"], row["n_missing"], row["n_events"]) == (n, 80 - n, None)
    assert row["n_observations"] == int(known.nobs)
    assert row["measure"] == "mean_difference"
    assert row["estimate"] == pytest.approx(known.params[1], abs=1e-8)
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(known.conf_int()[1], abs=1e-8)
    assert row["p_value"] == pytest.approx(known.pvalues[1], abs=1e-8)


def test_a_number_is_per_unit(tables: Tables, people: list[Person]) -> None:
    known = on_rows(people, lambda person: [person["waves"][0]["hscl10_score"]], "coping_score")
    row = one(tables, factor="baseline_hscl10")
    assert (row["level"], row["reference"]) == ("per_unit", None)
    assert row["estimate"] == pytest.approx(known.params[1], abs=1e-8)


def test_any_use_is_an_odds_ratio_of_use(tables: Tables, people: list[Person]) -> None:
    known = on_rows(people, lambda person: [person["sex"] == "female"], "heroin")
    row = one(tables, outcome="any_use", factor="sex")
    used = sum(said["heroin"] > 0 for p in people for wave, said in p["waves"].items() if wave > 0)
    assert (row["measure"], row["n_events"]) == ("odds_ratio", used)
    assert row["estimate"] == pytest.approx(np.exp(known.params[1]), abs=1e-8)
    assert row["estimate"] < 1


def test_retention_counts_everyone_with_a_stay(tables: Tables) -> None:
    row = one(tables, outcome="retained", factor="pathway", level="clinic")
    assert (row["n"], row["n_observations"], row["reference"]) == (80, 2 * 80, "gp")
    assert row["kind"] == "structure"


def test_an_answer_that_is_unknown_leaves_the_person_out(
    tables: Tables, people: list[Person]
) -> None:
    row = one(tables, factor="stable_housing")
    known = [p for p in followed(people) if p["waves"][0]["housing"] != "unknown"]
    assert (row["level"], row["reference"], row["n"]) == ("yes", "no", len(known))
    assert row["n_missing"] == 80 - len(known)


def test_contact_counts_before_the_first_follow_up_is_due(
    tables: Tables, people: list[Person]
) -> None:
    """Day 181 is before the follow-up of day 182, day 182 is not."""
    row = one(tables, factor="gp_contact")
    assert (row["level"], row["reference"]) == ("yes", "no")
    known = on_rows(people, lambda person: [person["events"][0][1] == 181], "coping_score")
    assert row["estimate"] == pytest.approx(known.params[1], abs=1e-8)


def test_every_factor_has_a_row_and_a_reason_where_nothing_can_be_said(tables: Tables) -> None:
    rows = associations(tables, outcome="coping_score", model="univariable")
    reasons = {row["factor"]: row["reason"] for row in rows}
    assert len(reasons) == 15
    assert reasons["unit_id"] == "one_group"
    assert reasons["treatment_plan"] == "not_asked"
    assert reasons["sex"] is None
    assert {row["reason"] is None for row in rows if row["estimate"] is None} == {False}


def test_what_people_do_not_carry_together_is_adjusted_for_age_sex_and_baseline(
    pathways: Make,
) -> None:
    """Five factors differ, and 60 people carry four terms: each stands beside what fits."""
    everyone = cohort(60)
    rows = associations(pathways(everyone), outcome="coping_score", model="adjusted")
    assert {row["factor"]: row["covariates"] for row in rows} == {
        "sex": "baseline_hscl10",
        "stable_housing": "sex",  # of 40 people is the housing known
        "baseline_hscl10": "sex",
        "pathway": "sex,baseline_hscl10",
        "gp_contact": "sex,baseline_hscl10",
    }
    fit = on_rows(
        everyone,
        lambda p: [
            p["baseline_pathway"] == "clinic", p["sex"] == "female", p["waves"][0]["hscl10_score"]
        ],
        "coping_score",
    )  # fmt: skip
    (row,) = [row for row in rows if row["factor"] == "pathway"]
    assert row["estimate"] == pytest.approx(fit.params[1], abs=1e-8)
    assert row["n"] == len(followed(everyone))


def test_too_few_for_any_covariate_are_refused(pathways: Make) -> None:
    """Fewer than 30 people carry one term."""
    rows = associations(pathways(cohort(28)), outcome="coping_score", model="adjusted")
    assert rows
    assert {(row["estimate"], row["reason"]) for row in rows} == {(None, "too_few_for_terms")}
    alone = associations(pathways(cohort(28)), outcome="coping_score", model="univariable")
    assert any(row["estimate"] is not None for row in alone)


def test_events_are_counted_in_people_not_in_rows(pathways: Make) -> None:
    """Nine people leave before either wave: 18 rows without retention, and still nine people."""

    def stay(n: int, sex: str, day: int) -> Person:
        return {"n": n, "sex": sex, "treatment": (0, day, "patient_absent" if day < 400 else None)}

    nine = [stay(36, "male", 425), stay(35, "female", 425), stay(4, "male", 90)]
    few = one(pathways([*nine, stay(5, "female", 90)]), outcome="retained", factor="sex")
    assert (few["n_observations"] - few["n_events"], few["estimate"]) == (18, None)
    assert few["reason"] == "too_few_for_terms"
    ten = one(pathways([*nine, stay(6, "female", 90)]), outcome="retained", factor="sex")
    assert ten["reference"] == "female"
    assert ten["estimate"] == pytest.approx((36 / 4) / (35 / 6))


def test_adjusted_is_the_gee_of_statsmodels_on_people_with_everything_known(
    pathways: Make,
) -> None:
    everyone = cohort(240)
    tables = pathways(everyone)
    known = [p for p in everyone if p["waves"][0]["housing"] != "unknown"]

    def terms(person: Person) -> list[float]:
        start = person["waves"][0]
        return [
            person["sex"] == "female",
            start["housing"] == "own",
            start["hscl10_score"],
            person["baseline_pathway"] == "clinic",
            person["events"][0][1] == 181,
        ]

    fit = on_rows(known, terms, "coping_score")
    rows = associations(tables, outcome="coping_score", model="adjusted")
    factors = ["sex", "stable_housing", "baseline_hscl10", "pathway", "gp_contact"]
    assert [row["factor"] for row in rows] == factors
    assert [row["estimate"] for row in rows] == pytest.approx(fit.params[1:], abs=1e-8)
    assert {row["n"] for row in rows} == {len(followed(known))}


def test_where_each_pathway_has_its_unit_they_are_adjusted_for_the_rest_one_by_one(
    pathways: Make,
) -> None:
    """No model tells the unit from the pathway; it says so of none of the others."""
    everyone = [p | {"unit_id": p["baseline_pathway"]} for p in cohort(240)]
    rows = associations(pathways(everyone), outcome="coping_score", model="adjusted")
    fit = on_rows(
        everyone,
        lambda p: [
            p["baseline_pathway"] == "clinic", p["sex"] == "female", p["waves"][0]["hscl10_score"]
        ],
        "coping_score",
    )  # fmt: skip
    found = {row["factor"]: row for row in rows}
    assert {row["reason"] for row in rows} == {None}
    assert found["sex"]["covariates"] == "baseline_hscl10"
    for factor in ("pathway", "unit_id"):
        assert found[factor]["covariates"] == "sex,baseline_hscl10"
        sign = 1 if found[factor]["level"] == "clinic" else -1
        assert found[factor]["estimate"] == pytest.approx(sign * fit.params[1], abs=1e-8)


def test_p_values_are_adjusted_for_all_that_is_looked_at(tables: Tables) -> None:
    rows = associations(tables, outcome="coping_score", model="univariable")
    tested = sorted((row["p_value"], row["p_value_adjusted"]) for row in rows if row["p_value"])
    assert tested[0][1] == pytest.approx(min(1, tested[0][0] * len(tested)))
    assert all(adjusted >= p for p, adjusted in tested)


def test_a_level_with_fewer_than_ten_people_is_not_estimated(pathways: Make) -> None:
    answers = {1: {"coping_score": 5}, 2: {"coping_score": 7}}
    people = [
        {"n": 9, "sex": "other", "waves": answers},
        {"n": 10, "sex": "female", "waves": {1: {"coping_score": 4}, 2: {"coping_score": 5}}},
        {"n": 12, "sex": "male", "waves": answers},
    ]
    made = pathways(people)
    few, enough = (one(made, factor="sex", level=level) for level in ("other", "female"))
    assert (few["estimate"], few["reason"], few["reference"]) == (None, "too_few", "male")
    assert (enough["n"], enough["n_missing"]) == (22, 9)
    assert enough["reason"] == "no_variation"  # everyone of a sex copes alike


def test_an_outcome_nobody_was_asked(pathways: Make) -> None:
    rows = associations(pathways([{"n": 20}]), outcome="coping_score")
    assert {row["reason"] for row in rows} == {"not_asked"}
    assert {(row["n"], row["n_missing"]) for row in rows} == {(0, 20)}


def test_work_is_work_education_or_activity(pathways: Make) -> None:
    """Twelve people of each employment; the three that are activity stand against the others."""
    people = [
        {"n": 12, "waves": {0: {"employment": code}, 1: {"coping_score": 3 + place % 4}}}
        for place, code in enumerate(EMPLOYMENT.codes)
    ]
    row = one(pathways(people), factor="work_or_activity")
    assert (row["level"], row["n"], row["n_missing"]) == ("yes", 12 * 5, 12)
