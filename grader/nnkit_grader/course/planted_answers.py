"""Right and wrong answers for a synthetic class: `solutions/NAME_answers.py`, in cells that begin with `# %%`.

    # %% multiply style=loud
    # %% multiply mistake=own-input loses=test-multiply
    # %% backward mistake=overwritten-branch loses=test-backward=2

The header names the answer cell that the source below it replaces. `style` is a right answer; `mistake`,
`crash` and `loop` are wrong ones. `loses` lists the test cells that lose points: all of a cell's points, or the
number that follows.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["style", "mistake", "crash", "loop"]

HEADER = re.compile(r"^# %% (.*)$", re.MULTILINE)
MISSHAPEN_HEADER = re.compile(
    r"^(?!# %% )(?:#+[ \t]*%%.*|[ \t]+#+[ \t]*%%.*\b(?:style|mistake|crash|loop|loses)=.*)$", re.MULTILINE
)
"""A line that was meant as a header: other blanks, or none, or more than one hash. An indented line is a comment of an
answer, unless it has a header's words."""


@dataclass(frozen=True)
class PlantedAnswer:
    cell: str
    kind: Kind
    label: str
    source: str
    loses: dict[str, float | None]
    """Points that each test cell loses; None means all of them."""
    line: int = 0
    """The line of its header."""


def read_answers(path: Path) -> list[PlantedAnswer]:
    """Read all answers of a file. Raises ValueError with the line if a header is malformed, or code has none."""
    text = path.read_text(encoding="utf-8")
    if wrong := MISSHAPEN_HEADER.search(text):
        where = f"{path.name}, line {_count_lines(text, wrong.start())}"
        raise ValueError(f"{where}: a header begins with '# %% ' at the start of a line, not as {wrong[0]!r}.")
    headers = list(HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    if _has_code(text[: headers[0].start()] if headers else text):
        raise ValueError(f"{path.name}: there is code above the first header, '# %% CELL ...': it is no answer.")
    return [
        _parse_answer(header[1], text[header.end() : end], _count_lines(text, header.start()), path)
        for header, end in zip(headers, ends)
    ]


def list_wrong_names(
    answers: Sequence[PlantedAnswer], cells: Collection[str], points: Mapping[str, float], path: Path
) -> Iterator[str]:
    """Yield a sentence, without its full stop, for each name of a file that does not fit the assignment.

    `cells` are the ids of its answer cells, `points` those of its test cells.
    """
    for answer in answers:
        where = f"{path.name}, line {answer.line}"
        if answer.cell not in cells:
            yield f"{where}: there is no answer cell {answer.cell!r}{_suggest(answer.cell, cells)}"
        for test, lost in answer.loses.items():
            if test not in points:
                yield f"{where}: there is no test cell {test!r}, which loses= names{_suggest(test, points)}"
            elif lost is not None and lost > points[test]:
                yield f"{where}: {test} cannot lose {lost:g} points: it has {points[test]:g}"


def list_stray_files(folder: Path, assignments: Collection[str]) -> list[str]:
    """Return a sentence, without its full stop, for each file of answers in a folder that belongs to no assignment."""
    stems = {path.name: path.stem.removesuffix("_answers") for path in sorted(folder.glob("*_answers.py"))}
    return [
        f"{name}: there is no assignment {stem!r}{_suggest(stem, assignments)}"
        for name, stem in stems.items()
        if stem not in assignments
    ]


def _parse_answer(header: str, source: str, line: int, path: Path) -> PlantedAnswer:
    where = f"{path.name}, line {line}"
    cell, *words = header.split() or [""]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    kinds = [kind for kind in get_args(Kind) if kind in options]
    if len(kinds) != 1 or (kinds[0] == "style") == ("loses" in options):
        raise ValueError(
            f"{where}: '# %% {header}' must say style=..., or one of mistake=, crash=, loop= with loses=TEST-CELLS."
        )
    if unknown := [word for word in words if word.partition("=")[0] not in (*get_args(Kind), "loses")]:
        raise ValueError(
            f"{where}: {unknown[0]!r} is unknown; a header has style=, mistake=, crash=, loop= and loses=."
        )
    if not source.strip():
        raise ValueError(f"{where}: there is no answer below '# %% {header}'.")
    losses = (loss.partition("=") for loss in options.get("loses", "").split(",") if loss)
    loses = {test: _read_number(points, where) if points else None for test, _, points in losses}
    if "loses" in options and not loses:
        raise ValueError(f"{where}: loses= names no test cell.")
    return PlantedAnswer(cell, kinds[0], options[kinds[0]], source.strip("\n"), loses, line)


def _read_number(points: str, where: str) -> float:
    try:
        number = float(points)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"{where}: {points!r} in loses= is no number of points.")
    return number


def _has_code(text: str) -> bool:
    """Return whether there is more than comments and a docstring."""
    try:
        return any(not isinstance(node, ast.Expr) for node in ast.parse(text).body)
    except SyntaxError:
        return True


def _count_lines(text: str, end: int) -> int:
    return text.count("\n", 0, end) + 1


def _suggest(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
