"""nbgrader's side of a course folder: the objects by which its API is used in this process."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnkit_grader.course.config import load_settings, require_course


@dataclass(frozen=True)
class NbgraderContext:
    """nbgrader's side of a course: its CourseDirectory, and an object that carries its configuration."""

    coursedir: Any
    parent: Any


def open_course(course: Path, url: str = "") -> NbgraderContext:
    """Return nbgrader's side of a course folder that has a nbgrader_config.py; `url` replaces its gradebook."""
    warnings.filterwarnings("ignore", module="nbgrader")
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import LoggingConfigurable

    require_course(course)
    parent = LoggingConfigurable(config=load_settings(course, url))
    return NbgraderContext(CourseDirectory(parent=parent), parent)
