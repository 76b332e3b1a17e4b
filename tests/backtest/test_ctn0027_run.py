"""The START trial through the same commands as any delivery, against its published answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from registry_pipeline.cohorts.ctn0027 import import_ctn0027
from registry_pipeline.commands.operate import run_job
from registry_pipeline.home import Home

pytestmark = pytest.mark.backtest

ARMS = {"methadone": "Methadone", "buprenorphine": "Outpatient BUP"}


@pytest.fixture
def key(answers: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = answers("ctn0027")
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


def test_1269_people_in_two_arms(last_dose: Home, key: dict[str, Any], agree: Any) -> None:
    rows = query(
        last_dose,
        "SELECT baseline_pathway, count(*) FROM core.patient WHERE enrolled GROUP BY ALL "
        "ORDER BY ALL",
    )
    agree((arm, n, key["randomised"][ARMS[arm]]) for arm, n in rows)
    assert len(rows) == 2


@pytest.mark.parametrize("arm", list(ARMS))
def test_retention_by_last_dose(last_dose: Home, key: dict[str, Any], agree: Any, arm: str) -> None:
    keyed = key["retention_last_dose"][ARMS[arm]]
    people = query(
        last_dose,
        "SELECT count(*), count(*) FILTER (exit_day = 0) FROM derived.retention_person "
        "WHERE kind = 'treatment' AND origin = 'baseline' AND pathway = ?",
        [arm],
    )
    agree(zip(("n", "never dosed"), people[0], (keyed["n"], keyed["never_dosed"]), strict=True))
    n = people[0][0]
    for point in keyed["at"]:
        retained = curve(last_dose, arm, int(point["day"]))[0]
        agree(
            [
                ("retained", retained, point["p"]),
                ("people", retained * n, point["x"]),
                ("of", n, point["n"]),
            ]
        )


def test_the_published_retention_at_day_154(last_dose: Home) -> None:
    assert round(100 * curve(last_dose, "methadone", 154)[0], 1) == 74.5
    assert round(100 * curve(last_dose, "buprenorphine", 154)[0], 1) == 46.4


@pytest.mark.parametrize("arm", list(ARMS))
def test_curves_of_four_missing_weeks(
    missing_weeks: Home, key: dict[str, Any], agree: Any, arm: str
) -> None:
    keyed = key["km_dropout_4wk_missing_uds_weeks"][ARMS[arm]]
    for point in keyed["at"]:
        found = curve(missing_weeks, arm, 7 * int(point["time"]))
        wanted = (point["survival"], point["std_err_greenwood"], *point["ci_loglog"])
        agree((str(point["time"]), *pair) for pair in zip(found, wanted, strict=True))
    [(events,)] = query(
        missing_weeks,
        "SELECT sum(n_event)::INT FROM derived.retention_curve WHERE kind = 'treatment' "
        "AND origin = 'baseline' AND stratum_by = 'pathway' AND stratum = ?",
        [arm],
    )
    agree([("events", events, keyed["events"])])


def test_log_rank_between_the_arms(missing_weeks: Home, key: dict[str, Any], agree: Any) -> None:
    [(statistic, df, p_value, n_events)] = query(
        missing_weeks,
        "SELECT statistic, df, p_value, n_events FROM derived.retention_comparison WHERE "
        "kind = 'treatment' AND origin = 'baseline' AND stratum_by = 'pathway' "
        "AND test = 'log_rank'",
    )
    keyed = key["logrank_dropout_start"]
    assert statistic == pytest.approx(96.20828, abs=1e-5)
    agree(
        [
            ("statistic", statistic, keyed["chisq"]),
            ("df", df, keyed["df"]),
            ("p", p_value, keyed["p"]),
            ("events", n_events, sum(keyed["observed"])),
        ]
    )


def ratio_figures(row: tuple[Any, ...], keyed: dict[str, Any]) -> list[Any]:
    """Ratio, its interval, p, people and exits."""
    bup = keyed["coef"]["bup"]
    wanted = (bup["hr"], *bup["ci95_hr"], bup["p"], keyed["n"], keyed["events"])
    return [(str(place), *pair) for place, pair in enumerate(zip(row, wanted, strict=True))]


def test_cox_between_the_arms(missing_weeks: Home, key: dict[str, Any], agree: Any) -> None:
    [row] = query(
        missing_weeks,
        "SELECT estimate, ci_low, ci_high, p_value, n, n_events FROM derived.outcome_comparison "
        "WHERE outcome = 'retained' AND measure = 'hazard_ratio' AND NOT adjusted "
        "AND pathway = 'buprenorphine' AND reference = 'methadone'",
    )
    agree(ratio_figures(row, key["cox_dropout_start_bup_vs_met"]))


def test_the_hazard_of_drop_out_by_arm(
    missing_weeks: Home, key: dict[str, Any], agree: Any
) -> None:
    [(*row, concordance, ph_p_value)] = query(
        missing_weeks,
        "SELECT estimate, ci_low, ci_high, p_value, n, n_events, concordance, ph_p_value "
        "FROM derived.retention_hazard WHERE kind = 'treatment' AND origin = 'baseline' "
        "AND exit_type = 'any' AND hazard = 'cause_specific' AND model = 'univariable' "
        "AND factor = 'pathway'",
    )
    keyed = key["cox_dropout_start_bup_vs_met"]
    agree([*ratio_figures(tuple(row), keyed), ("c", concordance, keyed["concordance"][0])])
    assert 0 < ph_p_value < 1


def test_days_of_opioid_use_by_arm_and_window(
    last_dose: Home, key: dict[str, Any], agree: Any
) -> None:
    for arm, name in ARMS.items():
        for wave, keyed in enumerate(key["tlfb_opioid_days"][name].values()):
            [row] = query(
                last_dose,
                "SELECT sum(days)::INT, count(*) FILTER (days > 0), "
                "sum(days) / (SELECT count(*) FROM core.patient WHERE baseline_pathway = $arm) "
                "FROM core.substance_use JOIN core.patient USING (cohort, patient_id) "
                "WHERE substance = 'opioid' AND baseline_pathway = $arm AND wave = $wave",
                {"arm": arm, "wave": wave},  # type: ignore[arg-type]
            )
            names = ("total_use_days", "people_with_any", "mean_days_per_randomised")
            agree((n, value, keyed[n]) for n, value in zip(names, row, strict=True))
