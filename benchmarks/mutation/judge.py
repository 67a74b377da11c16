"""The checker's judgement on one mutant: killed, equivalent (its result is the original's) or survived."""

from __future__ import annotations

import contextlib
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import numpy as np

from mutation.mutate import Mutant
from nnkit.check import pipeline
from nnkit.check.context import checking

SECONDS = 2.0
SEEDS = 12
ROUNDING = 1e-12
ENDLESS = "it never ends"


class Draw:
    """Random inputs. Those of the checks have pairwise different sizes, as a good test cell's; those that
    decide whether a mutant is equivalent may be square, or have size 1."""

    def __init__(self, seed: int, checked: bool = False):
        self.rng, self.checked, self.turns = np.random.default_rng([seed, checked]), checked, 0

    def sizes(self, count: int) -> tuple[int, ...]:
        possible = np.arange(2, 6) if self.checked else np.arange(1, 6)
        return tuple(int(n) for n in self.rng.choice(possible, size=count, replace=not self.checked))

    def turn(self) -> bool:
        """False and True by turns."""
        self.turns += 1
        return self.turns % 2 == 0

    def normal(self, *shape: int) -> Any:
        return self.rng.normal(size=shape)[()]

    def positive(self, *shape: int) -> Any:
        return self.rng.uniform(0.5, 2.0, size=shape)[()]

    def labels(self, count: int, classes: int) -> np.ndarray:
        return self.rng.integers(0, classes, count)


@dataclass(frozen=True)
class Subject:
    """A backward that is mutated, and how to ask about it with another function in its place."""

    name: str
    target: Any
    cases: Callable[[Draw], list[Any]]
    check: Callable[[Any, Any], Any]
    """check(function, case) → the checker's verdict"""
    run: Callable[[Any, Any], Any]
    """run(function, case) → what it returns"""


@dataclass(frozen=True)
class Outcome:
    status: str
    """killed | equivalent | survived | crashed (the checker raised instead of giving a verdict)"""
    note: str = ""
    """Why it was killed, or how far the survivor's result is off."""
    rejected: bool = False
    """Killed though its result equals the original's."""


class TooLong(BaseException):
    """Not an Exception, so that no `except Exception` keeps the mutant running."""


def judge(subject: Subject, mutant: Mutant, naming: bool = True) -> Outcome:
    """`naming`: whether the checker also looks for the mistake's name, which takes most of the time."""
    function = build(subject, mutant.source)
    unnamed = contextlib.nullcontext() if naming else patch.object(pipeline, "diagnose", lambda case, finding: finding)
    with quiet(), unnamed, checking(seconds=SECONDS):
        try:
            fault = verdict(subject, function)
        except Exception as crash:
            last = traceback.extract_tb(crash.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            return Outcome("crashed", f"{where}: {type(crash).__name__}: {crash}")
        different = float("inf") if fault == ENDLESS else difference(subject, function, 2 if fault else SEEDS)
    if fault:
        return Outcome("killed", fault, rejected=different == 0)
    return Outcome("equivalent") if different == 0 else Outcome("survived", f"off by {different:.3g}, relatively")


def build(subject: Subject, source: str, **extra: Any) -> Any:
    """The function with this source, in the original's module."""
    space = {**subject.target.__globals__, **extra}
    exec(compile(source, f"<mutant of {subject.name}>", "exec"), space)
    return space[subject.target.__name__]


def verdict(subject: Subject, function: Any) -> str:
    """Why the checker refuses the function, or "" if it passes every case."""
    for case in subject.cases(Draw(0, checked=True)):
        try:
            with limited():
                found = subject.check(function, case)
        except TooLong:
            return ENDLESS
        if not found.passed:
            return f"{found.status}: {found.headline}"
    return ""


def difference(subject: Subject, function: Any, seeds: int = SEEDS) -> float:
    """The largest difference of what the two return, relative to the largest entry; inf where it raises."""
    most = 0.0
    for draw in (Draw(0, checked=True), *(Draw(seed) for seed in range(1, seeds))):
        for case in subject.cases(draw):
            expected = flat(subject.run(subject.target, case))
            try:
                with limited():
                    most = max(most, distance(flat(subject.run(function, case)), expected))
            except (Exception, TooLong):
                return float("inf")
            if most > ROUNDING:
                return most
    return 0.0


def distance(returned: list[Any], expected: list[Any]) -> float:
    if len(returned) != len(expected):
        return float("inf")
    return max((_gap(w, r) for w, r in zip(returned, expected)), default=0.0)


def _gap(w: Any, r: Any) -> float:
    if isinstance(w, str) or isinstance(r, str):
        same = isinstance(w, str) and isinstance(r, str) and w == r
        return 0.0 if same else float("inf")
    if w.shape != r.shape or {w.dtype.kind, r.dtype.kind} - set("biuf"):
        return float("inf")
    if not w.size or np.array_equal(w, r, equal_nan=r.dtype.kind == "f" == w.dtype.kind):
        return 0.0
    gap = np.max(np.abs(np.subtract(w, r, dtype=float))) / max(float(np.max(np.abs(r))), 1e-300)
    return float("inf") if np.isnan(gap) else float(gap)


def flat(result: Any) -> list[Any]:
    """All arrays of a result in order; None and keys as texts."""
    if isinstance(result, dict):
        return [part for key in sorted(result, key=str) for part in (f"key {key}", *flat(result[key]))]
    if isinstance(result, list) and result and all(np.isscalar(item) for item in result):
        return [np.array(result)]  # a list is taken for an array
    if isinstance(result, tuple | list):
        return [part for item in result for part in flat(item)]
    return ["None"] if result is None else [np.array(result)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Raise TooLong in here after `SECONDS`, where the system has timers."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
