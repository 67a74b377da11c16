"""Grading by nnkit for `nbgrader autograde` and Formgrader's button: one line in nbgrader_config.py.

    import_module("nnkit_grader.nbgrader_plugin.install").install(c)

nbgrader has no setting for the classes that autograde and write feedback, so its own are replaced by subclasses
(`compat`). They work as nnkit's only in courses whose configuration has this line; in others they are nbgrader's.
"""

from __future__ import annotations

from typing import Any

from nnkit_grader.compat import replace_autograder, replace_feedback
from nnkit_grader.course import config


def install(c: Any) -> None:
    """Let nnkit autograde the course of this configuration, and name its exercises on feedback pages."""
    c.SandboxedAutograde.through_nnkit = True
    c.TitledFeedback.through_nnkit = True
    if not config.is_reading:
        from nnkit_grader.nbgrader_plugin.autograder import SandboxedAutograde
        from nnkit_grader.nbgrader_plugin.feedback import TitledFeedback

        replace_autograder(SandboxedAutograde)
        replace_feedback(TitledFeedback)
