"""The settings in a course's nbgrader_config.py, read without importing nbgrader, which takes a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

is_reading = False
"""True while the settings are read: then `nbgrader_plugin.install` does not replace nbgrader's autograder."""


def read_settings(course: Path) -> Any:
    """Return the configuration of a course folder, as traitlets loads it."""
    global is_reading
    from traitlets.config import PyFileConfigLoader

    before, is_reading = is_reading, True
    try:
        return PyFileConfigLoader("nbgrader_config.py", path=str(course.resolve())).load_config()
    finally:
        is_reading = before
