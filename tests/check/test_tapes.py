"""Learners' own tapes: right ones in many styles pass, wrong ones fail on an expression of ps4, with a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from corpus.tapes import BROKEN, DEPTH_FIRST, RIGHT, WRONG, WrongTape, load
from nnkit.check import check_tape

ROWS = np.arange(1.0, 7.0).reshape(2, 3)
NUMBERS = {"x": 3.0, "y": -4.0}
EXPRESSIONS: dict[str, dict[str, Any]] = {
    "2 * x + (4 + y) * 0.5": NUMBERS,
    "(q := x + y) * q + q * x": NUMBERS,
    "(q := x * y) + ((p := q * x) + q) * (p + y)": NUMBERS,
    "((x * w + b) * z).sum()": {"x": ROWS, "w": ROWS[0], "b": np.array([[1.0], [-1.0]]), "z": ROWS**2 - 7},
    "(x * s + x).sum() * s": {"x": ROWS - 2.5, "s": 1.5},
}


@pytest.mark.parametrize("style", RIGHT)
def test_a_right_tape_passes(style: str) -> None:
    run = load(RIGHT[style])
    for expression, inputs in EXPRESSIONS.items():
        verdict = check_tape(run, expression, **inputs)
        assert verdict.passed, str(verdict)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_wrong_tape_fails_with_a_reason(wrong: WrongTape) -> None:
    run = load(wrong.source)
    failed = []
    for expression, inputs in EXPRESSIONS.items():
        verdict = check_tape(run, expression, **inputs)
        if {*verdict.mistakes, *verdict.explained_as} & set(wrong.said):
            return
        failed += [] if verdict.passed else [verdict]
    pytest.fail("\n".join(map(str, failed)))


@pytest.mark.parametrize("said", BROKEN)
def test_what_a_tape_raises_is_said_in_its_own_terms(said: str) -> None:
    line, by = BROKEN[said]
    assert line in DEPTH_FIRST
    verdict = check_tape(load(DEPTH_FIRST.replace(line, by)), "2 * x + x * y * x + 3", **NUMBERS)
    assert said in verdict.headline, str(verdict)


def test_a_tape_that_is_wrong_for_no_known_reason_is_measured() -> None:
    right = load(DEPTH_FIRST)

    def run(expression: str, inputs: dict[str, Any], passes: int) -> Any:
        value, gradients = right(expression, inputs, passes)
        return value, {name: g + 0.5 for name, g in gradients.items()}

    verdict = check_tape(run, "x * y + 2", **NUMBERS)
    assert (verdict.mistakes, verdict.explained_as) == ((), ("measured-slope",)), str(verdict)


def test_there_are_enough() -> None:
    assert len(RIGHT) >= 10
    assert len(WRONG) >= 25


@pytest.mark.parametrize(
    ("run", "status", "part"),
    [
        (lambda *given: None, "not attempted", "not attempted yet"),
        (lambda *given: 3.0, "wrong", "it must return the value and a dict of gradients"),
        (lambda *given: (-10.0, {"x": None, "y": 1.0}), "wrong", "x.grad is None"),
    ],
)
def test_what_is_no_tape(run: Any, status: str, part: str) -> None:
    verdict = check_tape(run, "x * y + 2", **NUMBERS)
    assert (verdict.status, part in str(verdict)) == (status, True), str(verdict)
