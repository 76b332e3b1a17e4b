"""One whole run over the LAR X sample, shared by the tests that only read its results."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry_pipeline.commands.operate import Outcome, run_job
from registry_pipeline.home import Home


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    """A landing folder with the LAR X cohort of the sample alone: tests run it many times."""
    folder = tmp_path_factory.mktemp("landing")
    shutil.copytree(sample / "lar_x", folder / "lar_x")
    return folder


@pytest.fixture(scope="session")
def built_run(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> tuple[Home, Outcome]:
    home = Home(tmp_path_factory.mktemp("built") / "home")
    return home, run_job(home, sample)


@pytest.fixture(scope="session")
def built(built_run: tuple[Home, Outcome]) -> Home:
    """The home folder after the run; not to be written to."""
    return built_run[0]
