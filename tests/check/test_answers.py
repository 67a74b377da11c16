"""Every planted answer of every assignment: right ones get all points, a mistake loses its own points and no others.

Answers are packed into as few submissions as their losses allow, and run with the hidden tests, without nbgrader
(test_grading.py grades a class of ps1 through it). test_examiner.py runs the solutions' own answers.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from helpers.paths import ROOT
from helpers.warm_runs import run_warm
from nnkit.check.notebook.command import check_notebook
from nnkit_grader.course.planted_answers import PlantedAnswer, read_answers

pytestmark = pytest.mark.notebook
SOLUTIONS = sorted((ROOT / "solutions").glob("*/*.ipynb"))
Pack = dict[str, PlantedAnswer]
TRAINING = {"test-train", "test-digits"}
"""Test cells that train for seconds: in one pack of each kind, and in those with an answer that costs nothing else."""

ASIDE = {"suspect": "suspect", "differences": "largest_differences"}
"""Given cells that take a second, each with the function that it defines: only in packs with an answer that uses it."""


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
            found += [pytest.param(path, pack, n == 0, id=f"{path.stem}-{kind}-{n}") for n, pack in enumerate(chosen)]
    return found


def find_lost_training(pack: Pack) -> set[str]:
    """The test cells that train and that an answer of this pack loses, and no others."""
    lost = [set(answer.loses) for answer in pack.values()]
    return set().union(*(cells for cells in lost if cells <= TRAINING))


def submission(path: Path, pack: Pack, whole: bool, folder: Path) -> Path:
    """The solved notebook, hidden tests and all, with the answers of this pack in place of its own. One pack of each
    kind is whole; the others have only the test cells that a name of their answers leads to."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    if not whole:
        concerned = find_concerned(notebook["cells"], pack) - TRAINING | find_lost_training(pack)
        kept = [c for c in notebook["cells"] if not is_test(c) or grade_id(c) in concerned]
        used = set().union(*(names_of(answer.source)[1] for answer in pack.values()))
        notebook["cells"] = [c for c in kept if c["id"] not in ASIDE or ASIDE[c["id"]] in used]
    for cell in notebook["cells"]:
        mark = cell["metadata"].get("nbgrader", {})
        if mark.get("solution") and mark["grade_id"] in pack:
            cell["source"] = pack[mark["grade_id"]].source
    written = folder / path.name
    written.write_text(json.dumps(notebook), encoding="utf-8")
    return written


def find_concerned(cells: list[Any], pack: Pack) -> set[str]:
    """The test cells that use a name which a planted answer defines, or one that is computed with such a name; and the
    cells whose names these use."""
    code = [(grade_id(cell), *names_of("".join(cell["source"]))) for cell in cells if cell["cell_type"] == "code"]
    concerned, changed, needed = set(), set(), set()
    for name, made, used in code:
        if name in pack or used & changed:
            concerned.add(name)
            changed |= made | (names_of(pack[name].source)[0] if name in pack else set())
    for name, made, used in reversed(code):
        if name in concerned or made & needed:
            concerned.add(name)
            needed |= used
    return concerned


def names_of(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell assigns or defines, and all that stand in it; none of a cell that does not compile."""
    try:
        nodes = list(ast.walk(ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE))))
    except SyntaxError:
        return set(), set()
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    named = [node for node in nodes if isinstance(node, ast.Name)]
    return defined | {n.id for n in named if isinstance(n.ctx, ast.Store)}, {n.id for n in named}


def is_test(cell: Any) -> bool:
    return bool(cell["metadata"].get("nbgrader", {}).get("grade")) and cell["cell_type"] == "code"


def grade_id(cell: Any) -> str:
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


@pytest.mark.parametrize(("path", "pack", "whole"), cases())
def test_an_answer_loses_its_own_points_and_no_others(path: Path, pack: Pack, whole: bool, tmp_path: Path) -> None:
    report = check_notebook(submission(path, pack, whole, tmp_path), run_cells=run_warm)
    expected = {r.exercise.id: float(r.exercise.points) for r in report.visible}
    assert expected
    tests = {name: r.exercise.id for r in report.visible for name in r.exercise.names}
    for answer in pack.values():
        for test, points in answer.loses.items():
            if test in TRAINING and test not in tests:
                continue
            exercise = tests[test]
            expected[exercise] -= expected[exercise] if points is None else points
    told = {r.exercise.id: f"{r.headline}\n{r.text}" for r in report.visible}
    off = {id: (r, told[id]) for id, r in ((r.exercise.id, r.points) for r in report.visible) if r != expected[id]}
    assert off == {}, {cell: answer.label for cell, answer in pack.items()}


def test_every_assignment_has_answers_of_each_kind() -> None:
    for path in SOLUTIONS:
        kinds = {a.kind for a in read_answers(ROOT / "solutions" / f"{path.stem}_answers.py")}
        assert kinds >= {"style", "mistake", "crash"}, path.stem
