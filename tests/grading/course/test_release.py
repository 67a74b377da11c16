"""From solutions/ to grades, with the real nbgrader and real kernels."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest

from helpers.hidden import hidden_lines, secret_lines
from helpers.paths import ROOT
from nnkit import cli
from nnkit_grader import cli as grader_cli
from nnkit_grader.course import demo_class, release
from nnkit_grader.course.demo_class import make_class
from nnkit_grader.course.planted_answers import read_answers
from nnkit_grader.demo import format_demo_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    release.copy_course(ROOT, folder)
    return folder


@pytest.mark.slow
def test_assignments_are_what_release_makes_of_solutions(tmp_path: Path) -> None:
    names = release.release_assignments(ROOT, tmp_path / "assignments")
    assert names
    for name in names:
        committed = ROOT / "assignments" / name / f"{name}.ipynb"
        made = tmp_path / "assignments" / name / f"{name}.ipynb"
        assert committed.read_text(encoding="utf-8") == made.read_text(encoding="utf-8"), "run `make release`"


def test_no_answer_and_no_hidden_test_is_in_the_release() -> None:
    for path in (ROOT / "solutions").glob("*/*.ipynb"):
        released = (ROOT / "assignments" / path.parent.name / path.name).read_text(encoding="utf-8")
        assert "SOLUTION" not in released
        assert "HIDDEN" not in released
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        secrets = [line for cell in cells for line in secret_lines(cell)]
        assert len(secrets) > 20
        sources = ["".join(cell["source"]) for cell in json.loads(released)["cells"]]
        for secret in secrets:
            assert not any(secret in source.splitlines() for source in sources), secret


def test_a_question_that_is_answered_in_words_is_in_the_release() -> None:
    """nbgrader empties the cell of a written answer, so what is asked must stand before it."""
    for path in (ROOT / "assignments").glob("*/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        written = [i for i, c in enumerate(cells) if c["cell_type"] == "markdown" and c["metadata"].get("nbgrader")]
        assert written, path.stem
        for i in written:
            asked = "".join(cells[i - 1]["source"])
            assert "**" in asked or "?" in asked, path.stem
            assert "Graded by hand" in asked, path.stem


def test_every_check_in_a_test_cell_counts() -> None:
    """A check whose verdict is ignored would pass every wrong answer."""
    for path in (ROOT / "solutions").glob("*/*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["metadata"].get("nbgrader", {}).get("grade") and cell["cell_type"] == "code":
                assert not [line for line in source.splitlines() if line.startswith("check_")], source
                assert "assert check_" in source or "partial_credit(" in source


def test_each_answer_names_cells_that_exist() -> None:
    for path in (ROOT / "solutions").glob("*_answers.py"):
        name = path.stem.removesuffix("_answers")
        cells = json.loads((ROOT / "solutions" / name / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        ids = {cell["metadata"]["nbgrader"]["grade_id"] for cell in cells if "nbgrader" in cell["metadata"]}
        for answer in read_answers(path):
            assert {answer.cell, *answer.loses} <= ids


@pytest.mark.slow
def test_a_class_scores_exactly_what_was_planted(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right answers in every style keep all their points; each planted mistake loses its own and no others."""
    monkeypatch.setenv("NNKIT_CHECK_SECONDS", "2")
    answers = read_answers(folder / "solutions" / "ps1_answers.py")
    assert cli.main(["demo", "--course", str(folder)]) == 0, capsys.readouterr()
    out = capsys.readouterr().out
    assert "30 of 30 scores are as planted." in out
    assert "Full marks are 40 points: 38 by tests, 2 by hand." in out
    assert "17 of the 17 planted mistakes of ps1 were made at least once." in out
    _, where, and_, program, verb, *_ = shlex.split(re.search(r"^Formgrader +(cd .*)$", out, re.MULTILINE)[1])
    assert (Path(where), and_, verb) == ((folder / "build" / "demo").resolve(), "&&", "lab")
    assert shutil.which(program)
    demo = folder / "build" / "demo"
    manifest = {student["id"]: student for student in json.loads((demo / "demo_class_ps1.json").read_text())}
    planted = {(p["cell"], p["label"]) for student in manifest.values() for p in student["planted"]}
    assert {(a.cell, a.label) for a in answers if a.kind == "mistake"} <= planted
    table = release.read_scores(demo, "ps1")
    full = table["student01"]
    assert sum(full.values()) == 38
    for student, row in table.items():
        lost = {cell: full[cell] - points for cell, points in row.items() if points != full[cell]}
        if manifest[student]["kind"] == "mistaken":
            assert lost == manifest[student]["planted"][0]["loses"], student
        if manifest[student]["kind"] == "blank":
            assert sum(row.values()) == 0
    with (demo / "grades.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 30
    pages = {student: (demo / "feedback" / student / "ps1" / "ps1.html").read_text() for student in manifest}
    secrets = hidden_lines(folder / "solutions" / "ps1" / "ps1.ipynb")
    assert len(secrets) > 10
    for student, page in pages.items():
        assert len(page) > 10_000
        assert "hidden tests: " in page
        words = re.sub(r"<[^>]+>", "", page).replace("&quot;", '"').replace("&#39;", "'").replace("&gt;", ">")
        assert not [line for line in secrets if line in words], student
        assert not re.search(r"-> +\d+ assert ", words), student  # a traceback that quotes a test cell
        if manifest[student]["kind"] == "looping":
            assert "it did not end within 2 seconds" in words


def test_the_demos_table_keeps_its_columns_whatever_is_planted() -> None:
    planted = [{"cell": "a" * 30, "label": "left out"}, {"cell": "b", "label": "sign"}]
    students = [demo_class.DemoStudent("student01", "perfect", score=38.0)]
    students.append(demo_class.DemoStudent("student1000", "mistaken", planted, 3.5))
    lines = format_demo_table(students, {"student01": 38.0, "student1000": 12.0}, 38).splitlines()
    head, first, second = lines
    for title, left, right in (("is", "perfect", "mistaken"), ("planted", "", "left out in aaa")):
        assert first.startswith(left, head.index(f"  {title}") + 2)
        assert second.startswith(right, head.index(f"  {title}") + 2)
    for title, above, below in (("expected", "38", "3.5"), ("scored of 38", "38", "12")):
        end = head.index(title) + len(title)
        assert first[:end].endswith(f" {above}")
        assert second[:end].endswith(f" {below}")
    assert (first.endswith("38"), second.endswith("  differs")) == (True, True)


# -- feedback without hidden tests ---------------------------------------------------------------------

TEST = """if ready:
    assert check_value(double(3), 6)
    ### BEGIN HIDDEN TESTS
    assert check_value(double(-7), -14)

    assert double("<7>") == "<7><7>"
    ### END HIDDEN TESTS
"""
FOLDED = """if ready:
    assert check_value(double(3), 6)
    # hidden tests: 2 lines, run when graded
"""


def graded(source: str, *outputs: dict) -> dict:
    mark = {"grade": True, "solution": False, "points": 2, "grade_id": "test", "schema_version": 3, "locked": True}
    return nbformat.v4.new_code_cell(source, metadata={"nbgrader": mark}, outputs=list(outputs))


def without_hidden_tests(*cells: dict) -> list:
    from nnkit_grader.nbgrader_plugin.hide_hidden_tests import HideHiddenTests

    notebook, _ = HideHiddenTests()(nbformat.v4.new_notebook(cells=list(cells)), {})
    return notebook.cells


def error(ename: str, evalue: str, *traceback: str) -> dict:
    return nbformat.v4.new_output("error", ename=ename, evalue=evalue, traceback=list(traceback))


def test_feedback_counts_hidden_tests_and_does_not_show_them() -> None:
    plain = nbformat.v4.new_code_cell("x = 1  ### BEGIN HIDDEN TESTS")
    cell, other = without_hidden_tests(graded(TEST), plain)
    assert cell.source == FOLDED
    assert other.source == "x = 1  ### BEGIN HIDDEN TESTS"  # a learner's own
    (cell,) = without_hidden_tests(graded("a\n### BEGIN HIDDEN TESTS\nsecret = 1234567"))  # no end
    assert cell.source == "a\n# hidden tests: 1 line, run when graded"


def test_feedback_shows_of_an_exception_in_a_test_cell_its_last_line() -> None:
    long = ["-" * 70, "NameError  Traceback", "----> 4 \x1b[32massert\x1b[39m check_value(double(-7), -14)", "..."]
    name = error("NameError", "name 'double' is not defined", *long)
    timeout = error("CellTimeoutError", "", "No reply from kernel before timeout")
    verdict = error("WrongDerivative", "✗ double: it is wrong.\n  Hint: twice.", "✗ double: it is wrong.")
    (cell,) = without_hidden_tests(graded(TEST, name, timeout, verdict))
    shown = [output.traceback for output in cell.outputs]
    assert shown == [["NameError: name 'double' is not defined"], ["CellTimeoutError"], ["✗ double: it is wrong."]]


def test_feedback_shows_no_hidden_line_in_a_tests_output_and_leaves_learners_outputs_alone() -> None:
    """A learner who prints guesses must not see which of them were right."""
    card = {"text/html": "<b>assert double(&quot;&lt;7&gt;&quot;) == &quot;&lt;7&gt;&lt;7&gt;&quot;</b>"}
    printed = nbformat.v4.new_output("stream", text="In[5]: assert check_value(double(-7), -14)\n")
    shown = nbformat.v4.new_output("display_data", data=card)
    own = error("SyntaxError", "invalid syntax", "Cell In[3], line 1", "\x1b[31mdef double\x1b[39m")
    learners = nbformat.v4.new_code_cell("...", outputs=[printed, shown, own])
    test, cell = without_hidden_tests(graded(TEST, deepcopy(printed), deepcopy(shown)), deepcopy(learners))
    assert test.outputs[0].text == "In[5]: (a hidden test)\n"
    assert test.outputs[1].data["text/html"] == "<b>(a hidden test)</b>"
    assert cell.outputs == learners.outputs


# -- Ctrl-C ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["doctor", "check", "release", "bundle", "autograde", "report", "demo-class", "demo"])
def test_ctrl_c_ends_each_verb_with_one_line(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(args: object) -> int:
        raise KeyboardInterrupt

    package = cli if verb in ("doctor", "check") else grader_cli
    monkeypatch.setattr(package, verb.replace("-", "_"), interrupted)
    interrupted.__name__, interrupted.__doc__ = verb.replace("-", "_"), "x"
    given = {"check": ["ps1.ipynb"]}.get(verb, ["ps1"] if verb in ("autograde", "report", "demo-class") else [])
    assert cli.main([verb, *given]) == 130
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "nnkit: interrupted.\n")


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_while_cells_run(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    loop = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\nwhile True:\n    time.sleep(0.1)"
    path = tmp_path / "loop.ipynb"
    path.write_text(json.dumps({"cells": [dict(graded(loop))], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    command = [sys.executable, "-m", "nnkit.cli", "check", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    for _ in range(1200):
        if begun.exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out, err) == (130, "", "nnkit: interrupted.\n")


def test_ctrl_c_within_a_step_of_nbgrader_ends_the_demo() -> None:
    """Its API catches all, Ctrl-C too, and reports a failed step."""
    with pytest.raises(KeyboardInterrupt):
        release._raise_interrupt({"success": False, "error": "Traceback ...\n  File x\nKeyboardInterrupt\n"})
    for result in ({"success": True}, {"success": False, "error": "ValueError: KeyboardInterrupt?"}):
        assert release._raise_interrupt(result) is result


def test_the_same_seed_gives_the_same_class(folder: Path) -> None:
    release.generate_assignments(folder)

    def written(seed: int) -> list[str]:
        make_class(folder, "ps1", 12, seed)
        return [path.read_text(encoding="utf-8") for path in sorted((folder / "submitted").rglob("*.ipynb"))]

    assert written(4) == written(4)
    assert written(4) != written(5)


@pytest.mark.parametrize(
    ("count", "mistakes"), [(0, 17), (1, 17), (3, 17), (12, 17), (22, 17), (30, 17), (60, 17), (9, 0)]
)
def test_a_class_has_all_kinds_and_each_mistake_as_soon_as_it_is_large_enough(count: int, mistakes: int) -> None:
    kinds = demo_class._deal_kinds(count, mistakes, demo_class.OTHER_KINDS, random.Random(0))
    assert len(kinds) == count
    assert kinds[:1] == ["perfect"][:count]
    assert kinds.count("mistaken") >= min(mistakes, max(count - 5, count // 2))
    if count >= 10:
        assert set(kinds) == {*demo_class.OTHER_KINDS, "mistaken"}


@pytest.mark.parametrize(
    ("name", "newest", "full"),
    [("ps3", {"measure", "valley-answers", "judge"}, 50), ("ps4", {"sum-back", "tape", "tape-network"}, 52)],
)
def test_a_class_of_any_assignment_makes_all_its_mistakes(
    tmp_path: Path, name: str, newest: set[str], full: float
) -> None:
    notebooks = [f"{folder}/{name}/{name}.ipynb" for folder in ("assignments", "solutions")]
    for part in (*notebooks, f"solutions/{name}_answers.py", "nbgrader_config.py"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part, tmp_path / part)
    students = make_class(tmp_path, name)
    mistakes = {
        (a.cell, a.label) for a in read_answers(tmp_path / f"solutions/{name}_answers.py") if a.kind == "mistake"
    }
    made = {(p["cell"], p["label"]) for student in students for p in student.planted}
    assert mistakes <= made
    assert newest <= {cell for cell, _ in made}
    assert len(students) == len(list((tmp_path / "submitted").iterdir())) > 30
    assert (students[0].kind, students[0].score) == ("perfect", full)


def test_a_smaller_class_replaces_a_larger_one_and_touches_nobody_else(folder: Path) -> None:
    release.generate_assignments(folder)
    make_class(folder, "ps1", 5)
    real = folder / "submitted" / "ada" / "ps1" / "ps1.ipynb"
    other = folder / "submitted" / "student05" / "ps2" / "ps2.ipynb"
    for path in (real, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    make_class(folder, "ps1", 2)
    handed_in = {path.parent.parent.name for path in (folder / "submitted").glob("*/ps1/ps1.ipynb")}
    assert handed_in == {"student01", "student02", "ada"}
    assert other.exists()
    for path in (real, other):
        shutil.rmtree(path.parent)


def small_course(tmp_path: Path, answers: str) -> Path:
    """A course whose only assignment is called hw, with exercises a and b, b of two test cells."""

    def cell(grade_id: str, points: int | None) -> dict:
        mark = {"grade_id": grade_id, "grade": points is not None, "solution": points is None, "points": points}
        return {"cell_type": "code", "source": "", "metadata": {"nbgrader": mark}}

    cells = [cell("a", None), cell("b", None), cell("checks-a", 2), cell("checks-b", 3), cell("more-b", 5)]
    for room in ("release", "source"):
        (tmp_path / room / "hw").mkdir(parents=True)
        (tmp_path / room / "hw" / "hw.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "source" / "hw_answers.py").write_text(answers)
    return tmp_path


ANSWERS = """# %% a mistake=free loses=checks-a=0
pass
# %% b mistake=dear loses=checks-b,more-b=4
pass
# %% a crash=bad loses=checks-a
pass
# %% a loop=long loses=checks-a
pass
"""


def test_a_class_of_any_assignment(tmp_path: Path) -> None:
    students = make_class(small_course(tmp_path, ANSWERS), "hw", 20)
    scores = {(student.kind, *(p["label"] for p in student.planted)): student.score for student in students}
    assert scores["mistaken", "free"] == 10.0  # a mistake that loses 0 points loses no more
    assert scores["mistaken", "dear"] == 3.0
    assert scores["partial", "left out"] == 8.0  # b is tested by two cells, so what leaving it out costs is not known
    assert scores["perfect",] == 10.0


# -- a cell that has not been graded, a gradebook elsewhere, work that a release would overwrite ------

UNGRADED: dict[str, release.CellPoints] = {"bo": {"test-a": None, "test-b": 2.0}, "al": {"test-a": 1.0, "test-b": 2.0}}


def test_a_cell_that_has_not_been_graded_counts_nothing_and_stays_blank(tmp_path: Path) -> None:
    assert release.sum_points(UNGRADED["bo"]) == 2.0
    release.export_scores(UNGRADED, tmp_path / "grades.csv")
    rows = (tmp_path / "grades.csv").read_text().splitlines()
    assert rows == ["student,test-a,test-b,total", "al,1.0,2.0,3.0", "bo,,2.0,2.0"]


def test_scores_come_from_the_gradebook_that_the_config_names(tmp_path: Path) -> None:
    release.copy_course(ROOT, tmp_path)
    with (tmp_path / "nbgrader_config.py").open("a") as config:
        config.write(f"c.CourseDirectory.db_url = 'sqlite:///{tmp_path / 'elsewhere.db'}'\n")
        config.write("c.CourseDirectory.course_id = 'another'\n")
    release.generate_assignments(tmp_path)
    assert release.open_api(tmp_path).coursedir.course_id == "another"
    with release.open_api(tmp_path).gradebook as book:
        book.add_student("ada")
        book.add_submission("ps1", "ada")
    (scores,) = release.read_scores(tmp_path, "ps1").values()
    assert "test-multiply" in scores
    assert set(scores.values()) == {None}
    assert release.sum_points(scores) == 0
    assert not (tmp_path / "gradebook.db").exists()


def test_a_release_keeps_what_somebody_wrote_in_assignments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release.copy_course(ROOT, tmp_path)
    for other in set((tmp_path / "solutions").iterdir()) - {tmp_path / "solutions" / "ps1"}:
        shutil.rmtree(other) if other.is_dir() else other.unlink()
    assert cli.main(["release", "--course", str(tmp_path)]) == 0
    assert release.list_kept_folders(tmp_path / "assignments") == []
    released = (tmp_path / "assignments" / "ps1" / "ps1.ipynb").read_text(encoding="utf-8")
    work = released.replace("raise NotImplementedError", "return 42", 1)
    (tmp_path / "assignments" / "ps1" / "ps1.ipynb").write_text(work, encoding="utf-8")
    (tmp_path / "assignments" / "ps1" / "notes.txt").write_text("mine")
    capsys.readouterr()
    assert cli.main(["release", "--course", str(tmp_path)]) == 0
    (kept,) = release.list_kept_folders(tmp_path / "assignments")
    assert f"files that were there and differ are kept in {kept}" in capsys.readouterr().out
    assert (kept / "ps1" / "ps1.ipynb").read_text(encoding="utf-8") == work
    assert (kept / "ps1" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "assignments" / "ps1" / "ps1.ipynb").read_text(encoding="utf-8") == released
    assert cli.main(["release", "--course", str(tmp_path)]) == 0
    assert release.list_kept_folders(tmp_path / "assignments") == [kept]


def test_the_lecture_does_not_give_an_answer_of_the_assignment_away() -> None:
    """No line of a solution of ps1 that computes what it returns stands in lecture 01."""
    lecture = json.loads((ROOT / "notebooks" / "01_computational_graphs.ipynb").read_text(encoding="utf-8"))
    lines = [line for cell in lecture["cells"] for line in cell["source"]]
    shown = {line.strip() for line in lines} | {piece for line in lines for piece in re.findall(r"`([^`]+)`", line)}
    solved = json.loads((ROOT / "solutions" / "ps1" / "ps1.ipynb").read_text(encoding="utf-8"))
    answers = {line.strip() for cell in solved["cells"] for line in secret_lines(cell)}
    answers = {line for line in answers if re.match(r"return .*\w ?([*/+-]|\*\*) ?\w", line)}
    assert len(answers) > 5
    assert not shown & answers


def test_a_class_with_answers_to_other_cells_is_refused(tmp_path: Path) -> None:
    folder = small_course(tmp_path, ANSWERS.replace("checks-a\n", "check-a\n"))
    (folder / "nbgrader_config.py").write_text("c = get_config()\n")
    with pytest.raises(ValueError, match=r"line 5: there is no test cell 'check-a', which .* 'checks-a'\?\)\.$"):
        make_class(folder, "hw")
    with pytest.raises(FileNotFoundError, match=r"is the assignment's name right\? The assignments here are: hw\."):
        make_class(folder, "homework")
