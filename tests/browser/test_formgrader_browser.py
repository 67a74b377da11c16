"""A graded class in a real browser: Formgrader's list, submissions and feedback; nothing of a learner's runs there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from helpers import classes
from helpers.browsers import PATIENCE, PICTURES
from helpers.labs import Lab
from nnkit_grader.course import release as courses
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.run import GradingRequest, grade_class

SCRIPT = '<img src=x onerror="window.pwned = 1"><script>window.pwned = 1</script>'
SHOWN = f"""from IPython.display import HTML, Javascript, display
display(HTML({SCRIPT!r}), Javascript('window.pwned = 1'))
"""
HOSTILE = {
    "double": SHOWN + classes.DOUBLE,
    "triple": f"def triple(x):\n    raise ValueError({SCRIPT!r})",
    "why": f"Because {SCRIPT} [so](javascript:window.pwned=1).",
}


@pytest.fixture(scope="module")
def graded(lab: Lab) -> Path:
    folder = lab.folder
    classes.hand_in(folder, "ada", classes.RIGHT)
    classes.hand_in(folder, "bob", {**classes.RIGHT, "double": "def double(x):\n    return x"})
    classes.hand_in(folder, "eve", HOSTILE)
    assert grade_class(GradingRequest(classes.NAME, jobs=2), folder, lambda: open_course(folder)).graded == 3
    assert list(courses.write_feedback(folder, classes.NAME, ["ada", "bob", "eve"])) == [
        (s, "") for s in ("ada", "bob", "eve")
    ]
    return folder


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    yield page
    page.close()


@pytest.mark.usefixtures("graded")
def test_formgrader_lists_the_class_and_shows_each_submission(lab: Lab, page: Page) -> None:
    page.goto(f"{lab.address}/formgrader/gradebook/{classes.NAME}/{classes.NAME}")
    page.get_by_text("Submission #3").wait_for(timeout=PATIENCE)
    rows = [row.inner_text().split("\t") for row in page.locator("tbody tr").all()]
    assert sorted(row[2].strip() for row in rows) == ["2 / 6", "3 / 6", "5 / 6"]
    page.screenshot(path=PICTURES / "formgrader_list.png")
    addresses = {link.get_attribute("href") or "" for link in page.locator("tbody a").all()}
    texts = [shown(page, f"{lab.address}{address}") for address in addresses if "/submissions/" in address]
    assert len(texts) == 3
    assert sum("AssertionError: double is wrong" in text for text in texts) == 1
    assert sum("ValueError: <img src=x" in text for text in texts) == 1
    assert all("BEGIN HIDDEN TESTS" in text for text in texts)  # a grader sees them
    page.screenshot(path=PICTURES / "formgrader_submission.png", full_page=True)


def test_feedback_shows_the_fault_and_no_hidden_test(graded: Path, page: Page) -> None:
    for student, fault in (("bob", "AssertionError: double is wrong"), ("eve", "ValueError: <img src=x")):
        text = shown(page, (graded / "feedback" / student / classes.NAME / f"{classes.NAME}.html").as_uri())
        assert fault in text
        assert "hidden tests: 1 line" in text
        assert "double(n - 20)" not in text
    page.screenshot(path=PICTURES / "feedback_page.png", full_page=True)


def shown(page: Page, address: str) -> str:
    """What a page shows; nothing of a learner's may have run on it."""
    page.goto(address)
    page.locator("text=test-double").first.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(500)
    assert page.evaluate("window.pwned") is None, address
    return page.locator("body").inner_text()
