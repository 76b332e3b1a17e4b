"""Every case of the benchmarks runs, and ways of making the same table agree."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest

from benchmarks import (
    correction,
    derivation,
    derivation_pandas,
    estimation,
    indicators,
    intake,
    intake_pandas,
    landing,
    operated,
    refusal,
    withdrawal,
)
from benchmarks.measure import CaseError, Measured, Task, best_of, measure
from benchmarks.report import Round, report

INTERVIEWS = 300


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both landing folders, and a store filled from the clean one."""
    folder = tmp_path_factory.mktemp("benchmarks")
    landing.clean(Path(str(INTERVIEWS)), folder / "landing")
    landing.with_bad_rows(folder / "landing", folder / "landing-bad")
    intake.registry(folder / "landing", folder / "store")
    return folder


@pytest.fixture(scope="module")
def derived(work: Path) -> Path:
    """A folder with the three tables made in each of the three ways."""
    cases = {
        "registry": derivation.registry,
        "sql": derivation.sql,
        "pandas": derivation_pandas.pandas,
    }
    for name, case in cases.items():
        out = work / "derived" / name
        out.mkdir(parents=True)
        assert case(work / "store", out)["total"] > 0
    return work / "derived"


def test_a_landing_folder_has_about_as_many_interviews_as_asked(work: Path) -> None:
    rows = (landing.delivery_of(work / "landing") / "interviews.csv").read_text().splitlines()
    assert len(rows) - 1 == pytest.approx(INTERVIEWS, rel=0.1)


def test_the_bad_landing_folder_differs_in_every_hundredth_score(work: Path) -> None:
    clean, bad = (
        (landing.delivery_of(work / name) / "interviews.csv").read_text().splitlines()
        for name in ("landing", "landing-bad")
    )
    assert [at for at, pair in enumerate(zip(clean, bad, strict=True)) if pair[0] != pair[1]] == [
        at for at in range(1, len(clean)) if at % landing.BAD_EVERY == 0
    ]


@pytest.mark.parametrize(("name", "bad"), [("landing", 0), ("landing-bad", INTERVIEWS // 100)])
def test_registry_and_pandas_accept_the_same_number_of_rows(
    work: Path, tmp_path: Path, name: str, bad: int
) -> None:
    ways = {"registry": intake.registry, "pandas": intake_pandas.pandas}
    counted = {}
    for way, case in ways.items():
        (tmp_path / way).mkdir()
        numbers = case(work / name, tmp_path / way)
        counted[way] = (numbers["accepted"], numbers["quarantined"])
    assert counted["registry"] == counted["pandas"]
    assert counted["registry"][1] == bad


def test_three_ways_of_deriving_agree(derived: Path, tmp_path: Path) -> None:
    agreed = derivation.agreement(derived / "registry", tmp_path)
    assert agreed["peers"] == 2
    assert agreed["core.substance_use"] == agreed["core.visit"] * 11


def test_ways_that_differ_are_told(derived: Path, tmp_path: Path) -> None:
    shutil.copytree(derived, tmp_path / "derived")
    with duckdb.connect(tmp_path / "derived" / "sql" / "sql.duckdb") as connection:
        connection.execute("UPDATE core.visit SET status = 'moved' WHERE wave = 0")
    with pytest.raises(AssertionError, match=r"sql: core\.visit differs"):
        derivation.agreement(tmp_path / "derived" / "registry", tmp_path)


@pytest.fixture(scope="module")
def estimated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """Every derived table of 5,000 interviews, and what it took."""
    folder = tmp_path_factory.mktemp("estimation")
    landing.clean(Path("5000"), folder / "landing")
    intake.registry(folder / "landing", folder / "store")
    (folder / "out").mkdir()
    return folder / "out", estimation.registry(folder / "store", folder / "out")


def test_estimating_is_timed_apart_from_counting(
    estimated: tuple[Path, dict[str, float]],
) -> None:
    numbers = estimated[1]
    assert numbers["rows"] > 10_000
    assert 0 < numbers["estimate"] < numbers["total"]
    assert sum(numbers[layer] for layer in estimation.ESTIMATED) == pytest.approx(
        numbers["estimate"]
    )


def test_statsmodels_on_the_rows_gives_the_same_estimates(
    estimated: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    numbers = estimation.statsmodels(estimated[0], tmp_path)
    assert numbers["n curves"] > 10
    assert numbers["n models"] > 0
    assert numbers["compared"] > numbers["n curves"] + numbers["n models"]


def test_estimates_that_differ_are_told(
    estimated: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    shutil.copytree(estimated[0], tmp_path / "changed")
    with duckdb.connect(tmp_path / "changed" / "registry.duckdb") as connection:
        connection.execute("UPDATE derived.retention_at SET retained = retained * 0.99")
    with pytest.raises(AssertionError, match="estimates differ"):
        estimation.statsmodels(tmp_path / "changed", tmp_path)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the indicators of a few hundred interviews, counted in both ways."""
    folder = tmp_path_factory.mktemp("indicators")
    (folder / "made").mkdir()
    assert indicators.made(Path(str(INTERVIEWS)), folder / "made")["interviews"] == 297
    for name, case in {"registry": indicators.registry, "sql": indicators.sql}.items():
        (folder / name).mkdir()
        assert case(folder / "made", folder / name)["total"] > 0
    return folder


def test_the_indicators_are_those_of_the_hand_written_sql(counted: Path, tmp_path: Path) -> None:
    assert indicators.agreement(counted / "registry", tmp_path)["cells"] > 500
    measured = {one.id for one in indicators.MEASURED}
    assert set(pl.read_parquet(counted / "sql" / "cells.parquet")["indicator_id"]) == measured


def test_counts_that_differ_are_told(counted: Path, tmp_path: Path) -> None:
    shutil.copytree(counted, tmp_path / "counted")
    cells = tmp_path / "counted" / "sql" / "cells.parquet"
    pl.read_parquet(cells).with_columns(pl.col("numerator") + 1).write_parquet(cells)
    with pytest.raises(AssertionError, match="cells differ"):
        indicators.agreement(tmp_path / "counted" / "registry", tmp_path)


def test_a_file_cut_short_is_refused_and_read(work: Path, tmp_path: Path) -> None:
    landing.cut_short(work / "landing", tmp_path / "short")
    (tmp_path / "home").mkdir()
    assert refusal.registry(tmp_path / "short", tmp_path / "home")["total"] > 0
    assert refusal.reading(tmp_path / "short", tmp_path)["rows"] == pytest.approx(
        INTERVIEWS, rel=0.1
    )
    with pytest.raises(RuntimeError, match="accepted"):
        refusal.registry(interviews_alone(work, tmp_path), tmp_path / "home")


def interviews_alone(work: Path, tmp_path: Path) -> Path:
    """A landing folder with the interviews as they should be."""
    landing.correction(work / "landing", tmp_path / "alone")
    return tmp_path / "alone"


@pytest.mark.long
def test_one_person_leaves_and_one_quarter_is_corrected(work: Path, tmp_path: Path) -> None:
    for name in ("made", "left", "copied", "corrected", "rebuilt"):
        (tmp_path / name).mkdir()
    made = operated.made(work / "landing", tmp_path / "made")
    assert 0 < made["corrected"] < INTERVIEWS / 10
    assert correction.registry(tmp_path / "made", tmp_path / "corrected")["total"] > 0
    with duckdb.connect(tmp_path / "corrected" / "home" / "registry.duckdb") as connection:
        told = connection.execute(
            "SELECT n_replaced FROM meta.delivery WHERE kind = 'correction'"
        ).fetchall()
    assert told == [(made["corrected"],)]
    assert correction.rebuild(tmp_path / "made", tmp_path / "rebuilt")["total"] > 0
    assert withdrawal.registry(tmp_path / "made", tmp_path / "left")["total"] > 0
    assert len(list((tmp_path / "left" / "home" / "erasures").glob("*.json"))) == 1
    assert withdrawal.floor(tmp_path / "made", tmp_path / "copied")["total"] > 0


def test_a_child_process_reports_seconds_and_memory(work: Path, tmp_path: Path) -> None:
    task = Task("intake:floor", work / "landing", tmp_path / "floor")
    measured = best_of(1, {"floor": task})["floor"]
    assert 0 < measured["total"] < 60
    assert 50 < measured.peak_mib < 2000


def test_a_failed_case_is_told_with_its_error(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"(?s)report:nothing ended with 1.*AttributeError"):
        measure(Task("report:nothing", tmp_path, tmp_path / "out"))


def test_the_report_says_what_is_met_and_what_is_not() -> None:
    def cases(ours: float, **peers: float) -> dict[str, Measured]:
        seconds = {"registry": ours, **peers}
        return {
            name: Measured({"total": total, "cpu": total, "derive": total, "proofs": 0.5}, 100)
            for name, total in seconds.items()
        }

    measured = Round(
        interviews=1000,
        rows=2000,
        clean=cases(1.3, floor=1, pandas=2.6),
        bad=cases(1.9, floor=1, pandas=2.6),
        derived=cases(1.2, sql=1, pandas=2.4),
        estimated={
            "registry": Measured(
                {
                    "total": 5,
                    "estimate": 1.5,
                    "rows": 9000,
                    "retention": 0.4,
                    "trajectories": 0.5,
                    "pathways": 0.6,
                },
                100,
            ),
            "statsmodels": Measured(
                {
                    "curves": 0.1,
                    "models": 7.0,
                    "equation": 30.0,
                    "n curves": 18,
                    "n models": 26,
                    "n equation": 1,
                    "compared": 70,
                },
                100,
            ),
        },
        indicated={
            "registry": Measured({"total": 1.2, "cpu": 1.2, "indicators": 11}, 100),
            "sql": Measured({"total": 1, "cpu": 1}, 100),
        },
        withdrawn=cases(42, floor=2),
        refused=cases(0.9, reading=1),
        corrected=cases(9, rebuild=10),
        n_corrected=12,
    )
    text = report([measured], cases(19)["registry"], (0.1, 0.2))
    for line in (
        "| intake of clean files, times the floor: at most 1.2 | 1.30, target met: no |",
        "| intake of clean files, times faster than pandas: at least 1.5 | 2.00, target met: yes |",
        "| intake with 1 % bad rows, times the floor: at most 2 | 1.90, target met: yes |",
        "| derivation, times the SQL: at most 1.3 | 1.20, target met: yes |",
        "| derivation, times faster than pandas: at least 2.5 | 2.00, target met: no |",
        "beyond the group-bys, seconds: at most 2 | 1.50, target met: yes |",
        "| of these, pathways |  | 0.60 |",
        "| statsmodels on the rows: one estimating equation, coping with sex | 1 | 30.00 |",
        "| hand-written SQL in DuckDB | 1.00 | 1.00 | 1000.0 | 100 |",
        "| one person leaves and is proved gone, seconds: at most 60 | 42.00, target met: yes |",
        "from the request to the proof: 42.0 s",
        "is refused, times reading it: at most 1 | 0.90, target met: yes |",
        "correction, times a full rebuild: at most 0.2 | 0.90, target met: no |",
        "One quarter's correction, 12 interviews, from intake to publication: 9.0 s",
    ):
        assert line in text
    assert "19.0 s, 100 MiB; target (under 20 s) met: yes" in text
