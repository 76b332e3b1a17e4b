"""Suppression over units and periods against the attacker, and the attacker against brute force."""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.disclosure.attack import unsafe
from registry_pipeline.disclosure.equations import Equations
from registry_pipeline.disclosure.family import Exposure, Family, Relation, family
from registry_pipeline.disclosure.suppress import (
    ATTACKED,
    OWN_COMPLEMENT,
    OWN_DENOMINATOR,
    OWN_NUMERATOR,
    suppress,
)
from schemas.protocol import Disclosure

RULE = Disclosure()
QUARTERS = [
    (date(2024, month, 1), date(2024, month + 2, 30 if month in {4, 7} else 31))
    for month in (1, 4, 7, 10)
]
YEAR = (date(2024, 1, 1), date(2024, 12, 31))
Table = dict[str, list[tuple[int, int]]]


def made(table: Table, n_quarters: int = 4) -> Family:
    """A family from (fulfilled, denominator) by unit and quarter, with every margin."""
    whole = {
        **table,
        "all": [
            (sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs))
            for pairs in zip(*table.values(), strict=True)
        ],
    }
    cells, fulfilled, denominator = [], [], []
    for unit, pairs in whole.items():
        total = (sum(a for a, _ in pairs), sum(d for _, d in pairs))
        for period, (a, d) in zip([*QUARTERS[:n_quarters], YEAR], [*pairs, total], strict=True):
            cells.append((unit, *period))
            fulfilled.append(a)
            denominator.append(d)
    return family(cells, np.array(fulfilled), np.array(denominator))


def shown(one: Family) -> list[str]:
    """What a reader sees per row: fulfilled/denominator, ?/denominator or ?/?."""
    (verdict,) = suppress([one], RULE)
    words = {
        Exposure.SHOWN: "{a}/{d}",
        Exposure.DENOMINATOR: "?/{d}",
        Exposure.NOTHING: "?/?",
    }
    return [
        words[Exposure(level)].format(a=a, d=d)
        for level, a, d in zip(verdict.exposure, one.fulfilled, one.denominator, strict=True)
    ]


def test_units_add_up_to_all_and_quarters_to_the_year() -> None:
    one = made({"north": [(6, 12)] * 4, "south": [(7, 20)] * 4})
    assert {relation.words for relation in one.relations} == {
        "units add up to all units",
        "quarters add up to the year",
    }
    assert len(one.relations) == 5 + 3  # five periods; three units and all of them
    assert one.nested == ()


def test_a_state_at_the_end_of_the_year_is_its_last_quarter() -> None:
    cells = [(unit, *period) for unit in ("north", "all") for period in (*QUARTERS, YEAR)]
    counts = np.array([3, 4, 5, 6, 6] * 2)
    one = family(cells, counts, 2 * counts)
    assert {relation.words for relation in one.relations} == {
        "units add up to all units",
        "the year is its last quarter",
    }


def test_a_state_of_the_year_nests_where_people_stand_in_several_quarters() -> None:
    cells = [(unit, *period) for unit in ("north", "all") for period in (*QUARTERS, YEAR)]
    denominator = np.array([8, 9, 7, 8, 12] * 2)
    one = family(cells, denominator - 3, denominator)
    assert len(one.nested) == 2
    assert all("quarters" not in relation.words for relation in one.relations)


@pytest.mark.parametrize(
    ("north", "south", "east", "expected"),
    [
        # nothing is small
        ((6, 12), (7, 20), (9, 18), ["6/12", "7/20", "9/18", "22/50"]),
        # 3 of 12: the next smallest numerator goes with it, or the total gives it back
        ((3, 12), (7, 20), (9, 18), ["?/12", "7/20", "?/18", "19/50"]),
        # 2 of 4: nothing of the unit is shown, and of the next smallest nothing either
        ((2, 4), (7, 20), (9, 18), ["?/?", "7/20", "?/?", "18/42"]),
        # 10 of 12: the complement is small
        ((10, 12), (7, 20), (9, 18), ["?/12", "7/20", "?/18", "26/50"]),
        # nobody: shown, unless it is needed to protect another
        ((0, 12), (7, 20), (9, 18), ["0/12", "7/20", "9/18", "16/50"]),
    ],
)
def test_one_period(
    north: tuple[int, int], south: tuple[int, int], east: tuple[int, int], expected: list[str]
) -> None:
    one = made({"north": [north], "south": [south], "east": [east]}, 1)
    by_unit = shown(one)
    quarter, year = by_unit[::2], by_unit[1::2]
    assert quarter == expected
    assert year == expected  # one quarter is the year: what it hides, the year hides


def test_a_neighbouring_quarter_does_not_give_a_hidden_one_back() -> None:
    one = made({"north": [(3, 12), (8, 16), (9, 18), (7, 20)]})
    hidden = [text.startswith("?") for text in shown(one)[:5]]
    assert hidden[0]
    assert sum(hidden) >= 2


def test_the_example_of_the_page() -> None:
    """docs/disclosure.md: 6 of 12, 3 of 30, 9 of 18, 2 of 4 and 20 of 64 in all."""
    fulfilled, denominator = np.array([6, 3, 9, 2, 20]), np.array([12, 30, 18, 4, 64])
    one = Family(fulfilled, denominator - fulfilled, (Relation(4, (0, 1, 2, 3), "units"),))
    assert shown(one) == ["?/?", "?/30", "9/18", "?/?", "20/64"]


def test_primary_suppression_alone_is_worked_out() -> None:
    one = made({"north": [(3, 12)], "south": [(7, 20)], "east": [(9, 18)]}, 1)
    exposure = np.where(one.fulfilled < 5, int(Exposure.DENOMINATOR), int(Exposure.SHOWN))
    assert unsafe([one], [exposure], RULE) == [{0, 1}]  # the quarter and the year of north


def test_a_small_count_that_is_shown_is_found() -> None:
    one = made({"north": [(3, 12)], "south": [(7, 20)]}, 1)
    assert unsafe([one], [np.zeros(6, dtype=np.int64)], RULE) == [{0, 1}]


@pytest.mark.parametrize(
    ("north", "south", "expected"),
    [
        # 5 and 5 in all: each unit's counts lie in 0 to 5, which tells nothing of 2 and 3
        ((2, 3), (3, 7), set()),
        # 2 and 8 in all: the fulfilled of each lie in 0 to 2, a range narrower than that of 1 to 4
        ((1, 6), (1, 4), {0, 1}),
        # 2 and 8 in all; in the south nobody is fulfilled, which is no small count
        ((2, 7), (0, 3), {0}),
    ],
)
def test_nothing_shown_of_two_units(
    north: tuple[int, int], south: tuple[int, int], expected: set[int]
) -> None:
    fulfilled, denominator = (np.array([a, b, a + b]) for a, b in zip(north, south, strict=True))
    one = Family(fulfilled, denominator - fulfilled, (Relation(2, (0, 1), "units"),))
    exposure = np.array([Exposure.NOTHING, Exposure.NOTHING, Exposure.SHOWN])
    assert unsafe([one], [exposure], RULE)[0] - {2} == expected


def test_quarters_that_lie_in_a_year_bound_each_other() -> None:
    """Of 9, 8 and a hidden quarter the year's 10 people can say no more than 0 to 10."""
    fulfilled, others = np.array([5, 5, 2, 5]), np.array([4, 3, 1, 5])
    year = (Relation(3, (0, 1, 2), "quarters lie in the year"),)
    one = Family(fulfilled, others, (), year)
    exposure = np.array([0, 0, int(Exposure.NOTHING), 0])
    assert 2 not in unsafe([one], [exposure], RULE)[0]
    narrow = Family(np.array([1, 0, 1]), np.array([0, 1, 1]), (), (Relation(2, (0, 1), "year"),))
    assert unsafe([narrow], [np.array([2, 0, 0])], RULE)[0] == {0, 1, 2}  # 1 or 2 of 2


def test_counts_that_fit_nothing_are_an_error() -> None:
    one = Family(np.array([3, 9, 30]), np.array([9, 9, 18]), (Relation(2, (0, 1), "sum"),))
    with pytest.raises(ValueError, match="contradict each other"):
        unsafe([one], [np.array([1, 0, 0])], RULE)


def test_a_denominator_hidden_in_one_measure_is_hidden_in_all_that_share_it() -> None:
    measures = [
        made({unit: [pair] for unit, pair in zip("abc", pairs, strict=True)}, 1)
        for pairs in (
            [(2, 4), (7, 20), (9, 18)],
            [(4, 4), (20, 20), (18, 18)],
            [(0, 4), (3, 20), (11, 18)],
        )
    ]
    nothing = [verdict.exposure == Exposure.NOTHING for verdict in suppress(measures, RULE)]
    assert all((one == nothing[0]).all() for one in nothing)


def test_what_is_not_published_still_needs_its_denominator_guarded() -> None:
    one = made({"north": [(3, 12)], "south": [(7, 20)], "east": [(9, 18)]}, 1)
    kept = np.array([True, True, False, False, False, False, False, False])
    (verdict,) = suppress([one], RULE, [kept])
    assert (verdict.exposure[:2] == Exposure.DENOMINATOR).all()
    assert unsafe([one], [verdict.exposure], RULE) == [set()]


def test_the_log_says_what_is_small_or_which_sum_would_give_it_back() -> None:
    one = made({"north": [(3, 12), (9, 12), (2, 3), (6, 11)], "south": [(12, 30)] * 4})
    (verdict,) = suppress([one], RULE)
    assert (verdict.why[0], verdict.why[1], verdict.why[2]) == (
        OWN_NUMERATOR,
        OWN_COMPLEMENT,
        OWN_DENOMINATOR,
    )
    words = {relation.words for relation in one.relations} | {ATTACKED}
    hidden = verdict.exposure > Exposure.SHOWN
    assert {why for why, is_hidden in zip(verdict.why, hidden, strict=True) if is_hidden} <= {
        OWN_NUMERATOR, OWN_COMPLEMENT, OWN_DENOMINATOR, *words
    }  # fmt: skip
    assert not any(why for why, is_hidden in zip(verdict.why, hidden, strict=True) if not is_hidden)


cells = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair)))
tables = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.lists(cells, min_size=4, max_size=4), min_size=n, max_size=n)
)


@settings(deadline=None, max_examples=40)
@given(tables)
def test_nothing_is_ever_worked_out(units: list[list[tuple[int, int]]]) -> None:
    one = made({f"unit_{number}": pairs for number, pairs in enumerate(units)})
    (verdict,) = suppress([one], RULE)
    assert unsafe([one], [verdict.exposure], RULE) == [set()]
    small = (one.denominator > 0) & (one.denominator < RULE.min_count)
    assert (verdict.exposure[small] == Exposure.NOTHING).all()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(cells.filter(lambda cell: cell[1] <= 8), min_size=2, max_size=3),
    st.data(),
)
def test_the_attacker_is_as_good_as_trying_everything(
    pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Units of one period with a known total: every way the hidden counts may be, one by one."""
    fulfilled = np.array([*(a for a, _ in pairs), sum(a for a, _ in pairs)])
    denominator = np.array([*(d for _, d in pairs), sum(d for _, d in pairs)])
    total = len(pairs)
    one = Family(fulfilled, denominator - fulfilled, (Relation(total, tuple(range(total)), "sum"),))
    hidden = [data.draw(st.sampled_from([0, 1])) for _ in pairs]
    exposure = np.array([*hidden, 0])
    free = [row for row, is_hidden in enumerate(hidden) if is_hidden]
    fits = [
        guess
        for guess in product(*(range(denominator[row] + 1) for row in free))
        if sum(guess) == sum(fulfilled[row] for row in free)
    ]
    expected = set()
    for row in range(total + 1):
        counts = (fulfilled[row], denominator[row] - fulfilled[row])
        if not any(0 < count < RULE.min_count for count in (*counts, denominator[row])):
            continue
        values = {guess[free.index(row)] for guess in fits} if row in free else {fulfilled[row]}
        told = 0 < denominator[row] < RULE.min_count
        if told or max(values) - min(values) < RULE.min_count - 2:
            expected.add(row)
    assert unsafe([one], [exposure], RULE) == [expected]


@settings(deadline=None, max_examples=40)
@given(tables, st.data())
def test_hiding_more_makes_nothing_unsafe_that_was_safe(
    units: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    one = made({f"unit_{number}": pairs for number, pairs in enumerate(units)})
    drawn = st.lists(
        st.sampled_from(list(Exposure)),
        min_size=len(one.fulfilled),
        max_size=len(one.fulfilled),
    )
    before = np.array(data.draw(drawn))
    after = np.maximum(before, data.draw(drawn))
    (was,), (now,) = (unsafe([one], [exposure], RULE) for exposure in (before, after))
    assert now <= was
    assert unsafe([one], [after], RULE, [was]) == [now]


def test_many_units_take_few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cleared together, or was safe before, is not asked for one by one."""
    solved = 0
    solve = Equations._solve

    def counting(*given: Any) -> Any:
        nonlocal solved
        solved += 1
        return solve(*given)

    monkeypatch.setattr(Equations, "_solve", counting)
    drawn = np.random.default_rng(1).integers(0, 12, size=(10, 40, 4, 2)).cumsum(axis=3)
    measures = [
        made({f"unit_{n}": [tuple(pair) for pair in unit] for n, unit in enumerate(units)})
        for units in drawn
    ]
    hidden = [verdict.exposure > Exposure.SHOWN for verdict in suppress(measures, RULE)]
    assert 0 < 5 * solved < sum(int(rows.sum()) for rows in hidden)
