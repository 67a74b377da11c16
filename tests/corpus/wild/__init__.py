"""Layers in the styles in which people write them, with faults planted in their lines.

Each module holds layers of one style. A function `case_NAME(rng)` below a layer returns the check that its author would
call, as a `functools.partial`. A comment `# fault: old -> new` above a line plants a fault in it, of the next case.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).parent
FAULT = re.compile(r" *# fault: (.+?) -> ?(.*)\n")
CASE = re.compile(r"def case_(\w+)\(")
serial = count()


@dataclass(frozen=True)
class Fault:
    """A line in which `old` is to become `new`."""

    line: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.old} → {self.new}"


@dataclass(frozen=True)
class Case:
    """A layer in one style, and the faults that may be planted in it."""

    style: str
    name: str
    faults: tuple[Fault, ...]

    @cached_property
    def lines(self) -> list[str]:
        return (FOLDER / f"{self.style}.py").read_text(encoding="utf-8").splitlines(keepends=True)

    def __str__(self) -> str:
        return f"{self.style}.{self.name}"

    def ask(self, rng: Any, folder: Path, fault: Fault | None = None) -> partial:
        """Return the check of the layer at inputs drawn from `rng`; its module is written to `folder`."""
        lines = list(self.lines)
        if fault is not None:
            if lines[fault.line].count(fault.old) != 1:
                raise ValueError(f"{self}: {fault.old!r} is not in the line once: {lines[fault.line].strip()}")
            lines[fault.line] = lines[fault.line].replace(fault.old, fault.new)
        text = "".join(line for line in lines if not FAULT.fullmatch(line))
        return getattr(load(text, folder / f"{self.style}_{next(serial)}.py"), f"case_{self.name}")(rng)


def load(text: str, path: Path) -> ModuleType:
    """Return the module that `text` makes."""
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def cases(style: str) -> Iterator[Case]:
    """Return the cases of a module in order, each with the faults above it and in it."""
    name, faults, waiting = "", [], []
    for number, line in enumerate((FOLDER / f"{style}.py").read_text(encoding="utf-8").splitlines(keepends=True)):
        if match := FAULT.fullmatch(line):
            waiting.append(match.groups())
            continue
        if name and not line[0].isspace():
            yield Case(style, name, tuple(faults))
            name, faults = "", []
        faults += [Fault(number, old, new) for old, new in waiting]
        waiting = []
        if match := CASE.match(line):
            name = match[1]
    yield Case(style, name, tuple(faults))


STYLES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
WILD = [case for style in STYLES for case in cases(style)]
