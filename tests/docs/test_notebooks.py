"""The notebooks: each runs top to bottom in a clean kernel without a word of complaint, and is stored clean."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers.lectures import RUN_ONCE, run
from helpers.paths import ROOT

PATHS = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("solutions/*/*.ipynb")])

notebooks = pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def headings(notebook: Any) -> list[tuple[int, str]]:
    """Every Markdown heading, in order, as (level, text); lines of fenced code are not headings."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"^```.*?^```", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            found += [(len(marks), text) for marks, text in re.findall(r"^(#{1,6}) +(.+)$", prose, re.MULTILINE)]
    return found


def test_there_are_notebooks() -> None:
    assert len(PATHS) >= 3


LECTURES = [path for path in PATHS if path.parent.name == "notebooks"]
ASSIGNMENTS = [path for path in PATHS if path not in LECTURES]
assignments = pytest.mark.parametrize("path", ASSIGNMENTS, ids=lambda path: path.stem)
lectures = pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.name)


@pytest.mark.notebook
@notebooks
def test_runs_top_to_bottom(path: Path) -> None:
    for cell in run(path).code:
        assert cell.execution_count, cell.id
        for output in cell.outputs:
            assert output.output_type != "error", f"{cell.id}: {output.evalue}"
            assert output.get("name") != "stderr", f"{cell.id}: {output.text}"


@pytest.mark.notebook
@lectures
def test_cells_can_be_run_again_in_any_order(path: Path) -> None:
    """All from the top, and then all again from the bottom up: a learner goes back and runs an earlier cell."""
    firsts = [cell for cell in run(path).code if cell.id not in RUN_ONCE]
    for first, second in zip(firsts, run(path).again, strict=True):
        for output in second.outputs:
            assert output.output_type != "error", f"{first.id}: {output.evalue}"
        assert plain(first) == plain(second), first.id


@lectures
def test_a_prediction_comes_before_its_answer(path: Path) -> None:
    """After a cell with `my_... = None` come only cells about it, until an answer that the reader has to unfold: what
    another cell asserts, prints or draws may give it away."""
    waiting = ""
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            waiting = "" if "<details>" in cell.source else waiting
        elif re.search(r"^my_\w+ = None", cell.source, re.MULTILINE):
            waiting = cell.id
        else:
            about_it = re.search(r"\bmy_\w+", cell.source) and "assert " not in cell.source
            assert not waiting or about_it, f"{cell.id} gives the answer to {waiting} away"


def plain(cell: Any) -> list[str]:
    """What a cell shows, as text; numbers that a run draws (ids, the time of a check) are left out."""
    # What a cell prints comes in pieces, split wherever the clock says.
    printed = "".join(output["text"] for output in cell.outputs if output.output_type == "stream")
    shown = [o.get("data", {}).get("text/plain") for o in cell.outputs if o.output_type != "stream"]
    texts = [printed, *map(str, shown)]
    return [re.sub(r"0x[0-9a-f]+|IPY_MODEL_\w+|model_id.*", "", text) for text in texts]


@lectures
def test_a_name_means_one_thing(path: Path) -> None:
    """No name of a notebook is given to things of two sections (heading of level 2 or 3)."""
    section, given = "", {}
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            found = re.findall(r"^#{1,3} +(.+)$", cell.source, re.MULTILINE)
            section = found[-1] if found else section
        else:
            for name in assigned(cell.source):
                assert given.setdefault(name, section) == section, (name, given[name], section)


def assigned(source: str) -> set[str]:
    """The names that the cell's own lines assign or define; not those of loops, functions and imports."""
    found: set[str] = set()
    for statement in ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE)).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.add(statement.name)
        elif isinstance(statement, ast.Assign):
            targets = [target for whole in statement.targets for target in ast.walk(whole)]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@assignments
def test_a_test_cell_needs_no_other_test_cell(path: Path) -> None:
    """A learner who skips an exercise, or restarts in the middle, can still check the next one."""
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    tests = [cell for cell in code if cell.metadata.get("nbgrader", {}).get("grade")]
    there = set(dir(builtins)).union(*(bound_names(cell.source) for cell in code if cell not in tests))
    for cell in tests:
        assert needed_names(cell.source) <= there, cell.id


def bound_names(source: str) -> set[str]:
    """The names that a cell defines."""
    names = symtable.symtable(source, "cell", "exec").get_symbols()
    return {name.get_name() for name in names if name.is_assigned() or name.is_imported() or name.is_namespace()}


def needed_names(source: str) -> set[str]:
    """The names that a cell uses, in its functions too, and does not define."""
    tables = [symtable.symtable(source, "cell", "exec")]
    used = set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for name in table.get_symbols():
            if name.is_referenced() and (name.is_global() or table.get_type() == "module"):
                used.add(name.get_name())
    return used - bound_names(source)


@notebooks
def test_is_stored_without_outputs(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not cell.get("outputs"), cell.id
        assert cell.get("execution_count") is None, cell.id


@notebooks
def test_cells_have_readable_ids_of_their_own(path: Path) -> None:
    ids = [cell.id for cell in read(path).cells]
    assert len(set(ids)) == len(ids)
    for name in ids:
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name), name


@notebooks
def test_headings_are_in_order(path: Path) -> None:
    notebook = read(path)
    assert re.match(r"# \S", notebook.cells[0].source)
    levels = [level for level, _ in headings(notebook)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), headings(notebook)
