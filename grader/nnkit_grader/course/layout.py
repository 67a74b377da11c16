"""The folders of a course, as nbgrader's configuration names them, found without importing nbgrader."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from nnkit_grader.course.config import read_settings

IGNORED_FILES = (".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback")
"""nbgrader's default for names that it does not copy."""
STRUCTURE = os.path.join("{nbgrader_step}", "{student_id}", "{assignment_id}")
"""nbgrader's default for the folders below the root."""


@dataclass(frozen=True)
class CourseLayout:
    """The folders in which an instructor's notebooks and the released ones lie."""

    root: Path
    source: str = "source"
    release: str = "release"
    structure: str = STRUCTURE
    ignored: tuple[str, ...] = IGNORED_FILES
    surroundings: tuple[Path | None, Path | None] = (None, None)
    """Notebooks whose cells nbgrader puts before and behind those of each notebook."""

    inside: bool = False
    """True if all test cells of the course run in the learner's process."""

    @classmethod
    def from_course(cls, course: Path) -> CourseLayout:
        """Read the layout of a course folder."""
        return cls.from_config(read_settings(course))

    @classmethod
    def from_config(cls, config: Any) -> CourseLayout:
        """Read the layout from a configuration, in which the root is set."""
        own, around = config.CourseDirectory, config.IncludeHeaderFooter
        root = Path(own.root)
        names = [around.get("header", ""), around.get("footer", "")]
        header, footer = (root / name if name else None for name in names)
        return cls(
            root,
            own.get("source_directory", cls.source),
            own.get("release_directory", cls.release),
            own.get("directory_structure", cls.structure),
            tuple(_read_list(own, "ignore", cls.ignored)),
            (header, footer),
            config.SandboxedAutograde.get("inside", cls.inside),
        )

    @property
    def source_root(self) -> Path:
        """The folder of all assignments as instructors write them."""
        return self.root / self.source

    @property
    def release_root(self) -> Path:
        """The folder of all assignments as learners get them."""
        return self.root / self.release

    def source_folder(self, assignment: str) -> Path:
        """Return the folder of an assignment as instructors write it."""
        return self._format_path(self.source, assignment)

    def release_folder(self, assignment: str) -> Path:
        """Return the folder of an assignment as learners get it."""
        return self._format_path(self.release, assignment)

    def _format_path(self, step: str, assignment: str) -> Path:
        return self.root / self.structure.format(nbgrader_step=step, student_id=".", assignment_id=assignment)

    def list_assignments(self) -> list[str]:
        """Return the names of the assignments, sorted: folders in which there is a notebook."""
        pattern = self.source_folder("*").relative_to(self.root)
        found = (path.relative_to(self.root) for path in self.root.glob(f"{pattern}/*.ipynb"))
        return sorted({path.parts[pattern.parts.index("*")] for path in found if not path.name.startswith(".")})

    def list_notebooks(self, assignment: str) -> list[Path]:
        """Return the notebooks of an assignment, sorted."""
        return sorted(path for path in self.source_folder(assignment).glob("*.ipynb") if not path.name.startswith("."))

    def list_files(self, assignment: str) -> Iterator[Path]:
        """Yield the files beside an assignment's notebooks, and below: nbgrader hands them out with the notebooks."""
        for folder, inner, names in os.walk(self.source_folder(assignment)):
            inner[:] = sorted(name for name in inner if not self._ignores(name))
            yield from (Path(folder) / name for name in sorted(names) if not self._ignores(name))

    def _ignores(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in (*self.ignored, "*.ipynb", ".*"))


def _read_list(section: Any, name: str, default: tuple[str, ...]) -> list[str]:
    """Return a setting that is a list, or that adds to the default."""
    value = section.get(name, default)
    return list(value.get_value(list(default)) if hasattr(value, "get_value") else value)
