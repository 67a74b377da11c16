"""The playground in a real browser: it learns, is painted on, says what goes wrong, and stops when no page shows it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from helpers.browsers import open_notebook
from helpers.labs import Lab, assert_accessible, enter, explorer, picture, press, sentence, use_dark_theme

CELLS = ("from nnkit import view\nview.playground('circles')",)
VERDICT = """
import numpy as np
from nnkit.check import check_backward
from nnkit.gates import ReLU

class Mine(ReLU):
    def backward(self, upstream, cache):
        return (upstream,)

view.verdict_explorer(check_backward(Mine(), np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, 6.0]])))
"""


def count(one: Locator) -> Locator:
    return one.locator(".nnx-count")


COUNTS = """(one) => [...one.querySelectorAll(".nnx-count, .nnx-sentence")]
  .filter((line) => line.checkVisibility({ checkOpacity: true }))
  .flatMap((line) => [...line.textContent.matchAll(/(\\d[\\d,]*) updates?/g)])
  .map((match) => match[1].replaceAll(",", ""))"""
"""Returns the counts of updates that can be seen at once."""


COLOURS = """(canvas) => new Set(new Uint32Array(canvas.getContext("2d")
  .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
"""Returns the number of different colours of a canvas."""


def hold_points_back(one: Locator) -> None:
    """With a test set there is a third curve and a second loss; noise begins anew."""
    one.get_by_label("test set").select_option("0.5")
    expect(sentence(one)).to_contain_text("training points are classified correctly. Test set: loss ")
    press(one, "Step →", 2)
    expect(count(one)).to_contain_text("2 updates, loss ")
    expect(count(one)).to_contain_text("test loss")
    expect(one.locator("svg[aria-label^='Curves']")).to_contain_text("(dotted: test set)")
    enter(one, "noise", "0.3")
    expect(count(one)).to_contain_text("0 updates")
    picture(one, "playground_test_set")
    enter(one, "noise", "0")
    one.get_by_label("test set").select_option("0")


def learn_the_circles(one: Locator) -> None:
    assert one.evaluate(COUNTS) == ["0", "0"]
    press(one, "Play")
    seen = [one.evaluate(COUNTS) for _ in range(20)]
    assert {len(set(counts)) for counts in seen} == {1}
    expect(count(one)).to_have_text(re.compile(r"accuracy (99\.\d|100\.0)%"))
    ticks = one.locator("svg[aria-label^='Curves'] text")
    expect(ticks.get_by_text("0.01", exact=True)).to_be_visible()  # on a slow machine, later than the accuracy
    press(one, "Pause")
    expect(sentence(one)).to_contain_text("of the 200 points are classified correctly.")
    assert comes_to_rest(one)
    first, *others = one.evaluate(COUNTS)
    assert others == [first]
    assert {"1", "0.1", "0.01", "loss, on a log scale"} <= {*ticks.all_text_contents()}
    network = one.get_by_role("img", name="The network: 2 inputs, hidden units in each layer: 16, 16, 2 scores")
    assert network.evaluate(COLOURS) > 50


def comes_to_rest(one: Locator) -> bool:
    """Return True if the count of updates comes to rest; frames that were on their way may still arrive."""
    seen = ""
    for _ in range(10):
        one.page.wait_for_timeout(800)
        if count(one).inner_text() == seen:
            return True
        seen = count(one).inner_text()
    return False


def step_and_reset(one: Locator) -> None:
    press(one, "Reset")
    expect(count(one)).to_contain_text("0 updates")
    press(one, "Step →")
    expect(count(one)).to_contain_text("1 update,")
    one.page.keyboard.press("ArrowRight")
    expect(count(one)).to_contain_text("2 updates")
    expect(sentence(one)).to_contain_text("2-16-16-2 after 2 updates")
    image = one.get_by_role("img", name=re.compile(r"^\|dW2\| ≤ 0\.\d+$"))
    image.hover()
    expect(one.locator(".nnx-part .nnx-rule")).to_have_text(re.compile(r"^dW2\[\d+, \d+\] = −?[\d.e−]+$"))
    start = one.locator(".nnx-curve.nnx-solid").get_attribute("d")
    enter(one, "seed", "1")
    expect(count(one)).to_contain_text("0 updates")
    assert one.locator(".nnx-curve.nnx-solid").get_attribute("d") != start


def paint(one: Locator) -> None:
    """Paint by pointer, in a stroke, and by keys; a third class restarts with three scores."""
    plane = one.get_by_role("application")
    box = plane.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = one.page.mouse
    press(one, "1 ■")
    mouse.click(x, y)
    expect(sentence(one)).to_contain_text("of the 201 points")
    mouse.move(x - 100, y - 150)
    mouse.down()
    mouse.move(x + 100, y - 150, steps=10)
    mouse.up()
    expect(sentence(one)).to_contain_text(re.compile(r"of the 2(0[6-9]|1\d) points"))
    press(one, "Clear")
    expect(sentence(one)).to_have_text("There are no points yet: choose a class, and paint some.")
    plane.focus()
    one.page.keyboard.press("ArrowRight")
    one.page.keyboard.press("Enter")
    expect(sentence(one)).to_contain_text("of the 1 points")
    expect(one.locator(".nnx-warning").first).to_contain_text("All points are of one class")
    press(one, "2 ▲")
    mouse.click(x - 80, y)
    expect(sentence(one)).to_contain_text("2-16-16-3 after 0 updates")
    press(one, "Erase")
    mouse.click(x - 80, y)
    expect(sentence(one)).to_contain_text("of the 1 points")
    one.get_by_label("data").select_option("spiral")
    expect(sentence(one)).to_contain_text("2-16-16-3 after 0 updates")


def go_wrong(one: Locator) -> None:
    """Make mistakes: each is reported in words, and the playground keeps working."""
    enter(one, "width", "0")
    expect(one.get_by_role("alert").filter(has_text="width")).to_have_text(
        "✗ The width of a hidden layer must be a whole number from 1 to 32; '0' is not."
    )
    enter(one, "width", "16")
    press(one, "Play")
    enter(one, "step_size", "1000")
    dead = one.locator(".nnx-warning", has_text="Hidden layer 1: 16 of 16 units are dead")
    expect(dead).to_be_visible()
    press(one, "Pause")
    one.get_by_label("activation").select_option("leaky ReLU")
    expect(count(one)).to_contain_text("0 updates")
    press(one, "Play")
    stopped = one.get_by_role("alert").filter(has_text="so the step size is too large; try a smaller one than 1000")
    expect(stopped).to_be_visible()
    expect(stopped).to_contain_text("since the loss is nan")
    expect(one.get_by_role("button", name="Play")).to_be_visible()
    picture(one, "playground_nan_light")
    enter(one, "step_size", "0.3")
    press(one, "Reset")
    expect(stopped).to_be_hidden()


def look_into_the_verdict(one: Locator) -> None:
    """Go through the entries by pointer, keys and button; show numbers instead of marks; open the hints."""
    expect(one.locator("strong")).to_contain_text("✗ Mine.backward: dx is wrong")
    expect(one.locator("td.nnx-wrong")).to_have_text(["✗", "✗"])
    one.locator("td[data-at='0,1']").hover()
    expect(sentence(one)).to_contain_text("dx[0, 1] is wrong: yours ")
    one.locator("td[data-at='0,1']").click()
    one.page.keyboard.press("ArrowRight")
    expect(sentence(one)).to_contain_text("dx[0, 2] is right: ")
    press(one, "Next wrong →")
    expect(sentence(one)).to_contain_text("dx[1, 0] is wrong: yours ")
    press(one, "Expected")
    expect(one.locator("td.nnx-wrong")).to_have_text(["✗ 0", "✗ 0"])
    press(one, "Hint")
    expect(one.locator(".nnx-hint")).to_have_count(1)
    press(one, "Another hint")
    expect(one.locator(".nnx-hint")).to_have_count(2)


def test_the_playground_in_jupyterlab(lab: Lab) -> None:
    page = lab.open("playground", CELLS)
    one = explorer(page)
    learn_the_circles(one)
    picture(one, "playground_light")
    step_and_reset(one)
    hold_points_back(one)
    paint(one)
    go_wrong(one)
    assert_accessible(page)
    press(one, "Play")
    expect(count(one)).not_to_contain_text(" 0 updates")
    page.get_by_text("File", exact=True).first.click()
    page.get_by_text("Save Notebook", exact=True).click()
    page.wait_for_timeout(1000)
    lab.close(page)

    page = lab.page(height=1400)  # no page showed it for a while
    open_notebook(page, lab.address, "playground.ipynb")
    expect(count(explorer(page))).to_contain_text(re.compile(r"[1-9]\d* updates"))
    left = count(explorer(page)).inner_text()
    page.wait_for_timeout(1000)
    press(explorer(page), "Step →")
    assert int(count(explorer(page)).inner_text().split()[0]) - int(left.split()[0]) <= 1
    page.close()


def test_in_the_dark_with_little_motion(lab: Lab) -> None:
    use_dark_theme(lab.folder)
    page = lab.open("playground_dark", (*CELLS, VERDICT), motion="reduce")
    look_into_the_verdict(explorer(page, 1))
    picture(explorer(page, 1), "verdict_dark")
    one = explorer(page)
    one.scroll_into_view_if_needed()
    press(one, "Play")
    changes = page.evaluate("""() => new Promise((resolve) => {
      let seen = 0;
      const watch = new MutationObserver(() => (seen += 1));
      watch.observe(document.querySelector(".nnx-count"), {childList: true, subtree: true, characterData: true});
      setTimeout(() => (watch.disconnect(), resolve(seen)), 2500);
    })""")
    assert 1 <= changes <= 4
    press(one, "Pause")
    picture(one, "playground_dark")
    assert_accessible(page)
    lab.close(page)
    use_dark_theme(lab.folder, "JupyterLab Light")
