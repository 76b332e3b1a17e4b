"""The committed sample: the published margins, every flaw, and the same bytes from the seed."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from python_calamine import CalamineWorkbook

from registry_pipeline.synthetic import write_sample
from schemas.codes import DEATHS
from schemas.forms import FORMS, form_table
from schemas.protocol import load_shipped

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
LANDING = SAMPLE / "lar_x"
PROTOCOL = load_shipped("lar_x")
FULL = [
    *("2014-Q2", "2014-Q3", "2014-Q4", "2015-Q1", "2015-Q2"),
    *("2015-Q3", "2015-Q4", "2016-Q1", "2016-Q2", "2016-Q3"),
]
CORRECTIONS = ["2015-Q1-2", "2016-Q2-2"]
HELD_BACK = [
    ("2014-Q2", "before consent"),
    ("2014-Q3", "after death"),
    ("2014-Q4", "unknown person"),
    ("2015-Q1", "without consent"),
    ("2016-Q2-2", "after the cut-off"),
]


def _manifest(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "delivery.toml").read_text(encoding="utf-8"))


def _rows(folder: Path, form: str) -> pl.DataFrame:
    """A file's rows as text, dates in ISO, decimals with a point."""
    (path,) = folder.glob(f"{form}.*")
    if path.suffix == ".parquet":
        return pl.read_parquet(path).with_columns(pl.all().cast(pl.String))
    if path.suffix == ".xlsx":
        header, *rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
        cells = [[_text(cell) for cell in row] for row in rows]
        return pl.DataFrame(cells, schema=dict.fromkeys(header, pl.String), orient="row")
    if "format" not in _manifest(folder):
        return pl.read_csv(path, infer_schema=False)
    table = pl.read_csv(
        path.read_bytes().decode("windows-1252").encode(), separator=";", infer_schema=False
    )
    days = pl.all().str.replace(r"^(\d\d)\.(\d\d)\.(\d{4})$", "$3-$2-$1")
    return table.with_columns(days).with_columns(pl.all().str.replace(r"^(\d+),(\d+)$", "$1.$2"))


def _text(cell: Any) -> str | None:
    if cell == "":
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _all(form: str) -> pl.DataFrame:
    """Every row of a form over all deliveries, in the order of the deliveries."""
    folders = [LANDING / name for name in sorted([*FULL, *CORRECTIONS])]
    return pl.concat(
        _rows(folder, form).with_columns(delivery=pl.lit(folder.name))
        for folder in folders
        if list(folder.glob(f"{form}.*"))
    )


@pytest.fixture(scope="module")
def patients() -> pl.DataFrame:
    """The current row of every eligible person."""
    return _all("patients").unique("patient_id", keep="last")


@pytest.fixture(scope="module")
def interviews() -> pl.DataFrame:
    """Every delivered interview row as text."""
    return _all("interviews")


def _one(rows: pl.DataFrame) -> dict[str, Any]:
    assert rows.height == 1
    return rows.row(0, named=True)


def test_the_seed_gives_the_committed_bytes(tmp_path: Path) -> None:
    write_sample(tmp_path)
    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    there = {
        path.relative_to(SAMPLE): path
        for folder in (LANDING, *(SAMPLE / name for name in ("withdrawal", "randers", "tsb")))
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert set(made) == set(there)
    differing = [name for name in made if made[name].read_bytes() != there[name].read_bytes()]
    assert differing == []


def test_published_margins(patients: pl.DataFrame) -> None:
    consented = patients.filter(consent="consented")
    assert patients.height == 328 == PROTOCOL.eligible
    assert consented.height == 70
    assert consented.filter(sex="male").height == 45
    assert consented.filter(sex="female").height == 25


def test_nine_waves_from_may_2014_and_at_most_630_interviews(interviews: pl.DataFrame) -> None:
    assert len(PROTOCOL.waves.nominal_days) == 9
    planned = interviews.filter(pl.col("planned_wave").is_not_null())
    assert set(planned["planned_wave"]) == {str(wave) for wave in range(9)}
    baseline = interviews.filter(planned_wave="0")["interview_date"]
    assert (baseline >= "2014-05").all()
    assert (baseline < "2014-07").all()
    own = interviews.unique(["patient_id", "planned_wave"])
    assert 500 < own.height <= 9 * 70 + len(HELD_BACK)


def test_ten_quarters_and_two_corrections() -> None:
    assert sorted(path.name for path in LANDING.iterdir()) == sorted([*FULL, *CORRECTIONS])
    for name in [*FULL, *CORRECTIONS]:
        manifest = _manifest(LANDING / name)
        assert manifest["protocol"] == "lar_x"
        assert manifest["quarter"] == name[:7]
        assert manifest["number"] == (2 if name in CORRECTIONS else 1)
        assert manifest["kind"] == ("correction" if name in CORRECTIONS else "full")


def test_a_full_delivery_is_extracted_the_day_after_its_quarter() -> None:
    cut_offs = [_manifest(LANDING / name)["extracted_on"] for name in FULL]
    assert cut_offs[0] == date(2014, 7, 1)
    assert cut_offs[-1] == date(2016, 10, 1)
    assert all(day.day == 1 and day.month in (1, 4, 7, 10) for day in cut_offs)


@pytest.mark.parametrize("name", [*FULL, *CORRECTIONS])
def test_files_have_the_columns_and_the_rows_they_say(name: str) -> None:
    folder = LANDING / name
    manifest = _manifest(folder)
    files = {path.stem for path in folder.iterdir()} - {"delivery"}
    assert files == set(manifest["rows"]) <= set(FORMS)
    for form in files:
        table = _rows(folder, form)
        model = form_table(form, PROTOCOL)
        assert table.columns == list(model.dtypes)
        assert table.height == manifest["rows"][form]
        keys = table.drop_nulls("patient_id").select(model.key)
        assert keys.unique().height == keys.height


def test_an_interview_delivered_twice_is_the_same(interviews: pl.DataFrame) -> None:
    both = interviews.filter(pl.col("delivery").is_in(["2014-Q3", "2014-Q4"]))
    again = both.filter(pl.struct("patient_id", "interview_date").is_duplicated())
    assert again.height == 2
    assert again.drop("delivery").unique().height == 1


def test_late_rows(patients: pl.DataFrame, interviews: pl.DataFrame) -> None:
    late = interviews.filter(pl.col("interview_date") < "2015-07-01", delivery="2015-Q3")
    assert late.height == 2
    first = _all("patients").unique("patient_id", keep="first", maintain_order=True)
    person = _one(first.filter(pl.col("delivery") > "2014-Q2"))
    assert (person["delivery"], person["consent"]) == ("2014-Q3", "consented")
    assert not interviews.filter(patient_id=person["patient_id"], delivery="2014-Q2").is_empty()


def test_the_correction_replaces_and_mends(interviews: pl.DataFrame) -> None:
    key = ["patient_id", "interview_date"]
    correction = interviews.filter(delivery="2015-Q1-2")
    earlier = interviews.filter(delivery="2015-Q1")
    replaced = correction.join(earlier, on=key, how="semi")
    assert correction.height == 5
    assert set(replaced.select("alcohol_days", "coping_score").rows()) >= {("4", "6")}
    mended = correction.join(earlier, on="patient_id", suffix="_before")
    assert mended.filter(coping_score_before="12")["coping_score"].item() != "12"
    assert mended.filter(interview_date_before="2015-02-30")["interview_date"].item() < "2015-04"
    assert int(mended.filter(cannabis_days_before="31")["cannabis_days"].item()) <= 30
    people = _all("patients")
    corrected = _one(people.filter(delivery="2015-Q1-2"))
    history = people.filter(patient_id=corrected["patient_id"])
    assert history["delivery"].to_list() == ["2014-Q2", "2015-Q1-2"]
    assert history["birth_year"].n_unique() == 2


@pytest.mark.parametrize(
    ("name", "form", "rule", "bad"),
    [
        ("2014-Q3", "interviews", "required value", pl.col("status").is_null()),
        ("2014-Q3", "interviews", "unknown code", pl.col("housing") == "hybel"),
        ("2015-Q1", "interviews", "out of range", pl.col("coping_score") == "12"),
        ("2015-Q1", "interviews", "impossible date", pl.col("interview_date") == "2015-02-30"),
        (
            "2015-Q1",
            "interviews",
            "use beyond the recall period",
            pl.col("cannabis_days").cast(pl.Int32) > pl.col("recall_days").cast(pl.Int32),
        ),
        ("2015-Q3", "interviews", "after extraction", pl.col("interview_date") > "2015-10-01"),
        ("2015-Q3", "process_events", "identity number", pl.col("outcome").str.contains(r"\d{11}")),
        ("2015-Q4", "episodes", "reversed dates", pl.col("end_date") < pl.col("start_date")),
        ("2016-Q1", "interviews", "not a number", pl.col("crime_days") == "ca. 3"),
    ],
)
def test_one_row_for_the_quarantine_of_each_kind(
    name: str, form: str, rule: str, bad: pl.Expr
) -> None:
    assert _rows(LANDING / name, form).filter(bad).height == 1, rule


def test_the_identity_number_is_synthetic_with_valid_check_digits() -> None:
    outcome = _one(
        _rows(LANDING / "2015-Q3", "process_events").filter(
            pl.col("outcome").str.contains(r"\d{11}")
        )
    )["outcome"]
    digits = [int(digit) for digit in re.findall(r"\d", outcome)]
    assert 81 <= 10 * digits[2] + digits[3] <= 92
    for weights in ((3, 7, 6, 1, 8, 9, 4, 5, 2, 1), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)):
        assert sum(w * d for w, d in zip(weights, digits, strict=False)) % 11 == 0


@pytest.mark.parametrize(("name", "rule"), HELD_BACK)
def test_one_interview_to_hold_back_of_each_kind(
    name: str, rule: str, patients: pl.DataFrame, interviews: pl.DataFrame
) -> None:
    deaths = _all("events").filter(pl.col("event_type").is_in(DEATHS))
    rows = interviews.join(
        patients.select("patient_id", "consent", "consent_date"), on="patient_id", how="left"
    ).join(deaths.select("patient_id", died="event_date"), on="patient_id", how="left")
    holds = {
        "before consent": pl.col("interview_date") < pl.col("consent_date"),
        "after death": pl.col("interview_date") > pl.col("died"),
        "unknown person": pl.col("consent").is_null(),
        "without consent": pl.col("consent") == "declined",
        "after the cut-off": pl.col("interview_date") > "2016-10-01",
    }
    held = _one(rows.filter(holds[rule]))
    assert held["delivery"] == name
    assert held["interview_date"] <= str(_manifest(LANDING / name)["extracted_on"])


def test_a_stay_overlaps_another_of_its_pathway() -> None:
    stays = _all("episodes").unique(["patient_id", "pathway", "start_date"], keep="last")
    pairs = stays.join(stays, on=["patient_id", "pathway"], suffix="_inner")
    inside = pairs.filter(
        pl.col("start_date_inner") > pl.col("start_date"),
        pl.col("start_date_inner") < pl.col("end_date").fill_null("2016-10-01"),
    )
    assert inside.height == 1


def test_deaths_exits_and_visits_of_many_kinds(interviews: pl.DataFrame) -> None:
    deaths = _all("events").filter(pl.col("event_type").is_in(DEATHS))
    exits = _all("episodes").filter(pl.col("exit_type").is_in(DEATHS))
    assert deaths.height >= 2
    assert set(exits["patient_id"]) == set(deaths["patient_id"])
    kinds = set(_all("episodes")["exit_type"].drop_nulls())
    assert {"transfer_specialist", "incarcerated", "moved", "patient_notified"} <= kinds
    assert {"completed", "partial", "missed", "refused"} <= set(interviews["status"].drop_nulls())
    assert interviews.filter(planned_wave="0", status="missed").height == 1
    followed = _all("episodes").filter(pathway="back_in_specialist")["patient_id"].n_unique()
    assert followed >= 5


def test_a_visit_is_off_window(interviews: pl.DataFrame) -> None:
    baseline = interviews.filter(planned_wave="0").select("patient_id", b="interview_date")
    nominal = {str(wave): day for wave, day in enumerate(PROTOCOL.waves.nominal_days)}
    rows = interviews.filter(delivery="2015-Q3", status="completed").join(baseline, on="patient_id")
    day = pl.col("interview_date").str.to_date() - pl.col("b").str.to_date()
    off = day.dt.total_days() - pl.col("planned_wave").replace_strict(nominal)
    window = PROTOCOL.waves.in_window_days
    assert rows.select((off.abs() > window) & (off.abs() <= 44)).to_series().any()


def test_pathways_are_large_enough_to_show() -> None:
    first = _rows(LANDING / "2014-Q2", "episodes")
    sizes = dict(first["pathway"].value_counts().iter_rows())
    assert set(sizes) == set(PROTOCOL.index_pathways)
    assert min(sizes.values()) >= 20
    later = _rows(LANDING / "2015-Q2", "episodes").filter(pl.col("end_date").is_null())
    treated = later.filter(pl.col("pathway").is_in(PROTOCOL.treatment_pathways))
    assert treated["patient_id"].n_unique() > 0.9 * 70


def test_one_delivery_is_an_older_export() -> None:
    folder = LANDING / "2014-Q4"
    assert _manifest(folder)["format"] == {
        "encoding": "windows-1252",
        "delimiter": ";",
        "decimal": ",",
    }
    steps = (folder / "process_events.csv").read_bytes()
    assert "gjennomført".encode("windows-1252") in steps
    interviews = (folder / "interviews.csv").read_text(encoding="windows-1252")
    assert re.search(r";\d\d\.\d\d\.2014;completed;.*;\d+,\d;", interviews)


def test_one_file_is_excel_and_one_is_parquet() -> None:
    kinds = [path.name for path in LANDING.rglob("*.*") if path.suffix not in (".csv", ".toml")]
    assert sorted(kinds) == ["interviews.parquet", "interviews.xlsx"]
    typed = pl.read_parquet(LANDING / "2015-Q4" / "interviews.parquet")
    assert dict(typed.schema) == form_table("interviews", PROTOCOL).dtypes


def test_the_withdrawal_is_a_delivery_of_its_own(patients: pl.DataFrame) -> None:
    folder = SAMPLE / "withdrawal" / "lar_x" / "2016-Q3-2"
    manifest = _manifest(folder)
    assert (manifest["quarter"], manifest["number"]) == ("2016-Q3", 2)
    assert manifest["rows"] == {"withdrawals": 1}
    row = _one(_rows(folder, "withdrawals"))
    assert row["scope"] == "erase"
    assert row["withdrawn_date"] <= str(manifest["extracted_on"])
    assert _one(patients.filter(patient_id=row["patient_id"]))["consent"] == "consented"
    assert "withdrawals" not in {path.stem for path in LANDING.rglob("*.csv")}


def test_ids_hold_no_long_digit_run_and_the_folder_is_small(patients: pl.DataFrame) -> None:
    assert patients["patient_id"].str.contains(r"^LX-\d{4}$").all()
    size = sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file())
    assert size < 1_500_000
