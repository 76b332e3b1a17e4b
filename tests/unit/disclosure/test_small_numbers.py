"""The rules on small numbers, as small tables: 5 for counts, 10 for percentages.

A cell in brackets in a comment is hidden.
"""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_pipeline.disclosure.small_numbers import (
    HIDDEN,
    curve_hidden,
    is_small,
    parts_together,
    percentage_hidden,
    share_hidden,
    with_company,
    with_parts_hidden,
    with_parts_hidden_along,
    with_tells_of_few,
    without,
)
from schemas.protocol import Disclosure

RULE = Disclosure()


def judged(expression: pl.Expr, **cell: int | None) -> bool | None:
    frame = pl.DataFrame({name: [value] for name, value in cell.items()})
    answer: bool | None = frame.select(expression).item()
    return answer


@pytest.mark.parametrize(
    ("count", "small"), [(0, False), (1, True), (4, True), (5, False), (None, None)]
)
def test_a_count_is_small_from_1_to_4(count: int | None, small: bool | None) -> None:
    frame = pl.DataFrame({"n": [count]}, schema={"n": pl.Int64})
    assert frame.select(is_small(pl.col("n"), RULE)).item() is small


@pytest.mark.parametrize(
    ("numerator", "denominator", "hidden"),
    [
        (20, 30, False),
        (4, 30, True),  # the numerator is small
        (26, 30, True),  # the complement is: 30 - 26 = 4
        (25, 30, False),  # 30 - 25 = 5
        (0, 30, False),  # nobody of enough
        (30, 30, False),  # everybody of enough
        (0, 4, True),  # nobody of a small group is news of each of them
        (4, 4, True),
        (0, 0, False),  # nobody there: not computable, nothing to hide
    ],
)
def test_numerator_complement_and_denominator_of_a_share(
    numerator: int, denominator: int, hidden: bool
) -> None:
    rule = share_hidden(pl.col("numerator"), pl.col("denominator"), RULE)
    assert judged(rule, numerator=numerator, denominator=denominator) is hidden


@pytest.mark.parametrize(("denominator", "hidden"), [(0, False), (1, True), (9, True), (10, False)])
def test_no_percentage_of_fewer_than_10(denominator: int, hidden: bool) -> None:
    assert judged(percentage_hidden(pl.col("n"), RULE), n=denominator) is hidden


@pytest.mark.parametrize(
    ("events", "at_risk", "observed", "hidden"),
    [
        (0, 70, 70, False),
        (4, 66, 70, True),  # 1 to 4 events so far
        (5, 65, 70, False),
        (20, 4, 70, True),  # fewer than 5 at risk
        (20, 5, 70, False),
        (0, 67, 70, True),  # 70 - 67 = 3 censored, and nobody left
        (0, 65, 70, False),  # 5 censored
        (6, 3, 9, True),  # a curve of 9 people is no curve
    ],
)
def test_points_of_a_curve(events: int, at_risk: int, observed: int, hidden: bool) -> None:
    rule = curve_hidden(pl.col("events"), pl.col("at_risk"), pl.col("observed"), RULE)
    assert judged(rule, events=events, at_risk=at_risk, observed=observed) is hidden


def test_a_point_nobody_was_observed_at_is_hidden() -> None:
    frame = pl.DataFrame({"n": [None]}, schema={"n": pl.Int64})
    assert frame.select(curve_hidden(pl.col("n"), pl.col("n"), pl.col("n"), RULE)).item() is True


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ([62, 6, 5], [62, 6, 5]),
        ([62, 6, 2], [62, None, None]),  # 70 - 62 - 6 = 2: the 6 goes with the 2
        ([68, 2], [None, None]),  # the complement of 2
        ([65, 1, 1, 3], [65, None, None, None]),  # 1 + 1 + 3 = 5, together no small number
        ([40, 20, 1, 1], [40, None, None, None]),  # 1 + 1 = 2 is small itself: the 20 goes too
        ([10, 9, 3, 0], [10, None, None, 0]),  # a zero protects nobody, so it stays
        ([30, 0, 0], [30, 0, 0]),
        ([1, 1, 1, 1, 1], [None] * 5),  # five cells of 5 people: all ones
        ([3, 0, 0], [None, None, None]),  # the whole is small
    ],
)
def test_parts_of_a_whole(parts: list[int], shown: list[int | None]) -> None:
    frame = pl.DataFrame({"whole": ["x"] * len(parts), "n": parts})
    marked = with_parts_hidden(frame, ["whole"], "n", RULE)
    assert without(marked, pl.col(HIDDEN), ["n"])["n"].to_list() == shown


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8))
def test_subtraction_never_gives_a_small_part_back(parts: list[int]) -> None:
    frame = pl.DataFrame({"whole": ["x"] * len(parts), "n": parts})
    marked = with_parts_hidden(frame, ["whole"], "n", RULE)
    shown = marked.filter(~pl.col(HIDDEN))["n"]
    hidden = marked.filter(HIDDEN)["n"]
    assert not any(0 < n < 5 for n in shown)
    assert hidden.is_empty() or shown.is_empty() or (len(hidden) > 1 and hidden.sum() >= 5)


def test_each_whole_is_judged_on_its_own() -> None:
    frame = pl.DataFrame({"whole": ["a", "b", "a", "b"], "n": [2, 20, 30, 30]})
    marked = with_parts_hidden(frame, ["whole"], "n", RULE)
    assert marked["whole"].to_list() == ["a", "b", "a", "b"]
    assert marked[HIDDEN].to_list() == [True, False, True, False]


def test_company_is_the_next_smallest_that_anyone_is_in() -> None:
    frame = pl.DataFrame(
        {"g": ["x"] * 4, "n": [12, 0, 7, 28], "small": [False, False, False, True]}
    )
    marked = with_company(frame, ["g"], "n", pl.col("small"), RULE)
    assert marked[HIDDEN].to_list() == [False, False, True, True]


def test_company_is_not_alone_in_its_column() -> None:
    frame = pl.DataFrame(
        {
            "line": [0] * 3 + [1] * 3,
            "column": [0, 1, 2] * 2,
            "n": [3, 8, 40, 30, 20, 10],
        }
    )
    marked = with_parts_hidden_along(frame, (["line"], ["column"]), "n", RULE)
    # (3) (8) 40
    # (30) (20) 10: each of the two would follow from its column
    assert marked[HIDDEN].to_list() == [True, True, False, True, True, False]


@pytest.mark.parametrize(("later", "tells"), [(17, True), (18, True), (19, False), (25, False)])
def test_a_count_tells_of_few_where_hardly_anybody_left_since(later: int, *, tells: bool) -> None:
    left = {"women": (4, 5), "men": (12, later - 5)}
    frame = pl.DataFrame(
        {
            "sex": [sex for sex in left for _ in range(2)],
            "day": [600, 700] * 2,
            "n": [n for counts in left.values() for n in counts],
        }
    )
    marked = with_tells_of_few(frame, ["sex"], ["day"], "n", RULE)
    assert marked["tells"].to_list() == [False, tells, False, False]


def test_hidden_parts_are_put_together_as_one() -> None:
    fates = ["seen", "missed", "refused", "out"]
    frame = pl.DataFrame({"wave": [0] * 4 + [1] * 4 + [2] * 4, "fate": fates * 3}).with_columns(
        n=pl.Series([62, 6, 2, 0, 40, 20, 10, 0, 3, 1, 0, 0])
    )
    together = parts_together(frame, ["wave"], "fate", "n", "too few", rule=RULE)
    assert together.select("wave", "fate", "n", "whole").rows() == [
        (0, "seen", 62, 70),
        (0, "too few", 6 + 2, 70),
        (1, "seen", 40, 70),
        (1, "missed", 20, 70),
        (1, "refused", 10, 70),
    ]  # wave 2 is a whole of 4 people


def test_the_thresholds_come_from_the_protocol() -> None:
    strict = Disclosure(min_count=10, min_percentage_denominator=30)
    assert judged(is_small(pl.col("n"), strict), n=9)
    assert judged(percentage_hidden(pl.col("n"), strict), n=29)
