"""One run over the whole sample: the published figures of every programme, as stored.

The figures are those of the domain notes, section 1; what the sample made up beside them (170
conversations that were followed) is named where it is used.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from rich.console import Console

from assets.programme_checks import programme_checks
from assets.run import RegistryRun
from registry_pipeline.commands.headlines import headlines
from registry_pipeline.commands.operate import Outcome, run_job
from registry_pipeline.commands.printing import tables
from registry_pipeline.commands.report_card import print_report_card
from registry_pipeline.disclosure.checks import attack_programmes
from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import connect

ROOT = Path(__file__).parents[2]
Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Outcome]:
    """A home after a run over `data/sample`: LAR X, the Randers cluster, the drop-out project."""
    home = Home(tmp_path_factory.mktemp("whole") / "home")
    return home, run_job(home, ROOT / "data" / "sample")


@pytest.fixture(scope="module")
def query(whole_run: tuple[Home, Outcome]) -> Query:
    def run(sql: str, *values: object) -> list[tuple[Any, ...]]:
        with duckdb.connect(whole_run[0].analysis, read_only=True) as connection:
            return connection.execute(sql, list(values)).fetchall()

    return run


@pytest.fixture(scope="module")
def whole(query: Query) -> Callable[..., tuple[Any, ...]]:
    """Numerator, denominator, value and reason of a measure for everyone over the whole period."""

    def row(table: str, measure: str, cohort: str, **cells: object) -> tuple[Any, ...]:
        wanted = {"unit_id": "all", "group_by": "all", **cells}
        where = " AND ".join(f'"{name}" = ?' for name in wanted)
        return query(
            f"SELECT numerator, denominator, value, reason FROM quality.{table} "
            f"WHERE protocol = ? AND measure = ? AND {where} "
            "ORDER BY period_end - period_start DESC LIMIT 1",
            cohort,
            measure,
            *wanted.values(),
        )[0]

    return row


def test_the_run_is_green(whole_run: tuple[Home, Outcome]) -> None:
    outcome = whole_run[1]
    assert (outcome.errors, outcome.red_checks, outcome.success) == ([], [], True)


def test_lar_x(query: Query) -> None:
    asked = query(
        "SELECT count(*), count(*) FILTER (enrolled), count(*) FILTER (enrolled AND sex = 'male'), "
        "count(*) FILTER (enrolled AND sex = 'female') FROM core.patient WHERE cohort = 'lar_x'"
    )
    assert asked == [(328, 70, 45, 25)]
    assert round(100 * 45 / 70, 1) == 64.3
    share = query(
        "SELECT share, ci_low, ci_high FROM derived.enrolment WHERE cohort = 'lar_x' "
        "AND \"group\" = 'consented' AND sex = 'all' AND age_group = 'all'"
    )[0]
    assert [round(100 * number, 1) for number in share] == [21.3, 17.3, 26.1]
    waves = query("SELECT count(DISTINCT wave), max(wave) FROM core.visit WHERE cohort = 'lar_x'")
    assert waves == [(9, 8)]
    held = "SELECT count(*) FROM core.visit WHERE cohort = 'lar_x' AND interview_date IS NOT NULL"
    assert 0 < query(held)[0][0] <= 630


class TestRanders:
    def test_the_funnel_adds_up(self, whole) -> None:
        steps = ("identified", "conversation", "declined", "unable")
        counts = [whole("bridging_funnel", step, "randers")[0] for step in steps]
        assert counts == [275, 228, 40, 7]
        assert counts[0] == sum(counts[1:])

    def test_a_rate_of_two_periods_is_refused(self, whole) -> None:
        assert whole("bridging_funnel", "centre_contact", "randers") == (
            86, 228, None, "periods_differ",
        )  # fmt: skip

    def test_the_matched_rate_is_that_of_the_170_followed(self, whole) -> None:
        """About half, as the source says; the 170 are made up."""
        assert whole("bridging_funnel", "centre_contact_followed", "randers") == (
            86, 170, 86 / 170, None,
        )  # fmt: skip

    def test_forty_detox_stays_of_four_days(self, whole) -> None:
        assert whole("detox_stay", "mean_days", "randers")[:3] == (160, 40, 4.0)

    def test_an_amputation_is_an_unrelated_readmission(self, whole) -> None:
        related, unrelated = (
            whole("detox_stay", measure, "randers")[0]
            for measure in ("readmitted", "readmitted_unrelated")
        )
        assert (related, unrelated) == (4, 1)

    @pytest.mark.parametrize(
        ("goal", "steps"),
        [
            (
                "discharge_coordination",
                {"identified": 10, "offered_support": 3, "readmitted": 2, "unrelated_cause": 1},
            ),
            ("training", {"enrolled": 34, "day_1": 31, "day_2": 17}),
            ("offer_card", {"asked": 10, "knew": 10, "used": 0}),
            ("interviews", {"round_1": 5, "round_2": 5}),
            ("somatic_work_up", {"audited": 5}),
        ],
    )
    def test_counts_of_the_goals(self, query: Query, goal: str, steps: dict[str, int]) -> None:
        rows = query(
            "SELECT step, numerator FROM quality.goal_result WHERE protocol = 'randers' "
            "AND measure = 'reached' AND goal_id = ?",
            goal,
        )
        assert dict(rows) == steps

    def test_nine_answer_sheets(self, query: Query, whole) -> None:
        rows = query(
            'SELECT item, list(numerator ORDER BY "group") FROM quality.involvement '
            "WHERE protocol = 'randers' AND measure = 'level' AND unit_id = 'all' "
            "AND period_end - period_start > 300 GROUP BY item ORDER BY item"
        )
        assert [counts for _, counts in rows] == [
            [0, 1, 1, 3, 4], [0, 0, 3, 3, 3], [0, 0, 1, 6, 2],
            [0, 0, 2, 3, 4], [0, 0, 2, 5, 2], [1, 1, 0, 3, 4],
        ]  # fmt: skip
        assert whole("involvement", "top_two", "randers", item=3)[:2] == (8, 9)

    def test_few_sheets_are_hidden_outside_and_seen_inside(self, query: Query) -> None:
        rows = query(
            "SELECT DISTINCT value IS NULL, hidden_reason FROM quality.involvement "
            "WHERE protocol = 'randers' AND measure = 'top_two' AND denominator > 0"
        )
        assert rows == [(False, "small_denominator")]


class TestDropOutProject:
    def test_young_people_at_one_unit_missed_more_than_one_in_three(self, whole) -> None:
        value = whole(
            "no_show", "no_show", "tsb", unit_id="oslo", group_by="age", group="under_23"
        )[2]
        assert value > 1 / 3

    def test_both_denominators_and_the_unknown_share(self, whole) -> None:
        left, ended, value, _ = whole("dropout", "dropout", "tsb")
        known = whole("dropout", "dropout_known", "tsb")
        unknown = whole("dropout", "unknown_end", "tsb")
        assert value == left / ended
        assert (known[0], known[1]) == (left, ended - unknown[0])
        assert unknown[1] == ended

    def test_every_tool_has_its_measure(self, query: Query) -> None:
        rows = query(
            "SELECT DISTINCT measure FROM quality.checklist_use "
            "WHERE protocol = 'tsb' AND unit_id = 'all' AND value IS NOT NULL"
        )
        assert {measure for (measure,) in rows} == {
            "checklist_used", "dropout_observed", "milestone_in_time", "attended_admission",
            "returned",
        }  # fmt: skip

    def test_dropout_rises_with_the_level_of_risk(self, query: Query) -> None:
        rows = query(
            "SELECT value FROM quality.checklist_use WHERE protocol = 'tsb' AND unit_id = 'all' "
            "AND group_by = 'risk_level' AND period_end - period_start > 300 ORDER BY \"group\""
        )
        levels = [value for (value,) in rows]
        assert len(levels) == 3
        assert levels == sorted(levels)

    def test_a_unit_that_delivered_nothing(self, query: Query) -> None:
        rows = query(
            "SELECT DISTINCT denominator, value, reason FROM quality.dropout "
            "WHERE protocol = 'tsb' AND unit_id = 'finnmark'"
        )
        assert rows == [(0, None, "not_computable")]

    def test_the_export_in_another_shape_is_read(self, query: Query) -> None:
        rows = query(
            "SELECT count(DISTINCT patient_id), count(*) FILTER (status = 'missed'), "
            "count(*) FILTER (treatment_status = 'followup_refused') FROM core.interview "
            "WHERE cohort = 'tsb' AND unit_id = 'midt'"
        )[0]
        assert rows[0] == 36
        assert min(rows) > 0

    def test_the_chart_has_limits_before_and_after(self, query: Query) -> None:
        rows = query(
            "SELECT segment, count(DISTINCT centre) FROM quality.programme_chart "
            "WHERE protocol = 'tsb' AND measure = 'no_show' AND intervention = 'checklist_oslo' "
            "GROUP BY segment ORDER BY segment"
        )
        assert rows == [("after", 1), ("before", 1)]

    def test_somebody_is_on_the_worklist(self, query: Query) -> None:
        rows = query("SELECT DISTINCT rule, as_of_date FROM core.worklist WHERE cohort = 'tsb'")
        assert {rule for rule, _ in rows} >= {"milestone_overdue", "not_assessed", "off_track"}
        assert {str(day) for _, day in rows} == {"2025-01-01"}


def test_what_a_protocol_does_not_use_is_not_applicable(query: Query) -> None:
    rows = query(
        "SELECT DISTINCT protocol, reason FROM quality.bridging_funnel WHERE protocol <> 'randers'"
    )
    assert sorted(rows) == [("lar_x", "not_applicable"), ("tsb", "not_applicable")]


def test_the_flag_is_in_every_programme_of_persons(query: Query) -> None:
    for table in ("dropout", "no_show", "detox_stay", "transition_gap", "feedback_change"):
        groups = query(
            f"SELECT DISTINCT \"group\" FROM quality.{table} WHERE protocol = 'tsb' "
            "AND group_by = 'co_occurring_disorder'"
        )
        assert {"true", "false"} <= {group for (group,) in groups}, table


def test_the_attackers_work_nothing_out_of_what_pages_print(
    whole_run: tuple[Home, Outcome], query: Query
) -> None:
    with duckdb.connect(whole_run[0].analysis, read_only=True) as connection:
        assert attack_programmes(connection) == {"lar_x": 0, "randers": 0, "tsb": 0}
    shown = query(
        "SELECT count(*) FROM quality.public_programme WHERE numerator BETWEEN 1 AND 4 "
        "OR denominator BETWEEN 1 AND 4 OR n_missing BETWEEN 1 AND 4"
    )
    assert shown == [(0,)]
    reasons = query("SELECT DISTINCT reason FROM quality.programme_log ORDER BY 1")
    assert [reason for (reason,) in reasons] == [
        "low_coverage", "secondary", "small_count", "small_denominator",
    ]  # fmt: skip


def test_a_line_per_system(whole_run: tuple[Home, Outcome]) -> None:
    with duckdb.connect(whole_run[0].analysis, read_only=True) as connection:
        lines = headlines(connection, tables(connection))
    assert {line[0] for line in lines} == {
        "Drop-out", "Appointments", "Feedback tools", "Transitions", "Co-occurring disorders",
        "Bridging", "Detox", "Involvement", "Goals", "Indicators", "Guideline", "Data quality",
        "Drop-out tools", "Disclosure control",
    }  # fmt: skip
    written = {(system, cohort, what): (value, of) for system, cohort, what, value, of in lines}
    assert written["Guideline", "tsb", "recommendations measured"] == ("33", "50 in the guideline")
    assert not [of for _, of in written.values() if re.search(r"\b[1-4] unknown", of)]
    assert written["Detox", "randers", "mean stay"] == ("4.0 days", "40 stays")
    refused = written["Bridging", "randers", "reached the centre"]
    assert refused == ("refused: periods differ", "86 and 228 conversations, 58 unknown")
    assert written["Involvement", "randers", "item 1, high degree"][0] == "hidden: too few"


def test_what_a_run_ends_with_speaks_of_no_few_people(
    whole_run: tuple[Home, Outcome], query: Query
) -> None:
    (gone,) = query(
        "SELECT n_event_cum FROM derived.retention_at WHERE cohort = 'lar_x' AND kind = 'study' "
        "AND origin = 'baseline' AND stratum_by = 'all' AND month = 12"
    )
    assert 0 < gone[0] < 5
    printed = io.StringIO()
    print_report_card(Console(width=200, file=printed), whole_run[0])
    lines = [line.split() for line in printed.getvalue().splitlines()]
    (shown,) = [
        line for line in lines if line[:7] == ["lar_x", "in", "the", "study", "at", "12", "months"]
    ]
    assert shown[7:] == ["hidden:", "too", "few", "people"]


def test_a_headline_of_low_coverage_hides_few_people(
    whole_run: tuple[Home, Outcome], tmp_path: Path
) -> None:
    copy = tmp_path / "analysis.duckdb"
    copy.write_bytes(whole_run[0].analysis.read_bytes())
    with duckdb.connect(copy) as connection:
        connection.execute(
            "UPDATE quality.feedback_change SET numerator = 3 "
            "WHERE protocol = 'lar_x' AND measure = 'off_track' AND group_by = 'all'"
        )
        lines = headlines(connection, tables(connection))
    assert ("Feedback tools", "lar_x", "courses off track", "hidden: too few", "people") in lines


@pytest.mark.parametrize(
    ("declined", "sentence"),
    [(40, None), (38, "randers, bridging: the parts differ from the total by -2.")],
)
def test_totals_that_do_not_add_up_fail_the_check_with_the_difference(
    tmp_path: Path, declined: int, sentence: str | None
) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    with connect(home) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS quality")
        connection.execute(
            "CREATE TABLE quality.goal_result AS SELECT 'randers' AS protocol, "
            "'bridging' AS goal_id, 'adds_up' AS measure, (228 + ? + 7 - 275)::DOUBLE AS value",
            [declined],
        )
    registry = RegistryRun(home=str(home.path), landing=str(tmp_path))
    (result,) = programme_checks(registry=registry)
    assert isinstance(result, dg.AssetCheckResult)
    assert result.passed is (sentence is None)
    assert result.description == sentence
