"""Learners' own gradient checkers: right ones in many styles pass, and what a verdict says of a wrong one holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from corpus.right_checkers import CHECKERS, QUOTIENTS, measure
from nnkit.check import check_checker, check_numerical_gradient
from nnkit.check.evidence.planted_gates import PlantedGate, make_clear_gates, make_subtle_gates

BENT = np.random.default_rng(0).normal(size=(4, 6))
FUNCTIONS = {
    "a cube": (lambda x: x**3, np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.5]])),
    "one number": (lambda x: np.sum(np.exp(x)), np.array([0.3, -1.0])),
    "whole numbers": (np.exp, np.array([1, 2, -1])),
    "a tensor": (lambda x: x.sum(axis=1) ** 2, np.arange(12.0).reshape(2, 3, 2)),
    "other outputs": (lambda x: np.tanh(BENT @ np.ravel(x)), np.arange(6).reshape(2, 3)),
    "one entry": (lambda x: np.sin(x), np.array([0.7])),
}


@pytest.mark.parametrize("numerical", QUOTIENTS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_quotient_passes(numerical: Any, name: str, corpus_seed: int) -> None:
    function, x = FUNCTIONS[name]
    verdict = check_numerical_gradient(numerical, function, x, rng=corpus_seed)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("judge", CHECKERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("subtle", [False, True])
def test_a_right_checker_passes(judge: Any, subtle: bool, corpus_seed: int) -> None:
    for seed in range(corpus_seed, corpus_seed + 3):
        verdict = check_checker(judge, subtle=subtle, rng=seed)
        assert verdict.passed, str(verdict)


@pytest.mark.parametrize("make", [make_clear_gates, make_subtle_gates])
def test_planted_gates_are_what_they_are_said_to_be(make: Any, corpus_seed: int) -> None:
    draw = np.random.default_rng(corpus_seed)
    for gate in make(draw):
        assert _agrees(gate, draw) == gate.is_right, str(gate)


def _agrees(gate: PlantedGate, draw: np.random.Generator) -> bool:
    out, cache = gate.forward(*gate.inputs)
    upstream, agree = draw.normal(size=np.shape(out)), True
    for k, (x, gradient) in enumerate(zip(gate.inputs, gate.backward(upstream, cache), strict=True)):

        def f(moved: Any, k: int = k) -> Any:
            return gate.forward(*gate.inputs[:k], moved, *gate.inputs[k + 1 :])[0]

        measured = measure(f, x, upstream, 1e-5)
        close = np.max(np.abs(np.asarray(gradient) - measured)) <= 1e-7 * np.max(np.abs(measured))
        agree = agree and bool(close) and np.shape(gradient) == np.shape(x)
    return agree


def test_a_verdict_says_which_gate_was_misjudged() -> None:
    verdict = check_checker(lambda forward, backward, inputs: len(inputs) == 1, subtle=False)
    assert "it refuses a right gate: x" in verdict.headline or "it accepts a wrong gate: " in verdict.headline
    assert verdict.mistakes == ()
    assert verdict.explained_as == ("misjudged-gate",)


@pytest.mark.parametrize(
    ("answer", "status", "part"),
    [
        (lambda *given: None, "not attempted", "not attempted yet"),
        (lambda *given: 1, "wrong", "it must return True or False; it returned an int"),
        (lambda *given: np.array([True, True]), "wrong", "it must return True or False"),
        (lambda *given: given[1](1.0), "error", "TypeError"),
        (lambda *given: True, "wrong", "it accepts every gate, right or wrong"),
        (lambda *given: False, "wrong", "it refuses every gate"),
    ],
)
def test_a_checker_that_is_of_no_use(answer: Any, status: str, part: str) -> None:
    verdict = check_checker(answer)
    assert (verdict.status, part in str(verdict)) == (status, True)


def test_whole_numbers_are_explained() -> None:
    def truncated(f, x, upstream, h):
        return measure(f, x, upstream, h).astype(x.dtype)

    verdict = check_numerical_gradient(truncated, np.exp, np.array([1, 2, -1]))
    assert verdict.explained_as == ("whole-numbers",)
    assert check_numerical_gradient(truncated, np.exp, np.array([1.0, 2.0, -1.0])).passed


def test_x_must_be_put_back() -> None:
    def left_at_the_end(f, x, upstream, h):
        found = measure(f, x, upstream, h)
        x += h
        return found

    assert check_numerical_gradient(left_at_the_end, np.exp, np.array([1.0, -2.0])).mistakes == ("mutated-input",)
