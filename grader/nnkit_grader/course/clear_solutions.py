"""What a release makes of one cell, as nbgrader's ClearSolutions, ClearHiddenTests and ClearMarkScheme do.

nbgrader itself works on whole course folders and takes seconds to import; a grader needs this text for each cell
that it puts back. The course's nbgrader_config.py is read for the same settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnkit_grader.course.config import settings


@dataclass(frozen=True)
class Stubs:
    """nbgrader's settings of what is cut out and what stands in its place; the defaults are nbgrader's."""

    code: str = "# YOUR CODE HERE\nraise NotImplementedError()"
    text: str = "YOUR ANSWER HERE"
    solution: tuple[str, str] = ("BEGIN SOLUTION", "END SOLUTION")
    hidden: tuple[str, str] = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
    scheme: tuple[str, str] = ("BEGIN MARK SCHEME", "END MARK SCHEME")

    @classmethod
    def of(cls, course: Path) -> Stubs:
        """Those of a course folder; the defaults where it has no nbgrader_config.py."""
        if not (course / "nbgrader_config.py").exists():
            return cls()
        config = settings(course)
        solutions, tests, scheme = config.ClearSolutions, config.ClearHiddenTests, config.ClearMarkScheme
        return cls(
            dict(solutions.get("code_stub", {})).get("python", cls.code),
            solutions.get("text_stub", cls.text),
            _delimiters(solutions, "solution", cls.solution),
            _delimiters(tests, "test", cls.hidden),
            _delimiters(scheme, "mark_scheme", cls.scheme),
        )


def _delimiters(section: Any, name: str, default: tuple[str, str]) -> tuple[str, str]:
    begin, end = (section.get(f"{side}_{name}_delimeter", text) for side, text in zip(("begin", "end"), default))
    return begin, end


def released_source(source: str, cell_type: str, mark: Mapping[str, Any], stubs: Stubs) -> str:
    """The cell as learners get it. Raises ValueError where a region does not end, or is in a cell without a mark."""
    stub = stubs.code if cell_type == "code" else stubs.text
    text, cleared = _replaced(source, stubs.solution, stub.split("\n"))
    if cleared and not mark.get("solution"):
        raise ValueError("it has a solution, but is not marked as an answer cell.")
    if mark.get("solution") and not cleared:
        text = stub
    text, hidden = _replaced(text, stubs.hidden, [])
    if hidden and not mark.get("grade"):
        raise ValueError("it has hidden tests, but is not marked as a test cell.")
    return _replaced(text, stubs.scheme, [])[0]


def _replaced(source: str, delimiters: tuple[str, str], stub: Sequence[str]) -> tuple[str, bool]:
    """The source with the stub, indented, in place of each region; and whether there was one."""
    begin, end = delimiters
    kept: list[str] = []
    inside = found = False
    for line in source.split("\n"):
        if begin in line:
            if inside:
                raise ValueError(f"a second {begin} before {end}.")
            inside = found = True
            indent = line[: len(line) - len(line.lstrip())]
            kept += [indent + text for text in stub]
        elif end in line:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"{begin} without {end}.")
    return "\n".join(kept), found
