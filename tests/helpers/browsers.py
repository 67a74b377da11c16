"""Helpers of tests in a real browser: Chromium, and a JupyterLab to open in it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, sync_playwright

from helpers.paths import ROOT

PICTURES = ROOT / "build"
PATIENCE = 180_000
"""Milliseconds in which anything has to happen, also on a busy machine."""
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser; skip the test if there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if not found:
        pytest.skip("no browser: apt-get install chromium")
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=FLAGS)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def jupyter_lab(folder: Path, command: Sequence[str] = (), root: Path | None = None, **settings: str) -> Iterator[str]:
    """Start `jupyter lab` with these words in `root` (or `folder`), with its settings in the folder JUPYTER_CONFIG_DIR
    of `folder` and in the variables `settings`; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--no-browser",
        f"--port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=",
        "--allow-root",
    ]
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = {**os.environ, **{name: str(folder / name) for name in names}, **settings}
    lab = [sys.executable, "-m", "jupyter", "lab", *command, *options]  # the tests' Python, in .venv or not
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(lab, cwd=root or folder, stdout=log, stderr=log, env=environment)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(server)


def _stop(server: subprocess.Popen) -> None:
    """End a JupyterLab, if need be by force: it may wait for a kernel that does not answer any more."""
    server.terminate()
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def open_notebook(page: Page, lab: str, path: str) -> None:
    """Open a notebook and wait until its kernel is ready."""
    page.goto(f"{lab}/lab/tree/{path}?reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=PATIENCE)
    page.locator(".jp-NotebookPanel-toolbar").wait_for(timeout=PATIENCE)
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(timeout=PATIENCE)


def run_all_cells(page: Page, last: Locator | None = None) -> None:
    """Run all cells, until `last` appears (or the number or star of the first cell).

    It tries again when the kernel has been idle for a while without that, because a kernel that has just started may
    miss the first request, or a part of it.
    """
    begun = page.locator(".jp-CodeCell .jp-InputPrompt").first.filter(has_text=re.compile(r"[*\d]"))
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until:
        page.keyboard.press("Escape")
        with suppress(TimeoutError):  # on a busy machine JupyterLab may put a dialog in the way; Escape closes it
            page.get_by_text("Run", exact=True).first.click(timeout=15_000)
            page.get_by_text("Run All Cells", exact=True).click(timeout=15_000)
            if _appears(page, last or begun):
                return
    page.screenshot(path=str(PICTURES / "did_not_run.png"))
    raise AssertionError(f"the cells did not run; dialogs: {page.locator('.jp-Dialog').all_text_contents()}")


def _appears(page: Page, wanted: Locator) -> bool:
    """Wait for `wanted`; return False once the kernel has been idle for eight seconds without it."""
    select = page.locator(".jp-Dialog", has_text="Select Kernel").locator(".jp-mod-accept")
    idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    quiet = 0
    while quiet < 16:
        if select.count():  # it has no kernel yet, asks for one, and then runs the cells
            select.first.click(timeout=5_000)
        if wanted.count():
            return True
        quiet = quiet + 1 if idle.count() else 0
        page.wait_for_timeout(500)
    return False


def wait_until_quiet(page: Page) -> None:
    """Wait until the kernel has been idle for a second, and no cell waits for it: all cells have run."""
    idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    waiting = page.locator(".jp-Notebook .jp-InputPrompt", has_text="*")
    quiet, until = 0, time.monotonic() + 600
    while time.monotonic() < until:
        page.wait_for_timeout(200)
        quiet = quiet + 1 if idle.count() and not waiting.count() else 0
        if quiet == 5:
            return
    raise AssertionError("the notebook was still running after ten minutes")


def _wait_for(address: str, server: subprocess.Popen) -> None:
    for _ in range(1200):
        assert server.poll() is None, "JupyterLab stopped"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("JupyterLab did not answer")
