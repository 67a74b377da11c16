"""The settings in a course's nbgrader_config.py, read without importing nbgrader, which takes a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

is_reading = False
"""True while the settings are read: then `nbgrader_plugin.install` does not replace nbgrader's autograder."""

CONFIG_FILE = "nbgrader_config.py"


def require_course(course: Path) -> None:
    """Raise FileNotFoundError with a sentence for a folder that is not a course's."""
    if not (course / CONFIG_FILE).exists():
        raise FileNotFoundError(f"{course.resolve()} is not a course folder: it has no {CONFIG_FILE}.")


def read_settings(course: Path) -> Any:
    """Return the configuration of a course folder, as `load_settings` does; only the folder if it has no file."""
    global is_reading
    before, is_reading = is_reading, True
    try:
        return load_settings(course)
    finally:
        is_reading = before


def load_settings(course: Path, url: str = "") -> Any:
    """Return the configuration of a course folder, as traitlets loads it; `url` replaces its gradebook.

    What nbgrader looks for in the current folder is in the course's here: its root, the notebooks that are put before
    and behind each other one, its plug-ins.
    """
    from traitlets.config import Config, PyFileConfigLoader

    folder = course.resolve()
    found = (folder / CONFIG_FILE).exists()
    config = PyFileConfigLoader(CONFIG_FILE, path=str(folder)).load_config() if found else Config()
    if url:
        config.CourseDirectory.db_url = url
    return locate_folders(config, folder)


def locate_folders(config: Any, folder: Path) -> Any:
    """Return the configuration with absolute paths, for a course in this folder."""
    own = config.CourseDirectory
    own.root = str(folder / own.get("root", ""))
    for place in ("header", "footer"):
        if name := config.IncludeHeaderFooter.get(place, ""):
            config.IncludeHeaderFooter[place] = str(Path(own.root) / name)
    return config
