"""The graded notebook as text: what graders and learners open, in the form in which nbgrader keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nnkit.language import say
from nnkit_grader.course.assignment import KERNEL_METADATA, Assignment, CourseCell
from nnkit_grader.record.results import CellResult, Result
from nnkit_grader.sanitize.budget import CleaningBudget
from nnkit_grader.sanitize.markdown import clean_markdown

Attachments = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Cell id → file name → MIME type → base64."""


def format_notebook(
    result: Result,
    assignment: Assignment,
    attachments: Attachments | None = None,
    budget: CleaningBudget | None = None,
) -> str:
    """Return the notebook in nbformat 4.5. nbgrader's metadata is the course's, never the submission's.

    Markdown is cleaned for as long as `budget` lasts.
    """
    course = {cell.id: cell for cell in assignment.cells}
    held, budget = attachments or {}, budget or CleaningBudget()
    cells = [_format_cell(cell, course.get(cell.id), held.get(cell.id, {}), budget) for cell in result.cells]
    if result.refused or result.repairs or result.doubts:
        cells.insert(0, _format_notice(result))
    made = {"seed": result.seed, "submission": result.digest, "tests": result.tests, "language": result.language}
    metadata = {**KERNEL_METADATA, "nnkit": made}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _format_cell(
    cell: CellResult, course: CourseCell | None, attachments: Mapping[str, Any], budget: CleaningBudget
) -> dict[str, Any]:
    metadata = dict(course.metadata) if course else {}
    written: dict[str, Any] = {"cell_type": cell.cell_type, "id": cell.id, "source": cell.source}
    written["metadata"] = {"nbgrader": metadata} if metadata else {}
    if cell.cell_type == "code":
        written |= {"execution_count": cell.execution_count, "outputs": cell.outputs}
    elif course is None or cell.source != course.released:  # the course's own text may hold what a learner's may not
        written["source"] = clean_markdown(cell.source, attachments, budget)
    if attachments:
        written["attachments"] = attachments
    return written


def _format_notice(result: Result) -> dict[str, Any]:
    """Return a first cell that says why the submission was not run, or what was repaired and what needs review."""
    parts = {
        say("This submission was not run, and needs review:"): (result.refused,) if result.refused else (),
        say("Put right before this submission was run:"): result.repairs,
        say("Needs review:"): () if result.refused else dict.fromkeys(result.doubts.values()),
    }
    said = {head: [f"- {_escape_markdown(one)}" for one in sentences] for head, sentences in parts.items() if sentences}
    text = "\n\n".join(f"**{head}**\n\n" + "\n".join(lines) for head, lines in said.items())
    return {"cell_type": "markdown", "id": "nnkit-notice", "metadata": {}, "source": text}


def _escape_markdown(sentence: str) -> str:
    """Return a sentence that Markdown shows as it is: it may quote what a learner wrote."""
    text = sentence.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+!|~$" else letter for letter in text)
