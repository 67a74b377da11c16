"""Changes to other people's modules and to the interpreter, each with its reason. Nothing else patches anything."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

ASSIGNMENT_LIST = "nbgrader.server_extensions.assignment_list.handlers"
"""Module of Assignment List's server extension."""


def skip_rfc3987_grammar() -> None:
    """Keep `jsonschema` from importing `rfc3987_syntax`, which builds a grammar for 1.1 s.

    nbformat imports jsonschema, but never uses the check of IRIs that needs the grammar. jsonschema takes the missing
    module for one that is not installed.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def freeze_heap() -> None:
    """Exempt all objects from garbage collection, before a process forks.

    A collection writes to the header of each object that it visits, so without this the first one in each fork would
    copy every page that the forks share.
    """
    gc.collect()
    gc.freeze()


def replace_autograder(autograder: type) -> None:
    """Make `nbgrader autograde` and Formgrader's button use this class.

    nbgrader has no setting for it, and looks its own class up in these two modules.
    """
    from nbgrader.apps import api, autogradeapp

    for module in (api, autogradeapp):
        module.Autograde = autograder


def replace_feedback(feedback: type) -> None:
    """Make `nbgrader generate_feedback` and Formgrader's button use this class, for the same reason."""
    from nbgrader.apps import api, generatefeedbackapp

    for module in (api, generatefeedbackapp):
        module.GenerateFeedback = feedback


def shorten_list_errors(describe: Callable[[BaseException | None], str]) -> None:
    """Make Assignment List show the sentence that `describe` returns for a fault; "" keeps nbgrader's traceback.

    Its server extension has no setting for it: it shows `traceback.format_exc()`, or replaces an ExchangeError by a
    sentence of its own about a missing folder. Nothing happens where the extension is not loaded.
    """
    extension: Any = sys.modules.get(ASSIGNMENT_LIST)
    if extension and not isinstance(extension.traceback, SimpleNamespace):
        format_exc = extension.traceback.format_exc
        extension.traceback = SimpleNamespace(format_exc=lambda: describe(sys.exc_info()[1]) or format_exc())
        extension.ExchangeError = ()


def label_assignments(format_label: Callable[[dict[str, Any]], str], parse_label: Callable[[str], str]) -> None:
    """Make Assignment List show a label for each assignment, with more than its name.

    The page shows names and nothing else, and sends back what it shows to have it fetched or submitted; `parse_label`
    returns the name again. Nothing happens where the extension is not loaded.
    """
    extension: Any = sys.modules.get(ASSIGNMENT_LIST)
    if not extension or extension.AssignmentList.fetch_assignment.__module__ == __name__:
        return
    manager = extension.AssignmentList
    list_released, fetch, submit = (
        manager.list_released_assignments, manager.fetch_assignment, manager.submit_assignment
    )  # fmt: skip

    def list_with_labels(self: Any, course_id: str | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = list_released(self, course_id=course_id)
        for entry in answer["value"] if answer["success"] else []:
            entry["assignment_id"] = format_label(entry)
        return answer

    manager.list_released_assignments = list_with_labels
    manager.fetch_assignment = lambda self, course, label: fetch(self, course, parse_label(label))
    manager.submit_assignment = lambda self, course, label: submit(self, course, parse_label(label))
