"""`nbgrader autograde` and Formgrader's autograde button, graded by nnkit: one line of nbgrader_config.py.

    import_module("nnkit_grader.nbgrader_plugin.install").install(c)

nbgrader has no setting for the class that autogrades, so a subclass of its own is put in its place where it is looked
up. It grades by nnkit only in courses whose configuration has that line; in others it is nbgrader's.
"""

from __future__ import annotations

from typing import Any

from nnkit_grader.course import config


def install(c: Any) -> None:
    """Have nnkit autograde the course of this configuration."""
    c.SandboxedAutograde.through_nnkit = True
    if not config.being_read:
        from nnkit_grader.nbgrader_plugin import autograder

        autograder.put_in_place()
