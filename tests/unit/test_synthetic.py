"""Synthetic cohorts: plausible, consistent with the contract, repeatable, bounded in memory."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from registry_pipeline.synthetic import cohort as cohort_module
from registry_pipeline.synthetic import write_cohort
from registry_pipeline.synthetic.cohort import simulate
from registry_pipeline.synthetic.deliveries import FORMS, carried, periods
from schemas.codes import DEATHS
from schemas.forms import form_table
from schemas.protocol import Protocol, load_shipped

LAR_X = load_shipped("lar_x")
CUT_OFF = date(2016, 10, 1)


@pytest.fixture(scope="module")
def cohort() -> dict[str, pl.DataFrame]:
    """Everything that happens to 2,800 consented people, cut at the last quarter."""
    whole = simulate(LAR_X, 0, 2800, np.random.default_rng(1))
    return carried(whole, periods(LAR_X, 1)[0])


def _delivered(landing: Path, protocol: Protocol, form: str) -> pl.DataFrame:
    return pl.concat(
        pl.read_csv(path, infer_schema=False)
        for path in sorted((landing / protocol.id).glob(f"*/{form}.csv"))
    )


@pytest.mark.parametrize("protocol_id", ["lar_x", "ctn0027"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_clean_cohort_is_valid(protocol_id: str, form: str) -> None:
    protocol = load_shipped(protocol_id)
    whole = simulate(protocol, 0, 140, np.random.default_rng(2))
    table = carried(whole, periods(protocol, 1)[0])[form]
    model = form_table(form, protocol)
    assert table.columns == list(model.dtypes)
    assert table.height > 0
    model.schema.validate(table)
    assert table.select(model.key).is_unique().all()


def test_days_of_use_never_exceed_the_recall_period(cohort: dict[str, pl.DataFrame]) -> None:
    columns = [*LAR_X.substance_columns, "injection_days", "crime_days"]
    over = pl.max_horizontal(columns) > pl.col("recall_days")
    assert cohort["interviews"].filter(over).is_empty()


def test_margins_follow_the_published_ones(cohort: dict[str, pl.DataFrame]) -> None:
    patients = cohort["patients"]
    consented = patients.filter(consent="consented")
    assert patients.height == 2800 * 328 // 70
    assert consented.height == 2800
    assert consented.filter(sex="male").height == 2800 * 45 // 70
    assert consented.filter(sex="female").height == 2800 * 25 // 70


def test_nobody_is_seen_after_death_or_before_consent(cohort: dict[str, pl.DataFrame]) -> None:
    deaths = cohort["events"].filter(pl.col("event_type").is_in(DEATHS))
    died = deaths.select("patient_id", died="event_date")
    consent = cohort["patients"].select("patient_id", "consent", "consent_date")
    for form, column in (("interviews", "interview_date"), ("process_events", "event_date")):
        rows = cohort[form].join(died, on="patient_id", how="left")
        rows = rows.join(consent, on="patient_id", how="left")
        assert rows.filter(pl.col(column) >= pl.col("died")).is_empty()
        assert (rows["consent"] == "consented").all()
        assert (rows[column] >= rows["consent_date"]).all()
    assert cohort["episodes"].filter(pl.col("end_date") < pl.col("start_date")).is_empty()


def test_every_death_ends_the_stay_it_falls_in(cohort: dict[str, pl.DataFrame]) -> None:
    deaths = cohort["events"].filter(pl.col("event_type").is_in(DEATHS))
    open_stays = cohort["episodes"].filter(pl.col("end_date").is_null())
    assert deaths.height >= 2
    assert open_stays.join(deaths, on="patient_id", how="semi").is_empty()


def test_treatment_is_kept_by_over_nine_in_ten_a_year(cohort: dict[str, pl.DataFrame]) -> None:
    treated = pl.col("pathway").is_in(LAR_X.treatment_pathways)
    day = date(2015, 6, 1)
    there = (pl.col("start_date") <= day) & (pl.col("end_date").fill_null(CUT_OFF) > day)
    kept = cohort["episodes"].filter(treated & there)["patient_id"].n_unique()
    assert 0.90 < kept / 2800 < 0.97


def test_response_falls_from_wave_to_wave(cohort: dict[str, pl.DataFrame]) -> None:
    held = pl.col("status").is_in(["completed", "partial"])
    response = (
        cohort["interviews"].group_by("planned_wave").agg(held.sum() / 2800).sort("planned_wave")
    )
    assert response.height == 9
    assert response["status"][0] > 0.97
    assert 0.72 < response["status"][8] < response["status"][1] < 0.95


def test_use_is_as_common_as_in_the_national_status(cohort: dict[str, pl.DataFrame]) -> None:
    held = cohort["interviews"].filter(pl.col("alcohol_days").is_not_null())
    most = pl.max_horizontal(LAR_X.substance_columns) / pl.col("recall_days")
    assert 0.35 < held.select((most == 0).mean()).item() < 0.50
    assert 0.28 < held.select((most > 0.25).mean()).item() < 0.42
    common, rare = held["cannabis_days"] > 0, held["heroin_days"] > 0
    assert common.mean() > 2 * rare.mean()


def test_answers_hang_together(cohort: dict[str, pl.DataFrame]) -> None:
    held = cohort["interviews"].filter(status="completed")
    distress = pl.mean_horizontal([f"hscl10_{item}" for item in range(1, 11)])
    drugs = pl.sum_horizontal([f"dudit_{item}" for item in range(1, 12)])
    any_drug = pl.max_horizontal(LAR_X.substance_columns[1:])
    frame = held.select("coping_score", distress=distress, drugs=drugs, days=any_drug)
    assert frame.select(pl.corr("distress", "coping_score")).item() < -0.4
    assert frame.select(pl.corr("drugs", "days")).item() > 0.4


def test_missing_is_of_several_kinds(cohort: dict[str, pl.DataFrame]) -> None:
    statuses = dict(cohort["interviews"]["status"].value_counts().iter_rows())
    assert set(statuses) == {"completed", "partial", "missed", "refused"}
    unheld = cohort["interviews"].filter(pl.col("status").is_in(["missed", "refused"]))
    assert unheld["coping_score"].null_count() == unheld.height
    completed = cohort["interviews"].filter(status="completed")
    assert 0 < completed["coping_score"].null_count() < 0.05 * completed.height
    planned = 9 * 2800
    assert sum(statuses.values()) < planned


def test_some_visits_are_outside_the_window_yet_nearest_to_their_wave(
    cohort: dict[str, pl.DataFrame],
) -> None:
    baseline = cohort["interviews"].filter(planned_wave=0).select("patient_id", b="interview_date")
    held = cohort["interviews"].filter(pl.col("status").is_in(["completed", "partial"]))
    nominal = pl.col("planned_wave").replace_strict(dict(enumerate(LAR_X.waves.nominal_days)))
    off = held.join(baseline, on="patient_id").select(
        off=((pl.col("interview_date") - pl.col("b")).dt.total_days() - nominal).abs()
    )["off"]
    assert (off > LAR_X.waves.in_window_days).sum() > 0
    assert off.max() <= 88 // 2
    assert (off <= LAR_X.waves.on_time_days).mean() > 0.8


def test_open_stays_are_carried_until_they_end() -> None:
    whole = simulate(LAR_X, 0, 280, np.random.default_rng(3))
    model = form_table("episodes", LAR_X)
    before: pl.DataFrame | None = None
    for period in periods(LAR_X):
        stays = carried(whole, period)["episodes"]
        assert (stays["end_date"].is_null() == stays["exit_type"].is_null()).all()
        assert stays["end_date"].drop_nulls().is_between(period.since, period.until).all()
        if before is not None:
            still_open = before.filter(pl.col("end_date").is_null())
            assert still_open.join(stays, on=model.key, how="anti").is_empty()
        before = stays


def test_a_disorder_known_later_is_delivered_again() -> None:
    whole = simulate(LAR_X, 0, 280, np.random.default_rng(3))
    quarters = [carried(whole, period)["patients"] for period in periods(LAR_X)]
    again = pl.concat(quarters[1:])
    assert again.height > 0
    assert again["co_occurring_disorder"].all()
    first = quarters[0].join(again, on="patient_id", how="semi")
    assert first.filter("co_occurring_disorder").height < first.height


@pytest.mark.parametrize(
    ("protocol_id", "deliveries", "expected"),
    [
        ("lar_x", 1, ["2016-Q3"]),
        ("lar_x", 3, ["2016-Q1", "2016-Q2", "2016-Q3"]),
        ("ctn0027", None, ["2014-Q2", "2014-Q3", "2014-Q4"]),
    ],
)
def test_deliveries_are_the_last_quarters(
    protocol_id: str, deliveries: int | None, expected: list[str]
) -> None:
    quarters = periods(load_shipped(protocol_id), deliveries)
    assert [period.quarter for period in quarters] == expected
    assert quarters[0].since == date.min


def test_one_delivery_holds_what_ten_hold_together(tmp_path: Path) -> None:
    ten = write_cohort(tmp_path / "ten", LAR_X, patients=140, seed=5)
    one = write_cohort(tmp_path / "one", LAR_X, patients=140, seed=5, deliveries=1)
    assert (len(ten.deliveries), len(one.deliveries)) == (10, 1)
    key = ["patient_id", "interview_date"]
    assert (
        _delivered(tmp_path / "one", LAR_X, "interviews")
        .sort(key)
        .equals(_delivered(tmp_path / "ten", LAR_X, "interviews").sort(key))
    )
    assert one.rows["interviews"] == ten.rows["interviews"]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_cohort(tmp_path / name, LAR_X, patients=70, seed=seed)
    contents = {
        name: {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
        }
        for name in "abc"
    }
    assert contents["a"] == contents["b"]
    assert contents["a"] != contents["c"]


def test_people_are_simulated_in_batches_that_continue_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def watched(
        protocol: Protocol, first: int, patients: int, rng: np.random.Generator
    ) -> dict[str, pl.DataFrame]:
        sizes.append(patients)
        return simulate(protocol, first, patients, rng)

    monkeypatch.setattr(cohort_module, "BATCH", 70)
    monkeypatch.setattr(cohort_module, "simulate", watched)
    summary = write_cohort(tmp_path, LAR_X, patients=210 + 7, seed=5)
    assert sizes == [70, 70, 70, 7]
    ids = _delivered(tmp_path, LAR_X, "patients")["patient_id"].unique().sort()
    assert ids.len() == 3 * 328 + 33
    assert ids[-1] == f"LX-{3 * 328 + 33:04d}"
    for form in FORMS:
        assert _delivered(tmp_path, LAR_X, form).height == summary.rows[form]


def test_control_totals_are_the_lines_of_the_files(tmp_path: Path) -> None:
    summary = write_cohort(tmp_path, LAR_X, patients=70, seed=5)
    for delivery in summary.deliveries:
        folder = tmp_path / "lar_x" / delivery
        manifest = tomllib.loads((folder / "delivery.toml").read_text(encoding="utf-8"))
        assert (manifest["protocol"], manifest["kind"]) == ("lar_x", "full")
        assert set(manifest["sha256"]) == {f"{form}.csv" for form in FORMS}
        for form in FORMS:
            lines = (folder / f"{form}.csv").read_text(encoding="utf-8").count("\n")
            assert manifest["rows"][form] == lines - 1


def test_ids_stay_readable_and_free_of_long_digit_runs() -> None:
    cohort = simulate(LAR_X, 19_998, 7, np.random.default_rng(1))
    ids = cohort["patients"]["patient_id"].to_list()
    assert ids[:2] == ["LXA-9999", "LXB-0000"]
    assert not any(re.search(r"\d{6}", name) for name in ids)


def test_new_starters_begin_at_the_baseline() -> None:
    start = load_shipped("ctn0027")
    cohort = simulate(start, 0, 50, np.random.default_rng(1))
    baseline = cohort["interviews"].filter(planned_wave=0).select("patient_id", "interview_date")
    first = cohort["episodes"].group_by("patient_id").agg(pl.col("start_date").min())
    both = first.join(baseline, on="patient_id", validate="1:1")
    assert both.height == 50
    assert (both["start_date"] == both["interview_date"]).all()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_cohort(tmp_path, LAR_X, patients=7, seed=1, deliveries=1)
    with pytest.raises(FileExistsError):
        write_cohort(tmp_path, LAR_X, patients=7, seed=1, deliveries=1)


@pytest.mark.parametrize(("patients", "deliveries"), [(0, None), (7, 0)])
def test_nothing_is_made_of_nobody(tmp_path: Path, patients: int, deliveries: int | None) -> None:
    with pytest.raises(ValueError, match="at least one"):
        write_cohort(tmp_path, LAR_X, patients, seed=1, deliveries=deliveries)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["substances", "pathways"])
def test_a_protocol_without_substances_or_pathways_is_refused(tmp_path: Path, part: str) -> None:
    bare = LAR_X.model_copy(update={part: ()})
    with pytest.raises(ValueError, match="lar_x: a cohort needs"):
        write_cohort(tmp_path, bare, patients=7, seed=1)


def test_a_protocol_without_a_follow_up_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="randers: a cohort needs a wave after the baseline"):
        write_cohort(tmp_path, load_shipped("randers"), patients=7, seed=1)
