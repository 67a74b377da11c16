"""The course's notebook as cells: kinds, what is released, names, files; against nbgrader's own classes."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers.made import ANSWER, CONFIG, TEST, WORDS, cell, made
from helpers.paths import ROOT
from nnkit_grader.course import release
from nnkit_grader.course.assignment import Assignment, load_assignment, load_assignments
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
    settings = CONFIG + 'c.ClearSolutions.code_stub = {"python": "..."}\n'
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
        load_assignment(made(tmp_path, *CELLS), "ps9")


def test_a_folder_that_is_no_course(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere", Path(__file__)):
        with pytest.raises(
            FileNotFoundError, match=rf"^{folder} is not a course folder: it has no nbgrader_config\.py"
        ):
            load_assignment(folder, "ps9")


def test_an_assignment_may_have_several_notebooks_with_files_beside_them(tmp_path: Path) -> None:
    made(tmp_path, *CELLS)
    folder = tmp_path / "solutions/hw"
    (folder / "hw.ipynb").rename(folder / "first.ipynb")
    assert load_assignment(tmp_path, "hw").label == "hw"
    (folder / "second.ipynb").write_bytes((folder / "first.ipynb").read_bytes())
    (folder / "data").mkdir()
    for name in ("data/x.csv", "helpers.py", ".hidden", "old.pyc"):
        (folder / name).write_text("x")
    first, second = load_assignments(tmp_path, "hw")
    assert (first.label, first.siblings, second.notebook) == ("hw/first", ("second",), "second")
    assert first.course_files == {"data/x.csv": b"x", "helpers.py": b"x"}
    assert Assignment.from_json(json.loads(json.dumps(second.to_json()))) == second
    with pytest.raises(ValueError, match=r"hw has 2 notebooks \(first\.ipynb, second\.ipynb\)"):
        load_assignment(tmp_path, "hw")


def test_folders_and_surroundings_are_those_of_the_configuration(tmp_path: Path) -> None:
    config = """
c = get_config()
c.CourseDirectory.root = "course"
c.CourseDirectory.source_directory = "masters"
c.CourseDirectory.directory_structure = "{nbgrader_step}/all/{student_id}/{assignment_id}"
c.IncludeHeaderFooter.header = "header.ipynb"
"""
    made(tmp_path / "made", *CELLS)
    made(tmp_path / "head", cell("NAME = ''", "f"))
    (tmp_path / "course/masters").mkdir(parents=True)
    shutil.move(tmp_path / "made/solutions", tmp_path / "course/masters/all")
    shutil.move(tmp_path / "head/solutions/hw/hw.ipynb", tmp_path / "course/header.ipynb")
    (tmp_path / "nbgrader_config.py").write_text(config)
    assert release.list_assignments(tmp_path) == ["hw"]
    assert [cell.source for cell in load_assignment(tmp_path, "hw").cells][:2] == ["NAME = ''", "# Title"]


@pytest.mark.parametrize("where", ["comment", "tag", "cell", "notebook", "course"])
def test_a_test_may_be_marked_to_run_inside(tmp_path: Path, where: str) -> None:
    test = copy.deepcopy(TEST)
    test["source"] = "### nnkit: inside\n" * (where == "comment") + test["source"]
    test["metadata"] |= {"tag": {"tags": ["nnkit: inside"]}, "cell": {"nnkit": {"inside": True}}}.get(where, {})
    made(tmp_path, *CELLS[:3], test, WORDS, nnkit={"inside": where == "notebook"})
    if where == "course":
        with (tmp_path / "nbgrader_config.py").open("a") as config:
            config.write("c.SandboxedAutograde.inside = True\n")
    assert [cell.id for cell in load_assignment(tmp_path, "hw").cells if cell.inside] == ["t"]


def test_a_notebook_in_another_language_is_nbgraders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is in R: nnkit grades notebooks in Python"):
        load_assignment(made(tmp_path, *CELLS, kernelspec={"language": "R", "name": "ir"}), "hw")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ((ANSWER, ANSWER), "more than one cell with the id 'f'"),
        (({**ANSWER, "id": "g"}, ANSWER), "more than one cell with the id 'f'"),
        ((cell("### BEGIN SOLUTION", "s", solution=True),), "cell s: BEGIN SOLUTION without END SOLUTION"),
        ((cell("### BEGIN SOLUTION\n### END SOLUTION", "s"),), "cell 1: it has a solution, but is not marked"),
        ((cell("### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS", "h"),), "it has hidden tests, but is not marked"),
        ((cell("### BEGIN SOLUTION\n### BEGIN SOLUTION", "s", solution=True),), "a second BEGIN SOLUTION"),
        ((cell("### HASHED AUTOTEST f(2)", "t", grade=True, points=1),), "nnkit does not make tests from ### HASHED"),
        ((cell("x = 1", "s", solution=True, schema_version=1),), "made for an old nbgrader: run `nbgrader update"),
        ((cell("y = 1", "", solution=True),), "the cell that begins 'y = 1' is marked for nbgrader, but has no id"),
        ((cell("x = 1", "s", solution=True, schema_version=4),), "made for a newer nbgrader"),
        ((cell("def f(:", "s", solution=True),), r"cell s: it is not Python \(line 1: invalid syntax\)"),
        ((cell("x = 1\nassert f(1", "t", grade=True, points=1),), r"cell t: it is not Python \(line 2: '\(' was never"),
        ((cell("x = 1\n  y = 2", "t", grade=True, points=1),), r"cell t: it is not Python \(line 2: unexpected indent"),
        ((cell("x = 1\nreturn x", "t", grade=True, points=1),), r"cell t: it is not Python \(line 2: 'return' outside"),
        ((cell("await f()", "t", grade=True, points=1),), r"cell t: it is not Python \(line 1: 'await' outside"),
        (
            (cell("%%timeit\nassert f(2", "t", grade=True, points=1),),
            r"cell t: it is not Python \(line 2: '\(' was never",
        ),
        (
            (cell("%%bash\nls -l | wc", "t", grade=True, points=1),),
            "cell t: it begins with %%bash, but tests must be Python",
        ),
        (
            (
                cell(
                    "for x in 1, 2:\n### BEGIN HIDDEN TESTS\n    f(x)\n### END HIDDEN TESTS", "t", grade=True, points=1
                ),
            ),
            r"cell t: without its hidden tests, as learners get it, it is not Python \(line 1: expected an ",
        ),
    ],
)
def test_a_notebook_that_cannot_be_graded(tmp_path: Path, cells: tuple[dict[str, Any], ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        load_assignment(made(tmp_path, *cells), "hw")


@pytest.mark.parametrize(
    "source", ["# nnkit: inside\nawait f()", "%%time\nassert f(1)", "%matplotlib inline\nassert f(1)", '"\\d"', ""]
)
def test_a_test_may_have_magics_and_await_where_ipython_runs_it(tmp_path: Path, source: str) -> None:
    assert load_assignment(made(tmp_path, cell(source, "t", grade=True, points=1)), "hw").cells[0].source == source


@pytest.mark.parametrize(
    ("cell_type", "changes", "told"),
    [
        ("code", {"grade": True}, "cell t: it is graded, but has no points"),
        ("markdown", {"grade": True, "solution": True}, "cell t: it is graded, but has no points"),
        *(
            ("code", {"grade": True, "points": points}, f"its points are {shown}, and must be a number of at least 0")
            for points, shown in [
                (-2, "-2"),
                ("two", "'two'"),
                ("2", "'2'"),
                (None, "None"),
                (True, "True"),
                ([1], r"\[1\]"),
            ]
        ),
        ("code", {"solution": True, "points": -1}, "its points are -1, and must be a number of at least 0"),
        ("markdown", {"grade": True, "points": 1}, "it is a text cell and graded: mark it as a manually graded answer"),
        ("markdown", {"solution": True}, "it is a text cell and an answer: mark it as a manually graded answer"),
        ("code", {"task": True, "points": 1}, "a task must be a text cell"),
        ("code", {"grade": "yes", "points": 1}, "'grade' is 'yes' in its nbgrader metadata, and must be true or false"),
        ("code", {"grade": True, "points": 1, "grade_id": "my test"}, "its id 'my test' must consist of letters"),
        ("code", {"grade": True, "points": 1, "remove": False}, "nbgrader does not know 'remove' in its metadata"),
        (
            "code",
            {"locked": True, "grade_id": ""},
            "the cell that begins 'x = 1' is marked for nbgrader, but has no id",
        ),
        ("code", {"solution": True, "locked": ...}, "its nbgrader metadata does not say 'locked'"),
        ("code", {"grade": True, "points": 0}, ""),
        ("code", {"solution": True}, ""),
        ("code", {"locked": True}, ""),
        ("markdown", {"task": True, "points": 1.5}, ""),
        ("markdown", {"grade": True, "solution": True, "points": 1, "cell_type": "markdown"}, ""),
    ],
)
def test_metadata_that_nbgrader_refuses_is_refused_with_the_cell(
    tmp_path: Path, cell_type: str, changes: dict[str, Any], told: str
) -> None:
    from nbgrader.nbgraderformat import MetadataValidator, ValidationError

    one = cell("x = 1", "t", cell_type, locked=False)
    own = one["metadata"]["nbgrader"]
    own |= changes
    for key in [key for key, value in own.items() if value is ...]:
        del own[key]
    refused = pytest.raises(ValueError, match=told) if told else contextlib.nullcontext()
    with refused:
        load_assignment(made(tmp_path, one), "hw")
    with pytest.raises(ValidationError) if told else contextlib.nullcontext():
        MetadataValidator().validate_nb(nbformat.from_dict({"cells": [one], "metadata": {}}))


@pytest.mark.parametrize("points", ["NaN", "Infinity"])
def test_points_are_finite(tmp_path: Path, points: str) -> None:
    path = made(tmp_path, TEST) / "solutions/hw/hw.ipynb"
    path.write_text(path.read_text().replace('"points": 3', f'"points": {points}'))
    with pytest.raises(ValueError, match=r"hw\.ipynb, cell t: its points are (nan|inf), and must be a number"):
        load_assignment(tmp_path, "hw")


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
