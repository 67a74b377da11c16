"""The explorers in a real browser: in JupyterLab, light and dark, in Notebook 7, and on a page without scripts."""

from __future__ import annotations

import re

import nbformat
from nbconvert import HTMLExporter
from playwright.sync_api import Locator, Page, expect

from helpers.browsers import PATIENCE, PICTURES, run_all_cells
from helpers.kernels import Client
from helpers.labs import Lab, assert_accessible, enter, explorer, picture, press, sentence, use_dark_theme, write

GRAPHS = """
import numpy as np
from nnkit import Graph
from nnkit.gates import Exp, Log, Tanh
from nnkit.view.explorers.api import graph_explorer

graph = Graph()
x, y, z = graph.inputs(x=-2.0, y=5.0, z=-4.0)
f = ((x + y).named("q") * z).named("f")
graph_explorer(graph)
""", """
neuron = Graph()
w0, x0, w1, x1, w2 = neuron.inputs(w0=2.0, x0=-1.0, w1=-3.0, x1=-2.0, w2=-3.0)
dot = (w0 * x0 + w1 * x1 + w2).named("dot")
exp = Exp()((-dot).named("−dot")).named("exp")
f = (1 / (1 + exp).named("1+exp")).named("f")
graph_explorer(neuron)
""", """
class Cube:
    symbol = "x³"

    def forward(self, x):
        return x**3, x

    def backward(self, upstream, cache):
        raise NotImplementedError("still to be written")


bad = Graph()
a, b = bad.inputs(a=2.0, b=1.0)
a.named("")
bad.add(Cube(), Log()(a * b).named("h")).named("f")
graph_explorer(bad)
""", """
large = Graph()
(wire,) = large.inputs(x=0.5)
for _ in range(5000):
    wire = Tanh()(wire)
graph_explorer(large)
"""  # fmt: skip

OTHERS = """
from nnkit.gates import Sigmoid
from nnkit.view.explorers.api import activation_explorer, descent_explorer, jacobian_explorer
activation_explorer(Sigmoid())
""", "descent_explorer()", "jacobian_explorer('matmul')", "jacobian_explorer('elementwise')", """
from nnkit.view.figures.plots import animate_update
animate_update(step_size=0.1)
""", "from nnkit.view import drill\ndrill()"  # fmt: skip

VERDICT = """
from nnkit.check import check_backward
from nnkit.gates import ReLU
from nnkit.view.explorers.api import playground, verdict_explorer

class Mine(ReLU):
    def backward(self, upstream, cache):
        return (upstream,)

verdict_explorer(check_backward(Mine(), np.array([[1.0, -2.0], [-3.0, 4.0]])))
"""

LOST_REFERENCES = r"""(views) => views.flatMap((view) =>
  [view, ...view.querySelectorAll("*")].flatMap((element) =>
    [...element.attributes].flatMap(({ name, value }) => {
      const ids = [...value.matchAll(/url\(["']?#([^"')]+)/g)].map((match) => match[1]);
      if (/^(xlink:)?href$/.test(name) && value.startsWith("#")) ids.push(value.slice(1));
      if (/^(for|aria-(labelledby|describedby|controls|owns))$/.test(name)) ids.push(...value.split(" "));
      return ids.filter((id) => !view.contains(document.getElementById(id))).map((id) => `${name}: ${id}`);
    })))"""
"""Returns the ids that a view refers to and that are not of an element in it."""

PLANTED = """() => import(URL.createObjectURL(new Blob(
  ["setTimeout(() => { throw new Error('planted') }); console.error('planted too')"], {type: "text/javascript"})))"""
"""Errors as an explorer's module would make them."""


def keys(one: Locator, *names: str) -> None:
    one.locator(".nnx-stage").focus()
    for name in names:
        one.page.keyboard.press(name)


def labels(one: Locator, kind: str) -> list[str]:
    """Return the visible numbers above the wires ("value") or below ("grad")."""
    return [text for text in one.locator(f"text .nnx-{kind}, text.nnx-{kind}").all_text_contents() if text]


# -- the graph explorer ------------------------------------------------------------------------------


def step_through_the_lecture(one: Locator) -> None:
    """Step through (x + y) z with the lecture's numbers, by buttons and by keys."""
    expect(sentence(one)).to_contain_text("Only the inputs are known.")
    assert labels(one, "value") == ["−2", "5", "−4"]
    press(one, "Step →")
    expect(sentence(one)).to_have_text("Forward through +. q = x + y = 3. ")
    press(one, "Step →")
    expect(sentence(one)).to_have_text("Forward through ×. f = q × z = −12. ")
    keys(one, "ArrowRight", "ArrowRight")
    expect(sentence(one)).to_have_text(
        "Backward through ×. upstream × local = downstream. To q: 1 × −4 = −4. To z: 1 × 3 = 3. "
    )
    keys(one, "ArrowRight")
    expect(sentence(one)).to_contain_text("To x: −4 × 1 = −4. To y: −4 × 1 = −4.")
    assert sorted(labels(one, "grad")) == sorted(["∂ −4", "∂ −4", "∂ 3", "∂ −4", "∂ 1"])
    expect(one.get_by_role("button", name="Step →")).to_be_disabled()
    keys(one, "ArrowLeft")
    expect(one.locator(".nnx-count")).to_have_text("step 4 of 5")


def move_an_input(one: Locator) -> None:
    """Move an input by slider and by number; the step stays the same."""
    bar = one.get_by_role("slider", name="x", exact=True)
    bar.focus()
    for _ in range(2):
        one.page.keyboard.press("ArrowRight")
    expect(sentence(one)).to_contain_text("To z: 1 × 3.1 = 3.1.")
    box = bar.bounding_box()
    assert box
    one.page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    one.page.mouse.down()
    one.page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2, steps=4)
    one.page.mouse.up()
    expect(sentence(one)).to_contain_text("To z: 1 × 10 = 10.")
    enter(one, "x", "3")
    expect(sentence(one)).to_contain_text("To z: 1 × 8 = 8.")
    assert "−32" in labels(one, "value")
    press(one, "Reset")
    expect(sentence(one)).to_contain_text("Only the inputs are known.")
    expect(one.get_by_role("textbox", name="x, as a number")).to_have_value("−2")


def fold_the_neuron(one: Locator) -> None:
    """Step through the sigmoid neuron gate by gate, then with its last four gates folded into one."""
    keys(one, *["ArrowRight"] * 17)
    expect(sentence(one)).to_contain_text("To w0: 0.1966 × −1 = −0.1966. To x0: 0.1966 × 2 = 0.3932.")
    assert {"1", "−1", "0.3679", "1.368", "0.7311"} <= set(labels(one, "value"))
    assert {"∂ 1", "∂ −0.5344", "∂ −0.1966", "∂ 0.1966"} <= set(labels(one, "grad"))
    one.locator(".nnx-fold").focus()
    one.page.keyboard.press("Enter")
    expect(one.locator(".nnx-group")).to_have_count(1)
    expect(one.locator(".nnx-count")).to_have_text("step 11 of 11")  # what was done stays done
    keys(one, *["ArrowLeft"] * 4)
    expect(sentence(one)).to_contain_text("Backward through σ. upstream × local = downstream. To dot: 1 × 0.1966 = 0.1")
    one.get_by_role("button", name="gate σ, which computes f").click()
    gates = "Negate(wire 0)\nExp(wire 1)\nAdd(1, wire 2)\nReciprocal(wire 3)"
    expect(one.locator(".nnx-detail pre").first).to_have_text(gates)
    one.get_by_role("button", name="Unfold σ into its gates").click()
    expect(one.locator(".nnx-group")).to_have_count(0)
    expect(one.locator(".nnx-count")).to_have_text("step 13 of 17")


def fit_the_page(one: Locator) -> None:
    """The whole neuron can be seen at 1280 and at 900 pixels, at a size that can be read."""
    for width in (900, 1280):
        one.page.set_viewport_size({"width": width, "height": 1500})
        graph = one.locator("svg.nnx-graph:not(.nnx-wide)")
        expect(graph).to_be_visible()
        seen = [float(n) for n in (graph.get_attribute("viewBox") or "").split()]
        box = graph.bounding_box()
        assert box
        assert box["width"] / seen[2] >= 0.89
        for gate in graph.locator(".nnx-key").all():
            place = gate.bounding_box()
            assert place
            assert box["x"] <= place["x"] <= place["x"] + place["width"] <= box["x"] + box["width"]


def look_into_a_gate(one: Locator) -> None:
    gate = one.get_by_role("button", name="gate exp, which computes exp: its forward and backward")
    gate.focus()
    one.page.keyboard.press("Space")
    expect(one.locator(".nnx-detail")).to_contain_text("return (upstream * out,)")
    one.page.keyboard.press("Escape")
    expect(one.locator(".nnx-detail")).to_be_hidden()
    expect(gate).to_be_focused()


def play(one: Locator) -> None:
    keys(one, "Space")
    expect(one.get_by_role("button", name="Pause")).to_be_visible()
    expect(one.locator(".nnx-count")).to_have_text("step 3 of 5")
    keys(one, "Space")
    expect(one.get_by_role("button", name="Play")).to_be_visible()
    press(one, "Reset")


def zoom_and_pan(one: Locator) -> None:
    graph = one.locator("svg.nnx-graph")
    seen = graph.get_attribute("viewBox")
    press(one, "+", 3)
    assert graph.get_attribute("viewBox") != seen
    box = graph.bounding_box()
    assert box
    seen = graph.get_attribute("viewBox")
    one.page.mouse.move(box["x"] + 500, box["y"] + box["height"] - 8)
    one.page.mouse.down()
    one.page.mouse.move(box["x"] + 300, box["y"] + box["height"] - 8, steps=3)
    one.page.mouse.up()
    assert graph.get_attribute("viewBox") != seen
    press(one, "Whole")


def meet_bad_input(bad: Locator, large: Locator) -> None:
    """Enter bad input: each fault is reported where it is, and the explorer keeps working."""
    warning = bad.locator(".nnx-warning").first
    keys(bad, *["ArrowRight"] * 9)
    expect(bad.locator(".nnx-error")).to_have_text(
        "✗ The backward of x³ failed, so the steps end before it. NotImplementedError: still to be written"
    )
    assert "input 0" in bad.locator(".nnx-slider-name").all_inner_texts()
    enter(bad, "b", "abc")
    expect(bad.locator(".nnx-error")).to_contain_text("b must be a number; 'abc' is not.")
    enter(bad, "b", "nan")
    expect(warning).to_contain_text("b holds a number that is not finite (nan): it is an input.")
    enter(bad, "b", "−3")
    expect(warning).to_contain_text("h holds a number that is not finite (nan): it is the output of")
    enter(bad, "b", "1")
    expect(warning).to_be_hidden()
    expect(large.locator(".nnx-notes")).to_contain_text("5,000 gates are too many to draw. These are the last 60 nodes")
    keys(large, "ArrowRight", "ArrowRight")
    expect(sentence(large)).to_contain_text("tanh(")
    enter(large, "x", "0")
    expect(sentence(large)).to_contain_text("tanh(0) = 0")


def test_the_graph_explorer_in_jupyterlab(lab: Lab) -> None:
    page = lab.open("graphs", GRAPHS)
    assert page.locator(".nnx-still").first.is_hidden()
    step_through_the_lecture(explorer(page))
    picture(explorer(page), "graph_light")
    move_an_input(explorer(page))
    play(explorer(page))
    zoom_and_pan(explorer(page))
    look_into_a_gate(explorer(page, 1))
    picture(explorer(page, 1), "neuron_light")
    fold_the_neuron(explorer(page, 1))
    fit_the_page(explorer(page, 1))
    meet_bad_input(explorer(page, 2), explorer(page, 3))
    picture(explorer(page, 2), "bad_light")
    assert_accessible(page)
    lab.close(page)


def test_the_explorers_in_notebook_7(lab: Lab) -> None:
    cells = (*GRAPHS[:1], *OTHERS[:3], "from nnkit.view import playground\nplayground()")
    write(lab.folder / "seven.ipynb", cells)
    page = lab.page(height=1200)
    page.goto(f"{lab.address}/notebooks/seven.ipynb")
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(timeout=PATIENCE)
    run_all_cells(page, explorer(page, len(cells) - 1))
    step_through_the_lecture(explorer(page))
    move_an_input(explorer(page))
    picture(explorer(page), "graph_notebook_7")
    enter(explorer(page, 1), "x", "2")
    expect(sentence(explorer(page, 1))).to_contain_text("At x = 2 the output is 0.8808 and the slope 0.105.")
    press(explorer(page, 2), "Step →")
    expect(explorer(page, 2).locator(".nnx-count")).to_have_text("step 1 of 40")
    explorer(page, 3).locator("td[data-at='0,0']").first.hover()
    expect(sentence(explorer(page, 3)).first).to_contain_text("connects the output out[0, 0]")
    press(explorer(page, 4), "Play")
    expect(explorer(page, 4).locator(".nnx-count")).to_have_text(re.compile(r"accuracy (99|100)\.\d%"))
    page.close()


# -- the others --------------------------------------------------------------------------------------


def follow_the_curve(one: Locator) -> None:
    """Move the point by pointer, keys and slider; try a good step and two bad ones."""
    plot = one.locator("svg.nnx-plot")
    box = plot.bounding_box()
    assert box
    one.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 3)
    expect(sentence(one)).to_contain_text("Saturated: the slope is below 0.01.")
    one.page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 30)
    enter(one, "x", "2")
    expect(sentence(one)).to_contain_text("At x = 2 the output is 0.8808 and the slope 0.105.")
    expect(sentence(one)).not_to_contain_text("Saturated")
    plot.focus()
    one.page.keyboard.press("ArrowRight")
    expect(sentence(one)).to_contain_text("At x = 2.1")
    enter(one, "h = 10^", "0")
    expect(sentence(one)).to_contain_text("with h = 1 is ")
    enter(one, "h = 10^", "−17")
    expect(sentence(one)).to_contain_text("x + h and x − h are the same number")
    enter(one, "x", "two")
    expect(one.locator(".nnx-error")).to_contain_text("x and the step h must be numbers.")
    enter(one, "x", "0")
    expect(one.locator(".nnx-error")).to_be_hidden()
    expect(plot).to_have_attribute("aria-valuenow", "0")


def go_down(one: Locator) -> None:
    """Follow the first updates of lecture 04, drag the start, and diverge."""
    plot, curve = one.locator("svg.nnx-plot").all()
    plot.focus()
    one.page.keyboard.press("ArrowRight")
    expect(sentence(one)).to_contain_text("W −= 2 × dW, so W goes from (−1.5, −0.5) to (0.0262, 0.02694).")
    expect(one.locator(".nnx-count")).to_have_text("step 1 of 40")
    box = plot.bounding_box()
    assert box
    one.page.mouse.move(box["x"] + 300, box["y"] + 200)
    one.page.mouse.down()
    one.page.mouse.move(box["x"] + 330, box["y"] + 220, steps=3)
    one.page.mouse.up()
    expect(one.locator(".nnx-count")).to_have_text("step 0 of 40")
    expect(one.get_by_role("textbox", name="start W[0]")).not_to_have_value("−1.5")
    assert curve.locator(".nnx-curve.nnx-solid").get_attribute("d").count("L") == 0  # no future  # type: ignore[union-attr]
    one.get_by_role("combobox", name="Batch size").select_option("1")
    press(one, "Step →")
    expect(sentence(one)).to_contain_text("so W goes from")
    one.get_by_role("combobox", name="Surface").select_option("2")
    expect(one.get_by_role("combobox", name="Batch size")).to_be_hidden()
    enter(one, "momentum", "0.7")
    press(one, "Step →", 3)
    expect(curve).to_contain_text("dotted: without momentum")
    picture(one, "descent_narrow")
    one.get_by_role("combobox", name="Surface").select_option("1")
    enter(one, "step_size", "0.13")
    press(one, "Step →")
    expect(one.locator(".nnx-warning").first).to_contain_text("Divergence: the loss grows from 14.25 to")
    enter(one, "momentum", "0.5")
    press(one, "Step →", 2)
    expect(sentence(one)).to_contain_text("velocity = 0.5 ×")
    enter(one, "step_size", "large")
    expect(one.locator(".nnx-error")).to_contain_text("step_size must be a number; 'large' is not.")
    press(one, "Reset")
    expect(one.locator(".nnx-error")).to_be_hidden()
    expect(one.get_by_role("textbox", name="step_size")).to_have_value("0.05")


def ask_the_matrix(one: Locator) -> None:
    """Select entries of both tables by pointer and by keys, fold, change the memory's sizes, solve the puzzle."""
    words = one.locator(".nnx-sentence").first
    left, right = one.locator(".nnx-scroller .nnx-matrix").all()
    assert [table.locator("caption").inner_text() for table in (left, right)] == ["Left: ∂out/∂x", "Right: ∂out/∂w"]
    assert left.locator("td.nnx-edge").count() == 2 * 10  # the rims of two frames of 4 × 3
    right.locator("td[data-at='0,4']").hover()
    entry = "∂out[0, 0]/∂w[1, 0] = 1: it connects the output out[0, 0] to the input w[1, 0]."
    expect(words).to_contain_text(entry)
    expect(words).to_contain_text("dw[1, 0] = 2 · 1 + −8 · 4 = −30.")
    right.locator("td[data-at='0,4']").focus()
    one.page.keyboard.press("ArrowDown")
    expect(words).to_contain_text("is 0 whatever the values: out[0, 1] does not depend on w[1, 0].")
    press(one, "Step →", 2)
    expect(right.locator("tr.nnx-lit")).to_have_count(4)
    folded = one.locator(".nnx-fold-panel table").last.locator("td.nnx-entry")
    expect(folded).to_have_text(["28", "3", "−18", "0", "−30", "7", "13", "33", "−22", "−7", "17", "−15"])
    one.page.keyboard.press("ArrowRight")
    expect(one.locator(".nnx-fold-panel .nnx-sentence")).to_contain_text("so dw = xᵀ @ upstream.")
    one.page.set_viewport_size({"width": 900, "height": 1500})
    expect(one.locator(".nnx-cue").last).to_be_visible()
    one.page.set_viewport_size({"width": 1280, "height": 1500})
    expect(one.locator(".nnx-cue").last).to_be_hidden()
    for table in (left, right):  # side by side, and no column is cut off
        box, whole = table.bounding_box(), one.bounding_box()
        assert box
        assert whole
        assert box["x"] + box["width"] <= whole["x"] + whole["width"]
    assert left.bounding_box()["y"] == right.bounding_box()["y"]  # type: ignore[index]
    weight = one.locator("p[role=status]", has_text="Written out in float32")
    expect(weight).to_contain_text("takes 256 GiB")
    one.get_by_label("N =").fill("0")
    expect(one.locator(".nnx-error")).to_contain_text("N must be a whole number from 1 to a million; '0' is not.")
    one.get_by_label("N =").fill("1")
    expect(weight).to_contain_text("takes 64 MiB")
    solved = one.locator(".nnx-part").last.locator("p")
    for left, right, answer in (
        ("upstream", "x", "✗ upstream 2 × 4 @ x 2 × 3: the inner sizes 4 and 2 do not match."),
        ("upstreamᵀ", "x", "✗ upstreamᵀ 4 × 2 @ x 2 × 3 is 4 × 3, but dw must be 3 × 4."),
        ("xᵀ", "upstream", "✓ xᵀ 3 × 2 @ upstream 2 × 4 is 3 × 4, as dw must be. dw = xᵀ @ upstream."),
    ):
        one.get_by_label("The left factor").select_option(left)
        one.get_by_label("The right factor").select_option(right)
        expect(solved).to_have_text(answer)


def watch_the_film(one: Locator, theme: str) -> None:
    """Go through the frames by button, key and slider; the picture is dark on a dark page."""
    count, image = one.locator(".nnx-count"), one.locator("img")
    expect(count).to_have_text("step 0 of 8")
    first = image.get_attribute("src")
    press(one, "Step →")
    one.page.keyboard.press("ArrowRight")
    expect(count).to_have_text("step 2 of 8")
    assert image.get_attribute("src") != first
    one.get_by_role("slider", name="Frame").fill("8")
    expect(one.get_by_role("button", name="Step →")).to_be_disabled()
    press(one, "Play")
    expect(count).to_have_text("step 3 of 8")
    assert image.evaluate("image => getComputedStyle(image).filter.startsWith('invert')") == (theme == "dark")
    picture(one, f"film_{theme}")


def practise(one: Locator) -> None:
    """Work out two wires with the keyboard alone: a wrong number is explained, right ones make a streak."""
    field, streak = one.get_by_role("textbox", name="Your answer"), one.locator(".nnx-streak")
    expect(sentence(one)).to_have_text("Forward: p = y + x. What is p?")
    field.focus()
    for text in ("-12", "1"):  # y is −3, x is 4
        one.page.keyboard.type(text)
        one.page.keyboard.press("Enter")
        expect(one.locator(".nnx-feedback")).to_contain_text("The gate is +" if text == "-12" else "✓ p = 1.")
    expect(streak).to_contain_text("1 right in a row")
    expect(field).to_be_focused()
    one.page.keyboard.type("much")
    one.page.keyboard.press("Enter")
    expect(one.locator(".nnx-error")).to_contain_text("The answer must be a number; 'much' is not.")
    press(one, "Show")
    expect(streak).to_contain_text("0 right in a row (best: 1)")
    one.get_by_role("combobox", name="Level").select_option("4")
    expect(one.locator("svg.nnx-graph")).to_contain_text("σ")
    picture(one, "drill")


def play_with_the_others(page: Page, first: int, theme: str) -> None:
    """All that can be done in them; `first` is the number of the first one on the page."""
    for number, (name, play_with) in enumerate(
        {"activation": follow_the_curve, "descent": go_down, "jacobian": ask_the_matrix}.items(), start=first
    ):
        explorer(page, number).scroll_into_view_if_needed()
        play_with(explorer(page, number))
        picture(explorer(page, number), f"{name}_{theme}")
    assert explorer(page, first + 3).locator("td.nnx-absent").count() == 12
    watch_the_film(explorer(page, first + 4), theme)
    practise(explorer(page, first + 5))
    assert_accessible(page)


def test_the_other_explorers_in_jupyterlab(lab: Lab) -> None:
    page = lab.open("others", OTHERS)
    play_with_the_others(page, 0, "light")
    assert lab.complaints(page) == []
    page.evaluate(PLANTED)
    page.wait_for_timeout(300)
    assert sorted(complaint.splitlines()[0] for complaint in lab.complaints(page)) == ["planted", "planted too"]
    page.close()


def test_two_of_each_explorer_on_a_page_share_no_ids(lab: Lab) -> None:
    """Each url(#id), href and aria reference of a view is answered by an element of that view."""
    once = (GRAPHS[0], *OTHERS[:3], *OTHERS[4:], VERDICT, "playground()")
    page = lab.open("twice", (*once, *once))
    views = page.locator(".nnx-explorer")
    expect(views).to_have_count(2 * len(once))
    ids = page.locator(".jp-OutputArea [id]").evaluate_all("found => found.map(element => element.id)")
    assert sorted(ids) == sorted(set(ids))
    assert len(ids) >= 4  # the clip path and the hatching of both activation explorers
    assert views.evaluate_all(LOST_REFERENCES) == []
    for number in (1, 1 + len(once)):  # the tangent is cut off at the frame, and the saturated part is hatched
        plot = explorer(page, number).locator("svg.nnx-plot")
        assert plot.locator("[clip-path^='url(#']").count() == 1
        assert plot.locator("[fill^='url(#']").count() > 0
        picture(explorer(page, number), f"activation_{number}_of_two")
    lab.close(page)


def test_the_explorers_in_the_dark_with_little_motion(lab: Lab) -> None:
    use_dark_theme(lab.folder)
    page = lab.open("dark", (*GRAPHS[:2], *OTHERS), motion="reduce")
    keys(explorer(page, 1), *["ArrowRight"] * 11)
    picture(explorer(page, 1), "neuron_dark")
    moving = page.evaluate("document.getAnimations().filter(a => a.effect.target.closest('.nnx-explorer')).length")
    assert moving == 0
    play_with_the_others(page, 2, "dark")
    lab.close(page)
    use_dark_theme(lab.folder, "JupyterLab Light")


def test_an_exported_page_shows_the_figure_and_with_scripts_the_frozen_form(lab: Lab) -> None:
    path = lab.folder / "still.ipynb"
    write(path, GRAPHS[:2] + OTHERS)
    notebook = nbformat.read(path, as_version=4)
    Client(notebook, timeout=120, kernel_name="python3").execute()
    for state in ("with", "without"):
        if state == "without":
            notebook.metadata.pop("widgets", None)
        page_file = lab.folder / f"still_{state}.html"
        page_file.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
        context = lab.browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 1400})
        page = context.new_page()
        page.route("http*://**", lambda route: route.abort())
        page.goto(page_file.as_uri())
        figures = page.locator(".nnx-still svg[role=img], img.nnk-picture")
        assert [figure.is_visible() for figure in figures.all()] == [True] * 8
        page.screenshot(path=str(PICTURES / f"explorer_still_{state}_state.png"))
        context.close()
    page = lab.browser.new_page()
    page.route("http*://**", lambda route: route.abort())
    page.goto((lab.folder / "still_with.html").as_uri())
    frozen = page.locator(".nnx-frozen .nnx-explorer")
    press(frozen.first, "Step →", 3)
    assert "step 3 of 5" in frozen.first.inner_text()
    assert frozen.count() == page.locator("script[data-explorer]").count() == 6
    page.close()
