"""The report on a class: a real class, graded in the sandbox, with everything in it that needs review."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import stat
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import Browser, Page

from helpers.browsers import PICTURES
from helpers.paths import ROOT
from nnkit.check.diagnosis.descriptions import DESCRIPTIONS
from nnkit.cli import main
from nnkit_grader import report
from nnkit_grader.course import release as courses
from nnkit_grader.course.assignment import Assignment, load_assignment
from nnkit_grader.course.demo_class import make_class
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.record.journal import Journal
from nnkit_grader.record.results import Result
from nnkit_grader.report import similarity, statistics, tables
from nnkit_grader.report.collect import ClassResults, SubmissionResults, collect_results, make_natural_key
from nnkit_grader.report.elements import Markup, escape_text, make_element
from nnkit_grader.report.flags import FLAG_TITLES, find_flags
from nnkit_grader.report.normalise import find_definitions, normalise_code
from nnkit_grader.report.style import SCRIPT, STYLE
from nnkit_grader.run import GradingRequest, grade_class

pytestmark = pytest.mark.slow
SCRIPTED = '"><img src=x onerror="window.pwned=1"><script>window.pwned=1<'
FORMULA = "=cmd|' !A0"
HELPER = "def halved(amount):\n    return amount * 0.5\n\n"
QUOTIENT = """class SquareGate:
    def forward(self, x):
        return x**2, x
    def backward(self, upstream, cache):
        h = 1e-4
        return upstream * (self.forward(cache + h)[0] - self.forward(cache - h)[0]) / (2 * h)
"""
ENDS = "import os\nos._exit(3)"
EVIL = f"raise ValueError({'</td></table><script>window.pwned=1</script><svg onload=window.pwned=1>'!r})"
FORGED = {"points": 99}


def answered(course: Path, answers: dict[str, str], forged: dict[str, Any] | None = None) -> bytes:
    """A notebook with the course's own answers, and these in place of some."""
    own = {cell.id: cell.source for cell in load_assignment(course, "ps1").cells if cell.kind in ("answer", "written")}
    notebook = json.loads((course / "assignments/ps1/ps1.ipynb").read_text())
    for cell in notebook["cells"]:
        cell["source"] = {**own, **answers}.get(cell["id"], cell["source"])
        if forged and cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["metadata"]["nbgrader"] |= forged
    return json.dumps(notebook).encode()


def copied_answers(assignment: Assignment) -> tuple[dict[str, str], dict[str, str]]:
    """Return answers that no other student gave, and the same in other words."""
    cells = {cell.id: cell.source for cell in assignment.cells if cell.kind == "answer"}
    mine = {id: HELPER + source for id, source in cells.items()}
    renamed = {
        "halved": "half_of",
        "amount": "a",
        "upstream": "above",
        "cache": "memo",
        "ddot": "d_sum",
        "xpy": "total",
    }
    theirs = {}
    for id, source in mine.items():
        for old, new in renamed.items():
            source = re.sub(rf"\b{old}\b", new, source)
        theirs[id] = f"# all my own work\n{source}  # yes"
    return mine, theirs


def hand_in(course: Path, student: str, content: bytes) -> None:
    folder = course / "submitted" / student / "ps1"
    folder.mkdir(parents=True)
    (folder / "ps1.ipynb").write_bytes(content)


def score_by_hand(course: Path) -> None:
    """What a grader enters: 2 points for words, a test overruled, a late submission."""
    with Gradebook(open_course(course).coursedir.db_url, "nnkit") as book:
        book.find_grade("written", "ps1", "ps1", "student01").manual_score = 2.0
        book.find_grade("test-square", "ps1", "ps1", "measurer").manual_score = 1.0
        book.find_submission_notebook("ps1", "ps1", "student01").late_submission_penalty = 0.5
        book.update_or_create_assignment("ps1", duedate="2026-01-01 12:00:00 UTC")
        book.find_submission("ps1", "student01").timestamp = datetime(2026, 1, 2)
        book.update_or_create_student("student01", first_name="Ada", last_name="Lovelace")
        book.add_student("absentee")
        book.db.commit()
    (course / "students.csv").write_text("id, first_name, last_name, section\nann,Ann,,B\nabsentee,Zoé,Absent,A\n")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course folder with a class that `nnkit autograde` has graded, in the sandbox."""
    course = tmp_path_factory.mktemp("report") / "course"
    course.mkdir()
    courses.copy_course(ROOT, course)
    shutil.copytree(ROOT / "assignments", course / "assignments")
    make_class(course, "ps1", 12, seed=0)
    mine, theirs = copied_answers(load_assignment(course, "ps1"))
    hand_in(course, "ann", answered(course, mine))
    hand_in(course, "bob", answered(course, theirs))
    hand_in(course, "cut off", b'{"cells": [')
    hand_in(course, "forger", answered(course, {}, FORGED))
    hand_in(course, "leaver", answered(course, {"neuron": ENDS}))
    hand_in(course, "measurer", answered(course, {"square": QUOTIENT}))
    hand_in(course, SCRIPTED, answered(course, {"exp": EVIL, "written": EVIL}))
    hand_in(course, FORMULA, answered(course, {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNKIT_CHECK_SECONDS", "2")  # in which the endless loop of a student ends
        grade_class(GradingRequest("ps1", jobs=2), course, lambda: open_course(course))
    score_by_hand(course)
    feedback = course / "feedback/ann/ps1/ps1.html"
    feedback.parent.mkdir(parents=True)
    feedback.write_text("<title>feedback</title>")
    return course


@pytest.fixture(scope="module")
def results(graded: Path) -> ClassResults:
    return collect_results(graded, "ps1")


@pytest.fixture(scope="module")
def written(graded: Path) -> Path:
    return report.write_report(graded, "ps1")


def row(gathered: ClassResults, student: str) -> SubmissionResults:
    return next(row for row in gathered.rows if row.student == student)


def with_results(results: ClassResults, **changed: Result) -> ClassResults:
    """The class with other results for some students."""
    rows = [replace(row, result=changed.get(row.student, row.result)) for row in results.rows]
    return replace(results, rows=tuple(rows))


def read_csv(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


# -- what is collected --------------------------------------------------------------------------------------


def test_exercises_are_named_after_headings(results: ClassResults) -> None:
    exercise = next(one for one in results.exercises if one.id == "test-neuron")
    assert (exercise.number, exercise.title, exercise.points) == ("2.3", "2.3 A neuron", 4.0)
    assert exercise.answers == ("neuron",)


def test_scores_equal_those_of_the_journal(graded: Path, results: ClassResults) -> None:
    for entry in Journal(graded, "ps1").read_entries():
        if entry.student not in ("student01", "measurer"):
            assert row(results, entry.student).total == entry.result.score


def test_points_by_hand_and_for_being_late_count(results: ClassResults) -> None:
    first = row(results, "student01")
    assert (first.scores["written"], first.penalty, first.total) == (2.0, 0.5, 38.0 + 2.0 - 0.5)
    assert row(results, "measurer").scores["test-square"] == 1.0
    assert row(results, "ann").scores["written"] is None
    assert results.find_state(row(results, "ann"), results.exercises[-1]) == "waiting"


def test_without_a_gradebook_the_journal_is_enough(graded: Path, tmp_path: Path) -> None:
    course = shutil.copytree(graded, tmp_path / "course")
    (course / "gradebook.db").unlink()
    alone = collect_results(course, "ps1")
    assert row(alone, "student01").total == 38.0
    assert alone.max_points == 38.0, "no student has points for the answer in words, so it is left out of the sum"
    assert not (course / "gradebook.db").exists()


def test_who_is_missing_and_who_was_graded_by_other_tests_is_told(graded: Path, tmp_path: Path) -> None:
    course = shutil.copytree(graded, tmp_path / "course", symlinks=True)
    hand_in(course, "late comer", b"{}")
    path = course / "solutions/ps1/ps1.ipynb"
    notebook = json.loads(path.read_text())
    next(cell for cell in notebook["cells"] if cell["id"] == "test-square")["source"] = "assert SquareGate()"
    path.write_text(json.dumps(notebook))
    later = collect_results(course, "ps1")
    assert later.ungraded == ("late comer",)
    assert len(later.stale) == len(later.rows)
    page = report.write_report(course, "ps1").read_text()
    assert "late comer" in page
    assert "Graded by an older version of the tests: " in page


def test_nothing_graded_is_one_sentence(graded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    courses.copy_course(ROOT, tmp_path)
    assert main(["report", "ps1", "--course", str(tmp_path)]) == 2
    assert "Run `nnkit autograde ps1` first." in capsys.readouterr().err
    assert main(["report", "ps9", "--course", str(graded)]) == 2


# -- numbers -----------------------------------------------------------------------------------------------


def test_histogram_counts_everybody_once() -> None:
    bars = statistics.count_bars([0, 3.5, 5, 38, 39.5, 40], 40)
    assert sum(bar.count for bar in bars) == 6
    assert (bars[0].low, bars[0].high, bars[-1].high) == (0, 5, 40)
    assert [bar.count for bar in bars] == [2, 1, 0, 0, 0, 0, 0, 3]
    assert sum(bar.count for bar in statistics.count_bars([41.0], 40)) == 1, "extra credit goes beyond"
    assert sum(bar.count for bar in statistics.count_bars([0.0], 0)) == 1


def test_mistakes_are_those_that_were_planted(graded: Path, results: ClassResults) -> None:
    manifest = json.loads((graded / "demo_class_ps1.json").read_text())
    named = {(made.exercise.answers[0], made.id): made for made in statistics.count_mistakes(results) if made.named}
    planted = [(s["id"], p) for s in manifest for p in s["planted"] if s["kind"] == "mistaken"]
    told = [(student, p) for student, p in planted if (p["cell"], p["label"]) in named]
    assert len(told) >= 3
    for student, mistake in told:
        assert student in [row.student for row in named[mistake["cell"], mistake["label"]].rows]


def test_what_has_no_name_is_counted_by_its_description(results: ClassResults) -> None:
    described = [one for one in statistics.count_mistakes(results) if one.described]
    assert described, "the class has answers that no name fits"
    for one in described:
        assert not one.named
        assert one.title == DESCRIPTIONS[one.id].title
        assert one.sentences
    made = statistics.count_mistakes(results)
    for exercise in results.exercises:
        kinds = [(one.named, one.described) for one in made if one.exercise == exercise]
        assert kinds == sorted(kinds, reverse=True), "named ones first, then descriptions"


def test_who_alone_has_the_courses_answers_is_a_reason_to_look(results: ClassResults) -> None:
    """Where most of the class has them, as here, they say nothing."""
    assert similarity.find_solution_copies(results) == []
    mine = copied_answers(results.assignment)[0]
    others = []
    for row in results.ran:
        cells = [replace(cell, source=mine.get(cell.id, cell.source)) for cell in row.result.cells]
        others.append(
            replace(row, result=replace(row.result, cells=tuple(cells))) if row.student != "measurer" else row
        )
    (copy,) = similarity.find_solution_copies(replace(results, rows=tuple(others)))
    assert copy.row.student == "measurer"
    assert "square" not in copy.cells


def test_each_exercise_has_a_discrimination_and_a_time(results: ClassResults) -> None:
    for one in statistics.rank_exercises(results):
        assert one.discrimination is None or -1 <= one.discrimination <= 1
        assert one.exercise.by_hand or one.seconds > 0
    assert any((one.discrimination or 0) > 0.3 for one in statistics.rank_exercises(results))


def test_blank_answers_and_errors_are_no_named_mistakes(results: ClassResults) -> None:
    made = {(one.exercise.id, one.id): one for one in statistics.count_mistakes(results)}
    blank = made["test-staged", statistics.BLANK]
    assert all(results.is_blank(row, blank.exercise) for row in blank.rows)
    neuron = made["test-neuron", statistics.ERROR]
    assert "leaver" in [row.student for row in neuron.rows]
    assert not any(row.student == "cut off" for one in made.values() for row in one.rows), "it was not run"


def test_the_hardest_exercise_comes_first(results: ClassResults) -> None:
    *shares, last = [one.share for one in statistics.rank_exercises(results)]
    assert shares == sorted(shares)
    assert last == 0.5, "one has 2 points, one left it out with 0; the others wait"
    for one in statistics.rank_exercises(results):
        assert sum(one.counts.values()) == len(results.ran)


# -- what needs review --------------------------------------------------------------------------


def found(results: ClassResults) -> dict[str, dict[str, str]]:
    """Return kind → student → sentences."""
    told: dict[str, dict[str, str]] = {kind: {} for kind in FLAG_TITLES}
    for finding in find_flags(results, similarity.find_similar(results)):
        told[finding.kind][finding.row.student] = " ".join(finding.sentences)
    return told


def test_each_reason_to_look_finds_its_own(results: ClassResults) -> None:
    told = found(results)
    assert set(told["not run"]) == {"cut off"}
    assert set(told["forged"]) == {"forger"}
    assert set(told["numerical"]) == {"measurer"}
    assert set(told["alike"]) == {"ann"}
    assert "12 of the 12 longer answers that both gave are the same (100%)" in told["alike"]["ann"]
    assert "leaver" in told["stopped"]
    assert "'neuron' was stopped" in told["stopped"]["leaver"]


def test_a_quotient_that_the_tests_let_pass_is_told_too(results: ClassResults) -> None:
    result = row(results, "measurer").result
    cells = [replace(cell, verdicts=[], score=cell.score and cell.points) for cell in result.cells]
    passed = with_results(results, measurer=replace(result, cells=tuple(cells)))
    assert "the answer has a difference quotient" in found(passed)["numerical"]["measurer"]


SQUARE = """class S:
    def run(self, x, c):
        self.kept = {'x': x}
        y = x * c
        return y + self.kept['x']"""


@pytest.mark.parametrize(
    "source",
    [
        SQUARE.replace("x", "value"),
        SQUARE.replace("kept", "memory").replace("y", "out"),
        SQUARE.replace("'x'", "'input'"),
        SQUARE.replace("x, c)", "x: float, c: float = ...) -> float").replace(" = ...", ""),
        SQUARE.replace("        y = x", '        """It squares."""\n        # really\n\n        y = (x)').replace(
            "y =", "y  ="
        ),
        f'"""Mine."""\n{SQUARE}\n# the end',
    ],
)
def test_renaming_changes_no_form(source: str) -> None:
    assert normalise_code(source, frozenset({"S", "run"})) == normalise_code(SQUARE, frozenset({"S", "run"}))


@pytest.mark.parametrize(
    "source",
    [
        SQUARE.replace("x * c", "c * x"),
        SQUARE.replace("x * c", "x / c"),
        SQUARE.replace("y + self", "x + self"),
        SQUARE.replace("run", "walk"),
        SQUARE.replace("x * c", "np.exp(x)"),
        SQUARE.replace("x * c", "2 * c"),
    ],
)
def test_other_answers_have_other_forms(source: str) -> None:
    assert normalise_code(source, frozenset({"S", "run"})) != normalise_code(SQUARE, frozenset({"S", "run"}))


def test_what_a_function_binds_is_named_in_it_alone() -> None:
    one = "def f(x):\n    return x\ndef g(x):\n    return x"
    assert normalise_code(one) == normalise_code("def f(a):\n    return a\ndef g(b):\n    return b")
    assert normalise_code("def f(x):\n    return np.exp(x)") != normalise_code("def f(x):\n    return np.log(x)")
    assert find_definitions(SQUARE) == {"S", "run"}
    assert normalise_code("not python at all").size == 4


def test_a_pair_is_told_with_its_share(results: ClassResults) -> None:
    (pair,) = similarity.find_similar(results)
    assert {pair.one.student, pair.other.student} == {"ann", "bob"}
    assert pair.share == 1.0
    assert len(pair.rare) >= 6
    assert not pair.same_file


def test_the_course_and_the_crowd_say_nothing(results: ClassResults) -> None:
    """No pair is flagged if all hand in the same, nor if two hand in the course's own answers."""
    ann = row(results, "ann").result
    own = row(results, "forger").result
    for result in (own, ann):
        same = {one.student: replace(result, digest=one.student) for one in results.rows}
        assert similarity.find_similar(with_results(results, **same)) == []
    two = {who: replace(own, digest=who) for who in ("forger", "leaver")}
    assert similarity.find_similar(with_results(results, **{**same, **two})) == []


def test_a_ring_is_told_as_its_pairs(results: ClassResults) -> None:
    ann = row(results, "ann").result
    ring = {"bob", "forger", "leaver"}
    told = similarity.find_similar(with_results(results, **{who: replace(ann, digest=who) for who in ring}))
    assert {frozenset((pair.one.student, pair.other.student)) for pair in told} == {
        frozenset((a, b)) for a in {"ann", *ring} for b in {"ann", *ring} if a < b
    }


def test_the_same_file_is_told_unless_it_is_blank(results: ClassResults) -> None:
    own = row(results, "forger").result
    told = similarity.find_similar(with_results(results, leaver=own))
    assert [pair.same_file for pair in told if pair.one.student == "forger"] == [True]
    (alike,) = [one for one in find_flags(results, told) if "byte by byte" in one.sentences[0]]
    assert (alike.row.student, [row.student for row in alike.others]) == ("forger", ["leaver"])
    blank = next(one for one in results.rows if one.ran and all(results.is_blank(one, e) for e in results.exercises))
    told = similarity.find_similar(with_results(results, leaver=blank.result))
    assert not any(pair.same_file for pair in told)


# -- files -------------------------------------------------------------------------------------------------


def test_csv_files_say_the_same(results: ClassResults, written: Path) -> None:
    head, *rows = read_csv(written.with_name("scores.csv"))
    assert head[0] == "student"
    assert len(rows) == len(results.rows) + 1
    assert rows[-1][0] == "absentee"
    by_name = {line[0]: dict(zip(head, line)) for line in rows}
    assert by_name["student01"]["total"] == "39.5"
    assert (by_name["student01"]["name"], by_name["student01"]["hours late"]) == ("Ada Lovelace", "12.0")
    assert (by_name["ann"]["name"], by_name["ann"]["section"]) == ("Ann", "B")
    assert by_name["ann"]["written"] == ""
    assert "not JSON" in by_name["cut off"]["refused"]
    for name in ("exercises", "mistakes", "look", "alike"):
        lines = read_csv(written.with_name(f"{name}.csv"))
        assert len(lines) > 1
        assert len({len(line) for line in lines}) == 1


def test_no_cell_of_a_csv_file_is_a_formula(written: Path) -> None:
    for path in written.parent.glob("*.csv"):
        for line in read_csv(path):
            assert not [
                cell for cell in line if cell.startswith(("=", "+", "@", "\t")) or re.match(r"-(?![\d.])", cell)
            ]
    assert f"'{FORMULA}" in written.with_name("scores.csv").read_text()


def test_semicolons_begin_no_cell_and_no_formula(results: ClassResults) -> None:
    """Where a comma is the decimal sign, spreadsheets split at semicolons."""
    content = tables.format_csv([["a;=1+1", 'b";=1', None, -1.5, "c; -1; d"]])
    assert content == b'"a;\'=1+1","b"";\'=1","",-1.5,"c; \'-1; d"\r\n'
    rows = [replace(results.rows[0], student=name) for name in ("van Dyk", "ann")]
    assert tables._list_students(rows) == "van Dyk; ann"


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\ufeff=1"[1:]])
def test_text_that_a_spreadsheet_would_compute(value: str) -> None:
    assert tables._clean_value(value).startswith("'")  # type: ignore[union-attr]


def test_text_is_escaped_wherever_it_goes() -> None:
    assert escape_text("<b a='1' c=\"2\">&") == "&lt;b a=&#x27;1&#x27; c=&quot;2&quot;&gt;&amp;"
    assert make_element("p", "<i>", title='"') == '<p title="&quot;">&lt;i&gt;</p>'
    assert Markup("<p>") + "<i>" == "<p>&lt;i&gt;"
    assert escape_text(f"{Markup('<p>')}!") == "&lt;p&gt;!"
    assert "\x1b" not in escape_text("\x1b[31m\u202e")


def test_numbers_in_names_are_in_order() -> None:
    names = ["student10", "student2", "Student1", "ann", "²", "2b", "10a"]
    assert sorted(names, key=make_natural_key) == ["2b", "10a", "ann", "Student1", "student2", "student10", "²"]


def test_links_lead_to_what_was_graded(graded: Path, written: Path, browser: Browser) -> None:
    page = opened(browser, written)
    links = page.eval_on_selector_all("a[href]:not([href^='#'])", "all => all.map((one) => one.href)")
    assert len(links) > 20
    for address in set(links):
        path = page.evaluate("(address) => decodeURIComponent(new URL(address).pathname)", address)
        assert Path(path).is_file(), path
    assert any("feedback/ann/" in address for address in links)
    assert re.search(r'href="\.\./\.\./autograded/ann/ps1/ps1\.ipynb"', written.read_text())


def test_another_folder_and_the_command(graded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "ps1", "--course", str(graded), "-o", str(tmp_path / "else where")]) == 0
    path = tmp_path / "else where/index.html"
    assert str(path) in capsys.readouterr().out
    (address,) = re.findall(r'href="([^"]*autograded/ann/ps1/ps1\.ipynb)"', path.read_text())[:1]
    assert (path.parent / address).resolve() == (graded / "autograded/ann/ps1/ps1.ipynb").resolve()
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o400


def test_all_assignments_are_on_one_page_beside_another_years(
    graded: Path, written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--course", str(graded), "--beside", str(graded)]) == 0
    path = written.parent.parent / "index.html"
    assert str(path) in capsys.readouterr().out
    page = path.read_text()
    assert '<a href="ps1/index.html">ps1</a>' in page
    assert "share before" in page
    assert "<script>window" not in page
    head, *rows = read_csv(path.with_name("overview.csv"))
    assert head == ["student", "name", "section", "ps1"]
    assert ["student01", "Ada Lovelace", "", "39.5"] in rows
    assert main(["report", "--course", str(tmp_path)]) == 2


def test_another_years_shares_stand_beside_each_exercises(graded: Path, tmp_path: Path) -> None:
    assert main(["report", "ps1", "--course", str(graded), "--beside", str(graded), "-o", str(tmp_path)]) == 0
    head, *rows = read_csv(tmp_path / "exercises.csv")
    shares = {row[0]: row[head.index("share")] for row in rows}
    assert {row[0]: row[head.index("share before")] for row in rows} == shares
    assert len(shares) > 10
    page = (tmp_path / "index.html").read_text()
    assert page.count('<th scope="col" class="number">share before</th>') == 1
    assert main(["report", "ps1", "--course", str(graded), "--beside", str(tmp_path), "-o", str(tmp_path)]) == 2


# -- in a browser ------------------------------------------------------------------------------------------


def opened(browser: Browser, path: Path, scripts: bool = True, scheme: str = "light", width: int = 1200) -> Page:
    """The page in a window of its own; faults on its console, and what it asks of a network, in `page.faults`."""
    context = browser.new_context(
        java_script_enabled=scripts, color_scheme=scheme, viewport={"width": width, "height": 900}
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("request", lambda request: None if request.url == path.as_uri() else faults.append(request.url))
    page.goto(path.as_uri())
    page.faults = faults  # type: ignore[attr-defined]
    return page


def test_no_script_of_a_learner_runs(written: Path, browser: Browser) -> None:
    page = opened(browser, written)
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    assert page.faults == []  # type: ignore[attr-defined]
    assert page.locator("img, iframe, object, embed, form, [onerror], [onload], [style]").count() == 0
    assert page.locator("script").count() == 1
    assert page.get_by_role("link", name=SCRIPTED, exact=True).count() > 1


def test_even_markup_that_slipped_through_would_not_run(written: Path, browser: Browser, tmp_path: Path) -> None:
    """The page's own policy: escaping is not the only wall."""
    path = tmp_path / "slipped.html"
    evil = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'><svg onload='window.pwned=1'></svg>"
    path.write_text(written.read_text().replace("<main", f"{evil}<main", 1))
    page = opened(browser, path)
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    assert page.faults  # type: ignore[attr-defined]


def test_everything_is_there_without_scripts(written: Path, browser: Browser) -> None:
    page = opened(browser, written, scripts=False)
    assert page.locator("table.heat tbody tr").count() == len(read_csv(written.with_name("scores.csv"))) - 2
    assert page.get_by_text("Handed in nothing (1): Zoé Absent (absentee).").count() == 1
    assert page.get_by_role("searchbox").count() == 0
    assert page.locator("button").count() == 0
    assert page.get_by_role("img", name=re.compile("^Histogram of points: 0 to less than")).count() == 1


def test_tables_are_sorted_by_keyboard(written: Path, browser: Browser) -> None:
    page = opened(browser, written)
    head = page.locator("table.heat thead th").last
    head.get_by_role("button").focus()
    for key, direction in (("Enter", "ascending"), ("Space", "descending")):
        page.keyboard.press(key)
        assert head.get_attribute("aria-sort") == direction
        shown = page.locator("table.heat tbody tr td:last-child").all_inner_texts()
        numbers = [float(number) for number in shown]
        assert numbers == sorted(numbers, reverse=direction == "descending")
    for words, students in (("lovelace", ["student01"]), ("B ann", ["ann"]), ("late", ["student01"]), ("no one", [])):
        page.get_by_role("searchbox", name="Show only").fill(words)
        names = page.locator("table.heat tbody tr:visible th").all_inner_texts()
        assert len(names) == len(students)
        assert all(student in name for student, name in zip(students, names))
        assert page.get_by_role("status").inner_text().startswith(f"{len(students)} of ")


def test_the_first_key_leads_past_the_navigation(written: Path, browser: Browser) -> None:
    page = opened(browser, written)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "report"


STRUCTURE = """() => {
  const all = (what) => [...document.querySelectorAll(what)], faults = [];
  const levels = all("h1, h2, h3").map((one) => +one.tagName[1]);
  if (levels[0] !== 1 || levels.filter((one) => one === 1).length !== 1) faults.push("not one h1, first");
  levels.forEach((one, k) => { if (k && one > levels[k - 1] + 1) faults.push(`h${one} after h${levels[k - 1]}`); });
  const ids = all("[id]").map((one) => one.id);
  if (new Set(ids).size !== ids.length) faults.push("an id is there twice");
  for (const table of all("table")) {
    if (!table.caption?.textContent.trim()) faults.push("a table without a caption");
    for (const th of table.querySelectorAll("th")) if (!th.scope || !th.textContent.trim()) faults.push("a bare th");
    for (const tr of table.tBodies[0].rows) if (!tr.querySelector("th")) faults.push("a row without a head");
  }
  for (const one of all("a, button, summary, [role=img], [role=region], nav"))
    if (!(one.getAttribute("aria-label") || one.textContent).trim()) faults.push(`nameless ${one.outerHTML}`);
  for (const one of all("a[href^='#']")) if (!document.querySelector(one.hash)) faults.push(`nowhere: ${one.hash}`);
  for (const svg of all("svg")) if (!svg.ariaHidden && !svg.getAttribute("aria-label")) faults.push("a nameless svg");
  for (const name of ["main", "nav", "title", "html[lang]"]) if (all(name).length !== 1) faults.push(`no ${name}`);
  return faults;
}"""
CONTRASTS = """() => {
  const parts = (colour) => { const n = colour.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, below) => [0, 1, 2].map((k) => top[k] * top[3] + below[k] * (1 - top[3])).concat(1);
  const ground = (one) => { const chain = []; for (let at = one; at; at = at.parentElement) chain.unshift(at);
    return chain.reduce((below, at) => over(parts(getComputedStyle(at).backgroundColor), below), [255, 255, 255, 1]); };
  const light = (c) => { const [r, g, b] = c.map((v) => v / 255).map((v) => v <= .03928 ? v / 12.92
    : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const faint = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || one.closest("script, svg, .unseen") || !one.getClientRects().length) continue;
    const below = ground(one), ink = over(parts(getComputedStyle(one).color), below);
    const [a, b] = [light(ink), light(below)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)}: ${one.outerHTML.slice(0, 120)}`);
  }
  return faint;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_structure_and_contrast(written: Path, browser: Browser, scheme: str) -> None:
    page = opened(browser, written, scheme=scheme)
    assert page.evaluate(STRUCTURE) == []
    assert page.evaluate(CONTRASTS) == []
    page.screenshot(path=PICTURES / f"report-{scheme}.png", full_page=True)


def test_a_narrow_window_scrolls_tables_and_not_the_page(written: Path, browser: Browser) -> None:
    page = opened(browser, written, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.screenshot(path=PICTURES / "report-narrow.png", full_page=True)


def test_print(written: Path, browser: Browser) -> None:
    """All on paper: nothing folded, no links of the screen's, black on white, no table cut off at the side."""
    page = opened(browser, written, scheme="dark", width=1040)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not page.locator("nav").is_visible()
    assert not page.locator(".skip").is_visible()
    assert page.evaluate(CONTRASTS) == []
    wide = "[...document.querySelectorAll('table')].map((one) => one.getBoundingClientRect().right)"
    assert max(page.evaluate(wide)) <= 1040
    pdf = page.pdf(path=PICTURES / "report.pdf", prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")


def test_nothing_is_told_by_colour_alone(written: Path, browser: Browser) -> None:
    """Every cell of the heat map has a number, or a mark with its meaning."""
    page = opened(browser, written)
    for cell in page.locator("table.heat tbody td").all_inner_texts():
        assert re.fullmatch(r"−?\d+(\.\d+)?|(○|…|–)\s*(not attempted|waits for points by hand|not run)|", cell), cell


def test_page_holds_all_it_needs(written: Path) -> None:
    page = written.read_text()
    assert page.count(STYLE) == page.count(SCRIPT) == 1
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    assert not re.findall(r"url\((?!#)", page)
    assert len(page) < 400_000
