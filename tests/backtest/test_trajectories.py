"""States by wave and moves between them, from words to tables, against R on real sequences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.derivations.trajectories_moves import substance_transition
from registry_pipeline.derivations.trajectories_use import sequence_measure
from registry_pipeline.transform.trajectories import pooled
from schemas.codes import STATE_LETTER
from schemas.protocol import Protocol, Waves, load_shipped

pytestmark = pytest.mark.backtest

ARMS = {"Methadone": "methadone", "Outpatient BUP": "buprenorphine"}
WEEKS = 24
MOVED = {"A": "abstinent", "E": "episodic", "R": "regular", "m": "missing"}


def protocol_of(n_waves: int) -> Protocol:
    waves = Waves(interval=7, interval_unit="days", nominal_days=tuple(range(0, 7 * n_waves, 7)))
    return load_shipped("ctn0027").model_copy(update={"waves": waves})


def with_strata(people: pl.DataFrame) -> pl.DataFrame:
    """People with the stratifying columns; those they have not are one stratum."""
    unknown = {name: pl.lit("unknown") for name in ("sex", "age_group", "co_occurring_disorder")}
    return people.with_columns(substance=pl.lit("opioid"), **unknown)


def transitions(people: pl.DataFrame, n_waves: int) -> pl.DataFrame:
    """derived.substance_transition, pooled, of people with a word and a pathway."""
    courses = nw.from_native(with_strata(people).lazy())
    made = substance_transition(
        courses.with_columns(pooled=pooled(nw.col("word"))), protocol_of(n_waves)
    )
    return made.filter(pl.col("from_wave").is_null())


def move_figures(made: pl.DataFrame, letters: str, counts: list[list[int]]) -> Iterator[Any]:
    cells = made.rows_by_key(["from_state", "to_state"], named=True, unique=True)
    for before, row in zip(letters, counts, strict=False):
        for after, n in zip(letters, row, strict=True):
            cell = cells[MOVED[before], MOVED[after]]
            yield f"{before}{after}", cell["n"], n
            yield f"{before}{after} share", cell["probability"], n / sum(row)
            yield f"{before} total", cell["denominator"], sum(row)


def test_msm_state_table(shared_data: Path, answers: Any, agree: Any) -> None:
    """Transplanted hearts: four states at every visit, here under the names of ours."""
    visits = pl.read_csv(shared_data / "msm_cav.csv", null_values="NA")
    letter = pl.col("state").replace_strict({1: "A", 2: "E", 3: "R", 4: "m"})
    words = visits.sort("PTNUM", "years").group_by("PTNUM", maintain_order=True).agg(letter)
    longest = int(words["state"].list.len().max())  # type: ignore[arg-type]
    word = pl.col("state").list.join("").str.pad_end(longest, "_")
    people = words.select(word=word, pathway=pl.lit("all"))
    made = transitions(people, longest).filter(stratum_by="all")
    agree(move_figures(made, "AERm", answers("msm_cav")["statetable"]))


@pytest.fixture(scope="module")
def weeks(shared_data: Path) -> pl.DataFrame:
    """Urine of the START trial by week, as words: R positive, A negative, m missing."""
    folder = shared_data / "ctn0027"
    patterns, arms, projects = (
        pl.read_csv(folder / f"{name}.csv.gz", null_values="NA")
        for name in ("derived_weeklyOpioidPattern", "randomization", "everybody")
    )
    word = pl.col("Phase_1").fill_null("")
    for theirs, ours in {"+": "R", "*": "R", "-": "A", "o": "m"}.items():
        word = word.str.replace_all(theirs, ours, literal=True)
    return (
        patterns.join(arms.filter(which=1), on="who")
        .join(projects.filter(project=27), on="who")
        .filter(pl.col("treatment").is_in(list(ARMS)))
        .select("who", word=word.str.slice(0, WEEKS).str.pad_end(WEEKS, "_"), pathway="treatment")
        .with_columns(pl.col("pathway").replace(ARMS))
    )


@pytest.mark.parametrize("arm", list(ARMS))
def test_weekly_moves_of_the_start_trial(
    weeks: pl.DataFrame, answers: Any, agree: Any, arm: str
) -> None:
    key = answers("ctn0027")["weekly_uds_transitions"][arm]
    made = transitions(weeks, WEEKS).filter(stratum_by="pathway", stratum=ARMS[arm])
    agree(move_figures(made, "RAm", key["counts"]))


@pytest.mark.parametrize("arm", list(ARMS))
def test_weekly_states_of_the_start_trial(
    weeks: pl.DataFrame, answers: Any, agree: Any, arm: str
) -> None:
    state = pl.col("letter").replace_strict({v: k for k, v in STATE_LETTER.items()})
    cells = with_strata(weeks).with_columns(letter=pl.col("word").str.split(""))
    cells = cells.explode("letter").with_columns(
        state=state, wave=pl.int_range(pl.len(), dtype=pl.Int32).over("who")
    )
    counted = cells.group_by(pl.exclude("who", "word", "letter")).len("n")
    made = sequence_measure(counted.with_columns(pl.col("n").cast(pl.Int64)), protocol_of(WEEKS))
    rows = made.filter(stratum_by="pathway", stratum=ARMS[arm]).sort("wave")
    for row, week in zip(
        rows.iter_rows(named=True), answers("ctn0027")["weekly_uds_by_arm"][arm], strict=True
    ):
        n = row["n"]
        agree(
            [
                (f"week {week['week']}", n, week["n"]),
                ("positive", n * row["regular"], week["pos"] + week["mixed"]),
                ("negative", n * row["abstinent"], week["neg"]),
                ("missing", n * row["missed"], week["missing"]),
                ("beyond", n * row["not_due"], week["beyond_word"] + week["not_scheduled"]),
            ]
        )
