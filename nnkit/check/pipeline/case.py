"""A subject at some inputs, with what the steps of a check have learned of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from nnkit.check.context import current_context
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.subjects import Answers, GateSubject, Subject
from nnkit.language import say
from nnkit.numerical import STEP_LEVELS

MAX_ENTRIES_ONE_BY_ONE = 1000
"""Entries of an input up to which each is checked by itself; beyond, along random directions."""
SHARE_FOR_ENTRIES = 0.5
"""Share of the time limit up to which each entry is checked by itself."""
SALT = 4160616  # so that the upstream is not the very numbers that a learner's default_rng(0) drew as inputs


@dataclass
class Case:
    """A subject at some inputs, and what the steps have learned of it so far."""

    subject: Subject
    inputs: Arrays
    rng: np.random.Generator
    directions_rng: np.random.Generator
    """Draws directions only, so that nothing else depends on how many were needed."""
    out: np.ndarray = field(init=False)
    upstreams: list[np.ndarray] = field(init=False)
    answers: Answers = field(init=False)
    returned: list[Arrays] = field(init=False)
    """The gradients that came back for each of the upstream gradients."""
    comparisons: list[Comparison] = field(default_factory=list)
    exact: bool = False
    """The complex step gives the function's slopes."""
    is_doubtful: bool = False
    """Gradients agree within room for rounding, and not with the slope along a direction."""
    notes: tuple[str, ...] = ()
    """Sentences on what could not be seen."""

    @classmethod
    def start(cls, subject: Subject, inputs: Arrays, seed: int) -> Case:
        """Return a case about which nothing is known yet."""
        return cls(subject, inputs, np.random.default_rng([SALT, seed]), np.random.default_rng(SALT + seed))

    @property
    def what(self) -> str:
        """The value's name in a sentence."""
        return say("forward's output") if isinstance(self.subject, GateSubject) else say("the value")

    @cached_property
    def entries(self) -> int:
        """The number of entries of all gradients."""
        return sum(np.size(self.inputs[i]) for i in self.subject.wrt)

    @cached_property
    def seconds_one_by_one(self) -> float:
        """The time that it takes to look at each entry by itself."""
        clock = current_context().clock
        began = clock()
        self.subject.function(*self.inputs)
        return (clock() - began) * self.entries * (1 if self.exact else 2 * STEP_LEVELS)

    @property
    def is_slow(self) -> bool:
        """True where all entries one by one take most of the time that there is."""
        limit = SHARE_FOR_ENTRIES * current_context().seconds
        return limit > 0 and self.takes_longer(limit)

    def takes_longer(self, seconds: float) -> bool:
        """Return whether it takes longer than this to look at each entry by itself; note it if so."""
        slow = self.seconds_one_by_one > seconds
        if slow:
            current_context().on_limit()
        return slow

    @cached_property
    def is_large(self) -> bool:
        return max(np.size(self.inputs[i]) for i in self.subject.wrt) > MAX_ENTRIES_ONE_BY_ONE


def find_rounding_floor(inputs: Arrays) -> float:
    """Return the size below which values are rounding."""
    return 1e-14 * max(1.0, *(float(np.max(np.abs(x))) for x in inputs))
