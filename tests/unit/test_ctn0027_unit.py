"""The rules that turn the START trial's tables into a delivery, on hand-made tables.

Day d is counted from randomisation; person 1 is randomised on day 7, person 2 on day 2.
"""

import hashlib
import tomllib
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_pipeline.cohorts.ctn0027 import CONSENT, PROTOCOL, import_ctn0027
from registry_pipeline.cohorts.ctn0027_source import SourceError
from registry_pipeline.cohorts.ctn0027_stays import STAYS
from schemas.forms import form_table

RANDOMISED = 7
VISIT = "who,visit,what,when,is_in_jail,is_in_hospital,is_missing_14_consecutive,is_left_study\n"
TABLES = {
    "everybody": "who,project\n1,27\n2,27\n3,27\n4,30\n",
    "randomization": "who,treatment,which,when\n"
    "2,Outpatient BUP,1,2\n2,Outpatient BUP,2,2\n"
    "1,Methadone,1,7\n1,Methadone,2,8\n4,Methadone,1,3\n",
    "demographics": "who,age,is_male\n1,40,Yes\n2,19,No\n3,50,Yes\n",
    "psychiatric": "who,has_schizophrenia,has_major_dep,has_bipolar,has_anx_pan\n2,,,,\n",
    "site_masked": "who,site_masked\n1,9\n2,11\n3,11\n",
    "treatment": "who,amount,when\n",
    "tlfb": "who,what,when\n",
    "uds": "who,what,when\n",
    "visit": VISIT,
}

Import = Callable[..., dict[str, pl.DataFrame]]


def write_source(folder: Path, **replaced: str) -> Path:
    """The tables as CSV files, some of them replaced."""
    folder.mkdir(exist_ok=True)
    for name, text in (TABLES | replaced).items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def read_forms(folder: Path) -> dict[str, pl.DataFrame]:
    """The written forms, typed by our own models."""
    forms = {}
    for path in folder.glob("*.csv"):
        dtypes = form_table(path.stem, PROTOCOL).dtypes
        header = path.read_text().splitlines()[0].split(",")
        forms[path.stem] = pl.read_csv(path, schema={name: dtypes[name] for name in header})
    return forms


@pytest.fixture
def imported(tmp_path: Path) -> Import:
    """Import hand-made tables and give the forms; rows of a table are given as text."""

    def run(drop_out: str = "last-dose", **rows: Iterable[str]) -> dict[str, pl.DataFrame]:
        replaced = {name: TABLES[name] + "\n".join(lines) for name, lines in rows.items()}
        source = write_source(tmp_path / "source", **replaced)
        return read_forms(import_ctn0027(source, tmp_path / "landing", drop_out).folder)

    return run


def of_person(frame: pl.DataFrame, person: str = "1") -> pl.DataFrame:
    return frame.filter(pl.col("patient_id") == person)


def tlfb(what: str, *days: int) -> list[str]:
    return [f"1,{what},{RANDOMISED + day}" for day in days]


def attended(*days: int) -> list[str]:
    return [f"1,WK1,visit,{RANDOMISED + day},,,," for day in days]


def missed(week: int, reason: str) -> str:
    reasons = ("jail", "hospital", "dropped", "left")
    flags = ",".join("1" if name == reason else "" for name in reasons)
    return f"1,WK{week},no visit,,{flags}"


def test_patients_are_the_randomised_of_the_trial(imported: Import) -> None:
    forms = imported(psychiatric=["1,No,Yes,NA,"])
    assert forms["patients"].rows(named=True) == [
        {
            "patient_id": "1",
            "sex": "male",
            "birth_year": 2006 - 40,
            "unit_id": "site_09",
            "assigned_pathway": "methadone",
            "primary_substance": "opioid",
            "consent": "consented",
            "consent_date": date(2006, 5, 1),
            "treatment_start_date": date(2006, 5, 1 + 7),
            "co_occurring_disorder": True,
        },
        {
            "patient_id": "2",
            "sex": "female",
            "birth_year": 2006 - 19,
            "unit_id": "site_11",
            "assigned_pathway": "buprenorphine",
            "primary_substance": "opioid",
            "consent": "consented",
            "consent_date": date(2006, 5, 1),
            "treatment_start_date": date(2006, 5, 1 + 2),
            "co_occurring_disorder": None,
        },
    ]


@pytest.mark.parametrize(
    ("answers", "disorder"),
    [
        ("No,No,No,No", False),
        ("No,,,", False),
        ("No,No,No,Yes", True),
        (",,Yes,", True),
        (",,,", None),
    ],
)
def test_any_diagnosis_is_a_disorder_and_no_answer_is_null(
    imported: Import, answers: str, disorder: bool | None
) -> None:
    patient = of_person(imported(psychiatric=[f"1,{answers}"])["patients"])
    assert patient["co_occurring_disorder"].item() is disorder


def test_waves_lie_on_the_nominal_days_from_randomisation(imported: Import) -> None:
    interviews = of_person(imported()["interviews"])
    start = CONSENT + timedelta(days=RANDOMISED)
    assert interviews["planned_wave"].to_list() == list(range(7))
    assert interviews["interview_date"].to_list() == [
        start + timedelta(days=28 * wave) for wave in range(7)
    ]
    assert set(interviews["recall_days"]) == {28}


@pytest.mark.parametrize(
    ("day", "wave"),
    [
        (-28, None),
        (-27, 0),
        (0, 0),
        (1, 1),
        (28, 1),
        (29, 2),
        (56, 2),
        (57, 3),
        (168, 6),
        (169, None),
    ],
)
def test_a_report_belongs_to_the_28_days_that_end_with_the_wave(
    imported: Import, day: int, wave: int | None
) -> None:
    interviews = of_person(imported(tlfb=tlfb("Heroin", day))["interviews"])
    held = interviews.filter(status="completed")
    assert held["planned_wave"].to_list() == ([] if wave is None else [wave])
    assert held["opioid_days"].to_list() == ([] if wave is None else [1])
    assert interviews.filter(status="missed")["opioid_days"].null_count() == 7 - held.height


def test_opioids_are_one_substance_and_a_day_counts_once(imported: Import) -> None:
    reports = [
        *tlfb("Heroin", 1, 2),
        *tlfb("Opioid", 2, 3),
        *tlfb("Methadone", 3),
        *tlfb("Buprenorphine", 4),
        *tlfb("THC", 1),
    ]
    wave_1 = of_person(imported(tlfb=reports)["interviews"]).row(1, named=True)
    assert wave_1["opioid_days"] == len({1, 2, 3, 4})
    assert wave_1["cannabis_days"] == 1
    assert wave_1["cocaine_days"] == 0


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param({"visit": attended(5)}, id="an attended visit without reports"),
        pytest.param({"tlfb": tlfb("Antibiotic", 5)}, id="a report of nothing we ask about"),
    ],
)
def test_a_window_with_a_sign_of_life_has_no_use_rather_than_no_answer(
    imported: Import, rows: dict[str, list[str]]
) -> None:
    wave_1 = of_person(imported(**rows)["interviews"]).row(1, named=True)
    assert wave_1["status"] == "completed"
    assert {wave_1[name] for name in PROTOCOL.substance_columns} == {0}


@pytest.mark.parametrize(
    ("doses", "stay_days", "cover_days", "exit_type"),
    [
        pytest.param({}, 0, 0, "patient_absent", id="never dosed"),
        pytest.param({0: 10}, 0, 1, "patient_absent", id="dosed once"),
        pytest.param({0: 10, 90: 10, 91: 0}, 90, 1, "patient_absent", id="amount 0 is no dose"),
        pytest.param({-1: 10}, 0, 0, "patient_absent", id="before randomisation"),
        pytest.param({160: 10}, 160, 1, "patient_absent", id="a day before the planned end"),
        pytest.param({161: 10}, 161, 1, "planned_mutual", id="on the planned end"),
    ],
)
def test_last_dose_ends_the_stay(
    imported: Import, doses: dict[int, int], stay_days: int, cover_days: int, exit_type: str
) -> None:
    rows = [f"1,{amount},{RANDOMISED + day}" for day, amount in doses.items()]
    stay = of_person(imported(treatment=rows)["episodes"]).row(0, named=True)
    assert (stay["end_date"] - stay["start_date"]).days == stay_days
    assert (stay["cover_days"], stay["exit_type"]) == (cover_days, exit_type)
    assert (stay["pathway"], stay["unit_id"]) == ("methadone", "site_09")


@pytest.mark.parametrize(
    ("visits", "exit_type"),
    [
        ([missed(6, "left")], "patient_notified"),
        ([missed(6, "dropped")], "institution"),
        ([missed(6, "left"), missed(7, "dropped"), missed(7, "jail")], "incarcerated"),
        ([missed(5, "jail")], "patient_absent"),
        ([missed(10, "jail")], "incarcerated"),
        ([missed(11, "jail")], "patient_absent"),
        ([missed(6, "hospital")], "patient_absent"),
    ],
)
def test_a_stated_reason_within_four_weeks_of_the_last_dose_is_the_exit(
    imported: Import, visits: list[str], exit_type: str
) -> None:
    day_42 = [f"1,10,{RANDOMISED + 6 * 7}"]
    stay = of_person(imported(treatment=day_42, visit=visits)["episodes"])
    assert stay["exit_type"].item() == exit_type


N_WEEKS = (168 - RANDOMISED) // 7 + 1  # 24, the last one whole


@pytest.mark.parametrize(
    ("seen", "stay_days", "exit_type"),
    [
        pytest.param([], 7 * 1, "patient_absent", id="never seen"),
        pytest.param(range(1, 25), 7 * (N_WEEKS - 3), None, id="always seen"),
        pytest.param([1, 2, *range(7, 25)], 7 * 3, "patient_absent", id="weeks 3-6"),
        pytest.param([1, 2, *range(6, 25)], 7 * (N_WEEKS - 3), None, id="three in a row"),
        pytest.param([4, 8, 12, 16, 20, 24], 7 * (N_WEEKS - 3), None, id="every fourth week"),
        pytest.param(range(1, 21), 7 * 21, "patient_absent", id="the last four"),
    ],
)
def test_four_missing_weeks_end_the_stay(
    imported: Import, seen: Iterable[int], stay_days: int, exit_type: str | None
) -> None:
    visits = attended(*(7 * (week - 1) for week in seen))
    stay = of_person(imported("four-missing-weeks", visit=visits)["episodes"]).row(0, named=True)
    assert (stay["end_date"] - stay["start_date"]).days == stay_days
    assert (stay["exit_type"], stay["cover_days"]) == (exit_type, 0)


@pytest.mark.parametrize(
    ("rows", "first_missing_week"),
    [
        pytest.param({"visit": attended(6)}, 2, id="day 6 is week 1"),
        pytest.param({"visit": attended(7)}, 3, id="day 7 is week 2"),
        pytest.param({"uds": [f"1,Opioid,{RANDOMISED}"]}, 2, id="an opioid in urine is seen"),
        pytest.param({"uds": [f"1,Cocaine,{RANDOMISED}"]}, 1, id="cocaine in urine is not"),
        pytest.param({"visit": [missed(1, "left")]}, 1, id="a missed visit is not"),
    ],
)
def test_what_makes_a_week_seen(
    imported: Import, rows: dict[str, list[str]], first_missing_week: int
) -> None:
    stay = of_person(imported("four-missing-weeks", **rows)["episodes"]).row(0, named=True)
    length = (stay["end_date"] - stay["start_date"]).days
    # A lone seen week 2 leaves week 1 alone before it, and the run begins with week 3.
    assert length == 7 * first_missing_week


@given(randomised=st.integers(2, 33), seen=st.sets(st.integers(1, 24)))
def test_four_missing_weeks_agree_with_the_definition(randomised: int, seen: set[int]) -> None:
    n_weeks = (168 - randomised) // 7 + 1
    runs = [first for first in range(1, n_weeks - 2) if not seen & set(range(first, first + 4))]
    days = pl.Series([randomised + 7 * (week - 1) for week in seen], dtype=pl.Int64)
    tables = {
        "visit": pl.DataFrame({"when": days}).with_columns(who=1, what=pl.lit("visit")),
        "uds": pl.DataFrame(schema={"who": pl.Int32, "what": pl.String, "when": pl.Int64}),
    }
    people = pl.DataFrame(
        {"who": [1], "randomised": [randomised]}, schema_overrides={"who": pl.Int32}
    )
    stay = STAYS["four-missing-weeks"](people, tables).row(0, named=True)
    assert stay["stay_days"] == 7 * (runs[0] if runs else n_weeks - 3)
    assert stay["exit_type"] == ("patient_absent" if runs else None)


def test_prison_and_hospital_are_events_on_the_planned_day(imported: Import) -> None:
    visits = [
        missed(7, "jail"),
        missed(8, "jail"),
        missed(12, "jail"),
        missed(3, "hospital"),
        missed(4, "left"),
        "1,BASELINE,no visit,,1,,,",
    ]
    events = imported(visit=visits)["events"]
    start = CONSENT + timedelta(days=RANDOMISED)
    assert events.select("event_date", "event_type").rows() == [
        (start + timedelta(days=7 * 3), "hospital_admission"),
        (start + timedelta(days=7 * 7), "incarceration"),
        (start + timedelta(days=7 * 12), "incarceration"),
    ]


def test_every_form_obeys_its_model(imported: Import) -> None:
    forms = imported(visit=[*attended(1, 30), missed(12, "jail")], tlfb=tlfb("Heroin", 1))
    assert set(forms) == {"patients", "interviews", "episodes", "events"}
    for name, frame in forms.items():
        table = form_table(name, PROTOCOL)
        absent = [column for column in table.columns if column.name not in frame.columns]
        assert not [column.name for column in absent if column.present]
        whole = frame.with_columns(
            pl.lit(None, dtype=column.dtype).alias(column.name) for column in absent
        )
        table.schema.validate(whole.select(list(table.schema.columns)))
        assert frame.n_unique(table.key) == frame.height


def test_the_manifest_carries_totals_and_hashes(tmp_path: Path) -> None:
    summary = import_ctn0027(write_source(tmp_path / "source"), tmp_path / "landing")
    assert summary.folder == tmp_path / "landing" / "ctn0027" / "2009-Q4"
    manifest = tomllib.loads((summary.folder / "delivery.toml").read_text())
    assert manifest["extracted_on"] == date(2009, 12, 31)
    assert manifest["rows"] == summary.rows
    assert manifest["rows"] == {"patients": 2, "interviews": 14, "episodes": 2, "events": 0}
    assert manifest["sha256"] == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in summary.folder.glob("*.csv")
    }


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    (source / "tlfb.csv").unlink()
    with pytest.raises(SourceError, match=r"^tlfb: neither tlfb.csv nor tlfb.csv.gz is in"):
        import_ctn0027(source, tmp_path / "landing")
    assert not (tmp_path / "landing").exists()


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"uds": "who,what\n1,Opioid\n"}, r"^uds\.csv: column when is missing$"),
        ({"uds": ""}, r"^uds\.csv: not a readable CSV file$"),
        (
            {"treatment": "who,amount,when\n1,8,9\n1,secret,10\n"},
            r"^treatment\.csv: line 3, column amount is not a number$",
        ),
        (
            {"randomization": "who,treatment,which,when\n1,Secret,1,7\n"},
            r"^randomization: column treatment must be Methadone or Outpatient BUP$",
        ),
        (
            {"everybody": "who,project\n1,30\n"},
            r"^randomization: nobody of project 27 is randomised$",
        ),
    ],
)
def test_a_flaw_is_one_sentence_without_the_value(
    tmp_path: Path, replaced: dict[str, str], message: str
) -> None:
    source = write_source(tmp_path / "source", **replaced)
    with pytest.raises(SourceError, match=message):
        import_ctn0027(source, tmp_path / "landing")


def test_an_unknown_rule_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="must be one of: last-dose, four-missing-weeks"):
        import_ctn0027(tmp_path, tmp_path, "first-dose")  # type: ignore[arg-type]
