"""Lecture 01 in a real JupyterLab, in a real browser: it runs and shows its drawings."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress

from playwright.sync_api import Locator, Page, TimeoutError

from helpers.browsers import PATIENCE, PICTURES, ROOT, open_notebook, run_all_cells, wait_until_quiet
from helpers.labs import Lab


def test_lecture_01_runs_in_jupyterlab_and_shows_its_drawings(lab: Lab) -> None:
    shutil.copytree(ROOT / "notebooks", lab.folder / "notebooks")
    page = lab.page(1300, 1000)
    open_notebook(page, lab.address, "notebooks/01_computational_graphs.ipynb")
    drawing = page.locator(".jp-OutputArea-output svg[role=img]").first
    errors = page.locator(".jp-OutputArea-output:has(.ansi-red-fg)")
    for _ in range(2):
        run_all_cells(page, drawing)
        wait_until_quiet(page)
        # JupyterLab interrupts a kernel that it replaces; on a busy machine that may be the one that runs the cells.
        if not any("KeyboardInterrupt" in error for error in errors.all_text_contents()):
            break
    scroll_to(page, drawing)
    page.wait_for_timeout(500)
    page.screenshot(path=str(PICTURES / "lecture_01.png"))
    assert drawing.locator("title").count() == 1
    assert not errors.count(), errors.first.text_content()[-1500:]
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_text_contents() == []
    page.close()


def scroll_to(page: Page, wanted: Locator) -> None:
    """Scroll through the notebook until `wanted` can be seen: JupyterLab hides the cells that are out of sight."""
    panel = page.locator(".jp-WindowedPanel-outer").first
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until:
        for top in range(0, 20_000, 500):
            panel.evaluate("(panel, top) => panel.scrollTo(0, top)", top)
            page.wait_for_timeout(300)
            if not wanted.is_visible():
                continue
            with suppress(TimeoutError):  # hidden again, if the cells above it turn out taller than was guessed
                wanted.scroll_into_view_if_needed(timeout=2000)
                return
    raise AssertionError("it was never in sight")
