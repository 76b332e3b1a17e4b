"""The keyed figures: each knows where it stands, so that a run can say which it compared.

Belongs here: reading the keys, the list of figures that are not compared with the reason for each,
and the account of a run. Does not belong here: the comparisons.

`agree` (see `conftest`) notes the figures it holds against ours. After a run in which every test of
this folder passed, each figure of every key has been compared or stands in `LEFT_OUT`; anything
else fails the run.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import pytest

FOLDER: Final = Path(__file__).parent
KEYS: Final = FOLDER.parents[2] / "shared" / "data" / "expected"
COMPARED: Final = "compared"

WHERE: Final = (
    "*/time", "*/day", "*/week", "*/interval/*", "*/period", "*/cols/*", "*/sites/*/site",
    "rubin_rules/inputs/*", "spc_funnel/xmr/values/*", "*/project", "*/reproduced",
)  # fmt: skip
"""What says where a figure is read, or what goes into it: no figures themselves."""

NOT_SEEN: Final = "states are known at the waves only: intensities between them would be a model"
ROWS: Final = "R takes a row of the expanded data for a person; crr's error is compared"
LEFT_OUT: Final[Mapping[str, str]] = {
    "alda/cocaine_relapse_1/discrete_life_table/0/hazard": "nobody can leave before the first week",
    "msm_cav/qmatrix/*": NOT_SEEN,
    "msm_cav/pmatrix_*": NOT_SEEN,
    "msm_cav/sojourn_mean/*": NOT_SEEN,
    "surv_mgus2/cuminc_by_sex/var/*": "Aalen's variance; ours is that of survfit and etm",
    "surv_mgus2/finegray_sex/n": ROWS,
    "surv_mgus2/finegray_sex/wald_test/*": ROWS,
    "surv_mgus2/finegray_sex/concordance/*": ROWS,
    "surv_mgus2/finegray_sex/coef/sexM/se": ROWS,
    "surv_mgus2/finegray_sex/coef/sexM/z": ROWS,
    "surv_mgus2/finegray_sex/coef/sexM/p": ROWS,
    "surv_mgus2/finegray_sex/coef/sexM/ci95_*": ROWS,
}
"""Figures that are not compared, and why: a pattern of paths to a reason."""

ABSENT: Final[Mapping[str, str]] = {
    "alda/cocaine_relapse_2/*": "alda_cocaine_relapse_2.csv",
    "alda/psychiatric_discharge/*": "alda_psychiatric_discharge.csv",
    "alda/first_cocaine/*": "alda_first_cocaine.csv",
    "alda/alcohol_use_growth_ml/*": "alda_alcohol_use_1.csv",
    "alda/depression_unemployment_ml/*": "alda_depression_unemployment.csv",
}
"""Figures of data sets that are not in the folder: a pattern of paths to the file."""


class Keyed:
    """A number of a key, or a sum of such numbers, that knows where it stands."""

    paths: tuple[str, ...]

    def __add__(self, other: Any) -> Any:
        """A sum is compared for both."""
        return _at(_bare(self) + _bare(other), (*self.paths, *getattr(other, "paths", ())))

    __radd__ = __add__


class _Whole(Keyed, int):
    pass


class _Real(Keyed, float):
    pass


def _at(value: float | None, paths: tuple[str, ...]) -> Keyed:
    made = _Whole(value) if isinstance(value, int) else _Real(math.nan if value is None else value)
    made.paths = paths
    return made


def _bare(value: Any) -> Any:
    return int(value) if isinstance(value, int) else float(value)


def read(name: str, folder: Path = KEYS) -> dict[str, Any]:
    """A key by name, its numbers as `Keyed`: null is not a number, true is 1."""
    text = (folder / f"{name}.json").read_text(encoding="utf-8")
    keyed: dict[str, Any] = _keyed(json.loads(text), name)
    return keyed


def _keyed(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        return {key: _keyed(part, f"{path}/{key}") for key, part in value.items()}
    if isinstance(value, list):
        return [_keyed(part, f"{path}/{place}") for place, part in enumerate(value)]
    return value if isinstance(value, str) else _at(value, (path,))


def figures(folder: Path = KEYS) -> set[str]:
    """The path of every figure of every key."""
    paths = {path for file in folder.glob("*.json") for path in _paths(read(file.stem, folder))}
    return {path for path in paths if not _matches(path, WHERE)}


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, Keyed):
        yield from value.paths
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _paths(part)


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def close(ours: float | None, keyed: float | None) -> bool:
    """Whether two figures agree to 1e-6 of themselves; null agrees with null alone."""
    one, other = (value is None or math.isnan(value) for value in (ours, keyed))
    if one or other or ours is None or keyed is None:
        return one and other
    return math.isclose(ours, keyed, rel_tol=1e-6, abs_tol=1e-8)


def faults(there: set[str], compared: set[str], left_out: Iterable[str]) -> list[str]:
    """What is wrong with an account: figures nobody looked at, or left out and yet compared."""
    silent = {path for path in there if _matches(path, left_out)}
    unknown = sorted(there - compared - silent)
    both = sorted(compared & silent)
    return [
        *(f"{path}: neither compared nor left out with a reason" for path in unknown),
        *(f"{path}: left out, and yet compared" for path in both),
    ]


_passed: dict[str, set[str]] = defaultdict(set)
_failed: set[str] = set()
_compared: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes which tests of this folder passed, and what they compared; also of other processes."""
    file, _, test = report.nodeid.partition("::")
    if Path(file).parent.name != FOLDER.name:
        return
    if not report.passed:
        _failed.add(report.nodeid)
    elif report.when == "call":
        _passed[Path(file).name].add(test.split("[")[0])
        for name, said in report.user_properties:
            if name == COMPARED:
                _compared.update(said)


def _everything_ran() -> bool:
    """Whether each test of this folder passed."""
    return not _failed and all(
        set(re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
        <= _passed[file.name]
        for file in FOLDER.glob("test_*.py")
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails the run where a figure is unaccounted for."""
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or not _everything_ran():
        return
    found = faults(figures(), _compared, [*LEFT_OUT, *ABSENT])
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    writer = session.config.get_terminal_writer()
    writer.line()
    for fault in found:
        writer.line(fault, red=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints how many keyed figures were compared, and how many were not."""
    if not _compared:
        return
    terminalreporter.write_line(f"{len(_compared)} keyed figures compared")
    if _everything_ran():
        there = figures()
        absent = {path for path in there if _matches(path, ABSENT)}
        reasoned = {path for path in there if _matches(path, LEFT_OUT)} - absent
        terminalreporter.write_line(
            f"{len(reasoned)} left out with a reason, {len(absent)} of data that is not here"
        )
