"""Deliveries in any order, split and repeated anyhow: the tables are those of a full rebuild.

Hypothesis draws what each delivery says: which rows, with which answers, taken back or not. The
deliveries are taken in once in their own order, once in a drawn order with repetitions, core being
built on the way; and a model of upserts in plain Python says which rows stand, to be delivered as
one. All three must give the same rows.

What has not changed is not derived again. So deliveries of two cohorts, and erasures among them,
are followed step by step, each with a build and a publication of what changed alone; in the end the
stored and the published tables must be those of a build that keeps nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
import polars.testing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline.building.build import build_core, build_layer
from registry_pipeline.building.layers import CORE_TABLES, LAYERS
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.deliveries.landing import write_manifest
from registry_pipeline.home import Home
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.database import connect
from registry_pipeline.warehouse.publish import publish
from registry_pipeline.warehouse.rewrite import stored_tables
from registry_pipeline.warehouse.tables import create_sql
from registry_pipeline.withdrawal.withdraw import carry_out, note_requests, prove
from schemas.catalog import TABLES, published_tables
from schemas.protocol import shipped_text

QUARTERS = ("2014-Q2", "2014-Q3", "2014-Q4")
CUTOFF = date(2015, 1, 1)
PEOPLE = ("A", "B", "C")
DAYS = tuple(date(2014, 5, 10) + timedelta(days=45 * number) for number in range(4))
PATIENTS = "patient_id,sex,birth_year,consent,consent_date\n"
INTERVIEWS = "patient_id,interview_date,status,heroin_days\n"

Key = tuple[str, date]


@dataclass(frozen=True)
class Said:
    """What one delivery says.

    Attributes:
        quarter, number: its place in the order.
        people: who stands in its patients form, with the sex it states.
        heroin_days: the interviews it holds, and their answer.
        taken_back: interviews it retracts.
    """

    quarter: str
    number: int
    people: dict[str, str]
    heroin_days: dict[Key, int]
    taken_back: frozenset[Key] = field(default_factory=frozenset)

    @property
    def name(self) -> str:
        return self.quarter if self.number == 1 else f"{self.quarter}-{self.number}"


keys = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(DAYS))
sexes = st.sampled_from(("male", "female", "unknown"))
contents = st.tuples(
    st.dictionaries(st.sampled_from(PEOPLE), sexes, min_size=1),
    st.dictionaries(keys, st.integers(0, 28), min_size=1),
    st.frozensets(keys, max_size=2),
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Said], list[Said]]:
    """Deliveries in their order, and an arrival: each at least once, in any order."""
    places = st.tuples(st.sampled_from(QUARTERS), st.integers(1, 3))
    some = sorted(draw(st.sets(places, min_size=2, max_size=4)))
    said = [Said(quarter, number, *draw(contents)) for quarter, number in some]
    repeated = draw(st.lists(st.sampled_from(said), max_size=2))
    return said, draw(st.permutations([*said, *repeated]))


def write(landing: Path, said: Said, cohort: str = "lar_x") -> Path:
    """Writes a delivery; written again it is the same bytes."""
    folder = landing / cohort / said.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "delivery.toml").unlink(missing_ok=True)
    patients = "".join(
        f"{person},{sex},1970,consented,2014-05-02\n" for person, sex in said.people.items()
    )
    answers = "".join(
        f"{person},{day},completed,{days}\n" for (person, day), days in said.heroin_days.items()
    )
    (folder / "patients.csv").write_text(PATIENTS + patients)
    (folder / "interviews.csv").write_text(INTERVIEWS + answers)
    write_manifest(
        folder,
        protocol=cohort,
        quarter=said.quarter,
        number=said.number,
        extracted_on=CUTOFF,
        sender="helse-bergen",
        rows={"patients": len(said.people), "interviews": len(said.heroin_days)},
    )
    with (folder / "delivery.toml").open("a") as manifest:
        for person, day in sorted(said.taken_back):
            manifest.write(
                f"[[retract.interviews]]\npatient_id = '{person}'\ninterview_date = {day}\n"
            )
    return folder


def tables(folder: Path, arrival: list[Said], *, often: bool = False) -> dict[str, pl.DataFrame]:
    """Core and held rows after the deliveries arrived so; built after each where `often`."""
    home = Home(folder)
    home.prepare()
    home.key_file.write_text("ab" * 32)
    home.key_file.chmod(0o600)
    with connect(home) as connection:
        key = open_key(connection, home)
        for said in arrival:
            report = take_in(connection, home, write(folder / "landing", said), key)
            assert report.messages == []
            if often:
                build_core(connection)
        assert [one.error for one in build_core(connection) if one.error] == []
        assert ledger.discrepancies(connection) == []
        frames = {name: connection.sql(f"SELECT * FROM {name}").pl() for name in CORE_TABLES}
    return {name: frame.sort(frame.columns, nulls_last=True) for name, frame in frames.items()}


def as_one(said: list[Said]) -> Said:
    """The rows that stand, by a model of upserts: what a later one says counts."""
    people: dict[str, str] = {}
    heroin_days: dict[Key, int] = {}
    for one in said:
        people |= one.people
        for key in one.taken_back - one.heroin_days.keys():
            heroin_days.pop(key, None)
        heroin_days |= one.heroin_days
    return Said(said[-1].quarter, 1, people, heroin_days)


def agree(drawn: tuple[list[Said], list[Said]], *, often: bool) -> None:
    """The three ways give the same rows of every table."""
    said, arrival = drawn
    with tempfile.TemporaryDirectory() as folder:
        in_order = tables(Path(folder) / "in_order", said)
        anyhow = tables(Path(folder) / "anyhow", arrival, often=often)
        whole = tables(Path(folder) / "whole", [as_one(said)])
    for name, frame in in_order.items():
        polars.testing.assert_frame_equal(frame, anyhow[name])
        polars.testing.assert_frame_equal(frame, whole[name])


@pytest.mark.hazard(
    "late wave or back-dated correction", "row for row what a full rebuild gives, in any order"
)
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(drawn=deliveries())
def test_any_order_and_any_split_give_the_tables_of_a_full_rebuild(
    drawn: tuple[list[Said], list[Said]],
) -> None:
    agree(drawn, often=False)


@pytest.mark.long
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=deliveries())
def test_many_orders_with_core_built_after_each_delivery(
    drawn: tuple[list[Said], list[Said]],
) -> None:
    agree(drawn, often=True)


COHORTS = {"lar_x": shipped_text("lar_x"), "lar_y": shipped_text("lar_x").replace("lar_x", "lar_y")}
Step = tuple[str, Said | str]
"""A cohort, and what it delivers, or who of it is erased."""


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Deliveries of two cohorts in any order, some again, with people erased in between."""
    cohort = st.sampled_from(list(COHORTS))
    steps: list[Step] = [
        (draw(cohort), one) for one in draw(deliveries())[1] for _ in range(draw(st.integers(1, 2)))
    ]
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(1, len(steps)))
        steps.insert(place, (steps[place - 1][0], draw(st.sampled_from(PEOPLE))))
    return steps


def build(connection: duckdb.DuckDBPyConnection, layers: Iterable[str]) -> list[int]:
    """Builds core and layers; how many cohorts each table kept."""
    made = [*build_core(connection), *(b for name in layers for b in build_layer(connection, name))]
    assert [one.error for one in made if one.error] == []
    return [one.n_kept for one in made]


def stored(connection: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    """Every table but the notes of how it was made, sorted."""
    frames = {
        name: connection.sql(f"SELECT * FROM {name}").pl()
        for name in stored_tables(connection)
        if name in published_tables() and name not in {"meta.built", "meta.publication"}
    }
    return {name: frame.sort(frame.columns, nulls_last=True) for name, frame in frames.items()}


def follow(home: Home, landing: Path, steps: list[Step], layers: Iterable[str]) -> None:
    """Takes the steps, each with a build of what changed and a publication."""
    for cohort, step in steps:
        if isinstance(step, str):
            note_requests(home, [step], cohort, CUTOFF, unseen=True)
            carry_out(home)
        with connect(home) as connection:
            key = open_key(connection, home)
            if isinstance(step, Said):
                folder = write(landing, step, cohort)
                report = take_in(connection, home, folder, key, COHORTS[cohort])
                assert report.messages == []
            build(connection, layers)
            for name in published_tables():
                if name in stored_tables(connection) or name.startswith("meta."):
                    continue
                connection.execute(create_sql(TABLES[name]))  # of a layer that is not built here
            publish(connection, home, "followed")
        prove(home, key)


def nothing_is_stale(steps: list[Step], layers: Iterable[str]) -> None:
    """What was kept, stored and published, is what a build gives that keeps nothing."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.prepare()
        follow(home, Path(folder) / "landing", steps, layers)
        with connect(home) as connection:
            kept = stored(connection)
            assert any(build(connection, layers))
            connection.execute("DELETE FROM meta.built")
            assert not any(build(connection, layers))
            whole = stored(connection)
        with duckdb.connect(home.analysis, read_only=True) as connection:
            published = stored(connection)
    assert kept.keys() == whole.keys()
    for name, frame in whole.items():
        close = {"rel_tol": 1e-12, "abs_tol": 1e-12}
        polars.testing.assert_frame_equal(frame, kept[name], **close)
        if name in published:
            polars.testing.assert_frame_equal(frame, published[name], **close)


@pytest.mark.hazard(
    "late wave or back-dated correction",
    "what was kept is what a full rebuild gives, with people erased in between",
)
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps=histories())
def test_what_is_kept_is_what_a_full_rebuild_gives(steps: list[Step]) -> None:
    nothing_is_stale(steps, ["retention"])


@pytest.mark.long
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=histories())
def test_many_histories_keep_nothing_stale_in_any_layer(steps: list[Step]) -> None:
    nothing_is_stale(steps, LAYERS)
