"""The right gradient of another function: softmax's for log-softmax, a sum's for a product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword, same
from nnkit.check.evidence.array_gates import Softmax, compute_log_softmax, compute_softmax
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.traced_gates import compute_sigmoid
from nnkit.language import say, to_say


@dataclass(frozen=True)
class KnownFunction:
    """A function that people write as one gate, with its backward pass."""

    name: str
    value: Callable[..., Any]
    backward: Callable[..., tuple[Any, ...]]
    """upstream, inputs ↦ one gradient for each input."""


def _last(g: Any) -> Any:
    return np.asarray(g)[..., None]


def _norm(x: Any) -> Any:
    return np.sqrt(np.sum(np.asarray(x) ** 2, axis=-1, keepdims=True))


def _max_backward(g: Any, x: Any) -> tuple[Any, ...]:
    return (_last(g) * (x == np.max(x, axis=-1, keepdims=True)),)


def _min_backward(g: Any, x: Any) -> tuple[Any, ...]:
    return (_last(g) * (x == np.min(x, axis=-1, keepdims=True)),)


def _unit_backward(g: Any, x: Any) -> tuple[Any, ...]:
    return ((g - (g * x).sum(axis=-1, keepdims=True) * x / _norm(x) ** 2) / _norm(x),)


FUNCTIONS = (
    KnownFunction(
        to_say("a sigmoid"), compute_sigmoid, lambda g, x: (g * compute_sigmoid(x) * (1 - compute_sigmoid(x)),)
    ),
    KnownFunction("tanh", lambda x: np.tanh(x), lambda g, x: (g * (1 - np.tanh(x) ** 2),)),
    KnownFunction(to_say("a ReLU"), lambda x: np.maximum(0, x), lambda g, x: (g * (x > 0),)),
    KnownFunction("softplus", lambda x: np.log1p(np.exp(x)), lambda g, x: (g * compute_sigmoid(x),)),
    KnownFunction("exp", lambda x: np.exp(x), lambda g, x: (g * np.exp(x),)),
    KnownFunction("log", lambda x: np.log(x), lambda g, x: (g / x,)),
    KnownFunction("sqrt", lambda x: np.sqrt(x), lambda g, x: (g / (2 * np.sqrt(x)),)),
    KnownFunction("x²", lambda x: x**2, lambda g, x: (g * 2 * x,)),
    KnownFunction("x³", lambda x: x**3, lambda g, x: (g * 3 * x**2,)),
    KnownFunction("1/x", lambda x: 1 / x, lambda g, x: (-g / x**2,)),
    KnownFunction("|x|", lambda x: np.abs(x), lambda g, x: (g * np.sign(x),)),
    KnownFunction("sin", lambda x: np.sin(x), lambda g, x: (g * np.cos(x),)),
    KnownFunction("cos", lambda x: np.cos(x), lambda g, x: (-g * np.sin(x),)),
    KnownFunction("softmax", compute_softmax, lambda g, x: Softmax().backward(g, compute_softmax(x))),
    KnownFunction(
        "log-softmax", compute_log_softmax, lambda g, x: (g - compute_softmax(x) * np.sum(g, axis=-1, keepdims=True),)
    ),
    KnownFunction(
        "log-sum-exp", lambda x: np.log(np.exp(x).sum(axis=-1)), lambda g, x: (_last(g) * compute_softmax(x),)
    ),
    KnownFunction(to_say("the maximum"), lambda x: np.max(x, axis=-1), _max_backward),
    KnownFunction(to_say("the minimum"), lambda x: np.min(x, axis=-1), _min_backward),
    KnownFunction(to_say("the sum"), lambda x: np.sum(x, axis=-1), lambda g, x: (_last(g) + 0 * x,)),
    KnownFunction(to_say("the mean"), lambda x: np.mean(x, axis=-1),
    lambda g, x: (_last(g) / np.shape(x)[-1] + 0 * x,)),
    KnownFunction(to_say("the norm"), lambda x: _norm(x)[..., 0], lambda g, x: (_last(g) * x / _norm(x),)),
    KnownFunction("x / ‖x‖", lambda x: x / _norm(x), _unit_backward),
    KnownFunction("x + y", lambda x, y: x + y, lambda g, x, y: (g + 0 * x, g + 0 * y)),
    KnownFunction("x - y", lambda x, y: x - y, lambda g, x, y: (g + 0 * x, -g + 0 * y)),
    KnownFunction("x · y", lambda x, y: x * y, lambda g, x, y: (g * y, g * x)),
    KnownFunction("x / y", lambda x, y: x / y, lambda g, x, y: (g / y, -g * x / y**2)),
    KnownFunction("max(x, y)", lambda x, y: np.maximum(x, y), lambda g, x, y: (g * (x >= y), g * (x < y))),
    KnownFunction("min(x, y)", lambda x, y: np.minimum(x, y), lambda g, x, y: (g * (x <= y), g * (x > y))),
)  # fmt: skip

SLOPE_IS_OUT = {("softplus", to_say("a sigmoid"))}
"""A function, and another one whose slope is that function's value: `out` in place of the slope is likelier."""


def _others(comparison: Comparison) -> Variants:
    """Return a variant for each known function with an output of this shape."""
    inputs = comparison.inputs
    if any(np.asarray(x).dtype.kind not in "f" for x in inputs) or len(comparison.wrt) != len(inputs):
        return {}
    values = {known.name: _try(known.value, *inputs) for known in FUNCTIONS}
    own = next((name for name, value in values.items() if value is not None and same(comparison.out, value)), "")
    on_the_way = [] if own else [node.value for graph in comparison.graphs[:1] for node in graph.nodes]
    found: Variants = {}
    for known in FUNCTIONS:
        value = values[known.name]
        if known.name == own or (known.name, own) in SLOPE_IS_OUT or value is None:
            continue
        if np.shape(value) != np.shape(comparison.out) or any(
            same(value, step) for step in on_the_way
        ):  # its gradient is a chain that began too late
            continue
        gradients = _try(known.backward, comparison.upstream, *inputs)
        if gradients is not None and all(np.shape(a) == np.shape(b) for a, b in zip(gradients, comparison.right)):
            found[_say(known.name, own)] = gradients
    return found


def _try(function: Callable[..., Any], *inputs: Any) -> Any:
    try:
        return function(*inputs)
    except (TypeError, ValueError, IndexError):  # the wrong number or shapes of inputs
        return None


def _say(other: str, own: str) -> Explanation:
    other, own = say(other), say(own)
    here = say("forward computes {own}", own=own) if own else say("forward computes another function")
    return reword(
        OTHER_FUNCTION,
        say("this is the gradient of {other}, and {here}", other=other, here=here),
        say("Backward differentiates {other}; it must be the derivative of what forward computes.", other=other),
        "Write down the formula of forward. Is it the one that backward differentiates?",
        say("Differentiate {own}, and multiply by the upstream gradient.", own=own or say("the formula of forward")),
    )


OTHER_FUNCTION = Mistake(
    "other-function",
    "this is the gradient of another function",
    "Backward must be the derivative of what forward computes.",
    "Write down the formula of forward. Is it the one that backward differentiates?",
    "Differentiate the formula of forward, and multiply by the upstream gradient.",
    "lecture 01, Upstream × local",
    _others,
    named=False,
)
EXPLANATIONS = (OTHER_FUNCTION,)
