"""A planted wrong answer without a name, and what the checker should say of it.

Described("path", "the path through x**2 is missing", lambda: check_gradient(...))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.check import Verdict, check_backward


@dataclass(frozen=True)
class Described:
    id: str
    """The description, or the mistake, that the verdict should list, and no other; two are joined by " + "."""
    says: str
    """A part of the first line or of the explanation."""
    ask: Callable[[], Verdict]


def draw(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def row_sum(x: Any) -> Any:
    return x.sum(axis=-1, keepdims=True)


def check_gate(value: Callable[..., Any], backward: Callable[..., Any], *inputs: Any) -> Verdict:
    """The verdict on a gate: inputs ↦ out, and (upstream, out, *inputs) ↦ gradients."""

    def forward(*inputs: Any) -> Any:
        out = value(*inputs)
        return out, (out, *inputs)

    code = getattr(value, "__code__", None)  # NumPy's functions have none
    names = code.co_varnames[: len(inputs)] if code else "xy"[: len(inputs)]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    methods = {
        "forward": staticmethod(forward),
        "backward": staticmethod(lambda upstream, cache: backward(upstream, *cache)),
    }
    return check_backward(type("Gate", (), methods)(), *inputs)
