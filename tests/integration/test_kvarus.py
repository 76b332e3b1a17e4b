"""KVARUS-shaped input, from numeric codes in a file to the four indicators.

The expected answers are counted here from the file's own codes: status 1 active, 3 interrupted,
4 ended by agreement, 6 and 7 not held; plan 2 yes, 3 don't know, 0 and 3 missing; benefit 1 to 5,
0 missing.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from registry_pipeline.building.build import build_core, stored_frames
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.home import Home
from registry_pipeline.indicators.engine import indicator_tables
from registry_pipeline.indicators.kvarus import KVARUS
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse.database import connect
from schemas.protocol import load_shipped

FOLDER = Path(__file__).parents[2] / "data" / "sample" / "tsb" / "2024-Q4-kvarus"
Counts = dict[tuple[str, int], tuple[int, int, int]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """quality.indicator of the delivery."""
    home = Home(tmp_path_factory.mktemp("kvarus") / "home")
    home.prepare()
    protocol = load_shipped("tsb")
    with connect(home) as connection:
        report = take_in(connection, home, FOLDER, open_key(connection, home))
        assert not report.messages
        build_core(connection)
        return indicator_tables(KVARUS, stored_frames(connection, protocol), protocol).results


def expected() -> Counts:
    """(numerator, denominator, missing) by indicator and year, from the file's codes."""
    with (FOLDER / "patients.csv").open(encoding="utf-8-sig") as file:
        reserved = {
            r["PasientID"] for r in csv.DictReader(file, delimiter=";") if r["Reservert"] == "1"
        }
    people: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (FOLDER / "interviews.csv").open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file, delimiter=";"):
            if row["PasientID"] not in reserved and row["BehStatus"] not in {"6", "7"}:
                people[row["PasientID"]].append(row)
    counts: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)

    def count(name: str, row: dict[str, str], *, done: bool, missing: bool) -> None:
        year = datetime.strptime(row["MaaleDato"], "%d.%m.%Y").year  # noqa: DTZ007 - a day
        counts[name, year].update({"of": 1, "done": done, "missing": missing})

    for rows in people.values():
        rows.sort(key=lambda row: datetime.strptime(row["MaaleDato"], "%d.%m.%Y"))  # noqa: DTZ007
        first = rows[0]
        if first["BehStatus"] == "1":
            for name, column in (
                ("treatment_plan_early", "BehPlan"),
                ("crisis_plan_early", "KrisePlan"),
            ):
                answer = first[column]
                count(name, first, done=answer == "2", missing=answer in {"", "0", "3"})
            benefit = first["Nytte"]
            count("large_benefit", first, done=benefit in {"4", "5"}, missing=benefit in {"", "0"})
        if ended := [row for row in rows if row["BehStatus"] in {"3", "4"}]:
            mutual = ended[0]["BehStatus"] == "4"
            count("ended_by_mutual_agreement", ended[0], done=mutual, missing=False)
    return {key: (n["done"], n["of"], n["missing"]) for key, n in counts.items()}


def test_the_four_indicators_are_those_of_the_file(made: pl.DataFrame) -> None:
    rows = made.filter(period_type="year", unit_id="midt")
    found = {
        (row["indicator_id"], row["period_start"].year): (
            row["numerator"], row["denominator"], row["n_missing"]
        )
        for row in rows.filter(pl.col("denominator") > 0).iter_rows(named=True)
    }  # fmt: skip
    assert found == expected()
    assert {name for name, _ in found} == {indicator.id for indicator in KVARUS}
    assert any(missing for _, _, missing in found.values())


def test_choose_value_is_null_and_not_a_status(made: pl.DataFrame) -> None:
    """Code 0 as the first status: the person is outside the denominator, never a failure."""
    with (FOLDER / "interviews.csv").open(encoding="utf-8-sig") as file:
        codes = Counter(row["BehStatus"] for row in csv.DictReader(file, delimiter=";"))
    assert codes["0"] > 0
    assert set(codes) == {"0", "1", "2", "3", "4", "5", "6", "7"}


def test_the_national_targets_and_the_protocol_s(made: pl.DataFrame) -> None:
    targets = dict(
        made.select("indicator_id", pl.concat_list("target_green", "target_yellow")).iter_rows()
    )
    assert targets["treatment_plan_early"] == [0.8, 0.6]
    assert targets["crisis_plan_early"] == [0.6, 0.4]
    assert targets["large_benefit"] == [0.8, 0.6]
    assert targets["ended_by_mutual_agreement"] == [
        getattr(load_shipped("tsb").targets.get("ended_by_mutual_agreement"), name, default)
        for name, default in (("green", 0.8), ("yellow", 0.6))
    ]
