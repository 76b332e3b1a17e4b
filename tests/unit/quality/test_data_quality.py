"""Judging data-quality rules: statuses, crashes, questions nobody was asked, the table."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.data_quality import checks
from registry_pipeline.data_quality.engine import PASSES, Verdict, data_quality
from registry_pipeline.data_quality.rule import Pass, Rule, complete
from schemas.catalog import TABLES
from schemas.core.visits import Interview

INTERVIEW = "core.interview"


def a_pass(*rules: Rule) -> Pass:
    return Pass(lambda core, _: core[INTERVIEW], lambda _: rules)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict(is_asked=False, error="KeyError"), "error"),
        (Verdict(n_checked=10, n_failed=10, is_asked=False), "not_applicable"),
        (Verdict(n_checked=0), "not_applicable"),
        (Verdict(n_checked=10, n_failed=3), "failed"),
        (Verdict(n_checked=10, n_failed=2), "passed"),
    ],
)
def test_error_before_not_applicable_before_failed_before_passed(verdict, status):
    assert verdict.status(threshold=0.2) == status


@pytest.mark.hazard("a check that crashes", "an error, never passed; the others go on")
def test_a_rule_that_crashes_is_an_error_and_stops_no_other(store, protocol):
    held, no_such = nw.col("status") == "completed", nw.col("no_such_column") == 1
    part = a_pass(
        Rule(checks.OFF_WINDOW, INTERVIEW, None, held, held),
        Rule(checks.ONE_PER_WAVE, INTERVIEW, None, no_such, no_such),
    )
    table = data_quality(store({INTERVIEW: [{}]}), protocol, [part])
    assert table["status"].to_list() == ["failed", "error"]
    assert table["n_checked"].to_list() == [1, 0]
    assert table["note"][1].endswith("It could not be computed (ColumnNotFoundError).")


def test_rows_that_crash_are_errors_of_all_their_rules_without_the_message(store, protocol):
    def crash(*_: object) -> Any:
        message = "a value"
        raise ValueError(message)

    table = data_quality(store({}), protocol, [Pass(crash, PASSES[0].rules)])
    assert set(table["status"]) == {"error"}
    assert not table["note"].str.contains("a value").any()


@pytest.mark.parametrize(
    ("housing", "missing", "missing_or_unknown"),
    [
        (["own", None], ("failed", 1), ("failed", 1)),
        (["own", "unknown"], ("passed", 0), ("failed", 1)),
        ([None, None], ("not_applicable", 0), ("not_applicable", 0)),
    ],
)
def test_completeness_twice_and_not_of_what_nobody_was_asked(
    store, protocol, housing, missing, missing_or_unknown
):
    part = a_pass(*complete(Interview, ["housing"], nw.col("status") == "completed"))
    rows = [{"housing": answer} for answer in housing]
    table = data_quality(store({INTERVIEW: rows}), protocol, [part])
    assert table.select("rule_id", "status", "n_failed").rows() == [
        ("missing", *missing),
        ("missing_or_unknown", *missing_or_unknown),
    ]


def test_a_unit_that_asks_nobody_is_no_part_of_completeness(store, protocol):
    part = a_pass(*complete(Interview, ["housing"], nw.col("status") == "completed"))
    answers = {"north": ["own", None, None], "south": [None, None], None: [None, "own"]}
    rows = [
        {"unit_id": unit, "housing": answer} for unit, told in answers.items() for answer in told
    ]
    table = data_quality(store({INTERVIEW: rows}), protocol, [part])
    assert set(table.select("n_checked", "n_failed").rows()) == {(3 + 2, 2 + 1)}


def test_a_protocol_without_codes_has_none_to_break(store, protocol):
    bare = protocol.model_copy(update={"units": ()})
    table = data_quality(store({INTERVIEW: [{"unit_id": "north"}]}), bare)
    units = table.filter(pl.col("rule_id") == "unit_known")
    assert set(units["status"]) == {"not_applicable"}


def test_rules_name_columns_that_exist_and_no_two_are_the_same(protocol):
    rules = [rule for part in PASSES for rule in part.rules(protocol)]
    assert all(rule.column is None or TABLES[rule.table].column(rule.column) for rule in rules)
    keys = [(rule.check.rule_id, rule.table, rule.column) for rule in rules]
    assert len(set(keys)) == len(keys)


def test_a_cohort_without_rows_passes_nothing_and_obeys_the_model(store, protocol):
    table = data_quality(store({"meta.delivery": []}), protocol)
    assert set(table["status"]) == {"not_applicable"}
    assert table["share"].null_count() == table.height
    stored = TABLES["quality.data_quality"]
    stored.schema.validate(table.with_columns(as_of_delivery=pl.lit("2014-Q2")))
    assert not table.select(stored.key).is_duplicated().any()
