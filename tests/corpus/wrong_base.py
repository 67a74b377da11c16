"""A planted mistake, and the decorators that make one.

    @backward("no-upstream", on=MULTIPLY)      # a gate's backward; `on` says the forward and the inputs
    @gate / @function / @loss                  # a whole gate, a function, a loss
    edited("transposed", of=NETWORK, line="dW2 = h.T @ dscores", by="dW2 = dscores.T @ h")

The ids are what the checker should say; without one it should fail and name nothing.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from corpus.right_base import Call

Generator = np.random.Generator
Draw = Callable[[Generator], tuple[Any, ...]]


@dataclass(frozen=True)
class Wrong:
    name: str
    ids: tuple[str, ...]
    """The mistakes that the checker should name; empty for "fails, no name"."""
    check: str
    """The function of `nnkit.check` that must not accept it."""
    make: Callable[[Generator], Call]
    """Fresh random inputs, and the implementation with fresh state."""


REGISTERED: list[Wrong] = []


def register(ids: tuple[str, ...], check: str, name: str, make: Callable[[Generator], Call]) -> None:
    REGISTERED.append(Wrong(f"{' + '.join(ids) or 'no name'}: {name}", ids, check, make))


# ---- inputs -----------------------------------------------------------------------------------------


def at(*specs: str) -> Draw:
    """Random inputs of these shapes: each letter is a size of its own, "" a number. "nd+" is positive, "nd!" keeps
    off 0, "n:c" are labels below c."""

    def draw(rng: Generator) -> tuple[Any, ...]:
        letters = sorted(set("".join(specs)) - set("+!:"))
        size = dict(zip(letters, rng.permutation([3, 4, 5, 6, 7, 8]).tolist()))
        return tuple(_numbers(rng, spec, size) for spec in specs)

    return draw


def _numbers(rng: Generator, spec: str, size: dict[str, int]) -> Any:
    letters, _, classes = spec.partition(":")
    shape = tuple(size[letter] for letter in letters.rstrip("+!"))
    if classes:
        return rng.integers(0, size[classes], shape)
    if spec.endswith("+"):
        return rng.uniform(0.4, 2.5, shape)
    x = rng.normal(size=shape)
    x = np.sign(x) * (0.3 + np.abs(x)) if spec.endswith("!") else x
    return x if shape else float(x)


@dataclass(frozen=True)
class Forward:
    """A right forward with the inputs at which it is asked for."""

    name: str
    forward: Callable[..., Any]
    """inputs ↦ (out, cache)"""
    draw: Draw
    several: bool = False
    """Several gates in one: the check is always given the trusted function."""

    def of(self, *inputs: Any) -> Any:
        return self.forward(*inputs)[0]

    def at(self, *specs: str) -> Forward:
        return Forward(self.name, self.forward, at(*specs), self.several)


# ---- the decorators ---------------------------------------------------------------------------------


def _options(rng: Generator, of: Any, always: bool) -> dict[str, Any]:
    seed = {"rng": int(rng.integers(1000))}
    return {**seed, "of": of} if of is not None and (always or rng.random() < 0.5) else seed


def backward(*ids: str, on: Forward) -> Any:
    """The backward of a gate whose forward is right."""

    def decorate(answer: Any) -> Any:
        methods = {"forward": staticmethod(on.forward), "backward": staticmethod(answer)}
        kind = type(on.name, (), methods)
        register(
            ids, "check_backward", f"{on.name}, {_words(answer)}",
            lambda rng: Call((kind(), *on.draw(rng)), _options(rng, on.of, on.several)),
        )  # fmt: skip
        return answer

    return decorate


def gate(*ids: str, at: Draw, of: Any = None) -> Any:
    """A class with forward and backward, made anew for each check."""

    def decorate(answer: Any) -> Any:
        register(ids, "check_backward", _words(answer), lambda rng: Call((answer(), *at(rng)), _options(rng, of, True)))
        return answer

    return decorate


def _called(check: str) -> Any:
    def register_with(*ids: str, at: Draw, of: Any = None, fresh: bool = False) -> Any:
        def decorate(answer: Any) -> Any:
            def make(rng: Generator) -> Call:
                return Call((answer() if fresh else answer, *at(rng)), _options(rng, of, True))

            register(ids, check, _words(answer), make)
            return answer

        return decorate

    return register_with


function = _called("check_gradient")
"""inputs ↦ (value, gradients). `fresh`: what is decorated returns the function, with state of its own."""
loss = _called("check_loss")
"""(prediction, target) ↦ (value, dprediction)."""


def graph(*ids: str, needs: dict[str, list[str]] | None = None, fresh: bool = False) -> Any:
    """(needs, local, output) ↦ the gradient of the output for every node."""

    def decorate(answer: Any) -> Any:
        def make(rng: Generator) -> Call:
            return Call((answer() if fresh else answer,), {"needs": needs, "rng": int(rng.integers(1000))})

        register(ids, "check_graph", _words(answer), make)
        return answer

    return decorate


def update(*ids: str, weights: Callable[[Generator], Any]) -> Any:
    """(weights, gradients, step_size) ↦ new weights; `weights` draws an array, or a dict of them."""

    def decorate(answer: Any) -> Any:
        def make(rng: Generator) -> Call:
            return Call((answer, weights(rng), weights(rng)), {"step_size": float(rng.uniform(0.05, 0.3))})

        register(ids, "check_update", _words(answer), make)
        return answer

    return decorate


def _words(answer: Any) -> str:
    return str(answer.__name__).replace("_", " ").strip()


# ---- code with a line changed ------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A right answer as text, from which wrong ones are made by changing a line."""

    name: str
    check: str
    code: str
    """Defines `answer`."""
    draw: Draw
    """The arguments that follow the answer."""
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, code: str) -> Callable[[Generator], Call]:
        return lambda rng: Call((run(self.name, code), *self.draw(rng)), dict(self.options))

    def right(self) -> Callable[[Generator], Call]:
        return self.make(self.code)


def run(name: str, code: str) -> Any:
    """The `answer` that the code defines; its lines are there for tracebacks."""
    filename = f"<{name} {abs(hash(code))}>"
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    names: dict[str, Any] = {"np": np}
    exec(compile(code, filename, "exec"), names)
    return names["answer"]


def edited(*ids: str, of: Source, line: str, by: str, then: tuple[tuple[str, str], ...] = ()) -> None:
    """The source with `line` replaced `by` other code, and the same for the pairs of `then`."""
    code = of.code
    for old, new in ((line, by), *then):
        if code.count(old) != 1:
            raise ValueError(f"{of.name}: {old!r} occurs {code.count(old)} times")
        code = code.replace(old, new)
    change = " ".join(by.split()) or f"without {' '.join(line.split())}"
    register(ids, of.check, f"{of.name}, {change[:70]}", of.make(code))
