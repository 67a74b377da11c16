"""A course's nbgrader_config.py read for its settings alone: nbgrader, a second to import, is not needed for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

being_read = False
"""Whether that is under way: then `plug` puts nothing in place."""


def settings(course: Path) -> Any:
    """The configuration of a course folder, as traitlets has it."""
    global being_read
    from traitlets.config import PyFileConfigLoader

    before, being_read = being_read, True
    try:
        return PyFileConfigLoader("nbgrader_config.py", path=str(course.resolve())).load_config()
    finally:
        being_read = before
