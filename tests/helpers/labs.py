"""Helpers of tests of explorers in a browser: notebooks in a JupyterLab, and actions in an explorer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import nbformat
from playwright.sync_api import Browser, Locator, Page

from helpers.browsers import PICTURES, open_notebook, run_all_cells, wait_until_quiet
from helpers.paths import TESTS

AXE = TESTS / "vendor/axe-core/axe.min.js"


def write(path: Path, cells: tuple[str, ...]) -> None:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = [nbformat.v4.new_code_cell(code.strip()) for code in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel}), path)


def use_dark_theme(folder: Path, theme: str = "JupyterLab Dark") -> None:
    settings = folder / "JUPYTER_CONFIG_DIR/lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"theme": theme}), encoding="utf-8")


def is_of_jupyterlab(complaint: str) -> bool:
    """Return True if an error comes from JupyterLab's own program alone: on a busy machine it gives up a request, or
    closes a kernel that still has an answer to send. Explorers are loaded from a blob, the widgets' manager is an
    extension."""
    own = "/static/lab/" in complaint and "blob:" not in complaint and "/extensions/" not in complaint
    return own or "Failed to load resource" in complaint or "Error: Canceled future for " in complaint


class Lab:
    """A JupyterLab and a browser; it collects the errors of the browser's console."""

    def __init__(self, browser: Browser, address: str, folder: Path):
        self.browser, self.address, self.folder = browser, address, folder
        self.context = browser.new_context()  # of all pages: JupyterLab's own code is fetched and compiled once

    def page(self, width: int = 1250, height: int = 1500) -> Page:
        page = self.context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        return page

    def open(
        self, name: str, cells: tuple[str, ...], motion: Literal["reduce", "no-preference"] = "no-preference"
    ) -> Page:
        write(self.folder / f"{name}.ipynb", cells)
        page = self.page()
        page.emulate_media(reduced_motion=motion)
        page.complaints = complaints = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: complaints.append(f"{error.message}\n{error.stack}"))
        page.on(
            "console",
            lambda said: said.type == "error" and complaints.append(f"{said.text}\n  at {said.location['url']}"),
        )
        open_notebook(page, self.address, f"{name}.ipynb")
        run_all_cells(page, explorer(page, len(cells) - 1))
        wait_until_quiet(page)
        return page

    def complaints(self, page: Page) -> list[str]:
        return [said for said in page.complaints if not is_of_jupyterlab(said)]  # type: ignore[attr-defined]

    def close(self, page: Page) -> None:
        assert not self.complaints(page), "\n".join(self.complaints(page))
        assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_inner_texts() == []
        page.close()


def explorer(page: Page, number: int = 0) -> Locator:
    return page.locator(".nnx-explorer").nth(number)


def sentence(one: Locator) -> Locator:
    return one.locator(".nnx-sentence")


def press(one: Locator, name: str, times: int = 1) -> None:
    for _ in range(times):
        one.get_by_role("button", name=name, exact=True).click()


def enter(one: Locator, field: str, text: str) -> None:
    box = one.get_by_role("textbox", name=f"{field}, as a number")
    box.fill(text)
    box.press("Enter")


def assert_accessible(page: Page, scope: str = ".nnx-explorer") -> None:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("scope => axe.run({include: [[scope]]}, {preload: false})", scope)
    faults = [(f["id"], f["impact"], [n["html"][:150] for n in f["nodes"][:3]]) for f in found["violations"]]
    assert [fault for fault in faults if fault[1] in ("serious", "critical")] == []


def picture(one: Locator, name: str) -> None:
    one.scroll_into_view_if_needed()
    one.page.wait_for_timeout(300)
    one.screenshot(path=str(PICTURES / f"explorer_{name}.png"))
