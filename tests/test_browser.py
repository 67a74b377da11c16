"""Lecture 01 in a real JupyterLab, in a real browser: it runs and shows its drawings."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

REPOSITORY = Path(__file__).parent.parent
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if not found:
        pytest.skip("no browser: apt-get install chromium")
    return found


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab on a copy of the lectures."""
    shutil.copytree(REPOSITORY / "notebooks", tmp_path / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--port={port}", "--ServerApp.ip=127.0.0.1"]
    options = ["--IdentityProvider.token=", "--allow-root", "--LabApp.news_url="]
    folders = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [*command, *options], cwd=tmp_path, stdout=log, stderr=log, env={**os.environ, **folders}
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/api", server)
            yield address
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(address: str, server: subprocess.Popen) -> None:
    for _ in range(240):
        assert server.poll() is None, "JupyterLab stopped"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("JupyterLab did not answer")


def _wait_until_quiet(page: Page) -> None:
    """Until the kernel has been idle for three seconds on end: all cells have run."""
    quiet = 0
    for _ in range(120):
        page.wait_for_timeout(1000)
        idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').count()
        quiet = quiet + 1 if idle else 0
        if quiet == 3:
            return
    raise AssertionError("the lecture was still running after two minutes")


def test_lecture_01_runs_in_jupyterlab_and_shows_its_drawings(lab: str) -> None:
    pictures = REPOSITORY / "build"
    pictures.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=FLAGS)
        page = chromium.new_page(viewport={"width": 1300, "height": 1000})
        page.goto(f"{lab}/lab/tree/notebooks/01_computational_graphs.ipynb?reset")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        page.locator(".jp-NotebookPanel-toolbar").wait_for(timeout=30_000)
        page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(timeout=60_000)
        page.keyboard.press("Escape")
        page.get_by_text("Run", exact=True).first.click()
        page.get_by_text("Run All Cells", exact=True).click()
        drawing = page.locator(".jp-OutputArea-output svg[role=img]").first
        drawing.wait_for(timeout=60_000, state="attached")
        _wait_until_quiet(page)
        page.locator(".jp-WindowedPanel-outer").first.evaluate("panel => panel.scrollTo(0, 0)")
        drawing.wait_for(timeout=10_000)
        drawing.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        page.screenshot(path=str(pictures / "lecture_01.png"))
        assert drawing.locator("title").count() == 1
        errors = page.locator(".jp-OutputArea-output:has(.ansi-red-fg)").all_text_contents()
        assert not errors, errors[0][-1500:]
        assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_text_contents() == []
        chromium.close()
