"""The course's web site, a small one, opened from disk with the network cut off: explorers, themes, phones, links."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import Browser, Locator, Page

from helpers.labs import assert_accessible, explorer, press, sentence
from helpers.paths import ROOT
from nnkit import Graph
from nnkit.check import check_gradient
from nnkit.gates import Exp, Sigmoid
from nnkit.language import speaking
from nnkit.view import explorers
from nnkit_grader.translation.package_sentences import list_sentences

sys.path.append(str(ROOT / "website"))

import build_site
import check_links

# Sphinx's extensions use what its next version will not have.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:.*:PendingDeprecationWarning", "ignore:.*:DeprecationWarning"),
]
PYTHON = {"language_info": {"name": "python", "pygments_lexer": "python"}}
EXPLORERS = ("graph", "activation", "jacobian", "descent", "playground", "verdict")
PAGES = {
    "index": "light",
    "lectures/explorers": "dark",
    "mistakes/unfilled": "light",
    "guides/verdict": "dark",
    "search": "light",
}
"""Pages of each kind, with a theme."""


def make_neuron() -> Graph:
    graph = Graph()
    w, x = graph.inputs(w=2.0, x=-1.0)
    (1 / (1 + graph.add(Exp(), -(w * x)))).named("f")
    return graph


def make_explorers() -> dict[str, explorers.api.Explorer]:
    cubes = check_gradient(lambda x: (np.sum(x**3), 2 * x**2), np.array([1.0, 2.0, -1.0]))
    shown = (
        explorers.graph_explorer(make_neuron()),
        explorers.activation_explorer(Sigmoid()),
        explorers.jacobian_explorer("matvec"),
        explorers.descent_explorer(),
        explorers.playground("circles", hidden=(4,), updates=20),
        explorers.verdict_explorer(cubes),
    )
    return dict(zip(EXPLORERS, shown))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    only = ("mistakes/unfilled", "guides/verdict", "changelog", "lectures/explorers")
    sources = build_site.SiteSources(folder / "sources", folder / "cache", only)
    cells = [
        nbformat.v4.new_markdown_cell(
            "# Explorers\n\nA formula, $\\frac{x}{2}$, and one on its own line:\n\n$$y = x^2$$"
        )
    ]
    for one in make_explorers().values():
        data = {"text/html": one.page, "text/plain": one.description}
        output = nbformat.v4.new_output("display_data", data=data)
        cells.append(nbformat.v4.new_code_cell("an_explorer", outputs=[output]))
    sources.add_notebook("lectures/explorers", nbformat.v4.new_notebook(cells=cells, metadata=PYTHON))
    sources.gather()
    sources.link_language("ko", "ko/", {"index"})
    assert build_site.render(sources, folder / "site") == 0
    faults = check_links.find_faults(folder / "site")
    assert {fault.partition(": ")[2] for fault in faults if "ko/index.html leads to no file" not in fault} == set()
    assert len(faults) > len(PAGES)  # the link to the other language, on each page
    return folder / "site"


TEXTS = """(explorers) => explorers.flatMap((one) => [one, ...one.querySelectorAll("*")]).flatMap((element) => [
  ...[...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && element.tagName !== "PRE")
    .map((node) => node.textContent.trim()),
  ...["aria-label", "aria-valuetext", "title", "alt"].map((name) => element.getAttribute(name) ?? ""),
]).filter((text) => text)"""
"""Returns every text that explorers show or have read aloud, code left out."""


def list_english() -> list[re.Pattern[str]]:
    """Return a pattern for each English sentence of the package that a Korean page does not have."""
    korean = read_po(io.BytesIO((ROOT / "translations/ko/nnkit.po").read_bytes()))
    english = [sentence for sentence in list_sentences(ROOT) if korean[sentence.id].string != sentence.text]
    parts = (re.split(r"{[^}]*}", sentence.text) for sentence in english)
    return [re.compile(".+".join(map(re.escape, texts))) for texts in parts if re.search("[A-Za-z]{3}", "".join(texts))]


class Visit:
    """Pages of the site in a browser without a network, with what they complain of and ask other hosts for."""

    def __init__(self, browser: Browser, site: Path, **settings: Any):
        self.site, self.context = site, browser.new_context(offline=True, **settings)
        self.complaints: list[str] = []
        self.opened: list[str] = []

    def open(self, name: str) -> Page:
        self.opened.append(name)
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(error.message))
        page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or self.complaints.append(asked.url))
        page.goto((self.site / f"{name}.html").as_uri())
        return page


def find_explorer(page: Page, name: str) -> Locator:
    one = explorer(page, EXPLORERS.index(name))
    one.wait_for()
    return one


@pytest.fixture(scope="module")
def visit(browser: Browser, site: Path) -> Visit:
    return Visit(browser, site, viewport={"width": 1250, "height": 1200})


@pytest.fixture(scope="module")
def page(visit: Visit) -> Page:
    return visit.open("lectures/explorers")


def test_the_graph_steps_forward_and_back_without_a_kernel(page: Page) -> None:
    graph = find_explorer(page, "graph")
    press(graph, "Step →", 2)
    assert "step 2 of" in graph.inner_text()
    forward = sentence(graph).inner_text()
    press(graph, "Step →")
    assert sentence(graph).inner_text() != forward
    press(graph, "← Back")
    assert sentence(graph).inner_text() == forward
    assert graph.get_by_role("slider").count() == 0
    graph.get_by_role("button", name="fold").first.click()
    graph.get_by_role("button", name="its forward and backward").first.wait_for()
    assert "σ" in (graph.locator("svg").text_content() or "")


def test_the_others_answer_where_their_answers_were_computed(page: Page) -> None:
    activation = find_explorer(page, "activation")
    activation.get_by_role("slider", name="x", exact=True).fill("-3.1")
    assert "At x = −3.1 the output is 0.0431" in sentence(activation).inner_text()
    descent = find_explorer(page, "descent")
    descent.get_by_role("slider", name="step_size").fill("3")
    press(descent, "Step →")
    assert "W −= 3 × dW" in sentence(descent).inner_text()
    jacobian = find_explorer(page, "jacobian")
    jacobian.locator("td.nnx-entry").first.hover()
    assert "x[0]" in sentence(jacobian).first.inner_text()
    assert "117 MiB" in jacobian.inner_text()


def test_the_playground_plays_a_recorded_training(page: Page) -> None:
    playground = find_explorer(page, "playground")
    count = playground.locator(".nnx-count")
    assert count.inner_text().startswith("0 updates")
    playground.get_by_role("button", name="Play").click()
    playground.get_by_role("button", name="Pause").wait_for()
    playground.get_by_role("button", name="Play").wait_for()
    updates = int(count.inner_text().split()[0])
    assert updates > 100
    press(playground, "Reset")
    assert count.inner_text().startswith("0 updates")
    assert playground.get_by_role("slider").count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_each_page_can_be_read_by_everyone(visit: Visit, name: str) -> None:
    page = visit.open(name)
    assert page.locator("html").get_attribute("lang") == "en"
    page.emulate_media(color_scheme=PAGES[name])
    page.locator(f'html[data-theme="{PAGES[name]}"]').wait_for(state="attached")
    assert_accessible(page, "body")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_no_page_complains_or_asks_another_host(visit: Visit, page: Page) -> None:
    """The last test with this visit: it has seen every page by then."""
    assert len(visit.opened) > len(PAGES)
    assert visit.complaints == []


def test_without_scripts_there_are_figures_and_formulas(browser: Browser, site: Path) -> None:
    page = Visit(browser, site, java_script_enabled=False).open("lectures/explorers")
    assert page.locator(".nnx-still").count() == len(EXPLORERS)
    assert page.locator(".nnx-still svg[role=img], .nnx-still img").count() >= 4
    assert page.locator("math mfrac").first.is_visible()


def test_in_korean_no_sentence_is_english(browser: Browser, tmp_path: Path) -> None:
    with speaking("ko"):
        shown = make_explorers()
        body = "".join(one.page for name, one in shown.items() if name != "verdict")
    (tmp_path / "ko.html").write_text(f'<!doctype html><html lang="ko"><meta charset="utf-8">{body}</html>')
    visit = Visit(browser, tmp_path, viewport={"width": 390, "height": 800})
    page = visit.open("ko")
    graph, _, jacobian, descent, playground = (find_explorer(page, name) for name in EXPLORERS[:-1])
    page.clock.install()
    graph.get_by_role("button", name="σ로 접기").first.click()
    page.clock.fast_forward(3000)
    assert "커널을 기다리고" not in graph.inner_text()
    press(graph, "다음 →", 5)
    press(descent, "다음 →", 2)
    graph.locator("[data-key^=gate]").first.click()
    jacobian.locator("td.nnx-entry").first.hover()
    assert_accessible(page, ".nnx-explorer")
    texts = page.locator(".nnx-explorer").evaluate_all(TEXTS)
    assert {"다음 →", "형상 규칙:", "손실, 로그 눈금", "경사 하강법 탐색기"} <= {*texts}
    assert playground.get_attribute("lang") == "ko"
    english = list_english()
    assert [text for text in texts if any(pattern.fullmatch(text) for pattern in english)] == []
    assert visit.complaints == []


def test_every_guide_is_on_the_site() -> None:
    guides = {path.stem for path in ROOT.glob("docs/*.md") if "." not in path.stem}
    others = {Path(file).stem for file in build_site.OTHER_PAGES.values()}
    assert guides - others == {name for names in build_site.GUIDES.values() for name in names}


def test_links_lead_somewhere(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#here">b</a><img src="https://example.org/x.png"><p id="p">')
    (tmp_path / "b.html").write_text('<a href="a.html#p">a</a><a href="c.html">c</a>')
    assert check_links.find_faults(tmp_path) == [
        "a.html fetches https://example.org/x.png",
        "a.html: b.html#here leads to no place in its page",
        "b.html: c.html leads to no file",
    ]
