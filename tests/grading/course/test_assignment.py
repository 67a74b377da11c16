"""The course's notebook as cells: kinds, what is released, names, files; against nbgrader's own classes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers.made import ANSWER, TEST, WORDS, cell, made
from helpers.paths import ROOT
from nnkit_grader.course import release
from nnkit_grader.course.assignment import Assignment, load_assignment
from nnkit_grader.course.bound_names import find_bound_names
from nnkit_grader.course.clear_solutions import ClearSettings, clear_source

NAMES = release.list_assignments(ROOT)


CELLS = (cell("# Title", "title", "markdown"), cell("import math", "setup"), ANSWER, TEST, WORDS)


# ---- cells ------------------------------------------------------------------------------------------


def test_each_cell_has_its_kind_and_its_points(tmp_path: Path) -> None:
    loaded = load_assignment(made(tmp_path, *CELLS), "hw")
    assert [(c.id, c.kind, c.points) for c in loaded.cells] == [
        *(("title", "text", 0), ("setup", "given", 0), ("f", "answer", 0), ("t", "test", 3), ("w", "written", 2)),
    ]
    assert loaded.max_score == 5
    assert (loaded.name, loaded.notebook) == ("hw", "hw")
    assert [c.locked for c in loaded.cells] == [False, False, False, True, False]


def test_a_given_cell_may_be_locked_and_code_may_be_graded_by_hand(tmp_path: Path) -> None:
    locked = cell("x = 1", "locked", locked=True)
    by_hand = cell("def plot():\n    pass", "plot", solution=True, grade=True, points=1)
    loaded = load_assignment(made(tmp_path, locked, by_hand), "hw")
    assert [(c.kind, c.locked) for c in loaded.cells] == [("given", True), ("written", False)]
    assert loaded.answer_names == {"plot"}


def test_cells_without_ids_are_known_by_those_of_nbgrader(tmp_path: Path) -> None:
    cells = copy.deepcopy(CELLS)
    for one in cells:
        del one["id"]
    assert [c.id for c in load_assignment(made(tmp_path, *cells), "hw").cells] == ["cell-1", "cell-2", "f", "t", "w"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_released_is_what_nbgrader_releases(name: str) -> None:
    """Its own classes, in its own order, with the course's own configuration."""
    from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearSolutions
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    notebook = nbformat.read(ROOT / "solutions" / name / f"{name}.ipynb", 4)
    for step in (ClearSolutions, ClearHiddenTests, ClearMarkScheme):
        notebook, _ = step(config=config).preprocess(notebook, {})
    loaded = load_assignment(ROOT, name)
    assert [c.released for c in loaded.cells] == [c.source for c in notebook.cells]
    assert any(c.released != c.source for c in loaded.cells)


@pytest.mark.parametrize("name", NAMES)
def test_the_real_assignments_are_read_whole(name: str) -> None:
    loaded = load_assignment(ROOT, name)
    kinds = {c.kind for c in loaded.cells}
    assert {"given", "answer", "test", "text"} <= kinds
    assert all(c.points > 0 for c in loaded.cells if c.kind in ("test", "written"))
    assert all(c.points == 0 for c in loaded.cells if c.kind not in ("test", "written"))
    for answer in (c for c in loaded.cells if c.kind == "answer"):
        assert find_bound_names(answer.source) & loaded.answer_names


def test_a_course_may_have_stubs_and_delimiters_of_its_own(tmp_path: Path) -> None:
    settings = 'c = get_config()\nc.ClearSolutions.code_stub = {"python": "..."}\n'
    settings += 'c.ClearSolutions.begin_solution_delimeter = "{{"\nc.ClearSolutions.end_solution_delimeter = "}}"\n'
    (tmp_path / "nbgrader_config.py").write_text(settings, encoding="utf-8")
    answer = cell("a = 1\n# {{\nb = 2\n# }}", "a", solution=True)
    assert load_assignment(made(tmp_path, answer), "hw").cells[0].released == "a = 1\n..."


def test_the_stub_stands_for_a_whole_answer_that_has_no_region() -> None:
    assert clear_source("x = 1", "code", {"solution": True}, ClearSettings(code_stub="stub")) == "stub"
    assert clear_source("Because.", "markdown", {"solution": True}, ClearSettings(text_stub="words")) == "words"
    assert clear_source("Because.", "markdown", {}, ClearSettings()) == "Because."


# ---- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(x):\n    y = x\n    return y", {"f"}),
        ("async def f(): pass\nclass A:\n    b = 1", {"f", "A"}),
        ("a = b, *c = 1, 2\nd += 1\ne.f = 1\ng[0] = 1", {"a", "b", "c", "d"}),
        ("x: int = 1\ny: int", {"x"}),
        ("import os.path, numpy as np\nfrom a import b as c, d\nfrom e import *", {"os", "np", "c", "d"}),
        ("for i, (j, k) in []:\n    l = 1\nelse:\n    m = 1", {"i", "j", "k", "l", "m"}),
        ("with a as b, c as (d, e): f = 1", {"b", "d", "e", "f"}),
        ("if a:\n    b = 1\nelif c:\n    d = 1\ntry:\n    e = 1\nexcept E as g:\n    h = 1", {"b", "d", "e", "h"}),
        ("[a for a in b]\nprint((c := 1))\n[d := e for e in f]\nlambda g: (h := g)", {"c", "d"}),
        ("match a:\n    case [b, *c]: pass\n    case {'d': e, **f}: pass\n    case A(g) as h: pass", set("bcefgh")),
        ("%matplotlib inline\n!ls\nx = 1\nx?\n", {"x"}),
        ("%%time\nx = 1", {"x"}),
        ("y = await f()", {"y"}),
        ("@w(a := 1)\ndef f(b=(c := 2)): pass", {"f"}),
    ],
)
def test_names_that_a_cell_binds_at_top_level(source: str, names: set[str]) -> None:
    assert find_bound_names(source) == names


# ---- the whole --------------------------------------------------------------------------------------


def test_it_goes_to_a_worker_as_plain_data(tmp_path: Path) -> None:
    folder = made(tmp_path, *CELLS, nnkit={"files": ["data.bin"]})
    (folder / "solutions/hw/data.bin").write_bytes(b"\x00\xff")
    loaded = load_assignment(folder, "hw")
    there = Assignment.from_json(json.loads(json.dumps(loaded.to_json())))
    assert there == loaded
    assert there.digest == loaded.digest
    assert there.files == {"data.bin": b"\x00\xff"}


def test_its_digest_changes_with_all_that_decides_a_score(tmp_path: Path) -> None:
    def digest(*cells: dict[str, Any], content: bytes = b"1") -> str:
        folder = made(tmp_path, *cells, nnkit={"files": ["data.csv"]})
        (folder / "solutions/hw/data.csv").write_bytes(content)
        return load_assignment(folder, "hw").digest

    more_points = copy.deepcopy(TEST)
    more_points["metadata"]["nbgrader"]["points"] = 4
    harder = {**TEST, "source": TEST["source"] + "\nassert f(3) == 3"}
    others = [
        digest(*CELLS[:3], more_points, WORDS),
        digest(*CELLS[:3], harder, WORDS),
        digest(*CELLS, cell("y = 1", "more")),
        digest(CELLS[0], {**CELLS[1], "source": "import cmath"}, *CELLS[2:]),
        digest(*CELLS, content=b"2"),
        digest(*CELLS),
    ]
    assert len(set(others)) == len(others)
    assert others[-1] == digest(*CELLS)


def test_a_cell_is_found_by_either_id(tmp_path: Path) -> None:
    loaded = load_assignment(made(tmp_path, {**ANSWER, "id": "other"}), "hw")
    assert loaded.find_cell("other") is loaded.find_cell("f")
    with pytest.raises(KeyError):
        loaded.find_cell("nowhere")


# ---- what is wrong gets a sentence ----------------------------------------------------------------


def test_a_name_that_is_no_assignment(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no notebook in .*ps9: is the assignment's name right\?"):
        load_assignment(tmp_path, "ps9")


def test_more_than_one_notebook(tmp_path: Path) -> None:
    made(tmp_path, *CELLS)
    (tmp_path / "solutions/hw/more.ipynb").write_text("{}", encoding="utf-8")
    told = r"has 2 notebooks \(hw.ipynb, more.ipynb\): nnkit grades assignments with one notebook\.$"
    with pytest.raises(ValueError, match=told):
        load_assignment(tmp_path, "hw")


def test_a_notebook_that_is_not_called_as_its_folder(tmp_path: Path) -> None:
    made(tmp_path, *CELLS)
    (tmp_path / "solutions/hw/hw.ipynb").rename(tmp_path / "solutions/hw/other.ipynb")
    with pytest.raises(ValueError, match=r"must be called hw\.ipynb"):
        load_assignment(tmp_path, "hw")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ((ANSWER, ANSWER), "more than one cell with the id 'f'"),
        (({**ANSWER, "id": "g"}, ANSWER), "more than one cell with the id 'f'"),
        ((cell("### BEGIN SOLUTION", "s", solution=True),), "cell s: BEGIN SOLUTION without END SOLUTION"),
        ((cell("### BEGIN SOLUTION\n### END SOLUTION", "s"),), "cell 1: it has a solution, but is not marked"),
        ((cell("### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS", "h"),), "it has hidden tests, but is not marked"),
        ((cell("### BEGIN SOLUTION\n### BEGIN SOLUTION", "s", solution=True),), "a second BEGIN SOLUTION"),
        ((cell("def f(:", "s", solution=True),), r"cell s: it is not Python \(line 1\)"),
    ],
)
def test_a_notebook_that_cannot_be_graded(tmp_path: Path, cells: tuple[dict[str, Any], ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        load_assignment(made(tmp_path, *cells), "hw")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b'{"cells": 3}'])
def test_a_file_that_is_no_notebook(tmp_path: Path, content: bytes) -> None:
    made(tmp_path, *CELLS)
    (tmp_path / "solutions/hw/hw.ipynb").write_bytes(content)
    with pytest.raises(ValueError, match=r"hw\.ipynb is not a notebook"):
        load_assignment(tmp_path, "hw")


@pytest.mark.parametrize("name", ["numpy.py", "x.SO", "../secret", "a/b", ".hidden", "", "hw.ipynb", "numpy.pth"])
def test_no_file_is_listed_that_python_would_import_or_that_lies_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="it must be a plain name, and nothing that Python imports"):
        load_assignment(made(tmp_path, *CELLS, nnkit={"files": [name]}), "hw")


def test_a_listed_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"lists the file 'data\.csv', but there is no such file beside it"):
        load_assignment(made(tmp_path, *CELLS, nnkit={"files": ["data.csv"]}), "hw")
    with pytest.raises(ValueError, match=r"nnkit\.files must be a list of file names"):
        load_assignment(made(tmp_path, *CELLS, nnkit={"files": "data.csv"}), "hw")
