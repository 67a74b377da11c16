"""Learners' own gradient checkers: right ones in many styles pass, and what a verdict says of a wrong one holds."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pytest

from corpus.right_checkers import CHECKERS, QUOTIENTS, measure
from nnkit.check import check_checker, check_numerical_gradient, checking
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


X, WHOLE = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[1, -2], [3, 1]])


def _moved(x: Any, i: Any, step: float) -> Any:
    moved = np.array(x, dtype=float)
    moved[i] += step
    return moved


def _each(slope: Any) -> Any:
    """Return the numerical gradient made of this slope at each entry."""
    return lambda f, x, u, h: np.reshape(
        [slope(lambda y: np.sum(u * f(y)), x, i, h) for i in np.ndindex(x.shape)], x.shape
    )


def _alias(s: Any, x: Any, i: Any, h: float) -> float:
    up = x
    up[i] += h
    down = x
    down[i] -= h
    return (s(up) - s(down)) / (2 * h)


def _alias_one_by_one(s: Any, x: Any, i: Any, h: float) -> float:
    moved = x
    moved[i] += h
    above = s(moved)
    moved = x
    moved[i] -= h
    return (above - s(moved)) / (2 * h)


def _in_place(f: Any, x: Any, u: Any, h: float) -> Any:
    def slope(s: Any, x: Any, i: Any, h: float) -> float:
        x[i] = x[i] + h
        above = s(x)
        x[i] = x[i] - 2 * h
        below = s(x)
        x[i] = x[i] + h
        return (above - below) / (2 * h)

    return _each(slope)(f, x, u, h)


QUOTIENTS_IN_WORDS = {
    "fourth order": (lambda f, x, u, h: (4 * measure(f, x, u, h) - measure(f, x, u, 2 * h)) / 3, X, "but also by 0.2"),
    "Richardson": (lambda f, x, u, h: (4 * measure(f, x, u, h / 2) - measure(f, x, u, h)) / 3, X, "but also by 0.05"),
    "half of h": (
        lambda f, x, u, h: measure(f, x, u, h / 2),
        X,
        "it does not nudge by the h that it is given, but by 0.05",
    ),
    "the derivative": (lambda f, x, u, h: 3 * u * x**2, X, "it does not evaluate f"),
    "/ 2 * h": (_each(lambda s, x, i, h: (s(_moved(x, i, h)) - s(_moved(x, i, -h))) / 2 * h), X, "write `a / (2 * h)`"),
    "/ 2": (_each(lambda s, x, i, h: (s(_moved(x, i, h)) - s(_moved(x, i, -h))) / 2), X, "was divided by 2 alone"),
    "* 2 * h": (_each(lambda s, x, i, h: (s(_moved(x, i, h)) - s(_moved(x, i, -h))) * 2 * h), X, "multiplied by 2 * h"),
    "two names": (_each(_alias), X, "it evaluates f at x alone"),
    "one name twice": (_each(_alias_one_by_one), X, "`p = x` makes no copy"),
    "whole numbers in place": (_in_place, WHOLE, "an array of whole numbers cannot take fractions"),
    "a flat array": (lambda f, x, u, h: measure(f, x, u, h).ravel(), X, "`.reshape(x.shape)`"),
    "a list": (lambda f, x, u, h: measure(f, x, u, h).ravel().tolist(), X, "`.reshape(x.shape)`"),
}


@pytest.mark.parametrize("way", QUOTIENTS_IN_WORDS)
def test_a_quotient_is_described_by_its_size_and_its_calls(way: str) -> None:
    numerical, x, words = QUOTIENTS_IN_WORDS[way]
    assert words in str(check_numerical_gradient(numerical, lambda x: x**3, x.copy()))


def test_a_loop_without_an_end_is_the_learner_s() -> None:
    def stays(f, x, upstream, h):
        k = 0
        while k < x.size:
            f(x)

    with checking(seconds=0.05):
        assert "is there a loop without an end?" in str(check_numerical_gradient(stays, np.exp, X))


def _judging(line: str) -> Any:
    """Return a checker with this line where the gradients g, h are compared with measured ones."""
    code = f"""
def judge(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.ones(np.shape(out))
    grads = backward(upstream, cache)
    for k, g in enumerate(grads):
        m, tol = 1.5 * inputs[k], 1e-6
        {line}
    return True
"""
    filename = f"<judge {line}>"
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    scope = {"np": np}
    exec(compile(code, filename, "exec"), scope)
    return scope["judge"]


JUDGES = {
    "if np.abs(g - m) > tol: return False": ".any() or .all()",
    "if g != m: return False": ".any() or .all()",
    "ok = not np.abs(g - m) > tol": ".any() or .all()",
    "ok = max(abs(g - m)) < tol": "use np.max in place of max",
    "ok = max(np.abs(np.reshape(g, m.shape) - m)) < tol": "use np.max in place of max",
    "ok = all(np.abs(g - m) < tol)": "use np.all in place of all",
    "ok = max(abs(a - b) for a, b in ((g, m), (m, g)))": "take np.max of each array first",
    "d = np.max(np.abs(forward(*inputs) - out))": "a tuple or list whose parts have different shapes",
    "n = np.shape(forward(*inputs))": "a tuple or list whose parts have different shapes",
    "d = forward(inputs)": "forward was called with a tuple or list of arrays",
    "d = forward(list(inputs))": "forward was called with a tuple or list of arrays",
    "d = backward(1.0, cache)[0] @ g.T": "backward was called with an upstream gradient of shape ()",
    "return [True]": "one answer about all entries of all gradients",
    "return 'right'": "one answer about all entries of all gradients",
}


@pytest.mark.parametrize("line", JUDGES)
def test_what_a_checker_raises_is_said_for_a_checker(line: str) -> None:
    said = [str(check_checker(_judging(line), subtle=False, rng=seed)) for seed in range(8)]
    assert any(JUDGES[line] in each for each in said), said[0]
    assert not any("np.where" in each or "np.maximum" in each or "keepdims" in each for each in said)


@pytest.mark.parametrize(
    ("close", "hint"),
    [
        (lambda g, m: np.all(np.abs(g - m) <= 1e-4 * np.abs(m)), "With a tolerance for each entry"),
        (lambda g, m: np.max(np.abs(g - m)) <= 1e-4 * np.max(m), "Take np.abs before np.max"),
        (lambda g, m: not np.max(np.abs(g - m)) > 1e-4 * np.max(np.abs(m)), "`error > tolerance` lets a NaN pass"),
    ],
)
def test_one_gate_misjudged_gives_a_hint(close: Any, hint: str) -> None:
    def judge(forward, backward, inputs):
        out, cache = forward(*inputs)
        upstream = np.random.default_rng(0).normal(size=np.shape(out))
        pairs = []
        for k, gradient in enumerate(backward(upstream, cache)):
            f = lambda x, k=k: forward(*inputs[:k], x, *inputs[k + 1 :])[0]  # noqa: E731
            pairs.append((gradient, measure(f, inputs[k], upstream, 1e-5)))
        return all(np.shape(g) == np.shape(m) and bool(close(g, m)) for g, m in pairs)

    assert hint in str(check_checker(judge))


def _zero_at_last(times: int) -> Any:
    """Return a judge whose upstream gradient is 0 at the last output, the first `times` times that it sees a gate."""
    seen: list[bytes] = []

    def is_right(forward: Any, backward: Any, inputs: Any) -> bool:
        out, cache = forward(*inputs)
        upstream = np.random.default_rng(0).normal(size=np.shape(out))
        if np.size(out) > 1:  # a sum may have the same inputs
            seen.append(b"".join(x.tobytes() for x in inputs))
            upstream.flat[-1] *= seen.count(seen[-1]) > times
        for k, (x, dx) in enumerate(zip(inputs, backward(upstream, cache))):
            measured = measure(lambda z, k=k: forward(*inputs[:k], z, *inputs[k + 1 :])[0], x, upstream, 1e-5)
            if np.shape(dx) != x.shape or not np.max(np.abs(dx - measured)) <= 1e-4 * np.max(np.abs(measured)):
                return False
        return True

    return is_right


def test_an_upstream_gradient_that_is_0_where_a_gate_is_wrong_is_bad_luck_once() -> None:
    assert check_checker(_zero_at_last(1))
    assert "wrong in its last entry alone" in check_checker(_zero_at_last(2)).headline


def test_x_must_be_put_back() -> None:
    def left_at_the_end(f, x, upstream, h):
        found = measure(f, x, upstream, h)
        x += h
        return found

    assert check_numerical_gradient(left_at_the_end, np.exp, np.array([1.0, -2.0])).mistakes == ("mutated-input",)
