"""Concordance from counts: pair by pair, leaving one person out, and odd input.

R's answers are in `tests/backtest/test_survival.py`.
"""

from itertools import combinations

import numpy as np
import pytest

from registry_pipeline.statistics.concordance import concordance
from registry_pipeline.statistics.cox import Stays


def stays(hazard, exit_day, is_event, entry_day, people=None):
    n = len(exit_day)
    return Stays(
        terms=np.asarray(hazard, dtype=float).reshape(n, 1),
        which=np.arange(n),
        entry_day=np.asarray(entry_day),
        exit_day=np.asarray(exit_day),
        is_event=np.asarray(is_event, dtype=bool),
        people=np.ones(n, dtype=int) if people is None else np.asarray(people),
    )


def random_people(n=60):
    draw = np.random.default_rng(6)
    hazard = draw.integers(0, 4, n)
    entry = np.where(draw.random(n) < 0.4, draw.integers(1, 8, n), 0)
    return hazard, entry + draw.integers(1, 15, n), draw.random(n) < 0.6, entry


def by_pairs(hazard, day, event, entry):
    """Gains less losses, and the number of pairs of which one leaves while the other stays."""
    gained, pairs = 0, 0
    for i, j in combinations(range(len(day)), 2):
        for a, b in ((i, j), (j, i)):
            stays_on = day[b] > day[a] or (day[b] == day[a] and not event[b])
            if event[a] and stays_on and entry[b] < day[a]:
                gained += np.sign(hazard[a] - hazard[b])
                pairs += 1
    return gained, pairs


def test_is_the_share_of_pairs_in_order():
    people = random_people()
    gained, pairs = by_pairs(*people)
    assert concordance(stays(*people), np.ones(1))[0] == pytest.approx((1 + gained / pairs) / 2)


def test_error_is_the_jackknife_of_the_pairs():
    people = random_people()
    gained, pairs = by_pairs(*people)
    squares = 0.0
    for person in range(60):
        without = by_pairs(*(np.delete(values, person) for values in people))
        own_gain, own_pairs = gained - without[0], pairs - without[1]
        squares += ((own_gain - gained / pairs * own_pairs) / pairs) ** 2
    assert concordance(stays(*people), np.ones(1))[1] == pytest.approx(np.sqrt(squares) / 2)


def test_people_alike_stand_in_one_cell():
    people = random_people(20)
    each = concordance(stays(*(np.tile(values, 3) for values in people)), np.ones(1))
    cells = concordance(stays(*people, people=np.full(20, 3)), np.ones(1))
    assert cells == pytest.approx(each)


def test_the_same_hazard_for_all_tells_nothing():
    _, day, event, entry = random_people()
    assert concordance(stays(np.zeros(60), day, event, entry), np.ones(1)) == pytest.approx(
        (0.5, 0)
    )


@pytest.mark.parametrize("event", [[0, 0, 0], [1, 1, 1]])
def test_nobody_to_compare(event):
    """No event, or all of them on one day."""
    assert concordance(stays([0, 1, 2], [4, 4, 4], event, [0, 0, 0]), np.ones(1)) is None
