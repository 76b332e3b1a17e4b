"""received = accepted + quarantined: exactly the bad rows are quarantined, whatever the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline.gate.errors import RefusedFileError
from schemas.forms import form_table

HEADER = "patient_id,sex,birth_year,unit_id,consent,consent_date"
SECRET = "Solveig"
FLAWS: dict[str, dict[int, str]] = {
    "none": {},
    "code": {1: SECRET},
    "number": {2: SECRET},
    "range": {2: "1777"},
    "date": {5: SECRET},
    "calendar": {5: "2014-06-31"},
    "future": {5: "2014-10-02"},
    "missing": {4: ""},
    "identity": {3: f"{SECRET} 150765 00565"},
    "person": {0: f"{SECRET} Nilsen"},
}
rows = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([*FLAWS, "none", "none", "none"])),
    min_size=1,
    max_size=40,
)


@given(rows=rows, block_bytes=st.sampled_from([120, 400, 1 << 20]), is_quoted=st.booleans())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_exactly_the_bad_rows_are_quarantined(
    gate: Callable[..., Any], rows: list[tuple[int, str]], block_bytes: int, is_quoted: bool
) -> None:
    lines = [HEADER]
    for number, flaw in rows:
        cells = [f"P{number}", "male", "1980", "ward_4", "consented", "2014-05-01"]
        for place, cell in FLAWS[flaw].items():
            cells[place] = cell
        lines.append(",".join(f'"{cell}"' if is_quoted and cell else cell for cell in cells))
    judged = gate("patients.csv", "\n".join(lines), block_bytes=block_bytes)

    times = Counter(number for number, flaw in rows if flaw != "person")
    times_bad_id = Counter(flaw for _, flaw in rows if flaw == "person")["person"]
    bad = {
        place
        for place, (number, flaw) in enumerate(rows, start=1)
        if flaw != "none" or times[number] > 1
    }
    assert judged.accepted["row_number"].to_list() == sorted(set(range(1, len(rows) + 1)) - bad)
    assert judged.quarantined["row_number"].to_list() == sorted(bad)
    assert judged.problems["row_number"].n_unique() == judged.quarantined.height
    assert judged.accepted.height + judged.quarantined.height == len(rows)
    no_id = judged.quarantined["patient_id"].null_count()
    assert no_id == times_bad_id
    assert SECRET not in "".join(judged.problems["reason"])
    assert "00565" not in "".join(judged.quarantined["original"])


def test_batches_are_bounded_and_add_up_to_the_same(gate: Callable[..., Any]) -> None:
    lines = [f"P{n},male,1980,ward_4,consented,2014-05-01" for n in range(1, 1001)]
    lines[700] = lines[20]
    text = "\n".join([HEADER, *lines]) + "\n"
    whole, parts = gate("patients.csv", text), gate("patients.csv", text, block_bytes=1000)
    assert (whole.n_batches, parts.n_batches) == (1, 44)
    assert parts.rules == [(21, None, "duplicate_key"), (701, None, "duplicate_key")]
    for name in ("accepted", "quarantined", "problems"):
        assert getattr(whole, name).equals(getattr(parts, name))


def test_accepted_rows_are_typed_as_the_form_says(gate: Callable[..., Any], lar_x: Any) -> None:
    text = "patient_id,interview_date,status,heroin_days\nP1,2014-05-01,completed,3\n"
    for content in (text, text + "P2,2014-05-01,completed,thirty\n"):
        accepted = gate("interviews.csv", content).accepted
        table = form_table("interviews", lar_x)
        assert dict(accepted.schema) == {"row_number": pl.Int64(), **table.dtypes}
        assert accepted.select("heroin_days", "cannabis_days", "hscl10_1").row(0) == (3, None, None)


def test_a_quarantined_row_keeps_its_other_cells_as_delivered(gate: Callable[..., Any]) -> None:
    judged = gate("patients.csv", f"{HEADER}\nP1,mann,1980,Østre «4»,consented,\n")
    assert judged.quarantined["original"].to_list() == [
        (
            '{"sex":"mann","birth_year":"1980","unit_id":"Østre «4»","consent":"consented",'
            '"consent_date":null}'
        )
    ]
    assert judged.problems.rows() == [
        (1, "sex", "unknown_code", "not among the codes of this column")
    ]


def test_rows_of_an_empty_file_that_the_manifest_counts(gate: Callable[..., Any]) -> None:
    judged = gate("patients.csv", HEADER + "\n", rows={"patients": 0})
    assert (judged.accepted.height, judged.quarantined.height) == (0, 0)


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, gate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry_pipeline.gate import gate as module

    original = module.repeated_rows

    def then_shorten(*arguments: Any) -> Any:
        result = original(*arguments)
        staged = tmp_path / "staged"
        staged.write_bytes(staged.read_bytes()[:-40])
        return result

    monkeypatch.setattr(module, "repeated_rows", then_shorten)
    lines = [f"P{n},male,1980,ward_4,consented,2014-05-01" for n in range(1, 9)]
    with pytest.raises(RefusedFileError):
        gate("patients.csv", "\n".join([HEADER, *lines]) + "\n")
