"""Pathways compared, and how alike they began: by hand, by statsmodels and by a published trial."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from polars.testing import assert_frame_equal
from statsmodels.duration.hazard_regression import PHReg

from registry_pipeline.derivations.pathways_models import compared_waves
from schemas.protocol import Protocol

Tables = dict[str, pl.DataFrame]
Make = Callable[..., Tables]
Person = dict[str, Any]
LAST = 2


def contrast(
    tables: Tables, measure: str, outcome: str, *, weighted: bool = False, **where: Any
) -> dict[str, Any]:
    """The one contrast of the clinic with gp at the last wave, of observed answers."""
    where = {
        "pathway": "clinic",
        "wave": LAST,
        "missing_rule": "observed",
        "adjusted": False,
    } | where
    by_weights = pl.col("method").str.starts_with("inverse-probability weights")
    table = tables["derived.outcome_comparison"].filter(by_weights == weighted)
    (row,) = table.filter(measure=measure, outcome=outcome, **where).to_dicts()
    return row


def group(n: int, successes: int, pathway: str, **person: Any) -> list[Person]:
    """People of a pathway, so many of them free of crime at the last wave."""
    who = {"baseline_pathway": pathway} | person
    return [
        who | {"n": successes, "waves": {LAST: {"crime_days": 0}}},
        who | {"n": n - successes, "waves": {LAST: {"crime_days": 9}}},
    ]


@pytest.mark.backtest
@pytest.mark.parametrize("measure", ["odds_ratio", "risk_difference"])
def test_naltrexone_against_placebo(pathways: Make, shared_data: Path, measure: str) -> None:
    """Remission in 55 of 140 with naltrexone, 22 of 140 without (Krupitsky 2006, 2012)."""
    file = shared_data / "expected" / "naltrexone_spb_aggregate.json"
    key = json.loads(file.read_text())["naltrexone_vs_placebo"]
    row = contrast(
        pathways([*group(140, 30 + 25, "clinic"), *group(140, 15 + 7, "gp")]), measure, "crime_free"
    )
    assert (row["n"], row["n_events"], row["reference"]) == (280, 55 + 22, "gp")
    if measure == "odds_ratio":
        assert row["estimate"] == pytest.approx(key["or"], abs=1e-6)
        assert [row["ci_low"], row["ci_high"]] == pytest.approx(key["ci"], abs=1e-6)
    else:
        assert row["estimate"] == pytest.approx(key["risk_diff"], abs=1e-6)
        assert row["p_value"] == pytest.approx(key["p"], abs=1e-6)


def test_missing_rules_of_a_contrast(pathways: Make) -> None:
    """Clinic 12 of 20 and 5 missing; gp 10 of 20."""
    people = [
        *group(20, 12, "clinic"),
        *group(20, 10, "gp"),
        {"n": 5, "baseline_pathway": "clinic"},
    ]
    made = pathways(people)
    found = {
        rule: contrast(made, "risk_difference", "crime_free", missing_rule=rule)
        for rule in ("observed", "missing_is_failure", "best", "worst")
    }
    assert {rule: row["estimate"] for rule, row in found.items()} == {
        "observed": pytest.approx(12 / 20 - 10 / 20),
        "missing_is_failure": pytest.approx(12 / 25 - 10 / 20),
        "best": pytest.approx(17 / 25 - 10 / 20),
        "worst": pytest.approx(12 / 25 - 10 / 20),
    }
    assert [(row["n"], row["n_missing"]) for row in found.values()] == [(40, 5)] + [(45, 0)] * 3


def test_sparse_cells_are_refused(pathways: Make) -> None:
    made = pathways([*group(12, 12, "clinic"), *group(30, 15, "gp")])
    for adjusted in (False, True):
        row = contrast(made, "odds_ratio", "crime_free", adjusted=adjusted)
        assert (row["estimate"], row["ci_high"], row["p_value"]) == (None, None, None)
        assert row["reason"] == "sparse_cells"


def test_a_pathway_that_nobody_took_is_not_computable(pathways: Make) -> None:
    treated = {"treatment": (0, 425, None)}
    made = pathways([*group(30, 15, "clinic", **treated), *group(30, 15, "gp", **treated)])
    table = made["derived.outcome_comparison"].filter(pathway="nobody_took")
    assert table["estimate"].is_null().all()
    asked = table.filter(pl.col("outcome").is_in(["crime_free", "retained"]))
    assert set(asked["reason"]) == {"not_computable"}
    assert set(asked["adjusted"]) == {True, False}


def test_what_nobody_was_asked_is_not_compared(pathways: Make) -> None:
    made = pathways([*group(30, 15, "clinic"), *group(30, 15, "gp")])
    for adjusted in (False, True):
        row = contrast(made, "mean_difference", "coping", adjusted=adjusted)
        assert (row["estimate"], row["reason"]) == (None, "not_asked")


def test_without_a_reference_nothing_is_compared(pathways: Make, protocol: Protocol) -> None:
    alone = protocol.model_copy(update={"reference_pathway": None})
    made = pathways(group(30, 15, "clinic"), protocol=alone)
    assert made["derived.outcome_comparison"].height == 0
    assert made["derived.covariate_balance"].height == 0
    assert made["derived.outcome_by_pathway"].height > 0


# Adjusted: women succeed more often and choose the clinic more often; coping follows them.


def confounded() -> list[Person]:
    draw = np.random.default_rng(20140501)
    people = []
    for _ in range(400):
        woman, old = draw.random() < 0.5, draw.random() < 0.5
        clinic = draw.random() < (0.7 if woman else 0.3)
        free = draw.random() < (0.7 if woman else 0.35)
        answers = {"crime_days": 0 if free else 2}
        if draw.random() < 0.9:
            answers["coping_score"] = int(draw.integers(0, 6)) + 3 * woman + 2 * old
        people.append(
            {
                "baseline_pathway": "clinic" if clinic else "gp",
                "sex": "female" if woman else "male",
                "age_group": "age_50_over" if old else "age_30_39",
                "waves": {LAST: answers},
            }
        )
    return people


def on_rows(people: list[Person], answer: str) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and design matrix (constant, clinic, woman, old) for statsmodels."""
    asked = [person for person in people if answer in person["waves"][LAST]]
    matrix = [
        [
            1,
            person["baseline_pathway"] == "clinic",
            person["sex"] == "female",
            person["age_group"] == "age_50_over",
        ]
        for person in asked
    ]
    said = np.array([person["waves"][LAST][answer] for person in asked], dtype=float)
    return said, np.array(matrix, dtype=float)


def test_adjusted_odds_ratio_is_that_of_statsmodels(pathways: Make) -> None:
    people = confounded()
    days, matrix = on_rows(people, "crime_days")
    fit = sm.GLM(days == 0, matrix, family=sm.families.Binomial()).fit()
    row = contrast(pathways(people), "odds_ratio", "crime_free", adjusted=True)
    assert row["covariates"] == "age_group,sex"
    assert (row["n"], row["n_events"], row["n_missing"]) == (400, int((days == 0).sum()), 0)
    assert row["estimate"] == pytest.approx(math.exp(fit.params[1]), abs=1e-8)
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(np.exp(fit.conf_int()[1]), abs=1e-6)
    assert row["p_value"] == pytest.approx(fit.pvalues[1], abs=1e-6)


def test_adjusted_mean_difference_is_that_of_statsmodels(pathways: Make) -> None:
    people = confounded()
    score, matrix = on_rows(people, "coping_score")
    fit = sm.OLS(score, matrix).fit()
    made = pathways(people)
    row = contrast(made, "mean_difference", "coping", adjusted=True)
    assert (row["n"], row["n_missing"], row["n_events"]) == (len(score), 400 - len(score), None)
    assert row["estimate"] == pytest.approx(fit.params[1], abs=1e-8)
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(fit.conf_int()[1], abs=1e-8)
    plain = contrast(made, "mean_difference", "coping")
    assert plain["estimate"] > row["estimate"] + 0.5  # the women explain most of it


def test_more_terms_than_the_events_carry_are_refused(pathways: Make) -> None:
    """19 events allow one term; the pathway and the sex are two."""
    people = [
        *group(20, 10, "clinic", sex="female"),
        *group(20, 9, "gp", sex="male"),
    ]
    people[0] |= {"sex": "male"}
    row = contrast(pathways(people), "odds_ratio", "crime_free", adjusted=True)
    assert (row["estimate"], row["reason"]) == (None, "too_few_for_terms")
    assert row["covariates"] == "sex"


def test_terms_that_depend_on_each_other_are_refused(pathways: Make) -> None:
    """All women in the clinic and all men with the GP: nothing tells the two apart."""
    people = [*group(80, 40, "clinic", sex="female"), *group(80, 30, "gp", sex="male")]
    for number, person in enumerate(people):
        person["waves"][LAST]["coping_score"] = number % 7
    made = pathways(people)
    for measure, outcome in (("odds_ratio", "crime_free"), ("mean_difference", "coping")):
        row = contrast(made, measure, outcome, adjusted=True)
        assert (row["estimate"], row["reason"]) == (None, "sparse_cells")


def test_a_covariate_that_another_one_says_already_changes_nothing(pathways: Make) -> None:
    """Everyone with a disorder is a woman and none without is: R leaves the second term out."""
    people = confounded()
    same = [person | {"co_occurring_disorder": person["sex"] == "female"} for person in people]
    once, twice = (
        made["derived.outcome_comparison"].filter(
            pl.col("adjusted"), pl.col("outcome").is_in(["crime_free", "coping"]), wave=LAST,
            pathway="clinic",
        )
        for made in (pathways(people), pathways(same))
    )  # fmt: skip
    assert once.filter(pl.col("estimate").is_not_null()).height == 7
    keys = ["outcome", "measure", "method"]
    shown = [*keys, "n", "estimate", "ci_low", "ci_high", "p_value", "effective_n", "reason"]
    assert_frame_equal(once.select(shown).sort(keys), twice.select(shown).sort(keys))
    covariates = "age_group,sex,co_occurring_disorder"
    assert twice["covariates"].unique().to_list() == [covariates]


# Hazard ratio of leaving treatment


def stays(sex: str = "male") -> list[Person]:
    draw = np.random.default_rng(7)
    people = []
    for pathway, mean in (("gp", 500), ("clinic", 250)):
        for _ in range(60):
            day = int(draw.exponential(mean) // 30 * 30)
            exit_type = "patient_absent" if day < 400 else None
            stay = (0, min(day, 400), exit_type)
            people.append({"baseline_pathway": pathway, "sex": sex, "treatment": stay})
    return people


def test_hazard_ratio_is_that_of_statsmodels_up_to_the_last_wave(pathways: Make) -> None:
    people = stays()
    days = np.array([min(person["treatment"][1], 365) for person in people])
    left = np.array([person["treatment"][1] <= 365 for person in people])
    clinic = np.array([[person["baseline_pathway"] == "clinic"] for person in people], dtype=float)
    fit = PHReg(days, clinic, status=left, ties="efron").fit()
    row = contrast(pathways(people), "hazard_ratio", "retained")
    assert (row["n"], row["n_events"], row["wave"]) == (120, int(left.sum()), LAST)
    assert (days == 0).any()  # people who left on day 0 are counted
    assert row["estimate"] == pytest.approx(math.exp(fit.params[0]), abs=1e-8)
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(np.exp(fit.conf_int()[0]), abs=1e-8)


def test_hazard_ratio_with_delayed_entry(pathways: Make) -> None:
    """At risk at t means entry < t <= exit, also for those who enter late."""
    people = stays()
    for person in people[::3]:
        _, leave, exit_type = person["treatment"]
        person["treatment"] = (20, max(leave, 21), exit_type)
    entry, leave = (np.array([person["treatment"][i] for person in people]) for i in (0, 1))
    clinic = np.array([[person["baseline_pathway"] == "clinic"] for person in people], dtype=float)
    days = np.minimum(leave, 365) + 1
    # statsmodels has people at risk on the very day of a late entry; the contract does not.
    late = np.where(entry > 0, entry + 1.5, 0)
    fit = PHReg(days, clinic, status=leave <= 365, entry=late, ties="efron").fit()
    row = contrast(pathways(people), "hazard_ratio", "retained")
    assert row["estimate"] == pytest.approx(math.exp(fit.params[0]), abs=1e-8)


def test_few_exits_have_no_hazard_ratio(pathways: Make) -> None:
    people = [
        {"n": 40, "baseline_pathway": "gp", "treatment": (0, 400, None)},
        {"n": 4, "baseline_pathway": "gp", "treatment": (0, 40, "patient_absent")},
        {"n": 40, "baseline_pathway": "clinic", "treatment": (0, 60, "patient_absent")},
        {"n": 1, "baseline_pathway": "clinic"},
    ]
    row = contrast(pathways(people), "hazard_ratio", "retained")
    assert (row["estimate"], row["reason"]) == (None, "sparse_cells")
    assert (row["n"], row["n_missing"], row["n_events"]) == (84, 1, 44)


def test_a_covariate_with_a_level_that_never_leaves_has_no_adjusted_hazard(pathways: Make) -> None:
    people = stays() + [
        {"n": 40, "sex": "female", "baseline_pathway": pathway, "treatment": (0, 400, None)}
        for pathway in ("gp", "clinic")
    ]
    made = pathways(people)
    assert contrast(made, "hazard_ratio", "retained")["estimate"] is not None
    row = contrast(made, "hazard_ratio", "retained", adjusted=True)
    assert (row["estimate"], row["reason"]) == (None, "sparse_cells")


@pytest.mark.parametrize(
    ("exits", "sexes", "reason"),
    [
        (9, ("female", "male"), "too_few_for_terms"),  # 18 exits carry one term, not two
        (30, ("female",), "sparse_cells"),  # the sex is the pathway over again
    ],
)
def test_refused_adjusted_hazards(
    pathways: Make, exits: int, sexes: tuple[str, ...], reason: str
) -> None:
    def leave(n: int, **who: Any) -> Person:
        return {"n": n, "treatment": (0, 60, "patient_absent")} | who

    people = [
        leave(exits, baseline_pathway="gp", sex="male"),
        *(leave(exits // len(sexes), baseline_pathway="clinic", sex=sex) for sex in sexes),
        leave(exits % len(sexes), baseline_pathway="clinic", sex="male"),
    ]
    made = pathways(people)
    row = contrast(made, "hazard_ratio", "retained", adjusted=True)
    assert (row["estimate"], row["reason"], row["covariates"]) == (None, reason, "sex")
    assert contrast(made, "hazard_ratio", "retained")["estimate"] == pytest.approx(1)


# Balance: in the clinic 6 of 8 are women, with the GP 3 of 10; one in the clinic is unknown.


def test_standardised_difference_by_hand(pathways: Make) -> None:
    people = [
        {"n": 6, "baseline_pathway": "clinic", "sex": "female"},
        {"n": 2, "baseline_pathway": "clinic", "sex": "male"},
        {"n": 1, "baseline_pathway": "clinic", "sex": "unknown"},
        {"n": 3, "baseline_pathway": "gp", "sex": "female"},
        {"n": 7, "baseline_pathway": "gp", "sex": "male"},
    ]
    table = pathways(people)["derived.covariate_balance"]
    (row,) = table.filter(pathway="clinic", covariate="sex", level="female").to_dicts()
    spread = math.sqrt((6 / 8 * 2 / 8 + 3 / 10 * 7 / 10) / 2)
    assert (row["n"], row["n_reference"], row["n_missing"]) == (9, 10, 1)
    assert (row["n_level"], row["n_level_reference"]) == (6, 3)
    assert row["difference_before"] == pytest.approx((6 / 8 - 3 / 10) / spread)
    assert (row["difference_after"], row["reason"]) == (None, "too_few_for_terms")
    (untaken,) = table.filter(pathway="nobody_took", covariate="sex", level="female").to_dicts()
    assert (untaken["difference_before"], untaken["reason"]) == (None, "not_computable")


@pytest.mark.parametrize(
    ("days", "waves"),
    [
        ((0, 182, 365, 731), [2, 3]),
        (tuple(range(0, 400, 7)), [52, 57]),  # days 357, 364 and 371 are all month 12
        (tuple(range(0, 169, 28)), [6]),
    ],
)
def test_month_12_of_a_weekly_schedule_is_the_week_nearest_a_year(
    protocol: Protocol, days: tuple[int, ...], waves: list[int]
) -> None:
    schedule = protocol.waves.model_copy(update={"nominal_days": days})
    assert compared_waves(protocol.model_copy(update={"waves": schedule})) == waves
