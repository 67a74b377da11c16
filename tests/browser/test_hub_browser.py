"""The course on a hub, from the release to the learner who reads the feedback: in a real browser with two people, and
on the oldest JupyterHub without one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from nbgrader.api import Gradebook
from playwright.sync_api import Browser, Locator, Page, expect

from helpers import hubs
from helpers.browsers import PATIENCE, PICTURES
from nnkit_grader.course.submission_notes import RECEIPT_FILE

SECONDS = 300_000
LEARNER = "cleo"
"""The learner of this test; test_hub_intruders.py has the others."""
MULTIPLY = """class MultiplyGate:
    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return upstream * y, upstream * x
"""
SUBTRACT = """class SubtractGate:
    def forward(self, x, y):
        return x - y, ()

    def backward(self, upstream, cache):
        return upstream, upstream
"""
WRITTEN = "The upstream gradient says how the loss changes with the output; where a wire branches, both ways count."
COMMENT = "Say why the two ways add."


pytestmark = pytest.mark.hub


def test_a_class_on_a_hub(browser: Browser, demo_hub: hubs.Hub) -> None:
    settings = demo_hub.folder / f"homes/{LEARNER}/.jupyter/lab/user-settings/@jupyterlab/notebook-extension"
    settings.mkdir(parents=True)
    # All cells are in the page, also those far below.
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    expect.set_options(timeout=SECONDS)
    ta, learner = Person(demo_hub, browser, "tom"), Person(demo_hub, browser, LEARNER)
    try:
        cycle(demo_hub, ta, learner)
    except BaseException:
        ta.look("failed")
        learner.look("failed")
        raise
    finally:
        expect.set_options(timeout=PATIENCE)
        ta.context.close()
        learner.context.close()


def cycle(hub: hubs.Hub, ta: Person, learner: Person) -> None:
    """The whole of it."""
    release(hub, ta)
    work(learner)
    release_without_date(hub, ta)
    assert json.loads((receipt(hub)).read_text())["user"] == LEARNER
    grade(ta)
    read(learner)
    report(ta)


GIVE_BACK = "!cd ~ && nbgrader fetch_feedback ps1 --course nnkit 2>&1 | tail -1; find ~ -name ps1.html -size +10k"


def test_a_class_on_the_oldest_hub(tmp_path: Path) -> None:
    """That of Zero to JupyterHub 4.4.0: with the requests that the pages make."""
    with hubs.demo_hub(tmp_path / "hub", hubs.build_python_with("5.5.0")) as hub:
        assert "Running JupyterHub version 5.5.0" in hub.read_log()
        ta, learner = hub.log_in("tom"), hub.log_in("ada")
        ta.start_server(hubs.GRADER)
        learner.start_server()
        assert "receipt" in learner.run(hubs.HAND_IN).lower()
        for step in ("assignment/ps1/collect", "submission/ps1/ada/autograde", "assignment/ps1/generate_feedback"):
            done(ta.call("POST", f"formgrader/api/{step}", hubs.GRADER))
        scored = ta.call("GET", "formgrader/api/submission/ps1/ada", hubs.GRADER).json()
        assert (scored["autograded"], scored["score"], scored["max_score"]) == (True, 0, 40)
        done(ta.call("POST", "formgrader/api/assignment/ps1/release_feedback", hubs.GRADER))
        assert "ps1.html" in learner.run(GIVE_BACK)
        report = ta.get("/services/course-nnkit/report/ps1")
        assert (report.status_code, "mistakes" in report.text) == (200, True)
        assert learner.get("/services/course-nnkit/report/ps1").status_code == 403
        assert max(hubs.measure_removal(hub, learner, ta).values()) < 40


def done(answer: requests.Response) -> None:
    assert answer.ok, answer.text
    assert answer.json()["success"], answer.text


@dataclass
class Person:
    """A user with their own browser; `page` is the tab in front."""

    def __init__(self, hub: hubs.Hub, browser: Browser, name: str):
        self.name = name
        self.context = browser.new_context(viewport={"width": 1300, "height": 950})
        self.context.set_default_timeout(SECONDS)
        self.page = self.context.new_page()
        self.page.goto(hub.address)
        self.page.fill("#username_input", name)
        self.page.fill("#password_input", hub.passwords[name])
        self.page.click("#login_submit")

    def follow(self, link: str) -> Page:
        """Open a link that makes a tab of its own."""
        with self.context.expect_page() as opened:
            self.page.get_by_role("link", name=link).click()
        return opened.value

    def look(self, what: str) -> None:
        for number, page in enumerate(self.context.pages):
            page.screenshot(path=PICTURES / f"hub_{self.name}_{what}_{number}.png")


def release(hub: hubs.Hub, ta: Person) -> None:
    """Open Formgrader from the course's page, generate ps1 anew and release it; it was due an hour ago."""
    ta.look("course_page")
    ta.page = ta.follow("Formgrader")
    ta.page.get_by_role("button", name="Authorize").click()
    ps1 = row(ta.page, "ps1")
    press(ps1, "release")  # it is released in a demo class: take it back
    expect(ps1.locator(".status")).to_have_text("draft")
    press(ps1, "assign")
    set_due_date(hub, datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1))
    press(ps1, "release")
    expect(ps1.locator(".status")).to_have_text("released")
    ta.look("released")


def set_due_date(hub: hubs.Hub, date: datetime | None) -> None:
    """Change the date in the gradebook; the exchange has it once ps1 is released again."""
    with Gradebook(f"sqlite:///{hub.folder / 'course' / 'gradebook.db'}", hubs.COURSE) as book:
        book.update_or_create_assignment("ps1", duedate=date)


def release_without_date(hub: hubs.Hub, ta: Person) -> None:
    """Release ps1 anew, due at no time: what others hand in on this hub is not late."""
    ps1 = row(ta.page, "ps1")
    set_due_date(hub, None)
    press(ps1, "release")
    expect(ps1.locator(".status")).to_have_text("draft")
    press(ps1, "release")
    expect(ps1.locator(".status")).to_have_text("released")


def row(page: Page, name: str) -> Locator:
    """Formgrader's row of an assignment or a student."""
    return page.locator("tbody tr").filter(has=page.locator("td", has_text=re.compile(f"^{name}$")))


def press(row: Locator, column: str) -> None:
    """Press a button of a row, and wait for Formgrader's word that it went well."""
    row.locator(f".{column} a").click()
    modal = row.page.locator(".modal-content").last
    expect(modal.locator(".modal-title")).to_have_text("Success")
    modal.get_by_role("button", name="Close").last.click()
    expect(row.page.locator(".modal-content")).to_have_count(0)


def work(learner: Person) -> None:
    """Fetch ps1, do three exercises of it, validate, hand it in late."""
    page = learner.page
    open_list(page)
    page.get_by_role("button", name="Fetch", exact=True).click()
    link = page.locator("#fetched_assignments_list .assignment-notebooks-link")
    expect(link).to_have_text(re.compile(r"^ps1\s+due 20\d\d-\d\d-\d\d \d\d:\d\d UTC, 200 tries left$"))
    link.click()
    page.locator("#fetched_assignments_list .nested_list_item a").first.click()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for()
    write(page, "class MultiplyGate", MULTIPLY)
    write(page, "class SubtractGate", SUBTRACT)
    # A rendered cell may or may not have its hidden editor in the page yet: press what is seen.
    answer = page.locator(".jp-MarkdownCell", has_text="YOUR ANSWER HERE").last
    answer.locator(".jp-MarkdownOutput").dblclick()
    fill(answer, WRITTEN)
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-current.jp-mod-dirty")).to_have_count(0)  # Validate saves too: not at the same time
    learner.look("work")
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Validate").click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("SubtractGate.backward: dy is wrong")
    learner.look("validated")
    assert "MultiplyGate" not in dialog.inner_text()
    dialog.get_by_role("button", name="Ok").click()
    page.get_by_role("tab", name="Assignments").click()
    submit = page.locator("#fetched_assignments_list").get_by_role("button", name="Submit")
    submit.click()
    expect(dialog).to_contain_text("it would count as late")
    learner.look("late")
    dialog.get_by_role("button", name="Ok").click()
    expect(page.locator("#submitted_assignments_list .nested_list_item")).to_have_count(0)
    submit.click()
    expect(page.locator("#submitted_assignments_list .nested_list_item")).to_have_count(1)
    learner.look("submitted")


def write(page: Page, begins: str, source: str) -> None:
    """Type into the cell with this text."""
    fill(page.locator(".jp-Cell", has=page.locator(".cm-content", has_text=begins)).first, source)


def fill(cell: Locator, source: str) -> None:
    """Replace the text of a cell whose editor is open."""
    cell.locator(".cm-content").click()
    cell.page.keyboard.press("Control+a")
    cell.page.keyboard.insert_text(source)


def open_list(page: Page) -> None:
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.get_by_text("Assignment List", exact=True).click()


def receipt(hub: hubs.Hub) -> Path:
    (found,) = (hub.folder / "homes" / LEARNER / "nnkit" / "ps1" / "receipts").glob(f"*/{RECEIPT_FILE}")
    return found


def grade(ta: Person) -> None:
    """Collect, autograde, grade the answer in words, write feedback and release it."""
    page = ta.page
    press(row(page, "ps1"), "collect")
    row(page, "ps1").locator(".num-submissions a").click()
    press(row(page, LEARNER), "autograde")
    expect(row(page, LEARNER).locator(".status")).to_have_text("needs manual grading")
    expect(row(page, LEARNER).locator(".score")).to_have_text("3 / 40")
    ta.look("autograded")
    row(page, LEARNER).locator(".student-name a").click()
    page.get_by_role("link", name="ps1").last.click()
    # The points so far are there: what is typed before is overwritten.
    expect(page.locator("input#test-multiply")).to_have_attribute("placeholder", "3")
    page.wait_for_load_state("networkidle")
    points, comment = page.locator("input#written"), page.locator("textarea.comment").last
    for kind, field, text in (("grade", points, "1"), ("comment", comment, COMMENT)):
        field.fill(text)
        with page.expect_response(lambda r, kind=kind: f"/api/{kind}/" in r.url and r.request.method == "PUT") as saved:
            field.press("Tab")
        assert saved.value.ok
    ta.look("by_hand")
    page.goto(f"{page.url.split('/formgrader/')[0]}/formgrader/manage_assignments")
    press(row(page, "ps1"), "generate-feedback")
    press(row(page, "ps1"), "release-feedback")


def read(learner: Person) -> None:
    """Fetch the feedback and read it."""
    page = learner.page
    page.locator("#submitted_assignments_list").get_by_role("button", name="Fetch Feedback").click()
    page.locator("#submitted_assignments_list .nested_list_item a").first.click()
    page.locator(".jp-DirListing").get_by_text("ps1.html").dblclick()
    page_body = page.frame_locator("iframe.jp-HTMLViewer, .jp-HTMLViewer iframe").locator("body")
    expect(page_body).to_contain_text(COMMENT)
    expect(page_body).to_contain_text("SubtractGate.backward: dy is wrong: the sign is wrong")
    exercise = page_body.locator(".panel-heading code", has_text="test-subtract")
    expect(exercise).not_to_be_in_viewport()
    page_body.get_by_role("link", name="1.2 Subtract", exact=True).click()
    expect(exercise).to_be_in_viewport()
    learner.look("feedback")


def report(ta: Person) -> None:
    """The course's page leads to the report on what the class did."""
    ta.page = ta.context.pages[0]
    ta.page.reload()
    page = ta.follow("Report on ps1")
    expect(page.locator("#mistakes")).to_contain_text("the sign is wrong")
    ta.look("report")
