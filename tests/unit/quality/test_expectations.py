"""Suites on stored tables: statuses, results without values, pages that need no network."""

from __future__ import annotations

import re
from dataclasses import replace

import dagster as dg
import duckdb
import pytest

from assets.expectations import _result, expectation_checks
from registry_pipeline.expectations.runner import run_suites
from registry_pipeline.expectations.suite import Suite, SuiteResult, at_most, between, stated
from registry_pipeline.expectations.suites import SUITES
from registry_pipeline.warehouse.tables import create_sql
from schemas.catalog import TABLES

WORD, NUMBER = "planted", 98765
SUITE = Suite(
    "trial",
    "A trial",
    "core.patient",
    "warn",
    "SELECT * FROM cells",
    (
        between("share", 0.5, None, "Shares are at least a half."),
        at_most("n", "n_all", "No part is above the whole."),
    ),
)


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE cells (name VARCHAR, share DOUBLE, n INT, n_all INT)")
        yield connection


@pytest.fixture
def models():
    """Every stored table of the catalogue, empty."""
    with duckdb.connect() as connection:
        for schema in {table.schema_name for table in TABLES.values()}:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for table in TABLES.values():
            connection.execute(create_sql(table))
        yield connection


def fill(connection, *rows):
    connection.executemany("INSERT INTO cells VALUES (?, ?, ?, ?)", rows)


def run(connection, *suites, docs=None):
    return run_suites(connection, docs, suites)


class TestStatus:
    def test_passed(self, connection):
        fill(connection, ("a", 0.5, 1, 2), ("b", None, None, 2))
        assert run(connection, SUITE) == [SuiteResult(SUITE, "passed")]

    def test_failed_names_what_failed_in_the_order_of_the_suite(self, connection):
        fill(connection, ("a", 0.4, 3, 2))
        told = tuple(expectation.description for expectation in SUITE.expectations)
        assert run(connection, SUITE) == [SuiteResult(SUITE, "failed", 2, told)]

    def test_without_a_cell_it_is_not_applicable(self, connection):
        assert run(connection, SUITE) == [SuiteResult(SUITE, "not_applicable")]

    def test_an_exception_is_an_error_and_its_message_goes_nowhere(self, connection, tmp_path):
        fill(connection, (WORD, 0.5, 1, 2))
        broken = replace(SUITE, expectations=(between("name", 0, 1, "A name is a number."),))
        (result,) = run(connection, broken, docs=tmp_path / "docs")
        assert (result.status, result.failed) == ("error", ("A name is a number.",))
        page = (tmp_path / "docs" / "trial.html").read_text(encoding="utf-8")
        assert "A name is a number." in page
        assert "Traceback" not in page

    def test_a_suite_that_cannot_be_read_is_an_error_and_stops_no_other(self, connection):
        fill(connection, ("a", 0.5, 1, 2))
        gone = replace(SUITE, name="gone", query="SELECT * FROM gone")
        first, second = run(connection, gone, SUITE)
        assert (first.status, first.failed) == ("error", ("CatalogException",))
        assert second.status == "passed"


class TestDocs:
    @pytest.fixture
    def pages(self, connection, tmp_path):
        fill(connection, (WORD, NUMBER / 1e6, NUMBER, NUMBER - 1))
        folder = tmp_path / "data_docs"
        folder.mkdir()
        (folder / "of_yesterday.html").write_text("")
        run(connection, SUITE, replace(SUITE, name="again"), docs=folder)
        return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}

    def test_the_folder_is_replaced_as_a_whole(self, pages, tmp_path):
        assert set(pages) == {"index.html", "trial.html", "again.html"}
        assert [path.name for path in tmp_path.iterdir()] == ["data_docs"]

    def test_the_index_leads_to_every_suite(self, pages):
        assert re.findall(r'href="(\w+\.html)"', pages["index.html"]) == [
            "trial.html",
            "again.html",
        ]
        assert "0 of 2" in pages["index.html"]

    def test_a_page_says_what_is_expected(self, pages):
        for expectation in SUITE.expectations:
            assert expectation.description in pages["trial.html"]

    def test_pages_hold_no_value_no_path_and_nothing_from_elsewhere(self, pages, tmp_path):
        text = "".join(pages.values())
        for leak in (
            WORD,
            str(NUMBER),
            str(tmp_path),
            "http",
            "<script",
            "<link",
            "src=",
            "@import",
        ):
            assert leak not in text

    def test_the_same_tables_give_the_same_pages(self, pages, connection, tmp_path):
        run(connection, SUITE, replace(SUITE, name="again"), docs=tmp_path / "second")
        second = {path.name: path.read_text() for path in (tmp_path / "second").iterdir()}
        assert second == pages


class TestShipped:
    def test_on_empty_tables_every_suite_is_not_applicable(self, models):
        assert {result.status for result in run_suites(models, None)} == {"not_applicable"}

    @pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
    def test_a_suite_s_query_has_the_columns_its_expectations_name(self, models, suite):
        columns = set(models.sql(suite.query).columns)
        named = {
            value
            for expectation in suite.expectations
            for key, value in expectation.arguments.items()
            if key.startswith("column")
        }
        assert named <= columns
        assert suite.table in TABLES

    def test_there_are_few_enough_to_run_and_read(self):
        assert 25 <= sum(len(suite.expectations) for suite in SUITES) <= 45
        assert len({suite.name for suite in SUITES}) == len(SUITES)


@pytest.mark.parametrize(
    ("status", "severity", "passed", "shown"),
    [
        ("passed", "error", True, dg.AssetCheckSeverity.ERROR),
        ("failed", "error", False, dg.AssetCheckSeverity.ERROR),
        ("failed", "warn", False, dg.AssetCheckSeverity.WARN),
        ("not_applicable", "error", False, dg.AssetCheckSeverity.WARN),
        ("error", "warn", False, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_a_check_passes_only_where_the_suite_did(status, severity, passed, shown):
    suite = replace(SUITE, severity=severity, expectations=(stated("n", "It is stated."),))
    check = _result(SuiteResult(suite, status))
    assert (check.passed, check.severity) == (passed, shown)
    assert {name: value.value for name, value in check.metadata.items()} == {
        "status": status,
        "expectations": 1,
        "not met": 0,
    }


def test_there_is_a_check_per_suite_on_its_table_and_none_blocks():
    specs = {spec.name: spec for spec in expectation_checks.check_specs}
    assert {name: ".".join(spec.asset_key.path) for name, spec in specs.items()} == {
        suite.name: suite.table for suite in SUITES
    }
    assert not any(spec.blocking for spec in specs.values())
