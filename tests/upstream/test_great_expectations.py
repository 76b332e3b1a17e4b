"""What the code leans on in Great Expectations 1.24; a failure here says what has moved."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from typing import Any

import pandas as pd
import pytest

BASIC = {"result_format": "BASIC", "partial_unexpected_count": 0}
TEXT, NUMBER = "planted", 98765.5


@pytest.fixture(scope="module")
def gx():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports a module that Python has deprecated
        import great_expectations

        yield great_expectations


def validate(gx: Any, *expectations: Any, result_format: Any = BASIC) -> Any:
    frame = pd.DataFrame({"number": [1.0, NUMBER, None], "text": ["a", TEXT, None]})
    source = gx.get_context(mode="ephemeral").data_sources.add_pandas("source")
    asset = source.add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite("suite")
    for number, expectation in enumerate(expectations):
        expectation.meta = {"number": number}
        suite.add_expectation(expectation)
    return batch.validate(suite, result_format=result_format)


def between(gx: Any, column: str) -> Any:
    return gx.expectations.ExpectColumnValuesToBeBetween(column=column, min_value=0, max_value=2)


def test_results_come_in_an_order_of_their_own(gx):
    crashing = between(gx, "text")
    rows = gx.expectations.ExpectTableRowCountToBeBetween(min_value=1)
    results = validate(gx, rows, between(gx, "number"), crashing).results
    numbers = [result.expectation_config.meta["number"] for result in results]
    assert sorted(numbers) == [0, 1, 2]
    assert numbers != [0, 1, 2]


def test_exception_info_is_flat_without_and_by_metric_with_an_exception(gx):
    (well,) = validate(gx, between(gx, "number")).results
    assert well.exception_info["raised_exception"] is False
    (broken,) = validate(gx, between(gx, "text")).results
    assert broken.success is False
    assert "raised_exception" not in broken.exception_info
    assert [part["raised_exception"] for part in broken.exception_info.values()] == [True]


def test_basic_without_a_partial_list_counts_and_holds_no_value(gx):
    (result,) = validate(gx, between(gx, "number")).results
    assert result.result["unexpected_count"] == 1
    assert result.result["partial_unexpected_list"] == []
    assert str(NUMBER) not in json.dumps(result.to_json_dict())


def test_the_default_format_would_hold_values(gx):
    (result,) = validate(gx, between(gx, "number"), result_format="SUMMARY").results
    assert NUMBER in result.result["partial_unexpected_list"]


def test_null_is_left_out_and_counts_as_met(gx):
    (result,) = validate(gx, between(gx, "number")).results
    assert (result.result["element_count"], result.result["missing_count"]) == (3, 1)


def test_a_suite_over_no_rows_passes(gx):
    frame = pd.DataFrame({"number": pd.Series([], dtype="float64")})
    source = gx.get_context(mode="ephemeral").data_sources.add_pandas("source")
    asset = source.add_dataframe_asset("empty")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    assert batch.validate(between(gx, "number")).success


def test_its_own_page_loads_from_elsewhere_and_shows_the_time(gx):
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    validation = validate(gx, between(gx, "number"))
    assert "ge_load_time" in validation.meta["batch_markers"]
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(validation))
    assert 'src="https://' in page


OFFLINE = """
import socket, sys

def refuse(*_):
    sys.exit("reached for the network")

socket.socket.connect = socket.getaddrinfo = refuse
import duckdb
from pathlib import Path
from registry_pipeline.expectations.runner import run_suites
from registry_pipeline.expectations.suite import Suite, stated

suite = Suite("one", "One", "core.patient", "warn", "SELECT 1 AS n", (stated("n", "It is."),))
(result,) = run_suites(duckdb.connect(), Path(sys.argv[1]), [suite])
print(result.status)
"""


def test_nothing_reaches_for_the_network_or_prints(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tmp_path / "docs")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, "passed\n", "")
