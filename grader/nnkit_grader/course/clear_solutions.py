"""The released text of one cell, as nbgrader's ClearSolutions, ClearHiddenTests and ClearMarkScheme make it.

nbgrader itself works on whole course folders and takes seconds to import. A grader needs this text for each cell
that it restores. The settings are read from the course's nbgrader_config.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClearSettings:
    """nbgrader's settings, and its defaults: the delimiters of what is cut out, and the text that replaces it."""

    code_stub: str = "# YOUR CODE HERE\nraise NotImplementedError()"
    text_stub: str = "YOUR ANSWER HERE"
    solution_delimiters: tuple[str, str] = ("BEGIN SOLUTION", "END SOLUTION")
    hidden_delimiters: tuple[str, str] = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
    scheme_delimiters: tuple[str, str] = ("BEGIN MARK SCHEME", "END MARK SCHEME")

    @classmethod
    def from_config(cls, config: Any) -> ClearSettings:
        """Read the settings from a course's configuration."""
        solutions, tests, scheme = config.ClearSolutions, config.ClearHiddenTests, config.ClearMarkScheme
        return cls(
            dict(solutions.get("code_stub", {})).get("python", cls.code_stub),
            solutions.get("text_stub", cls.text_stub),
            _read_delimiters(solutions, "solution", cls.solution_delimiters),
            _read_delimiters(tests, "test", cls.hidden_delimiters),
            _read_delimiters(scheme, "mark_scheme", cls.scheme_delimiters),
        )


def _read_delimiters(section: Any, name: str, default: tuple[str, str]) -> tuple[str, str]:
    begin, end = (section.get(f"{side}_{name}_delimeter", text) for side, text in zip(("begin", "end"), default))
    return begin, end


def clear_source(source: str, cell_type: str, mark: Mapping[str, Any], settings: ClearSettings) -> str:
    """Return a cell as learners get it. Raises ValueError if a region has no end, or the cell is of the wrong kind."""
    stub = settings.code_stub if cell_type == "code" else settings.text_stub
    text, cleared = _replace_regions(source, settings.solution_delimiters, stub.split("\n"))
    if cleared and not mark.get("solution"):
        raise ValueError("it has a solution, but is not marked as an answer cell.")
    if mark.get("solution") and not cleared:
        text = stub
    text, hidden = _replace_regions(text, settings.hidden_delimiters, [])
    if hidden and not mark.get("grade"):
        raise ValueError("it has hidden tests, but is not marked as a test cell.")
    return _replace_regions(text, settings.scheme_delimiters, [])[0]


def _replace_regions(source: str, delimiters: tuple[str, str], stub: Sequence[str]) -> tuple[str, bool]:
    """Replace each region by the stub, indented; return the new source, and True if there was a region."""
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
