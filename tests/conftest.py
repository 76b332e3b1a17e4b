"""Fixtures that every test may use, and the page of what the fault tests saw.

A test marked `hazard(line, outcome)` stands for a line of `HAZARDS`; its outcome is what it proves
when it passes. After a run that met every line, docs/reliability.md must be what the run saw:
`make reliability` writes it.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import hypothesis
import pytest

from registry_pipeline.home import Home
from registry_pipeline.warehouse.database import connect

pytest_plugins = ["tests.backtest.keys"]

hypothesis.settings.register_profile("registry", deadline=None)
hypothesis.settings.load_profile("registry")  # a busy machine is no failure

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
NOTES = "REGISTRY_TEST_NETWORK_NOTES"
"""As in `tests/network/sitecustomize.py`."""
HAZARDS = (
    "killed during intake before commit",
    "killed after commit before the run is marked",
    "killed inside a checkpoint",
    "the Dagster process killed",
    "killed between delete and insert",
    "killed during publication",
    "disk full at each of them",
    "corrupt or missing WAL or block",
    "writer lock held",
    "same bytes under another name",
    "same name with other bytes",
    "file still being written",
    "row-boundary truncation",
    "every way a file can be read wrongly",
    "too many bad rows",
    "late wave or back-dated correction",
    "a check that crashes",
    "empty denominators",
    "key missing, wrong, world-readable, changed",
    "clock, DST, midnight",
    "outbound network attempt",
    "a planted name, number and free text",
)
"""What must be survived, each with a test of its own."""

HEADER = """# Reliability

Written by `make reliability` from a run of the tests below; every run of the whole suite compares
it with what it saw. The long suite (`make test-long`) repeats the kills a hundred times.

| fault | test | observed |
|---|---|---|
"""

_seen: Counter[tuple[str, str, str]] = Counter()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and published answers, beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data (../shared/data) is not here")
    return folder


@pytest.fixture(scope="session")
def sample() -> Path:
    """The committed landing folder."""
    return ROOT / "data" / "sample"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home folder."""
    place = Home(tmp_path / "home")
    place.prepare()
    return place


@pytest.fixture
def connection(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """A writing connection to its live file."""
    with connect(home) as opened:
        yield opened


@pytest.fixture
def held_elsewhere(home: Home) -> Iterator[None]:
    """Another process has the home's live database open for writing until the test ends."""
    script = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home.database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.communicate()


@pytest.fixture(autouse=True)
def network_notes() -> Iterator[Path]:
    """Fails a test that tried to reach another machine, itself or by a child process."""
    notes = Path(os.environ[NOTES])
    yield notes
    told = notes.read_text() if notes.exists() else ""
    notes.unlink(missing_ok=True)
    assert not told, f"tests reach no other machine: {told}"


def _guard_network() -> None:
    """Guards this process, and by the environment those it starts."""
    folder = str(ROOT / "tests" / "network")
    os.environ[NOTES] = str(Path(tempfile.gettempdir()) / f"registry-network-{os.getpid()}")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    spec = importlib.util.spec_from_file_location("network_guard", f"{folder}/sitecustomize.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def pytest_configure(config: pytest.Config) -> None:
    """Guards the network, and says what the marker of a fault test takes."""
    _guard_network()
    config.addinivalue_line("markers", "hazard(line, outcome): stands for a line of HAZARDS")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Counts no lines in tests of whole runs: it takes them half as long again.

    They go through most of the code and look at little of it; what is counted is what the tests of
    its parts reach.
    """
    whole = [ROOT / "tests" / folder for folder in ("browser", "faults", "integration")]
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in whole):
            item.add_marker("no_cover")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Sends a fault test's line along with its report, also from another process."""
    for marker in item.iter_markers("hazard"):
        line, outcome = marker.args
        if line not in HAZARDS:
            pytest.fail(f"there is no such line in HAZARDS: {line}")
        item.user_properties.append(("hazard", (line, outcome)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes what a fault test saw."""
    if report.when != "call" and report.passed:
        return
    test = report.nodeid.split("[")[0]
    for name, said in report.user_properties:
        if name == "hazard":
            line, outcome = said
            _seen[line, test, outcome if report.passed else report.outcome] += 1


def _tested() -> set[str]:
    """The lines that some test stands for."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    return {line for line in HAZARDS if any(f'"{line}"' in text for text in texts)}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compares the page with what was seen, or writes it, where every line was met."""
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or session.exitstatus or {line for line, _, _ in _seen} < _tested():
        return
    text = HEADER + "".join(
        f"| {line} | `{test}`{f', {n} cases' if n > 1 else ''} | {outcome} |\n"
        for (line, test, outcome), n in sorted(
            _seen.items(), key=lambda item: (HAZARDS.index(item[0][0]), *item[0])
        )
    )
    if os.environ.get("WRITE_RELIABILITY"):
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        writer = session.config.get_terminal_writer()
        writer.line()
        writer.line("docs/reliability.md is not what this run saw: make reliability", red=True)
