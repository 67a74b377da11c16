"""Grading by nnkit for `nbgrader autograde` and Formgrader's button: one line in nbgrader_config.py.

    import_module("nnkit_grader.nbgrader_plugin.install").install(c)

nbgrader has no setting for the class that autogrades, so its own is replaced by a subclass (`compat`). That grades
by nnkit only in courses whose configuration has this line; in others it does what nbgrader does.
"""

from __future__ import annotations

from typing import Any

from nnkit_grader.compat import replace_autograder
from nnkit_grader.course import config


def install(c: Any) -> None:
    """Let nnkit autograde the course of this configuration."""
    c.SandboxedAutograde.through_nnkit = True
    if not config.is_reading:
        from nnkit_grader.nbgrader_plugin.autograder import SandboxedAutograde

        replace_autograder(SandboxedAutograde)
