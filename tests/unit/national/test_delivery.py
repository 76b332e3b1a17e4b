"""The delivery from a published file: true counts, the same bytes again, and what stops it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from registry_pipeline.cli import app
from registry_pipeline.home import Home
from registry_pipeline.indicators import INDICATORS
from registry_pipeline.indicators.definition import definition_table
from registry_pipeline.national.delivery import NationalDeliveryError, deliver
from registry_pipeline.warehouse.tables import create_sql, insert
from schemas.catalog import TABLES

READ = ("core.unit", "core.patient", "quality.indicator", "quality.indicator_definition")
ORGNR = {"north": "310000019", "south": "310000027"}
USUAL = {
    "indicator_id": "treatment_plan_early", "period_type": "year", "denominator_known": 0,
    "period_start": date(2024, 1, 1), "period_end": date(2024, 12, 31), "n_missing": 0,
    "method": "share", "rule_version": "1.0", "as_of_delivery": "2024-Q4",
    "target_green": 0.9, "target_yellow": 0.7,
}  # fmt: skip
LAST = date(2024, 12, 31)
PERSON = {
    "sex": "male", "age_group": "under_23", "consent": "consented", "legal_basis": "consent",
    "cutoff_date": date(2024, 12, 31), "invited_date": date(2024, 2, 1), "enrolled": True,
}  # fmt: skip


def result(unit: str, numerator: int, denominator: int, **more: Any) -> dict[str, Any]:
    row = {"unit_id": unit, "numerator": numerator, "denominator": denominator}
    return {**USUAL, **row, **more}


RESULTS = [
    result("north", 3, 20),
    result("south", 2, 4),
    result("all", 5, 24),
    result("north", 1, 2, period_type="quarter", period_end=date(2024, 3, 31)),
    result("north", 9, 9, period_start=date(2023, 1, 1), period_end=date(2023, 12, 31)),
    result("south", 0, 0, indicator_id="crisis_plan_early"),
    result("north", 7, 8, indicator_id="mapping_complete", hidden_reason="provisional"),
]


def published(
    folder: Path,
    orgnr: dict[str, str] = ORGNR,
    results: list[dict[str, Any]] = RESULTS,
    more_people: tuple[dict[str, Any], ...] = (),
    cutoffs: dict[str, date] | None = None,
) -> Home:
    """A home whose published file holds one cohort, or several."""
    home = Home(folder / "home")
    home.prepare()
    people = [
        {**PERSON, "patient_id": unit, "unit_id": unit, "enrolled": unit == "north"}
        for unit in ORGNR
    ]
    people += [{**PERSON, **person} for person in more_people]
    for person in people:
        person["cutoff_date"] = (cutoffs or {}).get(str(person["unit_id"]), PERSON["cutoff_date"])
    rows = {
        "core.unit": [{"unit_id": unit, "name": unit, "orgnr": orgnr.get(unit)} for unit in ORGNR],
        "core.patient": people,
        "quality.indicator": results,
    }
    with duckdb.connect(home.analysis) as connection:
        for schema in ("core", "quality"):
            connection.execute(f"CREATE SCHEMA {schema}")
        for name in READ:
            connection.execute(create_sql(TABLES[name]))
        insert(connection, "quality.indicator_definition", definition_table(INDICATORS))
        for name, given in rows.items():
            whole = [{"cohort": "trial", "protocol": "trial", **row} for row in given]
            names = TABLES[name].dtypes
            frame = pl.DataFrame(
                [{key: row.get(key) for key in names} for row in whole], schema=names
            )
            insert(connection, name, frame)
    return home


def test_true_counts_of_units_in_the_closed_year_and_coverage(tmp_path: Path) -> None:
    to = tmp_path / "delivery.csv"
    written = deliver(published(tmp_path), 2024, to)
    assert (written.protocol, written.rows, written.indicators, written.units) == ("trial", 4, 2, 2)
    assert to.read_text().splitlines() == [
        "context,year,orgnr,ind_id,var,denominator",
        "caregiver,2024,310000019,coverage,1,1",
        "caregiver,2024,310000027,coverage,0,1",
        "caregiver,2024,310000019,treatment_plan_early,3,20",
        "caregiver,2024,310000027,treatment_plan_early,2,4",
    ]


def test_who_declined_and_has_no_day_of_invitation_counts_in_the_coverage(tmp_path: Path) -> None:
    undated = {"patient_id": "p", "unit_id": "north", "invited_date": None, "enrolled": False}
    home = published(tmp_path, more_people=(undated,))
    deliver(home, 2024, tmp_path / "delivery.csv")
    assert "310000019,coverage,1,2" in (tmp_path / "delivery.csv").read_text()
    with pytest.raises(NationalDeliveryError, match="nothing to deliver"):
        deliver(home, 2022, tmp_path / "delivery.csv")


@pytest.mark.parametrize(
    ("year", "cutoffs", "units"),
    [
        (2024, {}, ["north", "south"]),
        (2024, {"south": date(2024, 12, 30)}, ["north"]),
        (2024, {"south": date(2025, 2, 1)}, ["north", "south"]),
        (2025, {"south": date(2025, 2, 1)}, []),
    ],
)
def test_the_coverage_of_an_open_year_waits_for_the_unit_s_own_data(
    tmp_path: Path, year: int, cutoffs: dict[str, date], units: list[str]
) -> None:
    home, to = published(tmp_path, results=[], cutoffs=cutoffs), tmp_path / "delivery.csv"
    if units:
        deliver(home, year, to)
        assert pl.read_csv(to)["orgnr"].to_list() == [int(ORGNR[unit]) for unit in units]
    else:
        with pytest.raises(NationalDeliveryError, match=r"nothing to deliver.*data until its end"):
            deliver(home, year, to)


PROVISIONAL = {"hidden_reason": "provisional"}
SHARED = [
    # results of the two units of one organisation, the cut-off of one, then what is delivered
    ([result("north", 3, 20), result("south", 2, 4)], LAST, ["coverage,1,2", "plan,5,24"]),
    ([result("north", 3, 20)], LAST, ["coverage,1,2", "plan,3,20"]),
    ([result("north", 3, 20), result("south", 2, 4, **PROVISIONAL)], LAST, ["coverage,1,2"]),
    (
        [result("north", 3, 20), result("south", 2, 4, reason="periods_differ")],
        LAST,
        ["coverage,1,2"],
    ),
    ([result("north", 3, 20)], date(2024, 12, 30), []),
]


@pytest.mark.parametrize(("results", "cutoff", "delivered"), SHARED)
def test_units_of_one_organisation_number_are_one_result(
    tmp_path: Path, results: list[dict[str, Any]], cutoff: date, delivered: list[str]
) -> None:
    one = dict.fromkeys(ORGNR, "310000019")
    home, to = published(tmp_path, one, results, cutoffs={"south": cutoff}), tmp_path / "x.csv"
    if not delivered:
        with pytest.raises(NationalDeliveryError, match="nothing to deliver"):
            deliver(home, 2024, to)
        return
    assert deliver(home, 2024, to).units == 1
    rows = [line.removeprefix("caregiver,2024,310000019,") for line in to.read_text().splitlines()]
    assert [row.replace("treatment_plan_early", "plan") for row in rows[1:]] == delivered


def test_what_is_written_holds_true_counts_and_is_the_owner_s_alone(tmp_path: Path) -> None:
    home = published(tmp_path)
    usual = os.umask(0o022)  # as a shell has it; making the home has set another
    try:
        deliver(home, 2024, tmp_path / "delivery.csv")
    finally:
        os.umask(usual)
    written = [path for path in tmp_path.iterdir() if path.suffix == ".csv"]
    assert [path.stat().st_mode & 0o777 for path in written] == [0o600, 0o600]


def test_the_indicators_are_described_with_the_protocol_s_targets(tmp_path: Path) -> None:
    deliver(published(tmp_path), 2024, tmp_path / "delivery.csv")
    assert (tmp_path / "delivery.indicators.csv").read_text().splitlines() == [
        "id,title,type,min_denominator,level_green,level_yellow,level_direction,dg_id",
        "coverage,Dekningsgrad,dg,,,,1,",
        "treatment_plan_early,Behandlingsplan tidlig i forløpet,andel,5,0.9,0.7,1,coverage",
    ]


def test_the_same_bytes_again(tmp_path: Path) -> None:
    home = published(tmp_path)
    for name in ("one", "two"):
        deliver(home, 2024, tmp_path / f"{name}.csv")
    for suffix in (".csv", ".indicators.csv"):
        one, two = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
        assert one == two


@pytest.mark.parametrize("survived", [0, 1, 2, 3])
def test_killed_between_the_two_files_leaves_no_rows_beside_another_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """Killed before the first, second, ... change of what stands in the folder."""
    home, to = published(tmp_path), tmp_path / "x.csv"
    described = tmp_path / "x.indicators.csv"
    deliver(home, 2023, to)
    old = (to.read_text(), described.read_text())
    steps = iter(range(survived))

    def until_killed(change: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **more: Any) -> Any:
            if next(steps, None) is None:
                raise KeyboardInterrupt
            return change(*given, **more)

        return step

    with monkeypatch.context() as patch:
        for name in ("unlink", "replace"):
            patch.setattr(Path, name, until_killed(getattr(Path, name)))
        if survived < 3:
            with pytest.raises(KeyboardInterrupt):
                deliver(home, 2024, to)
        else:
            deliver(home, 2024, to)
    left = (to.read_text(), described.read_text() if described.exists() else None)
    deliver(home, 2024, to)
    new = (to.read_text(), described.read_text())
    assert old[1] != new[1]
    assert left == [old, (old[0], None), (new[0], None), new][survived]


@pytest.mark.parametrize(
    ("year", "orgnr", "results", "message"),
    [
        (2022, {}, RESULTS, "no unit of any cohort has an organisation number"),
        (2024, {"north": "310000019"}, RESULTS, "no organisation number in the protocol for south"),
        (2024, {**ORGNR, "south": "31"}, RESULTS, "not nine digits: 2 rows"),
        (2024, ORGNR, [result("north", 21, 20)], "more than its denominator: 1 row"),
        (2022, ORGNR, RESULTS, "nothing to deliver"),
        (2025, ORGNR, RESULTS, "nothing to deliver"),
    ],
)
def test_what_breaks_a_rule_is_not_written(
    tmp_path: Path, year: int, orgnr: dict[str, str], results: list[dict[str, Any]], message: str
) -> None:
    home = published(tmp_path, orgnr, results)
    with pytest.raises(NationalDeliveryError, match=message):
        deliver(home, year, tmp_path / "delivery.csv")
    assert not list(tmp_path.glob("*.csv"))


def test_the_command_says_what_it_wrote_or_why_not(tmp_path: Path) -> None:
    home = published(tmp_path)

    def run(*more: str) -> Any:
        to = str(tmp_path / "x.csv")
        return CliRunner().invoke(app, ["deliver", "--year", "2024", "--to", to, *more])

    good = run("--home", str(home.path))
    assert good.exit_code == 0
    assert "4 rows of trial, 2 indicators, 2 units" in " ".join(good.output.split())
    mistyped = run("--home", str(home.path), "--protocol", "trail")
    assert mistyped.exit_code == 1
    assert "trail: no such cohort; published: trial" in mistyped.output
    nowhere = run("--home", str(home.path), "--to", str(tmp_path / "no" / "x.csv"))
    assert nowhere.exit_code == 1
    assert "no such file or directory" in nowhere.output.lower()
    assert "Traceback" not in nowhere.output
    assert nowhere.exception is None or isinstance(nowhere.exception, SystemExit)
    folder = run("--home", str(home.path), "--to", str(tmp_path))
    assert folder.exit_code == 1
    assert "is a folder; name the file" in " ".join(folder.output.split())
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}*"))
    bare = run("--home", str(tmp_path))
    assert bare.exit_code == 1
