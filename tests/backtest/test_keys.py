"""The account of the keyed figures: what is left out has a reason, and nothing is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backtest.keys import ABSENT, LEFT_OUT, WHERE, close, faults, figures, read

pytestmark = pytest.mark.backtest


def matched(pattern: str, folder: Path) -> set[str]:
    there = figures(folder)
    return there - {fault.split(":")[0] for fault in faults(there, set(), [pattern])}


@pytest.mark.parametrize("pattern", [*LEFT_OUT, *ABSENT])
def test_each_left_out_figure_is_there_with_its_reason(pattern: str, shared_data: Path) -> None:
    assert matched(pattern, shared_data / "expected")
    assert (LEFT_OUT | ABSENT)[pattern].strip()


@pytest.mark.parametrize("file", ABSENT.values())
def test_data_said_to_be_absent_is_absent(file: str, shared_data: Path) -> None:
    assert not (shared_data / file).exists()


def test_a_figure_nobody_looked_at_is_a_fault() -> None:
    there = {"key/a", "key/b", "key/c"}
    assert faults(there, {"key/a"}, ["key/b"]) == [
        "key/c: neither compared nor left out with a reason"
    ]
    assert faults(there, {"key/a", "key/b", "key/c"}, ["key/b"]) == [
        "key/b: left out, and yet compared"
    ]
    assert faults(there, {"key/a", "key/c"}, ["key/b"]) == []


def test_a_new_figure_of_a_key_is_seen(tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text('{"at": [{"time": 4, "share": 0.5, "low": null}], "n": 3}')
    assert figures(tmp_path) == {"new/at/0/share", "new/at/0/low", "new/n"}
    assert "*/time" in WHERE
    key = read("new", tmp_path)
    assert (key["n"] + key["at"][0]["time"]).paths == ("new/n", "new/at/0/time")


@pytest.mark.parametrize(
    ("ours", "keyed", "agree"),
    [(1.0, 1.0000009, True), (1.0, 1.000002, False), (None, None, True), (0.0, None, False),
     (None, 0.0, False), (float("nan"), 1.0, False), (1e-22, 2e-22, True), (1e-3, 1.01e-3, False)],
)  # fmt: skip
def test_what_agrees(ours: float | None, keyed: float | None, agree: bool) -> None:
    assert close(ours, keyed) == agree
