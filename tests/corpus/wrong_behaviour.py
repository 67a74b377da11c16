"""Code that does not behave: it raises, prints, hangs, or returns something else than gradients.

Each must fail with one clear sentence. `ids` is the name that fits; where it is empty, none does (but that there
is not one gradient for each input may be said by its name).
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from corpus.right_base import Call
from corpus.wrong_base import Wrong, at

INPUTS = at("nd", "nd")
BEHAVIOUR: list[Wrong] = []
ENDLESS: set[str] = set()
"""The names of those that never end."""


def behaves(*ids: str, endless: bool = False) -> Any:
    """A backward of x · y that misbehaves; its cache is [x, y]."""

    def decorate(answer: Any) -> Any:
        class Multiply:
            def forward(self, x, y):
                return x * y, [x.copy(), y.copy()]

            def backward(self, upstream, cache):
                return answer(upstream, cache)

        _add(answer, ids, "check_backward", lambda rng: Call((Multiply(), *INPUTS(rng)), {}), endless)
        return answer

    return decorate


def behaves_as_function(*ids: str, endless: bool = False) -> Any:
    """A function of x and y, said to be Σ x · y."""

    def decorate(answer: Any) -> Any:
        def make(rng: Any) -> Call:
            return Call((answer, *INPUTS(rng)), {"of": lambda x, y: np.sum(x * y)})

        _add(answer, ids, "check_gradient", make, endless)
        return answer

    return decorate


def _add(answer: Any, ids: tuple[str, ...], check: str, make: Any, endless: bool) -> None:
    name = f"behaviour: {answer.__name__.replace('_', ' ')}"
    BEHAVIOUR.append(Wrong(name, ids, check, make))
    if endless:
        ENDLESS.add(name)


# ---- it raises ----------------------------------------------------------------------------------------


@behaves()
def divides_by_zero(upstream, cache):
    return 1 / 0


@behaves()
def misspells_a_name(upstream, cache):
    return upstream * why, upstream * cache[0]  # noqa: F821


@behaves()
def raises_with_many_lines(upstream, cache):
    raise ValueError("first line\nsecond line\n" * 200)


@behaves()
def leaves_python(upstream, cache):
    sys.exit("bye")


@behaves()
def calls_itself(upstream, cache):
    return calls_itself(upstream, cache)


@behaves_as_function()
def asserts(x, y):
    raise AssertionError


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@behaves()
def raises_what_cannot_be_shown(upstream, cache):
    raise Unprintable


# ---- it never ends ------------------------------------------------------------------------------------


@behaves(endless=True)
def while_true(upstream, cache):
    while True:
        pass


@behaves(endless=True)
def while_true_catching_everything(upstream, cache):
    while True:
        try:
            upstream = upstream + 1
        except Exception:
            upstream = 0


@behaves(endless=True)
def sleeps(upstream, cache):
    time.sleep(1e6)


@behaves_as_function(endless=True)
def counts_forever(x, y):
    k = 0
    while k >= 0:
        k += 1


# ---- it returns something else ------------------------------------------------------------------------


@behaves("not-attempted")
def returns_none(upstream, cache):
    print("done")


@behaves("not-filled-in")
def nan(upstream, cache):
    x, y = cache
    return upstream * y * np.nan, upstream * x


@behaves()
def infinity(upstream, cache):
    x, y = cache
    return upstream * y, upstream * x / 0.0


@behaves()
def a_generator(upstream, cache):
    return (upstream * a for a in cache[::-1])


@behaves()
def an_endless_generator(upstream, cache):
    while True:
        yield upstream


@behaves()
def a_string(upstream, cache):
    return "dx, dy"


@behaves()
def two_strings(upstream, cache):
    return "dx", "dy"


@behaves()
def ragged_lists(upstream, cache):
    x, _ = cache
    return [[1.0], [1.0, 2.0]], upstream * x


@behaves()
def complex_numbers(upstream, cache):
    x, y = cache
    return upstream * (y + 1e-3j), upstream * x


@behaves()
def objects(upstream, cache):
    x, _ = cache
    return np.full(upstream.shape, None), upstream * x


@behaves()
def functions(upstream, cache):
    return np.multiply, np.multiply


@behaves("wrong-shape")
def a_huge_array(upstream, cache):
    x, _ = cache
    return np.zeros((3000, 3000)), upstream * x


@behaves_as_function()
def only_the_value(x, y):
    return np.sum(x * y)


@behaves_as_function("not-attempted")
def gradients_but_no_value(x, y):
    return None, (y, x)


@behaves_as_function("wrong-shape")
def value_is_an_array(x, y):
    return x * y, (y, x)


@behaves_as_function()
def value_is_text(x, y):
    return "42", (y, x)


@behaves_as_function()
def value_is_nan(x, y):
    return float("nan"), (y, x)


# ---- it does something else ---------------------------------------------------------------------------


@behaves("sign")
def prints_a_megabyte(upstream, cache):
    x, y = cache
    for _ in range(1000):
        print("x" * 1000)
    return -upstream * y, -upstream * x


@behaves()
def another_answer_each_time(upstream, cache):
    x, y = cache
    return upstream * y + np.random.default_rng().normal(), upstream * x


@behaves("mutated-input")
def changes_the_upstream_gradient(upstream, cache):
    x, y = cache
    dx, dy = upstream * y, upstream * x
    upstream *= 0
    return dx, dy


@behaves("mutated-input")
def changes_the_arrays_of_the_cache(upstream, cache):
    x, y = cache
    dx, dy = upstream * y, upstream * x
    x += 1
    return dx, dy


@behaves("mutated-input")
def empties_the_cache(upstream, cache):
    y, x = cache.pop(), cache.pop()
    return upstream * y, upstream * x


@behaves_as_function("mutated-input")
def changes_an_input(x, y):
    value = np.sum(x * y)
    dy = x.copy()
    x[0] = 0
    return value, (y, dy)
