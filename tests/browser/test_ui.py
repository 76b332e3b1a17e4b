"""The Dagster UI as a quality coordinator sees it, in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common import exceptions
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from registry_pipeline.commands.operate import run_job
from registry_pipeline.home import Home

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_address(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[str]:
    """A read-only webserver over a home with the sample run."""
    home = Home(tmp_path_factory.mktemp("ui") / "home")
    assert run_job(home, sample).success
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    registry = Path(sys.executable).with_name("registry")
    server = subprocess.Popen(
        [str(registry), "ui", "--home", str(home.path), "--port", str(port)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/server_info")
        yield address
    finally:
        server.terminate()
        server.wait()
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(address)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        if os.environ.get("REGISTRY_REQUIRE_BROWSER"):
            pytest.fail("Chromium and its driver are required here and are not installed")
        pytest.skip("Chromium and its driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1400,2200",
    ):
        options.add_argument(argument)
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def wait_for(address: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address):  # noqa: S310 - our own server on this machine
                return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def test_the_retention_page_shows_its_chart(browser: webdriver.Chrome, page_address: str) -> None:
    browser.get(f"{page_address}/assets/derived/retention_curve")

    def shown(page: webdriver.Chrome) -> str:
        """The page's text once the chart stands in it; a page that renews itself closes it."""
        charts = page.find_elements(By.CSS_SELECTOR, "img[src^='data:image/svg+xml;base64,']")
        if not charts:
            for link in page.find_elements(By.XPATH, "//*[text()='[Show Markdown]']"):
                page.execute_script("arguments[0].click()", link)
            return ""
        is_drawn = page.execute_script("return arguments[0].naturalWidth", charts[0]) > 300
        text: str = page.find_element(By.TAG_NAME, "body").text
        return text if is_drawn and "pilotkohort, lav dekning" in text else ""

    waiting = WebDriverWait(
        browser, 90, 1, ignored_exceptions=(exceptions.StaleElementReferenceException,)
    )
    text = waiting.until(shown)
    assert "Retention curve / Retensjonskurve" in text
    assert "Join the Dagster community" not in text


def test_the_ui_is_read_only(page_address: str) -> None:
    query = (
        'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["core", "patient"]}}]) '
        "{ __typename ... on Error { message } } }"
    )
    request = urllib.request.Request(  # noqa: S310 - our own server on this machine
        f"{page_address}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own server
        assert b"UnauthorizedError" in answer.read()
