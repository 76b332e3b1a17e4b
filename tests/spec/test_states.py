"""What became of a visit, and the state of use at a wave (domain notes, section 3).

Both in the words of the registry: missing, refused, not asked and not due are four things.
"""

import math
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.transform.substances import substance_rows, use_by_visit
from registry_pipeline.transform.visits import visit_grid, visit_rows
from schemas.codes import VISIT_STATUS
from schemas.protocol import load_shipped

LAR_X = load_shipped("lar_x")

VISIT = """
# Wave 1 of LAR X: due on day 91, its window closes on day 121. Days from the origin; the stay
# is in an OAT pathway unless it says otherwise.
row        died  withdrew  moved  cutoff  stay        status            due
# an interview row decides, whatever else is known
completed  50    50        50     50      -           completed         yes
missed     -     100       -      500     until_50    missed            yes
refused    -     -         -      100     all_along   refused           yes
# death on the day of the interview: it was held; without one the wave is not expected
completed  91    -         -      500     all_along   completed         yes
-          91    -         -      500     all_along   dead              yes
# without a row the first that holds: dead, withdrawn, moved, not due, out of treatment, missed
-          100   100       100    100     until_50    dead              no
-          -     100       100    100     until_50    withdrawn         no
-          -     -         100    100     until_50    moved             no
-          -     -         -      100     until_50    not_due           no
-          -     -         -      500     until_50    out_of_treatment  yes
-          -     -         -      500     all_along   missed            yes
# by the day the window closes: who died on day 121 was never overdue, on day 122 was
-          121   -         -      500     all_along   dead              yes
-          122   -         -      500     all_along   missed            yes
-          -     121       -      500     all_along   withdrawn         yes
-          -     122       -      500     all_along   missed            yes
-          -     -         121    500     all_along   moved             yes
-          -     -         122    500     all_along   missed            yes
# due when the window has closed by the cut-off
-          -     -         -      120     all_along   not_due           no
-          -     -         -      121     all_along   missed            yes
# out of treatment on the due day itself; without any stay nothing is known of treatment
-          -     -         -      500     until_91    out_of_treatment  yes
-          -     -         -      500     until_92    missed            yes
-          -     -         -      500     not_oat     out_of_treatment  yes
-          -     -         -      500     -           missed            yes
"""

STAYS = {"all_along": (-100, None), "not_oat": (-100, None)}

USE = """
days  of  state      days_28
# none, up to a quarter of the days, more
0     28  abstinent  0
1     28  episodic   1
7     28  episodic   7
8     28  regular    8
28    28  regular    28
# a quarter of 30 is 7.5 days, of 90 it is 22.5
0     30  abstinent  0
7     30  episodic   28*7/30
8     30  regular    28*8/30
30    30  regular    28
0     90  abstinent  0
22    90  episodic   28*22/90
23    90  regular    28*23/90
90    90  regular    28
# where the row does not say, the protocol's 28 days
7     -   episodic   7
8     -   regular    8
# the interview was held, and this was not answered
-     28  not_asked  -
"""

GROUP = """
heroin  other_opioid  days  state
# the most of any member
0       0             0     abstinent
0       5             5     episodic
9       5             9     regular
# any use is use, whatever was not answered
-       5             5     episodic
9       -             9     regular
# no use only where every member was answered with none
-       0             -     not_asked
0       -             -     not_asked
-       -             -     not_asked
"""


def cells(table: str) -> list[list[str]]:
    """The lines of a table below its heading, without remarks."""
    lines = [line for line in table.strip().splitlines() if not line.startswith("#")]
    return [line.split() for line in lines[1:]]


def number(cell: str) -> int | None:
    return None if cell == "-" else int(cell)


def arithmetic(cell: str) -> float | None:
    """`28*7/30` as a number."""
    if cell == "-":
        return None
    factors, _, divisor = cell.partition("/")
    return math.prod(int(factor) for factor in factors.split("*")) / int(divisor or 1)


def frame(rows: list[dict[str, Any]], **dtypes: Any) -> Any:
    return nw.from_native(pl.LazyFrame(rows, schema=dtypes))


@pytest.mark.parametrize("line", cells(VISIT), ids=" ".join)
def test_visit_status(line: list[str]) -> None:
    row, died, withdrew, moved, cutoff, stay, status, due = line
    day = pl.Int32
    people = frame(
        [
            {
                "person": 0,
                "patient_id": "anna",
                "enrolled": True,
                "origin_epoch": 16_000,
                "interview_cutoff_day": int(cutoff),
                "death_day": number(died),
                "withdrawn_day": number(withdrew),
                "moved_day": number(moved),
            }
        ],
        person=pl.Int64, patient_id=pl.String, enrolled=pl.Boolean, origin_epoch=day,
        interview_cutoff_day=day, death_day=day, withdrawn_day=day, moved_day=day,
    )  # fmt: skip
    interviews = frame(
        [] if row == "-" else [{"person": 0, "wave": 1, "interview_day": 91, "status": row}],
        person=pl.Int64, wave=day, interview_day=day, status=pl.String, interview_date=pl.Date,
        days_from_nominal=day, visit_window=pl.String, delivery=pl.String, row_number=pl.Int64,
    )  # fmt: skip
    first, last = STAYS.get(stay, (-100, stay.removeprefix("until_")))
    covered = frame(
        []
        if stay == "-"
        else [
            {
                "person": 0,
                "rank": 0,
                "is_treatment": int(stay != "not_oat"),
                "from_epoch": 16_000 + first,
                "until_epoch": None if last is None else 16_000 + int(last),
            }
        ],
        person=pl.Int64, rank=day, is_treatment=day, from_epoch=day, until_epoch=day,
    )  # fmt: skip
    grid = visit_grid(people, interviews, LAR_X.waves)
    visits = visit_rows(grid, covered, LAR_X).collect("polars").to_native()
    assert visits["wave"].sort().to_list() == list(range(9))
    (visit,) = visits.filter(wave=1).to_dicts()
    assert (visit["status"], visit["is_due"]) == (status, due == "yes")


def use(answers: dict[str, int | None], *, recall: int | None, status: str) -> pl.DataFrame:
    """The rows of core.substance_use of one visit."""
    visits = frame(
        [{"patient_id": "anna", "wave": 2, "status": status, "delivery": "x", "row_number": 1}],
        patient_id=pl.String, wave=pl.Int32, status=pl.String, delivery=pl.String,
        row_number=pl.Int64,
    )  # fmt: skip
    days = dict.fromkeys(LAR_X.substance_columns, pl.Int32)
    given = {f"{substance}_days": value for substance, value in answers.items()}
    interviews = frame(
        [{"delivery": "x", "row_number": 1, "recall_days": recall} | given],
        delivery=pl.String, row_number=pl.Int64, recall_days=pl.Int32, **days,
    )  # fmt: skip
    uses = use_by_visit(visits, interviews, LAR_X)
    rows: pl.DataFrame = substance_rows(uses, LAR_X).collect("polars").to_native()
    return rows


@pytest.mark.parametrize("line", cells(USE), ids=" ".join)
def test_state_of_use(line: list[str]) -> None:
    days, recall, state, days_28 = line
    rows = use({"heroin": number(days)}, recall=number(recall), status="completed")
    (row,) = rows.filter(substance="heroin").to_dicts()
    assert (row["days"], row["recall_days"]) == (number(days), number(recall) or 28)
    assert row["state"] == state
    assert row["days_28"] == arithmetic(days_28)
    assert row["use_share"] == (None if days == "-" else int(days) / (number(recall) or 28))


@pytest.mark.parametrize("line", cells(GROUP), ids=" ".join)
def test_state_of_a_group(line: list[str]) -> None:
    heroin, other_opioid, days, state = line
    answers = {"heroin": number(heroin), "other_opioid": number(other_opioid)}
    rows = use(answers, recall=28, status="partial")
    (row,) = rows.filter(substance="any_opioid").to_dicts()
    assert (row["is_group"], row["days"], row["state"]) == (True, number(days), state)


@pytest.mark.parametrize("status", sorted({*VISIT_STATUS.codes} - {"completed", "partial"}))
def test_without_an_interview_the_state_says_why(status: str) -> None:
    rows = use({"heroin": 5}, recall=28, status=status)
    assert rows["state"].unique().to_list() == [status]
    numbers = rows.select("days", "recall_days", "use_share", "days_28")
    assert numbers.null_count().row(0) == (rows.height,) * 4


def test_one_row_per_substance_and_group() -> None:
    rows = use({"heroin": 5}, recall=28, status="completed")
    substances = [item.code for item in LAR_X.substances]
    groups = [group.code for group in LAR_X.groups]
    assert sorted(rows.filter(~pl.col("is_group"))["substance"]) == sorted(substances)
    assert sorted(rows.filter("is_group")["substance"]) == sorted(groups)
