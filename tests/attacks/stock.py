"""Grading without a separation of tests and learner's code: all cells run in one shell, and a test that ended without
an error has passed."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from typing import Any

from hostile import course
from nbformat import from_dict
from nbgrader.utils import determine_grade

from nnkit.check.notebook.ipython_shell import CellRun, make_shell
from nnkit_grader.intake.submission import RefusedSubmission, repair_notebook


def graded(raw: bytes, trusting: bool = False) -> dict[str, Any]:
    """Scores by test, and what was shown. Runs in a process of its own. If `trusting`, a test cell is run as it
    was handed in."""
    submission = repair_notebook(raw, course())
    assert not isinstance(submission, RefusedSubmission)
    own = {cell["id"]: cell["source"] for cell in json.loads(raw)["cells"]} if trusting else {}
    shell, scores, shown = make_shell(), {}, []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for count, cell in enumerate(submission.cells, start=1):
            if cell.cell_type != "code":
                continue
            test = course().find_cell(cell.id) if cell.kind == "test" else None
            source = own.get(cell.id, test.source) if test else cell.source
            shell.user_ns.setdefault("In", [""]).append(source)  # as a kernel does
            run = shell.run(count, source)
            shown.append(run.outputs)
            if test:
                scores[cell.id] = nbgraders_points(run, test.points)
    return {"score": sum(scores.values()), "shown": json.dumps(shown), "pid": os.getpid()}


def nbgraders_points(run: CellRun, points: float) -> float:
    """Return what nbgrader gives for a test cell with these outputs; none where it refuses to grade."""
    mark = {"grade": True, "solution": False, "points": points}
    cell = from_dict({"cell_type": "code", "metadata": {"nbgrader": mark}, "outputs": run.outputs})
    try:
        earned, _ = determine_grade(cell)
    except ValueError:
        return 0.0
    return float(earned)
