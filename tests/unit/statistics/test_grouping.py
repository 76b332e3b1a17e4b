"""Groups by number: sums, order and nulls are those of grouping by the columns."""

import numpy as np
import polars as pl
import pytest

from registry_pipeline.statistics import grouping
from registry_pipeline.statistics.grouping import places, sums

BY = ["text", "day", "flag", "score"]
COLUMNS = {
    "text": ["b", "a", None, "b", "a", "b"],
    "day": [3, -2, 0, 3, None, 3],
    "flag": [True, False, None, True, False, False],
    "score": [2.5, 0.5, 2.5, 2.5, None, -1.0],
    "n": [1, 2, 3, 4, 5, 6],
    "part": [0.5, None, 1.0, 2.0, 3.0, 4.0],
}


@pytest.mark.parametrize("dense", [grouping.DENSE, 1])
def test_sums_are_those_of_grouping_by_the_columns(monkeypatch, dense):
    monkeypatch.setattr(grouping, "DENSE", dense)
    frame = pl.DataFrame(COLUMNS)
    of = places(frame, BY)
    found, summed = sums(of.of_row, frame.select("n", "part"))
    expected = frame.group_by(BY).agg(pl.col("n", "part").sum()).sort(BY, nulls_last=True)
    assert found.tolist() == list(range(expected.height))
    assert pl.concat([of.keys, summed], how="horizontal").equals(expected)


def test_categories_keep_their_own_order_and_rows_find_their_combination():
    frame = pl.DataFrame(
        {"size": ["small", "large", "small"]}, schema={"size": pl.Enum(["small", "large"])}
    )
    of = places(frame, ["size"])
    assert of.keys["size"].to_list() == ["small", "large"]
    assert of.of_row.tolist() == [0, 1, 0]


def test_no_rows_have_no_groups_and_no_columns_one():
    empty = pl.DataFrame(COLUMNS).clear()
    of = places(empty, BY)
    assert of.keys.schema == empty.select(BY).schema
    found, summed = sums(of.of_row, empty.select("n"))
    assert found.size == 0
    assert summed.schema == {"n": pl.Int64}
    assert places(pl.DataFrame(COLUMNS), []).keys.height == 1


def test_more_combinations_than_numbers_are_refused():
    far = pl.DataFrame({f"c{i}": np.array([0, 1 << 20]) for i in range(4)})
    with pytest.raises(OverflowError):
        places(far, far.columns)
