"""A kind of exception, and the cases in which its text tells more."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from nnkit.check.evidence.finding import Explanation
from nnkit.language import say

OWN_CLASS = r"(?!NoneType|Array|\w*Tracer|Tensor)[A-Z]\w*"
"""The name of a class of the learner's own: not one of Python's or of a library."""


@dataclass(frozen=True)
class FaultCase:
    """One form of a kind: the text by which it is recognised, and what is said of it."""

    raised: str
    """A regular expression for "backward raised NameError: name 'y' is not defined"."""
    says: str
    """Ends the sentence "backward raised NameError in the line ...: "; named groups of both expressions fit in."""
    line: str = ""
    """A regular expression for the learner's line, in which {name} is what the group of that name found."""
    why: str = ""
    """Better words than those of its kind, as `nudge` and `hint` are."""
    nudge: str = ""
    hint: str = ""
    lesson: str = ""

    def match(self, raised: str, line: str) -> str | None:
        """Return what is said of an exception with this text in this line; None if it is another one."""
        found = re.search(self.raised, raised, re.DOTALL)
        place = re.search(self.line.format(**found.groupdict()), line) if found else None
        return _say_one(say(self.says, **found.groupdict(), **place.groupdict())) if found and place else None


def _say_one(text: str) -> str:
    """Return the text with one thing in place of "1 things"."""
    text = re.sub(r"\b1 (argument|value|ax)e?s\b", lambda m: f"1 {m[1].replace('ax', 'axis')}", text)
    text = re.sub(r"\b1 entries\b", "1 entry", re.sub(r"\b1 indices\b", "1 index", text))
    return re.sub(r"\b1 (\w+) are\b", r"1 \1 is", text)


@dataclass(frozen=True)
class FaultKind(Explanation):
    """A kind of exception in words. Its title is the general one, for tables; each case has a sentence of its own."""

    named: bool = field(default=False, kw_only=True)
    cases: tuple[FaultCase, ...] = ()
