"""A file judged at one look is judged as at two, or a second look is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import polars.testing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline.gate.errors import RefusedFileError, RepeatedKeysError
from registry_pipeline.gate.judge import FormJudge
from registry_pipeline.gate.structure import CsvFile

HEADER = "patient_id,interview_date,status,coping_score"
cells = st.tuples(
    st.sampled_from(["P1", " P1", "P2", "P3", "P4", "no id!", ""]),
    st.sampled_from(["2014-06-01", "2014-06-02", "2014-06-03", "2014-06-31", ""]),
    st.sampled_from(["completed", "partial", "asleep"]),
    st.sampled_from(["7", "12", "ca. 3", ""]),
)
rows = st.lists(cells, min_size=1, max_size=25)


def text(rows: list[tuple[str, ...]]) -> str:
    return "\n".join([HEADER, *(",".join(row) for row in rows)]) + "\n"


@given(rows=rows, block_bytes=st.sampled_from([150, 1 << 20]))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_same_as_at_two_looks(
    gate: Callable[..., Any], rows: list[tuple[str, ...]], block_bytes: int
) -> None:
    told = {"block_bytes": block_bytes, "rows": {"interviews": len(rows)}}
    keys = Counter((person.strip(), date) for person, date, *_ in rows)
    try:
        once = gate("interviews.csv", text(rows), at_one_look=True, **told)
    except RepeatedKeysError:
        assert max(keys.values()) > 1 or any(
            not (p and d) or "31" in d or "!" in p for p, d in keys
        )
        return
    twice = gate("interviews.csv", text(rows), **told)
    for part in ("accepted", "quarantined", "problems", "warnings"):
        polars.testing.assert_frame_equal(getattr(once, part), getattr(twice, part))


def test_a_key_that_stands_twice_asks_for_a_second_look(gate: Callable[..., Any]) -> None:
    row = ("P1", "2014-06-01", "completed", "7")
    other = (" P1", "2014-06-01", "missed", "")
    with pytest.raises(RepeatedKeysError):
        gate("interviews.csv", text([row, other]), at_one_look=True, rows={"interviews": 2})


@pytest.mark.parametrize("at_one_look", [True, False])
def test_a_fault_of_the_last_row_is_found_before_a_row_is_judged(
    gate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, at_one_look: bool
) -> None:
    monkeypatch.setattr(FormJudge, "judge", lambda *_: pytest.fail("a row was judged"))
    good = [(f"P{n}", "2014-06-01", "completed", "7") for n in range(50)]
    content = text([*good, ("P50", "2014-06-01", "completed")])
    walked = patch.object(
        CsvFile, "_proved_blocks", autospec=True, side_effect=CsvFile._proved_blocks
    )
    with walked as walks, pytest.raises(RefusedFileError, match="ragged_row"):
        gate("interviews.csv", content, at_one_look=at_one_look, block_bytes=150)
    assert walks.call_count == 1


@pytest.mark.parametrize("n_bad", [0, 3])
def test_a_wrong_count_is_named_before_the_share_of_bad_rows(
    gate: Callable[..., Any], lar_x: Any, n_bad: int
) -> None:
    strict = lar_x.model_copy(update={"max_quarantine_share": 0.1})
    good = [(f"P{n}", "2014-06-01", "completed", "7") for n in range(5)]
    bad = [(f"Q{n}", "2014-06-01", "asleep", "7") for n in range(n_bad)]
    content = text([*bad, *good])
    for at_one_look in (True, False):
        with pytest.raises(
            RefusedFileError, match=r"where the manifest counts 4 \(control_total\)"
        ):
            gate(
                "interviews.csv",
                content,
                protocol=strict,
                at_one_look=at_one_look,
                rows={"interviews": 4},
            )
