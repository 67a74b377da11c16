"""Gradient checkers with a mistake: in the quotient that they measure, and in how they judge a gate by it.

Learners of ps3 write the two functions; these are the ways in which they go wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from corpus.right_base import Call
from corpus.right_checkers import measure
from corpus.wrong_base import register


def _weighed(f, upstream, x):
    return float(np.sum(upstream * f(x)))


def quotient(*ids: str, whole: bool = False) -> Any:
    """A numerical gradient, of a function that bends and whose outputs each depend on several inputs."""

    def decorate(answer: Any) -> Any:
        def make(rng: np.random.Generator) -> Call:
            shape = (3, 2) if rng.random() < 0.5 else (4,)
            x = rng.integers(1, 4, shape) * rng.choice([-1, 1], shape) if whole else rng.normal(size=shape)
            bent = rng.normal(size=(5, int(np.prod(shape))))
            return Call((answer, lambda x: np.exp(0.2 * bent @ np.ravel(x)) + bent @ np.ravel(x) ** 3, x), {})

        register(ids, "check_numerical_gradient", answer.__name__.replace("_", " "), make)
        return answer

    return decorate


def checker(*ids: str, subtle: bool = True) -> Any:
    """A function that judges gates."""

    def decorate(answer: Any) -> Any:
        def make(rng: np.random.Generator) -> Call:
            return Call((answer,), {"subtle": subtle, "rng": int(rng.integers(1000))})

        register(ids, "check_checker", answer.__name__.replace("_", " "), make)
        return answer

    return decorate


# ---- the quotient -------------------------------------------------------------------------------------


def _by_entry(x: Any, slope: Any) -> np.ndarray:
    found = np.zeros(np.shape(x))
    for i in np.ndindex(found.shape):
        e = np.zeros(found.shape)
        e[i] = 1.0
        found[i] = slope(x, e)
    return found


@quotient("one-sided-difference")
def forward_difference(f, x, upstream, h):
    return _by_entry(x, lambda x, e: (_weighed(f, upstream, x + h * e) - _weighed(f, upstream, x)) / h)


@quotient("one-sided-difference")
def backward_difference(f, x, upstream, h):
    return _by_entry(x, lambda x, e: np.sum(upstream * (f(x) - f(x - h * e))) / h)


@quotient("one-sided-difference")
def one_sided_over_two_h(f, x, upstream, h):
    return _by_entry(x, lambda x, e: np.sum(upstream * (f(x + h * e) - f(x))) / (2 * h))


@quotient("step-not-doubled")
def divided_by_h(f, x, upstream, h):
    return _by_entry(x, lambda x, e: np.sum(upstream * (f(x + h * e) - f(x - h * e))) / h)


@quotient("step-not-doubled")
def precedence_of_division(f, x, upstream, h):
    both = _by_entry(x, lambda x, e: np.sum(upstream * f(x + h * e)) - np.sum(upstream * f(x - h * e)))
    return 2 * both / (2 * h)


@quotient("step-not-doubled")
def divided_by_h_in_place(f, x, upstream, h):
    x, found = np.array(x, dtype=float), np.zeros(np.shape(x))
    for i in np.ndindex(x.shape):
        old = x[i]
        x[i] = old + h
        found[i] = _weighed(f, upstream, x)
        x[i] = old - h
        found[i] = (found[i] - _weighed(f, upstream, x)) / h
        x[i] = old
    return found


@quotient("not-put-back")
def left_at_x_minus_h(f, x, upstream, h):
    found = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += h
        above = _weighed(f, upstream, x)
        x[i] -= 2 * h
        found[i] = (above - _weighed(f, upstream, x)) / (2 * h)
    return found


@quotient("not-put-back")
def left_in_a_copy(f, x, upstream, h):
    moved, found = x.copy(), np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        moved[i] = x[i] + h
        above = f(moved)
        moved[i] = x[i] - h
        found[i] = np.sum(upstream * (above - f(moved))) / (2 * h)
    return found


@quotient("not-put-back")
def left_at_x_plus_h(f, x, upstream, h):
    found = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] -= h
        below = _weighed(f, upstream, x)
        x[i] += 2 * h
        found[i] = (_weighed(f, upstream, x) - below) / (2 * h)
    return found


@quotient("no-upstream")
def summed_outputs(f, x, upstream, h):
    return _by_entry(x, lambda x, e: np.sum(f(x + h * e) - f(x - h * e)) / (2 * h))


@quotient("sign")
def minus_before_plus(f, x, upstream, h):
    return _by_entry(x, lambda x, e: np.sum(upstream * (f(x - h * e) - f(x + h * e))) / (2 * h))


@quotient(whole=True)
def gradient_of_whole_numbers(f, x, upstream, h):
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = h
        found[i] = np.sum(upstream * (f(x + e) - f(x - e))) / (2 * h)
    return found


@quotient(whole=True)
def nudge_of_whole_numbers(f, x, upstream, h):
    found = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        found[i] = np.sum(upstream * (f(up) - f(down))) / (2 * h)
    return found


@quotient()
def another_step(f, x, upstream, h):
    return measure(f, x, upstream, 1e-5)


@quotient()
def fourth_order(f, x, upstream, h):
    return (4 * measure(f, x, upstream, h) - measure(f, x, upstream, 2 * h)) / 3


@quotient()
def over_two_times_h(f, x, upstream, h):
    return measure(f, x, upstream, h) * (2 * h) / 2 * h


@quotient(whole=True)
def in_place_in_whole_numbers(f, x, upstream, h):
    found = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] = x[i] + h
        above = _weighed(f, upstream, x)
        x[i] = x[i] - 2 * h
        below = _weighed(f, upstream, x)
        x[i] = x[i] + h
        found[i] = (above - below) / (2 * h)
    return found


@quotient()
def not_divided(f, x, upstream, h):
    return _by_entry(x, lambda x, e: np.sum(upstream * (f(x + h * e) - f(x - h * e))))


@quotient()
def all_entries_at_once(f, x, upstream, h):
    return np.full(x.shape, np.sum(upstream * (f(x + h) - f(x - h))) / (2 * h))


@quotient("mutated-input")
def shifted_at_the_end(f, x, upstream, h):
    found = measure(f, x, upstream, h)
    x += h
    return found


@quotient("wrong-shape")
def flattened(f, x, upstream, h):
    return measure(f, x, upstream, h).reshape(-1, 1)


# ---- the judge ----------------------------------------------------------------------------------------


def _judge(compare: Any, draw: Any = None, slope: Any = measure, h: float = 1e-5) -> Any:
    """Return a checker that compares in this way; in all else it is right."""

    def judge(forward, backward, inputs):
        out, cache = forward(*inputs)
        upstream = (draw or np.random.default_rng(0).normal)(size=np.shape(out))
        gradients = backward(upstream, cache)

        def measured(k):
            return slope(lambda x: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, h)

        pairs = [(g, measured(k)) for k, g in enumerate(gradients)]
        return all(np.shape(g) == np.shape(x) for (g, _), x in zip(pairs, inputs)) and bool(compare(pairs))

    return judge


def _close(pairs: Any, rtol: float = 1e-6) -> bool:
    return all(np.max(np.abs(g - m)) <= rtol * np.max(np.abs(m)) for g, m in pairs)


def _forward_slope(f, x, upstream, h):
    return _by_entry(x, lambda x, e: np.sum(upstream * (f(x + h * e) - f(x))) / h)


def planted(name: str, judge: Any, *ids: str, subtle: bool = True) -> None:
    judge.__name__ = name
    checker(*ids, subtle=subtle)(judge)


planted("upstream of ones", _judge(_close, lambda size: np.ones(size)), "ones-upstream")
planted("upstream of twos", _judge(_close, lambda size: np.full(size, 2.0)), "ones-upstream")
planted("one random number for all", _judge(_close, lambda size: np.zeros(size) + 0.3), "ones-upstream")

planted("absolute 1e-6", _judge(lambda ps: all(np.all(np.abs(g - m) < 1e-6) for g, m in ps)), "fixed-tolerance")
planted("np.allclose as it is", _judge(lambda ps: all(np.allclose(g, m) for g, m in ps)), "fixed-tolerance")
planted(
    "a floor of 1e-3 below the fraction",
    _judge(lambda ps: all(np.max(np.abs(g - m)) <= 1e-6 * max(1e-3, np.max(np.abs(m))) for g, m in ps)),
    "fixed-tolerance",
)

NORM = np.linalg.norm
planted("norms", _judge(lambda ps: all(abs(NORM(g) - NORM(m)) <= 1e-6 * NORM(m) for g, m in ps)), "compared-as-a-whole")
planted(
    "norms, on clear gates",
    _judge(lambda ps: all(abs(NORM(g) - NORM(m)) <= 1e-6 * NORM(m) for g, m in ps)),
    "compared-as-a-whole",
    subtle=False,
)
planted(
    "sums",
    _judge(lambda ps: all(abs(np.sum(g) - np.sum(m)) <= 1e-6 * np.sum(np.abs(m)) for g, m in ps)),
    "compared-as-a-whole",
)
planted(
    "sorted entries",
    _judge(lambda ps: _close([(np.sort(np.ravel(g)), np.sort(np.ravel(m))) for g, m in ps])),
    "compared-as-a-whole",
)

planted("the first input alone", _judge(lambda ps: _close(ps[:1])), "unnoticed-entry")
planted(
    "the first row alone",
    _judge(lambda ps: _close([(np.ravel(g)[:2], np.ravel(m)[:2]) for g, m in ps])),
    "unnoticed-entry",
)
planted("any input in place of all", _judge(lambda ps: any(_close([pair]) for pair in ps)), "unnoticed-entry")

planted("h of a half", _judge(_close, h=0.5), "step-size")
planted("h of a hundredth", _judge(_close, h=0.01), "step-size")
planted("h of 1e-12", _judge(_close, h=1e-12), "step-size")
planted("forward differences and a sharp tolerance", _judge(_close, slope=_forward_slope), "one-sided-difference")

planted("a tolerance of a hundredth", _judge(lambda ps: _close(ps, 0.01)))
planted("no absolute value", _judge(lambda ps: all(np.max(g - m) <= 1e-6 * np.max(np.abs(m)) for g, m in ps)))
planted(
    "NaN compared by >",
    _judge(lambda ps: not any(np.max(np.abs(g - m)) > 1e-6 * np.max(np.abs(m)) for g, m in ps)),
)
planted(
    "relative to each entry",
    _judge(lambda ps: all(np.all(np.abs(g - m) / np.abs(m) < 1e-6) for g, m in ps)),
)
planted("a fraction of each entry", _judge(lambda ps: all(np.all(np.abs(g - m) <= 1e-4 * np.abs(m)) for g, m in ps)))
planted("a fraction of max(m)", _judge(lambda ps: all(np.max(np.abs(g - m)) <= 1e-4 * np.max(m) for g, m in ps)))
planted(
    "mean error",
    _judge(lambda ps: all(np.mean(np.abs(g - m)) <= 1e-4 * np.max(np.abs(m)) for g, m in ps)),
)
planted("norms within a thousandth", _judge(lambda ps: all(NORM(g - m) <= 1e-3 * NORM(m) for g, m in ps)))
planted("a tolerance below rounding", _judge(lambda ps: _close(ps, 1e-14)))


@checker()
def shapes_left_to_broadcasting(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(0).normal(size=np.shape(out))
    pairs = []
    for k, gradient in enumerate(backward(upstream, cache)):
        measured = measure(lambda x, k=k: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-5)
        pairs.append((gradient, measured))
    return _close(pairs)


@checker()
def axes_counted_in_place_of_shapes(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(0).normal(size=np.shape(out))
    for k, gradient in enumerate(backward(upstream, cache)):
        measured = measure(lambda x, k=k: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-5)
        if np.ndim(gradient) != np.ndim(measured) or not _close([(gradient, measured)]):
            return False
    return True


@checker()
def accepts_everything(forward, backward, inputs):
    return True


@checker(subtle=False)
def refuses_everything(forward, backward, inputs):
    return False


@checker("mutated-input")
def leaves_the_inputs_moved(forward, backward, inputs):
    inputs[0][...] += 0.5
    return _judge(_close)(forward, backward, inputs)
