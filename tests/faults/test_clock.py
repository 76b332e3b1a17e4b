"""Clock, time zone, midnight: no table but the ledger's time stamps knows them."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ASKS = {
    *(f"{name}.{call}" for name in ("datetime", "date") for call in ("now", "today", "utcnow")),
    *(f"time.{call}" for call in ("time", "time_ns", "localtime", "gmtime")),
}
MAY_ASK = {
    "registry_pipeline/cli.py": "the day of a closing, and of a withdrawal where nobody says one",
    "registry_pipeline/warehouse/erasure.py": "when a person was erased",
    "registry_pipeline/warehouse/ledger.py": "when a file was taken in",
    "registry_pipeline/withdrawal/proof.py": "when a proof was written",
}
"""Who asks for the time, and what for; no other table is made from it."""


def asks_the_clock(path: Path) -> bool:
    """Whether a module calls what tells the time of day."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(ast.unparse(call.func).removeprefix("dt.") in ASKS for call in calls)


def test_nothing_but_the_ledgers_and_the_proofs_asks_the_clock() -> None:
    packages = ("assets", "registry_pipeline", "schemas")
    modules = (path for name in packages for path in (ROOT / name).rglob("*.py"))
    assert {str(path.relative_to(ROOT)) for path in modules if asks_the_clock(path)} <= set(MAY_ASK)


@pytest.mark.hazard("clock, DST, midnight", "every table alike, fourteen hours ahead of Greenwich")
def test_a_run_on_the_other_side_of_midnight(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    home = undisturbed.home(tmp_path / "home")
    done = undisturbed.run(home)
    assert done.returncode == 0, done.stderr
    assert os.environ["TZ"] == "Pacific/Kiritimati"
    undisturbed.assert_like(home)
