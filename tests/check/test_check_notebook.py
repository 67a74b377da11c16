"""`nnkit check`: solved, untouched and broken copies of an assignment, and files that are none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from helpers.paths import ROOT
from nnkit import cli
from nnkit.check.notebook import runner
from nnkit.check.notebook.cells import exercises, read
from nnkit.check.notebook.command import Report, check_notebook, summary

pytestmark = pytest.mark.slow


def markdown(source: str, **mark: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": {"nbgrader": mark} if mark else {}}


def code(source: str, **mark: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source.splitlines(True), "metadata": {"nbgrader": mark} if mark else {}}


def answer(name: str, source: str) -> dict[str, Any]:
    return code(source, grade_id=name, solution=True, grade=False)


def graded(name: str, source: str, points: float = 2, **mark: Any) -> dict[str, Any]:
    return code(source, grade_id=name, points=points, grade=True, solution=False, **mark)


def write(folder: Path, *cells: dict[str, Any]) -> Path:
    path = folder / "homework.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return path


def check(folder: Path, *cells: dict[str, Any], limit: float = 20.0) -> Report:
    return check_notebook(write(folder, *cells), limit)


def filled(answers: dict[str, str], folder: Path) -> Path:
    """ps1 as it is released, with the instructors' answers, or these, filled in."""
    released = json.loads((ROOT / "assignments/ps1/ps1.ipynb").read_text(encoding="utf-8"))
    solved = json.loads((ROOT / "solutions/ps1/ps1.ipynb").read_text(encoding="utf-8"))
    marks = [(cell, cell["metadata"].get("nbgrader", {})) for cell in solved["cells"]]
    sources = {mark["grade_id"]: cell["source"] for cell, mark in marks if mark.get("solution")} | answers
    for cell in released["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        cell["source"] = sources.get(name, cell["source"])
    path = folder / "ps1.ipynb"
    path.write_text(json.dumps(released), encoding="utf-8")
    return path


# ---- a whole assignment ------------------------------------------------------------------------------


def test_a_solved_assignment_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = filled({}, tmp_path)
    assert cli.main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "✓  3/3  1.1 Multiply (3 points)\n" in out
    assert "·    –  5 In your own words\n" in out
    assert "14 of 14 exercises pass their visible tests, 38 of 38 points; 2 more by hand." in out
    assert "✗" not in out
    assert list(tmp_path.iterdir()) == [path]


def test_an_untouched_assignment_is_not_attempted(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(ROOT / "assignments/ps1/ps1.ipynb")]) == 1
    out = capsys.readouterr().out
    assert out.count("○  0/") == 14
    assert "graded by hand; not attempted yet." in out
    assert "0 of 14 exercises pass their visible tests, 0 of 38 points" in out
    assert "Next: 1.1 Multiply" in out


ELSEWHERE = [
    (
        "def half(x):\n    return part(x)",
        "`part` is defined only further down, in the cell that begins 'def part(x):'.",
    ),
    ("def Half(x):\n    return x / 2", "There is no `half`, but the cell 'half' defines `Half`."),
    ("def half(x):\n    return prat(x)", ""),
]


@pytest.mark.parametrize(("source", "sentence"), ELSEWHERE)
def test_a_missing_name_is_found_elsewhere(source: str, sentence: str, tmp_path: Path) -> None:
    test, below = graded("test-half", "assert half(4) == 2"), code("def part(x):\n    return x / 2")
    result = check(tmp_path, answer("half", source), test, below).find("half")
    assert result.status == "error"
    assert result.notes == ((sentence,) if sentence else ())


OWN_INPUT = """class MultiplyGate:
    def forward(self, x, y):
        return x * y, (x, y)
    def backward(self, upstream, cache):
        x, y = cache
        return upstream * x, upstream * y"""
OVERWRITTEN = """def graph_backward(needs, local, output):
    grad = {node: 0.0 for node in needs}
    grad[output] = 1.0
    for node in reversed(topological_order(needs)):
        for x, slope in zip(needs[node], local[node]):
            grad[x] = grad[node] * slope
    return grad"""


def test_mistakes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(filled({"multiply": OWN_INPUT, "backward": OVERWRITTEN, "exp": "class ExpGate\n    pass"}, tmp_path))
    assert cli.main(["check", path]) == 1
    out = capsys.readouterr().out
    assert "✗  0/3  1.1 Multiply (3 points)  [multiply]\n        MultiplyGate.backward: dx and dy are wrong" in out
    assert "!  0/2  1.4 Exponential (2 points)  [exp]\n        the cell 'exp' stopped: SyntaxError: expected ':'" in out
    assert "✗  2/4  3.2 Backward (4 points, in two halves)  [backward]\n" in out
    assert "11 of 14 exercises pass their visible tests, 31 of 38 points" in out
    assert "The first that fails is 1.1 Multiply" in out
    assert "--exercise exp   (or: backward)" in out

    assert cli.main(["check", path, "--exercise", "backward"]) == 1
    out = capsys.readouterr().out
    assert "a branch" in out
    assert "expected" in out
    assert "Multiply" not in out
    assert cli.main(["check", path, "--exercise", "test-divide"]) == 0
    assert capsys.readouterr().out.startswith("✓  3/3  1.6 Divide (3 points)\n")

    assert cli.main(["check", path, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["exercises_passed"], report["exercises"], report["points"], report["passed"]) == (11, 14, 31, False)
    results = {result["id"]: result for result in report["results"]}
    assert results["multiply"]["mistakes"] == ["own-input"]
    assert results["multiply"]["verdicts"][0]["subject"] == "MultiplyGate.backward"
    assert results["backward"]["points"] == 2
    assert results["written"]["status"] == "when graded"


# ---- one cell at a time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "status", "points"),
    [
        ("assert True", "right", 2),
        ("1.5", "wrong", 1.5),
        ("0", "wrong", 0),
        ("2.0", "right", 2),
        ("1.5;", "wrong", 1.5),
        ("None", "right", 2),
        ("x = 1\n'some text'", "right", 2),
        ("x = 1\n'1.5'", "error", 0),
        ("1 == 1", "error", 0),
        ("from nnkit.check import check_value\ncheck_value(1, 2)", "wrong", 0),
        ("'What is tested'", "when graded", 0),
        ("-1.0", "error", 0),
        ("3.0", "error", 0),
        ("assert 1 == 2", "wrong", 0),
        ("assert 1 == 2, 'not equal'", "wrong", 0),
        ("1 / 0", "error", 0),
        ("raise NotImplementedError", "not attempted", 0),
        ("import sys\nsys.exit()", "error", 0),
        ("def f(:", "error", 0),
        ("class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd", "error", 0),
        ("raise BaseException", "error", 0),
        ("input('name?')", "error", 0),
        ("# hidden tests only", "when graded", 0),
    ],
)
def test_points_are_those_of_grading(tmp_path: Path, source: str, status: str, points: float) -> None:
    (result,) = check(tmp_path, graded("t", source)).results
    assert (result.status, result.points) == (status, points), result
    assert "\n" not in result.headline


def test_an_assertion_is_told_by_its_words_or_its_line(tmp_path: Path) -> None:
    results = check(tmp_path, graded("a", "q = 1\nassert q == 2"), graded("b", "assert False, 'too few'")).results
    assert results[0].headline == "this does not hold: q == 2"
    assert results[1].headline == "too few"


def test_an_exception_is_told_with_the_line_of_the_learners_own_cell(tmp_path: Path) -> None:
    cells = answer("f", "def f(x):\n    y = 1\n    return y + z"), graded("t", "assert f(1) == 2")
    (result,) = check(tmp_path, markdown("# text"), *cells).results
    assert result.headline == "the cell 't' stopped: NameError: name 'z' is not defined"
    assert "line 3 of the cell 'f':  return y + z" in result.text


def test_what_ipython_can_do_works(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("7")
    report = check(
        tmp_path,
        code("%matplotlib inline\n%load_ext nnkit\n%config InlineBackend.figure_format = 'svg'"),
        code("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.gcf()"),
        code("len?"),
        code("text = !cat data.txt\n!echo to the terminal\nvalue = int(text[0])"),
        code("import asyncio\nawait asyncio.sleep(0)\nvalue"),
        code("%%check x=2.0\nvalue2 = x**2\nvalue = x**2\ndx = 2 * x"),
        code("display(value)\nget_ipython().run_line_magic('timeit', '-n1 -r1 1')"),
        graded("t", "assert int(open('data.txt').read()) == 7\nassert plt.get_fignums() == []\n_\nassert In, Out"),
    )
    assert report.remarks == ()
    assert report.passed, summary(report)
    assert report.results[0].notes == ()


def test_pickles_find_main(tmp_path: Path) -> None:
    source = (
        "import pickle\nclass A: pass\nassert type(pickle.loads(pickle.dumps(A()))) is A\nassert __name__ == '__main__'"
    )
    assert check(tmp_path, graded("t", source)).passed


def test_a_cell_without_an_end_is_interrupted_and_the_names_stay(tmp_path: Path) -> None:
    cells = code("kept = 1"), graded("loop", "while True: pass"), graded("after", "assert kept == 1")
    loop, after = check(tmp_path, *cells, limit=0.5).results
    assert loop.headline == "the cell 'loop' did not end within 0.5 seconds: is there a loop without an end?"
    assert loop.status == "error"
    assert after.passed


STUBBORN = "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except BaseException:\n        pass"


@pytest.mark.parametrize(
    ("source", "told"), [(STUBBORN, "did not end within"), ("import os\nos._exit(0)", "ended the whole Python process")]
)
def test_a_cell_that_takes_the_process_with_it_costs_only_itself(tmp_path: Path, source: str, told: str) -> None:
    cells = code("kept = 1"), graded("bad", source), graded("after", "assert kept == 1")
    bad, after = check(tmp_path, *cells, limit=0.5).results
    assert told in bad.headline
    assert after.passed


def test_what_a_cell_starts_ends_with_it(tmp_path: Path) -> None:
    source = "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nprint(child.pid)\nassert False"
    started = time.monotonic()
    (result,) = check(tmp_path, graded("t", source)).results
    while runs(result.printed):
        assert time.monotonic() - started < 300
        time.sleep(0.02)


def runs(number: str) -> bool:
    state = Path(f"/proc/{number}/stat")
    return state.exists() and state.read_text().split()[2] != "Z"


def test_what_is_printed_is_bounded(tmp_path: Path) -> None:
    report = check(tmp_path, graded("t", "import os\nprint('é' * 10**7)\nos.write(1, b'x' * 10**6)\nassert False"))
    assert len(report.results[0].printed) < runner.MAX_PRINTED_CHARS + 50
    assert report.results[0].printed.endswith("… and more, which was not kept.")


def test_stderr_is_noted(tmp_path: Path) -> None:
    (result,) = check(tmp_path, graded("t", "import warnings\nwarnings.warn('old')\nassert True")).results
    assert result.passed
    assert "stderr" in result.notes[0]


# ---- how cells become exercises ----------------------------------------------------------------------


def test_headings_points_and_ids(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        graded("first", "assert True"),
        markdown("# One `x`\n\n```python\n# no heading\n```"),
        answer("a", ""),
        answer("b", ""),
        graded("two answers", "assert True", points=1.5),
        markdown("text only"),
        graded("same heading", "assert True"),
        markdown("## In words ##"),
        markdown("YOUR ANSWER HERE", grade_id="words", grade=True, solution=True, points=3),
        markdown("## A task", grade_id="task", task=True, points=4),
    )
    found = exercises(read(path))
    assert [e.title for e in found] == ["first", "One x", "One x", "In words", "A task"]
    assert [e.id for e in found] == ["first", "two answers", "same heading", "words", "task"]
    assert [e.points for e in found] == [2, 1.5, 2, 3, 4]
    assert [bool(e.when_graded) for e in found] == [False, False, False, True, True]
    report = check_notebook(path)
    assert report.find("b") is report.find("two answers")
    assert "5.5 of 5.5 points; 7 more by hand." in summary(report)


def test_a_changed_test_and_a_copied_cell_are_told(tmp_path: Path) -> None:
    path = filled({}, tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    cells = {cell["id"]: cell for cell in content["cells"]}
    assert check_notebook(path).find("exp").notes == ()
    cells["test-exp"]["source"] = ["assert True"]
    content["cells"].append(cells["exp"])
    path.write_text(json.dumps(content), encoding="utf-8")
    report = check_notebook(path)
    assert "This test cell was changed" in report.find("exp").notes[0]
    assert report.remarks == ("2 cells have the id 'exp': delete the copies, or it cannot be graded.",)


def test_a_cell_that_fails_outside_of_the_exercises_is_told(tmp_path: Path) -> None:
    report = check(tmp_path, code("\nimport nowhere_at_all\nx = 1"), graded("t", "assert True"))
    (remark,) = report.remarks
    assert remark.startswith("the cell that begins 'import nowhere_at_all' stopped: ModuleNotFoundError")
    assert remark in summary(report)


def test_an_answer_cell_that_fails_explains_its_test(tmp_path: Path) -> None:
    cells = (
        answer("a", "f = 1 / 0"),
        graded("t", "assert f"),
        answer("b", "raise NotImplementedError"),
        graded("u", "g"),
    )
    first, second = check(tmp_path, *cells).results
    assert first.headline == "the cell 'a' stopped: ZeroDivisionError: division by zero"
    assert second.status == "not attempted"


# ---- faults of the caller ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "There is no file"),
        (b"", "it is not JSON"),
        (b"{<<<<<<< HEAD", "it is not JSON (line 1)"),
        (b"\xff\xfe", "not text in UTF-8"),
        (b"[]", "no list of cells"),
        (b'{"cells": 3}', "no list of cells"),
        (b'{"cells": ["x"]}', "no list of cells"),
        (b'{"worksheets": []}', "old format"),
        (b'{"cells": []}', "has no graded cells"),
        (b'{"cells": [{}, {"cell_type": "code", "metadata": 3, "source": 4}]}', "has no graded cells"),
    ],
)
def test_a_file_that_is_no_assignment_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, told: str
) -> None:
    path = tmp_path / "some.ipynb"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["check", str(path)]) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_other_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, graded("t", "assert True"))
    assert cli.main(["check", str(tmp_path)]) == 2
    assert cli.main(["check", str(ROOT / "notebooks/00_start_here.ipynb")]) == 2
    assert cli.main(["check", str(path), "--exercise", "nope"]) == 2
    assert cli.main(["check", str(path), "--time-limit", "0"]) == 2
    told = capsys.readouterr().err
    for sentence in ("is a folder", "has no graded cells", "There is no exercise 'nope' in", "more than 0 seconds"):
        assert sentence in told


def test_a_notebook_is_checked_in_its_own_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path,
        *(answer("f", "def f(x):\n    return x"), graded("t", "assert f(2) == 3"), graded("u", "assert f(g) == 3")),
    )
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"] = {"nnkit": {"language": "ko"}}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    monkeypatch.delenv("NNKIT_LANG")
    assert cli.main(["check", str(path), "--json"]) == 1
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result["status"] for result in results] == ["wrong", "error"]
    assert results[0]["headline"] == "다음이 성립하지 않습니다: f(2) == 3"
    assert results[1]["headline"] == "셀 'u' 멈춤: NameError: name 'g' is not defined"
    monkeypatch.setenv("NNKIT_LANG", "en")
    assert cli.main(["check", str(path)]) == 1
    out = capsys.readouterr().out
    assert "this does not hold: f(2) == 3" in out
    assert "0 of 2 exercises pass their visible tests, 0 of 4 points." in out
