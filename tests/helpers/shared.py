"""One Chromium, one JupyterLab and one demo hub for all tests of a process, begun when a test first asks for them."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from helpers.hubs import Hub
    from helpers.labs import Lab

_open = contextlib.ExitStack()
_browser: list[Browser] = []
_lab: list[Lab] = []
_hub: list[Hub] = []


def browser() -> Browser:
    from playwright.sync_api import expect

    from helpers.browsers import PATIENCE, chromium

    if not _browser:
        expect.set_options(timeout=PATIENCE)
        _browser.append(_open.enter_context(chromium()))
    return _browser[0]


def lab() -> Lab:
    """In a course's folder, so that Formgrader finds one there."""
    from helpers import classes
    from helpers.browsers import jupyter_lab
    from helpers.labs import Lab

    if not _lab:
        chromium = browser()
        folder = classes.course(Path(_open.enter_context(tempfile.TemporaryDirectory(prefix="nnkit-lab-"))) / "course")
        _lab.append(Lab(chromium, _open.enter_context(jupyter_lab(folder)), folder))
    return _lab[0]


def close() -> None:
    """End both; a later test has new ones."""
    _browser.clear()
    _lab.clear()
    _open.close()


def hub() -> Hub:
    """A demo hub, with what tests before have left there."""
    from helpers import hubs

    if not _hub:
        folder = Path(tempfile.mkdtemp(prefix="nnkit-hub-"))
        _hub.append(hubs.start_hub(folder / "hub", sys.executable, hubs.free_port()))
    return _hub[0]


def stop_hub() -> None:
    from helpers import hubs

    while _hub:
        stopped = _hub.pop()
        hubs.stop_hub(stopped)
        shutil.rmtree(stopped.folder.parent, ignore_errors=True)
