"""The START trial through the same commands as any delivery, against its published answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from registry_pipeline.cohorts.ctn0027 import import_ctn0027
from registry_pipeline.home import Home
from registry_pipeline.operate import run_job

pytestmark = pytest.mark.backtest

ARMS = {"methadone": "Methadone", "buprenorphine": "Outpatient BUP"}


@pytest.fixture(scope="module")
def answers(shared_data: Path) -> dict[str, Any]:
    text = (shared_data / "expected" / "ctn0027.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def run_trial(shared_data: Path, folder: Path, drop_out: str) -> Home:
    import_ctn0027(shared_data / "ctn0027", folder / "landing", drop_out)  # type: ignore[arg-type]
    home = Home(folder / "home")
    outcome = run_job(home, folder / "landing")
    assert outcome.success, (outcome.errors, outcome.red_checks)
    return home


@pytest.fixture(scope="module")
def last_dose(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return run_trial(shared_data, tmp_path_factory.mktemp("last"), "last-dose")


@pytest.fixture(scope="module")
def missing_weeks(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return run_trial(shared_data, tmp_path_factory.mktemp("weeks"), "four-missing-weeks")


def query(home: Home, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with duckdb.connect(home.analysis, read_only=True) as connection:
        return connection.execute(sql, values).fetchall()


def curve(home: Home, arm: str, day: int) -> tuple[Any, ...]:
    """The last row of an arm's curve at or before a day."""
    rows = query(
        home,
        "SELECT retained, std_error, ci_low, ci_high FROM derived.retention_curve "
        "WHERE kind = 'treatment' AND origin = 'baseline' AND stratum_by = 'pathway' "
        "AND stratum = ? AND day <= ? ORDER BY day DESC LIMIT 1",
        [arm, day],
    )
    return rows[0]


def test_1269_people_in_two_arms(last_dose: Home) -> None:
    rows = query(
        last_dose,
        "SELECT baseline_pathway, count(*) FROM core.patient WHERE enrolled GROUP BY ALL "
        "ORDER BY ALL",
    )
    assert rows == [("buprenorphine", 740), ("methadone", 529)]


@pytest.mark.parametrize("arm", list(ARMS))
def test_retention_by_last_dose(last_dose: Home, answers: dict[str, Any], arm: str) -> None:
    for point in answers["retention_last_dose"][ARMS[arm]]["at"]:
        retained = curve(last_dose, arm, point["day"])[0]
        assert retained == pytest.approx(point["x"] / point["n"], abs=1e-9), point["day"]


def test_the_published_retention_at_day_154(last_dose: Home) -> None:
    assert round(100 * curve(last_dose, "methadone", 154)[0], 1) == 74.5
    assert round(100 * curve(last_dose, "buprenorphine", 154)[0], 1) == 46.4


@pytest.mark.parametrize("arm", list(ARMS))
def test_curves_of_four_missing_weeks(
    missing_weeks: Home, answers: dict[str, Any], arm: str
) -> None:
    key = answers["km_dropout_4wk_missing_uds_weeks"][ARMS[arm]]
    for point in key["at"]:
        found = curve(missing_weeks, arm, 7 * point["time"])
        wanted = (point["survival"], point["std_err_greenwood"], *point["ci_loglog"])
        assert found == pytest.approx(wanted, abs=1e-6), point["time"]
    events = query(
        missing_weeks,
        "SELECT sum(n_event)::INT FROM derived.retention_curve WHERE kind = 'treatment' "
        "AND origin = 'baseline' AND stratum_by = 'pathway' AND stratum = ?",
        [arm],
    )
    assert events == [(key["events"],)]


def test_log_rank_between_the_arms(missing_weeks: Home, answers: dict[str, Any]) -> None:
    rows = query(
        missing_weeks,
        "SELECT statistic, df, p_value, n_events FROM derived.retention_comparison WHERE "
        "kind = 'treatment' AND origin = 'baseline' AND stratum_by = 'pathway' "
        "AND test = 'log_rank'",
    )
    key = answers["logrank_dropout_start"]
    assert len(rows) == 1
    assert rows[0][0] == pytest.approx(key["chisq"], abs=1e-6)
    assert rows[0][0] == pytest.approx(96.20828, abs=1e-5)
    assert rows[0][1:] == (1, pytest.approx(key["p"], rel=1e-6), sum(key["observed"]))


def test_cox_between_the_arms(missing_weeks: Home, answers: dict[str, Any]) -> None:
    rows = query(
        missing_weeks,
        "SELECT estimate, ci_low, ci_high, p_value, n, n_events FROM derived.outcome_comparison "
        "WHERE outcome = 'retained' AND measure = 'hazard_ratio' AND NOT adjusted "
        "AND pathway = 'buprenorphine' AND reference = 'methadone'",
    )
    key = answers["cox_dropout_start_bup_vs_met"]
    bup = key["coef"]["bup"]
    assert len(rows) == 1
    assert rows[0][:3] == pytest.approx((bup["hr"], *bup["ci95_hr"]), abs=1e-5)
    assert rows[0][3] == pytest.approx(bup["p"], rel=1e-4)
    assert rows[0][4:] == (key["n"], key["events"])


def test_the_hazard_of_drop_out_by_arm(missing_weeks: Home, answers: dict[str, Any]) -> None:
    rows = query(
        missing_weeks,
        "SELECT estimate, ci_low, ci_high, p_value, n, n_events, ph_p_value "
        "FROM derived.retention_hazard WHERE kind = 'treatment' AND origin = 'baseline' "
        "AND exit_type = 'any' AND hazard = 'cause_specific' AND model = 'univariable' "
        "AND factor = 'pathway'",
    )
    key = answers["cox_dropout_start_bup_vs_met"]
    bup = key["coef"]["bup"]
    assert len(rows) == 1
    assert rows[0][:3] == pytest.approx((bup["hr"], *bup["ci95_hr"]), abs=1e-6)
    assert rows[0][3:6] == (pytest.approx(bup["p"], rel=1e-6), key["n"], key["events"])
    assert 0 < rows[0][6] < 1


def test_days_of_opioid_use_by_arm_and_window(last_dose: Home, answers: dict[str, Any]) -> None:
    windows = ["pre28", "d1_28", "d29_56", "d57_84"]
    for arm, name in ARMS.items():
        for wave, window in enumerate(windows):
            rows = query(
                last_dose,
                "SELECT sum(days)::INT, count(*) FILTER (days > 0), "
                "sum(days) / (SELECT count(*) FROM core.patient WHERE baseline_pathway = $arm) "
                "FROM core.substance_use JOIN core.patient USING (cohort, patient_id) "
                "WHERE substance = 'opioid' AND baseline_pathway = $arm AND wave = $wave",
                {"arm": arm, "wave": wave},  # type: ignore[arg-type]
            )
            key = answers["tlfb_opioid_days"][name][window]
            assert rows[0][:2] == (key["total_use_days"], key["people_with_any"])
            assert rows[0][2] == pytest.approx(key["mean_days_per_randomised"], abs=1e-6)
