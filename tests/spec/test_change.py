"""Change from baseline, case by case (domain notes, section 3, "Change from baseline").

Each line is one person: days of use out of the days looked back, at baseline and at the wave, and
the verdict by our rule and by the 30 % rule. Every line is run on DuckDB and on Polars.
"""

import math
from collections.abc import Callable
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.derivations.trajectories_use import reliable_thresholds
from registry_pipeline.transform.change import change_from_baseline
from registry_pipeline.transform.engine import Frame
from schemas.protocol import States, load_shipped

CHANGE = """
baseline  wave   change               by_30_percent
# no use at baseline: nothing to improve
0/28      0/28   not_able_to_improve  not_able_to_improve
0/28      1/28   deteriorated         deteriorated
0/90      1/28   deteriorated         deteriorated
# stopped
1/28      0/28   abstinent            abstinent
28/28     0/90   abstinent            abstinent
# at most half of the baseline is less use
8/28      4/28   improved             improved
9/28      4/28   improved             improved
9/28      5/28   unchanged            improved
28/28     14/28  improved             improved
28/28     15/28  unchanged            improved
# 30 % fewer, exactly and not quite
10/28     7/28   unchanged            improved
10/28     8/28   unchanged            unchanged
10/28     10/28  unchanged            unchanged
# 30 % more, exactly and not quite
10/28     12/28  unchanged            unchanged
10/28     13/28  unchanged            deteriorated
# at least one and a half times the baseline, and at least 4 days of 28 more
6/28      9/28   unchanged            deteriorated
8/28      12/28  deteriorated         deteriorated
9/28      13/28  unchanged            deteriorated
1/28      4/28   unchanged            deteriorated
1/28      5/28   deteriorated         deteriorated
18/28     27/28  deteriorated         deteriorated
19/28     28/28  unchanged            deteriorated
# other recall periods: shares are compared, not days
30/90     5/30   improved             improved
30/90     9/28   unchanged            unchanged
15/30     14/28  unchanged            unchanged
20/90     10/30  unchanged            deteriorated
30/90     14/28  deteriorated         deteriorated
30/90     15/30  deteriorated         deteriorated
"""

RELIABLE = """
substance  baseline  wave   reliable
# more than 5 days of 28, in either direction
heroin     10/28     16/28  yes
heroin     10/28     15/28  no
heroin     10/28     4/28   yes
heroin     10/28     5/28   no
heroin     0/28      0/28   no
heroin     45/90     9/28   no
heroin     45/90     8/28   yes
# nobody differed at baseline: there is no measure of what is much
cocaine    10/28     28/28  unknown
"""

MISSING = """
baseline  wave       reason
missed    4/28       baseline_missed
4/28      refused    refused
4/28      not_asked  not_asked
4/28      dead       dead
missed    not_due    not_due
"""


VERDICTS = ("change", "change_30_percent", "reliable")


def lines(table: str) -> list[tuple[str, ...]]:
    rows = [line.split() for line in table.strip().splitlines() if not line.startswith("#")]
    return [tuple(row) for row in rows[1:]]


def answer(wave: int, text: str) -> dict[str, Any]:
    """One row of core.substance_use from `days/recall` or a kind of missing."""
    row: dict[str, Any] = {"cohort": "lar_x", "wave": wave}
    if "/" not in text:
        return row | {"days": None, "recall_days": None, "days_28": None, "state": text}
    days, recall = (int(part) for part in text.split("/"))
    state = "abstinent" if days == 0 else "episodic" if 4 * days <= recall else "regular"
    return row | {
        "days": days,
        "recall_days": recall,
        "days_28": days * 28 / recall,
        "state": state,
    }


@pytest.fixture(params=["duckdb", "polars"])
def engine(request: pytest.FixtureRequest) -> Callable[[pl.DataFrame], Frame]:
    """A frame of the engine from a Polars frame."""
    if request.param == "polars":
        return lambda frame: nw.from_native(frame.lazy())
    connection = duckdb.connect()
    return lambda frame: nw.from_native(connection.from_arrow(frame.to_arrow()))


def changes(
    engine: Callable[[pl.DataFrame], Frame],
    table: list[tuple[str, str, str]],
    thresholds: dict[str, float],
) -> list[dict[str, Any]]:
    """The change of each (substance, baseline, wave), in order; the person is the line's number."""
    types = {"wave": pl.Int32, "days": pl.Int32, "recall_days": pl.Int32, "days_28": pl.Float64}
    rows = [
        {"patient_id": f"{number:03}", "substance": substance} | answer(wave, text)
        for number, (substance, *texts) in enumerate(table)
        for wave, text in enumerate(texts)
    ]
    use = engine(pl.DataFrame(rows, schema_overrides=types))
    found = change_from_baseline(use, States(), thresholds).sort("patient_id")
    return found.collect("polars").to_native().rows(named=True)


def test_change(engine: Callable[[pl.DataFrame], Frame]) -> None:
    table = lines(CHANGE)
    found = changes(engine, [("heroin", *line[:2]) for line in table], {})
    verdicts = [(row["change"], row["change_30_percent"]) for row in found]
    assert verdicts == [tuple(line[2:]) for line in table]


def test_reliable(engine: Callable[[pl.DataFrame], Frame]) -> None:
    table = lines(RELIABLE)
    found = changes(engine, [line[:3] for line in table], {"heroin": 5.0})
    words = {True: "yes", False: "no", None: "unknown"}
    assert [words[row["reliable"]] for row in found] == [line[3] for line in table]
    assert [row["reason"] == "no_variation" for row in found] == [
        line[3] == "unknown" for line in table
    ]


def test_no_verdict_without_both_answers(engine: Callable[[pl.DataFrame], Frame]) -> None:
    table = lines(MISSING)
    found = changes(engine, [("heroin", *line[:2]) for line in table], {"heroin": 5.0})
    assert {row[name] for row in found for name in VERDICTS} == {None}
    assert [row["reason"] for row in found] == [line[2] for line in table]


def test_reliable_threshold_comes_from_the_spread_at_baseline() -> None:
    """Three people with 0, 14 and 28 days of 28: mean 14, SD sqrt((14^2 + 0 + 14^2) / 2) = 14."""
    cells = pl.DataFrame(
        {
            "substance": ["heroin"] * 3 + ["cannabis"] * 2,
            "wave": [0] * 5,
            "value": [0, 1 * 14, 2 * 14, 7, 7],
            "unit": [1.0] * 5,
            "n": [1, 1, 1, 40, 2],
        }
    )
    found = reliable_thresholds(cells, load_shipped("lar_x"))
    assert found == {"heroin": pytest.approx(1.96 * 14 * math.sqrt(2) * math.sqrt(1 - 0.8))}
