"""Findings: values that end a check early and say why. Functions return one in place of what they were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnkit.check.evidence.comparison import Comparison
from nnkit.check.verdict import Entry, Status
from nnkit.language import say, to_say


@dataclass(frozen=True)
class Explanation:
    """One mistake in words, as a verdict has them."""

    id: str
    title: str
    """Follows "dx is wrong: "."""
    why: str
    nudge: str
    hint: str
    """Nearly the answer."""
    lesson: str
    named: bool = field(default=True, kw_only=True)
    """It is the name of a mistake; False: a description of what the numbers show."""


@dataclass(frozen=True)
class GradientFault:
    """Gradients that are wrong in the same way, and what explains them."""

    gradients: tuple[int, ...]
    """Their positions in the comparisons."""
    explanations: tuple[Explanation, ...] = ()
    """One; two that were made on top of each other; none where nothing is known."""


@dataclass(frozen=True, eq=False)
class Finding:
    """A reason why a check does not pass: the verdict's status and sentence, named mistakes, and what shows it."""

    status: Status
    headline: str
    mistakes: tuple[str, ...] = ()
    """Ids of the catalogue or of descriptions."""
    entries: tuple[Entry, ...] = ()
    error: float = 0.0
    notes: tuple[str, ...] = ()
    subject: str = ""
    """The part of what is checked that it is about; "": all of it."""
    words: Mapping[str, Any] = field(default_factory=dict)
    """Better words than those of its first id: title, why, nudge, hint or lesson."""


@dataclass(frozen=True, eq=False)
class CallFault(Finding):
    """The learner's code raised `fault`."""

    fault: BaseException = field(default_factory=Exception)
    method: str = "it"
    message: str = ""
    """The text of the exception, on one line."""
    line: str = ""
    """The learner's line that raised; "" if none did."""

    @property
    def start(self) -> str:
        """The beginning of a sentence: "backward raised KeyError in the line `x = cache['y']`"."""
        exception = type(self.fault).__name__
        if not self.line:
            return say("{method} raised {exception}", method=say_it(self.method), exception=exception)
        return say(
            "{method} raised {exception} in the line `{line}`",
            **{"method": say_it(self.method), "exception": exception, "line": self.line},
        )


@dataclass(frozen=True, eq=False)
class GradientOfFixed(Finding):
    """A gradient came back for inputs that are held fixed, at these positions."""

    inputs: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class SeveralOutputs(Finding):
    """The output of a gate is a tuple of arrays of several shapes."""


@dataclass(frozen=True, eq=False)
class WrongValue(Finding):
    """The learner's value is not that of the trusted function."""

    value: np.ndarray = field(default_factory=lambda: np.zeros(()))
    inputs: tuple[Any, ...] = ()
    """The inputs at which it is the value."""


@dataclass(frozen=True, eq=False)
class WrongGradient(Finding):
    """At least one gradient of these comparisons is wrong."""

    comparisons: tuple[Comparison, ...] = ()
    faults: tuple[GradientFault, ...] = ()
    """All gradients that are wrong, the first one first."""
    example: Comparison | None = None
    """A comparison at a smaller or rounder example, where the first of them is wrong too."""

    @property
    def first(self) -> tuple[Comparison, int]:
        """The first comparison that is wrong, and the position of its first wrong gradient."""
        return next((c, k) for c in self.comparisons for k in range(len(c.targets)) if c.is_wrong(k))


def say_it(name: str) -> str:
    """Return the name of what was called; "it" in the reader's language."""
    return say("it") if name == "it" else name


NOT_ATTEMPTED = Finding("not attempted", to_say("not attempted yet."), ("not-attempted",))


def find_placeholder(value: Any, name: str) -> Finding | None:
    """Return the finding "not attempted" for the placeholders None, NotImplemented and Ellipsis."""
    if value is None:
        sentence = say("{name} is None: not attempted yet, or the `return` is missing.", name=say_it(name))
        return Finding("not attempted", sentence, ("not-attempted",))
    return NOT_ATTEMPTED if value is NotImplemented or value is Ellipsis else None
