"""Hostile submissions: a released ps1 with one exercise answered honestly, and an attack in it."""

from __future__ import annotations

import copy
import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from helpers.paths import ROOT
from nnkit_grader.course import assignment as assignments

HONEST = 3.0
"""Points of the honest part, `MultiplyGate`."""

Notebook = dict[str, Any]


@dataclass(frozen=True)
class Attack:
    name: str
    tries: str
    """One sentence."""
    source: str = ""
    """A code cell of the learner's own at the top, or after the cell `behind`."""
    behind: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Answers by nbgrader's id of their cell."""
    last: str = ""
    """A code cell after all others, which shows what was found."""
    edit: Callable[[Notebook], None] | None = None
    """Changes the notebook itself."""
    raw: Callable[[Notebook], bytes] | None = None
    """Returns the bytes that are handed in instead."""
    folder: Callable[[Path, Mapping[str, Any]], None] | None = None
    """Changes the folder that is handed in; gets the targets."""
    score: float = HONEST
    """Points that it must get: those of its honest part, or less if the attack costs them."""
    refused: bool = False
    gains: str = ""
    """What it gains if tests run among the learner's code: "points", or a "secret"."""


@cache
def course() -> assignments.Assignment:
    return assignments.load_assignment(ROOT, "ps1")


def solutions() -> dict[str, str]:
    return {cell.grade_id: cell.source for cell in course().cells if cell.kind == "answer"}


@cache
def _released() -> str:
    return (ROOT / "assignments/ps1/ps1.ipynb").read_text()


def answered(answers: Mapping[str, str]) -> Notebook:
    """Return the released notebook with these answers."""
    notebook: Notebook = json.loads(_released())
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell["source"] = answers[name]
    return notebook


def honest() -> bytes:
    return json.dumps(answered(solutions())).encode()


def code_cell(source: str, name: str = "added") -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": source,
    }


def cell_of(notebook: Notebook, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(cell for cell in notebook["cells"] if cell.get("id") == name)
    return found


TELL = '''
def tell(ask):
    """Show what came of it."""
    try:
        print(ask())
    except BaseException as fault:
        print(type(fault).__name__)
'''


def written(attack: Attack, places: Mapping[str, Any]) -> bytes:
    """Return the file that is handed in. Its cells know all targets."""
    known = "".join(f"{name} = {value!r}\n" for name, value in places.items()) + TELL
    multiply = {"multiply": solutions()["multiply"]}
    theirs = {name: textwrap.dedent(source) for name, source in attack.answers.items()}
    notebook = answered({**multiply, **theirs})
    cells = notebook["cells"]
    if attack.source:
        at = next((i + 1 for i, cell in enumerate(cells) if cell["id"] == attack.behind), 0)
        cells.insert(at, code_cell(known + textwrap.dedent(attack.source), "hostile"))
    if attack.last:
        cells.append(code_cell(textwrap.dedent(attack.last), "last"))
    if attack.edit:
        attack.edit(notebook)
    return attack.raw(copy.deepcopy(notebook)) if attack.raw else json.dumps(notebook).encode()
