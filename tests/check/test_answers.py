"""Every planted answer of every assignment: right ones get all points, a mistake loses its own points and no others.

Answers are packed into as few submissions as their losses allow, and run with the hidden tests, without nbgrader
(test_grading.py grades a class of ps1 through it). test_examiner.py runs the solutions' own answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.paths import ROOT
from nnkit.check.notebook.command import check_notebook
from nnkit_grader.course.planted_answers import PlantedAnswer, read_answers

pytestmark = pytest.mark.notebook
SOLUTIONS = sorted((ROOT / "solutions").glob("*/*.ipynb"))
Pack = dict[str, PlantedAnswer]


def packs(answers: list[PlantedAnswer]) -> list[Pack]:
    """Submissions with one answer a cell; two mistakes go together if they cost different test cells."""
    found: list[tuple[Pack, set[str]]] = []
    for answer in answers:
        for pack, lost in found:
            if answer.cell not in pack and not lost & set(answer.loses):
                break
        else:
            pack, lost = {}, set()
            found.append((pack, lost))
        pack[answer.cell] = answer
        lost |= set(answer.loses)
    return [pack for pack, _ in found]


def cases() -> list[Any]:
    found = []
    for path in SOLUTIONS:
        answers = read_answers(ROOT / "solutions" / f"{path.stem}_answers.py")
        right = packs([a for a in answers if a.kind == "style"])
        wrong = packs([a for a in answers if a.kind in ("mistake", "crash")])
        for kind, chosen in (("right", right), ("wrong", wrong)):
            found += [pytest.param(path, pack, id=f"{path.stem}-{kind}-{n}") for n, pack in enumerate(chosen)]
    return found


def submission(path: Path, pack: Pack, folder: Path) -> Path:
    """The solved notebook, hidden tests and all, with the answers of this pack in place of its own."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        mark = cell["metadata"].get("nbgrader", {})
        if mark.get("solution") and mark["grade_id"] in pack:
            cell["source"] = pack[mark["grade_id"]].source
    written = folder / path.name
    written.write_text(json.dumps(notebook), encoding="utf-8")
    return written


@pytest.mark.parametrize(("path", "pack"), cases())
def test_an_answer_loses_its_own_points_and_no_others(path: Path, pack: Pack, tmp_path: Path) -> None:
    report = check_notebook(submission(path, pack, tmp_path))
    expected = {r.exercise.id: float(r.exercise.points) for r in report.visible}
    tests = {name: r.exercise.id for r in report.visible for name in r.exercise.names}
    for answer in pack.values():
        for test, points in answer.loses.items():
            exercise = tests[test]
            expected[exercise] -= expected[exercise] if points is None else points
    told = {r.exercise.id: f"{r.headline}\n{r.text}" for r in report.visible}
    off = {id: (r, told[id]) for id, r in ((r.exercise.id, r.points) for r in report.visible) if r != expected[id]}
    assert off == {}, {cell: answer.label for cell, answer in pack.items()}


def test_every_assignment_has_answers_of_each_kind() -> None:
    for path in SOLUTIONS:
        kinds = {a.kind for a in read_answers(ROOT / "solutions" / f"{path.stem}_answers.py")}
        assert kinds >= {"style", "mistake", "crash"}, path.stem
