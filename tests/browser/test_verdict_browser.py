"""Verdicts as people see them, in a real browser: in JupyterLab, trusted or not, and in pages without JavaScript."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page

from helpers.browsers import PATIENCE, PICTURES, open_notebook, run_all_cells, wait_until_quiet
from helpers.labs import Lab, use_dark_theme

MAKE = """
import numpy as np
from nnkit.check.error_map import ErrorMap
from nnkit.check.verdict import Entry, Verdict

def wrong(name, yours, expected, **fields):
    off = ~np.isclose(yours, expected, rtol=1e-9)
    places = [tuple(map(int, place)) for place in np.argwhere(off)[:4]]
    entries = [Entry(f"{name}{list(place)}", float(yours[place]), float(expected[place])) for place in places]
    facts = {
        "subject": "Subtract.backward", "headline": f"{name} is wrong: the sign is flipped.", "lesson": "lecture 4",
        "hints": ("Mind the minus.", "The derivative of −y is −1: multiply the upstream gradient by −1."),
    }
    error_map = ErrorMap.of(name, yours, expected, off)
    return Verdict(status="wrong", entries=tuple(entries), error_map=error_map, **{**facts, **fields})

rng = np.random.default_rng(0)
dy, dx, db = rng.normal(size=(3, 4)), rng.normal(size=(100, 40)), rng.normal(size=50)
flipped, scaled, some = dy.copy(), dx.copy(), db.copy()
flipped[1] *= -1
flipped[2, 3] += 0.01
scaled[70:80, 3:9] *= 1.5
scaled[71, 4] = np.nan
some[20:23] = some[20:23] * 1.000001
"""
FAILING = (
    'assert wrong("dy", flipped, dy)',
    'assert wrong("dx", scaled, dx, headline="dx is wrong: 60 of 4000 entries are off.")',
    'assert wrong("db", some, db, notes=("2 of the points sit on a kink.",))',
    'assert Verdict("<b>loss</b>", "not attempted", "it is still to be written.")',
)
PASSING = 'Verdict("Multiply.backward", "right", "dx and dy agree with the numerical derivative.")'


def write_notebook(path: Path) -> None:
    """The tag lets the next cell run after one that fails."""
    cells = [nbformat.v4.new_code_cell(MAKE.strip()), nbformat.v4.new_code_cell(PASSING)]
    cells += [nbformat.v4.new_code_cell(code, metadata={"tags": ["raises-exception"]}) for code in FAILING]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def picture(page: Page, name: str) -> None:
    page.wait_for_timeout(500)
    page.screenshot(path=str(PICTURES / f"verdict_{name}.png"))


def open_hints_by_keyboard(page: Page) -> None:
    """The second hint is not there to be opened before the first is open."""
    card = page.locator(".nnkit-verdict:has(details)").first
    first, second = card.get_by_text("Mind the minus."), card.get_by_text("The derivative of −y")
    more = card.get_by_text("Another hint", exact=True)
    assert not any(part.is_visible() for part in (first, second, more))
    card.get_by_text("Hint", exact=True).focus()
    page.keyboard.press("Space")
    first.wait_for(timeout=PATIENCE)
    assert more.is_visible()
    assert not second.is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    second.wait_for(timeout=PATIENCE)


def assert_cards(page: Page) -> None:
    cards = page.locator(".nnkit-verdict")
    assert cards.count() == 1 + len(FAILING)
    assert "✗ Subtract.backward: dy is wrong: the sign is flipped." in cards.nth(1).inner_text()
    assert "dy (3, 4): 5 of 12 entries wrong" in cards.nth(1).inner_text()
    assert "this is the part from dx[36, 0] to dx[99, 39]" in cards.nth(2).inner_text()
    assert "○ <b>loss</b>: it is still to be written." in cards.nth(4).inner_text()
    titles = [cell.get_attribute("title") or "" for cell in cards.nth(1).locator("td[title]").all()]
    assert len(titles) == 5
    assert all("is wrong: yours" in title for title in titles)
    for card in cards.all():  # nothing is cut off
        assert card.evaluate("card => card.scrollWidth <= card.clientWidth")


def assert_only_these_errors(page: Page) -> None:
    """JupyterLab marks errors as it marks what is written to stderr, of which there is none."""
    shown = page.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_inner_texts()
    assert [text.strip() for text in shown] == [
        "✗ Subtract.backward: dy is wrong: the sign is flipped.",
        "✗ Subtract.backward: dx is wrong: 60 of 4000 entries are off.",
        "✗ Subtract.backward: db is wrong: the sign is flipped.",
        "○ <b>loss</b>: it is still to be written.",
    ]


def run_in_lab(lab: Lab) -> None:
    page = lab.page(1200, 2600)
    open_notebook(page, lab.address, "verdicts.ipynb")
    run_all_cells(page, page.locator(".nnkit-verdict").nth(len(FAILING)))
    wait_until_quiet(page)
    picture(page, "lab_light")
    assert_cards(page)
    assert_only_these_errors(page)
    open_hints_by_keyboard(page)
    picture(page, "lab_light_open")
    page.keyboard.press("Control+s")
    page.wait_for_timeout(2000)
    page.close()


def open_untrusted(lab: Lab, notebook: nbformat.NotebookNode) -> None:
    """Someone else's notebook, in the dark: shown through JupyterLab's sanitizer, which is Notebook 7's as well."""
    notebook.cells.append(nbformat.v4.new_markdown_cell("From someone else."))
    nbformat.write(notebook, lab.folder / "untrusted.ipynb")
    use_dark_theme(lab.folder)
    for place, name in (("lab/tree", "lab"), ("notebooks", "notebook_7")):
        page = lab.page(1200, 2600)
        page.goto(f"{lab.address}/{place}/untrusted.ipynb?reset")
        page.locator(".nnkit-verdict").nth(len(FAILING)).wait_for(timeout=PATIENCE, state="attached")
        picture(page, f"{name}_untrusted")
        assert page.locator("[aria-label='right']").count() == 0, "the sanitizer was not at work"
        assert_cards(page)
        open_hints_by_keyboard(page)
        page.close()
    use_dark_theme(lab.folder, "JupyterLab Light")


def open_static(browser: Browser, page_file: Path, name: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 2300})
    page = context.new_page()
    page.route("http*://**", lambda route: route.abort())
    page.goto(page_file.as_uri())
    picture(page, name)
    card = page.locator(".nnkit-verdict").nth(1)
    assert "✗ Subtract.backward: dy is wrong: the sign is flipped." in card.inner_text()
    open_hints_by_keyboard(page)
    page.emulate_media(media="print")
    picture(page, f"{name}_print")
    context.close()


def test_verdicts_in_jupyterlab_and_on_static_pages(lab: Lab, tmp_path: Path) -> None:
    write_notebook(lab.folder / "verdicts.ipynb")
    run_in_lab(lab)
    notebook = nbformat.read(lab.folder / "verdicts.ipynb", as_version=4)
    for template in ("lab", "classic"):  # nbgrader's feedback is made from the classic one
        html, _ = HTMLExporter(template_name=template).from_notebook_node(notebook)
        (tmp_path / f"{template}.html").write_text(html, encoding="utf-8")
        open_static(lab.browser, tmp_path / f"{template}.html", f"static_{template}")
    open_untrusted(lab, notebook)
