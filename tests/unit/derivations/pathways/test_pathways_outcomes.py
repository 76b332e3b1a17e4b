"""Outcomes by pathway, worked out by hand on tiny cohorts."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from registry_pipeline.statistics.intervals import with_mean, with_wilson
from registry_pipeline.version import RULE_VERSION
from schemas.codes import MISSING_RULE
from schemas.derived import (
    ControlChart,
    CopingAssociation,
    CovariateBalance,
    Funnel,
    OutcomeByPathway,
    OutcomeComparison,
)
from schemas.fields import describe
from schemas.outcomes import OUTCOMES

Tables = dict[str, pl.DataFrame]
Make = Callable[..., Tables]
MODELS = (
    OutcomeByPathway,
    OutcomeComparison,
    CovariateBalance,
    CopingAssociation,
    ControlChart,
    Funnel,
)

CRIME_FREE, CRIME = {1: {"crime_days": 0}}, {1: {"crime_days": 3}}
COHORT = [
    {"n": 4, "baseline_pathway": "clinic", "waves": CRIME_FREE},
    {"n": 2, "baseline_pathway": "clinic", "waves": CRIME, "sex": "female"},
    {"n": 2, "baseline_pathway": "clinic", "waves": {1: "refused"}},
    {"n": 1, "baseline_pathway": "clinic", "waves": {1: {}}},
    {"n": 1, "baseline_pathway": "clinic", "waves": {1: "dead"}},
    {"n": 3, "baseline_pathway": "gp", "waves": CRIME_FREE},
    {"n": 1, "baseline_pathway": "gp", "waves": {1: "not_due", 2: "not_due"}},
    {"n": 1, "baseline_pathway": None, "waves": CRIME},
]


def rows(tables: Tables, **where: Any) -> list[dict[str, Any]]:
    """Rows of outcome_by_pathway for the whole cohort, by pathway at baseline at wave 1."""
    where = {"pathway_rule": "baseline", "wave": 1, "stratum": "all"} | where
    return tables["derived.outcome_by_pathway"].filter(**where).to_dicts()


def one(tables: Tables, **where: Any) -> dict[str, Any]:
    (row,) = rows(tables, **where)
    return row


@pytest.fixture(scope="module")
def tables(pathways: Make) -> Tables:
    return pathways(COHORT)


def test_tables_are_as_their_models_say_and_alike_on_both_engines(
    pathways: Make, tables: Tables
) -> None:
    on_duckdb = pathways(COHORT, engine="duckdb")
    for model in MODELS:
        table = describe(model)
        found = tables[table.full_name]
        assert_frame_equal(found, on_duckdb[table.full_name], rel_tol=1e-12)
        stamped = found.with_columns(as_of_delivery=pl.lit("2014-Q3")).select(*table.schema.columns)
        table.schema.validate(stamped)
        assert not found.select(table.key).is_duplicated().any()
        assert set(found["rule_version"]) <= {RULE_VERSION}


# Of 10 in the clinic, 1 is dead; of 9 expected, 4 are free of crime, 2 are not, 3 say nothing.


@pytest.mark.parametrize(
    ("rule", "n", "n_success"),
    [("observed", 4 + 2, 4), ("missing_is_failure", 9, 4), ("best", 9, 4 + 3), ("worst", 9, 4)],
)
def test_four_missing_rules_for_a_share(tables: Tables, rule: str, n: int, n_success: int) -> None:
    row = one(tables, pathway="clinic", outcome="crime_free", missing_rule=rule)
    interval = with_wilson(pl.DataFrame({"x": [n_success], "n": [n]}), "x", "n").row(0, named=True)
    assert (row["n_expected"], row["n_excluded"], row["n_missing"]) == (9, 1, 3)
    assert (row["n"], row["n_success"], row["sum_score"]) == (n, n_success, None)
    assert row["estimate"] == n_success / n
    assert (row["ci_low"], row["ci_high"]) == (interval["ci_low"], interval["ci_high"])
    assert row["reason"] is None


@pytest.mark.parametrize(
    ("rule", "scores"),
    [
        ("observed", [6, 8]),
        ("missing_is_failure", [6, 8, 0]),
        ("best", [6, 8, 10]),
        ("worst", [6, 8, 0]),
    ],
)
def test_four_missing_rules_for_a_mean(pathways: Make, rule: str, scores: list[int]) -> None:
    waves = [{1: {"coping_score": 6}}, {1: {"coping_score": 8}}, {1: "missed"}, {1: "moved"}]
    row = one(
        pathways([{"waves": each} for each in waves]),
        pathway="gp",
        outcome="coping",
        missing_rule=rule,
    )
    sums = {"n": [len(scores)], "t": [sum(scores)], "s": [sum(x * x for x in scores)]}
    interval = with_mean(pl.DataFrame(sums), "n", "t", "s").row(0, named=True)
    assert (row["n_expected"], row["n_excluded"], row["n_missing"]) == (3, 1, 1)
    assert (row["n"], row["sum_score"], row["n_success"]) == (len(scores), sum(scores), None)
    assert row["estimate"] == sum(scores) / len(scores)
    assert (row["ci_low"], row["ci_high"]) == (interval["ci_low"], interval["ci_high"])


def test_one_answer_has_a_mean_and_no_interval(pathways: Make) -> None:
    made = pathways([{"waves": {1: {"coping_score": 6}}}])
    row = one(made, pathway="gp", outcome="coping", missing_rule="observed")
    assert (row["estimate"], row["ci_low"], row["reason"]) == (6, None, "not_computable")


def test_answers_all_alike_have_a_mean_and_no_interval(pathways: Make) -> None:
    made = pathways([{"waves": {1: {"coping_score": 6}}}] * 2)
    row = one(made, pathway="gp", outcome="coping", missing_rule="observed")
    assert (row["estimate"], row["ci_low"], row["reason"]) == (6, None, "no_variation")


def test_pathways_with_unknown_make_up_all(tables: Tables) -> None:
    counts = {
        row["pathway"]: row["n_expected"]
        for row in rows(tables, outcome="crime_free", missing_rule="observed")
    }
    assert counts == {"all": 9 + 3 + 1, "clinic": 9, "gp": 3, "nobody_took": 0, "unknown": 1}


def test_strata_lie_within_the_pathway(tables: Tables) -> None:
    of_sex = rows(
        tables,
        pathway="clinic",
        outcome="crime_free",
        missing_rule="observed",
        stratum_by="sex",
        stratum="female",
    )
    assert [(row["n"], row["n_success"]) for row in of_sex] == [(2, 0)]
    assert set(tables["derived.outcome_by_pathway"]["stratum_by"]) == {
        "all", "sex", "age_group", "co_occurring_disorder",
    }  # fmt: skip


def test_a_pathway_that_nobody_took(tables: Tables) -> None:
    row = one(tables, pathway="nobody_took", outcome="crime_free", missing_rule="best")
    assert (row["n"], row["estimate"], row["reason"]) == (0, None, "not_computable")


def test_a_wave_that_nobody_reached(pathways: Make) -> None:
    made = pathways([{"n": 3, "waves": CRIME_FREE | {2: "not_due"}}])
    for row in rows(made, pathway="gp", wave=2, outcome="crime_free"):
        assert (row["n_expected"], row["n_excluded"], row["n_missing"]) == (0, 0, 0)
        assert (row["estimate"], row["reason"]) == (None, "not_computable")


def test_the_worst_case_is_below_the_observed_and_the_best_above(tables: Tables) -> None:
    wide = tables["derived.outcome_by_pathway"].pivot(
        "missing_rule",
        index=["pathway_rule", "pathway", "stratum_by", "stratum", "outcome", "wave"],
        values="estimate",
    )
    answered = wide.drop_nulls()
    assert answered.height > 0
    assert answered.filter(pl.col("worst") > pl.col("observed")).is_empty()
    assert answered.filter(pl.col("observed") > pl.col("best")).is_empty()


@pytest.mark.parametrize(
    ("rule", "n", "estimate", "reason"),
    [
        ("observed", 0, None, "not_computable"),
        ("missing_is_failure", 5, 0.0, None),
        ("best", 5, 1.0, None),
        ("worst", 5, 0.0, None),
    ],
)
def test_everyone_missing_at_a_wave(
    pathways: Make, rule: str, n: int, estimate: float | None, reason: str | None
) -> None:
    made = pathways([{"n": 5, "waves": {1: "missed", 2: {"crime_days": 0}}}])
    row = one(made, pathway="gp", outcome="crime_free", missing_rule=rule)
    assert (row["n_expected"], row["n_missing"]) == (5, 5)
    assert (row["n"], row["estimate"], row["reason"]) == (n, estimate, reason)


def test_what_nobody_was_ever_asked_is_not_a_failure(tables: Tables) -> None:
    for row in rows(tables, pathway="clinic", outcome="large_benefit"):
        assert (row["n_expected"], row["n"], row["estimate"]) == (9, 0, None)
        assert row["reason"] == "not_asked"


def test_retention_is_asked_of_people_with_a_stay(pathways: Make) -> None:
    made = pathways(
        [
            {"n": 2, "treatment": (0, 400, None)},
            {"n": 1, "treatment": (0, 100, "patient_absent")},
            {"n": 4},
        ]
    )
    row = one(made, pathway="gp", outcome="retained", missing_rule="missing_is_failure")
    assert (row["n_expected"], row["n_excluded"], row["n_missing"]) == (3, 4, 0)
    assert (row["n"], row["n_success"]) == (3, 2)


def test_change_of_the_primary_substance_begins_after_the_baseline(tables: Tables) -> None:
    waves = {
        row["wave"]
        for row in tables["derived.outcome_by_pathway"].to_dicts()
        if row["outcome"] == "primary_substance_reduced"
    }
    assert waves == {1, 2}


# One person changes pathway half-way to wave 1 (day 182) and is not free of crime.

CHANGED = [
    {"waves": CRIME_FREE, "stays": [("gp", -50, None)]},
    {
        "waves": CRIME,
        "at_wave": {1: "clinic"},
        "stays": [("gp", 0, 91), ("gp", 30, 60), ("clinic", 91, None)],
    },
]


@pytest.mark.parametrize(
    ("pathway_rule", "pathway", "n", "estimate"),
    [
        ("baseline", "gp", 2, 1 / 2),
        ("baseline", "clinic", 0, None),
        ("at_wave", "gp", 1, 1.0),
        ("at_wave", "clinic", 1, 0.0),
        ("time_share", "gp", 2, 1 / (1 + 1 / 2)),
        ("time_share", "clinic", 1, 0.0),
        ("time_share", "all", 2, 1 / 2),
    ],
)
def test_a_change_of_pathway_is_not_counted_twice(
    pathways: Make, pathway_rule: str, pathway: str, n: int, estimate: float | None
) -> None:
    row = one(
        pathways(CHANGED),
        pathway_rule=pathway_rule,
        pathway=pathway,
        outcome="crime_free",
        missing_rule="observed",
    )
    assert row["n"] == n
    assert row["estimate"] == (None if estimate is None else pytest.approx(estimate, abs=1e-6))


def test_share_of_time_is_a_description(pathways: Make) -> None:
    made = pathways(CHANGED)
    where = {"pathway_rule": "time_share", "outcome": "crime_free", "missing_rule": "observed"}
    row = one(made, pathway="gp", **where)
    assert (row["ci_low"], row["ci_high"], row["reason"]) == (None, None, "descriptive")
    assert rows(made, wave=0, **where) == []


def test_share_of_time_under_the_missing_rules(pathways: Make) -> None:
    """The one who changed is missing: half a person of one and a half in gp."""
    people = [CHANGED[0], CHANGED[1] | {"waves": {1: "missed"}}]
    found = {
        row["missing_rule"]: row["estimate"]
        for row in rows(
            pathways(people), pathway_rule="time_share", pathway="gp", outcome="crime_free"
        )
    }
    assert found == {
        "observed": 1.0,
        "missing_is_failure": pytest.approx(1 / 1.5, abs=1e-6),
        "best": 1.0,
        "worst": pytest.approx(1 / 1.5, abs=1e-6),
    }


def test_every_outcome_and_rule_has_rows(tables: Tables) -> None:
    seen = {(row["outcome"], row["missing_rule"]) for row in rows(tables, pathway="gp")}
    assert seen == {(outcome, rule) for outcome in OUTCOMES for rule in MISSING_RULE.codes}


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_nobody_at_all(pathways: Make, engine: str) -> None:
    for table in pathways([], engine=engine).values():
        assert table.height == 0 or table["reason"].is_not_null().all()


def test_a_cohort_that_nobody_interviews_has_retention_at_the_waves_and_nothing_else(
    pathways: Make,
) -> None:
    unasked = {"waves": dict.fromkeys(range(3), "not_due")}
    tables = pathways(
        [
            unasked | {"n": 6, "treatment": (0, 425, None)},
            unasked | {"n": 4, "treatment": (0, 200, "patient_absent")},
            unasked | {"n": 2},
        ]
    )
    found = {
        wave: one(tables, wave=wave, outcome="retained", pathway="all", missing_rule="observed")
        for wave in range(3)
    }
    assert [(row["n_success"], row["n"], row["n_excluded"]) for row in found.values()] == [
        (10, 10, 2), (10, 10, 2), (6, 10, 2)
    ]  # fmt: skip
    others = [row for row in rows(tables, pathway="all") if row["outcome"] != "retained"]
    assert {(row["n_expected"], row["n"], row["reason"]) for row in others} == {
        (0, 0, "not_computable")
    }
