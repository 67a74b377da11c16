"""Right and wrong answers for a synthetic class: `solutions/NAME_answers.py`, in cells that begin with `# %%`.

    # %% multiply style=loud
    # %% multiply mistake=own-input loses=test-multiply
    # %% backward mistake=overwritten-branch loses=test-backward=2

The header names the answer cell that the source below it replaces. `style` is a right answer; `mistake`,
`crash` and `loop` are wrong ones. `loses` lists the test cells that lose points: all of a cell's points, or the
number that follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["style", "mistake", "crash", "loop"]


@dataclass(frozen=True)
class PlantedAnswer:
    cell: str
    kind: Kind
    label: str
    source: str
    loses: dict[str, float | None]
    """Points that each test cell loses; None means all of them."""


def read_answers(path: Path) -> list[PlantedAnswer]:
    """Read all answers of a file. Raises ValueError with the line if a header is malformed."""
    text = path.read_text(encoding="utf-8")
    pieces = re.split(r"^# %% (.*)$", text, flags=re.MULTILINE)[1:]
    return [_parse_answer(header, source, path) for header, source in zip(pieces[::2], pieces[1::2])]


def _parse_answer(header: str, source: str, path: Path) -> PlantedAnswer:
    cell, *words = header.split()
    options = dict(word.split("=", 1) for word in words if "=" in word)
    kinds = [kind for kind in get_args(Kind) if kind in options]
    if len(kinds) != 1 or (kinds[0] == "style") == ("loses" in options):
        raise ValueError(
            f"{path.name}: '# %% {header}' must say style=..., or one of mistake=, crash=, loop= with loses=TEST-CELLS."
        )
    losses = (loss.partition("=") for loss in options.get("loses", "").split(",") if loss)
    loses = {test: float(points) if points else None for test, _, points in losses}
    return PlantedAnswer(cell, kinds[0], options[kinds[0]], source.strip("\n"), loses)
