"""Grading without a separation of tests and learner's code: all cells run in one shell, and a test that ended without
an error has passed."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from typing import Any

from hostile import course

from nnkit_grader.intake.submission import RefusedSubmission, repair_notebook
from nnkit_grader.rpc.ipython_shell import make_shell


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
            ended, outputs = shell.run(count, source)
            shown.append(outputs)
            if test:
                scores[cell.id] = 0.0 if ended else credit(outputs, test.points)
    return {"score": sum(scores.values()), "shown": json.dumps(shown), "pid": os.getpid()}


def credit(outputs: list[dict[str, Any]], points: float) -> float:
    """Return the points by nbgrader's rule: the cell's last value, if it is a number."""
    for output in outputs:
        if output["output_type"] == "execute_result":
            with contextlib.suppress(ValueError):
                return min(float(output["data"]["text/plain"]), points)
    return points
