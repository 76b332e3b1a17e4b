"""Row shares and entropy: by hand and for odd input."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.statistics.transitions import entropy, row_shares

QUICK = settings(max_examples=40, deadline=None)
MOVES = pl.DataFrame(
    [("A", "A", 30), ("A", "R", 10), ("R", "A", 0), ("R", "R", 0)],
    schema=["from_state", "to_state", "n"],
    orient="row",
).with_columns(wave=pl.lit(1))


def states(*counts):
    return pl.DataFrame({"wave": [0] * len(counts), "state": range(len(counts)), "n": counts})


def test_each_row_shares_out_those_who_were_there():
    got = row_shares(MOVES, ["wave"])
    assert got["n_from"].to_list() == [40, 40, 0, 0]
    assert got["probability"].to_list() == [0.75, 0.25, None, None]
    assert got["reason"].to_list() == [None, None, "not_computable", "not_computable"]


def test_one_table_needs_no_grouping_column():
    assert row_shares(MOVES.drop("wave"), []).equals(row_shares(MOVES, ["wave"]).drop("wave"))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((7, 0, 0), 0), ((5, 5), math.log(2)), ((0, 0), None)],
    ids=["all in one state", "even", "nobody"],
)
def test_entropy_in_nats(counts, expected):
    got = entropy(states(*counts), ["wave"]).row(0, named=True)
    assert got["entropy"] == (expected if expected is None else pytest.approx(expected))
    assert got["ci_low"] is None
    assert got["reason"] == ("not_computable" if expected is None else "no_variation")


def test_the_interval_of_an_entropy_is_that_of_the_multinomial_counts():
    """The gradient of the entropy with the covariance of the shares, person counts 30, 12 and 8."""
    share = np.array([30, 12, 8]) / 50
    gradient = -(np.log(share) + 1)
    variance = gradient @ (np.diag(share) - np.outer(share, share)) @ gradient / 50
    got = entropy(states(30, 12, 8), ["wave"]).row(0, named=True)
    assert (got["ci_high"] - got["ci_low"]) / 2 == pytest.approx(1.959963984540054 * variance**0.5)
    assert got["ci_high"] - got["entropy"] == pytest.approx(got["entropy"] - got["ci_low"])
    assert got["reason"] is None


@QUICK
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8))
def test_entropy_lies_between_one_state_and_an_even_spread(counts):
    got = entropy(states(*counts), ["wave"])["entropy"][0]
    if got is not None:
        assert -1e-12 <= got <= math.log(len(counts)) + 1e-12
