"""Visit windows: which wave an interview holds (domain notes, section 3, "Visit windows").

Days are counted from the person's origin. LAR X: nine waves, on time within 14 days of the
nominal day, in the window within 30.
"""

from datetime import date, timedelta
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.transform.visits import with_waves
from schemas.protocol import Waves, load_shipped

LAR_X = load_shipped("lar_x").waves
NOMINAL = (0, 91, 183, 274, 365, 457, 548, 639, 731)
ORIGIN = date(2014, 5, 5)

NEAREST = """
day    wave  from_nominal  window
# days before the first midpoint, 45.5, are wave 0
-40    0     -40           off_window
-1     0     -1            on_time
0      0     0             on_time
14     0     14            on_time
15     0     15            in_window
30     0     30            in_window
31     0     31            off_window
45     0     45            off_window
46     1     -45           off_window
# nominal day 91
60     1     -31           off_window
61     1     -30           in_window
76     1     -15           in_window
77     1     -14           on_time
91     1     0             on_time
105    1     14            on_time
106    1     15            in_window
121    1     30            in_window
122    1     31            off_window
# the midpoint of 91 and 183 is day 137: it goes to the later wave
136    1     45            off_window
137    2     -46           off_window
# midpoints between two days: 228.5, 319.5, 502.5, 593.5
228    2     45            off_window
229    3     -45           off_window
319    3     45            off_window
320    4     -45           off_window
502    5     45            off_window
503    6     -45           off_window
593    6     45            off_window
594    7     -45           off_window
# midpoints on a day: 411 of 365 and 457, 685 of 639 and 731
410    4     45            off_window
411    5     -46           off_window
684    7     45            off_window
685    8     -46           off_window
# the last wave reaches half an interval, 46 days, after its day
731    8     0             on_time
776    8     45            off_window
777    -     -             -
900    -     -             -
"""

SAME_WAVE = """
rows                                      holder
# completed before partial, refused, missed, however far
completed@-14  partial@0                  completed@-14
partial@30     refused@1                  partial@30
refused@-40    missed@0                   refused@-40
missed@5                                  missed@5
missed@0       completed@44               completed@44
# of two alike the closest
completed@10   completed@-9               completed@-9
completed@2    completed@3  completed@-4  completed@2
missed@20      missed@-30                 missed@20
# as close: the earlier
completed@-7   completed@7                completed@-7
"""


def cells(table: str) -> list[list[str]]:
    """The lines of a table below its heading, without remarks."""
    lines = [line for line in table.strip().splitlines() if not line.startswith("#")]
    return [line.split() for line in lines[1:]]


def placed(
    rows: list[dict[str, Any]], waves: Waves = LAR_X, origin: date | None = ORIGIN
) -> list[dict[str, Any]]:
    """The interviews of one person with their waves; a row says its day and status."""
    dtypes = {
        "patient_id": pl.String,
        "interview_date": pl.Date,
        "status": pl.String,
        "planned_wave": pl.Int32,
        "delivery": pl.String,
        "row_number": pl.Int64,
    }
    interviews = [
        {
            "patient_id": "anna",
            "interview_date": ORIGIN + timedelta(days=row["day"]),
            "status": row.get("status", "completed"),
            "planned_wave": row.get("planned_wave"),
        }
        for row in rows
    ]
    epoch = None if origin is None else (origin - date(1970, 1, 1)).days
    clock = pl.DataFrame(
        {"patient_id": ["anna"], "person": [0], "origin_epoch": [epoch]},
        schema_overrides={"origin_epoch": pl.Int32},
    )
    frame = with_waves(
        nw.from_native(pl.LazyFrame(interviews, schema=dtypes)), nw.from_native(clock.lazy()), waves
    )
    return frame.collect("polars").to_native().sort("interview_date").to_dicts()


@pytest.mark.parametrize(("day", "wave", "from_nominal", "window"), cells(NEAREST))
def test_nearest_nominal_day(day: str, wave: str, from_nominal: str, window: str) -> None:
    (row,) = placed([{"day": int(day)}])
    got = [row["wave"], row["days_from_nominal"], row["visit_window"]]
    assert got == ([None, None, None] if wave == "-" else [int(wave), int(from_nominal), window])
    assert row["wave_reason"] == ("beyond the last wave" if wave == "-" else None)
    assert row["interview_day"] == int(day)


@pytest.mark.parametrize("line", cells(SAME_WAVE), ids=" ".join)
def test_one_row_holds_a_wave(line: list[str]) -> None:
    """Around nominal day 183, wave 2."""
    *told, holder = line
    given_rows = [row.split("@") for row in told]
    rows = placed([{"day": 183 + int(day), "status": status} for status, day in given_rows])
    holding = [row for row in rows if row["wave"] == 2]
    assert [f"{row['status']}@{row['days_from_nominal']}" for row in holding] == [holder]
    others = [row["wave_reason"] for row in rows if row["wave"] is None]
    assert others == ["another interview holds the wave"] * (len(told) - 1)


def test_without_origin_no_wave() -> None:
    (row,) = placed([{"day": 0}], origin=None)
    assert (row["wave"], row["wave_reason"], row["interview_day"]) == (None, "no origin", None)


def test_planned_wave_is_the_interviewers_own() -> None:
    """CTN-0027: wave k is planned for day 28 x k; the day itself does not decide."""
    waves = load_shipped("ctn0027").waves
    rows = placed(
        [
            {"day": 0, "planned_wave": 0},
            {"day": 50, "planned_wave": 1},
            {"day": 60, "planned_wave": None},
            {"day": 190, "planned_wave": 7},
        ],
        waves,
    )
    assert [row["wave"] for row in rows] == [0, 1, None, None]
    assert [row["days_from_nominal"] for row in rows] == [0, 50 - 28, None, None]
    assert [row["visit_window"] for row in rows] == ["on_time", "off_window", None, None]
    reasons = [None, None, "no planned wave", "beyond the last wave"]
    assert [row["wave_reason"] for row in rows] == reasons


def test_a_single_wave_takes_every_day() -> None:
    once = Waves(interval=1, nominal_days=(0,))
    assert [row["wave"] for row in placed([{"day": 2000}], once)] == [0]
    assert [row["wave"] for row in placed([{"day": -3}, {"day": 2000}], once)] == [0, None]


HELD = st.sampled_from(["completed", "partial", "refused", "missed"])
VISITS = st.dictionaries(st.integers(-200, 1200), HELD, min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(VISITS)
def test_waves_and_interviews_pair_off(visits: dict[int, str]) -> None:
    """Every row is placed or says why not; no wave is held twice; later rows, later waves."""
    rows = placed([{"day": day, "status": status} for day, status in visits.items()])
    assert [row["interview_day"] for row in rows] == sorted(visits)
    held = [row["wave"] for row in rows if row["wave"] is not None]
    assert held == sorted(set(held))
    for row in rows:
        assert (row["wave"] is None) == (row["wave_reason"] is not None)
        if row["wave"] is not None:
            distance = row["interview_day"] - NOMINAL[row["wave"]]
            assert row["days_from_nominal"] == distance
            assert abs(distance) == min(abs(row["interview_day"] - day) for day in NOMINAL)


@settings(max_examples=60, deadline=None)
@given(VISITS)
def test_a_wave_with_any_row_in_reach_is_held(visits: dict[int, str]) -> None:
    reached = {
        max(wave for wave, day in enumerate(NOMINAL) if abs(seen - day) == nearest)
        for seen in visits
        for nearest in [min(abs(seen - day) for day in NOMINAL)]
        if seen < 777
    }
    rows = placed([{"day": day, "status": status} for day, status in visits.items()])
    assert {row["wave"] for row in rows} - {None} == reached
