"""The START trial's published answers, taken from the landing folder the importer writes.

Everything here is counted from the delivered CSV files alone, with the definitions of
`expected/ctn0027.json`, before any gate or derivation has touched them.
"""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import survdiff

from registry_pipeline.cohorts.ctn0027 import PROTOCOL, DropOut, import_ctn0027

pytestmark = pytest.mark.backtest

ARMS = {"methadone": "Methadone", "buprenorphine": "Outpatient BUP"}
WINDOWS = {"pre28": 0, "d1_28": 1, "d29_56": 2, "d57_84": 3}
"""Four-week window of the answers to wave."""

each_arm = pytest.mark.parametrize(("pathway", "arm"), ARMS.items())


@pytest.fixture
def expected(shared_data: Path) -> dict[str, Any]:
    return json.loads((shared_data / "expected" / "ctn0027.json").read_text())


@pytest.fixture
def folder(request: pytest.FixtureRequest, shared_data: Path, tmp_path: Path) -> Path:
    """The delivery, by the last-dose rule unless the test asks for another."""
    rule: DropOut = getattr(request, "param", "last-dose")
    return import_ctn0027(shared_data / "ctn0027", tmp_path, rule).folder


four_missing_weeks = pytest.mark.parametrize("folder", ["four-missing-weeks"], indirect=True)


def read(folder: Path, form: str) -> pl.DataFrame:
    return pl.read_csv(folder / f"{form}.csv", try_parse_dates=True)


def stays(folder: Path) -> pl.DataFrame:
    """One row per person: pathway, exit_day (with cover), is_exit."""
    length = (pl.col("end_date") - pl.col("start_date")).dt.total_days()
    return read(folder, "episodes").select(
        "pathway",
        "cover_days",
        exit_day=length + pl.col("cover_days"),
        is_exit=pl.col("exit_type").is_not_null(),
    )


def life_table(people: pl.DataFrame) -> pl.DataFrame:
    """Kaplan-Meier by week: n_risk counts everyone whose week is not before it."""
    by_week = people.group_by(week=pl.col("exit_day") // 7).agg(
        n=pl.len(), n_event=pl.col("is_exit").sum()
    )
    n_risk = pl.col("n").cum_sum(reverse=True)
    return by_week.sort("week").select(
        "week", "n_event", n_risk=n_risk, survival=(1 - pl.col("n_event") / n_risk).cum_prod()
    )


def test_everyone_randomised_is_there_once(folder: Path, expected: dict[str, Any]) -> None:
    patients = read(folder, "patients")
    assert patients["patient_id"].n_unique() == patients.height == 1269
    arms = dict(patients.group_by("assigned_pathway").len().iter_rows())
    assert {ARMS[pathway]: n for pathway, n in arms.items()} == expected["randomised"]
    assert arms == {"methadone": 529, "buprenorphine": 740}
    assert read(folder, "episodes")["patient_id"].equals(patients["patient_id"])
    assert read(folder, "interviews").height == 1269 * len(PROTOCOL.waves.nominal_days)


def test_pathways_and_units_are_those_of_the_protocol(folder: Path) -> None:
    patients = read(folder, "patients")
    assert set(patients["assigned_pathway"]) == {item.code for item in PROTOCOL.pathways}
    assert set(patients["unit_id"]) == {unit.id for unit in PROTOCOL.units}


@each_arm
def test_retention_by_last_dose(
    folder: Path, expected: dict[str, Any], pathway: str, arm: str
) -> None:
    answer = expected["retention_last_dose"][arm]
    exit_day = stays(folder).filter(pathway=pathway)["exit_day"]
    retained = {at["day"]: (exit_day > at["day"]).sum() for at in answer["at"]}
    assert retained == {at["day"]: at["x"] for at in answer["at"]}
    assert len(exit_day) == answer["n"]
    assert (exit_day == 0).sum() == answer["never_dosed"]
    published = {"methadone": 0.745, "buprenorphine": 0.464}
    assert retained[154] / len(exit_day) == pytest.approx(published[pathway], abs=0.0005)


def test_without_the_day_of_cover_the_shares_are_other_ones(folder: Path) -> None:
    uncovered = stays(folder).with_columns(exit_day=pl.col("exit_day") - pl.col("cover_days"))
    retained = {
        (pathway, day): uncovered.filter(pl.col("exit_day") > day, pathway=pathway).height
        for pathway, day in [("methadone", 154), ("buprenorphine", 28)]
    }
    assert retained == {("methadone", 154): 393, ("buprenorphine", 28): 531}


@four_missing_weeks
@each_arm
def test_curve_by_four_missing_weeks(
    folder: Path, expected: dict[str, Any], pathway: str, arm: str
) -> None:
    answer = expected["km_dropout_4wk_missing_uds_weeks"][arm]
    people = stays(folder).filter(pathway=pathway)
    curve = life_table(people)
    assert (people.height, people["is_exit"].sum()) == (answer["n"], answer["events"])
    assert answer["events"] == {"methadone": 136, "buprenorphine": 391}[pathway]
    for at in answer["at"]:
        row = curve.filter(pl.col("week") <= at["time"]).row(-1, named=True)
        assert (row["week"], row["n_risk"]) == (at["time"], at["n_risk"])
        assert row["survival"] == pytest.approx(at["survival"], abs=1e-9)
    below_half = curve.filter(pl.col("survival") <= 0.5)["week"]
    assert below_half.min() == answer["median"]


@four_missing_weeks
def test_log_rank_by_four_missing_weeks(folder: Path, expected: dict[str, Any]) -> None:
    answer = expected["logrank_dropout_start"]
    people = stays(folder)
    chi_square, p_value = survdiff(
        people["exit_day"].to_numpy(), people["is_exit"].to_numpy(), people["pathway"].to_numpy()
    )
    assert chi_square == pytest.approx(answer["chisq"], rel=1e-9)
    assert chi_square == pytest.approx(96.20828, abs=5e-6)
    assert p_value == pytest.approx(answer["p"], rel=1e-6)

    arms = [life_table(people.filter(pathway=pathway)) for pathway in ARMS]
    pooled = life_table(people)
    expected_events = [
        pooled.join(arm.select("week", at_risk="n_risk"), on="week")
        .select((pl.col("n_event") * pl.col("at_risk") / pl.col("n_risk")).sum())
        .item()
        for arm in arms
    ]
    assert [arm["n_event"].sum() for arm in arms] == answer["observed"]
    assert expected_events == pytest.approx(answer["expected"], abs=1e-6)


@four_missing_weeks
def test_cox_by_four_missing_weeks(folder: Path, expected: dict[str, Any]) -> None:
    answer = expected["cox_dropout_start_bup_vs_met"]
    people = stays(folder)
    buprenorphine = (people["pathway"] == "buprenorphine").cast(pl.Float64)
    fit = PHReg(
        people["exit_day"].to_numpy(),
        buprenorphine.to_numpy().reshape(-1, 1),
        status=people["is_exit"].cast(pl.Int64).to_numpy(),
        ties="efron",
    ).fit()
    assert (people.height, people["is_exit"].sum()) == (answer["n"], answer["events"])
    assert fit.params[0] == pytest.approx(answer["coef"]["bup"]["coef"], abs=1e-5)
    assert fit.bse[0] == pytest.approx(answer["coef"]["bup"]["se"], abs=1e-5)
    assert math.exp(fit.params[0]) == pytest.approx(answer["coef"]["bup"]["hr"], abs=1e-5)
    assert fit.llf == pytest.approx(answer["loglik"][1], abs=1e-5)


@each_arm
def test_use_days_by_window(folder: Path, expected: dict[str, Any], pathway: str, arm: str) -> None:
    """Sum, users, and the mean over all randomised: a missed window counts as no day there."""
    pathways = read(folder, "patients").select("patient_id", pathway="assigned_pathway")
    interviews = read(folder, "interviews").join(pathways, on="patient_id")
    for window, answer in expected["tlfb_opioid_days"][arm].items():
        days = interviews.filter(pathway=pathway, planned_wave=WINDOWS[window])["opioid_days"]
        assert days.sum() == answer["total_use_days"], window
        assert (days > 0).sum() == answer["people_with_any"], window
        mean = days.sum() / len(days)
        assert mean == pytest.approx(answer["mean_days_per_randomised"], abs=1e-8), window


def test_a_missed_window_is_null_and_the_observed_mean_another(folder: Path) -> None:
    interviews = read(folder, "interviews")
    assert interviews.filter(status="missed")["opioid_days"].is_null().all()
    assert interviews.filter(status="completed")["opioid_days"].is_not_null().all()
    wave_3 = interviews.filter(planned_wave=3)
    assert wave_3["status"].eq("missed").sum() == 357
    assert wave_3["opioid_days"].mean() > wave_3["opioid_days"].sum() / 1269


def test_two_imports_give_the_same_bytes(shared_data: Path, tmp_path: Path) -> None:
    first, second = (
        import_ctn0027(shared_data / "ctn0027", tmp_path / name).folder for name in ("a", "b")
    )
    contents = {path.name: path.read_bytes() for path in first.iterdir()}
    assert contents == {path.name: path.read_bytes() for path in second.iterdir()}
    assert len(contents) == 5
