"""The first screen of the course, as the commands that learners are given open it: make lab, conda, or neither."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from helpers.browsers import PICTURES, ROOT, jupyter_lab

FIRST = "notebooks/00_start_here.ipynb"


def read_make_command() -> list[str]:
    """Return what `make lab` runs to open JupyterLab, word by word."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-n", "lab"], cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    (line,) = [
        line for line in done.stdout.replace("\\\n", " ").splitlines() if "jupyter lab" in line and "echo" not in line
    ]
    return shlex.split(line)


def open_first_page(browser: Browser, address: str, name: str) -> None:
    """Open the page with a new user's settings: there is no toast, and nothing is asked about news.

    JupyterLab asks as soon as it is restored, and its notebook appears later.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/lab/tree/{FIRST}")
    expect(page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first).to_be_visible()
    expect(page.locator(".jp-Notebook .jp-CodeCell .cm-lineWrapping").first).to_be_visible()  # no code is cut off
    page.wait_for_timeout(1500)
    page.screenshot(path=str(PICTURES / f"first_screen_{name}.png"))
    assert page.locator(".Toastify__toast, .jp-toast-message, .jp-Dialog").all_inner_texts() == []
    assert [url for url in asked if "/lab/api/news" in url or "/lab/api/update" in url] == []
    context.close()


def test_make_lab_opens_the_course_without_news_or_graders_tools(browser: Browser, tmp_path: Path) -> None:
    setting, _, lab, *command = read_make_command()
    name, value = setting.split("=", 1)
    assert (name, value) == ("JUPYTER_CONFIG_PATH", str(ROOT / ".jupyter" / "learner"))
    assert (lab, command[-1]) == ("lab", FIRST)
    assert ("--allow-root" in command) == (os.getuid() == 0)
    with jupyter_lab(tmp_path, command, ROOT, **{name: value}) as address:
        with urllib.request.urlopen(f"{address}/api/contents", timeout=60) as answer:
            contents = json.loads(answer.read())
        assert {"notebooks", "assignments"} <= {entry["name"] for entry in contents["content"]}
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/formgrader", timeout=60)
        open_first_page(browser, address, "make")


def test_the_command_for_conda_opens_the_course_without_news(browser: Browser, tmp_path: Path) -> None:
    guide = (ROOT / "docs/learner.md").read_text(encoding="utf-8")
    (line,) = [line for line in guide.splitlines() if line.startswith("jupyter lab ")]
    assert line in (ROOT / "README.learners.md").read_text(encoding="utf-8")
    with jupyter_lab(tmp_path, shlex.split(line)[2:], ROOT) as address:
        open_first_page(browser, address, "conda")
