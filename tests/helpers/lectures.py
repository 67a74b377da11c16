"""Each notebook of the course is run once, for all tests of a process that look at what came of it."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from helpers.kernels import Client

Call = tuple[str, int, Any, float]
"""A `check_value` that passed: the cell's text as IPython compiles it, the line in it, the expected numbers, rtol."""

RECORDER = """
import json, linecache, sys
import numpy as np
import nnkit.check

def recording(original, path):
    def plain(value):
        value = list(value.values()) if hasattr(value, "values") and not hasattr(value, "shape") else value
        return np.asarray(value, dtype=float).tolist()

    def check_value(actual, expected, name="the value", rtol=1e-6, **more):
        verdict = original(actual, expected, name=name, rtol=rtol, **more)
        caller = sys._getframe(1)
        cell = "".join(linecache.getlines(caller.f_code.co_filename))  # IPython keeps the text of each cell there
        if verdict.passed and cell:
            try:
                call = [cell.rstrip("\\n"), caller.f_lineno, plain(expected), rtol]
            except (TypeError, ValueError):  # names, or arrays of several shapes: no numbers of the table
                return verdict
            with open(path, "a") as file:
                file.write(json.dumps(call) + "\\n")
        return verdict

    return check_value

nnkit.check.check_value = recording(nnkit.check.check_value, PATH)
"""


def recorder(path: Path) -> str:
    """A first cell with which a notebook writes its calls down in this file."""
    return RECORDER.replace("PATH", repr(str(path)))


def recorded(path: Path) -> list[Call]:
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()]


RUN_ONCE = frozenset(
    {
        "capacity-band",
        "kit-many",
        "layer-timed",
        "loops-timed",
        "many-timed",
        "order-timed",
        "overhead",
        "strengths",
        "thousand",
        "twenty-lines-code",
        "twenty-lines-witnesses",
    }
)
"""Cells that train or time for seconds, always from the same start."""


@dataclass(frozen=True)
class Run:
    code: list[Any]
    """The code cells, with their outputs."""
    again: list[Any]
    """Those of a lecture but for `RUN_ONCE`, run once more in the same kernel, from the bottom up; in the order of the
    notebook."""
    calls: list[Call]


@cache
def run(path: Path) -> Run:
    """The code cells of a notebook, run from the top; a lecture's, in the same kernel, again from the bottom up."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    lecture = path.parent.name == "notebooks"
    repeated = [cell for cell in code if cell.id not in RUN_ONCE] if lecture else []
    again = [nbformat.v4.new_code_cell(cell.source, id=f"{cell.id}-again") for cell in reversed(repeated)]
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder, "calls.jsonl")
        calls.touch()
        first = nbformat.v4.new_code_cell(recorder(calls))
        notebook.cells = [first, *code, *again]
        client = Client(
            notebook,
            timeout=600,  # the first cell that imports JAX may be slow on a busy machine
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            shutdown_kernel="immediate",
            allow_errors=True,  # each test says which cells had none to have
        )
        client.execute()
        assert first.outputs == [], first.outputs
        return Run(code, again[::-1], recorded(calls))
